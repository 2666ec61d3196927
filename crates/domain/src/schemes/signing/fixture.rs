//! What the tests of every dialect need: header fields in a list, and a signer that shares no code with the checks.
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::{Algorithm, Fields, Timestamp};

/// Header fields in the order of the request.
#[derive(Clone, Debug)]
pub(in crate::schemes) struct Headers(pub(in crate::schemes) Vec<(String, Vec<u8>)>);

impl Headers {
    pub(in crate::schemes) fn new(fields: &[(&str, &str)]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect())
    }

    pub(in crate::schemes) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }
}

impl Fields for Headers {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase()), "names are given in lower case: {name}");
        self.0.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &**value).collect::<Vec<_>>().into_iter()
    }
}

/// The base64 of the signature of `string`.
pub(in crate::schemes) fn sign(secret: &[u8], algorithm: Algorithm, string: &str) -> String {
    fn mac<M: Mac + KeyInit>(secret: &[u8], string: &str) -> String {
        let mut mac = <M as KeyInit>::new_from_slice(secret).expect("any length");
        mac.update(string.as_bytes());
        BASE64.encode(&mac.finalize().into_bytes())
    }
    match algorithm {
        Algorithm::Sha1 => mac::<Hmac<Sha1>>(secret, string),
        Algorithm::Sha256 => mac::<Hmac<Sha256>>(secret, string),
        Algorithm::Sha384 => mac::<Hmac<Sha384>>(secret, string),
        Algorithm::Sha512 => mac::<Hmac<Sha512>>(secret, string),
    }
}

/// The frozen clock, in seconds since the Unix epoch.
pub(in crate::schemes) const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}
