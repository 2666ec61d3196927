//! Every account kind's credentials, from creation to end: what product, console and gateways promise of each.
use claviger_domain::kind::Kinds;
use claviger_server::config::Partial;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::common::{Answer, World, between, on_both_engines};

const CATALOGUE: &str = r#"
openapi: 3.1.0
info: { title: Orders, version: "1" }
paths:
  /orders:
    get: { security: [{ oauth: ["orders:read"] }], responses: {} }
    post: { security: [{ oauth: ["orders:write"] }], responses: {} }
  /users/{id}:
    get: { x-claviger-user-information: true, security: [{ oauth: ["users:read"] }], responses: {} }
components:
  securitySchemes:
    oauth: { type: oauth2, flows: { clientCredentials: { tokenUrl: /oauth2/token, scopes: { "orders:read": Read orders, "orders:write": Write orders, "users:read": Read users } } } }
"#;

async fn import(world: &World, query: &str, document: &str) -> Answer {
    world.operator().send(axum::http::Method::PUT, &format!("/v1/catalogue{query}"), Some("application/yaml"), document.into()).await
}

async fn create(world: &World, account: &str, wish: Value) -> Value {
    let made = world.operator().post(&format!("/v1/accounts/{account}/credentials"), wish).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

async fn verdict(world: &World, method: &str, path: &str, headers: Value) -> Value {
    let answer = world.ask(json!({ "method": method, "path": path, "headers": headers })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn allowed(world: &World, method: &str, path: &str, headers: Value) -> bool {
    verdict(world, method, path, headers).await["verdict"] == "allowed"
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()))
}

on_both_engines! {
    async fn a_key_may_do_what_its_roles_say_from_the_next_request_on(world) {
        let tenant = world.account("tenant", "Acme").await;
        let key = create(&world, &tenant, json!({ "kind": "api_key", "email": "ann@example.com", "roles": [] })).await;
        let (id, secret) = (text(&key, "id").to_owned(), text(&key, "secret").to_owned());
        assert_eq!(import(&world, "", CATALOGUE).await.status, 200);
        let may = async |method: &str, path: &str| allowed(&world, method, path, json!({ "X-API-Key": secret })).await;
        let roles = async |roles: Value| {
            let changed = world.operator().patch(&format!("/v1/accounts/{tenant}/credentials/{id}"), json!({ "roles": roles })).await;
            assert_eq!(changed.status, 200, "{changed:?}");
        };
        for (held, read, write, user, unknown) in [
            (json!([]), false, false, false, false),
            (json!(["viewer"]), true, false, false, false),
            (json!(["GL"]), true, true, false, false),
            (json!(["viewer", "GL"]), true, true, false, false),
            (json!(["admin"]), true, true, true, true),
        ] {
            roles(held.clone()).await;
            assert_eq!(may("GET", "/orders").await, read, "{held}");
            assert_eq!(may("POST", "/orders").await, write, "{held}");
            assert_eq!(may("GET", "/users/7").await, user, "{held}");
            assert_eq!(may("GET", "/nowhere").await, unknown, "{held}");
        }
        // what would do is named: the least of the roles
        for (held, method, path, role) in [(json!([]), "GET", "/orders", "viewer"), (json!(["viewer"]), "POST", "/orders", "GL"), (json!(["GL"]), "GET", "/users/7", "admin"), (json!([]), "GET", "/nowhere", "admin")] {
            roles(held).await;
            assert_eq!(verdict(&world, method, path, json!({ "X-API-Key": secret })).await["missing"], json!([role]), "{method} {path}");
        }
        roles(json!(["viewer"])).await;
        for path in ["/orders/", "//orders", "/./orders", "/%6Frders", "/orders%2F"] {
            assert!(!may("GET", path).await, "{path}");
        }
        assert!(allowed(&world, "GET", "/orders", json!({ "Authorization": format!("Bearer {secret}") })).await);
    }

    async fn keys_are_managed_with_keys_in_ones_own_account_and_below(world) {
        let tenant = world.account("tenant", "Acme").await;
        let unit = world.account_under("business_unit", "Acme North", Some(&tenant)).await;
        let other = world.account("tenant", "Other").await;
        let admin = create(&world, &tenant, json!({ "email": "ann@example.com", "roles": ["admin"] })).await;
        let viewer = create(&world, &tenant, json!({ "email": "vic@example.com", "roles": ["viewer"] })).await;
        let foreign = create(&world, &other, json!({ "email": "eve@example.com", "roles": ["admin"] })).await;
        let by = |key: &Value| world.anyone().with("x-api-key", text(key, "secret"));
        assert_eq!(by(&viewer).get("/v1/api-key/keys").await.status, 403);
        let nobody = world.anyone().get("/v1/api-key/keys").await;
        nobody.assert_problem(401, "credential_required");
        assert!(nobody.text().contains("X-API-Key: "), "an operator key is of no use here: {nobody:?}");
        by(&admin).post("/v1/api-key/keys", json!({ "owner": "bad" })).await.assert_invalid("#/owner", "email_invalid");
        let made = by(&admin).post("/v1/api-key/keys", json!({ "owner": "bo@example.com", "description": "Import", "roles": ["GL"], "account_id": unit })).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        assert_eq!((text(&made, "account_id"), text(&made, "owner"), &made["roles"]), (unit.as_str(), "bo@example.com", &json!(["GL"])));
        let path = format!("/v1/api-key/keys/{}", text(&made, "id"));
        assert_eq!(by(&admin).get("/v1/api-key/keys").await.json()["items"].as_array().map(Vec::len), Some(3));
        assert!(by(&admin).get(&path).await.json().get("key").is_none());
        assert_eq!(by(&foreign).get(&path).await.status, 404);
        assert_eq!(by(&foreign).delete(&path).await.status, 404);
        assert_eq!(by(&admin).patch(&path, json!({ "owner": "cy@example.com" })).await.json()["owner"], "cy@example.com");
        assert_eq!(by(&admin).put(&format!("{path}/roles/admin"), Value::Null).await.json()["roles"], json!(["GL", "admin"]));
        by(&admin).patch(&path, json!({ "owner": "bad" })).await.assert_invalid("#/owner", "email_invalid");
        by(&admin).put(&format!("{path}/roles/zz"), Value::Null).await.assert_problem(404, "not_found");
        by(&admin).delete(&format!("{path}/roles/zz")).await.assert_problem(404, "not_found");
        let unit_key = json!({ "X-API-Key": text(&made, "key") });
        assert!(allowed(&world, "GET", "/", unit_key.clone()).await);
        assert_eq!(world.anyone().with("x-api-key", text(&made, "key")).get("/v1/api-key/keys").await.json()["items"].as_array().map(Vec::len), Some(1));
        assert_eq!(by(&admin).delete(&format!("{path}/roles/admin")).await.json()["roles"], json!(["GL"]));
        assert!(!allowed(&world, "GET", "/", unit_key.clone()).await);
        assert_eq!(by(&admin).delete(&path).await.status, 204);
        assert!(!allowed(&world, "GET", "/", unit_key).await);
        assert_eq!(by(&admin).get(&path).await.status, 404);

        let history = by(&admin).get(&format!("/v1/audit-log/history?business_unit={unit}")).await;
        let actions: Vec<String> = history.json()["items"].as_array().expect("items").iter().map(|event| text(event, "action").to_owned()).collect();
        assert!(actions.contains(&"credential.created".to_owned()) && actions.contains(&"credential.deleted".to_owned()), "{actions:?}");
        let csv = by(&admin).with("accept", "text/csv").get("/v1/audit-log/history").await;
        assert!(csv.header("content-type").starts_with("text/csv") && csv.text().starts_with("id,at,account_id,actor"), "{csv:?}");
        assert_eq!(by(&viewer).get("/v1/audit-log/history").await.status, 403);
        for (query, pointer) in [("from=yesterday", "#/from"), ("to=2030-01-01", "#/to"), ("limit=x", "#/limit"), ("limit=0", "#/limit"), ("cursor=x", "#/cursor"), ("since=x", "#/since")] {
            let refused = by(&admin).get(&format!("/v1/audit-log/history?{query}")).await;
            refused.assert_invalid(pointer, "query_invalid");
            assert!(!refused.text().contains("yesterday"), "{refused:?}");
        }
    }

    async fn fine_grained_access_narrows_and_shrinks_at_once_and_never_widens(world) {
        let organisation = world.account("organisation", "Acme").await;
        let wish = |access: Value| json!({ "kind": "client", "email": "dev@example.com", "access": access });
        let post = async |wish: Value| world.operator().post(&format!("/v1/accounts/{organisation}/credentials"), wish).await;
        assert_eq!(post(json!({ "kind": "client", "email": "dev@example.com" })).await.status, 422);
        assert_eq!(post(wish(json!({ "level": "fine_grained", "scopes": [] }))).await.status, 422);
        let made = create(&world, &organisation, wish(json!({ "level": "fine_grained", "scopes": ["orders:read", "users:read"] }))).await;
        let (id, client) = (text(&made, "id").to_owned(), [("client_id", text(&made, "public_id")), ("client_secret", text(&made, "secret"))]);
        let token = async |scope: &str| {
            let mut form = vec![("grant_type", "client_credentials"), client[0], client[1]];
            if !scope.is_empty() {
                form.push(("scope", scope));
            }
            world.anyone().form("/oauth2/token", &form).await
        };
        assert_eq!(token("orders:write").await.json()["error"], "invalid_scope");
        assert_eq!(token("*").await.json()["error"], "invalid_scope");
        let whole = token("").await.json();
        assert_eq!(text(&whole, "scope"), "orders:read users:read");
        let narrow = token("orders:read").await.json();
        import(&world, "?accept=true", CATALOGUE).await;
        let as_token = |token: &Value| json!({ "Authorization": format!("Bearer {}", text(token, "access_token")) });
        assert!(allowed(&world, "GET", "/orders", as_token(&whole)).await);
        assert!(allowed(&world, "GET", "/users/1", as_token(&whole)).await);
        assert!(!allowed(&world, "GET", "/users/1", as_token(&narrow)).await);
        let refused = verdict(&world, "POST", "/orders", as_token(&whole)).await;
        assert_eq!((&refused["status"], &refused["reason"], &refused["missing"]), (&json!(403), &json!("insufficient_scope"), &json!(["orders:write"])));
        let changed = world.operator().patch(&format!("/v1/accounts/{organisation}/credentials/{id}"), json!({ "access": { "level": "fine_grained", "scopes": ["users:read"] } })).await;
        assert_eq!(changed.status, 200, "{changed:?}");
        assert!(!allowed(&world, "GET", "/orders", as_token(&whole)).await);
        assert!(!allowed(&world, "GET", "/orders", as_token(&narrow)).await);
        assert!(allowed(&world, "GET", "/users/1", as_token(&whole)).await);
    }

    async fn regenerating_ends_the_old_secret_at_once_or_after_an_overlap(world) {
        let organisation = world.account("organisation", "Acme").await;
        let made = create(&world, &organisation, json!({ "email": "dev@example.com", "access": { "level": "full" } })).await;
        let (id, public_id, first) = (text(&made, "id"), text(&made, "public_id"), text(&made, "secret"));
        let path = format!("/v1/accounts/{organisation}/credentials/{id}");
        let works = async |secret: &str| world.exchange(public_id, secret).await.status == 200;
        let token = async |secret: &str| text(&world.exchange(public_id, secret).await.json(), "access_token").to_owned();
        let is_good = async |token: &str| {
            let good = allowed(&world, "GET", "/", json!({ "Authorization": format!("Bearer {token}") })).await;
            let active = world.operator().form("/oauth2/introspect", &[("token", token)]).await.json()["active"] == true;
            assert_eq!(good, active, "introspection says the same");
            good
        };
        let of_first = token(first).await;
        assert!(is_good(&of_first).await);
        let second = world.operator().post(&format!("{path}/rotate"), json!({})).await.json();
        let second = text(&second, "secret");
        assert!(!works(first).await && works(second).await);
        assert!(!is_good(&of_first).await, "tokens end with the secret that they were given for");
        let of_second = token(second).await;
        let third = world.operator().post(&format!("{path}/rotate"), json!({ "overlap_seconds": 3600 })).await.json();
        let third = text(&third, "secret");
        assert!(works(second).await && works(third).await);
        assert!(is_good(&of_second).await, "while both live, tokens of both do");
        assert_eq!(world.operator().get(&path).await.json()["secrets"].as_array().map(Vec::len), Some(2));
        world.advance(3500);
        let (late_of_second, of_third) = (token(second).await, token(third).await);
        // nobody is told of a longer life than a token has
        let lives = async |secret: &str| world.exchange(public_id, secret).await.json()["expires_in"].clone();
        assert_eq!((lives(second).await, lives(third).await), (json!(100), json!(3600)));
        assert!(is_good(&late_of_second).await && is_good(&of_third).await);
        world.advance(101);
        assert!(!works(second).await && works(third).await);
        assert!(!is_good(&late_of_second).await && is_good(&of_third).await);
        let fourth = world.operator().post(&format!("{path}/rotate"), json!({ "overlap_seconds": 3600 })).await.json();
        assert_eq!(world.operator().post(&format!("{path}/settle"), json!({ "keep": "old" })).await.status, 204);
        assert!(works(third).await && !works(text(&fourth, "secret")).await);
        let of_third = token(third).await;
        assert_settled_already(&world, &organisation, &path, "old").await;
        world.operator().post(&format!("{path}/settle"), json!({ "keep": "new" })).await.assert_problem(409, "conflict");
        assert!(works(third).await, "it was kept");
        assert_eq!(world.operator().post(&format!("{path}/rotate"), json!({ "overlap_seconds": 604_801 })).await.status, 422);
        let fifth = world.operator().post(&format!("{path}/rotate"), json!({ "overlap_seconds": 3600 })).await.json();
        assert_eq!(world.operator().post(&format!("{path}/settle"), json!({ "keep": "new" })).await.status, 204);
        assert!(!works(third).await && works(text(&fifth, "secret")).await);
        assert!(!is_good(&of_third).await);
        assert_settled_already(&world, &organisation, &path, "new").await;
        world.operator().post(&format!("{path}/settle"), json!({ "keep": "old" })).await.assert_problem(409, "conflict");
        let revoked = world.operator().post(&format!("{path}/revoke"), json!({ "reason": "not_needed" })).await.json();
        assert_eq!((text(&revoked, "state"), &revoked["ended"]["reason"]), ("revoked", &json!("not_needed")));
        assert!(!works(text(&fifth, "secret")).await);
        assert_eq!(world.operator().get(&path).await.json()["state"], "revoked", "it stays listed");
    }

    async fn a_basic_pair_is_no_signing_pair_and_the_reverse(world) {
        let account = world.account("messaging", "Acme").await;
        let pair = create(&world, &account, json!({ "kind": "basic", "name": "Import" })).await;
        let signing = create(&world, &account, json!({ "kind": "hmac", "name": "Import" })).await;
        let as_basic = |made: &Value| json!({ "Authorization": basic(text(made, "public_id"), text(made, "secret")) });
        assert!(allowed(&world, "GET", "/v1/messages", as_basic(&pair)).await);
        assert!(!allowed(&world, "GET", "/v1/messages", as_basic(&signing)).await);
        assert!(allowed(&world, "GET", "/v1/messages", signed(text(&signing, "public_id"), text(&signing, "secret"), "GET", "/v1/messages")).await);
        assert!(!allowed(&world, "GET", "/v1/messages", signed(text(&pair, "public_id"), text(&pair, "secret"), "GET", "/v1/messages")).await);
        world.change(&account, json!({ "api_access": false })).await;
        assert!(!allowed(&world, "GET", "/v1/messages", as_basic(&pair)).await, "not verified any more");
    }

    async fn a_parents_key_acts_for_a_descendant_and_for_no_sibling_or_ancestor(world) {
        let top = world.account("messaging", "Top").await;
        let (left, right) = (world.account_under("messaging", "Left", Some(&top)).await, world.account_under("messaging", "Right", Some(&top)).await);
        let deep = world.account_under("messaging", "Deep", Some(&left)).await;
        let made = create(&world, &left, json!({ "kind": "basic", "name": "Import" })).await;
        let act = async |account: Option<&str>| {
            let mut headers = json!({ "Authorization": basic(text(&made, "public_id"), text(&made, "secret")) });
            if let Some(account) = account {
                headers["Account"] = account.into();
            }
            verdict(&world, "GET", "/", headers).await
        };
        assert_eq!(act(None).await["principal"]["acting_account_id"], json!(left));
        assert_eq!(act(Some(&deep)).await["principal"]["acting_account_id"], json!(deep));
        for stranger in [&top, &right] {
            assert_eq!(act(Some(stranger)).await["reason"], "account_forbidden");
        }
        let below = world.account_under("messaging", "Below", Some(&deep)).await;
        assert_eq!(act(Some(&below)).await["principal"]["acting_account_id"], json!(below));
        world.change(&deep, json!({ "status": "suspended" })).await;
        for gone in [&deep, &below] {
            assert_eq!(act(Some(gone)).await["reason"], "account_forbidden", "suspended, or below what is");
        }
        assert_eq!(act(None).await["verdict"], "allowed");
    }

    async fn a_chosen_password_works_until_it_is_changed(world) {
        let account = world.account("messaging", "Acme").await;
        for (username, password, status) in [("abcd", "Secret1", 422), ("Abcde", "Secret1", 422), ("abcde", "secret1", 422), ("abcde", "Sec!et1", 422), ("abcde", "Secret1", 201), ("abcde", "Secret1", 422)] {
            let wish = json!({ "kind": "legacy", "username": username, "password": password });
            let made = world.operator().post(&format!("/v1/accounts/{account}/credentials"), wish).await;
            assert_eq!(made.status, status, "{username} {password} {made:?}");
            assert!(!made.text().contains("Secret1"), "a chosen password is not given back");
        }
        let log_in = async |password: &str| allowed(&world, "GET", "/", json!({ "Authorization": basic("abcde", password) })).await;
        assert!(log_in("Secret1").await && log_in("Secret1").await);
        assert!(!log_in("Secret2").await);
        let soap = |password: &str| format!("<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:n=\"http://xml.m4u.com.au/2009\"><e:Body><n:checkUser><n:authentication><n:userId>abcde</n:userId><n:password>{password}</n:password></n:authentication></n:checkUser></e:Body></e:Envelope>");
        let call = async |body: String| world.anyone().send(axum::http::Method::POST, "/legacy", Some("text/xml"), body.into_bytes()).await;
        assert!(call(soap("Secret1")).await.text().contains("checkUserResponse"));
        let fault = call(soap("Secret2")).await;
        assert!(fault.status == 500 && fault.text().contains("authenticationFailed"), "{fault:?}");
        let change = "m4u\r\nUSER=abcde\r\nPASSWORD=Secret1\r\nVER=PHP1.0\r\nNEWPASSWORD=Secret9\r\nMESSAGES\r\n.\r\n".to_owned();
        assert!(call(change).await.text().contains("100 OK"));
        assert!(!log_in("Secret1").await && log_in("Secret9").await);
    }

    async fn an_event_of_a_change_names_what_differs_and_what_changes_nothing_has_none(world) {
        world.tick();
        let account = world.account("business", "Acme").await;
        let wish = json!({ "kind": "api_key", "name": "Import", "access": { "level": "full" }, "allowed_networks": ["192.0.2.0/24"] });
        let made = create(&world, &account, wish).await;
        let path = format!("/v1/accounts/{account}/credentials/{}", text(&made, "id"));
        let changes = [
            ("", json!({ "name": "Import 2" }), json!({ "label": { "from": "Import", "to": "Import 2" } })),
            ("", json!({ "allowed_networks": ["192.0.2.0/24", "::1"] }), json!({ "allowed_networks": { "from": ["192.0.2.0/24"], "to": ["192.0.2.0/24", "::1/128"] } })),
            ("", json!({ "allowed_networks": null }), json!({ "allowed_networks": { "from": ["192.0.2.0/24", "::1/128"], "to": null } })),
            ("/pause", Value::Null, json!({ "state": { "from": "active", "to": "paused" } })),
            ("/resume", Value::Null, json!({ "state": { "from": "paused", "to": "active" } })),
        ];
        for (step, body, detail) in changes {
            // the second time it is so already
            for _ in 0..2 {
                let changed = match step {
                    "" => world.operator().patch(&path, body.clone()).await,
                    step => world.operator().post(&format!("{path}{step}"), body.clone()).await,
                };
                assert_eq!(changed.status, 200, "{changed:?}");
            }
            let events = world.operator().get(&format!("/v1/accounts/{account}/events?limit=2")).await.json();
            assert_eq!(events["items"][0]["detail"], detail);
            assert_ne!(events["items"][1]["detail"], detail);
        }
        let before = world.actions(&account).await;
        assert_eq!(world.operator().patch(&path, json!({})).await.status, 200);
        assert_eq!(world.operator().post(&format!("{path}/settle"), json!({ "keep": "new" })).await.status, 204, "there is nothing to settle");
        assert_eq!(world.actions(&account).await, before);
        let fixed = world.account("corporate", "Acme").await;
        let fixed = world.credential(&fixed).await;
        let settled = world.operator().post(&format!("/v1/accounts/{}/credentials/{}/settle", fixed.account, fixed.id), json!({ "keep": "new" })).await;
        settled.assert_problem(409, "not_of_this_kind");
    }

    async fn expiry_networks_pausing_and_restoring_count_on_the_next_request(world) {
        let account = world.account("business", "Acme").await;
        let expires_at = (world.app.clock.now() + std::time::Duration::from_secs(3600)).to_string();
        let made = create(&world, &account, json!({ "kind": "api_key", "name": "Import", "access": { "level": "full" }, "expires_at": expires_at, "allowed_networks": ["192.0.2.0/24"] })).await;
        let path = format!("/v1/accounts/{account}/credentials/{}", text(&made, "id"));
        let from = async |ip: Option<&str>| {
            world.ask(json!({ "method": "GET", "path": "/", "headers": { "x-api-key": text(&made, "secret") }, "client_ip": ip })).await.json()["verdict"] == "allowed"
        };
        assert!(from(Some("192.0.2.7")).await);
        assert!(!from(Some("198.51.100.7")).await && !from(None).await);
        assert_eq!(world.operator().post(&format!("{path}/pause"), Value::Null).await.status, 200);
        assert!(!from(Some("192.0.2.7")).await);
        assert_eq!(world.operator().post(&format!("{path}/resume"), Value::Null).await.status, 200);
        assert!(from(Some("192.0.2.7")).await);
        assert_eq!(world.operator().post(&format!("{path}/revoke"), json!({ "reason": "person_left" })).await.status, 200);
        assert!(!from(Some("192.0.2.7")).await);
        assert_eq!(world.operator().post(&format!("{path}/restore"), Value::Null).await.status, 200);
        assert!(from(Some("192.0.2.7")).await);
        // what was paused is brought back paused
        for step in ["pause", "revoke"] {
            assert_eq!(world.operator().post(&format!("{path}/{step}"), json!({})).await.status, 200);
        }
        let restored = world.operator().post(&format!("{path}/restore"), Value::Null).await;
        assert_eq!(restored.json()["state"], "paused", "{restored:?}");
        assert!(!from(Some("192.0.2.7")).await);
        assert_eq!(world.operator().post(&format!("{path}/resume"), Value::Null).await.status, 200);
        // an empty list means nothing, null that there is none
        world.operator().patch(&path, json!({ "allowed_networks": [] })).await.assert_invalid("#/allowed_networks", "networks_required");
        let wish = json!({ "kind": "api_key", "name": "x", "access": { "level": "full" }, "allowed_networks": [] });
        let refused = world.operator().post(&format!("/v1/accounts/{account}/credentials"), wish).await;
        refused.assert_invalid("#/allowed_networks", "networks_required");
        assert!(!from(Some("198.51.100.7")).await);
        let opened = world.operator().patch(&path, json!({ "allowed_networks": null })).await;
        assert_eq!((opened.status, &opened.json()["allowed_networks"]), (200, &Value::Null));
        assert!(from(Some("198.51.100.7")).await);
        world.advance(3600);
        assert!(!from(Some("192.0.2.7")).await);
        assert_eq!(world.operator().post(&format!("{path}/revoke"), json!({ "reason": "leaked" })).await.status, 200);
        assert_eq!(world.operator().post(&format!("{path}/restore"), Value::Null).await.status, 409);
    }
}

/// The header fields of a request signed at the frozen moment.
fn signed(key: &str, secret: &str, method: &str, target: &str) -> Value {
    let date = "Wed, 18 Nov 2026 11:06:40 GMT";
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(format!("Date: {date}\n{method} {target} HTTP/1.1").as_bytes());
    let signature = BASE64.encode(&mac.finalize().into_bytes());
    let authorization = format!("hmac username=\"{key}\", algorithm=\"hmac-sha256\", headers=\"Date request-line\", signature=\"{signature}\"");
    json!({ "Date": date, "Authorization": authorization })
}

#[tokio::test]
async fn why_a_signed_request_was_refused_is_told_to_its_account_and_never_the_secret() {
    let world = World::sqlite().await;
    let account = world.account("messaging", "Acme").await;
    let made = create(&world, &account, json!({ "kind": "hmac", "name": "Import" })).await;
    let (key, secret) = (text(&made, "public_id"), text(&made, "secret"));
    assert!(!allowed(&world, "GET", "/v1/other", signed(key, secret, "GET", "/v1/messages")).await);
    let told = world.operator().get(&format!("/v1/accounts/{account}/refusals/fixed")).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(told.json()["code"], "signature_mismatch");
    assert_eq!(told.json()["signing_string"], "Date: Wed, 18 Nov 2026 11:06:40 GMT\nGET /v1/other HTTP/1.1");
    assert_eq!(told.json()["clock_difference_seconds"], 0);
    assert!(!told.text().contains(secret));
    let other = world.account("messaging", "Other").await;
    assert_eq!(world.operator().get(&format!("/v1/accounts/{other}/refusals/fixed")).await.status, 404);
    world.advance(301);
    assert!(!allowed(&world, "GET", "/v1/messages", signed(key, secret, "GET", "/v1/messages")).await);
    assert_eq!(world.operator().get(&format!("/v1/accounts/{account}/refusals/fixed")).await.json()["code"], "date_outside");
}

#[tokio::test]
async fn a_credential_can_ask_that_the_same_signature_be_refused_twice() {
    let world = World::sqlite().await;
    let account = world.account("messaging", "Acme").await;
    for (refuse_replays, again) in [(false, true), (true, false)] {
        let made = create(&world, &account, json!({ "kind": "hmac", "name": "Import", "refuse_replays": refuse_replays })).await;
        let request = signed(text(&made, "public_id"), text(&made, "secret"), "GET", "/v1");
        assert!(allowed(&world, "GET", "/v1", request.clone()).await);
        assert_eq!(allowed(&world, "GET", "/v1", request).await, again);
    }
}

#[tokio::test]
async fn of_a_signature_nothing_is_told_to_who_is_refused_anyway() {
    let world = World::sqlite().await;
    let account = world.account("messaging", "Acme").await;
    let made = create(&world, &account, json!({ "kind": "hmac", "name": "Import", "refuse_replays": true })).await;
    let request = signed(text(&made, "public_id"), text(&made, "secret"), "GET", "/v1");
    world.change(&account, json!({ "status": "suspended" })).await;
    for _ in 0..2 {
        assert_eq!(
            verdict(&world, "GET", "/v1", request.clone()).await["reason"],
            "credential_invalid",
            "neither that it is right nor that it was used"
        );
    }
    world.change(&account, json!({ "status": "active" })).await;
    assert!(allowed(&world, "GET", "/v1", request.clone()).await, "what was refused was not used");
    assert_eq!(verdict(&world, "GET", "/v1", request).await["reason"], "request_replayed");
}

#[tokio::test]
async fn who_repeats_a_request_takes_nothing_of_its_senders_quota() {
    let settings = Partial { rate_limit: Some("1/h burst 3".parse().expect("a limit")), ..Partial::default() };
    let world = World::with(settings, None, Kinds::built_in().expect("sound")).await;
    let account = world.account("messaging", "Acme").await;
    let made = create(&world, &account, json!({ "kind": "hmac", "name": "Import", "refuse_replays": true })).await;
    let request = |target: &str| signed(text(&made, "public_id"), text(&made, "secret"), "GET", target);
    assert!(allowed(&world, "GET", "/1", request("/1")).await);
    for _ in 0..5 {
        assert_eq!(verdict(&world, "GET", "/1", request("/1")).await["reason"], "request_replayed");
    }
    assert!(allowed(&world, "GET", "/2", request("/2")).await && allowed(&world, "GET", "/3", request("/3")).await);
    assert_eq!(verdict(&world, "GET", "/4", request("/4")).await["reason"], "rate_limited");
}

#[tokio::test]
async fn a_login_in_the_body_is_a_credential_like_any_other() {
    let world = World::sqlite().await;
    let account = world.account("messaging", "Acme").await;
    create(&world, &account, json!({ "kind": "legacy", "username": "abcde", "password": "Secret1" })).await;
    let pair = create(&world, &account, json!({ "kind": "basic", "name": "Import" })).await;
    let login = |password: &str| {
        format!(
            "<sendMessages xmlns=\"http://xml.m4u.com.au/2009\"><authentication><userId>abcde</userId><password>{password}</password></authentication></sendMessages>"
        )
    };
    let asked = async |authorization: Option<String>, body: &str| {
        let headers = authorization.map_or(json!({}), |value| json!({ "Authorization": value }));
        let answer = world.ask(json!({ "method": "POST", "path": "/", "headers": headers, "body": BASE64.encode(body.as_bytes()) })).await.json();
        answer["reason"].as_str().map_or_else(|| text(&answer, "verdict").to_owned(), str::to_owned)
    };
    let other = basic(text(&pair, "public_id"), text(&pair, "secret"));
    assert_eq!(asked(None, &login("Secret1")).await, "allowed");
    assert_eq!(asked(None, &login("Secret2")).await, "credential_invalid");
    assert_eq!(asked(Some(other.clone()), "<orders/>").await, "allowed");
    for body in [
        login("Secret1"),
        login("Secret2"),
        format!("\n {}", login("Secret2")),
        "m4u\r\nUSER=abcde\r\nPASSWORD=Secret1\r\nMESSAGES\r\n.\r\n".to_owned(),
    ] {
        assert_eq!(asked(Some(other.clone()), &body).await, "several_credentials", "{body}");
    }
    assert_eq!(asked(Some("Bearer junk".to_owned()), &login("Secret1")).await, "several_credentials");
    assert_eq!(asked(Some(basic("abcde", "Secret1")), &login("Secret1")).await, "allowed", "the same one twice is one");
    assert_eq!(asked(Some(basic("abcde", "Secret1")), &login("Secret2")).await, "several_credentials");
}

#[tokio::test]
async fn a_gateway_may_demand_scopes_for_a_route_without_any_catalogue() {
    let world = World::sqlite().await;
    let account = world.account("business", "Acme").await;
    let made =
        create(&world, &account, json!({ "kind": "api_key", "name": "Import", "access": { "level": "fine_grained", "scopes": ["orders:read"] } }))
            .await;
    let key = text(&made, "secret").as_bytes();
    assert_eq!(world.nginx(&[("x-api-key", key)]).await.status, 403, "what nobody described, a limited credential may not do");
    assert_eq!(world.nginx(&[("x-api-key", key), ("x-claviger-require", b"orders:read")]).await.status, 200);
    let refused = world.nginx(&[("x-api-key", key), ("x-claviger-require", b"orders:write")]).await;
    assert_eq!(refused.status, 403);
    assert!(refused.header("www-authenticate").contains("scope=\"orders:write\""), "{refused:?}");
    assert!(refused.header("x-claviger-problem").contains("orders:write"), "{refused:?}");
    let asked = async |require: Value| {
        let question = json!({ "method": "GET", "path": "/", "headers": { "x-api-key": text(&made, "secret") }, "require": require });
        world.ask(question).await.json()["verdict"].clone()
    };
    assert_eq!(asked(json!(["orders:read"])).await, "allowed");
    assert_eq!(asked(json!([])).await, "refused");
}

#[tokio::test]
async fn a_catalogue_that_would_widen_a_fine_grained_credential_is_refused_unless_accepted() {
    let world = World::sqlite().await;
    let account = world.account("business", "Acme").await;
    create(&world, &account, json!({ "kind": "api_key", "name": "Import", "access": { "level": "fine_grained", "scopes": ["orders:read"] } })).await;
    assert_eq!(world.operator().get("/v1/catalogue").await.status, 404);
    let trial = import(&world, "?dry_run=true", CATALOGUE).await;
    assert_eq!((trial.status, &trial.json()["imported"], &trial.json()["widens"]), (200, &json!(false), &json!(true)));
    assert_eq!(import(&world, "", CATALOGUE).await.status, 409);
    assert_eq!(world.operator().get("/v1/catalogue").await.status, 404);
    assert_eq!(import(&world, "?accept=true", CATALOGUE).await.status, 200);
    assert_eq!(world.operator().get("/v1/catalogue").await.json()["operations"].as_array().map(Vec::len), Some(3));
    assert_eq!(import(&world, "", "openapi: 2.0").await.status, 422);
}

#[tokio::test]
async fn guessing_a_password_runs_out_and_does_not_lock_the_customer_out() {
    let world = World::sqlite().await;
    let account = world.account("messaging", "Acme").await;
    create(&world, &account, json!({ "kind": "legacy", "username": "abcde", "password": "Secret1" })).await;
    let from = async |ip: &str, password: &str| {
        let question = json!({ "method": "GET", "path": "/", "headers": { "Authorization": basic("abcde", password) }, "client_ip": ip });
        world.ask(question).await.json()["status"].clone()
    };
    assert_eq!(from("192.0.2.1", "Secret1").await, 200);
    let mut last = json!(0);
    for at in 0..25 {
        last = from("198.51.100.1", &format!("Guess{at}")).await;
    }
    assert_eq!(last, 429, "an address that guesses has to wait");
    assert_eq!(from("192.0.2.1", "Secret1").await, 200, "the customer does not");
    world.advance(60);
    assert_eq!(from("198.51.100.1", "Guess99").await, 401, "it may try again later");
}

on_both_engines! {
    async fn while_two_secrets_overlap_each_says_when_it_was_last_used(world) {
        let organisation = world.account("organisation", "Acme").await;
        let made = create(&world, &organisation, json!({ "email": "dev@example.com", "access": { "level": "full" } })).await;
        let (id, public_id, old) = (text(&made, "id"), text(&made, "public_id"), text(&made, "secret"));
        let path = format!("/v1/accounts/{organisation}/credentials/{id}");
        let uses = async || {
            world.app.flush_uses().await.expect("written");
            let shown = world.operator().get(&path).await.json();
            shown["secrets"].as_array().expect("secrets").iter().map(|secret| secret["last_used"]["at"].as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        assert_eq!(uses().await, [None]);
        assert_eq!(world.exchange(public_id, old).await.status, 200);
        let first = Some(world.app.clock.now().to_string());
        assert_eq!(uses().await.as_slice(), std::slice::from_ref(&first));
        world.advance(60);
        let new = world.operator().post(&format!("{path}/rotate"), json!({ "overlap_seconds": 3600 })).await.json();
        assert_eq!(uses().await, [first.clone(), None], "the old one keeps what was known of it");
        world.advance(60);
        assert_eq!(world.exchange(public_id, text(&new, "secret")).await.status, 200);
        let second = Some(world.app.clock.now().to_string());
        assert_eq!(uses().await, [first.clone(), second.clone()]);
        world.advance(60);
        assert_eq!(world.exchange(public_id, old).await.status, 200);
        assert_eq!(uses().await, [Some(world.app.clock.now().to_string()), second]);
        assert_eq!(world.operator().post(&format!("{path}/settle"), json!({ "keep": "new" })).await.status, 204);
        assert_eq!(uses().await.len(), 1, "with a secret goes what was known of it");
    }

    async fn every_kind_of_secret_notes_which_one_was_used(world) {
        let account = world.account("business", "Acme").await;
        for kind in ["api_key", "basic", "hmac"] {
            let made = create(&world, &account, json!({ "kind": kind, "name": "Import", "access": { "level": "full" } })).await;
            let path = format!("/v1/accounts/{account}/credentials/{}", text(&made, "id"));
            world.advance(1);
            let new = world.operator().post(&format!("{path}/rotate"), json!({ "overlap_seconds": 3600 })).await.json();
            let headers = |made: &Value| match kind {
                "api_key" => json!({ "x-api-key": text(made, "secret") }),
                "basic" => json!({ "Authorization": basic(text(made, "public_id"), text(made, "secret")) }),
                _ => signed(text(made, "public_id"), text(made, "secret"), "GET", "/"),
            };
            let used = async || {
                world.app.flush_uses().await.expect("written");
                let shown = world.operator().get(&path).await.json();
                shown["secrets"].as_array().expect("secrets").iter().map(|secret| !secret["last_used"].is_null()).collect::<Vec<_>>()
            };
            assert!(allowed(&world, "GET", "/", headers(&made)).await, "{kind}");
            assert_eq!(used().await, [true, false], "{kind}");
            assert!(allowed(&world, "GET", "/", headers(&new)).await, "{kind}");
            assert_eq!(used().await, [true, true], "{kind}");
        }
    }
}

#[tokio::test]
async fn who_replaces_a_secret_while_two_live_is_told_which_one_ends_at_once_before_and_after() {
    let world = World::sqlite().await;
    world.tick();
    let account = world.account("organisation", "Acme").await;
    let admin = world.new_member(&account, "administrator").await;
    let made = create(&world, &account, json!({ "kind": "client", "email": "dev@example.com", "access": { "level": "full" } })).await;
    let (id, public_id, first) = (text(&made, "id"), text(&made, "public_id"), text(&made, "secret"));
    let href = format!("/account/partner-api/{id}/rotate");
    let hint = |secret: &str| format!("…{}", &secret[secret.len() - 4..]);
    let rotate = async |overlap: u64| {
        let path = format!("/v1/accounts/{account}/credentials/{id}/rotate");
        text(&world.operator().post(&path, json!({ "overlap_seconds": overlap })).await.json(), "secret").to_owned()
    };
    let told = async || {
        let events = world.operator().get(&format!("/v1/accounts/{account}/events?limit=1")).await.json();
        events["items"][0]["detail"].clone()
    };
    assert!(!admin.get(&href).await.text().contains("class=\"effect\""), "with one there is nothing to warn of");
    let second = rotate(86_400).await;
    assert_eq!(told().await, json!({ "overlap_seconds": 86_400, "ended": [] }));
    assert_eq!(world.exchange(public_id, first).await.status, 200);
    world.app.flush_uses().await.expect("written");
    world.advance(600);
    let dialog = admin.get(&href).await.text();
    let effect = between(&dialog, "class=\"effect\"", "</p>").replace('\u{2060}', "");
    let (older, newer) = (format!("The older one, {}, ends at once", hint(first)), format!("The other, {}, ends when you choose", hint(&second)));
    for part in [older.as_str(), newer.as_str(), "promised until 19 Nov 2026, ", "last used 10 minutes ago"] {
        assert!(effect.contains(part), "{part}: {effect}");
    }
    let once = between(&dialog, "name=\"once\" value=\"", "\"");
    assert_eq!(admin.form(&href, &[("once", once), ("overlap", "3600")]).await.status, 200);
    assert_eq!(told().await, json!({ "overlap_seconds": 3600, "ended": [hint(first)] }));
    assert_eq!((world.exchange(public_id, first).await.status, world.exchange(public_id, &second).await.status), (401, 200));
    world.advance(3601);
    assert!(!admin.get(&href).await.text().contains("class=\"effect\""), "what has ended by itself is spoken of no more");
    let fourth = rotate(3600).await;
    assert_eq!(told().await["ended"], json!([]), "it had ended by itself");
    rotate(0).await;
    assert_eq!(told().await["ended"].as_array().map(Vec::len), Some(2));
    assert_eq!(told().await["ended"][1], hint(&fourth));
}

#[tokio::test]
async fn what_is_done_to_a_credential_that_ended_meanwhile_is_refused_on_its_own_page() {
    let world = World::sqlite().await;
    let account = world.account("business", "Acme").await;
    let owner = world.new_member(&account, "owner").await;
    let made = create(&world, &account, json!({ "kind": "api_key", "name": "Import", "access": { "level": "full" } })).await;
    let href = format!("/account/credentials/{}", text(&made, "id"));
    let revoked = owner.form(&format!("{href}/delete"), &[("reason", "leaked")]).await;
    assert_eq!(revoked.status, 303, "{revoked:?}");
    for (verb, form, said) in [
        ("pause", &[][..], "This credential has ended"),
        ("resume", &[], "This credential has ended"),
        ("rotate", &[("once", "x"), ("overlap", "0")], "This credential has ended"),
        ("finish", &[], "This credential has ended"),
        ("edit", &[("once", "x"), ("name", "Other"), ("access", "full"), ("expires", "never")], "This credential has ended"),
        ("restore", &[], "did not leak"),
    ] {
        let refused = owner.form(&format!("{href}/{verb}"), form).await;
        let page = refused.text();
        assert_eq!(refused.status, 409, "{verb}: {refused:?}");
        assert!(between(&page, "role=\"alert\"", "</p>").contains(said) && page.contains(text(&made, "public_id")), "{verb}: {page}");
        assert!(page.contains("class=\"side\"") && page.contains("href=\"/account/credentials\""), "one can go on: {verb}: {page}");
    }
}

#[tokio::test]
async fn the_console_explains_a_refused_request_to_its_managers_and_to_the_operator_and_to_no_one_else() {
    let world = World::sqlite().await;
    let account = world.account("messaging", "Acme").await;
    let made = create(&world, &account, json!({ "kind": "hmac", "name": "Import" })).await;
    let (key, secret, id) = (text(&made, "public_id"), text(&made, "secret"), text(&made, "id"));
    let mut request = signed(key, secret, "GET", "/v1/<messages>");
    request["Authorization"] = request["Authorization"].as_str().expect("text").replace("Date request-line", "Date X-Missing request-line").into();
    assert!(!allowed(&world, "GET", "/v1/<messages>", request).await);
    let person = world.new_member(&account, "administrator").await;
    let operator = world.operator_person().await;
    let other = world.account("messaging", "Other").await;
    let stranger = world
        .member(&other, {
            world.save_member(&other, "eve@example.com", "administrator").await;
            "eve@example.com"
        })
        .await;
    for (who, base) in [(&person, "/account/api".to_owned()), (&operator, format!("/operator/accounts/{account}"))] {
        let page = who.get(&format!("{base}/refusals/fixed")).await;
        assert_eq!(page.status, 200, "{page:?}");
        for said in ["Send the header X-Missing", "GET /v1/&#60;messages&#62; HTTP/1.1", "Missing", "None: the signed date", key] {
            assert!(page.text().contains(said), "{said}: {}", page.text());
        }
        assert!(!page.text().contains(secret) && !page.text().contains("signature=\""), "{}", page.text());
        assert!(who.get(&format!("{base}/refusals")).await.text().contains("/refusals/fixed"));
        assert_eq!(who.get(&format!("{base}/refusals?request_id=+fixed+")).await.header("location"), format!("{base}/refusals/fixed"));
        let unknown = who.get(&format!("{base}/refusals?request_id=%3Cb%3E")).await;
        assert!(unknown.status == 200 && unknown.text().contains("Nothing is known of") && !unknown.text().contains("<b>"), "{unknown:?}");
        assert_eq!(who.get(&format!("{base}/refusals/unknown")).await.status, 404);
    }
    assert!(person.get(&format!("/account/api/{id}")).await.text().contains("/account/api/refusals/fixed"));
    assert!(operator.get(&format!("/operator/accounts/{account}")).await.text().contains("/refusals/fixed"));
    assert_eq!(stranger.get("/account/api/refusals/fixed").await.status, 404);
    assert_eq!(stranger.get(&format!("/account/below/{account}/api/refusals/fixed")).await.status, 404);
    let corporate = world.account("corporate", "No signing here").await;
    assert_eq!(world.new_member(&corporate, "owner").await.get("/account/api-keys/refusals").await.status, 404);
}

/// Asked again it is made sure of again, and nothing more is written down.
async fn assert_settled_already(world: &World, account: &str, path: &str, keep: &str) {
    let before = world.actions(account).await;
    let again = world.operator().post(&format!("{path}/settle"), json!({ "keep": keep })).await;
    assert_eq!((again.status, again.header("effective-nodes")), (204, "1"), "{again:?}");
    assert_eq!(world.actions(account).await, before);
}
