//! `PgBouncer` between the nodes and PostgreSQL.
use std::time::{Duration, Instant};

use claviger_testkit::{folder, pgbouncer::PgBouncer, postgres::Cluster};
use serde_json::json;

use super::{
    CONTROLS, LEASE, LONG_LEASE, assert_broken, experiment,
    link::Weather,
    nodes::{Nodes, refused_start},
    revocations,
};

/// Every node's link leads to this pooler.
fn by_a_pooler(lease: u32, switched_off: Option<&str>) -> (PgBouncer, Nodes) {
    let pooler = PgBouncer::start(Cluster::shared(), "session");
    let nodes = Nodes::start_in(Cluster::shared(), &pooler.address(), &vec![Vec::new(); 3], lease, "lease", switched_off);
    (pooler, nodes)
}

#[test]
fn nodes_that_reach_postgres_by_a_pooler_in_session_mode_accept_nothing_late() {
    let (_pooler, nodes) = by_a_pooler(LEASE, None);
    experiment(&nodes, &nodes.keys(revocations()), &[0, 1, 2], || {}).assert_kept("PgBouncer in session mode");
    assert_broken("PgBouncer in session mode, no barrier", || {
        let (_pooler, nodes) = by_a_pooler(LONG_LEASE, Some("barrier"));
        let keys = nodes.keys(CONTROLS);
        for link in &nodes.links {
            link.set(Weather { delay: Duration::from_millis(50), ..Weather::FAIR });
        }
        experiment(&nodes, &keys, &[0, 1, 2], || {})
    });
}

/// A node that no notification reaches acknowledges a change at its next heartbeat, twelve seconds apart here. So fewer heartbeats than changes, one
/// after the other, have time for are proof that all the others were rung, on however slow a machine.
#[test]
fn nodes_hear_notifications_of_postgres_by_a_pooler_in_session_mode() {
    const CHANGES: u32 = 8;
    let heartbeat = Duration::from_secs(u64::from(LONG_LEASE)) / 5;
    let (_pooler, nodes) = by_a_pooler(LONG_LEASE, None);
    for writer in [0, 1] {
        let made = nodes.request(writer, "POST", "/v1/accounts").json(&json!({ "kind": "corporate", "name": "Northwind" })).send().expect(201);
        let path = format!("/v1/accounts/{}", made.json()["id"].as_str().expect("an id"));
        let begun = Instant::now();
        for change in 0..CHANGES {
            let changed = nodes.request(writer, "PATCH", &path).json(&json!({ "api_access": change % 2 == 0 })).send().expect(200);
            assert_eq!(changed.header("effective-nodes"), Some("3"), "{changed:?}");
            assert!(
                begun.elapsed() < heartbeat * (CHANGES - 1),
                "nobody was rung: {:?} for {} changes by node {writer}",
                begun.elapsed(),
                change + 1
            );
        }
    }
}

#[test]
fn a_pooler_before_postgres_that_keeps_no_sessions_is_refused() {
    for mode in ["transaction", "statement"] {
        let pooler = PgBouncer::start(Cluster::shared(), mode);
        let database = Cluster::shared().fresh_database();
        let url = database.url().replace(&Cluster::shared().address(), &pooler.address());
        let said = refused_start(folder::temporary("data").path(), &["--database", &url]);
        assert!(said.contains("a pooler in transaction or statement mode is before it; session mode is needed"), "{mode}: {said}");
    }
}
