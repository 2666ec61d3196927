//! A standby is promoted that lacks the last commits, revocations among them. They are lost; what must hold is that nobody goes on as if they
//! were not: a loss that can be noticed ends verification until a person has looked, and in any case every node says what the new primary says.
use std::time::Instant;

use claviger_testkit::{
    postgres::{Cluster, Fsync, run_sql},
    soon::{assert_soon, soon},
};
use serde_json::Value;

use super::{
    LEASE,
    history::{Key, Verdict},
    longest_wait,
    nodes::Nodes,
};

/// Nodes whose primary is dead; they do not know its successor yet.
struct Scene {
    _old: Cluster,
    new: Cluster,
    nodes: Nodes,
    /// Deleted, everywhere, as the old primary knew.
    deleted: Vec<Key>,
    kept: Key,
    /// Made last.
    youngest: Key,
    died: Instant,
}

impl Scene {
    /// `loses`: whether the standby hears nothing of the deletions and of what came after.
    fn play(loses: bool) -> Self {
        let mut old = Cluster::start_with(Fsync::Off);
        let new = old.standby();
        let nodes = Nodes::start(&old, 3, LEASE, "lease", None);
        let mut deleted = nodes.keys(4);
        let kept = deleted.pop().expect("four");
        let until = |condition: &str| {
            old.run(&format!(
                "DO $$ BEGIN FOR attempt IN 1..1200 LOOP PERFORM pg_stat_clear_snapshot(); IF {condition} THEN RETURN; END IF; \
                 PERFORM pg_sleep(0.05); END LOOP; RAISE 'never'; END $$"
            ));
        };
        let has_all = "EXISTS (SELECT 1 FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_insert_lsn())";
        until(has_all);
        if loses {
            new.run("ALTER SYSTEM SET primary_conninfo = ''");
            new.run("SELECT pg_reload_conf()");
            until("NOT EXISTS (SELECT 1 FROM pg_stat_replication)");
        }
        for key in &deleted {
            assert!(nodes.delete(0, key), "three healthy nodes");
            for node in 0..3 {
                assert_eq!(nodes.decide(node, key), Verdict::Refused, "node {node}");
            }
        }
        let youngest = nodes.keys(1).pop().expect("one");
        if !loses {
            until(has_all);
        }
        old.kill9();
        // not before: until its last process is gone it may go on renewing leases
        let died = Instant::now();
        new.promote();
        Self { nodes, deleted, kept, youngest, died, new, _old: old }
    }

    /// Runs SQL on the new primary.
    fn run(&self, sql: &str) {
        let url = self.nodes.url();
        let (before, database) = url.rsplit_once('/').expect("a path");
        let (user, _) = before.rsplit_once('@').expect("a user");
        run_sql(&format!("{user}@{}/{database}", self.new.address()), sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    fn meet_the_new_primary(&self) {
        for link in &self.nodes.links {
            link.lead_to(&self.new.address());
        }
    }

    /// Waits until every node says this of what was deleted, of what was kept and of the youngest. What the old primary alone knew is
    /// accepted for no longer than leases run, and `never_accepted` at no time.
    fn until_all_say(&self, what: &str, expected: [Verdict; 3], never_accepted: &[Key]) {
        soon(&format!("{what}: all say {expected:?}"), || {
            let mut saying = [false; 3];
            for (node, says) in saying.iter_mut().enumerate() {
                for key in never_accepted {
                    assert_ne!(self.nodes.verify(node, key), Some(Verdict::Allowed), "{what}: node {node} accepts what was deleted");
                }
                let sent = Instant::now();
                let of_the_youngest = self.nodes.verify(node, &self.youngest);
                if expected[2] != Verdict::Allowed && sent > self.died + longest_wait() {
                    assert_ne!(of_the_youngest, Some(Verdict::Allowed), "{what}: node {node} goes on with what the new primary does not know");
                }
                let all_deleted = self.deleted.iter().all(|key| self.nodes.verify(node, key) == Some(expected[0]));
                *says = all_deleted && self.nodes.verify(node, &self.kept) == Some(expected[1]) && of_the_youngest == Some(expected[2]);
            }
            if saying == [true; 3] { Ok(()) } else { Err(format!("{saying:?}")) }
        });
    }

    /// How a node shows a credential: its state; None when there is none.
    fn shown(&self, node: usize, key: &Key) -> Option<String> {
        let answer = self.nodes.request(node, "GET", &format!("/v1/accounts/{}/credentials/{}", key.account, key.id)).try_send().expect("an answer");
        (answer.status == 200).then(|| answer.json()["state"].as_str().expect("a state").to_owned())
    }

    fn says_that_revisions_are_missing(&self, node: usize) -> bool {
        let cluster = self.nodes.request(node, "GET", "/v1/cluster").send().expect(200).json();
        let weaknesses = cluster["weaknesses"].as_array().cloned().unwrap_or_default();
        weaknesses.iter().filter_map(Value::as_str).any(|text| text.contains("missing revisions"))
    }
}

#[test]
fn revocations_that_an_asynchronous_standby_lacks_end_verification_until_a_person_has_looked() {
    let scene = Scene::play(true);
    scene.meet_the_new_primary();
    scene.until_all_say("revisions are missing", [Verdict::CannotSay; 3], &scene.deleted);
    for node in 0..3 {
        assert!(scene.says_that_revisions_are_missing(node), "node {node} says why");
        for key in &scene.deleted {
            assert_eq!(scene.shown(node, key).as_deref(), Some("active"), "it is what the primary knows, and not revoked");
        }
        assert_eq!(scene.shown(node, &scene.youngest), None, "nobody made it, as far as the primary knows");
    }
    // a person deletes again what the audit log elsewhere tells of, though not all of it, and begins another epoch
    let (again, forgotten) = scene.deleted.split_at(2);
    for key in again {
        assert_soon("it can be deleted again", || scene.nodes.delete(1, key));
        assert_eq!(scene.nodes.verify(2, key), Some(Verdict::CannotSay), "what comes after makes up for nothing");
    }
    scene.run("UPDATE revision SET epoch = epoch + 1");
    let scene = Scene { deleted: again.iter().map(copy).collect(), kept: copy(&forgotten[0]), ..scene };
    scene.until_all_say("another epoch", [Verdict::Refused, Verdict::Allowed, Verdict::Refused], &scene.deleted);
    assert!((0..3).all(|node| !scene.says_that_revisions_are_missing(node)));
}

/// Nobody can know then that something was lost. But all know the same: what a node has in memory does not outlive the primary that told it.
#[test]
fn revocations_that_were_lost_and_counted_anew_are_undone_on_every_node_alike() {
    let scene = Scene::play(true);
    for _ in 0..40 {
        scene.run("UPDATE account SET name = name WHERE id = (SELECT min(id) FROM account)");
    }
    scene.meet_the_new_primary();
    scene.until_all_say("counted anew", [Verdict::Allowed, Verdict::Allowed, Verdict::Refused], &[]);
    for node in 0..3 {
        assert!(!scene.says_that_revisions_are_missing(node), "none is");
        assert!(scene.deleted.iter().all(|key| scene.shown(node, key).as_deref() == Some("active")), "node {node} shows what it accepts");
    }
}

/// The control: it is the standby's lag that loses.
#[test]
fn a_failover_to_a_standby_that_has_everything_loses_no_revocation() {
    let scene = Scene::play(false);
    scene.meet_the_new_primary();
    scene.until_all_say("nothing is missing", [Verdict::Refused, Verdict::Allowed, Verdict::Allowed], &scene.deleted);
    for node in 0..3 {
        assert!(!scene.says_that_revisions_are_missing(node));
        // until leases from before the failover are over it is not known to be so everywhere
        assert!(scene.deleted.iter().all(|key| [None, Some("revoking")].contains(&scene.shown(node, key).as_deref())));
    }
}

fn copy(key: &Key) -> Key {
    Key { account: key.account.clone(), id: key.id.clone(), token: key.token.clone(), deleted: key.deleted.clone(), settled: key.settled.clone() }
}
