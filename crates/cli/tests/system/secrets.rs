//! No secret is found anywhere afterwards: not in logs, database, WAL, metrics, pages or gateways' logs.
use claviger_testkit::{
    http::Request,
    nginx::Nginx,
    process::Server,
    secrets::{assert_absent_from, assert_absent_from_files},
    stub::{Reply, Stub},
};
use serde_json::json;

use crate::back_office::BackOffice;

#[test]
fn no_secret_is_in_logs_database_wal_metrics_or_pages() {
    let server = Server::start_with("serve", &[], &[("CLAVIGER_LOG", "trace")], std::sync::Arc::new(claviger_testkit::folder::temporary("data")));
    let api = Stub::start(|_| Reply::status(200));
    let office = BackOffice::of(&server);
    let nginx = Nginx::start(server.gateway_address(), api.address());
    let account = office.corporate("Northwind");
    office.member(&account, "olivia@northwind.example", "owner");
    let path = format!("/v1/accounts/{account}/credentials");
    let create = office.request("POST", &path).header("Idempotency-Key", "once").json(&json!({ "kind": "client", "email": "dev@example.com" }));
    let made = crate::back_office::made(&create.send().expect(201));
    assert_eq!(crate::back_office::made(&create.send().expect(201)).secret, made.secret, "the same answer again");
    let token = office.token(&made);
    Request::get(&nginx.url("/api/")).bearer(&token).header("AccountId", &account).send().expect(200);
    Request::get(&nginx.url("/api/")).bearer(&format!("{token}x")).header("AccountId", &account).send().expect(401);
    let wrong = json!({ "clientId": made.client_id, "clientSecret": format!("{}x", made.secret) });
    Request::post(&server.public("/auth/token")).json(&wrong).send().expect(401);
    let typed = json!({ "clientId": made.client_id, "clientSecret": [made.secret] });
    let refused = Request::post(&server.public("/auth/token")).json(&typed).send().expect(422);
    assert_absent_from("an error", refused.text().as_bytes(), &[&made.secret]);

    let link = office.sign_in_link(&account, "olivia@northwind.example");
    let signed_in = Request::post(&link).header("Sec-Fetch-Site", "same-origin").send().expect(303);
    let cookie = signed_in.header("set-cookie").expect("a cookie").split(';').next().expect("a pair").to_owned();
    let session = cookie.split_once('=').expect("a pair").1.to_owned();
    let link_token = link.rsplit('/').next().expect("a token").to_owned();
    let secrets = [made.secret.as_str(), &token, &office.key, &session, &link_token];
    for path in ["/account", "/account/api-keys", "/account/api-keys/new", &format!("/account/api-keys/{}/delete", made.id)] {
        let page = Request::get(&server.public(path)).header("Cookie", &cookie).send().expect(200);
        assert_absent_from(path, page.text().as_bytes(), &secrets);
    }
    for path in [path.clone(), format!("{path}/{}", made.id), format!("/v1/accounts/{account}/events")] {
        assert_absent_from(&path, office.request("GET", &path).send().expect(200).text().as_bytes(), &secrets);
    }
    let metrics = Request::get(&server.gateway("/metrics")).send().expect(200);
    assert_absent_from("/metrics", metrics.text().as_bytes(), &secrets);
    assert_absent_from("nginx's logs", nginx.logs().as_bytes(), &secrets);
    // the first line, `Sign in:`, is another link; the operator key was printed by another process
    assert_absent_from("the logs", server.output().as_bytes(), &secrets);
    assert_absent_from_files(server.data(), &secrets);
}
