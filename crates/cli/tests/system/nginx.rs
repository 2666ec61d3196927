//! The first journey behind Debian's nginx, with the very files of `deploy/nginx/`.
use claviger_testkit::{
    http::{Connection, Request},
    nginx::Nginx,
    process::Server,
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
