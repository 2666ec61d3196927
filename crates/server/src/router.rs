//! Every route, on one page. A handler's arguments say who may call it; the routes that anyone may call are listed as such.
use std::sync::LazyLock;

use axum::{
    Router,
    extract::State,
    http::header,
    middleware,
    response::IntoResponse,
    routing::{any, get, post},
};
use bytes::Bytes;
use utoipa::{
    OpenApi,
    openapi::{
        Object, RefOr, Required, Type,
        path::{ParameterBuilder, ParameterIn},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api,
    app::App,
    cluster, console, legacy, oauth,
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

fn operator_routes() -> OpenApiRouter<App> {
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
fn key_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(api::keys::list, api::keys::create))
        .routes(routes!(api::keys::show, api::keys::update, api::keys::delete))
        .routes(routes!(api::keys::give_role, api::keys::take_role))
        .routes(routes!(api::keys::history))
}

fn public_routes() -> OpenApiRouter<App> {
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

fn gateway_routes() -> OpenApiRouter<App> {
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
    if app.index.has_lost() {
        return Err(Problem { detail: verify::HAS_LOST.into(), ..Problem::unavailable("revisions are missing") });
    }
    if app.cluster.gate.mode == cluster::Mode::Lease && !app.cluster.gate.is_open() {
        return Err(Problem::unavailable("the lease is over"));
    }
    app.store.reader().await?.position().await?;
    Ok("ready\n")
}

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, openmetrics)], app.metrics.render(&app.index, &app.cluster))
}

async fn openapi_json() -> Result<impl IntoResponse, Problem> {
    // one for all who ask: anyone may, as often as they like
    static DOCUMENT: LazyLock<Option<Bytes>> = LazyLock::new(|| openapi().to_json().ok().map(Bytes::from));
    let document = DOCUMENT.clone().ok_or_else(|| Problem::internal("the OpenAPI document cannot be written"))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], document))
}

/// The public contract, as an OpenAPI 3.1 document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(info(title = "Claviger", description = "Management, token and verification API."))]
    struct Document;

    let (_, operator) = operator_routes().split_for_parts();
    let (_, keys) = key_routes().split_for_parts();
    let (_, public) = public_routes().split_for_parts();
    let (_, gateway) = gateway_routes().split_for_parts();
    let mut document = Document::openapi();
    document.merge(secured(answering_later(operator), "operator_key"));
    document.merge(secured(answering_later(keys), "api_key"));
    document.merge(public);
    document.merge(gateway);
    declare_path_parameters(&mut document);
    let operator_key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An operator API key")).build();
    let api_key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A customer's API key; X-API-Key too")).build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("operator_key", SecurityScheme::Http(operator_key));
    components.add_security_scheme("api_key", SecurityScheme::Http(api_key));
    document
}

/// A template's `{id}` is a required parameter; the handlers' own extractors do not say so.
fn declare_path_parameters(document: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
            let declared = names.map(|name| {
                let text = Object::builder().schema_type(Type::String).build();
                RefOr::T(ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True).schema(Some(text)).build())
            });
            let all = declared.chain(operation.parameters.take().unwrap_or_default()).collect::<Vec<_>>();
            operation.parameters = (!all.is_empty()).then_some(all);
        }
    }
}

/// `part`, with what `--revocation-wait bounded` makes of the answer to a change: see `request.rs`.
fn answering_later(mut part: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    const LATER: &str = "With `--revocation-wait bounded`: done, and true on every node at `Effective-At` at the latest; \
                         `Revocation-Complete: false`. The body is that of 200, if there is one";
    for item in part.paths.paths.values_mut() {
        for operation in [&mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten() {
            let responses = &mut operation.responses.responses;
            if let Some(RefOr::T(done)) = responses.get("200").or_else(|| responses.get("204")) {
                let mut later = done.clone();
                LATER.clone_into(&mut later.description);
                responses.insert("202".to_owned(), RefOr::T(later));
            }
        }
    }
    part
}

/// `part`, every operation of which asks for the scheme `name`.
fn secured(mut part: utoipa::openapi::OpenApi, name: &str) -> utoipa::openapi::OpenApi {
    for item in part.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            operation.security = Some(vec![utoipa::openapi::security::SecurityRequirement::new::<_, [&str; 0], &str>(name, [])]);
        }
    }
    part
}
