//! Two primaries: a standby takes over while the one that it followed goes on, and still has nodes.
use std::{thread, time::Duration};

use claviger_testkit::{
    postgres::{Cluster, Fsync},
    soon::assert_soon,
};

use super::{LEASE, Outcome, assert_broken, experiment, history::Verdict, nodes::Nodes, revocations};

/// The standby is promoted while nodes delete. New connections of two nodes lead to it, of their old ones half still to the old primary; the
/// third node stays there altogether. `synchronous` is whether a COMMIT on the old primary waited for the standby.
fn with_a_failover(synchronous: bool, count: usize) -> Outcome {
    let old = Cluster::start_with(Fsync::Off);
    let new = old.standby();
    old.commit_waits_for_standby(synchronous);
    let nodes = Nodes::start(&old, 3, LEASE, "lease", None);
    let keys = nodes.keys(count);
    let outcome = experiment(&nodes, &keys, &[0, 1], || {
        new.promote();
        for link in &nodes.links[..2] {
            link.lead_to(&new.address());
            link.end_every_second();
        }
    });
    if synchronous {
        // what is committed there nobody may rely on: it can renew no lease, and so it is silent
        thread::sleep(Duration::from_secs(u64::from(LEASE)));
        assert_eq!(nodes.verify(2, &keys[0]), Some(Verdict::CannotSay), "the old primary's node");
        for node in [0, 1] {
            assert_eq!(nodes.decide(node, &keys[0]), Verdict::Refused, "node {node} on the new primary");
        }
    }
    outcome
}

#[test]
fn a_failover_of_postgres_to_a_synchronous_standby_beside_the_old_primary_accepts_nothing_late() {
    let outcome = with_a_failover(true, revocations());
    outcome.assert_kept("two primaries");
    assert!(outcome.findings.cannot_say > 0, "{:?}", outcome.findings);
}

/// The control: when the old primary can commit by itself, its node renews a lease that nobody else sees.
#[test]
fn a_failover_of_postgres_to_an_asynchronous_standby_beside_the_old_primary_is_not_survived() {
    assert_broken("two primaries that both commit", || with_a_failover(false, 20));
}

/// What a node says of a credential that was deleted on the new primary, when nobody has told it that there is one: its old one runs on.
fn on_the_former_primary(mode: &str, synchronous: bool) -> Option<Verdict> {
    let old = Cluster::start_with(Fsync::Off);
    let new = old.standby();
    old.commit_waits_for_standby(true);
    let nodes = Nodes::start(&old, 2, LEASE, mode, None);
    let key = nodes.keys(1).pop().expect("one");
    // the standby has it by now
    old.commit_waits_for_standby(synchronous);
    new.promote();
    nodes.links[0].lead_to(&new.address());
    nodes.cut_backends();
    assert_soon(&format!("{mode}: it can be deleted on the new primary"), || nodes.delete(0, &key));
    assert_eq!(nodes.verify(0, &key), Some(Verdict::Refused), "{mode}: on the new primary");
    nodes.verify(1, &key)
}

/// Who asks the database each time has no lease that ends. The old primary must show each time that it is one, and cannot.
#[test]
fn a_node_that_asks_a_former_primary_each_time_cannot_say_if_that_one_waits_for_its_standby() {
    for mode in ["read_index", "direct"] {
        assert_eq!(on_the_former_primary(mode, true), Some(Verdict::CannotSay), "{mode}");
    }
}

/// The control, and the limit: what a primary does that commits by itself shows nothing.
#[test]
fn a_node_that_asks_a_former_primary_each_time_believes_it_if_that_one_commits_by_itself() {
    for mode in ["read_index", "direct"] {
        assert_eq!(on_the_former_primary(mode, false), Some(Verdict::Allowed), "{mode}");
    }
}
