//! Two primaries: a standby takes over while the one that it followed goes on, and still has nodes.
use std::{thread, time::Duration};

use claviger_testkit::postgres::{Cluster, Fsync};

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
