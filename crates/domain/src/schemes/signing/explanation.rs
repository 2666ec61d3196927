//! How a refused request looked to us, for the one who must find out why.
use super::{DIGEST_FIELDS, Failure, Fields, Timestamp, difference_seconds};

/// Everything a person needs to see why a signed request was refused. Made without the key: it cannot hold the secret, nor the signature
/// that would have been right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The string we signed; a header that was missing or repeated has an empty value, one that holds a credential shows `***`.
    pub signing_string: String,
    /// The signed headers, and those that could have been meant, as they reached us.
    pub headers_seen: Vec<Seen>,
    /// Whole seconds by which the request's date is later than our clock; None when no date could be read.
    pub clock_difference_seconds: Option<i64>,
    /// What was wrong.
    pub failure: Failure,
}

/// A header of a refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name, in lower case.
    pub name: String,
    /// Its values, in order; empty when it was not there. `***` for what holds a credential.
    pub values: Vec<String>,
}

impl Explanation {
    pub(in crate::schemes) fn new<F: Fields>(
        fields: &F,
        signed: impl Iterator<Item = String>,
        date: Option<Timestamp>,
        now: Timestamp,
        failure: Failure,
        write: impl FnOnce(&mut dyn FnMut(&[u8])),
    ) -> Self {
        let mut string = Vec::new();
        write(&mut |piece| string.extend_from_slice(piece));
        let mut names: Vec<String> = signed.collect();
        for name in ["date", "x-date", "host"].into_iter().chain(DIGEST_FIELDS) {
            if fields.values(name).next().is_some() {
                names.push(name.to_owned());
            }
        }
        let mut headers_seen: Vec<Seen> = Vec::new();
        for name in names {
            if !headers_seen.iter().any(|seen| seen.name == name) {
                let shown = |value| String::from_utf8_lossy(shown(&name, value)).into_owned();
                let values = fields.values(&name).map(shown).collect();
                headers_seen.push(Seen { name, values });
            }
        }
        let clock_difference_seconds = date.map(|date| difference_seconds(date, now));
        Self { signing_string: String::from_utf8_lossy(&string).into_owned(), headers_seen, clock_difference_seconds, failure }
    }
}

/// The value as an explanation may show it.
pub(in crate::schemes) fn shown<'a>(name: &str, value: &'a [u8]) -> &'a [u8] {
    const SECRET: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "x-api-key", "x-amz-security-token"];
    if SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret)) { b"***" } else { value }
}
