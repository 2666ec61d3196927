//! The header fields of a request as hyper holds them.
use std::fmt;

use claviger_domain::schemes::{Fields, Repeated, only};
use hyper::{HeaderMap, header::HeaderValue};

use super::Demand;

/// The header fields of a request. Those that every verification asks for are found in one pass over what was sent: most of them are absent,
/// and what is absent then costs nothing.
#[derive(Clone, Copy)]
pub struct HeaderFields<'a> {
    all: &'a HeaderMap,
    /// Which field holds the client's own `Host`.
    host: &'static str,
    sought: Sought<&'a HeaderValue>,
}

/// The fields that every verification asks for, or every signed one.
#[derive(Clone, Copy)]
pub(super) struct Sought<V>([Found<V>; SOUGHT]);

#[derive(Clone, Copy)]
enum Found<V> {
    Nowhere,
    Once(V),
    Again,
}

const SOUGHT: usize = 16;

#[inline(always)]
fn place(name: &str) -> Option<usize> {
    Some(match name {
        "authorization" => 0,
        "proxy-authorization" => 1,
        "x-api-key" => 2,
        "apikey" => 3,
        "signature" => 4,
        "x-request-id" => 5,
        "x-original-method" => 6,
        "x-original-uri" => 7,
        "x-real-ip" => 8,
        "x-forwarded-proto" => 9,
        "x-claviger-require" => 10,
        "traceparent" => 11,
        "date" => 12,
        "x-date" => 13,
        "content-length" => 14,
        "transfer-encoding" => 15,
        _ => return None,
    })
}

impl<V: Copy> Sought<V> {
    /// Those among these, whose names are in lower case.
    #[inline(always)]
    pub(super) fn among<'a>(all: impl Iterator<Item = (&'a str, V)>) -> Self {
        let mut sought = [Found::Nowhere; SOUGHT];
        for (name, value) in all {
            if let Some(at) = place(name) {
                sought[at] = if matches!(sought[at], Found::Nowhere) { Found::Once(value) } else { Found::Again };
            }
        }
        Self(sought)
    }

    /// The one value of a field; None where it is not among those that are sought.
    #[inline(always)]
    pub(super) fn one(&self, name: &str) -> Option<Result<Option<V>, Repeated>> {
        Some(match self.0[place(name)?] {
            Found::Nowhere => Ok(None),
            Found::Once(value) => Ok(Some(value)),
            Found::Again => Err(Repeated),
        })
    }

    /// Whether a field is sought, and absent.
    pub(super) fn is_absent(&self, name: &str) -> bool {
        matches!(self.one(name), Some(Ok(None)))
    }
}

impl<'a> HeaderFields<'a> {
    /// The fields of a request that the client sent here itself.
    #[must_use]
    pub fn new(all: &'a HeaderMap) -> Self {
        Self::with_host(all, "host")
    }

    /// The client's fields, handed on by a gateway whose own `Host` is no part of them: the client's stands in the field `host`.
    pub(super) fn with_host(all: &'a HeaderMap, host: &'static str) -> Self {
        Self { all, host, sought: Sought::among(all.iter().map(|(name, value)| (name.as_str(), value))) }
    }

    /// The one value of the field called `name`, as text; None when it is absent, not text, or said twice: then the client said it too.
    pub(super) fn told(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.one(name).ok()??).ok()
    }

    /// As [`Self::told`], and `absent` when it is absent.
    ///
    /// # Errors
    /// When it is there and cannot be read in one way.
    pub(super) fn told_or(&self, name: &str, absent: &'a str) -> Result<&'a str, Repeated> {
        self.one(name)?.map_or(Ok(absent), |value| std::str::from_utf8(value).map_err(|_| Repeated))
    }

    /// What is demanded in the field called `name`; nothing where it is absent. None when it is there and demands nothing, or cannot be read in one way.
    pub(super) fn demand(&self, name: &str) -> Option<Demand<'a>> {
        match self.one(name).ok()? {
            None => Some(Demand::default()),
            Some(value) => Demand::of(std::str::from_utf8(value).ok()?),
        }
    }

    #[inline(always)]
    fn one(&self, name: &str) -> Result<Option<&'a [u8]>, Repeated> {
        match self.sought.one(name) {
            Some(found) => found.map(|value| value.map(HeaderValue::as_bytes)),
            None => only(self.all.get_all(self.own(name)).into_iter().map(HeaderValue::as_bytes)),
        }
    }

    fn own<'b>(&self, name: &'b str) -> &'b str {
        if name == "host" { self.host } else { name }
    }
}

impl Fields for HeaderFields<'_> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let values = (!self.sought.is_absent(name)).then(|| self.all.get_all(self.own(name)).into_iter().map(HeaderValue::as_bytes));
        values.into_iter().flatten()
    }

    fn single<'a>(&'a self, name: &str) -> Result<Option<&'a [u8]>, Repeated> {
        self.one(name)
    }
}

impl fmt::Debug for HeaderFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // values hold secrets
        f.debug_set().entries(self.all.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut all = HeaderMap::new();
        for (name, value) in fields {
            all.append(*name, HeaderValue::from_static(value));
        }
        all
    }

    #[test]
    fn what_is_sought_and_what_is_not_are_found_alike() {
        let all = sent(&[("Authorization", "a"), ("Date", "b"), ("X-Api-Key", "c"), ("Date", "d"), ("X-API-KEY", "e"), ("Host", "f")]);
        let fields = HeaderFields::new(&all);
        for (name, values) in [
            ("authorization", &[&b"a"[..]][..]),
            ("date", &[b"b", b"d"]),
            ("x-api-key", &[b"c", b"e"]),
            ("host", &[b"f"]),
            ("apikey", &[]),
            ("accept", &[]),
        ] {
            assert_eq!(fields.values(name).collect::<Vec<_>>(), values, "{name}");
            assert_eq!(fields.single(name), only(values.iter().copied()), "{name}");
        }
    }

    #[test]
    fn the_host_is_the_one_that_the_client_called() {
        let all = sent(&[("Host", "claviger.internal"), ("X-Original-Host", "api.example.com")]);
        assert_eq!(HeaderFields::with_host(&all, "x-original-host").single("host"), Ok(Some(&b"api.example.com"[..])));
        assert_eq!(HeaderFields::with_host(&all, "x-forwarded-host").single("host"), Ok(None));
    }

    #[test]
    fn what_is_told_twice_is_not_told() {
        let all = sent(&[("X-Original-Uri", "/a"), ("X-Original-Uri", "/b"), ("X-Original-Method", "GET")]);
        let fields = HeaderFields::new(&all);
        assert_eq!((fields.told("x-original-method"), fields.told("x-original-uri"), fields.told("x-real-ip")), (Some("GET"), None, None));
    }

    #[test]
    fn no_value_is_shown() {
        let all = sent(&[("Authorization", "Bearer very-secret")]);
        let shown = format!("{:?}", HeaderFields::new(&all));
        assert!(shown.contains("authorization") && !shown.contains("secret"), "{shown}");
    }
}
