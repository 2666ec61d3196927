//! The writer's side: when may a change that has been committed be reported as done?
use crate::{Reading, Terms};

/// A change that waits to be true everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Barrier {
    pub(crate) rev: i64,
    pub(crate) committed: Reading,
}

/// What a look at the leases showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sight {
    /// Whether every lease that can be running has its row on this primary: see [`crate::Primary`].
    pub settled: bool,
    /// The lowest revision that a node has acknowledged; None when there is no node to wait for. Of the one looking it need not be told.
    pub lowest: Option<i64>,
}

/// Whether a change is true everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Every node acknowledged it.
    Confirmed,
    /// Every lease from before it is over.
    Outlasted,
    /// Not yet.
    Wait,
}

impl Barrier {
    /// A barrier for everything up to `rev`. `now` is read after the reply to COMMIT (for what was done before: when it was asked for again),
    /// and this node itself has applied `rev`.
    #[must_use]
    pub const fn new(rev: i64, now: Reading) -> Self {
        Self { rev, committed: now }
    }

    /// Decides by the last look at the leases, if there was one. It must have begun after the barrier did.
    #[must_use]
    pub const fn decide(&self, now: Reading, terms: Terms, sight: Option<Sight>) -> Decision {
        if now.least_since(self.committed) >= terms.wait {
            return Decision::Outlasted;
        }
        match sight {
            Some(Sight { settled: true, lowest: None }) => Decision::Confirmed,
            Some(Sight { settled: true, lowest: Some(acked) }) if acked >= self.rev => Decision::Confirmed,
            _ => Decision::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn whatever_is_seen_nobody_waits_for_longer_than_w_nor_for_less_without_every_node() {
        let terms = Terms::of(Duration::from_secs(10)).expect("in range");
        let barrier = Barrier::new(7, Reading { boot: 100, real: 0 });
        let last = Reading { boot: 100 + terms.wait - 1, real: 0 };
        let over = Reading { boot: 100 + terms.wait, real: 0 };
        let sight = |settled, lowest| Some(Sight { settled, lowest });
        for unsure in [None, sight(true, Some(6)), sight(false, Some(7)), sight(false, None)] {
            assert_eq!(
                (barrier.decide(last, terms, unsure), barrier.decide(over, terms, unsure)),
                (Decision::Wait, Decision::Outlasted),
                "{unsure:?}"
            );
        }
        for sure in [sight(true, Some(7)), sight(true, None)] {
            assert_eq!(barrier.decide(barrier.committed, terms, sure), Decision::Confirmed, "{sure:?}");
        }
    }
}
