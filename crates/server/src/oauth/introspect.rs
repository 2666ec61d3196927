//! Token introspection (RFC 7662): what a token is worth now. Its credential's state counts, as at every gateway.
use axum::{
    Extension,
    extract::{Request, State},
    http::header,
    response::{IntoResponse, Response},
};
use claviger_domain::{id::AccountId, schemes::bearer::has_token_form, secret::Plain, time::Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    caller::Caller,
    form::{Form, OauthError},
};
use crate::{
    app::App,
    request::Context,
    verify::{self, CannotSay, Entry},
};

/// The form of a question about a token.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a description; the form itself is read by hand, since RFC 6749 forbids repeated parameters and ignores unknown ones")]
pub(crate) struct AboutToken {
    /// The token, or an API key.
    token: String,
    /// Not needed.
    token_type_hint: Option<String>,
    /// The client id, when it is not sent by HTTP Basic; `operator` for the operator.
    client_id: Option<String>,
    /// The client secret, when it is not sent by HTTP Basic; for the operator an operator API key.
    client_secret: Option<String>,
}

/// What a token is worth now (RFC 7662, section 2.2). Of one that is worth nothing, or is not the caller's business, only `active`.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct TokenState {
    active: bool,
    /// What it may do, words joined by blanks; `*` for everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// `Bearer`, or `ApiKey`.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// Seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    /// The account that the credential belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
}

/// Says what a token or an API key is worth now.
#[utoipa::path(
    post, path = "/oauth2/introspect", tag = "oauth", security((), ("operator_key" = []), ("client" = [])),
    request_body(content = AboutToken, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "RFC 7662", body = TokenState), (status = 400, description = "RFC 6749, section 5.2"),
        (status = 401, description = "invalid_client"), (status = 503, description = "Cannot say"))
)]
pub(crate) async fn introspect(State(app): State<App>, Extension(context): Extension<Context>, request: Request) -> Response {
    match answer(&app, &context, request).await {
        Ok(state) => ([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], axum::Json(state)).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn answer(app: &App, context: &Context, request: Request) -> Result<TokenState, OauthError> {
    let (parts, body) = request.into_parts();
    let mut form = Form::read(&parts.headers, parts.uri.query(), body).await?;
    let caller = Caller::of(app, context, &parts.headers, &mut form).await?;
    let token = form.token.ok_or(OauthError::request("token is missing"))?;
    state(app, &caller, &token).await.map(Option::unwrap_or_default).map_err(|CannotSay| OauthError::cannot_say())
}

/// None for all that is worth nothing. Where a credential is bound to networks, only a gateway knows whether it would pass: here it would not.
async fn state(app: &App, caller: &Caller, token: &Plain) -> Result<Option<TokenState>, CannotSay> {
    let text = token.expose();
    if has_token_form(text) {
        let now = app.clock.now();
        let Some(claims) = app.tokens.check(text, now) else { return Ok(None) };
        let Some(entry) = app.index.credential(&claims.sub).await? else { return Ok(None) };
        let ended = !entry.has_living(claims.secret, now) || app.index.is_token_revoked(&claims.jti);
        if !may_know(caller, entry.account_id) || ended || !verify::is_living(app, &entry, None).await? {
            return Ok(None);
        }
        return Ok(Some(TokenState {
            token_type: Some("Bearer"),
            exp: Some(entry.ends_with(claims.secret).map_or(claims.exp, |end| end.seconds().min(claims.exp))),
            iat: Some(claims.iat),
            aud: Some(claims.aud.clone()),
            iss: Some(claims.iss.clone()),
            jti: Some(claims.jti.clone()),
            ..of(&entry, verify::narrowed(&claims.scope, &entry).unwrap_or(entry.words().to_owned()))
        }));
    }
    let Some(entry) = verify::authenticate_key(app, text, None).await? else { return Ok(None) };
    if !may_know(caller, entry.account_id) {
        return Ok(None);
    }
    let exp = entry.expires_at().map(Timestamp::seconds);
    Ok(Some(TokenState { token_type: Some("ApiKey"), exp, ..of(&entry, entry.words().to_owned()) }))
}

fn of(entry: &Entry, scope: String) -> TokenState {
    TokenState {
        active: true,
        scope: (!scope.is_empty()).then_some(scope),
        client_id: Some(entry.public_id().to_owned()),
        sub: Some(entry.public_id().to_owned()),
        account_id: Some(entry.account_id.to_string()),
        ..TokenState::default()
    }
}

fn may_know(caller: &Caller, account: AccountId) -> bool {
    match caller {
        Caller::Operator(_) => true,
        Caller::Client(own) => own.account_id == account,
    }
}
