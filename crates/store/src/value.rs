//! The portable column types, on their way in and out.
use claviger_domain::time::Timestamp;

use crate::StoreError;

/// A parameter or a column: what both engines have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Text(String),
    Bytes(Vec<u8>),
    Int(i64),
    Bool(bool),
}

macro_rules! from {
    ($($from:ty: $value:pat => $to:expr),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from($value: $from) -> Self { $to }
        }
    )*};
}
from! {
    &str: v => Self::Text(v.to_owned()),
    String: v => Self::Text(v),
    &String: v => Self::Text(v.clone()),
    &[u8]: v => Self::Bytes(v.to_vec()),
    &[u8; 32]: v => Self::Bytes(v.to_vec()),
    Vec<u8>: v => Self::Bytes(v),
    i64: v => Self::Int(v),
    bool: v => Self::Bool(v),
    Timestamp: v => Self::Int(v.micros()),
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Many things as one parameter: `json_each` of either engine has their keys in `key`, and what `value ->> 'name'` gives is a text.
pub(crate) fn object(members: impl Iterator<Item = (String, serde_json::Value)>) -> Value {
    serde_json::Value::Object(members.collect()).to_string().into()
}

/// Many keys as one parameter, for `IN (SELECT key FROM json_each($1))`.
pub(crate) fn keys(keys: impl Iterator<Item = String>) -> Value {
    object(keys.map(|key| (key, serde_json::Value::Null)))
}

/// A row; columns are taken from the left, each with the type it has.
#[derive(Debug)]
pub(crate) struct Row(std::vec::IntoIter<Value>);

impl Row {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    pub(crate) fn text(&mut self) -> Result<String, StoreError> {
        self.optional_text()?.ok_or_else(|| unexpected("a text, not NULL"))
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<String>, StoreError> {
        match self.0.next() {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            other => Err(wrong("text", other.as_ref())),
        }
    }

    pub(crate) fn optional_bytes(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        match self.0.next() {
            Some(Value::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Value::Null) => Ok(None),
            other => Err(wrong("bytes", other.as_ref())),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        self.optional_bytes()?.ok_or_else(|| unexpected("bytes, not NULL"))
    }

    pub(crate) fn optional_int(&mut self) -> Result<Option<i64>, StoreError> {
        match self.0.next() {
            Some(Value::Int(int)) => Ok(Some(int)),
            Some(Value::Null) => Ok(None),
            other => Err(wrong("an integer", other.as_ref())),
        }
    }

    pub(crate) fn int(&mut self) -> Result<i64, StoreError> {
        self.optional_int()?.ok_or_else(|| unexpected("an integer, not NULL"))
    }

    pub(crate) fn bool(&mut self) -> Result<bool, StoreError> {
        match self.0.next() {
            Some(Value::Bool(value)) => Ok(value),
            // SQLite has no booleans
            Some(Value::Int(value)) => Ok(value != 0),
            other => Err(wrong("a boolean", other.as_ref())),
        }
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, StoreError> {
        self.int().map(Timestamp::from_micros)
    }

    pub(crate) fn optional_time(&mut self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.optional_int()?.map(Timestamp::from_micros))
    }

    /// A text column read by `parse`.
    pub(crate) fn parsed<T: std::str::FromStr>(&mut self) -> Result<T, StoreError> {
        self.text()?.parse().map_err(|_| unexpected(std::any::type_name::<T>()))
    }

    /// An optional text column read by `parse`.
    pub(crate) fn optional_parsed<T: std::str::FromStr>(&mut self) -> Result<Option<T>, StoreError> {
        self.optional_text()?.map(|text| text.parse().map_err(|_| unexpected(std::any::type_name::<T>()))).transpose()
    }
}

/// A column does not hold what we once wrote there. The value itself stays out of the message: it may be a secret's digest.
pub(crate) fn unexpected(wanted: &str) -> StoreError {
    StoreError::Unusable(format!("a column does not hold {wanted}"))
}

fn wrong(wanted: &str, found: Option<&Value>) -> StoreError {
    let found = match found {
        None => "no column",
        Some(Value::Null) => "NULL",
        Some(Value::Text(_)) => "text",
        Some(Value::Bytes(_)) => "bytes",
        Some(Value::Int(_)) => "an integer",
        Some(Value::Bool(_)) => "a boolean",
    };
    StoreError::Unusable(format!("expected {wanted}, found {found}"))
}
