//! `Idempotency-Key`: a lost response loses no secret, and a repeated request makes nothing twice.
use serde_json::json;

use crate::common::{World, on_both_engines};

on_both_engines! {
    async fn the_same_request_gets_the_same_answer_for_ten_minutes_its_secret_included(world) {
        let acme = world.account("corporate", "Acme").await;
        let path = format!("/v1/accounts/{acme}/credentials");
        let keyed = world.operator().with("idempotency-key", "one");
        let first = keyed.post(&path, json!({ "email": "dev@example.com" })).await;
        assert_eq!(first.status, 201, "{first:?}");
        world.advance(599);
        let again = keyed.post(&path, json!({ "email": "dev@example.com" })).await;
        assert_eq!((again.status, &again.bytes), (201, &first.bytes));
        assert!(again.json()["secret"].is_string());
        keyed.post(&path, json!({ "email": "other@example.com" })).await.assert_problem(422, "idempotency_key_reused");
        keyed.post("/v1/accounts", json!({ "kind": "corporate", "name": "x" })).await.assert_problem(422, "idempotency_key_reused");
        world.advance(1);
        let new = keyed.post(&path, json!({ "email": "dev@example.com" })).await;
        assert_eq!(new.status, 201);
        assert_ne!(new.json()["id"], first.json()["id"]);
        assert_eq!(world.operator().get(&path).await.json()["items"].as_array().map(Vec::len), Some(2));
    }

    async fn parallel_requests_with_one_key_make_one(world) {
        let acme = world.account("corporate", "Acme").await;
        let world = std::sync::Arc::new(world);
        let requests: Vec<_> = (0..8)
            .map(|_| {
                let (world, path) = (world.clone(), format!("/v1/accounts/{acme}/credentials"));
                tokio::spawn(async move { world.operator().with("idempotency-key", "one").post(&path, json!({ "email": "dev@example.com" })).await })
            })
            .collect();
        let mut bodies = std::collections::HashSet::new();
        for request in requests {
            let answer = request.await.expect("no panic");
            assert_eq!(answer.status, 201, "{answer:?}");
            bodies.insert(answer.bytes);
        }
        assert_eq!(bodies.len(), 1);
        assert_eq!(world.actions(&acme).await.iter().filter(|action| *action == "credential.created").count(), 1);
    }

    async fn a_retry_at_the_limit_gets_its_answer_and_not_the_limit(world) {
        let acme = world.account("corporate", "Acme").await;
        for _ in 0..9 {
            world.credential(&acme).await;
        }
        let path = format!("/v1/accounts/{acme}/credentials");
        let keyed = world.operator().with("idempotency-key", "tenth");
        let first = keyed.post(&path, json!({ "email": "dev@example.com" })).await;
        assert_eq!(keyed.post(&path, json!({ "email": "dev@example.com" })).await.bytes, first.bytes);
        world.credential_refused(&acme).await;
    }

    async fn accounts_too_are_made_once(world) {
        let keyed = world.operator().with("idempotency-key", "one");
        let body = json!({ "kind": "corporate", "name": "Acme", "external_id": "42" });
        let first = keyed.post("/v1/accounts", body.clone()).await;
        let again = keyed.post("/v1/accounts", body).await;
        assert_eq!((again.status, &again.bytes), (201, &first.bytes));
        assert_eq!(world.operator().get("/v1/accounts").await.json()["items"].as_array().map(Vec::len), Some(1));
    }
}

impl World {
    async fn credential_refused(&self, account: &str) {
        let refused = self.operator().post(&format!("/v1/accounts/{account}/credentials"), json!({ "email": "dev@example.com" })).await;
        refused.assert_problem(409, "limit_reached");
    }
}

#[tokio::test]
async fn a_key_is_its_caller_s_own() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let path = format!("/v1/accounts/{acme}/credentials");
    let other = claviger_server::app::operator_keys::create_from_command_line(&world.app, "another system").await.expect("a key");
    let theirs = world.anyone().with("authorization", &format!("Bearer {}", other.expose())).with("idempotency-key", "one");
    let first = world.operator().with("idempotency-key", "one").post(&path, json!({ "email": "dev@example.com" })).await.json();
    let second = theirs.post(&path, json!({ "email": "dev@example.com" })).await.json();
    assert_ne!(first["id"], second["id"]);
}

#[tokio::test]
async fn a_failed_request_is_not_remembered_and_a_bad_key_is_refused() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let path = format!("/v1/accounts/{acme}/credentials");
    let keyed = world.operator().with("idempotency-key", "one");
    world.change(&acme, json!({ "api_access": false })).await;
    keyed.post(&path, json!({ "email": "dev@example.com" })).await.assert_problem(409, "api_access_withheld");
    world.change(&acme, json!({ "api_access": true })).await;
    assert_eq!(keyed.post(&path, json!({ "email": "dev@example.com" })).await.status, 201);
    for bad in ["", "a b", &"x".repeat(256)] {
        let answer = world.operator().with("idempotency-key", bad).post(&path, json!({ "email": "dev@example.com" })).await;
        answer.assert_problem(400, "header_invalid");
    }
    let two = world.operator().with("idempotency-key", "a").with("idempotency-key", "b").post(&path, json!({ "email": "dev@example.com" })).await;
    two.assert_problem(400, "header_invalid");
}
