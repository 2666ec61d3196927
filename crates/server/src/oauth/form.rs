//! What the endpoints of RFC 6749, 7009 and 7662 share: their form, the client in it or in HTTP Basic, and their errors.
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use claviger_domain::secret::Plain;

use crate::body;

/// The parameters that matter. Unknown ones are ignored, empty ones absent, repeated ones refused (RFC 6749, section 3.2).
#[derive(Default)]
pub(super) struct Form {
    pub(super) grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Plain>,
    pub(super) scope: Option<String>,
    /// What is introspected or revoked.
    pub(super) token: Option<Plain>,
}

impl Form {
    /// Reads the body of a request to an endpoint of RFC 6749, 7009 or 7662.
    pub(super) async fn read(headers: &HeaderMap, query: Option<&str>, body: axum::body::Body) -> Result<Self, OauthError> {
        if !body::is_of_type(headers, "application/x-www-form-urlencoded") {
            return Err(OauthError::request("send application/x-www-form-urlencoded"));
        }
        let bytes = body::read(body).await.map_err(|problem| match problem.status {
            413 => OauthError { status: StatusCode::PAYLOAD_TOO_LARGE, ..OauthError::request("the body is too large") },
            _ => OauthError::request("the body ended early"),
        })?;
        let form = Self::parse(&bytes)?;
        if query.is_some_and(|query| query.contains("client_secret") || query.contains("token=")) {
            return Err(OauthError::request("never send a secret in a URL"));
        }
        Ok(form)
    }

    /// Whether a client is in it, or half of one.
    pub(super) const fn names_a_client(&self) -> bool {
        self.client_id.is_some() || self.client_secret.is_some()
    }

    /// The client's id and secret, from Basic or from the form.
    pub(super) fn client(&mut self, basic: Option<(String, Plain)>) -> Result<(String, Plain), OauthError> {
        match (basic, self.client_id.take(), self.client_secret.take()) {
            (Some((id, secret)), None, None) => Ok((id, secret)),
            // RFC 6749, section 2.3: one method at a time. The same id beside Basic is harmless, and common
            (Some((id, secret)), Some(same), None) if same == id => Ok((id, secret)),
            (Some(_), _, _) => Err(OauthError::request("authenticate in one way only")),
            (None, Some(id), Some(secret)) => Ok((id, secret)),
            (None, _, _) => Err(OauthError::client()),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, OauthError> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(bytes).map_err(|_| OauthError::request("the body is not a form"))?;
        let mut form = Self::default();
        let mut seen = std::collections::HashSet::new();
        for (name, value) in pairs {
            if !seen.insert(name.clone()) {
                return Err(OauthError::request("a parameter is repeated"));
            }
            if value.is_empty() {
                continue;
            }
            match name.as_str() {
                "grant_type" => form.grant_type = Some(value),
                "client_id" => form.client_id = Some(value),
                "client_secret" => form.client_secret = Some(Plain::new(value)),
                "scope" => form.scope = Some(value),
                "token" => form.token = Some(Plain::new(value)),
                _ => {}
            }
        }
        Ok(form)
    }
}

/// The client in HTTP Basic: both halves are form-urlencoded before they are joined (RFC 6749, section 2.3.1).
pub(super) fn basic(headers: &HeaderMap) -> Result<Option<(String, Plain)>, OauthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let pair = || -> Option<(String, Plain)> {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        let decoded = data_encoding::BASE64.decode(encoded.trim().as_bytes()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        let text = zeroize::Zeroizing::new(String::from_utf8(decoded).ok()?);
        let (id, secret) = text.split_once(':')?;
        let decode = |half: &str| match serde_urlencoded::from_str::<Vec<(String, String)>>(&format!("v={half}")).ok()?.as_mut_slice() {
            // exactly one: an `&` in a half would begin a second, and readers would differ on which counts
            [(_, value)] => Some(std::mem::take(value)),
            _ => None,
        };
        Some((decode(id)?, Plain::new(decode(secret)?)))
    };
    match (values.next(), pair()) {
        (None, Some(pair)) => Ok(Some(pair)),
        (None, None) => Err(OauthError::client()),
        (Some(_), _) => Err(OauthError::request("authenticate in one way only")),
    }
}

/// RFC 6749, section 5.2.
pub(super) struct OauthError {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
}

impl OauthError {
    pub(super) const fn bad(error: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description }
    }

    pub(super) const fn request(description: &'static str) -> Self {
        Self::bad("invalid_request", description)
    }

    pub(super) const fn client() -> Self {
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", description: "the client is not accepted" }
    }

    pub(super) const fn cannot_say() -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, error: "temporarily_unavailable", description: "try again in a moment" }
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let body = axum::Json(serde_json::json!({ "error": self.error, "error_description": self.description }));
        let mut response = (self.status, [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], body).into_response();
        // RFC 9110, section 15.5.2: every 401 has one, wherever the client was looked for
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"claviger\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
