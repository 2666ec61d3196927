//! The real binary comes up, is killed, comes back where it was, and is heard.

use claviger_testkit::http::Request;
use claviger_testkit::postgres::Cluster;
use claviger_testkit::process::{Claviger, Server};
use claviger_testkit::secrets;

#[test]
fn a_server_says_where_it_listens_and_is_ready_by_then() {
    let server = Server::start(&[]);
    Request::get(&server.gateway("/healthz")).send().expect(200);
    assert!(server.sign_in_link().starts_with(&server.public("/")));
    assert!(server.data().join("keyring.json").is_file());
}

#[test]
fn a_killed_server_comes_back_on_its_data_and_its_ports() {
    let mut server = Server::start(&[]);
    let (public, gateway) = (server.public("/"), server.gateway("/"));
    let key = server.operator_key("before");
    server.kill9();
    assert!(Request::get(&server.gateway("/healthz")).try_send().is_err());
    server.restart();
    assert_eq!((server.public("/"), server.gateway("/")), (public, gateway));
    let accounts = Request::get(&server.public("/v1/accounts"));
    accounts.clone().bearer(&key).send().expect(200);
    accounts.bearer("wrong").send().expect(401);
    secrets::assert_absent_from("the output", server.output().as_bytes(), &[&key]);
    secrets::assert_absent_from_files(server.data(), &[&key]);
}

#[test]
fn a_server_ends_well_on_sigterm() {
    let mut server = Server::start(&[]);
    assert!(server.terminate().success(), "{}", server.output());
}

#[test]
fn a_server_on_postgres_gives_operator_keys_too() {
    let database = Cluster::shared().fresh_database();
    let server = Server::start(&["--database", database.url()]);
    let key = server.operator_key("on PostgreSQL");
    let accounts = Request::get(&server.public("/v1/accounts"));
    accounts.bearer(&key).send().expect(200);
}

#[test]
fn a_demo_says_where_its_sample_api_is() {
    let server = Server::demo(&[]);
    assert!(server.line("Sample API: ").starts_with("http://127.0.0.1:"));
}

#[test]
fn a_command_that_fails_says_so() {
    let output = Claviger::run(&["serve", "--no-such-flag"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--no-such-flag"));
}
