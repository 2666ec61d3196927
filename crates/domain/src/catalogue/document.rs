//! The parts of an OpenAPI document we read, as written. Everything else is only looked through, for marks that stand nowhere useful.
use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use super::CatalogueError;

/// The largest document.
const LARGEST: usize = 16 << 20;
/// The deepest YAML. Its reader takes some 20 KiB of stack a level in a debug build, and a thread may have no more than 2 MiB.
/// JSON has serde_json's own limit, 128.
const DEEPEST: usize = 64;
const MARK: &str = "x-claviger-user-information";

/// An object of which the named fields count. A field given twice is refused, as is one of ours that we do not know: a mistyped
/// mark must not be a silence.
macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $key:expr,)* })*) => {$(
        $(#[$doc])*
        #[derive(Default)]
        pub(super) struct $name { $(pub(super) $field: Option<$type>,)* }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Reader;
                impl<'de> Visitor<'de> for Reader {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("an object: ", stringify!($name)))
                    }

                    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<$name, M::Error> {
                        let mut object = $name::default();
                        while let Some(key) = map.next_key::<String>()? {
                            match key.as_str() {
                                $(word if word == $key => {
                                    if object.$field.replace(map.next_value()?).is_some() {
                                        return Err(M::Error::custom(format_args!("{key:?} stands twice")));
                                    }
                                })*
                                _ => look_through(&key, &mut map)?,
                            }
                        }
                        Ok(object)
                    }
                }
                deserializer.deserialize_map(Reader)
            }
        }
    )*};
}

objects! {
    /// The document.
    Document {
        openapi: String = "openapi",
        servers: Vec<Server> = "servers",
        security: Vec<Names<Vec<String>>> = "security",
        paths: Names<PathItem, true> = "paths",
        components: Components = "components",
        mark: bool = MARK,
    }
    /// Where the API is.
    Server { url: String = "url", variables: Names<Variable> = "variables", }
    /// A variable of a server's URL.
    Variable { default: String = "default", }
    /// What paths refer to.
    Components { path_items: Names<PathItem> = "pathItems", schemes: Names<Scheme> = "securitySchemes", }
    /// A way to authenticate.
    Scheme { r#type: String = "type", flows: Names<Flow, true> = "flows", }
    /// An OAuth 2 flow.
    Flow { scopes: Names<Option<String>, true> = "scopes", }
    /// The operations of one path.
    PathItem {
        reference: String = "$ref",
        get: Spec = "get",
        head: Spec = "head",
        options: Spec = "options",
        post: Spec = "post",
        put: Spec = "put",
        patch: Spec = "patch",
        delete: Spec = "delete",
        trace: Spec = "trace",
        servers: Vec<Server> = "servers",
        mark: bool = MARK,
    }
    /// One operation.
    Spec {
        summary: Option<String> = "summary",
        security: Vec<Names<Vec<String>>> = "security",
        servers: Vec<Server> = "servers",
        mark: bool = MARK,
    }
}

/// An object whose keys are names somebody chose, in order, none of them twice. Where extensions may stand among them, they are
/// left out.
pub(super) struct Names<V, const EXTENSIONS: bool = false>(pub(super) Vec<(String, V)>);

impl<V, const EXTENSIONS: bool> Names<V, EXTENSIONS> {
    pub(super) fn find(&self, name: &str) -> Option<&V> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl<'de, V: Deserialize<'de>, const EXTENSIONS: bool> Deserialize<'de> for Names<V, EXTENSIONS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<V, const EXTENSIONS: bool>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>, const EXTENSIONS: bool> Visitor<'de> for Reader<V, EXTENSIONS> {
            type Value = Names<V, EXTENSIONS>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut seen = std::collections::BTreeSet::new();
                let mut names = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if !seen.insert(key.clone()) {
                        return Err(M::Error::custom(format_args!("{key:?} stands twice")));
                    }
                    if EXTENSIONS && key.starts_with("x-") {
                        look_through(&key, &mut map)?;
                    } else {
                        names.push((key, map.next_value()?));
                    }
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Reader(PhantomData))
    }
}

fn look_through<'de, M: MapAccess<'de>>(key: &str, map: &mut M) -> Result<(), M::Error> {
    match key {
        MARK => Err(M::Error::custom(format_args!("{MARK} belongs on an operation, a path item or the document; here it would do nothing"))),
        _ if key.starts_with("x-claviger-") => Err(M::Error::custom(format_args!("{key:?} is not an extension of ours; did you mean {MARK}?"))),
        _ => map.next_value::<Ignored>().map(|Ignored| ()),
    }
}

/// Anything at all, as long as there is no extension of ours in it.
struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

macro_rules! ignore {
    ($($visit:ident: $type:ty),*) => {$(
        fn $visit<E: Error>(self, _: $type) -> Result<Self, E> {
            Ok(self)
        }
    )*};
}

impl<'de> Visitor<'de> for Ignored {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    ignore!(visit_bool: bool, visit_i64: i64, visit_i128: i128, visit_u64: u64, visit_u128: u128, visit_f64: f64, visit_str: &str, visit_bytes: &[u8]);

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_none<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self, S::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self, M::Error> {
        while let Some(key) = map.next_key::<String>()? {
            look_through(&key, &mut map)?;
        }
        Ok(self)
    }
}

/// Reads JSON when the first character is a brace, else YAML 1.2.
///
/// # Errors
/// When it is too large or cannot be read. YAML has budgets: what aliases expand to counts, so a bomb is refused long before it
/// is built.
pub(super) fn parse(text: &str) -> Result<Document, CatalogueError> {
    if text.len() > LARGEST {
        return Err(CatalogueError::TooLarge);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| CatalogueError::Unreadable(error.to_string()));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEEPEST,
            max_documents: 1,
            max_events: 8_000_000,
            max_nodes: 4_000_000,
            max_total_scalar_bytes: 2 * LARGEST,
            max_anchors: 10_000,
            max_aliases: 10_000,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 200_000, max_replay_stack_depth: 16 },
        // YAML 1.1's "yes" and "on" are words here, as OpenAPI asks for YAML 1.2
        strict_booleans: true,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| CatalogueError::Unreadable(super::operation::one_line(&error.to_string())))
}
