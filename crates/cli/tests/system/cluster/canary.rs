//! The canary in real nodes: it is quiet while the promise is kept, and sings when it is broken.
use std::time::Duration;

use claviger_testkit::{
    http::Request,
    postgres::Cluster,
    soon::{assert_soon, soon},
};

use super::{LEASE, link::Weather, longest_wait, nodes::Nodes};

fn with_canary(lease: u32, switched_off: Option<&str>) -> Nodes {
    Nodes::start_with(Cluster::shared(), 3, lease, "lease", switched_off, &["--canary-every", "1"])
}

pub(super) fn metric(nodes: &Nodes, node: usize, line: &str) -> u64 {
    let text = Request::get(&nodes.servers[node].gateway("/metrics")).send().expect(200).text();
    let value = text.lines().find_map(|found| found.strip_prefix(line)).unwrap_or_else(|| panic!("no {line} in {text}"));
    value.trim().parse().expect("a number")
}

/// Waits until each of these nodes shows at least this much.
fn wait_for(nodes: &Nodes, which: &[usize], line: &str, at_least: u64) {
    for node in which {
        soon(&format!("node {node}: {line} {at_least}"), || match metric(nodes, *node, line) {
            shown if shown < at_least => Err(shown),
            _ => Ok(()),
        });
    }
}

#[test]
fn the_canary_of_each_node_asks_the_others_on_postgres_and_finds_nothing_accepted_late() {
    let nodes = with_canary(LEASE, None);
    wait_for(&nodes, &[0, 1, 2], "claviger_canary_rounds_total{outcome=\"held\"}", 2);
    // from here on each goes round among all three
    for node in 0..3 {
        let before = metric(&nodes, node, "claviger_canary_answers_total{answer=\"refused\"}");
        wait_for(&nodes, &[node], "claviger_canary_answers_total{answer=\"refused\"}", before + 3);
    }
    // a node that is cut off is silent, and no violation
    nodes.links[2].set(Weather::CUT);
    std::thread::sleep(longest_wait());
    let before = metric(&nodes, 0, "claviger_canary_rounds_total{outcome=\"held\"}");
    wait_for(&nodes, &[0, 1], "claviger_canary_rounds_total{outcome=\"held\"}", before + 2);
    nodes.links[2].set(Weather::FAIR);
    for node in 0..3 {
        assert_eq!(metric(&nodes, node, "claviger_revocation_violations_total"), 0, "node {node}: {}", nodes.servers[node].output());
    }
}

#[test]
fn without_the_barrier_the_canary_on_postgres_counts_violations_and_logs_them() {
    let nodes = with_canary(10, Some("barrier"));
    // one node hears of every change late, with a lease that it can keep all the same
    nodes.links[2].set(Weather { delay: Duration::from_millis(150), ..Weather::FAIR });
    wait_for(&nodes, &[0, 1], "claviger_revocation_violations_total", 1);
    wait_for(&nodes, &[0], "claviger_canary_rounds_total{outcome=\"violated\"}", 1);
    assert_soon("it is logged", || nodes.servers[0].output().contains("the promise is broken"));
}
