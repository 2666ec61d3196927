//! Several nodes on one database, and a revocation that is true on all of them when it returns. `docs/revocation.md` tells how.
//!
//! The rules are `claviger-lease`'s. Here is what reads the clocks and the database for them: [`Membership`] keeps a node's lease
//! (`driver.rs`), [`Cluster::settle`] is what every change waits for.
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use claviger_domain::time::Timestamp;
pub(crate) use claviger_lease::Reading;
use claviger_lease::{Barrier, Decision, History, Horizon, Primary, Sight, Stand, Terms, Watch};
use claviger_store::{Store, StoreError, lease, revision::Position};
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::watch;

pub mod agreement;
pub mod canary;
mod clock;
mod driver;
mod fault;
mod gate;
mod rounds;
mod seeing;
mod share;
mod telling;

pub use clock::LeaseClock;
pub use driver::{JoinError, Membership};
pub use gate::{Gate, Mode};
pub(crate) use rounds::Rounds;
pub(crate) use telling::{Progress, ended, tell, telling, tells_later, told};

use crate::{clock::Clock, verify::Index};

/// Between looks at the leases while a change waits: the first, and the longest.
const GLANCE: Duration = Duration::from_millis(1);
const LONGEST_GLANCE: Duration = Duration::from_millis(20);

/// How long a change that is done may wait for the database to remember it: nobody need know it from there.
const LONGEST_WORD: Duration = Duration::from_millis(100);

/// How many of a process's changes are remembered, to be shown.
const CHANGES: usize = 20;

/// Seconds; the last two are W for the default lease and for the longest.
const WAITS: [f64; 11] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 12.25, 72.25];

/// This process among the others.
#[derive(Debug)]
pub struct Cluster {
    store: Store,
    /// Whether memory may answer.
    pub gate: Arc<Gate>,
    wall: Clock,
    looks: Rounds<Result<Arc<Look>, StoreError>>,
    seen: Mutex<Seen>,
    /// How long changes waited, in seconds.
    pub(crate) waits: Histogram,
}

/// A primary, and the id of a node on it: another primary may have an older row of a node that lives.
type Row = (String, String);

#[derive(Debug, Default)]
struct Seen {
    /// The id of this process's row, while it has one.
    own: Option<String>,
    watch: Watch<Row>,
    primary: Primary<String>,
    horizon: Horizon,
    /// The last changes of this process, latest last.
    changes: VecDeque<Change>,
}

/// What follows from a look.
struct Taken {
    /// Rows of nodes whose lease is over, with the beat at which they stopped.
    silent: Vec<(Row, i64)>,
    unheard: BTreeMap<String, Duration>,
    /// Up to which revision everything is true on every node.
    safe: i64,
    /// Whether the primary is to be settled.
    settles: bool,
    /// The id of this process's row, while it has one.
    own: Option<String>,
}

/// One look at everybody's lease.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) cluster: lease::Cluster,
    /// For how long nothing was heard of each node but this one.
    pub(crate) unheard: BTreeMap<String, Duration>,
    /// Up to which revision everything is true on every node.
    safe: i64,
    sight: Sight,
    terms: Terms,
}

impl Look {
    fn is_silent(&self, node: &lease::Node) -> bool {
        self.unheard.get(&node.id).is_some_and(|time| is_silence(*time, self.terms))
    }

    /// The ids of those that have not acknowledged `rev`, and are silent.
    fn silent_behind(&self, rev: i64) -> impl Iterator<Item = String> {
        self.cluster.nodes.iter().filter(move |node| node.acked < rev && self.is_silent(node)).map(|node| node.id.clone())
    }

    /// Whether who has not acknowledged `rev` is silent: then it is the end of its lease that is waited for.
    fn waits_for_silence(&self, rev: i64) -> bool {
        let mut behind = self.cluster.nodes.iter().filter(|node| node.acked < rev).peekable();
        behind.peek().is_some() && behind.all(|node| self.is_silent(node))
    }
}

/// A change that is true everywhere, or will be without anybody's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Whether it is true everywhere; else it will be at `effective_at` at the latest.
    pub complete: bool,
    /// How many nodes confirmed it, this one included.
    pub nodes: usize,
    /// Whether leases had to be waited out, since not every node confirmed it.
    pub outlasted: bool,
    /// How long that took after the change was committed.
    pub took: Duration,
    /// Since when at the latest, or by when.
    pub effective_at: Timestamp,
    /// For how long it may not be true everywhere yet.
    pub rest: Duration,
}

/// A change of this process that is true everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Up to here everything is.
    pub position: Position,
    /// How that came.
    pub settled: Settled,
}

impl Cluster {
    pub(crate) fn new(store: Store, gate: Arc<Gate>, wall: Clock) -> Self {
        Self { store, gate, wall, looks: Rounds::default(), seen: Mutex::default(), waits: Histogram::new(WAITS) }
    }

    /// Returns when everything committed on this primary before the call is true on every node, and tells meanwhile how far it is. Listed
    /// among the changes.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] when that cannot be said: asking again, for what was done already too, is right.
    pub(crate) async fn settle(&self, index: &Index, timeline: u32, tells: &watch::Sender<Progress>) -> Result<Settled, StoreError> {
        let change = self.outwait(index, timeline, tells).await?;
        let mut seen = self.seen();
        if seen.changes.len() == CHANGES {
            seen.changes.pop_front();
        }
        seen.changes.push_back(change);
        Ok(change.settled)
    }

    /// As [`Self::settle`], told to nobody and listed nowhere.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn until_true(&self, index: &Index, timeline: u32) -> Result<(), StoreError> {
        let (tells_nobody, _) = watch::channel(Progress::default());
        self.outwait(index, timeline, &tells_nobody).await.map(|_| ())
    }

    async fn outwait(&self, index: &Index, timeline: u32, tells: &watch::Sender<Progress>) -> Result<Change, StoreError> {
        let committed = self.gate.clock.read();
        // the barrier is through for this one alone: what is applied while it waits has a barrier of its own
        let position = index.catch_up().await.map_err(|error| StoreError::Unknown(error.to_string()))?;
        assure_kept(timeline, position)?;
        let rev = position.rev;
        // it may name what others committed during the catching up: it begins when that was there, too
        let known = self.gate.clock.read();
        let barrier = Barrier::new(rev, known);
        let (mut pause, mut terms, mut nodes) = (GLANCE, self.gate.held.terms(), 0);
        let mut silent = BTreeSet::new();
        loop {
            // a look that hangs must not make the wait any longer
            let passed = Duration::from_nanos(self.gate.clock.read().least_since(known).unsigned_abs());
            let left = terms.wait().saturating_sub(passed).max(GLANCE);
            let look = match tokio::time::timeout(left, self.look()).await {
                Ok(Ok(look)) => {
                    assure_kept(timeline, look.cluster.position)?;
                    terms = longer(terms, look.terms);
                    nodes = self.confirmed(&look, rev);
                    silent.extend(look.silent_behind(rev));
                    tells.send_replace(Progress { nodes, waits_for_silence: look.waits_for_silence(rev), ..Progress::COMMITTED });
                    Some(look)
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the leases cannot be looked at; they are waited for");
                    None
                }
                Err(_) => None,
            };
            let now = self.gate.clock.read();
            // whose lease was over while this waited has no row any more
            let was_reaped = |look: &Arc<Look>| silent.iter().any(|id| !look.cluster.nodes.iter().any(|node| node.id == *id));
            let has_reaped = look.as_ref().is_some_and(was_reaped);
            let decision = barrier.decide(now, terms, look.map(|look| look.sight));
            if decision == Decision::Wait && !fault::barrier_is_off() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_GLANCE);
                continue;
            }
            let settled = Settled {
                complete: true,
                nodes,
                outlasted: decision == Decision::Outlasted || has_reaped,
                took: Duration::from_nanos(now.least_since(committed).unsigned_abs()),
                effective_at: self.wall.now(),
                rest: Duration::ZERO,
            };
            self.show(position, decision == Decision::Outlasted).await;
            self.waits.observe(settled.took.as_secs_f64());
            return Ok(Change { position, settled });
        }
    }

    /// From here on every node shows what was done up to here as done: by the others' rows, or where leases were outlasted because the
    /// database remembers it.
    async fn show(&self, position: Position, outlasted: bool) {
        self.seen().horizon.reach(history_of(position), position.rev);
        if !outlasted {
            return;
        }
        let remembered = tokio::time::timeout(LONGEST_WORD, self.store.remember_safe(position)).await;
        if let Err(error) = remembered.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into()))) {
            tracing::warn!(%error, "other nodes show a change as under way for a while, though it is done");
        }
    }

    /// Looks at the leases, and does what follows from what is seen: rows of the dead go, and a new primary is settled after a while.
    pub(crate) async fn look(&self) -> Result<Arc<Look>, StoreError> {
        self.looks.join(|| self.look_now()).await
    }

    async fn look_now(&self) -> Result<Arc<Look>, StoreError> {
        let cluster = self.store.reader().await?.cluster().await?;
        // after the reply: what was seen had happened before this
        let now = self.gate.clock.read();
        let terms = terms_of(&cluster).unwrap_or(self.gate.held.terms());
        let Taken { silent, unheard, safe, settles, own } = self.take_in(&cluster, now, terms);
        for ((_, node), beat) in silent {
            if self.store.unregister(&node, Some(beat)).await? {
                tracing::warn!(node, "a node has been silent for longer than its lease; its row is deleted");
            }
        }
        if settles {
            self.store.settle(&cluster.primary).await?;
            tracing::info!(primary = cluster.primary, "the new primary is settled: every lease of the old one is over");
        }
        // our own row too, when there is someone to read it: what has returned here must not look unfinished there
        let alone = !cluster.nodes.iter().any(|node| Some(&node.id) != own.as_ref());
        let sight = Sight { lowest: lowest(&cluster).filter(|_| !alone), settled: cluster.settled };
        Ok(Arc::new(Look { cluster, unheard, safe, sight, terms }))
    }

    fn take_in(&self, cluster: &lease::Cluster, now: Reading, terms: Terms) -> Taken {
        let mut seen = self.seen();
        let own = seen.own.clone();
        let others = cluster.nodes.iter().filter(|node| Some(&node.id) != own.as_ref());
        let silent = seen.watch.observe(now, terms, others.map(|node| ((cluster.primary.clone(), node.id.clone()), node.beat)));
        let stand = Stand { history: history_of(cluster.position), rev: cluster.position.rev, remembered: cluster.safe_rev };
        seen.horizon.observe(now, terms, stand, Sight { settled: cluster.settled, lowest: lowest(cluster) });
        let settles = !cluster.settled && seen.primary.observe(now, terms, cluster.primary.clone());
        let time = |node: &lease::Node| Some((node.id.clone(), seen.watch.unheard(now, &(cluster.primary.clone(), node.id.clone()))?));
        let unheard = cluster.nodes.iter().filter_map(time).collect();
        Taken { silent, unheard, safe: seen.horizon.safe().unwrap_or_default(), settles, own }
    }

    fn confirmed(&self, look: &Look, rev: i64) -> usize {
        let own = self.own();
        let is_confirmed = |node: &&lease::Node| node.acked >= rev || Some(&node.id) == own.as_ref();
        look.cluster.nodes.iter().filter(is_confirmed).count()
    }

    /// The id of this process's row.
    pub(crate) fn own(&self) -> Option<String> {
        self.seen().own.clone()
    }

    /// The last changes of this process, latest first.
    pub(crate) fn changes(&self) -> Vec<Change> {
        self.seen().changes.iter().rev().copied().collect()
    }

    fn set_own(&self, id: Option<String>) {
        self.seen().own = id;
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a node of which nothing was heard for so long missed a heartbeat.
pub(crate) fn is_silence(unheard: Duration, terms: Terms) -> bool {
    unheard > terms.heartbeat() * 2
}

const fn history_of(position: Position) -> History {
    History { epoch: position.epoch, timeline: position.timeline }
}

/// A primary that has taken over since a commit may not have it: then it would be another change that is true everywhere.
fn assure_kept(timeline: u32, now: Position) -> Result<(), StoreError> {
    if now.timeline == timeline {
        return Ok(());
    }
    Err(StoreError::Unknown("another primary has taken over since; whether it has the change is not known".into()))
}

fn lowest(cluster: &lease::Cluster) -> Option<i64> {
    cluster.nodes.iter().map(|node| node.acked).min()
}

fn terms_of(cluster: &lease::Cluster) -> Option<Terms> {
    Terms::of(Duration::from_millis(u64::try_from(cluster.lease_ms).ok()?))
}

fn longer(one: Terms, other: Terms) -> Terms {
    if one.wait() < other.wait() { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_change_whose_primary_was_taken_over_from_nobody_says_that_it_is_kept() {
        let at = |timeline| Position { epoch: 1, rev: 7, timeline };
        assert!(assure_kept(1, at(1)).is_ok());
        for other in [2, 0] {
            assert!(matches!(assure_kept(1, at(other)), Err(StoreError::Unknown(_))), "asking again finds out");
        }
    }
}
