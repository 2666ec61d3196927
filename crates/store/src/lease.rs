//! Leases: the nodes that may answer from memory, and what they have acknowledged. The rules are `claviger-lease`'s; here they are rows.
use claviger_domain::time::Timestamp;

use crate::{Reader, Store, StoreError, Tx, migrate::KNOWN, revision::Position, value::Row};

/// A node, as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id in this life.
    pub id: String,
    /// The revision up to which it has applied changes.
    pub acked: i64,
    /// Moves with each renewal.
    pub beat: i64,
    /// How it is reached, for people.
    pub address: String,
    /// What runs there.
    pub version: String,
    /// When it joined.
    pub began_at: Timestamp,
    /// Which settings it has.
    pub agreement: Agreement,
}

/// The settings of a node that others have too: a word for each, its name and a digest of its value, as `name=digest`, joined by blanks. Empty
/// of a version that tells none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Those without which nodes contradict each other: who differs from any does not join.
    pub must: String,
    /// Those that may be changed node by node.
    pub should: String,
}

/// The names of the settings that two nodes tell of, and that are not the same.
#[must_use]
pub fn differing<'a>(one: &'a str, other: &str) -> Vec<&'a str> {
    let told = |text: &'a str| text.split(' ').filter_map(|word| word.split_once('='));
    let differs = |(name, digest): &(&str, &str)| {
        other.split(' ').filter_map(|word| word.split_once('=')).any(|(theirs, its)| theirs == *name && its != *digest)
    };
    told(one).filter(differs).map(|(name, _)| name).collect()
}

/// Everything about the cluster, in one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The length of every lease, in milliseconds.
    pub lease_ms: i64,
    /// The server that answered.
    pub primary: String,
    /// Whether it is the one on which every lease that can be running has its row.
    pub settled: bool,
    /// Where the change log stood.
    pub position: Position,
    /// Up to which revision somebody found that everything is true on every node.
    pub safe_rev: i64,
    /// Whether revisions of this history are missing that a node had applied.
    pub has_lost: bool,
    /// The nodes, by id.
    pub nodes: Vec<Node>,
}

impl Reader {
    /// Looks at the cluster.
    ///
    /// # Errors
    /// When the database is not available, or is not a primary.
    pub async fn cluster(&mut self) -> Result<Cluster, StoreError> {
        let rows = self
            .query(
                "SELECT c.lease_ms, p.identity, c.settled = p.identity, r.epoch, r.rev, c.safe_rev, coalesce(c.lost_epoch = r.epoch, false), l.node, l.acked, l.beat, l.address, l.version, l.began_at, \
                 l.must_agree, l.should_agree \
                 FROM cluster c CROSS JOIN primary_server p JOIN revision r ON r.one = c.one LEFT JOIN lease l ON l.node <> '' WHERE c.one = 1 ORDER BY l.node",
                &[],
            )
            .await?;
        let (timeline, mut found) = (self.timeline()?, None);
        for mut row in rows {
            let (lease_ms, primary, settled) = (row.int()?, row.text()?, row.bool()?);
            let position = Position { epoch: row.int()?, rev: row.int()?, timeline };
            let (safe_rev, has_lost) = (row.int()?, row.bool()?);
            let cluster = found.get_or_insert_with(|| Cluster { lease_ms, primary, settled, position, safe_rev, has_lost, nodes: Vec::new() });
            if let Some(id) = row.optional_text()? {
                cluster.nodes.push(node(id, &mut row)?);
            }
        }
        found.ok_or_else(|| crate::value::unexpected("a cluster"))
    }
}

/// A connection and the server behind it: what an operator should know of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Whether what is sent can be read by nobody else. An embedded database sends nothing.
    pub encrypted: bool,
    /// What a COMMIT waits for: PostgreSQL's `synchronous_commit`; "on" where the engine knows no other.
    pub waits_for: String,
    /// For how many standbys a COMMIT waits too.
    pub standbys_waited_for: i64,
    /// How many standbys follow the server.
    pub standbys: i64,
    /// Whether the server waits for its disk: PostgreSQL's `fsync`.
    pub syncs: bool,
    /// The server's time of day; None when it is our own.
    pub now: Option<Timestamp>,
}

impl About {
    /// Whether what is committed is on the server's disk.
    #[must_use]
    pub fn waits_for_the_disk(&self) -> bool {
        !matches!(self.waits_for.as_str(), "off" | "local")
    }

    /// Whether a standby may be promoted that lacks a commit, and with it a revocation. Which of them will be is not known here.
    #[must_use]
    pub const fn may_lose_on_failover(&self) -> bool {
        self.standbys > self.standbys_waited_for
    }
}

impl Reader {
    /// What is to be known about this connection.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn about(&mut self) -> Result<About, StoreError> {
        let rows = self.query("SELECT encrypted, waits_for, standby_names, standbys, now, syncs FROM connection", &[]).await?;
        let mut row = rows.into_iter().next().ok_or_else(|| crate::value::unexpected("a connection"))?;
        Ok(About {
            encrypted: row.bool()?,
            waits_for: row.text()?,
            standbys_waited_for: waited_for(&row.text()?),
            standbys: row.int()?,
            now: row.optional_time()?,
            syncs: row.bool()?,
        })
    }
}

/// For how many standbys a COMMIT waits by these `synchronous_standby_names`: `FIRST n (…)`, `ANY n (…)`, `n (…)`, or a plain list, which is `FIRST 1`.
fn waited_for(names: &str) -> i64 {
    if names.trim().is_empty() {
        return 0;
    }
    // a name that has a parenthesis is quoted
    let count = names.split_once('(').map(|(before, _)| before).filter(|before| !before.contains('"'));
    count.and_then(|before| before.split_whitespace().last()).and_then(|count| count.parse().ok()).unwrap_or(1)
}

fn node(id: String, row: &mut Row) -> Result<Node, StoreError> {
    Ok(Node {
        id,
        acked: row.int()?,
        beat: row.int()?,
        address: row.text()?,
        version: row.text()?,
        began_at: row.time()?,
        agreement: Agreement { must: row.text()?, should: row.text()? },
    })
}

impl Store {
    /// The length of every lease in milliseconds, after setting it to `wished` if that is given. It can be changed while no node has a lease.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when nodes are running on other terms.
    pub async fn agree_on_lease(&self, wished: Option<i64>) -> Result<i64, StoreError> {
        let present = self.reader().await?.cluster().await?.lease_ms;
        let Some(wished) = wished.filter(|wished| *wished != present) else { return Ok(present) };
        let mut tx = self.begin().await?;
        // registering holds the same row: no node can come in between
        tx.lock_cluster().await?;
        let set = tx.execute("UPDATE cluster SET lease_ms = $1 WHERE NOT EXISTS (SELECT 1 FROM lease)", &[wished.into()]).await?;
        if set == 0 {
            return Err(other_terms(present));
        }
        tx.commit_housekeeping().await?;
        Ok(wished)
    }

    /// Registers a node, which may not serve yet; whether it is the only one there is.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the nodes' leases are not `lease_ms` long any more, another node has other settings that must agree, or a later
    /// Claviger has the database for itself.
    pub async fn register(&self, node: &Node, lease_ms: i64) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let present = tx.lock_cluster().await?;
        if present != lease_ms {
            return Err(other_terms(present));
        }
        if !tx.query("SELECT version FROM migration WHERE version > $1 AND name LIKE '%_alone'", &[KNOWN.into()]).await?.is_empty() {
            return Err(StoreError::Unusable("a later Claviger has migrated it, beside which this one cannot run".into()));
        }
        for mut row in tx.query("SELECT must_agree FROM lease", &[]).await? {
            if let Some(name) = differing(&node.agreement.must, &row.text()?).first() {
                return Err(StoreError::Unusable(format!("another node has another {name}")));
            }
        }
        // on a primary that is not settled another may serve whose row was lost
        let sql = "INSERT INTO lease (node, acked, beat, address, version, began_at, must_agree, should_agree) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                   RETURNING (SELECT NOT EXISTS (SELECT 1 FROM lease l WHERE l.node <> $1) AND c.settled = p.identity FROM cluster c CROSS JOIN primary_server p)";
        let values = [
            (&node.id).into(),
            node.acked.into(),
            node.beat.into(),
            (&node.address).into(),
            (&node.version).into(),
            node.began_at.into(),
            (&node.agreement.must).into(),
            (&node.agreement.should).into(),
        ];
        let is_alone = tx.query(sql, &values).await?.into_iter().next().ok_or_else(|| crate::value::unexpected("a lease"))?.bool()?;
        tx.commit_housekeeping().await?;
        Ok(is_alone)
    }

    /// Deletes a node's row: when it stops, or its lease is long over. With `beat`, only if it has not moved since.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn unregister(&self, id: &str, beat: Option<i64>) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let gone = tx.execute("DELETE FROM lease WHERE node = $1 AND beat = coalesce($2, beat)", &[id.into(), beat.into()]).await?;
        tx.commit_housekeeping().await?;
        Ok(gone == 1)
    }

    /// Remembers that everything up to this position is true on every node. It never goes back, and nothing happens where another history is told.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn remember_safe(&self, safe: Position) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if tx.timeline()? != safe.timeline {
            return Ok(());
        }
        let sql = "UPDATE cluster SET safe_rev = $2 WHERE safe_rev < $2 AND EXISTS (SELECT 1 FROM revision r WHERE r.epoch = $1 AND r.rev >= $2)";
        tx.execute(sql, &[safe.epoch.into(), safe.rev.into()]).await?;
        tx.commit_housekeeping().await
    }

    /// Remembers that revisions of this epoch are missing that a node had applied. Nothing happens when another one has begun.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn remember_loss(&self, epoch: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "UPDATE cluster SET lost_epoch = $1 WHERE (lost_epoch IS NULL OR lost_epoch <> $1) \
                   AND EXISTS (SELECT 1 FROM revision r WHERE r.epoch = $1)";
        tx.execute(sql, &[epoch.into()]).await?;
        tx.commit_housekeeping().await
    }

    /// Remembers that on this primary every lease that can be running has its row. Nothing happens when it is not the primary any more.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn settle(&self, primary: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        tx.execute("UPDATE cluster SET settled = $1 WHERE (SELECT identity FROM primary_server) = $1", &[primary.into()]).await?;
        tx.commit_housekeeping().await
    }
}

/// Writes a node's row, unless a later Claviger has the database for itself.
macro_rules! met {
    ($set:literal) => {
        concat!(
            "UPDATE lease SET ",
            $set,
            " WHERE node = $1 AND NOT EXISTS (SELECT 1 FROM migration WHERE version > $3 AND name LIKE '%_alone') \
             RETURNING (SELECT count(*) FROM lease)"
        )
    };
}

impl Tx {
    /// Writes what a node has applied, and moves its beat; gives how many nodes have a row. None when its own is gone, or a later Claviger has the
    /// database for itself.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn renew(&mut self, id: &str, acked: i64) -> Result<Option<i64>, StoreError> {
        self.meet(met!("acked = $2, beat = beat + 1"), id, acked).await
    }

    /// Writes what a node has applied, and leaves its beat: no lease may rest on it. As [`Tx::renew`].
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn acknowledge(&mut self, id: &str, acked: i64) -> Result<Option<i64>, StoreError> {
        self.meet(met!("acked = $2"), id, acked).await
    }

    async fn meet(&mut self, sql: &'static str, id: &str, acked: i64) -> Result<Option<i64>, StoreError> {
        let met = self.query(sql, &[id.into(), acked.into(), KNOWN.into()]).await?;
        met.into_iter().next().map(|mut row| row.int()).transpose()
    }

    /// Takes a revision that changes nothing: who has acknowledged it has seen what was committed before it. Only where there are several nodes.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn take_revision(&mut self) -> Result<i64, StoreError> {
        let rows = self.query("SELECT take_revision()", &[]).await?;
        rows.into_iter().next().ok_or_else(|| crate::value::unexpected("a revision"))?.int()
    }

    async fn lock_cluster(&mut self) -> Result<i64, StoreError> {
        let rows = self.query("UPDATE cluster SET one = 1 RETURNING lease_ms", &[]).await?;
        rows.into_iter().next().ok_or_else(|| crate::value::unexpected("a cluster"))?.int()
    }
}

fn other_terms(present: i64) -> StoreError {
    let seconds = std::time::Duration::from_millis(present.unsigned_abs()).as_secs_f64();
    StoreError::Unusable(format!("its nodes have leases of {seconds} s; stop them all to change that, or start this one with the same"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_waits_for_as_many_standbys_as_their_names_say() {
        for (names, count) in [
            ("", 0),
            (" ", 0),
            ("*", 1),
            ("s1", 1),
            ("s1, s2", 1),
            ("2", 1),
            ("FIRST 2 (s1, s2, s3)", 2),
            ("first 2(*)", 2),
            ("ANY 1 (s1, s2)", 1),
            ("any 3 ( s1,s2,s3 )", 3),
            ("2 (s1, s2)", 2),
            ("\"ANY 2 (x)\", s2", 1),
            ("ANY 2 (\"a (b)\", s2)", 2),
        ] {
            assert_eq!(waited_for(names), count, "{names}");
        }
    }

    #[test]
    fn settings_differ_that_both_tell_of() {
        assert_eq!(differing("a=1 b=2 c=3", "a=1 b=3 d=4 c=4"), ["b", "c"]);
        assert!(differing("a=1", "").is_empty() && differing("", "a=1").is_empty(), "an older version tells none");
    }
}
