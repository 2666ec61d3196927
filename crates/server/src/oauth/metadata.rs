//! The metadata of RFC 8414 and RFC 9728, and the JSON Web Key Set (RFC 7517).
use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::app::App;

/// A copy may be this old: a key is published long before it signs.
const CACHED: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "public, max-age=300")];

/// How a client proves itself, everywhere.
const AUTHENTICATION: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// The authorization server's metadata.
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "oauth", responses((status = 200, description = "RFC 8414", body = Object)))]
pub(crate) async fn authorization_server(State(app): State<App>) -> impl IntoResponse {
    let issuer = app.public_url();
    let metadata: Value = json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth2/token"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": AUTHENTICATION,
        "introspection_endpoint": format!("{issuer}/oauth2/introspect"),
        "introspection_endpoint_auth_methods_supported": AUTHENTICATION,
        "revocation_endpoint": format!("{issuer}/oauth2/revoke"),
        "revocation_endpoint_auth_methods_supported": AUTHENTICATION,
    });
    (CACHED, Json(metadata))
}

/// The metadata of what tokens open: the operator's API, which is known by the audience of its tokens.
#[utoipa::path(get, path = "/.well-known/oauth-protected-resource", tag = "oauth", responses((status = 200, description = "RFC 9728", body = Object)))]
pub(crate) async fn protected_resource(State(app): State<App>) -> impl IntoResponse {
    let issuer = app.public_url();
    // a client that demands that `resource` be the address it called (section 3.3) believes it only where the API and this server have one address
    // the keys of RFC 8414's `jwks_uri` are none of the resource's: it signs nothing
    let metadata: Value = json!({
        "resource": issuer,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
    });
    (CACHED, Json(metadata))
}

/// The keys that sign tokens.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "oauth", responses((status = 200, description = "RFC 7517", body = Object)))]
pub(crate) async fn jwks(State(app): State<App>) -> Response {
    (CACHED, [(header::CONTENT_TYPE, "application/json")], app.tokens.jwks().to_owned()).into_response()
}
