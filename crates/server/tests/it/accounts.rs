//! `/v1/accounts`: what is made, shown, listed and changed.
use serde_json::{Value, json};

use crate::common::{START_TEXT, World, on_both_engines};

on_both_engines! {
    async fn an_account_is_made_shown_and_changed(world) {
        let operator = world.operator();
        let made = operator.post("/v1/accounts", json!({ "kind": "partner", "name": " Acme ", "external_id": "42" })).await;
        assert_eq!((made.status, made.header("content-type")), (201, "application/json"));
        let id = made.json()["id"].as_str().expect("an id").to_owned();
        let mut expected = json!({
            "id": id, "kind": "partner", "name": "Acme", "parent_id": null, "external_id": "42",
            "status": "active", "api_access": false, "created_at": START_TEXT,
        });
        assert_eq!(made.json(), expected);
        let path = format!("/v1/accounts/{id}");
        let shown = operator.get(&path).await;
        assert_eq!((shown.status, shown.json()), (200, expected.clone()));
        let changed = operator.patch(&path, json!({ "name": "Acme Ltd", "api_access": true, "status": "suspended" })).await;
        expected["name"] = json!("Acme Ltd");
        expected["api_access"] = json!(true);
        expected["status"] = json!("suspended");
        assert_eq!((changed.status, changed.json()), (200, expected.clone()));
        assert_eq!(operator.get(&path).await.json(), expected);
        // nothing asked for, nothing changed
        let unchanged = operator.patch(&path, json!({})).await;
        assert_eq!((unchanged.status, unchanged.json()), (200, expected));
        let child = operator.post("/v1/accounts", json!({ "kind": "corporate", "name": "Client", "parent_id": id })).await;
        assert_eq!((child.status, &child.json()["parent_id"]), (201, &json!(id)));
    }

    async fn a_tree_of_accounts_has_five_levels_under_its_parent(world) {
        let mut parent = world.account("messaging", "Parent").await;
        for level in 1..=5 {
            parent = world.account_under("messaging", &format!("Level {level}"), Some(&parent)).await;
        }
        let below = world.operator().post("/v1/accounts", json!({ "kind": "messaging", "name": "Level 6", "parent_id": parent })).await;
        below.assert_invalid("#/parent_id", "parent_too_deep");
    }

    async fn a_name_cannot_turn_the_sentence_that_it_stands_in(world) {
        for turning in ['\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}', '\u{7}'] {
            let name = format!("Acme{turning}x");
            let made = world.operator().post("/v1/accounts", json!({ "kind": "business", "name": name })).await;
            made.assert_invalid("#/name", "name_invalid");
            let acme = world.account("tenant", "Acme").await;
            let wish = json!({ "kind": "api_key", "email": "a@b.co", "description": name });
            world.operator().post(&format!("/v1/accounts/{acme}/credentials"), wish).await.assert_invalid("#/description", "description_invalid");
        }
        // Arabic and Hebrew are names like any other
        let made = world.operator().post("/v1/accounts", json!({ "kind": "business", "name": "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{200f}Ltd" })).await;
        assert_eq!(made.status, 201, "{made:?}");
    }

    async fn an_account_is_found_by_the_operators_own_id(world) {
        let operator = world.operator();
        let made = operator.post("/v1/accounts", json!({ "kind": "corporate", "name": "Acme", "external_id": "a/4&2" })).await.json();
        operator.post("/v1/accounts", json!({ "kind": "corporate", "name": "Other" })).await;
        let found = operator.get("/v1/accounts?external_id=a/4%262").await.json();
        assert_eq!((&found["items"][0]["id"], found["items"].as_array().map(Vec::len), &found["next_cursor"]), (&made["id"], Some(1), &json!(null)));
        assert_eq!(operator.get("/v1/accounts?external_id=a/4").await.json()["items"], json!([]));
        assert_eq!(operator.get("/v1/accounts?external_id=").await.json()["items"], json!([]), "nothing empty is everything");
        operator.get("/v1/accounts?externalid=a").await.assert_invalid("#/externalid", "query_invalid");
    }

    async fn two_accounts_cannot_have_one_external_id(world) {
        let body = json!({ "kind": "corporate", "name": "Acme", "external_id": "42" });
        assert_eq!(world.operator().post("/v1/accounts", body.clone()).await.status, 201);
        world.operator().post("/v1/accounts", body).await.assert_problem(409, "conflict");
        assert_eq!(world.operator().get("/v1/accounts").await.json()["items"].as_array().map(Vec::len), Some(1));
    }

    async fn a_list_is_paged_newest_first_without_repeats_or_holes(world) {
        for number in 0..7 {
            world.operator().post("/v1/accounts", json!({ "kind": "corporate", "name": format!("Account {number}") })).await;
            world.advance(1);
        }
        let (mut names, mut path) = (Vec::new(), "/v1/accounts?limit=3".to_owned());
        loop {
            let page = world.operator().get(&path).await;
            assert_eq!(page.status, 200, "{page:?}");
            let page = page.json();
            names.extend(page["items"].as_array().expect("items").iter().map(|item| item["name"].as_str().expect("a name").to_owned()));
            match &page["next_cursor"] {
                Value::String(cursor) => path = format!("/v1/accounts?limit=3&cursor={cursor}"),
                other => {
                    assert!(other.is_null());
                    break;
                }
            }
        }
        let expected: Vec<String> = (0..7).rev().map(|number| format!("Account {number}")).collect();
        assert_eq!(names, expected);
    }
}

#[tokio::test]
async fn a_query_that_is_not_one_of_ours_is_refused() {
    let world = World::sqlite().await;
    for query in ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=99999999999", "cursor=x", "cursor=", "sort=name", "limit=1&limit=2"] {
        let answer = world.operator().get(&format!("/v1/accounts?{query}")).await;
        assert_eq!(answer.status, 422, "{query}: {answer:?}");
        answer.assert_problem(422, "invalid");
    }
    assert_eq!(world.operator().get("/v1/accounts?limit=200").await.status, 200);
}

#[tokio::test]
async fn what_is_not_there_is_404_however_it_is_spelled() {
    let world = World::sqlite().await;
    let unknown = "01890000-0000-7000-8000-000000000001";
    for id in [unknown, "x", "%00", "018900000000700080000000000000001", "..", "{}"] {
        for path in [
            format!("/v1/accounts/{id}"),
            format!("/v1/accounts/{id}/members"),
            format!("/v1/accounts/{id}/credentials"),
            format!("/v1/accounts/{id}/events"),
        ] {
            world.operator().get(&path).await.assert_problem(404, "not_found");
        }
        world.operator().patch(&format!("/v1/accounts/{id}"), json!({})).await.assert_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_405_with_a_problem_and_allow() {
    let world = World::sqlite().await;
    let answer = world.operator().delete("/v1/accounts").await;
    answer.assert_problem(405, "method_not_allowed");
    assert!(answer.header("allow").contains("POST"), "{answer:?}");
}
