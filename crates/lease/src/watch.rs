//! Which nodes have been silent for so long that their lease is over, and their row may go.
use std::{collections::BTreeMap, time::Duration};

use crate::{Reading, Terms};

/// What one process has seen of the nodes' heartbeats.
///
/// `N` names a row *on one primary*. One that was promoted may have a row as it was before what was seen; its node then makes up the beat that
/// was seen, and would be taken for one that was silent all the while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Watch<N: Ord> {
    pub(crate) seen: BTreeMap<N, (i64, Reading)>,
}

impl<N: Ord + Clone> Watch<N> {
    /// Takes in every row, read before `now`; gives those whose beat has not moved for [`Terms::wait`] by our clock.
    ///
    /// They may be deleted on condition that the beat is still the one given: who renews in between keeps the row, and who renews after it
    /// meets none.
    pub fn observe(&mut self, now: Reading, terms: Terms, rows: impl IntoIterator<Item = (N, i64)>) -> Vec<(N, i64)> {
        let before = std::mem::take(&mut self.seen);
        let mut silent = Vec::new();
        for (node, beat) in rows {
            let since = match before.get(&node) {
                Some((known, since)) if *known == beat => *since,
                _ => now,
            };
            if now.least_since(since) >= terms.wait {
                silent.push((node.clone(), beat));
            }
            self.seen.insert(node, (beat, since));
        }
        silent
    }

    /// For how long, by our clock, a row's beat has not been seen to move; None when the row was not seen.
    #[must_use]
    pub fn unheard(&self, now: Reading, node: &N) -> Option<Duration> {
        let (_, since) = self.seen.get(node)?;
        Some(Duration::from_nanos(now.least_since(*since).max(0).unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_been_silent_for_the_whole_wait_is_given() {
        let terms = Terms { lease: 10, wait: 12 };
        let at = |time| Reading { boot: time, real: 0 };
        let mut watch = Watch::default();
        assert_eq!(watch.observe(at(100), terms, [("a", 1), ("b", 7)]), []);
        assert_eq!(watch.observe(at(111), terms, [("a", 1), ("b", 8)]), []);
        let unheard = ["a", "b", "c"].map(|node| watch.unheard(at(111), &node).map(|time| time.as_nanos()));
        assert_eq!(unheard, [Some(11), Some(0), None]);
        assert_eq!(watch.observe(at(112), terms, [("a", 1), ("b", 8)]), [("a", 1)]);
        // a row that went and came back is a new one
        assert_eq!(watch.observe(at(120), terms, [("b", 8)]), []);
        assert_eq!(watch.observe(at(121), terms, [("a", 1), ("b", 8)]), []);
        assert_eq!(watch.observe(at(123), terms, [("a", 1), ("b", 8)]), [("b", 8)]);
    }
}
