//! Seeing is believing: what may be shown as done. A change is under way until it is true on every node, whichever node is asked.
use claviger_domain::time::Timestamp;
use claviger_store::StoreError;

use super::Cluster;

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
        self.look().await?;
        Ok(self.seen().horizon.safe().unwrap_or_default())
    }

    /// When `rev` is true on every node at the latest.
    pub(crate) fn settles_by(&self, rev: i64) -> Timestamp {
        let terms = self.gate.held.terms();
        self.wall.now() + self.seen().horizon.rest(self.gate.clock.read(), terms, rev)
    }
}
