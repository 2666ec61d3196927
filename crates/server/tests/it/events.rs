//! The audit trail: every change and every denied attempt, with who and from which request.
use serde_json::json;

use crate::common::{World, on_both_engines};

on_both_engines! {
    async fn every_change_is_an_event_of_its_account(world) {
        world.tick();
        let acme = world.account("corporate", "Acme").await;
        world.save_member(&acme, "ann@example.com", "owner").await;
        let ann = world.member(&acme, "ann@example.com").await;
        let made = world.credential(&acme).await;
        world.delete(&made).await;
        world.delete(&made).await;
        world.save_member(&acme, "bob@example.com", "viewer").await;
        world.operator().delete(&format!("/v1/accounts/{acme}/members/bob@example.com")).await;
        ann.form("/sign-out", &[]).await;
        assert_eq!(world.actions(&acme).await, [
            "account.created",
            "account.updated",
            "member.saved",
            "sign_in_link.created",
            "session.started",
            "credential.created",
            "credential.deleted",
            "member.saved",
            "member.removed",
            "session.ended",
        ]);
    }

    async fn an_event_says_who_did_what_in_which_request_and_no_secret(world) {
        world.tick();
        let acme = world.account("corporate", "Acme").await;
        let operator = world.operator().with("x-request-id", "request-42");
        let made = operator.post(&format!("/v1/accounts/{acme}/credentials"), json!({ "email": "dev@example.com" })).await.json();
        let events = world.operator().get(&format!("/v1/accounts/{acme}/events?limit=1")).await.json();
        let event = &events["items"][0];
        for (field, value) in [
            ("actor", json!("operator:tests")),
            ("action", json!("credential.created")),
            ("target", made["public_id"].clone()),
            ("account_id", json!(acme)),
            ("request_id", json!("request-42")),
            (
                "detail",
                json!({
                    "kind": "client", "label": "dev@example.com", "description": null, "access": "*", "expires_at": null, "allowed_networks": null,
                    "refuse_replays": false,
                }),
            ),
        ] {
            assert_eq!(event[field], value, "{field}");
        }
        let secret = made["secret"].as_str().expect("a secret");
        let all = world.operator().get(&format!("/v1/accounts/{acme}/events?limit=200")).await;
        assert!(!all.text().contains(secret));
    }

    async fn an_attempt_at_what_is_anothers_stands_in_ones_own_audit_log_alone_and_looks_like_one_at_nothing(world) {
        world.tick();
        let (acme, other) = (world.account("tenant", "Acme").await, world.account("tenant", "Other").await);
        let key = async |account: &str, email: &str| {
            let wish = json!({ "kind": "api_key", "email": email, "roles": ["admin"] });
            let made = world.operator().post(&format!("/v1/accounts/{account}/credentials"), wish).await;
            assert_eq!(made.status, 201, "{made:?}");
            made.json()
        };
        let (own, foreign) = (key(&acme, "ann@example.com").await, key(&other, "eve@example.com").await);
        let admin = world.new_member(&acme, "tenant_admin").await;
        let by_key = world.anyone().with("x-api-key", own["secret"].as_str().expect("a key"));
        let (others, before) = (world.actions(&other).await, world.actions(&acme).await.len());
        let unknown = "01890000-0000-7000-8000-000000000001";
        let asked = [foreign["id"].as_str().expect("an id"), unknown, other.as_str(), unknown];
        for id in &asked[..2] {
            assert_eq!(by_key.get(&format!("/v1/api-key/keys/{id}")).await.status, 404);
            assert_eq!(by_key.delete(&format!("/v1/api-key/keys/{id}")).await.status, 404);
        }
        for id in &asked[2..] {
            assert_eq!(admin.get(&format!("/account/below/{id}/api-keys")).await.status, 404);
            assert_eq!(admin.form(&format!("/account/below/{id}/api-keys"), &[("once", "x")]).await.status, 404);
        }
        assert_eq!(world.actions(&other).await, others, "nothing of it is theirs to know");
        let events = world.operator().get(&format!("/v1/accounts/{acme}/events?limit=200")).await.json();
        let denied: Vec<_> = events["items"].as_array().expect("items").iter().filter(|event| event["action"] == "access.denied").collect();
        assert_eq!(world.actions(&acme).await[before..], ["access.denied"; 8]);
        let targets: Vec<_> = denied.iter().rev().map(|event| event["target"].as_str().expect("a target")).collect();
        assert_eq!(targets, asked.iter().flat_map(|id| [*id; 2]).collect::<Vec<_>>());
        for event in denied {
            assert_eq!((&event["account_id"], &event["detail"]), (&json!(acme), &json!({ "wanted": "manage_credentials" })));
        }
    }

    async fn a_denied_attempt_is_an_event_and_a_refused_change_leaves_none(world) {
        world.tick();
        let acme = world.account("corporate", "Acme").await;
        let viewer = world.new_member(&acme, "viewer").await;
        let before = world.actions(&acme).await.len();
        assert_eq!(viewer.get("/account/api-keys").await.status, 404);
        assert_eq!(viewer.form("/account/api-keys", &[("once", "x"), ("email", "a@b.co")]).await.status, 404);
        assert_eq!(viewer.get("/account/members").await.status, 404);
        assert_eq!(viewer.get("/account/clients").await.status, 404);
        assert_eq!(world.actions(&acme).await[before..], ["access.denied"; 4]);
        world.operator().patch(&format!("/v1/accounts/{acme}"), json!({ "name": "" })).await;
        world.operator().post(&format!("/v1/accounts/{acme}/credentials"), json!({ "email": "x" })).await;
        world.operator().delete(&format!("/v1/accounts/{acme}/members/none@example.com")).await;
        assert_eq!(world.actions(&acme).await.len(), before + 4);
    }
}

#[tokio::test]
async fn events_are_paged_and_there_is_no_way_to_change_one() {
    let world = World::sqlite().await;
    world.tick();
    let acme = world.account("corporate", "Acme").await;
    for number in 0..5 {
        world.change(&acme, json!({ "name": format!("Acme {number}"), "api_access": false })).await;
    }
    let first = world.operator().get(&format!("/v1/accounts/{acme}/events?limit=4")).await.json();
    assert_eq!(first["items"][0]["detail"], json!({ "name": { "from": "Acme 3", "to": "Acme 4" } }), "only what is another now");
    let cursor = first["next_cursor"].as_str().expect("more").to_owned();
    let second = world.operator().get(&format!("/v1/accounts/{acme}/events?limit=4&cursor={cursor}")).await.json();
    assert_eq!(second["items"].as_array().map(Vec::len), Some(3));
    assert!(second["next_cursor"].is_null());
    for method in [axum::http::Method::DELETE, axum::http::Method::PUT, axum::http::Method::PATCH, axum::http::Method::POST] {
        let answer = world.operator().json(method, &format!("/v1/accounts/{acme}/events"), "{}").await;
        answer.assert_problem(405, "method_not_allowed");
    }
}
