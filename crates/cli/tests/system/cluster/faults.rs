//! The kinds of fault.
use std::{thread, time::Duration};

use claviger_testkit::postgres::Cluster;

use super::{Outcome, experiment, link::Weather, longest_wait, started};

/// The third node's link to the database becomes this, and nobody writes there.
fn with_weather(weather: Weather, switched_off: Option<&str>) -> Outcome {
    let (nodes, keys) = started(Cluster::shared(), switched_off);
    let outcome = experiment(&nodes, &keys, &[0, 1], || nodes.links[2].set(weather));
    nodes.links[2].set(Weather::FAIR);
    outcome
}

const ONE_WAY_UP: Weather = Weather { up_is_cut: true, ..Weather::FAIR };
const ONE_WAY_DOWN: Weather = Weather { down_is_cut: true, ..Weather::FAIR };

#[test]
fn nothing_is_accepted_late_on_three_healthy_nodes_on_postgres() {
    let (nodes, keys) = started(Cluster::shared(), None);
    let outcome = experiment(&nodes, &keys, &[0, 1, 2], || {});
    outcome.assert_kept("healthy nodes");
    assert_eq!(outcome.findings.cannot_say, 0, "{:?}", outcome.findings);
    let mut took = outcome.took;
    took.sort();
    assert!(took[took.len() / 2] < longest_wait() / 2, "healthy nodes confirm, they are not waited for: {took:?}");
}

#[test]
fn without_the_barrier_healthy_nodes_on_postgres_accept_late() {
    let (nodes, keys) = started(Cluster::shared(), Some("barrier"));
    // every node hears of every change late
    for link in &nodes.links {
        link.set(Weather { delay: Duration::from_millis(50), ..Weather::FAIR });
    }
    experiment(&nodes, &keys, &[0, 1, 2], || {}).assert_broken("no barrier");
}

#[test]
fn a_node_whose_link_to_postgres_is_cut_accepts_nothing_late() {
    let outcome = with_weather(Weather::CUT, None);
    outcome.assert_kept("a link cut both ways");
    assert!(outcome.findings.cannot_say > 0, "the node that was cut off went on: {:?}", outcome.findings);
    let longest = outcome.took.iter().max().expect("some");
    assert!(*longest < longest_wait() + Duration::from_secs(1), "{longest:?}");
}

#[test]
fn without_its_lease_a_node_cut_off_from_postgres_accepts_late() {
    with_weather(Weather::CUT, Some("lease")).assert_broken("no lease");
}

#[test]
fn without_the_barrier_a_node_cut_off_from_postgres_accepts_late() {
    with_weather(Weather::CUT, Some("barrier")).assert_broken("no barrier");
}

#[test]
fn a_node_that_postgres_does_not_hear_accepts_nothing_late() {
    with_weather(ONE_WAY_UP, None).assert_kept("a link cut on the way up");
    with_weather(ONE_WAY_UP, Some("lease")).assert_broken("a link cut on the way up, no lease");
}

#[test]
fn a_node_that_does_not_hear_postgres_accepts_nothing_late() {
    with_weather(ONE_WAY_DOWN, None).assert_kept("a link cut on the way down");
    with_weather(ONE_WAY_DOWN, Some("lease")).assert_broken("a link cut on the way down, no lease");
}

#[test]
fn a_slow_link_to_postgres_lets_nothing_be_accepted_late() {
    let slow = Weather { delay: Duration::from_millis(60), ..Weather::FAIR };
    with_weather(slow, None).assert_kept("a slow link");
    with_weather(slow, Some("barrier")).assert_broken("a slow link, no barrier");
}

#[test]
fn a_writer_that_is_cut_off_from_postgres_says_nothing_it_does_not_know() {
    let (nodes, keys) = started(Cluster::shared(), None);
    let outcome = experiment(&nodes, &keys, &[2, 0], || {
        for _ in 0..4 {
            nodes.links[2].set(Weather::CUT);
            thread::sleep(Duration::from_millis(700));
            nodes.links[2].set(Weather::FAIR);
            thread::sleep(Duration::from_millis(300));
        }
    });
    outcome.assert_kept("a writer cut off now and then");
}
