//! Each node on a network of its own, and a cable that is pulled: what is sent is lost, and nobody says so.
use claviger_testkit::{postgres::Cluster, soon::assert_soon};

use super::{LEASE, Outcome, assert_broken, experiment, history::Verdict, nodes::Nodes, size};

fn with_a_pulled_cable(switched_off: Option<&str>) -> Outcome {
    let (count, keys) = size(switched_off);
    let nodes = Nodes::start_apart(Cluster::shared(), count, LEASE, switched_off);
    let keys = nodes.keys(keys);
    let outcome = experiment(&nodes, &keys, &[0, 1], || nodes.namespaces[2].plug(false));
    nodes.namespaces[2].plug(true);
    if switched_off.is_none() {
        assert_soon("it comes back", || nodes.verify(2, &keys[0]) == Some(Verdict::Refused));
    }
    outcome
}

#[test]
fn a_node_whose_cable_to_postgres_is_pulled_accepts_nothing_late() {
    let outcome = with_a_pulled_cable(None);
    outcome.assert_kept("a cable pulled");
    assert!(outcome.findings.cannot_say > 0, "{:?}", outcome.findings);
    assert_broken("a cable pulled, no lease", || with_a_pulled_cable(Some("lease")));
}
