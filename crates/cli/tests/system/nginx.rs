//! The first journey behind Debian's nginx, with the very files of `deploy/nginx/`.
use std::os::unix::fs::PermissionsExt as _;

use claviger_testkit::{
    http::{Connection, Request},
    nginx::{Nginx, Surroundings},
    process::{Claviger, Server},
    soon::soon,
    stub::{Reply, Stub},
};
use serde_json::json;

use crate::back_office::BackOffice;

fn api() -> Stub {
    Stub::start(|_| Reply::status(200).body("hello"))
}

fn call(nginx: &Nginx, token: &str, account: &str) -> Request {
    Request::get(&nginx.url("/api/orders?page=1")).bearer(token).header("AccountId", account)
}

#[test]
fn a_token_passes_nginx_and_the_upstream_learns_who_calls_and_never_the_token() {
    let (server, api) = (Server::start(&[]), api());
    let office = BackOffice::of(&server);
    let nginx = Nginx::start(server.gateway_address(), api.address());
    let account = office.corporate("Northwind");
    let made = office.create(&account);
    let token = office.token(&made);
    let spoofed = call(&nginx, &token, &account).header("X-Claviger-Account", "someone-else").header("X-Claviger-Scopes", "everything");
    spoofed.send().expect(200);
    let seen = api.last();
    assert_eq!(seen.headers("x-claviger-account"), [account.as_str()]);
    assert_eq!(seen.headers("x-claviger-acting-account"), [account.as_str()]);
    assert_eq!(seen.headers("x-claviger-credential"), [made.id.as_str()]);
    assert_eq!(seen.headers("x-claviger-kind"), ["client"]);
    assert_eq!(seen.headers("x-claviger-scopes"), ["*"]);
    assert_eq!(seen.headers("x-claviger-request-id").len(), 1);
    assert!(seen.header("authorization").is_none());
    assert!(!format!("{seen:?}").contains(&token));
}

#[test]
fn deleting_ends_the_token_the_exchange_and_a_connection_that_is_open_already() {
    let (server, api) = (Server::start(&[]), api());
    let office = BackOffice::of(&server);
    let nginx = Nginx::start(server.gateway_address(), api.address());
    let account = office.corporate("Northwind");
    let made = office.create(&account);
    let token = office.token(&made);
    let mut open = Connection::open(&nginx.address().to_string());
    open.send(&call(&nginx, &token, &account)).expect(200);

    office.delete(&made);

    let refused = open.send(&call(&nginx, &token, &account)).expect(401);
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_eq!(refused.json()["code"], "credential_invalid");
    assert!(refused.header("www-authenticate").is_some_and(|challenge| challenge.contains("invalid_token")));
    call(&nginx, &token, &account).send().expect(401);
    office.exchange(&made).expect(401);
}

#[test]
fn withdrawing_the_gate_and_suspending_end_it_at_once_and_granting_again_revives_what_was_not_deleted() {
    let (server, api) = (Server::start(&[]), api());
    let office = BackOffice::of(&server);
    let nginx = Nginx::start(server.gateway_address(), api.address());
    let account = office.corporate("Northwind");
    let (kept, deleted) = (office.create(&account), office.create(&account));
    let (token, other) = (office.token(&kept), office.token(&deleted));
    for (change, undo) in
        [(json!({ "api_access": false }), json!({ "api_access": true })), (json!({ "status": "suspended" }), json!({ "status": "active" }))]
    {
        call(&nginx, &token, &account).send().expect(200);
        office.set(&account, &change);
        call(&nginx, &token, &account).send().expect(401);
        office.exchange(&kept).expect(401);
        office.set(&account, &undo);
        call(&nginx, &token, &account).send().expect(200);
        office.exchange(&kept).expect(200);
    }
    office.delete(&deleted);
    office.set(&account, &json!({ "api_access": false }));
    office.set(&account, &json!({ "api_access": true }));
    call(&nginx, &token, &account).send().expect(200);
    call(&nginx, &other, &account).send().expect(401);
}

#[test]
fn a_partner_acts_for_its_clients_and_for_no_stranger() {
    let (server, api) = (Server::start(&[]), api());
    let office = BackOffice::of(&server);
    let nginx = Nginx::start(server.gateway_address(), api.address());
    let partner = office.account(&json!({ "kind": "partner", "name": "Harbour" }));
    let client = office.account(&json!({ "kind": "corporate", "name": "Bluebird", "parent_id": partner }));
    let stranger = office.corporate("Stranger");
    let token = office.token(&office.create(&partner));
    call(&nginx, &token, &client).send().expect(200);
    assert_eq!(api.last().headers("x-claviger-acting-account"), [client.as_str()]);
    assert_eq!(api.last().headers("x-claviger-account"), [partner.as_str()]);
    let refused = call(&nginx, &token, &stranger).send().expect(403);
    assert_eq!(refused.json()["code"], "account_forbidden");
    for (value, code) in [(None, "account_required"), (Some("nonsense"), "account_malformed")] {
        let mut request = Request::get(&nginx.url("/api/orders")).bearer(&token);
        if let Some(value) = value {
            request = request.header("AccountId", value);
        }
        assert_eq!(request.send().expect(400).json()["code"], code);
    }
}

#[test]
fn with_claviger_down_nginx_lets_nothing_through_and_says_neither_yes_nor_no() {
    let (mut server, api) = (Server::start(&[]), api());
    let office = BackOffice::of(&server);
    let nginx = Nginx::start(server.gateway_address(), api.address());
    let account = office.corporate("Northwind");
    let token = office.token(&office.create(&account));
    call(&nginx, &token, &account).send().expect(200);
    server.kill9();
    call(&nginx, &token, &account).send().expect(503);
    server.restart();
    call(&nginx, &token, &account).send().expect(200);
}

#[test]
fn nginx_asks_at_a_unix_socket_that_only_its_owner_and_group_may_open() {
    let (folder, api) = (tempfile::tempdir().expect("a folder"), api());
    let path = folder.path().join("gateway.sock");
    let socket = path.to_str().expect("temporary paths are text");
    let mut server = Server::start(&["--gateway-socket", socket]);
    assert_eq!(server.line("Gateway socket: "), socket);
    assert_eq!(std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o660);
    let office = BackOffice::of(&server);
    let nginx = Nginx::start(format!("unix:{socket}"), api.address());
    let account = office.corporate("Northwind");
    let made = office.create(&account);
    let token = office.token(&made);
    call(&nginx, &token, &account).send().expect(200);
    office.delete(&made);
    call(&nginx, &token, &account).send().expect(401);

    let second = Claviger::run(&[
        "serve",
        "--data",
        folder.path().join("data").to_str().expect("text"),
        "--public",
        "127.0.0.1:0",
        "--gateway",
        "127.0.0.1:0",
        "--gateway-socket",
        socket,
    ]);
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains("choose another path with --gateway-socket"), "{said}");
    call(&nginx, &token, &account).send().expect(401);

    server.kill9();
    call(&nginx, &token, &account).send().expect(503);
    assert!(path.exists());
    server.restart();
    call(&nginx, &token, &account).send().expect(401);
    server.terminate();
    assert!(!path.exists());
}

#[test]
fn what_is_no_socket_is_not_replaced_by_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("precious");
    std::fs::write(&path, "precious").expect("it is our folder");
    let data = folder.path().join("data");
    let server = Claviger::run(&[
        "serve",
        "--data",
        data.to_str().expect("text"),
        "--public",
        "127.0.0.1:0",
        "--gateway",
        "127.0.0.1:0",
        "--gateway-socket",
        path.to_str().expect("text"),
    ]);
    let said = String::from_utf8_lossy(&server.stderr);
    assert!(!server.status.success() && said.contains("choose another path with --gateway-socket"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "precious");
}

#[test]
fn nginx_reports_what_it_has_answered_and_the_audit_log_has_it_without_the_key() {
    let (server, api) = (Server::start(&["--api-request-syslog", "127.0.0.1:0"]), api());
    let office = BackOffice::of(&server);
    let log =
        format!("access_log syslog:server={},tag=claviger,nohostname claviger_api_request if=$claviger_credential;", server.line("API requests: "));
    let surroundings = Surroundings { http: "include claviger/report.conf;".into(), server: log, ..Surroundings::default() };
    let nginx = Nginx::start_in(&surroundings, server.gateway_address(), api.address());
    let tenant = office.request("POST", "/v1/accounts").json(&json!({ "kind": "tenant", "name": "Acme" })).send().expect(201).json();
    let path = format!("/v1/accounts/{}/credentials", tenant["id"].as_str().expect("an id"));
    let made = office.request("POST", &path).json(&json!({ "email": "ann@example.com", "roles": ["admin"] })).send().expect(201).json();
    let key = made["secret"].as_str().expect("a key");
    let ask = |path: &str, key: &str| Request::get(&nginx.url(path)).header("X-API-Key", key).header("User-Agent", "till \"7\"").send();
    ask("/api/orders?page=1&token=hunter2", key).expect(200);
    ask("/api/refused", "nonsense").expect(401);
    let history = || {
        let request = Request::get(&server.public("/v1/audit-log/history")).header("X-API-Key", key);
        let items = request.send().expect(200).json()["items"].as_array().expect("items").clone();
        items.into_iter().filter(|item| item["action"] == "api.request").collect::<Vec<_>>()
    };
    let found = soon("something arrives", || match history() {
        found if found.is_empty() => Err(nginx.logs()),
        found => Ok(found),
    });
    assert_eq!(found.len(), 1, "{found:?}");
    let request = &found[0]["request"];
    assert_eq!((&request["method"], &request["url"], &request["status"]), (&json!("GET"), &json!("/api/orders?page=1&token=***"), &json!(200)));
    assert_eq!(request["headers"]["user-agent"], json!(["till \"7\""]));
    assert!(request["duration_seconds"].is_number() && found[0]["source"] == "127.0.0.1", "{found:?}");
    let metrics = Request::get(&server.gateway("/metrics")).send().expect(200).text();
    assert!(metrics.contains("claviger_api_requests_total{outcome=\"malformed\"} 0"), "{metrics}");
}
