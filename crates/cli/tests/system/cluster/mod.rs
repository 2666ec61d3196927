//! A revocation is true on every node when it returns: real processes, a real PostgreSQL, faults, and one checker over one history.
//!
//! Each kind of fault comes with a negative control: the same experiment with a safety switched off must show violations, or it shows nothing.
use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use claviger_testkit::{
    postgres::Cluster,
    soon::{self, assert_soon},
};

mod canary;
mod check;
mod clocks;
mod doctor;
mod failover;
mod faults;
mod history;
mod link;
mod lossy_failover;
mod namespaces;
mod nodes;
mod page;
mod pooler;
mod rates;
mod server_faults;
mod versions;
mod writer_faults;

use history::{Asked, Findings, History, Key, Verdict};
use nodes::Nodes;

const LEASE: u32 = 2;
/// The longest lease there is, for what is true of nodes that are well: no machine is so busy that they lose it.
const LONG_LEASE: u32 = 60;
const WRITERS: usize = 8;

/// W = 1.2 L + 0.25 s.
fn longest_wait() -> Duration {
    Duration::from_millis(u64::from(LEASE) * 1200 + 250)
}

/// How many revocations a kind of fault gets.
fn revocations() -> usize {
    if is_long() { 10_000 } else { 500 }
}

/// How many a negative control gets: it must fail, and does so early.
const CONTROLS: usize = 20;

/// How many ask. A negative control has few: they keep a machine so busy that what is missing does not show.
const fn verifiers(revocations: usize) -> usize {
    if revocations > CONTROLS { 32 } else { 6 }
}

/// How long a negative control is tried again for.
const CONTROL: Duration = Duration::from_secs(120);

/// `./test --long`
fn is_long() -> bool {
    std::env::var_os("CLAVIGER_LONG").is_some()
}

/// What was seen of an experiment.
struct Outcome {
    findings: Findings,
    /// The longest that a deletion waited after its commit to be true everywhere.
    longest_wait: Duration,
    /// The fewest nodes that had confirmed a deletion when it returned; the others were waited for until their leases were over.
    fewest_confirmed: usize,
}

impl Outcome {
    /// Nothing was accepted late, and no deletion waited for ever. That none waits for longer than W is shown where time is exact, in `crates/lease`.
    fn assert_kept(&self, what: &str) {
        let most = longest_wait() + soon::DEADLINE;
        assert!(self.longest_wait < most, "{what}: a deletion waited for {:?}", self.longest_wait);
        self.assert_never_late(what);
    }

    /// For when the database itself cannot be reached by who deletes, which then may take longer.
    fn assert_never_late(&self, what: &str) {
        let Findings { deleted, allowed, refused, violations, .. } = &self.findings;
        assert!(violations.is_empty(), "{what}: {} violations, such as {:#?}", violations.len(), violations.first());
        assert!(*deleted > 0 && *allowed > 0 && *refused > 0, "{what}: nothing was tried: {:?}", self.findings);
    }
}

/// A negative control: once in a while a busy machine hides what is missing, so it is tried until it shows.
fn assert_broken(what: &str, mut control: impl FnMut() -> Outcome) {
    soon::within(CONTROL, &format!("{what}: the experiment can tell"), || {
        let findings = control().findings;
        if findings.violations.is_empty() { Err(format!("{findings:?}")) } else { Ok(()) }
    });
}

/// Raised when it is dropped, so that no thread goes on for ever because another one panicked.
struct Raised<'f>(&'f AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Writers delete the keys through nodes that `writes` names, verifiers ask every node for every key, and `fault` happens after a quarter of
/// the deletions. It ends when all are deleted and the verifiers went round once more.
fn experiment(nodes: &Nodes, keys: &[Key], writes: &[usize], fault: impl FnOnce() + Send) -> Outcome {
    let (history, next, returned, last_round) = (History::default(), AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let (questions, verifiers) = (keys.len() * nodes.servers.len(), verifiers(keys.len()));
    let [accepted, deleted, over] = [const { AtomicBool::new(false) }; 3];
    thread::scope(|scope| {
        let _over = Raised(&over);
        let verifiers: Vec<_> = (0..verifiers)
            .map(|verifier| {
                let (history, next, accepted, deleted, over, last_round) = (&history, &next, &accepted, &deleted, &over, &last_round);
                scope.spawn(move || {
                    let (mut asked, mut at, mut all_deleted) = (Vec::new(), verifier * questions / verifiers, None);
                    // some wait for a node that hangs and so hear what it says on waking; others go on asking the rest
                    let patience = if verifier % 2 == 0 { soon::DEADLINE } else { Duration::from_millis(300) };
                    while !over.load(Ordering::SeqCst) {
                        // nothing may be missed of the time after the last deletion: as long as a lease, and each key on each node once
                        if deleted.load(Ordering::SeqCst) {
                            let since: Instant = *all_deleted.get_or_insert_with(Instant::now);
                            let question = last_round.fetch_add(1, Ordering::SeqCst);
                            if question < questions {
                                at = question;
                            } else if since.elapsed() > Duration::from_secs(u64::from(LEASE)) {
                                break;
                            }
                        }
                        let (mut key, node) = (at / nodes.servers.len() % keys.len(), at % nodes.servers.len());
                        // every other question is about what is being deleted now, or has just been
                        let latest = next.load(Ordering::SeqCst);
                        if all_deleted.is_none() && latest > 0 && key % 2 == 1 {
                            key = latest.saturating_sub(at % (3 * WRITERS)).min(keys.len() - 1);
                        }
                        let sent = Instant::now();
                        let patience = if all_deleted.is_some() { soon::DEADLINE } else { patience };
                        if let Some(verdict) = nodes.verify_within(patience, node, &keys[key]) {
                            asked.push(Asked { key, node, sent, verdict });
                            accepted.fetch_or(verdict == Verdict::Allowed, Ordering::SeqCst);
                        }
                        at += 1;
                    }
                    history.note(asked);
                })
            })
            .collect();
        assert_soon("a verification is accepted", || accepted.load(Ordering::SeqCst));
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let (next, returned, over) = (&next, &returned, &over);
                scope.spawn(move || {
                    while let Some((at, key)) = Some(next.fetch_add(1, Ordering::SeqCst)).and_then(|at| Some((at, keys.get(at)?))) {
                        let mut through = writes.iter().cycle().skip(at % writes.len());
                        assert_soon(&format!("key {at} is deleted"), || {
                            let node = through.next().expect("one that writes");
                            over.load(Ordering::SeqCst) || nodes.delete(*node, key)
                        });
                        returned.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        // all writers end early if they panic
        while returned.load(Ordering::SeqCst) < keys.len() / 4 && !writers.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(1));
        }
        fault();
        for writer in writers {
            writer.join().expect("a writer ends");
        }
        deleted.store(true, Ordering::SeqCst);
        for verifier in verifiers {
            verifier.join().expect("a verifier ends");
        }
    });
    let settled = || keys.iter().filter_map(|key| key.settled.get());
    Outcome {
        findings: history.check(keys),
        longest_wait: settled().map(|settled| settled.after).max().unwrap_or_default(),
        fewest_confirmed: settled().map(|settled| settled.nodes).min().unwrap_or_default(),
    }
}

/// How many nodes there are (five in the long runs) and how many keys. With a safety switched off it is a negative control.
fn size(switched_off: Option<&str>) -> (usize, usize) {
    if switched_off.is_some() { (3, CONTROLS) } else { (if is_long() { 5 } else { 3 }, revocations()) }
}

/// Nodes and their keys. Without the barrier who hears late has a long lease: it must not fall silent before a busy machine gets round to asking it.
fn started(cluster: &Cluster, switched_off: Option<&str>) -> (Nodes, Vec<Key>) {
    started_with(cluster, lease_without(switched_off), switched_off)
}

fn lease_without(switched_off: Option<&str>) -> u32 {
    if switched_off == Some("barrier") { LONG_LEASE } else { LEASE }
}

/// The same with leases of another length.
fn started_with(cluster: &Cluster, lease: u32, switched_off: Option<&str>) -> (Nodes, Vec<Key>) {
    let (count, keys) = size(switched_off);
    let nodes = Nodes::start(cluster, count, lease, "lease", switched_off);
    let keys = nodes.keys(keys);
    (nodes, keys)
}
