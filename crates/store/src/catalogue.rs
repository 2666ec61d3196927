//! The operator's catalogue of operations, as JSON text.
use claviger_domain::time::Timestamp;

use crate::{Reader, StoreError, Tx, engine::Read};

impl Reader {
    /// The catalogue and the revision at which it was so; None while there is none.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn load_catalogue(&mut self) -> Result<(Option<String>, i64), StoreError> {
        load(self).await
    }
}

pub(crate) async fn load(read: &mut impl Read) -> Result<(Option<String>, i64), StoreError> {
    let rows = read.query("SELECT r.rev, c.text FROM revision r LEFT JOIN catalogue c ON c.one = 1", &[]).await?;
    let mut row = rows.into_iter().next().ok_or_else(|| crate::value::unexpected("a revision"))?;
    let revision = row.int()?;
    Ok((row.optional_text()?, revision))
}

impl Tx {
    /// Puts `text` in the place of whatever catalogue there was.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn set_catalogue(&mut self, text: &str, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO catalogue (one, text, set_at) VALUES (1, $1, $2) ON CONFLICT (one) DO UPDATE SET text = excluded.text, set_at = excluded.set_at",
            &[text.into(), now.into()],
        )
        .await
        .map(|_| ())
    }
}
