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
    let follow = |name: &str| {
        let folder = archive.path().join(name);
        std::fs::create_dir(&folder).expect("it is our folder");
        let mut follow = Command::new("pg_receivewal");
        follow.args(["--synchronous", "-d", &format!("{administrator}?application_name={name}"), "-D"]).arg(folder);
        Program::start("pg_receivewal", &follow, Signal::TERM)
    };
    let _one = follow("one");
    assert_soon_says(&nodes, "WEAK   No commit waits for a standby");
    assert!(!nodes.doctor().0);
    cluster.commit_waits_for("one");
    assert_soon_says(&nodes, "ok     standbys: 1, and commits wait");
    let _other = follow("other");
    for (names, weak) in [("one", true), ("ANY 1 (one, other)", true), ("ANY 2 (one, other)", false), ("FIRST 1 (*)", true), ("FIRST 2 (*)", false)] {
        cluster.commit_waits_for(names);
        let line = if weak { "WEAK   A commit waits for 1 of the 2 standbys" } else { "ok     standbys: 2, and commits wait" };
        assert_soon_says(&nodes, line);
        assert_eq!(nodes.doctor().0, !weak, "{names}");
    }
    // nothing could be dropped any more when the follower is gone
    cluster.commit_waits_for("");
}

#[test]
fn the_doctor_says_what_it_found_of_clocks_leases_and_the_nodes_of_postgres() {
    let cluster = Cluster::start();
    let mut nodes = Nodes::start(&cluster, 2, LONG_LEASE, "lease", None);
    let (well, said) = nodes.doctor();
    assert!(well, "{said}");
    for line in [
        "ok     the nodes with leases are set alike",
        "note   this command was given other settings than a node: public_url",
        "ok     each connection has a session of the server to itself",
        "ok     a commit waits for: on",
        "ok     this machine has a clock of time since boot",
        "ok     the database's clock differs from this machine's by",
        " answers there",
        "note   not looked at: a gateway that remembers answers",
    ] {
        assert!(said.contains(line), "no {line} in\n{said}");
    }
    let (well, said) = nodes.doctor_with(nodes.url(), &["--public-url", "http://api.example.com"]);
    assert!(well && !said.contains("other settings"), "{said}");
    let (well, said) = nodes.doctor_with(nodes.url(), &["--lease", "30"]);
    assert!(!well && said.contains("WEAK   this node is set to leases of 30 s, and would not start"), "{said}");
    nodes.run("UPDATE lease SET should_agree = 'rate_limit=0' WHERE node = (SELECT min(node) FROM lease)");
    let (well, said) = nodes.doctor();
    assert!(!well && said.contains("WEAK   the nodes differ in a setting: rate_limit\n"), "{said}");
    for server in &mut nodes.servers {
        assert!(server.terminate().success());
    }
    let (well, said) = nodes.doctor_with(nodes.url(), &["--lease", "30"]);
    assert!(well && said.contains("would make them so") && said.contains("leases are 60 s long"), "the doctor changed something: {said}");
}

#[test]
fn the_doctor_names_revisions_that_postgres_is_missing_and_for_which_every_node_is_closed() {
    let cluster = Cluster::start();
    let nodes = Nodes::start(&cluster, 1, LEASE, "lease", None);
    nodes.run("UPDATE cluster SET lost_epoch = (SELECT epoch FROM revision)");
    let (well, said) = nodes.doctor();
    assert!(!well && said.contains("WEAK   The database is missing revisions"), "{said}");
    nodes.run("UPDATE revision SET epoch = epoch + 1");
    assert!(nodes.doctor().0, "a person has ended it");
}

/// Where nobody can connect to is not what it tells the others.
#[test]
fn a_node_that_listens_on_every_address_tells_the_one_that_postgres_sees_it_by() {
    let cluster = Cluster::start();
    let (database, data) = (cluster.fresh_database(), folder::temporary("data"));
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
        assert_eq!(said.contains("WEAK   The database server does not wait for its disk"), mode == "session", "it does not: {mode}: {said}");
    }
}
