//! The reader's side: up to which revision is everything true on every node, as far as one process can tell from its looks?
use std::{collections::VecDeque, time::Duration};

use crate::{Barrier, Decision, Reading, Sight, Terms};

/// How many barriers one process keeps per [`Terms::wait`]: what comes in between is covered by the next.
const KEPT: i64 = 32;

/// What a revision counts in. Revision 7 of another one is another change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct History {
    /// A person begins another one when revisions were lost.
    pub epoch: i64,
    /// Each primary that takes over begins another one: it may have lost the last revisions, and have counted them anew.
    pub timeline: u32,
}

/// Where the log stood at a look, and what the database remembers of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stand {
    /// Another one tells nothing of this one.
    pub history: History,
    /// The revision of then.
    pub rev: i64,
    /// Up to which somebody found that everything is true on every node.
    pub remembered: i64,
}

/// What one process knows to be true everywhere. It only ever moves forward, in one history.
///
/// Who deletes may die before it is done, so nobody's word is needed: a node that sees a revision begins a [`Barrier`] of its own for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Horizon {
    stand: Option<Stand>,
    safe: i64,
    waiting: VecDeque<Barrier>,
}

impl Horizon {
    /// Takes in a look that was answered before `now`. `sight` is of *every* row, the looker's own too.
    pub fn observe(&mut self, now: Reading, terms: Terms, stand: Stand, sight: Sight) {
        if self.stand.is_some_and(|before| before.history != stand.history || stand.rev < before.rev) {
            *self = Self::default();
        }
        self.stand = Some(stand);
        let confirmed = match sight {
            Sight { settled: true, lowest } => lowest.unwrap_or(stand.rev),
            Sight { settled: false, .. } => 0,
        };
        self.reach(stand.history, confirmed.max(stand.remembered));
        let latest = self.waiting.back().copied();
        let is_new = stand.rev > self.safe.max(latest.map_or(0, |latest| latest.rev));
        if is_new && latest.is_none_or(|latest| now.least_since(latest.committed) >= terms.wait / KEPT) {
            self.waiting.push_back(Barrier::new(stand.rev, now));
        }
        if let Some(over) = self.waiting.iter().rev().find(|barrier| barrier.decide(now, terms, None) == Decision::Outlasted) {
            self.reach(stand.history, over.rev);
        }
    }

    /// A barrier of this process is through. Of a history that was not looked at last it tells nothing.
    pub fn reach(&mut self, history: History, rev: i64) {
        let Some(stand) = self.stand.filter(|stand| stand.history == history) else { return };
        // never beyond what has been seen to exist
        self.safe = self.safe.max(rev.min(stand.rev));
        while self.waiting.front().is_some_and(|barrier| barrier.rev <= self.safe) {
            self.waiting.pop_front();
        }
    }

    /// The revision up to which everything is true on every node; None before the first look.
    #[must_use]
    pub fn safe(&self) -> Option<i64> {
        self.stand.map(|_| self.safe)
    }

    /// After how long `rev` is true everywhere at the latest.
    #[must_use]
    pub fn rest(&self, now: Reading, terms: Terms, rev: i64) -> Duration {
        let since = self.waiting.iter().find(|barrier| barrier.rev >= rev).map_or(now, |barrier| barrier.committed);
        terms.wait().saturating_sub(Duration::from_nanos(now.least_since(since).max(0).unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { lease: 100, wait: 120 };

    const fn at(boot: i64) -> Reading {
        Reading { boot, real: 0 }
    }

    const FIRST: History = History { epoch: 1, timeline: 1 };

    const fn stand(rev: i64) -> Stand {
        Stand { history: FIRST, rev, remembered: 0 }
    }

    const fn all_at(lowest: i64) -> Sight {
        Sight { settled: true, lowest: Some(lowest) }
    }

    #[test]
    fn what_all_acknowledged_is_true_and_what_one_did_not_is_not() {
        let mut horizon = Horizon::default();
        assert_eq!(horizon.safe(), None, "nothing was looked at");
        horizon.observe(at(0), TERMS, stand(7), all_at(5));
        assert_eq!((horizon.safe(), horizon.rest(at(20), TERMS, 7)), (Some(5), Duration::from_nanos(100)));
        horizon.observe(at(1), TERMS, stand(7), all_at(7));
        assert_eq!(horizon.safe(), Some(7));
        // a node that joins says less than is known
        horizon.observe(at(2), TERMS, stand(7), all_at(3));
        assert_eq!(horizon.safe(), Some(7), "it never goes back");
        horizon.observe(at(3), TERMS, stand(9), Sight { settled: true, lowest: None });
        assert_eq!(horizon.safe(), Some(9), "nobody answers from memory");
    }

    #[test]
    fn a_silent_node_is_outlasted_though_whoever_deleted_is_dead() {
        let mut horizon = Horizon::default();
        horizon.observe(at(0), TERMS, stand(7), all_at(5));
        horizon.observe(at(119), TERMS, stand(9), all_at(5));
        assert_eq!(horizon.safe(), Some(5));
        horizon.observe(at(120), TERMS, stand(9), all_at(5));
        assert_eq!(horizon.safe(), Some(7), "7 was there for as long as leases run, 9 was not");
        horizon.observe(at(239), TERMS, stand(9), all_at(5));
        assert_eq!(horizon.safe(), Some(9));
    }

    #[test]
    fn rows_of_a_primary_that_is_not_settled_confirm_nothing() {
        let mut horizon = Horizon::default();
        horizon.observe(at(0), TERMS, stand(7), Sight { settled: false, lowest: Some(7) });
        assert_eq!(horizon.safe(), Some(0));
        horizon.observe(at(1), TERMS, Stand { remembered: 6, ..stand(7) }, Sight { settled: false, lowest: None });
        assert_eq!(horizon.safe(), Some(6), "somebody waited");
    }

    #[test]
    fn another_history_begins_anew() {
        let mut horizon = Horizon::default();
        horizon.observe(at(0), TERMS, stand(7), all_at(7));
        let next = Stand { history: History { epoch: 2, ..FIRST }, ..stand(7) };
        horizon.observe(at(1), TERMS, next, all_at(3));
        assert_eq!(horizon.safe(), Some(3));
        horizon.observe(at(2), TERMS, Stand { rev: 2, ..next }, all_at(1));
        assert_eq!(horizon.safe(), Some(1), "revisions are missing");
    }

    #[test]
    fn another_primary_may_have_counted_other_changes() {
        let mut horizon = Horizon::default();
        horizon.observe(at(0), TERMS, stand(7), all_at(7));
        let promoted = Stand { history: History { timeline: 2, ..FIRST }, rev: 9, remembered: 4 };
        horizon.observe(at(1), TERMS, promoted, Sight { settled: false, lowest: Some(9) });
        assert_eq!((horizon.safe(), horizon.rest(at(1), TERMS, 7)), (Some(4), Duration::from_nanos(120)), "what it remembers itself is true");
        horizon.observe(at(121), TERMS, promoted, Sight { settled: false, lowest: Some(9) });
        assert_eq!(horizon.safe(), Some(9));
    }

    #[test]
    fn a_barrier_of_another_history_reaches_nothing() {
        let mut horizon = Horizon::default();
        horizon.reach(FIRST, 7);
        assert_eq!(horizon.safe(), None, "nothing was looked at");
        horizon.observe(at(0), TERMS, stand(9), all_at(5));
        for other in [History { epoch: 2, ..FIRST }, History { timeline: 2, ..FIRST }] {
            horizon.reach(other, 7);
            assert_eq!(horizon.safe(), Some(5), "{other:?}");
        }
        horizon.reach(FIRST, 7);
        assert_eq!(horizon.safe(), Some(7));
        horizon.reach(FIRST, 12);
        assert_eq!(horizon.safe(), Some(9), "no further than was seen");
    }

    #[test]
    fn however_often_it_looks_it_keeps_few_barriers() {
        let (mut horizon, terms) = (Horizon::default(), Terms { lease: 1_000, wait: 1_200 });
        for time in 0..1_000 {
            horizon.observe(at(time), terms, stand(time + 1), all_at(0));
        }
        assert!(horizon.waiting.len() <= 32, "{}", horizon.waiting.len());
    }
}
