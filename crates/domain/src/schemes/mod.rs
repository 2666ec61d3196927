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
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() { Err(Repeated) } else { Ok(first) }
    }
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// Nothing.
    Nothing,
    /// A bearer token that has the form of one of ours; its signature is not checked yet.
    Token(&'a str),
    /// Something that no credential of ours can look like.
    Junk,
    /// More than one credential.
    Several,
}

/// Finds what `fields` present, without allocating.
pub fn present<F: Fields>(fields: &F) -> Presented<'_> {
    let (authorization, api_key) = match (fields.single("authorization"), fields.single("x-api-key")) {
        (Err(Repeated), _) | (_, Err(Repeated)) => return Presented::Several,
        (Ok(Some(_)), Ok(Some(_))) => return Presented::Several,
        (Ok(authorization), Ok(api_key)) => (authorization, api_key),
    };
    match (authorization, api_key) {
        (None, None) => Presented::Nothing,
        (Some(value), _) => match bearer::parse(value) {
            Some(token) if bearer::has_token_form(token) => Presented::Token(token),
            _ => Presented::Junk,
        },
        (None, Some(_)) => Presented::Junk,
    }
}
