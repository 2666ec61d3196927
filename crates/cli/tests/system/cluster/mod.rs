//! A revocation is true on every node when it returns: real processes, a real PostgreSQL, faults, and one checker over one history.
//!
//! Each kind of fault comes with a negative control: the same experiment with a safety switched off must show violations, or it shows nothing.
use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use claviger_testkit::postgres::Cluster;

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
mod server_faults;
mod versions;
mod writer_faults;

use history::{Asked, Findings, History, Key};
use nodes::Nodes;

const LEASE: u32 = 2;
const WRITERS: usize = 8;

/// W = 1.2 L + 0.25 s.
fn longest_wait() -> Duration {
    Duration::from_millis(u64::from(LEASE) * 1200 + 250)
}

/// How many revocations a kind of fault gets.
fn revocations() -> usize {
    if is_long() { 10_000 } else { 20 }
}

/// How many a negative control gets: it must fail, and does so early.
const CONTROLS: usize = 20;

fn verifiers() -> usize {
    if is_long() { 32 } else { 6 }
}

/// `./test --long`
fn is_long() -> bool {
    std::env::var_os("CLAVIGER_LONG").is_some()
}

/// What was seen of an experiment.
struct Outcome {
    findings: Findings,
    /// How long each deletion took that returned.
    took: Vec<Duration>,
    /// The longest that one waited after its commit to be true everywhere.
    longest_wait: Duration,
}

impl Outcome {
    fn assert_kept(&self, what: &str) {
        let most = longest_wait() + Duration::from_millis(500);
        assert!(self.longest_wait < most, "{what}: a deletion waited for {:?}", self.longest_wait);
        self.assert_never_late(what);
    }

    /// For when the database itself cannot be reached by who deletes, which then may take longer.
    fn assert_never_late(&self, what: &str) {
        let Findings { deleted, allowed, refused, violations, .. } = &self.findings;
        assert!(violations.is_empty(), "{what}: {} violations, such as {:#?}", violations.len(), violations.first());
        assert!(*deleted > 0 && *allowed > 0 && *refused > 0, "{what}: nothing was tried: {:?}", self.findings);
    }

    fn assert_broken(&self, what: &str) {
        assert!(!self.findings.violations.is_empty(), "{what}: the experiment cannot tell: {:?}", self.findings);
    }
}

/// Writers delete the keys through nodes that `writes` names, verifiers ask every node for every key, and `fault` happens after a quarter of
/// the deletions. It ends when all are deleted and the verifiers went round once more.
fn experiment(nodes: &Nodes, keys: &[Key], writes: &[usize], fault: impl FnOnce() + Send) -> Outcome {
    let (history, done, next, returned) = (History::default(), AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let took = std::sync::Mutex::new(Vec::new());
    thread::scope(|scope| {
        for verifier in 0..verifiers() {
            let (history, done) = (&history, &done);
            scope.spawn(move || {
                let (mut asked, mut at) = (Vec::new(), verifier * 7);
                // some wait for a node that hangs and so hear what it says on waking; others go on asking the rest
                let patience = Duration::from_millis(if verifier % 2 == 0 { 30_000 } else { 300 });
                let mut last_round = None;
                loop {
                    // nothing may be missed of the time after the last deletion: as long as a lease, and each key on each node once
                    if done.load(Ordering::SeqCst) {
                        let (since, from): (Instant, usize) = *last_round.get_or_insert((Instant::now(), at));
                        if since.elapsed() > Duration::from_secs(u64::from(LEASE)) && at - from > keys.len() * nodes.servers.len() {
                            break;
                        }
                    }
                    let (key, node) = (at % keys.len(), (at / keys.len() + verifier) % nodes.servers.len());
                    let sent = Instant::now();
                    if let Some(verdict) = nodes.verify_within(patience, node, &keys[key]) {
                        asked.push(Asked { key, node, sent, verdict });
                    }
                    at += 1;
                }
                history.note(asked);
            });
        }
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let (next, returned, took) = (&next, &returned, &took);
                scope.spawn(move || {
                    while let Some((at, key)) = Some(next.fetch_add(1, Ordering::SeqCst)).and_then(|at| Some((at, keys.get(at)?))) {
                        for attempt in 0.. {
                            assert!(attempt < 60, "key {at} cannot be deleted");
                            let begun = Instant::now();
                            if nodes.delete(writes[(at + attempt) % writes.len()], key) {
                                took.lock().expect("no panic").push(begun.elapsed());
                                break;
                            }
                            thread::sleep(Duration::from_millis(100));
                        }
                        returned.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        while returned.load(Ordering::SeqCst) < keys.len() / 4 {
            thread::sleep(Duration::from_millis(1));
        }
        fault();
        for writer in writers {
            writer.join().expect("a writer ends");
        }
        done.store(true, Ordering::SeqCst);
    });
    let longest_wait = keys.iter().filter_map(|key| key.waited.get()).max().copied().unwrap_or_default();
    Outcome { findings: history.check(keys), took: took.into_inner().expect("no panic"), longest_wait }
}

/// Three nodes (five in the long runs) and their keys. With a safety switched off it is a negative control.
fn started(cluster: &Cluster, switched_off: Option<&str>) -> (Nodes, Vec<Key>) {
    let (count, keys) = if switched_off.is_some() { (3, CONTROLS) } else { (if is_long() { 5 } else { 3 }, revocations()) };
    let nodes = Nodes::start(cluster, count, LEASE, "lease", switched_off);
    let keys = nodes.keys(keys);
    (nodes, keys)
}
