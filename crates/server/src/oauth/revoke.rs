//! Token revocation (RFC 7009): ends one token, at once and for good. Its credential lives on; ending that ends all of them.
use axum::{
    Extension,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use claviger_domain::{policy::Actor, schemes::bearer::has_token_form, token::Purpose};

use super::{
    caller::Caller,
    form::{Form, OauthError},
    introspect::AboutToken,
};
use crate::{
    app::{self, App},
    problem::Problem,
    request::Context,
};

/// Ends a token. 200 for one that is none or has ended already, too.
#[utoipa::path(
    post, path = "/oauth2/revoke", tag = "oauth", security((), ("operator_key" = []), ("client" = [])),
    request_body(content = AboutToken, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "It is refused from now on"), (status = 400, description = "RFC 7009, section 2.2.1"),
        (status = 401, description = "invalid_client"), (status = 503, description = "Cannot say"))
)]
pub(crate) async fn revoke(State(app): State<App>, Extension(context): Extension<Context>, request: Request) -> Response {
    match answer(&app, &context, request).await {
        Ok(()) => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")]).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn answer(app: &App, context: &Context, request: Request) -> Result<(), OauthError> {
    let (parts, body) = request.into_parts();
    let mut form = Form::read(&parts.headers, parts.uri.query(), body).await?;
    let caller = Caller::of(app, context, &parts.headers, &mut form).await?;
    let token = form.token.ok_or(OauthError::request("token is missing"))?;
    let text = token.expose();
    if !has_token_form(text) {
        let is_key = app.format.parse_key(Purpose::ApiKey, text).is_some();
        return if is_key { Err(OauthError::bad("unsupported_token_type", "an API key is ended by its account")) } else { Ok(()) };
    }
    let Some(claims) = app.tokens.check(text, app.clock.now()) else { return Ok(()) };
    let timeline = app.index.timeline();
    let Some(entry) = app.index.credential(&claims.sub).await.map_err(|_| OauthError::cannot_say())? else {
        // its credential has ended: whoever did that may not have waited until it was true everywhere
        return app.make_sure(timeline).await.map_err(|error| cannot_say(&error.into()));
    };
    let actor = match caller {
        Caller::Operator(actor) => actor,
        Caller::Client(own) if own.id == entry.id => {
            Actor::Key { account: entry.account_id, kind: String::new(), public_id: entry.public_id().to_owned(), manages_keys: false }
        }
        // RFC 7009, section 2.1: told so
        Caller::Client(_) => return Err(OauthError::bad("unauthorized_client", "the token was issued to another client")),
    };
    app::tokens::revoke(app, context, &actor, &entry, &claims).await.map_err(|problem| cannot_say(&problem))
}

fn cannot_say(problem: &Problem) -> OauthError {
    tracing::warn!(code = problem.code, internal = problem.internal, "a token could not be revoked");
    OauthError::cannot_say()
}
