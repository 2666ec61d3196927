//! Exchanging a client id and secret for a token: the standard form (RFC 6749, section 4.4) and the JSON form.
use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use claviger_domain::{
    id::{RequestId, SecretId},
    secret::Plain,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::form::{Form, OauthError, basic};
use crate::{
    app::App,
    body::Json,
    problem::Problem,
    request::Context,
    tokens::LIFETIME,
    verify::{CannotSay, Entry, authenticate_client},
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
    let entry = authenticate_client(&app, &client_id, &client_secret, context.source).await.map_err(|CannotSay| Problem::cannot_say())?;
    let (entry, secret) = entry.ok_or_else(|| Problem { challenge: None, ..Problem::credential_invalid() })?;
    let token = issue(&app, &entry, secret, entry.words().to_owned()).ok_or_else(|| Problem::internal("a token could not be signed"))?;
    Ok(answer(token))
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
    post, path = "/oauth2/token", tag = "oauth", security((), ("client" = [])), request_body(content = Grant, content_type = "application/x-www-form-urlencoded"),
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
    let mut form = Form::read(headers, query, body).await?;
    let basic = basic(headers)?;
    match form.grant_type.as_deref() {
        Some("client_credentials") => {}
        Some(_) => return Err(OauthError::bad("unsupported_grant_type", "use client_credentials")),
        None => return Err(OauthError::request("grant_type is missing")),
    }
    let (id, secret) = form.client(basic)?;
    let entry = authenticate_client(app, &id, &secret, context.source).await.map_err(|CannotSay| OauthError::cannot_say())?;
    let (entry, secret) = entry.ok_or(OauthError::client())?;
    let all = entry.words().to_owned();
    let granted = match &form.scope {
        None => all,
        Some(asked) => {
            let within = all == "*" || asked.split(' ').all(|word| all.split(' ').any(|scope| scope == word));
            let well_formed = asked == "*" || asked.split(' ').all(|word| word.parse::<claviger_domain::access::Scope>().is_ok());
            if !within || !well_formed {
                return Err(OauthError::bad("invalid_scope", "ask for scopes that this client has"));
            }
            asked.clone()
        }
    };
    let scope = (form.scope.as_deref() != Some(&granted)).then(|| granted.clone());
    let token = issue(app, &entry, secret, granted).ok_or(OauthError::cannot_say())?;
    Ok(TokenAnswer { scope, ..token })
}

/// A token that promises no longer life than its credential and its secret have.
fn issue(app: &App, entry: &Entry, secret: SecretId, scope: String) -> Option<TokenAnswer> {
    let now = app.clock.now();
    let left = entry.ends_with(secret).map_or(LIFETIME, |end| end.seconds() - now.seconds());
    let expires_in = left.clamp(1, LIFETIME);
    let access_token = app.tokens.issue(entry.public_id(), secret, scope, RequestId::new(now, &*app.chance).to_string(), now, expires_in)?;
    Some(TokenAnswer { access_token, expires_in, token_type: "Bearer", scope: None })
}

/// RFC 6749, section 5.1: neither the token nor its absence may be cached.
fn answer(token: TokenAnswer) -> Response {
    ([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], axum::Json(token)).into_response()
}
