//! Each node on a network of its own, and a cable that is pulled: what is sent is lost, and nobody says so.
use claviger_testkit::postgres::Cluster;

use super::{CONTROLS, LEASE, Outcome, experiment, history::Verdict, is_long, longest_wait, nodes::Nodes, revocations};

fn with_a_pulled_cable(switched_off: Option<&str>) -> Outcome {
    let (count, keys) = if switched_off.is_some() { (3, CONTROLS) } else { (if is_long() { 5 } else { 3 }, revocations()) };
    let nodes = Nodes::start_apart(Cluster::shared(), count, LEASE, switched_off);
    let keys = nodes.keys(keys);
    let outcome = experiment(&nodes, &keys, &[0, 1], || nodes.namespaces[2].plug(false));
    nodes.namespaces[2].plug(true);
    if switched_off.is_none() {
        let begun = std::time::Instant::now();
        while nodes.verify(2, &keys[0]) != Some(Verdict::Refused) {
            assert!(begun.elapsed() < longest_wait() * 8, "it never came back: {}", nodes.servers[2].output());
        }
    }
    outcome
}

#[test]
fn a_node_whose_cable_to_postgres_is_pulled_accepts_nothing_late() {
    let outcome = with_a_pulled_cable(None);
    outcome.assert_kept("a cable pulled");
    assert!(outcome.findings.cannot_say > 0, "{:?}", outcome.findings);
    with_a_pulled_cable(Some("lease")).assert_broken("a cable pulled, no lease");
}
