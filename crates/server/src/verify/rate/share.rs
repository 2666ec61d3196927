//! This node's share of every credential's rate: with N nodes an Nth of what flows in, and of the burst. Which nodes there are the driver tells.
//!
//! What is promised: while at least one node is there, a credential is allowed at most burst (or one request for each node, if those are more) + rate · t
//! requests in any t seconds, whoever comes and goes. It rests on two rules:
//! - At every moment the shares of those who hold one add up to one at most. Who joins holds none until every other node counts it too; who counts
//!   fewer than before does so when a row is gone, and so is the lease that went with it.
//! - A change of N puts nothing into a bucket: a smaller one is cut, into a larger one it must flow, and who joins others begins with empty ones. So does
//!   who had no lease for a while in which others may have come and gone.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Notify;

use crate::config::RateLimit;

/// What flows into this node's buckets, and how full they can be.
///
/// Nanoseconds flow, an Nth of those that pass: so a bucket needs no change when N changes. One request needs as many as lie between two, were there
/// one node only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How many nodes share the rate; at least one.
    pub(super) nodes: i64,
    /// Whether this one has a share at all.
    holds: bool,
    /// When this began, and what had flown until then.
    since: i64,
    flown: i64,
    /// No bucket has more in it than has flown since the flow stood here.
    floor: i64,
}

impl Pace {
    /// All of it, from the beginning of time.
    const WHOLE: Self = Self { nodes: 1, holds: true, since: 0, flown: 0, floor: i64::MIN };

    /// What has flown until `now`.
    pub(super) const fn flown(&self, now: i64) -> i64 {
        if self.holds { self.flown.saturating_add(now.saturating_sub(self.since) / self.nodes) } else { self.flown }
    }

    /// How many requests a bucket holds.
    pub(super) fn burst(&self, limit: RateLimit) -> i64 {
        (i64::from(limit.burst) / self.nodes).max(1)
    }

    /// When a bucket, by the flow, was empty at the latest: it never holds more than has flown since.
    pub(super) fn oldest(&self, limit: RateLimit, flown: i64) -> i64 {
        let depth = if self.holds { limit.interval_nanos().saturating_mul(self.burst(limit)) } else { 0 };
        flown.saturating_sub(depth).max(self.floor)
    }

    /// The same from `now` on, with buckets as they are.
    fn from(&self, limit: RateLimit, now: i64) -> Self {
        let flown = self.flown(now);
        // without a share nothing is in them that must be kept from growing
        let floor = if self.holds { self.oldest(limit, flown) } else { self.floor };
        Self { since: now, flown, floor, ..*self }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Share {
    /// None where there is nothing to share: no limit, or but one node.
    shared: Option<RateLimit>,
    /// Which life of this node it is; held by whoever changes the pace.
    life: Mutex<u64>,
    pace: ArcSwap<Pace>,
    given: Notify,
}

impl Share {
    /// With a limit that is `shared`, none until it is given.
    pub(super) fn new(shared: Option<RateLimit>) -> Self {
        Self { shared, life: Mutex::default(), pace: ArcSwap::from_pointee(Pace { holds: shared.is_none(), ..Pace::WHOLE }), given: Notify::new() }
    }

    pub(super) fn pace(&self) -> Guard<Arc<Pace>> {
        self.pace.load()
    }

    /// There are as many nodes as this, and there may be more: to be told before anybody can take it that this node knows.
    pub(crate) fn is_among(&self, nodes: i64, now: i64) {
        let life = self.life();
        if nodes > self.pace().nodes {
            self.set(&life, now, |pace| pace.nodes = nodes);
        }
    }

    /// Others may have given what is in the buckets.
    pub(crate) fn is_emptied(&self, now: i64) {
        self.set(&self.life(), now, |pace| pace.floor = pace.flown);
    }

    /// There are just as many nodes as this: every lease that can be running has its row.
    pub(crate) fn is_one_of(&self, nodes: i64, now: i64) {
        let life = self.life();
        if nodes.max(1) != self.pace().nodes {
            self.set(&life, now, |pace| pace.nodes = nodes.max(1));
        }
    }

    /// Another life begins, without a share until one is given to it.
    pub(crate) fn withdraw(&self, now: i64) -> u64 {
        let mut life = self.life();
        *life += 1;
        self.set(&life, now, |pace| pace.holds = false);
        *life
    }

    /// Gives this life of the node its share. Where others may have given what is in its buckets, they are all empty; else it keeps that, and those it
    /// does not know are full.
    pub(crate) fn give(&self, to: u64, keeps: bool, now: i64) {
        let life = self.life();
        if *life == to {
            self.set(&life, now, |pace| {
                pace.holds = true;
                if !keeps {
                    pace.floor = pace.flown;
                }
            });
            self.given.notify_waiters();
        }
    }

    /// Returns when this node has a share.
    pub(crate) async fn is_held(&self) {
        loop {
            let given = self.given.notified();
            if self.shared.is_none() || self.pace().holds {
                return;
            }
            given.await;
        }
    }

    /// Whether this life of the node has no share yet, and needs one.
    pub(crate) fn is_awaited(&self, by: u64) -> bool {
        let life = self.life();
        *life == by && self.shared.is_some() && !self.pace().holds
    }

    /// Only where there is something to share.
    fn set(&self, _held: &MutexGuard<'_, u64>, now: i64, change: impl FnOnce(&mut Pace)) {
        if let Some(limit) = self.shared {
            let mut pace = self.pace().from(limit, now);
            change(&mut pace);
            self.pace.store(Arc::new(pace));
        }
    }

    fn life(&self) -> MutexGuard<'_, u64> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
