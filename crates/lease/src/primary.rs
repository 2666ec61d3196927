//! Which primary the leases are on. One that was promoted may have lost rows of leases that are still running.
use crate::{Reading, Terms};

/// The primary this process has seen, and since when.
///
/// The database remembers which primary was *settled*. A new one is settled by whoever has seen it, and it alone, for [`Terms::wait`]: by
/// then every lease that the old one gave is over. Until then nobody returns early. (That processes remember it themselves would
/// make the first deletion of every new process wait; that the database remembers it at once would betray that process.)
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Primary<I> {
    pub(crate) seen: Option<(I, Reading)>,
}

impl<I> Default for Primary<I> {
    fn default() -> Self {
        Self { seen: None }
    }
}

impl<I: PartialEq> Primary<I> {
    /// Takes in which primary answered, before `now`. True when it has been the same for [`Terms::wait`], and may be settled.
    pub fn observe(&mut self, now: Reading, terms: Terms, identity: I) -> bool {
        match &self.seen {
            Some((known, since)) if *known == identity => now.least_since(*since) >= terms.wait,
            _ => {
                self.seen = Some((identity, now));
                false
            }
        }
    }
}
