//! `PgBouncer` between the nodes and PostgreSQL.
use std::time::Duration;

use claviger_testkit::{folder, pgbouncer::PgBouncer, postgres::Cluster, process::Claviger};

use super::{CONTROLS, LEASE, experiment, link::Weather, nodes::Nodes, revocations};

/// Every node's link leads to this pooler.
fn by_a_pooler(switched_off: Option<&str>) -> (PgBouncer, Nodes) {
    let pooler = PgBouncer::start(Cluster::shared(), "session");
    let nodes = Nodes::start_in(Cluster::shared(), &pooler.address(), &vec![Vec::new(); 3], LEASE, "lease", switched_off);
    (pooler, nodes)
}

#[test]
fn nodes_that_reach_postgres_by_a_pooler_in_session_mode_accept_nothing_late() {
    let (_pooler, nodes) = by_a_pooler(None);
    let outcome = experiment(&nodes, &nodes.keys(revocations()), &[0, 1, 2], || {});
    outcome.assert_kept("PgBouncer in session mode");
    let mut took = outcome.took;
    took.sort();
    // they hear of changes: without notifications a change takes until the next heartbeat
    assert!(took[took.len() / 4] < Duration::from_secs(u64::from(LEASE)) / 5, "nobody was rung: {took:?}");
    let (_pooler, nodes) = by_a_pooler(Some("barrier"));
    let keys = nodes.keys(CONTROLS);
    for link in &nodes.links {
        link.set(Weather { delay: Duration::from_millis(50), ..Weather::FAIR });
    }
    experiment(&nodes, &keys, &[0, 1, 2], || {}).assert_broken("PgBouncer in session mode, no barrier");
}

#[test]
fn a_pooler_before_postgres_that_keeps_no_sessions_is_refused() {
    for mode in ["transaction", "statement"] {
        let pooler = PgBouncer::start(Cluster::shared(), mode);
        let database = Cluster::shared().fresh_database();
        let url = database.url().replace(&Cluster::shared().address(), &pooler.address());
        let (data, any) = (folder::temporary("data"), "127.0.0.1:0");
        let folder = data.path().to_str().expect("text");
        let output = Claviger::run(&["serve", "--data", folder, "--public", any, "--gateway", any, "--database", &url]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("pool"), "{mode}: {said}");
    }
}
