//! Tokens, one by one: introspection (RFC 7662) and revocation (RFC 7009).
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::common::{Answer, Made, World, on_both_engines};

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{id}:{secret}").as_bytes()))
}

async fn post(world: &World, path: &str, authorization: &str, token: &str) -> Answer {
    world.anyone().with("authorization", authorization).form(path, &[("token", token), ("token_type_hint", "access_token")]).await
}

async fn introspected(world: &World, authorization: &str, token: &str) -> Value {
    let answer = post(world, "/oauth2/introspect", authorization, token).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{answer:?}");
    answer.json()
}

fn by(made: &Made) -> String {
    basic(&made.public_id, &made.secret)
}

on_both_engines! {
    async fn a_revoked_token_is_refused_at_once_and_its_credential_lives_on(world) {
        let acme = world.account("corporate", "Acme").await;
        let made = world.credential(&acme).await;
        let (token, other) = (world.token(&made).await, world.token(&made).await);
        for token in [&token, &other] {
            assert_eq!(world.use_token(token, &acme).await.status, 200);
        }
        let answer = post(&world, "/oauth2/revoke", &by(&made), &token).await;
        assert_eq!((answer.status, answer.header("cache-control"), answer.bytes.len()), (200, "no-store", 0), "{answer:?}");
        assert_eq!(world.use_token(&token, &acme).await.status, 401);
        assert_eq!(introspected(&world, &by(&made), &token).await, json!({ "active": false }));
        assert_eq!(world.use_token(&other, &acme).await.status, 200);
        assert_eq!(world.use_token(&world.token(&made).await, &acme).await.status, 200);
        // again, and by a new process on the same database
        assert_eq!(post(&world, "/oauth2/revoke", &by(&made), &token).await.status, 200);
        let index = claviger_server::verify::Index::open(world.app.store.clone(), world.app.keys.clone(), world.app.cluster.gate.clone()).await.expect("an index");
        assert_eq!(index.revoked_tokens(), 1);
        let events = world.operator().get(&format!("/v1/accounts/{acme}/events?limit=200")).await.text();
        assert_eq!(events.matches("token.revoked").count(), 2, "{events}");
        assert!(!events.contains(&token));
        // what has expired need not be remembered
        world.advance(3601);
        claviger_server::app::sign_in::sweep(&world.app).await.expect("swept");
        assert_eq!(world.app.index.revoked_tokens(), 0);
        let index = claviger_server::verify::Index::open(world.app.store.clone(), world.app.keys.clone(), world.app.cluster.gate.clone()).await.expect("an index");
        assert_eq!(index.revoked_tokens(), 0);
        assert_eq!(world.use_token(&token, &acme).await.status, 401);
    }

    async fn a_token_is_introspected_by_its_client_and_by_the_operator_and_by_no_stranger(world) {
        let (acme, other) = (world.account("corporate", "Acme").await, world.account("corporate", "Other").await);
        let (made, stranger) = (world.credential(&acme).await, world.credential(&other).await);
        let token = world.token(&made).await;
        let operator = world.operator_key.clone();
        for authorization in [by(&made), format!("Bearer {operator}"), basic("operator", &operator)] {
            let state = introspected(&world, &authorization, &token).await;
            assert_eq!((&state["active"], &state["client_id"], &state["scope"]), (&json!(true), &json!(made.public_id), &json!("*")), "{state}");
            assert_eq!((&state["token_type"], &state["account_id"], &state["sub"]), (&json!("Bearer"), &json!(acme), &json!(made.public_id)));
            assert_eq!(state["exp"].as_i64().zip(state["iat"].as_i64()).map(|(exp, iat)| exp - iat), Some(3600));
            assert!(["aud", "iss", "jti"].iter().all(|name| state[name].is_string()), "{state}");
        }
        let inactive = json!({ "active": false });
        assert_eq!(introspected(&world, &by(&stranger), &token).await, inactive);
        for junk in ["x", "a.b.c", "clv_key_x", &format!("{token}x")] {
            assert_eq!(introspected(&world, &by(&made), junk).await, inactive, "{junk}");
        }
        world.advance(3600);
        assert_eq!(introspected(&world, &by(&made), &token).await, inactive);
        let token = world.token(&made).await;
        world.delete(&made).await;
        assert_eq!(introspected(&world, &format!("Bearer {operator}"), &token).await, inactive);
    }
}

#[tokio::test]
async fn an_api_key_is_introspected_and_is_not_revoked_here() {
    let world = World::sqlite().await;
    let account = world.account("business", "Acme").await;
    let wish = json!({ "kind": "api_key", "name": "x", "access": { "level": "fine_grained", "scopes": ["orders:read"] } });
    let made = world.operator().post(&format!("/v1/accounts/{account}/credentials"), wish).await.json();
    let key = made["secret"].as_str().expect("a key");
    let operator = format!("Bearer {}", world.operator_key);
    let state = introspected(&world, &operator, key).await;
    let expected = json!({ "active": true, "token_type": "ApiKey", "scope": "orders:read", "client_id": made["public_id"], "sub": made["public_id"], "account_id": account });
    assert_eq!(state, expected);
    // only a gateway knows where a request came from
    let wish = json!({ "kind": "api_key", "name": "x", "access": { "level": "full" }, "allowed_networks": ["192.0.2.0/24"] });
    let bound = world.operator().post(&format!("/v1/accounts/{account}/credentials"), wish).await.json();
    assert_eq!(introspected(&world, &operator, bound["secret"].as_str().expect("a key")).await, json!({ "active": false }));
    let answer = post(&world, "/oauth2/revoke", &operator, key).await;
    assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("unsupported_token_type")));
}

#[tokio::test]
async fn who_asks_must_be_proven_and_may_end_only_its_own() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let (made, colleague) = (world.credential(&acme).await, world.credential(&acme).await);
    let token = world.token(&made).await;
    for path in ["/oauth2/introspect", "/oauth2/revoke"] {
        let wrong = basic(&made.public_id, &colleague.secret);
        for authorization in [wrong.as_str(), "Bearer nonsense", &basic("operator", "nonsense"), &format!("Bearer {token}")] {
            let answer = post(&world, path, authorization, &token).await;
            assert_eq!((answer.status, &answer.json()["error"]), (401, &json!("invalid_client")), "{path} {authorization}");
            assert!(answer.header("www-authenticate").starts_with("Basic "), "{answer:?}");
        }
        let answer = world.anyone().form(path, &[("token", &token)]).await;
        assert_eq!((answer.status, &answer.json()["error"]), (401, &json!("invalid_client")), "{answer:?}");
        assert!(answer.header("www-authenticate").starts_with("Basic "), "{answer:?}");
        let answer = world.anyone().with("authorization", &by(&made)).form(path, &[]).await;
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("invalid_request")), "{answer:?}");
        let operator = format!("Bearer {}", world.operator_key);
        for more in [("client_id", "operator"), ("client_id", made.public_id.as_str()), ("client_secret", "x")] {
            let answer = world.anyone().with("authorization", &operator).form(path, &[("token", &token), more]).await;
            assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("invalid_request")), "two ways at once: {more:?} {answer:?}");
        }
        let answer = world.anyone().with("authorization", &by(&made)).form(&format!("{path}?token={token}"), &[("token", &token)]).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let answer = post(&world, "/oauth2/revoke", &by(&colleague), &token).await;
    assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("unauthorized_client")));
    assert_eq!(world.use_token(&token, &acme).await.status, 200);
    for unknown in ["x", "a.b.c", &format!("{token}x")] {
        assert_eq!(post(&world, "/oauth2/revoke", &by(&made), unknown).await.status, 200, "{unknown}");
    }
    assert_eq!(post(&world, "/oauth2/revoke", &format!("Bearer {}", world.operator_key), &token).await.status, 200);
    assert_eq!(world.use_token(&token, &acme).await.status, 401);
}
