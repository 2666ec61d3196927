//! Exchanging a client id and secret for a token: the standard form (RFC 6749, section 4.4) and the JSON form.
use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use claviger_domain::{id::RequestId, secret::Plain};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::App,
    body::{self, Json},
    problem::Problem,
    request::Context,
    tokens::LIFETIME,
    verify::{CannotSay, authenticate_client},
};

/// A token (RFC 6749, section 5.1).
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenAnswer {
    access_token: String,
    /// Seconds.
    expires_in: i64,
    /// `Bearer`.
    token_type: &'static str,
    /// In the standard form, when it differs from what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// The JSON form's request.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Exchange {
    client_id: String,
    #[schema(value_type = String)]
    client_secret: Plain,
}

/// Exchanges a client id and secret for a token: the JSON form.
#[utoipa::path(
    post, path = "/auth/token", tag = "oauth", request_body = Exchange,
    responses((status = 200, body = TokenAnswer), (status = 401, description = "Unknown, wrong or ended: one answer"), (status = 503, description = "Cannot say"))
)]
pub(crate) async fn json_token(
    State(app): State<App>,
    Extension(context): Extension<Context>,
    exchange: Json<Exchange>,
) -> Result<Response, Problem> {
    let Exchange { client_id, client_secret } = exchange.value;
    let entry = authenticate_client(&app, &client_id, &client_secret, context.source).await.map_err(|CannotSay| Problem::unavailable("token"))?;
    let entry = entry.ok_or_else(|| Problem { challenge: None, ..Problem::credential_invalid() })?;
    let access_token = issue(&app, entry.public_id(), entry.words().to_owned()).ok_or_else(|| Problem::internal("a token could not be signed"))?;
    Ok(answer(TokenAnswer { access_token, expires_in: LIFETIME, token_type: "Bearer", scope: None }))
}

/// The standard form's request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a description; the form itself is read by hand, since RFC 6749 forbids repeated parameters and ignores unknown ones")]
pub(crate) struct Grant {
    /// `client_credentials`.
    grant_type: String,
    /// The client id, when it is not sent by HTTP Basic.
    client_id: Option<String>,
    /// The client secret, when it is not sent by HTTP Basic.
    client_secret: Option<String>,
    /// A subset of what the credential may do, words joined by blanks.
    scope: Option<String>,
}

/// Exchanges a client id and secret for a token: RFC 6749, section 4.4; the client in HTTP Basic or in the body.
#[utoipa::path(
    post, path = "/oauth2/token", tag = "oauth", request_body(content = Grant, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = TokenAnswer), (status = 400, description = "RFC 6749, section 5.2"), (status = 401, description = "invalid_client"),
        (status = 503, description = "Cannot say"))
)]
pub(crate) async fn oauth_token(State(app): State<App>, Extension(context): Extension<Context>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match exchange(&app, &context, &parts.headers, parts.uri.query(), body).await {
        Ok(token) => answer(token),
        Err(error) => error.into_response(),
    }
}

async fn exchange(app: &App, context: &Context, headers: &HeaderMap, query: Option<&str>, body: axum::body::Body) -> Result<TokenAnswer, OauthError> {
    if !body::is_of_type(headers, "application/x-www-form-urlencoded") {
        return Err(OauthError::request("send application/x-www-form-urlencoded"));
    }
    let bytes = body::read(body).await.map_err(|problem| match problem.status {
        413 => OauthError { status: StatusCode::PAYLOAD_TOO_LARGE, ..OauthError::request("the body is too large") },
        _ => OauthError::request("the body ended early"),
    })?;
    let form = Form::parse(&bytes)?;
    let basic = basic(headers)?;
    if query.is_some_and(|query| query.contains("client_secret")) {
        return Err(OauthError::request("never send a secret in a URL"));
    }
    match form.grant_type.as_deref() {
        Some("client_credentials") => {}
        Some(_) => return Err(OauthError::bad("unsupported_grant_type", "use client_credentials")),
        None => return Err(OauthError::request("grant_type is missing")),
    }
    let by_basic = basic.is_some();
    let (id, secret) = match (basic, form.client_id, form.client_secret) {
        (Some((id, secret)), None, None) => (id, secret),
        // RFC 6749, section 2.3: one method at a time. The same id beside Basic is harmless, and common
        (Some((id, secret)), Some(same), None) if same == id => (id, secret),
        (Some(_), _, _) => return Err(OauthError::request("authenticate in one way only")),
        (None, Some(id), Some(secret)) => (id, secret),
        (None, _, _) => return Err(OauthError::client(false)),
    };
    let entry = authenticate_client(app, &id, &secret, context.source).await.map_err(|CannotSay| OauthError::cannot_say())?;
    let entry = entry.ok_or(OauthError::client(by_basic))?;
    let all = entry.words().to_owned();
    let granted = match &form.scope {
        None => all,
        Some(asked) => {
            let within = all == "*" || asked.split(' ').all(|word| all.split(' ').any(|scope| scope == word));
            let well_formed = asked.split(' ').all(|word| word == "*" || word.parse::<claviger_domain::access::Scope>().is_ok());
            if !within || !well_formed {
                return Err(OauthError::bad("invalid_scope", "ask for scopes that this client has"));
            }
            asked.clone()
        }
    };
    let scope = (form.scope.as_deref() != Some(&granted)).then(|| granted.clone());
    let access_token = issue(app, entry.public_id(), granted).ok_or(OauthError::cannot_say())?;
    Ok(TokenAnswer { access_token, expires_in: LIFETIME, token_type: "Bearer", scope })
}

fn issue(app: &App, public_id: &str, scope: String) -> Option<String> {
    let now = app.clock.now();
    app.tokens.issue(public_id, scope, RequestId::new(now, &*app.chance).to_string(), now)
}

/// RFC 6749, section 5.1: neither the token nor its absence may be cached.
fn answer(token: TokenAnswer) -> Response {
    ([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], axum::Json(token)).into_response()
}

/// The parameters that matter. Unknown ones are ignored, empty ones absent, repeated ones refused (RFC 6749, section 3.2).
#[derive(Default)]
struct Form {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Plain>,
    scope: Option<String>,
}

impl Form {
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
                _ => {}
            }
        }
        Ok(form)
    }
}

/// The client in HTTP Basic: both halves are form-urlencoded before they are joined (RFC 6749, section 2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, Plain)>, OauthError> {
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
        (None, None) => Err(OauthError::client(true)),
        (Some(_), _) => Err(OauthError::request("authenticate in one way only")),
    }
}

/// RFC 6749, section 5.2.
struct OauthError {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
    challenge: bool,
}

impl OauthError {
    const fn bad(error: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description, challenge: false }
    }

    const fn request(description: &'static str) -> Self {
        Self::bad("invalid_request", description)
    }

    const fn client(challenge: bool) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", description: "the client is not accepted", challenge }
    }

    const fn cannot_say() -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, error: "temporarily_unavailable", description: "try again in a moment", challenge: false }
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let body = axum::Json(serde_json::json!({ "error": self.error, "error_description": self.description }));
        let mut response = (self.status, [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], body).into_response();
        if self.challenge {
            let challenge = HeaderValue::from_static("Basic realm=\"claviger\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
