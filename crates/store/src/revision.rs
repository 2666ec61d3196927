//! The revision counter and the change log: what a node reads to stay current.
use claviger_domain::id::AccountId;

use crate::{Reader, StoreError, Tx, engine::Read, revoked_token::RevokedToken};

/// Where the change log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Changes when history was replaced, as by restoring a backup: then nothing cached is worth anything.
    pub epoch: i64,
    /// Counts committed changes, in commit order and without gaps.
    pub rev: i64,
    /// Which server tells it: each that is promoted begins the next one. Revisions of two count the same changes only if no commit was lost
    /// in between. 0 where there is but one.
    pub timeline: u32,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The account with this id.
    Account(AccountId),
    /// The credential with this public part.
    Credential(String),
    /// The catalogue of operations.
    Catalogue,
    /// A token was revoked.
    Token(RevokedToken),
}

impl Reader {
    /// Where the change log stands now.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn position(&mut self) -> Result<Position, StoreError> {
        let rows = self.query("SELECT epoch, rev FROM revision", &[]).await?;
        let mut row = rows.into_iter().next().ok_or_else(|| crate::value::unexpected("a revision"))?;
        Ok(Position { epoch: row.int()?, rev: row.int()?, timeline: self.timeline()? })
    }

    /// What happened after `from`.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn log_after(&mut self, from: Position) -> Result<Log, StoreError> {
        log_after(self, from).await
    }
}

impl Tx {
    /// As [`Reader::log_after`], for a renewal: what is read and the row that says so come from one server.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn log_after(&mut self, from: Position) -> Result<Log, StoreError> {
        log_after(self, from).await
    }
}

/// Everything that must be applied to be where the log stands. It is read whole before any of it is: between publishing a revision and
/// evicting what it changed nothing may fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Where it stands.
    pub position: Position,
    /// What changed, in order.
    pub changed: Vec<Changed>,
    /// Whether history is another than the one read before.
    pub replaces_history: bool,
    /// Whether nothing in memory is worth anything: history is another, or another server tells it and may have counted other changes.
    pub replaces_memory: bool,
    /// Whether revisions are missing: the log stands before what was read (epochs only grow), or, as the database remembers, before what
    /// another node read in this one.
    pub has_lost: bool,
    /// The catalogue's text, when it may have changed: no younger than `position`.
    pub catalogue: Option<Option<String>>,
    /// Every token revoked by itself, when memory is replaced: then those that came since must be known too.
    pub revoked_tokens: Vec<RevokedToken>,
}

async fn log_after(read: &mut impl Read, from: Position) -> Result<Log, StoreError> {
    let (position, knows_of_loss, changed) = changes_after(read, from.rev).await?;
    let is_behind = (position.epoch, position.rev) < (from.epoch, from.rev);
    let replaces_history = position.epoch != from.epoch || is_behind;
    let replaces_memory = replaces_history || position.timeline != from.timeline;
    let catalogue = if replaces_memory || changed.contains(&Changed::Catalogue) { Some(crate::catalogue::load(read).await?.0) } else { None };
    let revoked_tokens = if replaces_memory { crate::revoked_token::load(read).await? } else { Vec::new() };
    Ok(Log { position, changed, replaces_history, replaces_memory, has_lost: is_behind || knows_of_loss, catalogue, revoked_tokens })
}

async fn changes_after(read: &mut impl Read, rev: i64) -> Result<(Position, bool, Vec<Changed>), StoreError> {
    let rows = read
        .query(
            "SELECT r.epoch, r.rev, coalesce(k.lost_epoch = r.epoch, false), c.kind, c.object_id FROM revision r JOIN cluster k ON k.one = r.one \
             LEFT JOIN change c ON c.rev > $1 AND c.rev <= r.rev ORDER BY c.rev",
            &[rev.into()],
        )
        .await?;
    let (timeline, mut position, mut changed) = (read.timeline()?, None, Vec::with_capacity(rows.len()));
    for mut row in rows {
        position = Some((Position { epoch: row.int()?, rev: row.int()?, timeline }, row.bool()?));
        match (row.optional_text()?.as_deref(), row.optional_text()?) {
            (Some("account"), Some(id)) => changed.push(Changed::Account(id.parse().map_err(|_| crate::value::unexpected("an account id"))?)),
            (Some("credential"), Some(public_id)) => changed.push(Changed::Credential(public_id)),
            (Some("catalogue"), Some(_)) => changed.push(Changed::Catalogue),
            (Some("token"), Some(written)) => changed.push(Changed::Token(written.parse()?)),
            (None, None) => {}
            _ => return Err(crate::value::unexpected("a known kind of change")),
        }
    }
    let (position, knows_of_loss) = position.ok_or_else(|| crate::value::unexpected("a revision"))?;
    Ok((position, knows_of_loss, changed))
}
