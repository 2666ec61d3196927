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
        assert_eq!(again.header("effective-nodes"), "1", "it is made sure of again: {again:?}");
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

    async fn a_key_made_with_a_key_is_answered_the_same_whatever_became_of_it(world) {
        let tenant = world.account("tenant", "Acme").await;
        let wish = json!({ "email": "ann@example.com", "roles": ["admin"] });
        let admin = world.operator().post(&format!("/v1/accounts/{tenant}/credentials"), wish).await.json();
        let keyed = world.anyone().with("x-api-key", admin["secret"].as_str().expect("a key")).with("idempotency-key", "one");
        let (path, body) = ("/v1/api-key/keys", json!({ "owner": "bo@example.com", "description": "Import", "roles": ["viewer"] }));
        let first = keyed.post(path, body.clone()).await;
        assert_eq!(first.status, 201, "{first:?}");
        let made = first.json();
        assert!(made["key"].as_str().zip(made["key_id"].as_str()).is_some_and(|(key, id)| key.starts_with(id)), "{first:?}");
        assert_eq!((&made["owner"], &made["description"], &made["roles"]), (&json!("bo@example.com"), &json!("Import"), &json!(["viewer"])));
        let one = format!("{path}/{}", made["id"].as_str().expect("an id"));
        let mut shown = keyed.get(&one).await.json();
        shown["key"] = made["key"].clone();
        assert_eq!(shown, made, "made and shown alike");
        assert_eq!(keyed.put(&format!("{one}/roles/GL"), json!(null)).await.status, 200);
        assert_eq!(keyed.post(path, body.clone()).await.bytes, first.bytes, "it has another role by now");
        assert_eq!(keyed.delete(&one).await.status, 204);
        let again = keyed.post(path, body).await;
        assert_eq!((again.status, &again.bytes), (201, &first.bytes), "it is gone by now");
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
async fn two_operator_keys_of_one_name_are_two_callers() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let path = format!("/v1/accounts/{acme}/credentials");
    let namesake = claviger_server::app::operator_keys::create_from_command_line(&world.app, "tests").await.expect("a key");
    let theirs = world.anyone().with("authorization", &format!("Bearer {}", namesake.expose())).with("idempotency-key", "one");
    let first = world.operator().with("idempotency-key", "one").post(&path, json!({ "email": "dev@example.com" })).await;
    let second = theirs.post(&path, json!({ "email": "dev@example.com" })).await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_ne!(first.json()["id"], second.json()["id"]);
}

#[tokio::test]
async fn a_sign_in_link_asked_for_twice_is_one_link() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    world.save_member(&acme, "ann@example.com", "owner").await;
    let path = format!("/v1/accounts/{acme}/sign-in-links");
    let keyed = world.operator().with("idempotency-key", "one");
    let first = keyed.post(&path, json!({ "email": "ann@example.com" })).await;
    let again = keyed.post(&path, json!({ "email": "ann@example.com" })).await;
    assert_eq!((first.status, again.status, &again.bytes), (201, 201, &first.bytes));
    world.signed_in_by(first.json()["url"].as_str().expect("a url")).await;
    assert_eq!(world.actions(&acme).await.iter().filter(|action| *action == "sign_in_link.created").count(), 1);
    let other = world.operator().post(&path, json!({ "email": "ann@example.com" })).await;
    assert_ne!(other.json()["url"], first.json()["url"]);
}

#[tokio::test]
async fn the_form_of_an_operator_key_sent_twice_makes_one_and_shows_it_once() {
    let world = World::sqlite().await;
    let staff = world.operator_person().await;
    let first = staff.form("/operator/keys", &[("once", "nonce"), ("name", "ci")]).await;
    assert!(first.status == 200 && first.text().contains("clv_operator_"), "{first:?}");
    let again = staff.form("/operator/keys", &[("once", "nonce"), ("name", "ci")]).await;
    assert_eq!((again.status, again.header("location")), (303, "/operator/keys?done=created-before"));
    assert_eq!(staff.form("/operator/keys", &[("name", "ci")]).await.status, 400);
    let keys = world.app.store.reader().await.expect("a reader").list_operator_keys().await.expect("keys");
    assert_eq!(keys.iter().filter(|key| key.name == "ci").count(), 1);
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
