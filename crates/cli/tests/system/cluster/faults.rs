//! The kinds of fault.
use std::{
    thread,
    time::{Duration, Instant},
};

use claviger_testkit::postgres::Cluster;

use super::{LEASE, Outcome, experiment, history::Verdict, link::Weather, longest_wait, nodes::Nodes, started};

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

/// Nobody needs to wait for them: what they answer is what the database said after they were asked.
#[test]
fn nodes_that_ask_postgres_each_time_accept_nothing_late_even_without_the_barrier() {
    for mode in ["read_index", "direct"] {
        let nodes = Nodes::start(Cluster::shared(), 2, LEASE, mode, Some("barrier"));
        let keys = nodes.keys(10);
        for link in &nodes.links {
            link.set(Weather { delay: Duration::from_millis(10), ..Weather::FAIR });
        }
        experiment(&nodes, &keys, &[0, 1], || {}).assert_kept(mode);
    }
}

#[test]
fn a_node_whose_link_to_postgres_is_cut_accepts_nothing_late() {
    let outcome = with_weather(Weather::CUT, None);
    outcome.assert_kept("a link cut both ways");
    assert!(outcome.findings.cannot_say > 0, "the node that was cut off went on: {:?}", outcome.findings);
}

#[test]
fn without_its_lease_a_node_cut_off_from_postgres_accepts_late() {
    with_weather(Weather::CUT, Some("lease")).assert_broken("no lease");
}

#[test]
fn without_the_barrier_a_node_cut_off_from_postgres_accepts_late() {
    with_weather(Weather::CUT, Some("barrier")).assert_broken("no barrier");
}

/// The control of both ways cut is the one for each way, too.
#[test]
fn a_node_that_postgres_does_not_hear_accepts_nothing_late() {
    with_weather(ONE_WAY_UP, None).assert_kept("a link cut on the way up");
}

#[test]
fn a_node_that_does_not_hear_postgres_accepts_nothing_late() {
    with_weather(ONE_WAY_DOWN, None).assert_kept("a link cut on the way down");
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
    outcome.assert_never_late("a writer cut off now and then");
}

/// Stopped and then let go, while verifiers' requests wait for it.
fn with_a_stopped_node(stop: Duration, slow: Duration, switched_off: Option<&str>) -> Outcome {
    let (nodes, keys) = started(Cluster::shared(), switched_off);
    let id = nodes.servers[2].id();
    nodes.links[2].set(Weather { delay: slow, ..Weather::FAIR });
    experiment(&nodes, &keys, &[0, 1], || {
        signal("STOP", id);
        thread::sleep(stop);
        signal("CONT", id);
    })
}

pub(super) fn signal(name: &str, process: u32) {
    let sent = std::process::Command::new("kill").args(["-s", name, &process.to_string()]).status().expect("`kill` is there");
    assert!(sent.success(), "kill -s {name} {process}");
}

/// In the control the node wakes with its lease, and hears late of what happened meanwhile: one that catches up on waking would hide what is missing.
#[test]
fn a_node_that_was_stopped_accepts_nothing_late_from_postgres() {
    let longer_than_its_lease = longest_wait() + Duration::from_secs(1);
    with_a_stopped_node(longer_than_its_lease, Duration::ZERO, None).assert_kept("a node stopped");
    let (shorter, slow) = (Duration::from_millis(700), Duration::from_millis(50));
    with_a_stopped_node(shorter, slow, None).assert_kept("a node stopped for less than its lease");
    with_a_stopped_node(shorter, slow, Some("barrier")).assert_broken("a node stopped, no barrier");
}

#[test]
fn a_node_that_is_killed_is_waited_for_once_and_its_successor_on_postgres_not_at_all() {
    let (mut nodes, keys) = started(Cluster::shared(), None);
    let (first, rest) = keys.split_at(1);
    nodes.servers[2].kill9();
    let begun = Instant::now();
    assert!(nodes.delete(0, &first[0]));
    let paid = begun.elapsed();
    assert!(paid < longest_wait() + Duration::from_secs(1), "{paid:?}");
    nodes.servers[2].restart();
    assert_eq!(nodes.verify(2, &first[0]), Some(Verdict::Refused));
    // killed, and back at once: the lock on its folder proves it dead, so its row goes
    nodes.servers[2].restart();
    for key in &rest[..5] {
        let begun = Instant::now();
        assert!(nodes.delete(1, key));
        assert!(begun.elapsed() < longest_wait() / 2, "{:?}", begun.elapsed());
        assert_eq!(nodes.verify(2, key), Some(Verdict::Refused));
    }
}

#[test]
fn nodes_that_join_and_leave_during_deletions_on_postgres_accept_nothing_late() {
    let (mut nodes, keys) = started(Cluster::shared(), None);
    // the last one is the one that comes and goes: its successor has no memory, and must not get any from before
    let mut guest = nodes.servers.remove(2);
    let outcome = experiment(&nodes, &keys, &[0, 1], || {
        for _ in 0..3 {
            assert!(guest.terminate().success(), "{}", guest.output());
            guest.restart();
        }
    });
    outcome.assert_kept("a node that comes and goes");
    for key in &keys {
        assert_eq!(nodes.verify(0, key), Some(Verdict::Refused));
    }
}

#[test]
fn every_backend_of_postgres_cut_and_postgres_itself_restarted_loses_no_revocation() {
    let mut cluster = Cluster::start();
    let (nodes, keys) = started(&cluster, None);
    let outcome = experiment(&nodes, &keys, &[0, 1, 2], || {
        nodes.cut_backends();
        thread::sleep(Duration::from_millis(500));
        cluster.stop();
        thread::sleep(Duration::from_millis(500));
        cluster.resume();
    });
    outcome.assert_never_late("PostgreSQL restarted");
    assert_eq!(outcome.findings.deleted, keys.len());
}

#[test]
fn the_answer_to_a_deletion_says_since_when_it_is_true_and_the_operator_sees_every_node_on_postgres() {
    let (nodes, keys) = started(Cluster::shared(), None);
    let path = format!("/v1/accounts/{}/credentials/{}", keys[0].account, keys[0].id);
    let answer = nodes.request(1, "DELETE", &path).send().expect(204);
    assert_eq!(answer.header("effective-nodes"), Some("3"), "{answer:?}");
    assert!(answer.header("effective-at").is_some() && answer.header("effective-after-ms").is_some(), "{answer:?}");
    // it had been deleted: then it is made sure of again
    assert_eq!(nodes.request(0, "DELETE", &path).send().expect(204).header("effective-nodes"), Some("3"));
    let cluster = nodes.request(2, "GET", "/v1/cluster").send().expect(200).json();
    assert_eq!(cluster["nodes"].as_array().map(Vec::len), Some(3), "{cluster}");
    assert_eq!((&cluster["lease_seconds"], &cluster["primary_is_settled"]), (&2.0.into(), &true.into()), "{cluster}");
    assert_eq!(cluster["safe_revision"], cluster["revision"], "{cluster}");
}

/// A process without a lease on other terms than the others' would be waited for too short a time.
#[test]
fn a_node_with_another_lease_is_refused_by_those_on_postgres() {
    let (nodes, _) = started(Cluster::shared(), None);
    let refused = nodes.try_with_lease("30");
    assert!(refused.contains("leases of 2 s"), "{refused}");
}

#[test]
fn the_doctor_sees_the_nodes_on_postgres_and_what_weakens_the_promise() {
    let cluster = Cluster::start();
    let nodes = Nodes::start(&cluster, 2, LEASE, "lease", None);
    let (well, said) = nodes.doctor();
    assert!(well && said.matches("revisions behind").count() == 2, "{said}");
    assert!(said.contains("a commit waits for: on") && said.contains("leases are 2 s long"), "{said}");
    nodes.as_after_a_failover();
    let (well, said) = nodes.doctor();
    assert!(!well && said.contains("WEAK   Another database server was promoted"), "{said}");
    // the nodes settle it when every lease of the old one is over
    let begun = Instant::now();
    while !nodes.doctor().0 {
        assert!(begun.elapsed() < longest_wait() + Duration::from_secs(10), "never settled");
    }
    assert!(begun.elapsed() > Duration::from_secs(u64::from(LEASE)), "settled while leases of the old primary may run");
}

/// Whoever makes a second node by copying the whole folder must not take the first one's row away while its lease runs.
#[test]
fn a_copy_of_a_data_folder_is_not_taken_for_the_node_it_was_copied_from_on_postgres() {
    let mut nodes = Nodes::start(Cluster::shared(), 2, LEASE, "lease", None);
    let row = |nodes: &Nodes| nodes.request(0, "GET", "/v1/cluster").send().expect(200).json()["nodes"].as_array().map_or(0, Vec::len);
    assert_eq!(row(&nodes), 2);
    nodes.add_copy_of(0);
    assert_eq!(row(&nodes), 3, "the first node's row was taken away");
}
