//! The node's side: a lease, and the attempts to renew it.
use crate::{Reading, Terms};

/// A node's right to answer from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The beginning of the latest renewal that was confirmed.
    pub(crate) granted: Option<Reading>,
}

/// A renewal under way. It knows when it began, which is when its lease will begin, and it can be used once.
///
/// While it is under way its owner, on one connection and in one transaction: reads what changed; publishes the revision; evicts what
/// changed; writes its row with the revision it applied. In this order.
#[derive(Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(Clone))]
pub struct Attempt {
    pub(crate) began: Reading,
}

/// What became of the write that every renewal ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// Committed, and it met the node's own row.
    Met,
    /// The row is not there: it was reaped, or lost with a primary. Whoever deletes does not see this node any more.
    RowGone,
}

impl Attempt {
    /// Begins a renewal. `now` is read before anything is sent.
    #[must_use]
    pub const fn begin(now: Reading) -> Self {
        Self { began: now }
    }
}

impl Lease {
    /// No lease: nothing may be answered from memory.
    #[must_use]
    pub const fn none() -> Self {
        Self { granted: None }
    }

    /// Ends a renewal. A row that is gone ends the lease at once; its node must join again under another id.
    pub fn end(&mut self, attempt: Attempt, write: Write) {
        self.granted = match (write, self.granted) {
            (Write::RowGone, _) => None,
            // replies may come out of order; a lease never gets shorter by it
            (Write::Met, Some(granted)) if granted.boot > attempt.began.boot => Some(granted),
            (Write::Met, _) => Some(attempt.began),
        };
    }

    /// Gives the lease back, before the row is deleted.
    pub const fn give_back(&mut self) {
        self.granted = None;
    }

    /// Whether memory may be asked now. To be asked for each verification, before memory is: who is stopped after the question was asked
    /// before the lease was over.
    #[must_use]
    pub const fn may_serve(&self, now: Reading, terms: Terms) -> bool {
        match self.granted {
            Some(granted) => now.most_since(granted) < terms.lease,
            None => false,
        }
    }
}
