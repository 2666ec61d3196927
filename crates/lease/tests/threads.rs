//! The threads of one node, their interleavings: a fill, an eviction, the revision applied and the end of the lease. By loom, so only
//! with `--cfg loom`:
//!
//! ```sh
//! CARGO_TARGET_DIR=target/loom RUSTFLAGS="--cfg loom" cargo test -p claviger-lease --test threads --release
//! ```
//!
//! [`Held`], [`Attempt`], [`Lease`] and [`Barrier`] are the real ones. The cache is `verify/cache.rs` of the server cut down to one key, in
//! its order: publish, then evict under the lock; a fill is kept if it was read at or after what is applied, asked under that lock.
#![cfg(loom)]
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use claviger_lease::{Attempt, Barrier, Decision, Held, Lease, Reading, Sight, Terms, Write};
use loom::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    thread,
};

/// What is taken out of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    /// Evicts, then publishes: a fill slips in between.
    PublishingFirst,
    /// Keeps whatever was read.
    CheckedFills,
    /// Acknowledges, then evicts.
    EvictingFirst,
    /// Answers from memory though the lease is over.
    Lease,
    /// Takes a reading of the clocks from before the question for one of now.
    ReadingAfterTheQuestion,
    /// Counts the lease from the reply.
    LeaseFromTheRequest,
    /// Returns after COMMIT.
    Barrier,
}

const NOTHING_KEPT: i64 = -1;
/// How often a thread is stopped where it did not have to wait, at most. Each of the rules below is missed with two already.
const PREEMPTIONS: usize = 3;

/// The database, in which everything has an order: one credential, whose value is the revision of its last change, and one node's row.
#[derive(Default)]
struct Database {
    revision: i64,
    acked: i64,
}

struct Node {
    without: Without,
    applied: AtomicI64,
    /// Read without a lock, as the cache's set is.
    kept: AtomicI64,
    changing: Mutex<()>,
    held: Held,
    database: Arc<Mutex<Database>>,
    /// All of this machine's clocks. Time passes when the writer waits.
    clock: Arc<AtomicI64>,
}

impl Node {
    fn clock(&self) -> Reading {
        read(&self.clock)
    }

    /// `Driver::renew`.
    fn renew(&self) {
        let began = self.clock();
        let revision = self.database.lock().expect("not poisoned").revision;
        match self.without {
            Without::PublishingFirst => {
                self.evict();
                self.applied.store(revision, SeqCst);
                self.acknowledge(revision);
            }
            Without::EvictingFirst => {
                self.applied.store(revision, SeqCst);
                self.acknowledge(revision);
                self.evict();
            }
            _ => {
                self.applied.store(revision, SeqCst);
                self.evict();
                self.acknowledge(revision);
            }
        }
        let began = if self.without == Without::LeaseFromTheRequest { self.clock() } else { began };
        let mut lease = Lease::none();
        lease.end(Attempt::begin(began), Write::Met);
        self.held.show(&lease);
    }

    fn evict(&self) {
        let _no_fill = self.changing.lock().expect("not poisoned");
        self.kept.store(NOTHING_KEPT, SeqCst);
    }

    fn acknowledge(&self, revision: i64) {
        self.database.lock().expect("not poisoned").acked = revision;
    }

    /// A question, which begins with a reading of the clocks.
    fn verify(&self) -> Option<i64> {
        self.verify_as_of(self.clock())
    }

    /// `Index::in_memory`, `Index::credential` and `Cache::read`; None when it cannot say.
    fn verify_as_of(&self, reading: Reading) -> Option<i64> {
        if !self.held.may_serve(|| reading) && !self.held.may_serve(|| self.clock()) && self.without != Without::Lease {
            return None;
        }
        let kept = self.kept.load(SeqCst);
        if kept != NOTHING_KEPT {
            return Some(kept);
        }
        let read = self.database.lock().expect("not poisoned").revision;
        let _no_eviction = self.changing.lock().expect("not poisoned");
        if read >= self.applied.load(SeqCst) || self.without == Without::CheckedFills {
            self.kept.store(read, SeqCst);
        }
        Some(read)
    }
}

/// Time does not lag behind on another core as memory may, so the last value is taken.
fn read(clock: &AtomicI64) -> Reading {
    let now = clock.fetch_add(0, SeqCst);
    Reading { boot: now, real: now }
}

/// Another node's change: returns when it is true on `node` too.
fn change(database: &Mutex<Database>, clock: &AtomicI64, terms: Terms, without: Without) {
    database.lock().expect("not poisoned").revision = 1;
    let barrier = Barrier::new(1, read(clock));
    if without == Without::Barrier {
        return;
    }
    let acked = database.lock().expect("not poisoned").acked;
    let sight = Sight { settled: true, lowest: Some(acked) };
    if barrier.decide(read(clock), terms, Some(sight)) == Decision::Wait {
        clock.fetch_add(i64::try_from(terms.wait().as_nanos()).expect("seconds"), SeqCst);
        assert_eq!(barrier.decide(read(clock), terms, Some(sight)), Decision::Outlasted);
    }
}

/// Whether some interleaving answers with what was there before the change, to a question asked after it returned.
fn goes_wrong(without: Without, kept: i64) -> bool {
    // not loom's: it outlives the executions
    let went_wrong = std::sync::Arc::new(AtomicBool::new(false));
    let seen = went_wrong.clone();
    let mut explorer = loom::model::Builder::new();
    explorer.preemption_bound = Some(PREEMPTIONS);
    explorer.check(move || {
        let terms = Terms::of(Duration::from_secs(1)).expect("in range");
        let (database, clock) = (Arc::new(Mutex::new(Database::default())), Arc::new(AtomicI64::new(0)));
        let node = Arc::new(Node {
            without,
            applied: AtomicI64::new(0),
            kept: AtomicI64::new(kept),
            changing: Mutex::new(()),
            held: Held::new(terms),
            database: database.clone(),
            clock: clock.clone(),
        });
        let mut lease = Lease::none();
        lease.end(Attempt::begin(node.clock()), Write::Met);
        node.held.show(&lease);
        let renewer = thread::spawn({
            let node = node.clone();
            move || node.renew()
        });
        let asker = thread::spawn({
            let node = node.clone();
            move || node.verify()
        });
        let before = node.clock();
        change(&database, &clock, terms, without);
        let answer = if without == Without::ReadingAfterTheQuestion { node.verify_as_of(before) } else { node.verify() };
        if answer == Some(0) {
            seen.store(true, Relaxed);
        }
        renewer.join().expect("it ends");
        asker.join().expect("it ends");
        if node.verify() == Some(0) {
            seen.store(true, Relaxed);
        }
    });
    went_wrong.load(Relaxed)
}

#[test]
fn no_thread_answers_what_was_before_a_change_that_returned() {
    for kept in [NOTHING_KEPT, 0] {
        assert!(!goes_wrong(Without::Nothing, kept));
    }
}

#[test]
fn without_any_one_of_its_rules_some_interleaving_goes_wrong() {
    for (without, kept) in [
        (Without::PublishingFirst, NOTHING_KEPT),
        (Without::CheckedFills, NOTHING_KEPT),
        (Without::EvictingFirst, 0),
        (Without::Lease, 0),
        (Without::ReadingAfterTheQuestion, 0),
        (Without::LeaseFromTheRequest, 0),
        (Without::Barrier, 0),
    ] {
        assert!(goes_wrong(without, kept), "without {without:?} nothing went wrong: the test cannot see it");
    }
}
