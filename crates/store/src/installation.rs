//! What one installation has once: the check value of its key ring.
use claviger_domain::time::Timestamp;

use crate::{Reader, StoreError, Tx};

impl Reader {
    /// The check value of the key ring this database was made with; None in a new database.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_key_check(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self.query("SELECT key_check FROM installation", &[]).await?;
        rows.into_iter().next().map(|mut row| row.bytes()).transpose()
    }
}

impl Tx {
    /// Binds a new database to its key ring. Of two at once, the first counts.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn bind_to_key_ring(&mut self, check: &[u8], now: Timestamp) -> Result<(), StoreError> {
        self.execute("INSERT INTO installation (one, key_check, created_at) VALUES (1, $1, $2) ON CONFLICT DO NOTHING", &[check.into(), now.into()])
            .await
            .map(|_| ())
    }
}
