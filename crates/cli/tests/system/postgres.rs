//! The same program on PostgreSQL.
use claviger_testkit::{http::Request, postgres::Cluster, process::Server};
use serde_json::{Value, json};

use crate::back_office::BackOffice;

fn verify(server: &Server, token: &str, account: &str) -> Value {
    let question = json!({ "method": "GET", "path": "/", "headers": { "Authorization": format!("Bearer {token}"), "AccountId": account } });
    Request::post(&server.gateway("/v1/verify")).json(&question).send().expect(200).json()
}

#[test]
fn the_first_journey_works_on_postgres_too() {
    let database = Cluster::shared().fresh_database();
    let server = Server::start(&["--database", database.url()]);
    let office = BackOffice::of(&server);
    let account = office.corporate("Northwind");
    let made = office.create(&account);
    let token = office.token(&made);
    assert_eq!(verify(&server, &token, &account)["verdict"], "allowed");
    office.delete(&made);
    assert_eq!(verify(&server, &token, &account)["verdict"], "refused");
    office.exchange(&made).expect(401);
}

#[test]
fn a_postgres_outage_never_says_that_a_good_key_is_bad() {
    let mut cluster = Cluster::start();
    let database = cluster.fresh_database();
    let server = Server::start(&["--database", database.url()]);
    let office = BackOffice::of(&server);
    let account = office.corporate("Northwind");
    let made = office.create(&account);
    let token = office.token(&made);
    assert_eq!(verify(&server, &token, &account)["verdict"], "allowed");
    cluster.stop();
    let question = json!({ "method": "GET", "path": "/", "headers": { "Authorization": format!("Bearer {token}"), "AccountId": account } });
    for _ in 0..20 {
        let answer = Request::post(&server.gateway("/v1/verify")).json(&question).send();
        assert!(answer.status == 503 || answer.json()["verdict"] == "allowed", "{}", answer.text());
    }
    let exchanged = office.exchange(&made);
    assert!(matches!(exchanged.status, 200 | 503), "{}", exchanged.text());
    let refused = office.request("DELETE", &format!("/v1/accounts/{account}/credentials/{}", made.id)).send();
    assert_eq!(refused.status, 503, "{}", refused.text());
}
