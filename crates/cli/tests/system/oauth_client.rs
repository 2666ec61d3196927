//! The token endpoints, as a client library of other people's sees them: `tests/oauth/`.
use std::process::Command;

use claviger_testkit::{
    process::Server,
    program::{Program, Signal},
    repository,
    soon::DEADLINE,
};

use crate::back_office::BackOffice;

#[test]
fn a_strict_client_library_finds_gets_introspects_and_revokes_a_token() {
    let server = Server::start(&[]);
    let office = BackOffice::of(&server);
    let made = office.create(&office.corporate("Northwind"));
    let folder = repository().join("tests/oauth");
    assert!(folder.join("node_modules/oauth4webapi").is_dir(), "this test needs its packages: `npm ci` in tests/oauth, or `./test`, which does it");
    let mut command = Command::new("node");
    command.args(["client.mjs", &server.public(""), &made.client_id, &made.secret]).current_dir(&folder);
    let mut client = Program::start("the OAuth client", &command, Signal::KILL);
    let status = client.wait(DEADLINE);
    assert!(status.success() && client.output().contains("a real client is content"), "{status} {client}");
}
