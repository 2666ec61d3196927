//! Header fields as hyper holds them.
use claviger_domain::schemes::Fields;
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName, HeaderValue, PROXY_AUTHORIZATION},
};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct HeaderFields<'a>(pub &'a HeaderMap);

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const APIKEY: HeaderName = HeaderName::from_static("apikey");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");

impl Fields for HeaderFields<'_> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        // those that every request is asked for are found without reading their names again
        let values = match name {
            "authorization" => self.0.get_all(AUTHORIZATION),
            "proxy-authorization" => self.0.get_all(PROXY_AUTHORIZATION),
            "x-api-key" => self.0.get_all(X_API_KEY),
            "apikey" => self.0.get_all(APIKEY),
            "signature" => self.0.get_all(SIGNATURE),
            other => self.0.get_all(other),
        };
        values.iter().map(HeaderValue::as_bytes)
    }
}
