//! What happens to PostgreSQL itself.
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use claviger_testkit::postgres::{Cluster, Fsync, Signal};

use super::{Outcome, Raised, assert_broken, experiment, history::Verdict, longest_wait, nodes::Nodes, started};

/// Connections end again and again while nodes delete: never before something more was deleted, or on a busy machine nothing ever would be.
fn with_ended_connections(every: Duration, cut: fn(&Nodes), switched_off: Option<&str>) -> Outcome {
    let (nodes, keys) = started(Cluster::shared(), switched_off);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = Raised(&over);
        scope.spawn(|| {
            let deleted = || keys.iter().filter(|key| key.deleted.get().is_some()).count();
            while !over.load(Ordering::SeqCst) {
                let before = deleted();
                cut(&nodes);
                thread::sleep(every);
                while deleted() == before && before < keys.len() && !over.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(10));
                }
            }
        });
        experiment(&nodes, &keys, &[0, 1, 2], || thread::sleep(Duration::from_secs(2)))
    })
}

#[test]
fn nodes_that_postgres_does_not_ring_accept_nothing_late() {
    let every = Duration::from_millis(100);
    with_ended_connections(every, Nodes::cut_listeners, None).assert_never_late("listeners ended");
    assert_broken("listeners ended, no barrier", || with_ended_connections(every, Nodes::cut_listeners, Some("barrier")));
}

/// The control is that of the listeners, which are ended here too.
#[test]
fn nodes_whose_connections_to_postgres_are_ended_again_and_again_accept_nothing_late() {
    with_ended_connections(Duration::from_millis(400), Nodes::cut_backends, None).assert_never_late("all connections ended");
}

/// Connections stand and nobody answers, for longer than any lease.
#[test]
fn while_postgres_hangs_nodes_fall_silent_and_accept_nothing_late() {
    let cluster = Cluster::start_with(Fsync::Off);
    let (nodes, keys) = started(&cluster, None);
    let outcome = experiment(&nodes, &keys, &[0, 1, 2], || {
        cluster.signal_all(Signal::STOP);
        thread::sleep(longest_wait() + Duration::from_secs(1));
        for node in 0..nodes.servers.len() {
            assert_eq!(nodes.verify(node, &keys[0]), Some(Verdict::CannotSay), "node {node} goes on without a lease");
        }
        cluster.signal_all(Signal::CONT);
    });
    outcome.assert_never_late("PostgreSQL stopped and let go");
    assert_eq!(outcome.findings.deleted, keys.len());
}

#[test]
fn a_crash_of_postgres_and_its_recovery_lose_no_revocation() {
    let mut cluster = Cluster::start_with(Fsync::Off);
    let (nodes, keys) = started(&cluster, None);
    let outcome = experiment(&nodes, &keys, &[0, 1, 2], || {
        for _ in 0..2 {
            cluster.kill9();
            cluster.resume();
            thread::sleep(Duration::from_millis(300));
        }
    });
    outcome.assert_never_late("PostgreSQL killed");
    assert_eq!(outcome.findings.deleted, keys.len());
}
