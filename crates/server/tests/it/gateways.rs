//! The contracts of the gateways that the real ones in the system's tests do not reach: what is missing, what is said twice, what a route needs.
use axum::{body::Body, http::Request};
use serde_json::json;

use claviger_domain::kind::Kinds;
use claviger_server::config::{Partial, Preflight};

use crate::common::{Answer, World};

/// An API key that may read orders, and nothing else.
async fn limited(world: &World) -> String {
    let account = world.account("business", "Acme").await;
    let wish = json!({ "kind": "api_key", "name": "x", "access": { "level": "fine_grained", "scopes": ["orders:read"] } });
    let made = world.operator().post(&format!("/v1/accounts/{account}/credentials"), wish).await;
    made.json()["secret"].as_str().expect("a key").to_owned()
}

async fn forward(world: &World, uri: &str, fields: &[(&str, &str)]) -> Answer {
    let request = fields.iter().fold(Request::get(uri), |request, (name, value)| request.header(*name, *value));
    world.at_gateway(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn a_gateway_that_does_not_say_what_was_asked_gets_no_yes() {
    let world = World::sqlite().await;
    let key = limited(&world).await;
    let (method, uri) = (("x-forwarded-method", "GET"), ("x-forwarded-uri", "/orders"));
    for fields in [vec![], vec![method], vec![uri], vec![method, uri, uri], vec![method, method, uri]] {
        let with_key: Vec<_> = fields.iter().copied().chain([("x-api-key", key.as_str())]).collect();
        let answer = forward(&world, "/verify/forward?require=orders:read", &with_key).await;
        answer.assert_problem_of_a_check(400, "header_invalid");
    }
}

#[tokio::test]
async fn what_a_route_needs_comes_from_the_address_of_the_check_and_never_from_the_client() {
    let world = World::sqlite().await;
    let key = limited(&world).await;
    let fields = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/orders"), ("x-api-key", key.as_str())];
    assert_eq!(forward(&world, "/verify/forward?require=orders:read", &fields).await.status, 200);
    let refused = forward(&world, "/verify/forward?require=orders:write", &fields).await;
    refused.assert_problem_of_a_check(403, "insufficient_scope");
    assert_eq!(refused.json()["required_scopes"], json!(["orders:write"]));
    let metadata = r#"resource_metadata="http://claviger.test/.well-known/oauth-protected-resource""#;
    let challenge = format!(r#"Bearer realm="claviger", error="insufficient_scope", scope="orders:write", {metadata}"#);
    assert_eq!(refused.header("www-authenticate"), challenge);
    let claiming: Vec<_> = fields.iter().copied().chain([("x-claviger-require", "orders:read")]).collect();
    forward(&world, "/verify/forward", &claiming).await.assert_problem_of_a_check(403, "insufficient_scope");
    for mistaken in [
        "requires=orders:read",
        "REQUIRE=orders:read",
        "require=",
        "require=,",
        "require=%2C+%2C",
        "require=orders:read&require=,",
        "require=orders:read&x=y",
    ] {
        forward(&world, &format!("/verify/forward?{mistaken}"), &fields).await.assert_problem_of_a_check(400, "header_invalid");
    }
    // a gateway that hands on the client's own query, as Caddy does where it is given none
    let with_query = |query| [("x-forwarded-method", "GET"), ("x-forwarded-uri", query), ("x-api-key", key.as_str())];
    forward(&world, "/verify/forward?page=1", &with_query("/orders?page=1")).await.assert_problem_of_a_check(403, "insufficient_scope");
    forward(&world, "/verify/forward?require=orders:read", &with_query("/orders?require=orders:read"))
        .await
        .assert_problem_of_a_check(400, "header_invalid");
    assert_eq!(forward(&world, "/verify/forward?require=orders:read", &with_query("/orders?page=1")).await.status, 200);
}

#[tokio::test]
async fn what_nginx_does_not_say_is_not_guessed() {
    let world = World::sqlite().await;
    let key = limited(&world).await;
    let catalogue = "openapi: 3.1.0\ninfo: { title: Orders, version: '1' }\npaths:\n  /:\n    get: { security: [{ oauth: ['orders:read'] }], responses: {} }\n\
                     components: { securitySchemes: { oauth: { type: oauth2, flows: { clientCredentials: { tokenUrl: /t, scopes: { 'orders:read': Read } } } } } }";
    let imported = world.operator().send(axum::http::Method::PUT, "/v1/catalogue?accept=true", Some("application/yaml"), catalogue.into()).await;
    assert_eq!(imported.status, 200, "{imported:?}");
    let (method, uri) = (("x-original-method", "GET"), ("x-original-uri", "/"));
    for (fields, status) in [(vec![method, uri], 200), (vec![], 403), (vec![method], 403), (vec![uri], 403), (vec![method, uri, uri], 403)] {
        let with_key: Vec<_> = fields.iter().copied().chain([("x-api-key", key.as_str())]).collect();
        let answer = forward(&world, "/verify/nginx", &with_key).await;
        assert_eq!(answer.status, status, "{fields:?} {answer:?}");
    }
}

#[tokio::test]
async fn envoy_asks_with_any_method_and_any_path_and_is_told_what_to_remove() {
    let world = World::sqlite().await;
    let key = limited(&world).await;
    for (method, path) in
        [("GET", "/verify/envoy"), ("PROPFIND", "/verify/envoy/"), ("DELETE", "/verify/envoy/a/b?c=d"), ("OPTIONS", "/verify/envoy/a")]
    {
        let request = Request::builder().method(method).uri(path).header("x-api-key", &key).header("x-claviger-require", "orders:read");
        let answer = world.at_gateway(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.status, 200, "{method} {path} {answer:?}");
        assert_eq!(answer.header("x-envoy-auth-headers-to-remove"), "authorization,proxy-authorization,x-api-key,apikey");
        assert_eq!((answer.header("x-claviger-scopes"), answer.header("x-claviger-content-digest")), ("orders:read", "-"));
    }
    let of_nothing = Request::get("/verify/envoy/a").header("x-api-key", &key).header("x-claviger-require", ",");
    world.at_gateway(of_nothing.body(Body::empty()).expect("a request")).await.assert_problem_of_a_check(400, "header_invalid");
}

/// It passes without anybody having said who it is: so nothing passes that says so, even in a way that cannot be read.
#[tokio::test]
async fn a_preflight_carries_no_credential_of_any_form() {
    let settings = Partial { preflight: Some(Preflight::Pass), ..Partial::default() };
    let world = World::with(settings, None, Kinds::built_in().expect("sound")).await;
    let (method, uri) = (("x-forwarded-method", "OPTIONS"), ("x-forwarded-uri", "/orders"));
    let (origin, asked) = (("origin", "https://shop.example"), ("access-control-request-method", "POST"));
    let signature = ("signature", "sig1=:YQ==:");
    for (more, body, status) in [
        (vec![origin, asked], "", 200),
        (vec![origin], "", 401),
        (vec![origin, ("access-control-request-method", "")], "", 401),
        (vec![("origin", ""), asked], "", 401),
        (vec![origin, asked, ("x-api-key", "x")], "", 401),
        (vec![origin, asked, ("x-api-key", "x"), ("x-api-key", "y")], "", 400),
        (vec![origin, asked, signature], "", 401),
        (vec![origin, asked, signature, signature], "", 400),
        (vec![origin, asked, ("signature-input", "sig1=()")], "", 401),
        (vec![origin, asked], "<authentication><userId>abcde</userId><password>Secret1</password></authentication>", 401),
    ] {
        let fields: Vec<_> = [method, uri].into_iter().chain(more).collect();
        let request = fields.iter().fold(Request::get("/verify/forward"), |request, (name, value)| request.header(*name, *value));
        let answer = world.at_gateway(request.body(Body::from(body)).expect("a request")).await;
        assert_eq!(answer.status, status, "{fields:?} {answer:?}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_not_checked_and_not_let_through() {
    let world = World::sqlite().await;
    let key = limited(&world).await;
    let request = Request::post("/verify/envoy/orders").header("x-api-key", &key).header("x-claviger-require", "orders:read");
    let answer = world.at_gateway(request.body(Body::from(vec![0; 1024 * 1024 + 1])).expect("a request")).await;
    answer.assert_problem_of_a_check(413, "body_too_large");
}
