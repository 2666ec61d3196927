//! Bad input: one table, every endpoint that reads JSON.
use axum::{
    body::Body,
    http::{Method, Request},
};
use serde_json::json;

use crate::common::{Answer, World};

/// An endpoint with a body it takes, and a field of it that is a string.
struct Endpoint {
    method: Method,
    path: String,
    good: String,
    string_field: &'static str,
    at_gateway: bool,
}

impl Endpoint {
    async fn send(&self, world: &World, content_type: Option<&str>, body: Vec<u8>) -> Answer {
        if self.at_gateway {
            let mut request = Request::builder().method(self.method.clone()).uri(&self.path);
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            return world.at_gateway(request.body(Body::from(body)).expect("a request")).await;
        }
        world.operator().send(self.method.clone(), &self.path, content_type, body).await
    }
}

async fn endpoints(world: &World) -> Vec<Endpoint> {
    let acme = world.account("corporate", "Acme").await;
    world.save_member(&acme, "ann@example.com", "owner").await;
    let made = world.credential(&acme).await;
    let api = |method, path: &str, good: serde_json::Value, string_field| Endpoint {
        method,
        path: path.to_owned(),
        good: good.to_string(),
        string_field,
        at_gateway: false,
    };
    vec![
        api(Method::POST, "/v1/accounts", json!({ "kind": "corporate", "name": "Acme" }), "name"),
        api(Method::PATCH, &format!("/v1/accounts/{acme}"), json!({ "name": "Acme" }), "name"),
        api(Method::PUT, &format!("/v1/accounts/{acme}/members/ann@example.com"), json!({ "role": "owner" }), "role"),
        api(Method::POST, &format!("/v1/accounts/{acme}/sign-in-links"), json!({ "email": "ann@example.com" }), "email"),
        api(Method::POST, &format!("/v1/accounts/{acme}/credentials"), json!({ "email": "ann@example.com" }), "email"),
        api(Method::POST, "/auth/token", json!({ "clientId": made.public_id, "clientSecret": made.secret }), "clientSecret"),
        Endpoint { at_gateway: true, ..api(Method::POST, "/v1/verify", json!({ "method": "GET", "path": "/", "headers": {} }), "path") },
    ]
}

#[tokio::test]
async fn every_json_endpoint_refuses_what_it_cannot_read_with_the_exact_status() {
    let world = World::sqlite().await;
    for endpoint in endpoints(&world).await {
        let place = format!("{} {}", endpoint.method, endpoint.path);
        let good = endpoint.good.clone();
        let json = Some("application/json");
        let accepted = endpoint.send(&world, json, good.clone().into_bytes()).await;
        assert!((200..300).contains(&accepted.status), "{place}: {accepted:?}");
        let with_parameters = endpoint.send(&world, Some("Application/JSON; charset=utf-8"), good.clone().into_bytes()).await;
        assert!((200..300).contains(&with_parameters.status), "{place}, media types have no case: {with_parameters:?}");

        let extended = |more: &str| good.strip_suffix('}').expect("an object").to_owned() + more;
        for (name, body, status, code) in [
            ("nothing", String::new(), 400, "json_malformed"),
            ("half", good[..good.len() - 1].to_owned(), 400, "json_malformed"),
            ("more", format!("{good}{good}"), 400, "json_malformed"),
            ("words", "hello".into(), 400, "json_malformed"),
            ("deep", format!("{}{}", "[".repeat(500), "]".repeat(500)), 422, "invalid"),
            ("unknown field", extended(",\"surprise\":1}"), 422, "invalid"),
            ("repeated field", extended(&format!(",\"{0}\":\"x\",\"{0}\":\"x\"}}", endpoint.string_field)), 422, "invalid"),
            ("an array", "[]".into(), 422, "invalid"),
            ("a number", "7".into(), 422, "invalid"),
            ("null", "null".into(), 422, "invalid"),
        ] {
            let answer = endpoint.send(&world, json, body.into_bytes()).await;
            assert_eq!(answer.status, status, "{place}, {name}: {answer:?}");
            answer.assert_problem(status, code);
        }
        let mut wrong: serde_json::Value = serde_json::from_str(&good).expect("JSON");
        for value in [json!(7), json!(true), json!([]), json!({})] {
            wrong[endpoint.string_field] = value;
            let answer = endpoint.send(&world, json, wrong.to_string().into_bytes()).await;
            answer.assert_invalid(&format!("#/{}", endpoint.string_field), "wrong_type");
        }
        let answer = endpoint.send(&world, json, b"{\"\xff\": 1}".to_vec()).await;
        answer.assert_problem(400, "json_malformed");
        let lone = format!("{{\"{}\": \"\\ud800\"}}", endpoint.string_field);
        endpoint.send(&world, json, lone.into_bytes()).await.assert_problem(400, "json_malformed");

        let padded = |size: usize| extended(&format!("{}}}", " ".repeat(size - good.len()))).into_bytes();
        // a question holds what it is about
        let limit = if endpoint.path == "/v1/verify" { 2 * 1024 * 1024 } else { 64 * 1024 };
        let most = endpoint.send(&world, json, padded(limit)).await;
        assert!((200..300).contains(&most.status), "{place}, {limit} bytes: {most:?}");
        endpoint.send(&world, json, padded(limit + 1)).await.assert_problem(413, "body_too_large");
        endpoint.send(&world, json, padded(limit + 1024)).await.assert_problem(413, "body_too_large");

        for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx"), Some("")] {
            endpoint.send(&world, content_type, good.clone().into_bytes()).await.assert_problem(415, "media_type_unsupported");
        }
    }
}

#[tokio::test]
async fn bad_accounts_are_refused_with_the_field() {
    let world = World::sqlite().await;
    let corporate = world.account("corporate", "Corporate").await;
    for (body, pointer, code) in [
        (json!({ "kind": "nonsense", "name": "x" }), "#/kind", "kind_unknown"),
        (json!({ "kind": "", "name": "x" }), "#/kind", "kind_unknown"),
        (json!({ "name": "x" }), "#/kind", "field_required"),
        (json!({ "kind": "corporate" }), "#/name", "field_required"),
        (json!({ "kind": "corporate", "name": "  " }), "#/name", "name_required"),
        (json!({ "kind": "corporate", "name": "x".repeat(81) }), "#/name", "name_invalid"),
        (json!({ "kind": "corporate", "name": "a\nb" }), "#/name", "name_invalid"),
        (json!({ "kind": "corporate", "name": "x", "external_id": "" }), "#/external_id", "external_id_invalid"),
        (json!({ "kind": "corporate", "name": "x", "external_id": "a b" }), "#/external_id", "external_id_invalid"),
        (json!({ "kind": "corporate", "name": "x", "external_id": "x".repeat(129) }), "#/external_id", "external_id_invalid"),
        (json!({ "kind": "corporate", "name": "x", "parent_id": "x" }), "#/parent_id", "parent_unknown"),
        (json!({ "kind": "corporate", "name": "x", "parent_id": "01890000-0000-7000-8000-000000000001" }), "#/parent_id", "parent_unknown"),
        (json!({ "kind": "corporate", "name": "x", "parent_id": corporate }), "#/parent_id", "parent_kind"),
        (json!({ "kind": "partner", "name": "x", "parent_id": corporate }), "#/parent_id", "parent_kind"),
        (json!({ "kind": "corporate", "name": "x", "status": "suspended" }), "#/status", "unknown_field"),
    ] {
        let answer = world.operator().post("/v1/accounts", body.clone()).await;
        assert_eq!(answer.status, 422, "{body}: {answer:?}");
        answer.assert_invalid(pointer, code);
    }
    // everything wrong at once is told at once
    let all = world.operator().post("/v1/accounts", json!({ "kind": "x", "name": "", "external_id": "" })).await;
    assert_eq!(all.json()["errors"].as_array().map(Vec::len), Some(3), "{all:?}");
    // no cycle can be asked for: a parent is for ever
    let path = format!("/v1/accounts/{corporate}");
    for (body, pointer, code) in [
        (json!({ "parent_id": corporate }), "#/parent_id", "unknown_field"),
        (json!({ "kind": "partner" }), "#/kind", "unknown_field"),
        (json!({ "external_id": "1" }), "#/external_id", "unknown_field"),
        (json!({ "status": "deleted" }), "#/status", "value_unknown"),
        (json!({ "api_access": "yes" }), "#/api_access", "wrong_type"),
        (json!({ "name": "" }), "#/name", "name_required"),
    ] {
        world.operator().patch(&path, body).await.assert_invalid(pointer, code);
    }
    assert_eq!(world.operator().get("/v1/accounts").await.json()["items"].as_array().map(Vec::len), Some(1), "nothing was made by halves");
}

#[tokio::test]
async fn an_operator_key_is_proven_before_anything_is_read() {
    let world = World::sqlite().await;
    let key = &world.operator_key;
    let last = key.chars().last().map_or('x', |last| if last == 'x' { 'y' } else { 'x' });
    let (shortened, changed) = (&key[..key.len() - 1], format!("{}{last}", &key[..key.len() - 1]));
    let get = |value: String| {
        let world = &world;
        async move { world.anyone().with("authorization", &value).get("/v1/accounts").await }
    };
    world.anyone().get("/v1/accounts").await.assert_problem(401, "credential_required");
    for value in [
        "".into(),
        "Bearer".into(),
        "Bearer ".into(),
        format!("Basic {key}"),
        key.clone(),
        format!("Bearer {shortened}"),
        format!("Bearer {changed}"),
        format!("Bearer {key} {key}"),
        format!("Bearer {key},"),
    ] {
        let answer = get(value.clone()).await;
        answer.assert_problem(401, "credential_invalid");
        assert!(answer.header("www-authenticate").contains("invalid_token"));
    }
    assert_eq!(get(format!("bearer {key}")).await.status, 200, "the scheme has no case");
    let twice = world.operator().with("authorization", &format!("Bearer {key}"));
    twice.get("/v1/accounts").await.assert_problem(400, "several_credentials");
    world.operator().with("x-api-key", key).get("/v1/accounts").await.assert_problem(400, "several_credentials");
    // a bad body tells a stranger nothing
    world.anyone().json(Method::POST, "/v1/accounts", "{").await.assert_problem(401, "credential_required");
    // other kinds of ours are not the operator's
    let acme = world.account("corporate", "Acme").await;
    let made = world.credential(&acme).await;
    let token = world.token(&made).await;
    for presented in [made.public_id.as_str(), &made.secret, &token] {
        get(format!("Bearer {presented}")).await.assert_problem(401, "credential_invalid");
    }
}

#[tokio::test]
async fn a_request_id_of_the_caller_is_kept_when_it_is_sane_and_replaced_when_not() {
    let world = World::sqlite().await;
    for (given, kept) in
        [("abc-123_x.y:z", true), ("a b", false), ("<script>", false), ("", false), (&"x".repeat(129), false), (&"x".repeat(128), true)]
    {
        let answer = world.anyone().with("x-request-id", given).get("/v1/accounts").await;
        assert_eq!(answer.header("x-request-id") == given, kept, "{given}");
        answer.assert_problem(401, "credential_required");
    }
}
