//! `/v1/accounts/{id}/credentials`: the secret once, and never again.
use serde_json::json;

use crate::common::{START_TEXT, World, on_both_engines};

on_both_engines! {
    async fn a_credential_is_made_with_its_secret_and_shown_without_it(world) {
        let acme = world.account("corporate", "Acme").await;
        let (operator, path) = (world.operator(), format!("/v1/accounts/{acme}/credentials"));
        let made = operator.post(&path, json!({ "kind": "client", "email": "Dev@Example.com", "access": { "level": "full" } })).await;
        assert_eq!(made.status, 201, "{made:?}");
        let mut body = made.json();
        let (id, public_id, secret) = (body["id"].clone(), body["public_id"].clone(), body["secret"].as_str().expect("a secret").to_owned());
        assert!(public_id.as_str().is_some_and(|text| text.starts_with("clv_client_")));
        assert!(secret.starts_with("clv_secret_") && secret.len() >= 40, "a secret has 190 bits");
        body.as_object_mut().expect("an object").remove("secret");
        let expected = json!({
            "id": id, "account_id": acme, "kind": "client", "public_id": public_id, "label": "Dev@example.com", "access": { "level": "full" },
            "state": "active", "expires_at": null, "allowed_networks": null, "created_at": START_TEXT,
            "description": null, "refuse_replays": false, "ended": null, "last_used": null,
        });
        assert_eq!(body, expected);
        let one = format!("{path}/{}", id.as_str().expect("an id"));
        let shown = operator.get(&one).await;
        let mut body = shown.json();
        let secrets = body.as_object_mut().expect("an object").remove("secrets");
        assert_eq!((shown.status, body), (200, expected.clone()));
        assert_eq!(secrets.as_ref().and_then(|secrets| secrets[0]["hint"].as_str()), Some(&*format!("…{}", &secret[secret.len() - 4..])));
        let listed = operator.get(&path).await;
        assert_eq!(listed.json(), json!({ "items": [expected], "next_cursor": null }));
        let deleted = operator.delete(&one).await;
        assert_eq!((deleted.status, deleted.bytes.len()), (204, 0));
        operator.get(&one).await.assert_problem(404, "not_found");
        assert_eq!(operator.get(&path).await.json()["items"], json!([]));
        assert_eq!(operator.delete(&one).await.status, 204, "deleted before is deleted");
    }

    async fn someone_else_s_credential_is_not_there(world) {
        let (acme, other) = (world.account("corporate", "Acme").await, world.account("corporate", "Other").await);
        let theirs = world.credential(&other).await;
        let path = format!("/v1/accounts/{acme}/credentials/{}", theirs.id);
        let unknown = format!("/v1/accounts/{acme}/credentials/01890000-0000-7000-8000-000000000001");
        let operator = world.operator().with("x-request-id", "fixed");
        assert_eq!(operator.get(&path).await, operator.get(&unknown).await);
        assert_eq!(operator.delete(&path).await, operator.delete(&unknown).await);
        operator.delete(&path).await.assert_problem(404, "not_found");
        assert_eq!(world.exchange(&theirs.public_id, &theirs.secret).await.status, 200, "it lives on");
    }

    async fn without_api_access_or_suspended_no_credential_is_made(world) {
        let acme = world.account("corporate", "Acme").await;
        let path = format!("/v1/accounts/{acme}/credentials");
        world.change(&acme, json!({ "api_access": false })).await;
        world.operator().post(&path, json!({ "email": "dev@example.com" })).await.assert_problem(409, "api_access_withheld");
        world.change(&acme, json!({ "status": "suspended" })).await;
        world.operator().post(&path, json!({ "email": "dev@example.com" })).await.assert_problem(409, "account_suspended");
        assert_eq!(world.operator().get(&path).await.json()["items"], json!([]));
    }

    async fn the_eleventh_is_refused_with_what_to_do_and_a_deletion_makes_room(world) {
        let acme = world.account("corporate", "Acme").await;
        let mut made = Vec::new();
        for _ in 0..10 {
            made.push(world.credential(&acme).await);
        }
        let path = format!("/v1/accounts/{acme}/credentials");
        let refused = world.operator().post(&path, json!({ "email": "dev@example.com" })).await;
        refused.assert_problem(409, "limit_reached");
        assert!(refused.json()["detail"].as_str().is_some_and(|detail| detail.contains("10") && detail.contains("Delete one")), "{refused:?}");
        world.delete(&made[0]).await;
        world.credential(&acme).await;
        world.operator().post(&path, json!({ "email": "dev@example.com" })).await.assert_problem(409, "limit_reached");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_credential_is_told_all_at_once() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let path = format!("/v1/accounts/{acme}/credentials");
    let long = format!("{}@example.com", "a".repeat(288));
    for (body, pointer, code) in [
        (json!({}), "#/email", "email_required"),
        (json!({ "email": "nonsense" }), "#/email", "email_invalid"),
        (json!({ "email": long }), "#/email", "email_too_long"),
        (json!({ "email": null }), "#/email", "email_required"),
        (json!({ "email": "a@b.co", "kind": "hmac" }), "#/kind", "kind_not_of_this_account"),
        (json!({ "email": "a@b.co", "kind": "nonsense" }), "#/kind", "value_unknown"),
        (json!({ "email": "a@b.co", "access": { "level": "fine_grained", "scopes": ["orders:read"] } }), "#/access", "access_not_of_this_account"),
        (json!({ "email": "a@b.co", "access": { "level": "full", "scopes": ["orders:read"] } }), "#/access", "scopes_unexpected"),
        (json!({ "email": "a@b.co", "access": { "level": "everything" } }), "#/access/level", "value_unknown"),
        (json!({ "email": "a@b.co", "access": {} }), "#/access/level", "field_required"),
        (json!({ "email": "a@b.co", "access": { "level": "full", "x": 1 } }), "#/access/x", "unknown_field"),
        (json!({ "email": "a@b.co", "name": "x" }), "#/name", "field_not_of_this_kind"),
        (json!({ "email": "a@b.co", "username": "x" }), "#/username", "field_not_of_this_kind"),
        (json!({ "email": "a@b.co", "password": "hunter2hunter2" }), "#/password", "field_not_of_this_kind"),
        (json!({ "email": "a@b.co", "roles": [] }), "#/roles", "field_not_of_this_kind"),
        (json!({ "email": "a@b.co", "expires_at": "2027-01-01T00:00:00Z" }), "#/expires_at", "field_not_of_this_kind"),
        (json!({ "email": "a@b.co", "expires_at": "tomorrow" }), "#/expires_at", "expiry_invalid"),
        (json!({ "email": "a@b.co", "expires_at": "2030-01-01" }), "#/expires_at", "expiry_invalid"),
        (json!({ "email": "a@b.co", "expires_at": "9999-12-31T23:59:59Z" }), "#/expires_at", "expiry_invalid"),
        (json!({ "email": "a@b.co", "expires_at": 7 }), "#/expires_at", "wrong_type"),
        (json!({ "email": "a@b.co", "allowed_networks": ["10.0.0.0/8"] }), "#/allowed_networks", "field_not_of_this_kind"),
    ] {
        let answer = world.operator().post(&path, body.clone()).await;
        assert_eq!(answer.status, 422, "{body}: {answer:?}");
        answer.assert_invalid(pointer, code);
        assert!(!answer.text().contains("hunter2"), "a value is never repeated: {answer:?}");
    }
    let several = world.operator().post(&path, json!({ "name": "x", "roles": ["admin"] })).await;
    assert_eq!(several.json()["errors"].as_array().map(Vec::len), Some(3), "{several:?}");
    assert_eq!(world.operator().get(&path).await.json()["items"], json!([]));
}
