//! How a request proves who it is. One file per scheme, each: parse, presented, check.
use std::net::IpAddr;

pub mod basic;
pub mod bearer;
pub mod cavage;
pub mod digest;
pub mod hmac;
pub mod legacy;
pub mod message_signatures;
pub mod signing;

/// The header fields of a request, whatever holds them. Names are given in lower case and found in any.
pub trait Fields {
    /// Every value of the field called `name`, in the order of the request.
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]>;

    /// The one value of the field called `name`.
    ///
    /// # Errors
    /// When there are several: what two readers could read differently is refused.
    fn single<'a>(&'a self, name: &str) -> Result<Option<&'a [u8]>, Repeated> {
        only(self.values(name))
    }
}

/// The one value that there is, if any.
///
/// # Errors
/// When there are several.
pub fn only<T>(values: impl IntoIterator<Item = T>) -> Result<Option<T>, Repeated> {
    let mut values = values.into_iter();
    let first = values.next();
    if values.next().is_some() { Err(Repeated) } else { Ok(first) }
}

/// A field that may stand once stands several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated;

/// A request as the gateway saw it, which is all that verification knows.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a, F> {
    /// The method, as sent.
    pub method: &'a str,
    /// Path and query, as sent: nothing decoded, nothing resolved.
    pub target: &'a str,
    /// The header fields.
    pub fields: &'a F,
    /// Where it came from, when the gateway says so.
    pub client_ip: Option<IpAddr>,
}

/// What a request presents as its credential.
#[derive(Debug)]
pub enum Presented<'a> {
    /// Nothing.
    Nothing,
    /// A bearer token that has the form of one of ours; its signature is not checked yet.
    Token(&'a str),
    /// A whole API key, perhaps: its form is checked by the installation's own [`crate::token::Format`].
    Key(&'a str),
    /// A username and a password.
    Pair(basic::Pair),
    /// A signature over the request.
    Signed(hmac::Parameters<'a>),
    /// A signature over the request, in the dialect of draft-cavage.
    DraftSigned(cavage::Parameters<'a>),
    /// Something that no credential of ours can look like.
    Junk,
    /// More than one credential.
    Several,
}

/// The fields that can carry a credential.
const CARRIERS: [&str; 4] = ["authorization", "proxy-authorization", "x-api-key", "apikey"];

/// Finds what `fields` present. Only a pair is copied, to be decoded.
pub fn present<F: Fields>(fields: &F) -> Presented<'_> {
    let mut found = None;
    for name in CARRIERS {
        match fields.single(name) {
            Ok(None) => {}
            Ok(Some(value)) if found.is_none() => found = Some((name, value)),
            Ok(Some(_)) | Err(Repeated) => return Presented::Several,
        }
    }
    match found {
        None => Presented::Nothing,
        Some(("x-api-key" | "apikey", value)) => std::str::from_utf8(value).map_or(Presented::Junk, |key| Presented::Key(key.trim_ascii())),
        Some((_, value)) => authorization(value),
    }
}

fn authorization(value: &[u8]) -> Presented<'_> {
    if let Some(token) = bearer::parse(value) {
        return if bearer::has_token_form(token) { Presented::Token(token) } else { Presented::Key(token) };
    }
    if let Some(key) = bearer::parse_key(value) {
        return Presented::Key(key);
    }
    if let Some(pair) = basic::parse(value) {
        return Presented::Pair(pair);
    }
    if let Some(parameters) = hmac::parse(value) {
        return Presented::Signed(parameters);
    }
    if let Some(parameters) = cavage::parse(value) {
        return Presented::DraftSigned(parameters);
    }
    Presented::Junk
}
