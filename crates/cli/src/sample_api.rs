//! A small API of a pretended operator: it asks the gateway listener about every request, as any service would, and knows nothing of keys.
use std::collections::BTreeMap;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use hyper::Method;
use serde_json::{Value, json};

use crate::client::Client;

pub(crate) fn router(gateway: &str) -> Router {
    Router::new().fallback(answer).with_state(Client::new(gateway, None))
}

async fn answer(State(gateway): State<Client>, request: Request) -> Response {
    let mut headers = BTreeMap::<&str, Vec<String>>::new();
    for (name, value) in request.headers() {
        headers.entry(name.as_str()).or_default().push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let question = json!({ "method": request.method().as_str(), "path": path, "headers": headers });
    match gateway.send(Method::POST, "/v1/verify", &question).await {
        Ok((200, verdict)) if verdict["verdict"] == "allowed" => orders(request.uri().path(), &verdict["principal"]),
        Ok((200, verdict)) => refused(&verdict),
        // cannot say is not no, and it is not yes
        _ => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": "unavailable" }))).into_response(),
    }
}

fn orders(path: &str, principal: &Value) -> Response {
    if path != "/orders" {
        return (StatusCode::NOT_FOUND, Json(json!({ "error": "try /orders" }))).into_response();
    }
    Json(json!({
        "account": principal["acting_account_id"],
        "called_by": principal["public_id"],
        "orders": [{ "id": 1001, "amount": "49.90" }, { "id": 1002, "amount": "12.00" }],
    }))
    .into_response()
}

fn refused(verdict: &Value) -> Response {
    let status =
        verdict["status"].as_u64().and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok()).unwrap_or(StatusCode::FORBIDDEN);
    let body = Json(json!({ "error": verdict["reason"], "request_id": verdict["request_id"] }));
    if status == StatusCode::UNAUTHORIZED {
        return (status, [(header::WWW_AUTHENTICATE, "Bearer realm=\"sample\"")], body).into_response();
    }
    (status, body).into_response()
}
