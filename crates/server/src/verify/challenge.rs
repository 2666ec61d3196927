//! What a refused client is told of how to come in: the challenge of RFC 6750, section 3, which leads to the metadata of RFC 9728.
//!
//! Only verification has it. What our own API asks for are keys, which no authorization server gives.
use claviger_domain::judge::Refusal;
use hyper::header::HeaderValue;

/// Where a client finds which authorization server gives tokens (RFC 9728, section 3).
const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";

/// The challenges, but for missing scopes written once: a flood of junk must not cost more than what it floods. All of one is in one field:
/// nginx before 1.23 passes on only the first.
#[derive(Debug)]
pub(crate) struct Challenges {
    url: String,
    required: Option<HeaderValue>,
    invalid: Option<HeaderValue>,
}

impl Challenges {
    /// `public_url` is how the public listener is reached, without a trailing slash.
    pub(crate) fn new(public_url: &str) -> Self {
        let url = format!("{public_url}{RESOURCE_METADATA}");
        Self { required: challenge("", &url), invalid: challenge(r#", error="invalid_token""#, &url), url }
    }

    /// None where none is due.
    pub(crate) fn of(&self, refusal: Refusal, missing: Option<&str>) -> Option<HeaderValue> {
        match (refusal, missing.unwrap_or_default()) {
            (Refusal::NoCredential, _) => self.required.clone(),
            (Refusal::Unauthenticated | Refusal::Replayed, _) => self.invalid.clone(),
            (Refusal::InsufficientScope, "") => challenge(r#", error="insufficient_scope""#, &self.url),
            (Refusal::InsufficientScope, missing) => challenge(&format!(r#", error="insufficient_scope", scope="{missing}""#), &self.url),
            _ => None,
        }
    }
}

fn challenge(what: &str, url: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!(r#"Bearer realm="claviger"{what}, resource_metadata="{url}""#)).ok()
}
