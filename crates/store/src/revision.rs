//! The revision counter and the change log: what a node reads to stay current.
use crate::{Reader, StoreError};

/// Where the change log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Changes when history was replaced, as by restoring a backup: then nothing cached is worth anything.
    pub epoch: i64,
    /// Counts committed changes, in commit order and without gaps.
    pub rev: i64,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The account with this id.
    Account(String),
    /// The credential with this public part.
    Credential(String),
    /// The catalogue of operations.
    Catalogue,
    /// A token was revoked.
    Token(crate::revoked_token::RevokedToken),
}

impl Reader {
    /// Where the change log stands now.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn position(&mut self) -> Result<Position, StoreError> {
        let rows = self.query("SELECT epoch, rev FROM revision", &[]).await?;
        let mut row = rows.into_iter().next().ok_or_else(|| crate::value::unexpected("a revision"))?;
        Ok(Position { epoch: row.int()?, rev: row.int()? })
    }

    /// Where the log stands, and everything that changed after `rev`, in one statement.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn changes_after(&mut self, rev: i64) -> Result<(Position, Vec<Changed>), StoreError> {
        let rows = self
            .query(
                "SELECT r.epoch, r.rev, c.kind, c.object_id FROM revision r LEFT JOIN change c ON c.rev > $1 AND c.rev <= r.rev ORDER BY c.rev",
                &[rev.into()],
            )
            .await?;
        let (mut position, mut changed) = (None, Vec::with_capacity(rows.len()));
        for mut row in rows {
            position = Some(Position { epoch: row.int()?, rev: row.int()? });
            match (row.optional_text()?.as_deref(), row.optional_text()?) {
                (Some("account"), Some(id)) => changed.push(Changed::Account(id)),
                (Some("credential"), Some(public_id)) => changed.push(Changed::Credential(public_id)),
                (Some("catalogue"), Some(_)) => changed.push(Changed::Catalogue),
                (Some("token"), Some(written)) => changed.push(Changed::Token(written.parse()?)),
                (None, None) => {}
                _ => return Err(crate::value::unexpected("a known kind of change")),
            }
        }
        Ok((position.ok_or_else(|| crate::value::unexpected("a revision"))?, changed))
    }
}
