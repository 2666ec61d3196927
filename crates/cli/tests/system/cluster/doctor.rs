//! `claviger doctor` and what weakens the promise, each with a real PostgreSQL. That it sees nodes and a failover is in `faults.rs`.
use std::process::Command;

use super::{LEASE, LONG_LEASE, nodes::Nodes};
use claviger_testkit::{
    folder,
    pgbouncer::PgBouncer,
    postgres::Cluster,
    process::Claviger,
    program::{Program, Signal},
    soon::{DEADLINE, soon},
};

#[track_caller]
fn assert_says(nodes: &Nodes, line: &str) {
    let (_, said) = nodes.doctor();
    assert!(said.contains(line), "no {line} in\n{said}");
}

#[track_caller]
fn assert_soon_says(nodes: &Nodes, line: &str) {
    soon(line, || {
        let (_, said) = nodes.doctor();
        if said.contains(line) { Ok(()) } else { Err(said) }
    });
}

#[test]
fn the_doctor_names_a_standby_of_postgres_that_no_commit_waits_for() {
    let cluster = Cluster::start();
    let nodes = Nodes::start(&cluster, 1, LEASE, "lease", None);
    assert_says(&nodes, "ok     no standby follows the database");
    let (administrator, archive) = (cluster.administrator_url(), folder::temporary("archive"));
    let mut follow = Command::new("pg_receivewal");
    follow.args(["--synchronous", "-d", &administrator, "-D"]).arg(archive.path());
    let _follower = Program::start("pg_receivewal", &follow, Signal::TERM);
    assert_soon_says(&nodes, "WEAK   No commit waits for a standby");
    assert!(!nodes.doctor().0);
    cluster.commit_waits_for("pg_receivewal");
    assert_soon_says(&nodes, "ok     standbys: 1, and commits wait");
    // nothing could be dropped any more when the follower is gone
    cluster.commit_waits_for("");
}

#[test]
fn the_doctor_says_what_it_found_of_clocks_leases_and_the_nodes_of_postgres() {
    let mut nodes = Nodes::start(Cluster::shared(), 1, LONG_LEASE, "lease", None);
    let (well, said) = nodes.doctor();
    assert!(well, "{said}");
    for line in [
        "ok     each connection has a session of the server to itself",
        "ok     a commit waits for: on",
        "ok     this machine has a clock of time since boot",
        "ok     the database's clock differs from this machine's by",
        " answers there",
        "note   not looked at: a gateway that remembers answers",
    ] {
        assert!(said.contains(line), "no {line} in\n{said}");
    }
    let (well, said) = nodes.doctor_with(nodes.url(), &["--lease", "30"]);
    assert!(!well && said.contains("WEAK   this node is set to leases of 30 s, and would not start"), "{said}");
    assert!(nodes.servers[0].terminate().success());
    let (well, said) = nodes.doctor_with(nodes.url(), &["--lease", "30"]);
    assert!(well && said.contains("would make them so") && said.contains("leases are 60 s long"), "the doctor changed something: {said}");
}

#[test]
fn the_doctor_names_revisions_that_postgres_is_missing_and_for_which_every_node_is_closed() {
    let nodes = Nodes::start(Cluster::shared(), 1, LEASE, "lease", None);
    nodes.run("UPDATE cluster SET lost_epoch = (SELECT epoch FROM revision)");
    let (well, said) = nodes.doctor();
    assert!(!well && said.contains("WEAK   The database is missing revisions"), "{said}");
    nodes.run("UPDATE revision SET epoch = epoch + 1");
    assert!(nodes.doctor().0, "a person has ended it");
}

/// Where nobody can connect to is not what it tells the others.
#[test]
fn a_node_that_listens_on_every_address_tells_the_one_that_postgres_sees_it_by() {
    let (database, data) = (Cluster::shared().fresh_database(), folder::temporary("data"));
    let folder = data.path().to_str().expect("text");
    let arguments = ["serve", "--data", folder, "--public", "127.0.0.1:0", "--gateway", "0.0.0.0:0", "--database", database.url()];
    let node = Program::start("claviger", &Claviger::command(&arguments), Signal::KILL);
    let port = node.wait_for_line("`Gateway: …`", DEADLINE, |line| Some(line.strip_prefix("Gateway: ")?.rsplit_once(':')?.1.to_owned()));
    let said = Claviger::answer(&["doctor", "--data", folder, "--database", database.url()]);
    assert!(said.contains(&format!(" at 127.0.0.1:{port}, ")) && said.contains(" answers there"), "{said}");
}

#[test]
fn the_doctor_names_a_pooler_before_postgres_that_shares_sessions_and_not_one_that_does_not() {
    let nodes = Nodes::start(Cluster::shared(), 1, LEASE, "lease", None);
    for mode in ["transaction", "session"] {
        let pooler = PgBouncer::start(Cluster::shared(), mode);
        let (well, said) = nodes.doctor_with(&nodes.url().replace(&Cluster::shared().address(), &pooler.address()), &[]);
        assert_eq!(!well && said.contains("session mode is needed"), mode == "transaction", "{mode}: {said}");
        assert_eq!(said.contains("ok     each connection has a session"), mode == "session", "{mode}: {said}");
    }
}
