//! Reading a request's JSON body: bounded, strict about its fields, and silent about the values in its errors.
use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use claviger_domain::time::Timestamp;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::problem::{Code, FieldError, Problem};

/// The largest body that is read, in bytes.
pub(crate) const LIMIT: usize = 64 * 1024;

/// A JSON body, and the bytes it was.
pub(crate) struct Json<T> {
    pub(crate) value: T,
    pub(crate) bytes: Bytes,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_of_type(request.headers(), "application/json") {
            return Err(Problem::new(Code::MediaType, "Send Content-Type: application/json."));
        }
        let bytes = read(request.into_body()).await?;
        Ok(Self { value: parse(&bytes)?, bytes })
    }
}

/// Whether the content type is this one, whatever its parameters, and in any case (RFC 9110, section 8.3.1).
pub(crate) fn is_of_type(headers: &HeaderMap, media_type: &str) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(|value| value.split(';').next());
    given.is_some_and(|given| given.trim().eq_ignore_ascii_case(media_type))
}

pub(crate) async fn read(body: Body) -> Result<Bytes, Problem> {
    read_up_to(body, LIMIT, "A body has at most 64 KiB (65,536 bytes).").await
}

/// `too_large` is what is said of more than `limit` bytes.
pub(crate) async fn read_up_to(body: Body, limit: usize, too_large: &str) -> Result<Bytes, Problem> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::new(Code::BodyTooLarge, too_large)),
        Err(_) => Err(Problem::new(Code::JsonMalformed, "The body ended early.")),
    }
}

pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde would read an array into a struct, by position; a body of ours is an object
    if bytes.trim_ascii_start().starts_with(b"[") && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok() {
        return Err(FieldError::new("#".into(), "wrong_type", "The body must be a JSON object.").into());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| refused(&error, bytes))?;
    deserializer.end().map_err(|_| Problem::new(Code::JsonMalformed, "There is more after the JSON value."))?;
    Ok(value)
}

/// serde's own message repeats the value it did not like, which may be a secret: only its kind and the place are told.
fn refused(error: &serde_path_to_error::Error<serde_json::Error>, bytes: &[u8]) -> Problem {
    let inner = error.inner();
    // a null where a word is wanted is called bad syntax, too
    if !inner.is_data() && serde_json::from_slice::<serde_json::Value>(bytes).is_err() {
        return Problem::new(Code::JsonMalformed, format!("The JSON breaks off or goes wrong at line {}, column {}.", inner.line(), inner.column()));
    }
    let message = inner.to_string();
    let pointer = error.path().iter().fold("#".to_owned(), |pointer, segment| match segment {
        serde_path_to_error::Segment::Map { key } => format!("{pointer}/{key}"),
        serde_path_to_error::Segment::Seq { index } => format!("{pointer}/{index}"),
        _ => pointer,
    });
    let named = |prefix: &str| message.strip_prefix(prefix).and_then(|rest| rest.split('`').next()).unwrap_or_default().to_owned();
    let is_time = message.starts_with(Timestamp::FORM);
    Problem::from(if message.starts_with("unknown field `") {
        FieldError::new(pointer, "unknown_field", "There is no such field here.")
    } else if message.starts_with("missing field `") {
        let field = named("missing field `");
        FieldError::new(format!("{pointer}/{field}"), "field_required", format!("The field {field} is required."))
    } else if message.starts_with("duplicate field `") {
        FieldError::new(pointer, "duplicate_field", "A field stands here twice.")
    } else if message.starts_with("unknown variant") {
        FieldError::new(pointer, "value_unknown", "That is none of the values this field can have.")
    } else if is_time && pointer.ends_with("/expires_at") {
        FieldError::new(pointer, "expiry_invalid", Timestamp::FORM)
    } else if is_time {
        FieldError::new(pointer, "time_invalid", Timestamp::FORM)
    } else {
        FieldError::new(pointer, "wrong_type", "The value is not of the type this field has.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only its type matters")]
        count: u32,
        #[expect(dead_code, reason = "only its type matters")]
        at: Option<Timestamp>,
        #[expect(dead_code, reason = "only its type matters")]
        expires_at: Option<Timestamp>,
    }

    #[test]
    fn errors_name_the_place_and_never_the_value() {
        for (text, code, pointer) in [
            (r#"{"count": "hunter2"}"#, "wrong_type", "#/count"),
            (r#"{"count": 1, "hunter2": 2}"#, "unknown_field", "#/hunter2"),
            (r#"{}"#, "field_required", "#/count"),
            (r#"{"count": 1, "count": 1}"#, "duplicate_field", "#/count"),
            (r#"{"at": "hunter2"}"#, "time_invalid", "#/at"),
            (r#"{"expires_at": "hunter2"}"#, "expiry_invalid", "#/expires_at"),
            (r#"{"expires_at": 7}"#, "wrong_type", "#/expires_at"),
            (r#"["hunter2"]"#, "wrong_type", "#"),
        ] {
            let problem = parse::<Sample>(text.as_bytes()).expect_err(text);
            assert_eq!((problem.status, problem.errors[0].code), (422, code), "{text}");
            assert!(problem.errors[0].pointer == pointer || code == "duplicate_field", "{text} {:?}", problem.errors);
            assert!(!problem.detail.contains("hunter2"), "{text}");
        }
        for text in ["", "{", "{\"count\": 1} x", "nonsense", "\u{0}"] {
            assert_eq!(parse::<Sample>(text.as_bytes()).expect_err(text).status, 400, "{text:?}");
        }
    }
}
