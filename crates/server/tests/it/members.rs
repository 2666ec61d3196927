//! `/v1/accounts/{id}/members`.
use serde_json::{Value, json};

use crate::common::{START_TEXT, World, on_both_engines};

on_both_engines! {
    async fn a_member_is_added_changed_listed_and_removed(world) {
        let acme = world.account("corporate", "Acme").await;
        let (operator, path) = (world.operator(), format!("/v1/accounts/{acme}/members"));
        let added = operator.put(&format!("{path}/Ann@Example.com"), json!({ "role": "owner", "name": "Ann" })).await;
        assert_eq!(added.status, 201, "{added:?}");
        assert_eq!(added.json(), json!({ "email": "Ann@example.com", "name": "Ann", "role": "owner", "created_at": START_TEXT }));
        world.advance(1);
        // an address is the same member in any case, and stays as it was spelt; so does a name that is not sent
        let changed = operator.put(&format!("{path}/ann@example.com"), json!({ "role": "owner" })).await;
        assert_eq!((changed.status, &changed.json()["name"], &changed.json()["created_at"]), (200, &json!("Ann"), &json!(START_TEXT)));
        operator.put(&format!("{path}/bob@example.com"), json!({ "role": "viewer" })).await;
        let listed = operator.get(&path).await.json();
        let emails: Vec<_> = listed["items"].as_array().expect("items").iter().map(|item| item["email"].clone()).collect();
        assert_eq!((emails, &listed["next_cursor"]), (vec![json!("Ann@example.com"), json!("bob@example.com")], &Value::Null));
        let removed = operator.delete(&format!("{path}/BOB@example.com")).await;
        assert_eq!((removed.status, removed.bytes.len()), (204, 0));
        operator.delete(&format!("{path}/bob@example.com")).await.assert_problem(404, "not_found");
    }

    async fn the_last_owner_is_neither_removed_nor_given_another_role(world) {
        let acme = world.account("corporate", "Acme").await;
        let (operator, path) = (world.operator(), format!("/v1/accounts/{acme}/members"));
        world.save_member(&acme, "ann@example.com", "owner").await;
        operator.delete(&format!("{path}/ann@example.com")).await.assert_problem(409, "last_of_role");
        operator.put(&format!("{path}/ann@example.com"), json!({ "role": "viewer" })).await.assert_problem(409, "last_of_role");
        world.save_member(&acme, "bob@example.com", "owner").await;
        assert_eq!(operator.delete(&format!("{path}/ann@example.com")).await.status, 204);
        operator.delete(&format!("{path}/bob@example.com")).await.assert_problem(409, "last_of_role");
    }

    async fn an_event_of_a_member_tells_role_name_and_clients_that_differ_and_there_is_none_where_nothing_does(world) {
        world.tick();
        let partner = world.account("partner", "Partner").await;
        let (one, two) = (world.account_under("corporate", "One", Some(&partner)).await, world.account_under("corporate", "Two", Some(&partner)).await);
        world.save_member(&partner, "other@example.com", "partner_admin").await;
        let path = format!("/v1/accounts/{partner}/members/Agent@example.com");
        let told = async || {
            let events = world.operator().get(&format!("/v1/accounts/{partner}/events?limit=200")).await.json();
            let saved = |event: &&Value| event["action"] == "member.saved" && event["target"] == "Agent@example.com";
            let events: Vec<_> = events["items"].as_array().expect("items").iter().filter(saved).map(|event| event["detail"].clone()).collect();
            (events.len(), events[0].clone())
        };
        for (number, body, detail) in [
            (
                1,
                json!({ "role": "onboarding_agent", "name": "Ann", "clients": [two, one, two] }),
                json!({ "role": { "from": null, "to": "onboarding_agent" }, "name": { "from": null, "to": "Ann" }, "clients": { "from": [], "to": [one, two] } }),
            ),
            (2, json!({ "role": "onboarding_agent", "clients": [two] }), json!({ "clients": { "from": [one, two], "to": [two] } })),
            (2, json!({ "role": "onboarding_agent", "name": "Ann", "clients": [two] }), json!({ "clients": { "from": [one, two], "to": [two] } })),
            (3, json!({ "role": "onboarding_agent", "name": "Bea" }), json!({ "name": { "from": "Ann", "to": "Bea" } })),
            (
                4,
                json!({ "role": "partner_admin" }),
                json!({ "role": { "from": "onboarding_agent", "to": "partner_admin" }, "clients": { "from": [two], "to": [] } }),
            ),
            (5, json!({ "role": "onboarding_agent" }), json!({ "role": { "from": "partner_admin", "to": "onboarding_agent" } })),
        ] {
            let saved = world.operator().put(&path, body.clone()).await;
            assert_eq!(saved.status, if number == 1 { 201 } else { 200 }, "{body}: {saved:?}");
            assert_eq!(told().await, (number, detail), "{body}");
        }
        assert_eq!(world.operator().put(&path, json!({ "role": "onboarding_agent" })).await.json()["clients"], json!([]), "they were taken away");
    }

    async fn of_two_who_add_the_same_person_at_once_one_is_refused_and_changes_nothing(world) {
        let acme = world.account("corporate", "Acme").await;
        world.save_member(&acme, "owner@example.com", "owner").await;
        let owner = world.member(&acme, "owner@example.com").await;
        let staff = world.operator_person().await;
        let (viewer, admin) = ([("email", "bob@example.com"), ("role", "viewer")], [("email", "bob@example.com"), ("role", "admin")]);
        let as_operator = format!("/operator/accounts/{acme}/members");
        let answers = tokio::join!(owner.form("/account/members", &viewer), staff.form(&as_operator, &admin));
        let mut statuses = [answers.0.status, answers.1.status];
        let role = if answers.0.status == 303 { "viewer" } else { "admin" };
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 422]);
        let listed = world.operator().get(&format!("/v1/accounts/{acme}/members")).await.json();
        assert_eq!(listed["items"][0]["role"], role, "{listed}");
    }

    async fn of_two_owners_removed_at_once_one_stays(world) {
        let acme = world.account("corporate", "Acme").await;
        for email in ["ann@example.com", "bob@example.com"] {
            world.save_member(&acme, email, "owner").await;
        }
        let world = std::sync::Arc::new(world);
        let removals = ["ann@example.com", "bob@example.com"].map(|email| {
            let (world, path) = (world.clone(), format!("/v1/accounts/{acme}/members/{email}"));
            tokio::spawn(async move { world.operator().delete(&path).await.status })
        });
        let mut statuses = Vec::new();
        for removal in removals {
            statuses.push(removal.await.expect("no panic"));
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 409]);
    }

    async fn an_onboarding_agent_is_assigned_clients_of_this_partner_only(world) {
        let partner = world.account("partner", "Partner").await;
        let client = world.account_under("corporate", "Client", Some(&partner)).await;
        let stranger = world.account("corporate", "Stranger").await;
        let path = format!("/v1/accounts/{partner}/members/agent@example.com");
        let operator = world.operator();
        let saved = operator.put(&path, json!({ "role": "onboarding_agent", "clients": [client] })).await;
        assert_eq!((saved.status, &saved.json()["clients"]), (201, &json!([client])));
        for wrong in [json!([stranger]), json!([partner]), json!(["x"]), json!([client, stranger])] {
            operator.put(&path, json!({ "role": "onboarding_agent", "clients": wrong })).await.assert_invalid("#/clients", "client_unknown");
        }
        let kept = operator.put(&path, json!({ "role": "onboarding_agent" })).await;
        assert_eq!(kept.json()["clients"], json!([client]));
        let of_admin = operator.put(&format!("/v1/accounts/{partner}/members/p@example.com"), json!({ "role": "partner_admin", "clients": [client] })).await;
        of_admin.assert_invalid("#/clients", "field_not_of_this_role");
        let promoted = operator.put(&path, json!({ "role": "partner_admin" })).await;
        assert_eq!((promoted.status, promoted.json().get("clients")), (200, None));
    }
}

#[tokio::test]
async fn bad_members_are_refused_with_the_field() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let path = |email: &str| format!("/v1/accounts/{acme}/members/{email}");
    let long = format!("{}@example.com", "a".repeat(288));
    for (email, body, pointer, code) in [
        ("not-an-address", json!({ "role": "owner" }), "#/email", "email_invalid"),
        (long.as_str(), json!({ "role": "owner" }), "#/email", "email_too_long"),
        ("%20", json!({ "role": "owner" }), "#/email", "email_required"),
        ("a@b.co", json!({ "role": "partner_admin" }), "#/role", "role_unknown"),
        ("a@b.co", json!({ "role": "" }), "#/role", "role_unknown"),
        ("a@b.co", json!({ "role": "owner", "name": " " }), "#/name", "name_required"),
        ("a@b.co", json!({ "role": "owner", "name": "x".repeat(81) }), "#/name", "name_invalid"),
        ("a@b.co", json!({}), "#/role", "field_required"),
    ] {
        world.operator().put(&path(email), body).await.assert_invalid(pointer, code);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nul_byte_is_refused_and_is_no_internal_error_on_postgres() {
    let world = World::postgres().await;
    let acme = world.account("corporate", "Acme").await;
    let operator = world.operator();
    operator.delete(&format!("/v1/accounts/{acme}/members/%00")).await.assert_problem(404, "not_found");
    operator.put(&format!("/v1/accounts/{acme}/members/a%00@b.co"), json!({ "role": "owner" })).await.assert_invalid("#/email", "email_invalid");
    let link = operator.post(&format!("/v1/accounts/{acme}/sign-in-links"), json!({ "email": "\u{0}" })).await;
    assert_eq!(link.status, 422, "{link:?}");
    operator.post("/v1/accounts", json!({ "kind": "corporate", "name": "a\u{0}b" })).await.assert_invalid("#/name", "name_invalid");
    let person = world.operator_person().await;
    assert_eq!(person.get("/operator?q=%00").await.status, 200);
}

#[tokio::test]
async fn an_account_has_as_many_members_as_are_listed_and_no_more() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let mut tx = world.app.store.begin().await.expect("begun");
    for at in 0..1_000 {
        let email = format!("m{at}@example.com");
        let account_id = acme.parse().expect("an id");
        let member = claviger_store::member::Member {
            account_id,
            folded: email.clone(),
            email,
            name: None,
            role: "viewer".into(),
            created_at: crate::common::START,
        };
        tx.save_member(&member).await.expect("saved");
    }
    tx.commit_housekeeping().await.expect("committed");
    let (operator, path) = (world.operator(), format!("/v1/accounts/{acme}/members"));
    assert_eq!(operator.get(&path).await.json()["items"].as_array().map(Vec::len), Some(1_000));
    operator.put(&format!("{path}/one-more@example.com"), json!({ "role": "viewer" })).await.assert_problem(409, "limit_reached");
    assert_eq!(operator.put(&format!("{path}/m7@example.com"), json!({ "role": "admin" })).await.status, 200, "who is there can be changed");
    assert_eq!(operator.delete(&format!("{path}/m8@example.com")).await.status, 204);
    assert_eq!(operator.put(&format!("{path}/one-more@example.com"), json!({ "role": "viewer" })).await.status, 201);
}
