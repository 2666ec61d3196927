//! Seeing is believing: what may be shown as done. A change is under way until it is true on every node, whichever node is asked.
use claviger_domain::time::Timestamp;
use claviger_store::{StoreError, revision::Position};

use super::{Cluster, Look};

/// How many revisions the database may not know to be true everywhere, though they are.
const FAR: i64 = 1_000;

impl Cluster {
    /// A revision up to which everything is true on every node; there may be a later one: see [`Cluster::look_for_safe`].
    ///
    /// # Errors
    /// When nothing is known yet and the database is not available.
    pub(crate) async fn safe(&self) -> Result<i64, StoreError> {
        let known = self.seen().horizon.safe();
        match known {
            Some(safe) => Ok(safe),
            None => self.look_for_safe().await,
        }
    }

    /// The latest revision up to which everything is true on every node.
    ///
    /// # Errors
    /// When the database is not available.
    pub(crate) async fn look_for_safe(&self) -> Result<i64, StoreError> {
        Ok(self.look().await?.safe)
    }

    /// Has the database remember how far everything is true, now and then: that is all that is known at the first look at a primary that has
    /// taken over, and what is not known is shown as under way.
    ///
    /// # Errors
    /// When the database is not available.
    pub(crate) async fn remember_now_and_then(&self, look: &Look) -> Result<(), StoreError> {
        if look.safe - look.cluster.safe_rev < FAR {
            return Ok(());
        }
        self.store.remember_safe(Position { rev: look.safe, ..look.cluster.position }).await
    }

    /// When `rev` is true on every node at the latest.
    pub(crate) fn settles_by(&self, rev: i64) -> Timestamp {
        let terms = self.gate.held.terms();
        self.wall.now() + self.seen().horizon.rest(self.gate.clock.read(), terms, rev)
    }
}
