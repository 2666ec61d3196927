//! The kinds of fault.
use std::{
    thread,
    time::{Duration, Instant},
};

use claviger_testkit::{
    folder,
    postgres::Cluster,
    program::Signal,
    soon::{assert_soon, soon},
};

use super::{
    LEASE, LONG_LEASE, Outcome, assert_broken, experiment, history::Verdict, link::Weather, longest_wait, nodes::Nodes, started, started_with,
};

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
    let (nodes, keys) = started_with(Cluster::shared(), LONG_LEASE, None);
    let outcome = experiment(&nodes, &keys, &[0, 1, 2], || {});
    outcome.assert_kept("healthy nodes");
    assert_eq!(outcome.findings.cannot_say, 0, "{:?}", outcome.findings);
    assert_eq!(outcome.fewest_confirmed, nodes.servers.len(), "healthy nodes confirm, they are not waited for");
}

#[test]
fn without_the_barrier_healthy_nodes_on_postgres_accept_late() {
    assert_broken("no barrier", || {
        let (nodes, keys) = started(Cluster::shared(), Some("barrier"));
        // every node hears of every change late
        for link in &nodes.links {
            link.set(Weather { delay: Duration::from_millis(50), ..Weather::FAIR });
        }
        experiment(&nodes, &keys, &[0, 1, 2], || {})
    });
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
    assert_broken("no lease", || with_weather(Weather::CUT, Some("lease")));
}

#[test]
fn without_the_barrier_a_node_cut_off_from_postgres_accepts_late() {
    assert_broken("no barrier", || with_weather(Weather::CUT, Some("barrier")));
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
    assert_broken("a slow link, no barrier", || with_weather(slow, Some("barrier")));
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
    nodes.links[2].set(Weather { delay: slow, ..Weather::FAIR });
    experiment(&nodes, &keys, &[0, 1], || {
        nodes.servers[2].signal(Signal::STOP);
        thread::sleep(stop);
        nodes.servers[2].signal(Signal::CONT);
    })
}

#[test]
fn a_node_that_was_stopped_for_longer_than_its_lease_accepts_nothing_late_from_postgres() {
    let longer_than_its_lease = longest_wait() + Duration::from_secs(1);
    with_a_stopped_node(longer_than_its_lease, Duration::ZERO, None).assert_kept("a node stopped");
}

/// In the control the node wakes with its lease, and hears late of what happened meanwhile: one that catches up on waking would hide what is missing.
#[test]
fn a_node_that_was_stopped_for_a_moment_accepts_nothing_late_from_postgres() {
    let (shorter, slow) = (Duration::from_millis(700), Duration::from_millis(50));
    with_a_stopped_node(shorter, slow, None).assert_kept("a node stopped for less than its lease");
    assert_broken("a node stopped, no barrier", || with_a_stopped_node(shorter, slow, Some("barrier")));
}

#[test]
fn a_node_that_is_killed_is_waited_for_once_on_postgres() {
    let mut nodes = Nodes::start(Cluster::shared(), 3, LEASE, "lease", None);
    let keys = nodes.keys(1);
    let others = nodes.servers.len() - 1;
    nodes.servers[2].kill9();
    assert!(nodes.delete(0, &keys[0]));
    assert!(keys[0].settled.get().is_some_and(|settled| settled.nodes <= others), "the dead one confirmed it: {:?}", keys[0]);
    // nobody waits for who has no row
    assert_soon("its row goes", || nodes.rows(0) == others);
    nodes.servers[2].restart();
    assert_eq!(nodes.decide(2, &keys[0]), Verdict::Refused);
}

/// Its lease would run for a minute yet.
#[test]
fn the_successor_of_a_node_that_is_killed_on_postgres_is_not_waited_for_at_all() {
    let mut nodes = Nodes::start(Cluster::shared(), 3, LONG_LEASE, "lease", None);
    let keys = nodes.keys(5);
    nodes.servers[2].restart();
    assert_eq!(nodes.rows(0), nodes.servers.len(), "the lock on its folder proves it dead, so its row goes");
    for key in &keys {
        assert!(nodes.delete(1, key));
        assert!(key.settled.get().is_some_and(|settled| settled.nodes == nodes.servers.len()), "{key:?}");
        assert_eq!(nodes.decide(2, key), Verdict::Refused);
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
        assert_eq!(nodes.decide(0, key), Verdict::Refused);
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
    let nodes = Nodes::start(Cluster::shared(), 3, LONG_LEASE, "lease", None);
    let keys = nodes.keys(1);
    let path = format!("/v1/accounts/{}/credentials/{}", keys[0].account, keys[0].id);
    let answer = nodes.request(1, "DELETE", &path).send().expect(204);
    assert_eq!(answer.header("effective-nodes"), Some("3"), "{answer:?}");
    assert!(answer.header("effective-at").is_some() && answer.header("effective-after-ms").is_some(), "{answer:?}");
    // it had been deleted: then it is made sure of again
    assert_eq!(nodes.request(0, "DELETE", &path).send().expect(204).header("effective-nodes"), Some("3"));
    let cluster = nodes.request(2, "GET", "/v1/cluster").send().expect(200).json();
    assert_eq!(cluster["nodes"].as_array().map(Vec::len), Some(3), "{cluster}");
    assert_eq!((&cluster["lease_seconds"], &cluster["primary_is_settled"]), (&f64::from(LONG_LEASE).into(), &true.into()), "{cluster}");
    assert_eq!(cluster["safe_revision"], cluster["revision"], "{cluster}");
}

/// A process without a lease on other terms than the others' would be waited for too short a time.
#[test]
fn a_node_with_another_lease_is_refused_by_those_on_postgres() {
    let nodes = Nodes::start(Cluster::shared(), 1, LEASE, "lease", None);
    let refused = nodes.try_with_lease("30");
    assert!(refused.contains("leases of 2 s"), "{refused}");
}

/// Nodes that know another prefix or other kinds would refuse what the others accept.
#[test]
fn a_node_that_is_set_otherwise_is_refused_by_those_on_postgres_that_live() {
    let mut nodes = Nodes::start(Cluster::shared(), 1, LEASE, "lease", None);
    let folder = folder::temporary("kinds");
    let kinds = folder.path().join("kinds.toml");
    std::fs::write(&kinds, include_str!("../haulier.toml")).expect("written");
    let same = ["--public-url", "http://api.example.com"];
    for (name, settings) in
        [("prefix", [&same[..], &["--prefix", "abc"]].concat()), ("kinds", [&same[..], &["--kinds", kinds.to_str().expect("text")]].concat())]
    {
        let refused = nodes.try_with(&settings);
        assert!(refused.contains(&format!("has another {name}, which must be the same")), "{settings:?}: {refused}");
    }
    // what a dead one has left is waited for, and goes
    nodes.run("INSERT INTO lease (node, acked, beat, address, version, began_at, must_agree) VALUES ('dead', 0, 0, 'nowhere', '0', 0, 'prefix=0')");
    nodes.add();
    assert_eq!(nodes.rows(0), 2);
}

#[test]
fn the_doctor_sees_the_nodes_on_postgres_and_what_weakens_the_promise() {
    let cluster = Cluster::start();
    let nodes = Nodes::start(&cluster, 2, LEASE, "lease", None);
    let all_is_well = || match nodes.doctor() {
        (true, said) => Ok(said),
        (false, said) => Err(said),
    };
    let said = soon("all is well", all_is_well);
    assert_eq!(said.matches("revisions behind").count(), 2, "{said}");
    assert!(said.contains("a commit waits for: on") && said.contains("leases are 2 s long"), "{said}");
    // not before we looked: the nodes settle it when every lease of the old one is over
    for link in &nodes.links {
        link.set(Weather::CUT);
    }
    nodes.as_after_a_failover();
    let (well, said) = nodes.doctor();
    assert!(!well && said.contains("WEAK   Another database server was promoted"), "{said}");
    let begun = Instant::now();
    for link in &nodes.links {
        link.set(Weather::FAIR);
    }
    soon("it is settled", all_is_well);
    assert!(begun.elapsed() > Duration::from_secs(u64::from(LEASE)), "settled while leases of the old primary may run");
}

/// Whoever makes a second node by copying the whole folder must not take the first one's row away while its lease runs.
#[test]
fn a_copy_of_a_data_folder_is_not_taken_for_the_node_it_was_copied_from_on_postgres() {
    let mut nodes = Nodes::start(Cluster::shared(), 2, LONG_LEASE, "lease", None);
    assert_eq!(nodes.rows(0), 2);
    nodes.add_copy_of(0);
    assert_eq!(nodes.rows(0), 3, "the first node's row was taken away");
}
