//! Every route, on one page. A handler's arguments say who may call it; the routes that anyone may call are listed as such.
use std::sync::LazyLock;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::header,
    middleware,
    response::IntoResponse,
    routing::{any, get, post},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api,
    app::App,
    console, legacy, oauth, openapi,
    problem::{Code, Problem},
    request, requests, traces, verify,
};

/// Routes of the public listener that anyone may call: they prove who calls themselves, or tell no one anything.
pub const PUBLIC: [&str; 9] = [
    "/legacy",
    "/auth/token",
    "/oauth2/token",
    "/oauth2/introspect",
    "/oauth2/revoke",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-protected-resource",
    "/openapi.json",
];

pub(crate) fn operator_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(api::accounts::create, api::accounts::list))
        .routes(routes!(api::accounts::show, api::accounts::update))
        .routes(routes!(api::members::list))
        .routes(routes!(api::members::save, api::members::remove))
        .routes(routes!(api::sign_in_links::create))
        .routes(routes!(api::credentials::create, api::credentials::list))
        .routes(routes!(api::credentials::show, api::credentials::delete, api::credential_life::update))
        .routes(routes!(api::credential_life::rotate))
        .routes(routes!(api::credential_life::settle))
        .routes(routes!(api::credential_life::pause))
        .routes(routes!(api::credential_life::resume))
        .routes(routes!(api::credential_life::revoke))
        .routes(routes!(api::credential_life::restore))
        .routes(routes!(api::credential_life::change_password))
        .routes(routes!(api::refusals::list))
        .routes(routes!(api::refusals::show))
        .routes(routes!(api::catalogue::show, api::catalogue::import))
        .routes(routes!(api::events::list))
        .routes(routes!(api::cluster::show))
}

/// Routes that a customer's own API keys call.
pub(crate) fn key_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(api::keys::list, api::keys::create))
        .routes(routes!(api::keys::show, api::keys::update, api::keys::delete))
        .routes(routes!(api::keys::give_role, api::keys::take_role))
        .routes(routes!(api::keys::history))
}

pub(crate) fn public_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(oauth::json_token))
        .routes(routes!(oauth::oauth_token))
        .routes(routes!(oauth::introspect))
        .routes(routes!(oauth::revoke))
        .routes(routes!(oauth::jwks))
        .routes(routes!(oauth::authorization_server))
        .routes(routes!(oauth::protected_resource))
        .routes(routes!(legacy::call))
}

pub(crate) fn gateway_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(verify::api::verify)).routes(routes!(verify::batch::verify_batch)).routes(routes!(requests::api::report))
}

/// The public listener: console, management API, token endpoint.
pub fn public(app: App) -> Router {
    let (json, _) = operator_routes().merge(key_routes()).merge(public_routes()).split_for_parts();
    let json = json
        .route("/openapi.json", get(openapi_json))
        .method_not_allowed_fallback(method_not_allowed)
        // not `route_layer`: that leaves a refused method without problem and headers
        .layer(middleware::from_fn_with_state(app.clone(), request::surround_json));
    let fallback = Router::new().fallback(nothing_here);
    let console = console::routes(app.clone());
    let all = json.merge(console).fallback_service(fallback.layer(middleware::from_fn_with_state(app.clone(), console::surround_any)));
    let traced = middleware::from_fn_with_state(app.clone(), traces::trace);
    all.with_state(app).layer(traced)
}

/// The gateway listener: verification and what watches over it. The gateways' endpoints are served before this router is asked; they
/// stand here so that every way in is on this page.
pub fn gateway(app: App) -> Router {
    let (json, _) = gateway_routes().split_for_parts();
    json.route("/verify/nginx", get(verify::nginx_endpoint))
        .route("/verify/forward", any(verify::forward_endpoint))
        .route("/verify/envoy", any(verify::envoy_endpoint))
        .route("/verify/envoy/", any(verify::envoy_endpoint))
        .route("/verify/envoy/{*path}", any(verify::envoy_endpoint))
        .route("/envoy.service.auth.v3.Authorization/Check", post(verify::check_endpoint))
        .route("/v1/canary", post(verify::canary_endpoint))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(nothing_here)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(app.clone(), request::surround_json))
        .with_state(app)
}

async fn nothing_here() -> Problem {
    Problem::not_found()
}

pub(crate) async fn method_not_allowed() -> Problem {
    Problem::new(Code::MethodNotAllowed, "Look at the Allow header.")
}

/// Ready when verification can answer: with a lease where it needs one, a store that can be read, and none of its history lost.
async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
    let not = |why| Problem { detail: why, ..Problem::cannot_say() };
    if let Some(why) = app.index.why_silent() {
        return Err(not(why));
    }
    let read = async { app.store.prompt_reader().await?.position().await };
    match read.await {
        Ok(_) => Ok("ready\n"),
        Err(error) => Err(not(format!("The database cannot be read: {error}."))),
    }
}

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, openmetrics)], app.metrics.render(&app.index, &app.cluster))
}

/// Written once: putting the document together costs more than anything else that a stranger can ask for.
async fn openapi_json() -> Result<impl IntoResponse, Problem> {
    static DOCUMENT: LazyLock<Option<Bytes>> = LazyLock::new(|| openapi::openapi().to_json().ok().map(Bytes::from));
    let document = DOCUMENT.clone().ok_or_else(|| Problem::internal("the OpenAPI document could not be written"))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], document))
}
