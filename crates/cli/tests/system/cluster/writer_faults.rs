//! A node dies while it deletes.
use std::thread;

use claviger_testkit::{
    postgres::Cluster,
    program::Signal,
    soon::{self, assert_soon},
};

use super::{
    CONTROL, CONTROLS,
    history::{Key, Verdict},
    lease_without,
    link::Weather,
    nodes::Nodes,
    revocations,
};

const AT_ONCE: usize = 100;

/// The first node is killed when its deletions are committed and it has not heard so. The third cannot reach the database, so its memory has the
/// credentials still. The client asks the second node again. Gives how many of them the third one accepted after that returned.
fn killed_between_commit_and_reply(switched_off: Option<&str>) -> usize {
    let at_once = if switched_off.is_some() { CONTROLS } else { AT_ONCE };
    let mut nodes = Nodes::start(Cluster::shared(), 3, lease_without(switched_off), "lease", switched_off);
    let keys = nodes.keys(at_once);
    nodes.links[0].hold_replies_to_commits_about(keys.iter().map(|key| key.id.clone()).collect());
    nodes.links[2].set(Weather::CUT);
    thread::scope(|scope| {
        let lost: Vec<_> = keys.iter().map(|key| scope.spawn(|| delete_until_committed(&nodes, key))).collect();
        for key in &keys {
            assert_soon("it is committed", || nodes.decide(1, key) == Verdict::Refused);
        }
        // they share transactions
        assert!((1..=at_once).contains(&nodes.links[0].held()), "{}", nodes.links[0].held());
        nodes.servers[0].signal(Signal::KILL);
        for lost in lost {
            assert!(!lost.join().expect("it ends"), "an answer from the dead");
        }
    });
    nodes.servers[0].kill9();
    thread::scope(|scope| {
        let again: Vec<_> = keys
            .iter()
            .map(|key| {
                scope.spawn(|| {
                    assert_soon("it is asked for again", || nodes.delete(1, key));
                    assert_eq!(nodes.decide(1, key), Verdict::Refused);
                    usize::from(nodes.verify(2, key) == Some(Verdict::Allowed))
                })
            })
            .collect();
        again.into_iter().map(|again| again.join().expect("it ends")).sum()
    })
}

/// Asks the first node until the second says that it is done: a busy machine may let a lease run out, and then the first cannot say who asks.
fn delete_until_committed(nodes: &Nodes, key: &Key) -> bool {
    while !nodes.delete(0, key) {
        if nodes.decide(1, key) == Verdict::Refused {
            return false;
        }
    }
    true
}

#[test]
fn a_deletion_asked_for_again_after_its_writer_died_between_commit_and_reply_is_true_everywhere_on_postgres() {
    for _ in 0..revocations() / AT_ONCE {
        assert_eq!(killed_between_commit_and_reply(None), 0);
    }
    // the control: a deletion found done already, of which nobody waits to know that it is true
    soon::within(CONTROL, "the experiment can tell", || match killed_between_commit_and_reply(Some("barrier")) {
        0 => Err("nothing was accepted late"),
        _ => Ok(()),
    });
}
