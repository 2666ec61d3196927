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
    /// Puts `text` in the place of this catalogue. False when there is another one by now.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn replace_catalogue(&mut self, old: Option<&str>, text: &str, now: Timestamp) -> Result<bool, StoreError> {
        let replaced = match old {
            Some(old) => {
                self.execute("UPDATE catalogue SET text = $1, set_at = $2 WHERE one = 1 AND text = $3", &[text.into(), now.into(), old.into()])
                    .await?
            }
            None => {
                let sql = "INSERT INTO catalogue (one, text, set_at) VALUES (1, $1, $2) ON CONFLICT (one) DO NOTHING";
                self.execute(sql, &[text.into(), now.into()]).await?
            }
        };
        Ok(replaced == 1)
    }
}
