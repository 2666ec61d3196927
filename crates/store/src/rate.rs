//! The buckets of rate limits that are exact over several nodes. Where there is one node its memory is exact, and these are not used.
use std::{collections::HashMap, time::Duration};

use claviger_domain::id::CredentialId;
use serde_json::json;

use crate::{Store, StoreError, value::object};

/// What came of asking a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// How many requests may be sent of those asked for.
    pub granted: u32,
    /// Nanoseconds until the bucket is full, after that.
    pub full_in: i64,
}

/// The server's clock, in nanoseconds.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000"
    };
}

/// The moment at which whoever found the row there asked: what they would have inserted, less what they asked for.
macro_rules! asked_at {
    () => {
        "(excluded.full_at - excluded.granted * $2)"
    };
}

/// As many as there is room for, of those asked for.
macro_rules! granted {
    () => {
        concat!("greatest(0, least(excluded.granted, ($3 - greatest(b.full_at - ", asked_at!(), ", 0)) / $2))")
    };
}

/// A crash may undo it, and nobody waits for the disk or a standby. In the order of everyone who locks several, so that nobody waits for one who waits
/// for them. The clock is read before the rows are waited for: who waited has less time credited, never more.
const TAKE: &str = concat!(
    "INSERT INTO rate_bucket AS b (credential_id, full_at, granted) \
     SELECT w.id, n.now + w.count * $2, w.count \
     FROM (SELECT e.key AS id, CAST(e.value ->> 'count' AS BIGINT) AS count FROM json_each($1) e) w \
     CROSS JOIN (SELECT ",
    now!(),
    " AS now, set_config('synchronous_commit', 'off', true) AS waits_for) n WHERE n.waits_for = 'off' ORDER BY w.id \
     ON CONFLICT (credential_id) DO UPDATE SET granted = ",
    granted!(),
    ", full_at = greatest(b.full_at, ",
    asked_at!(),
    ") + $2 * ",
    granted!(),
    " RETURNING credential_id, granted, full_at - ",
    now!()
);

/// Waits for nobody: whoever holds a row is just taking from it.
const SWEEP: &str = concat!(
    "WITH forgotten AS (DELETE FROM rate_bucket WHERE credential_id IN (SELECT credential_id FROM rate_bucket WHERE full_at <= ",
    now!(),
    " FOR UPDATE SKIP LOCKED) RETURNING 1) SELECT count(*) FROM forgotten"
);

/// How long forgetting them may take.
const SWEEPING: Duration = Duration::from_secs(5);

impl Store {
    /// Takes as many requests from the credentials' buckets as there are, of those `wanted`, by the server's clock: at once, or not at all. A bucket
    /// holds `burst` requests, one more every `interval` nanoseconds, and is full when nothing is known of it.
    ///
    /// # Errors
    /// When the database has not answered `within` this time, and then some of it may have been taken; and where there is one node.
    pub async fn take_from_buckets(
        &self,
        wanted: &HashMap<CredentialId, u32>,
        interval: i64,
        burst: u32,
        within: Duration,
    ) -> Result<HashMap<CredentialId, Taken>, StoreError> {
        // more than a bucket holds nobody gets
        let wanted = object(wanted.iter().map(|(id, count)| (id.to_string(), json!({ "count": (*count).min(burst) }))));
        let depth = interval.saturating_mul(burst.into());
        let rows = self.hasty_writer(within).await?.query(TAKE, &[wanted, interval.into(), depth.into()]).await?;
        let mut taken = HashMap::with_capacity(rows.len());
        for mut row in rows {
            let id = row.text()?.parse().map_err(|_| crate::value::unexpected("a credential's id"))?;
            let granted = u32::try_from(row.int()?).map_err(|_| crate::value::unexpected("a count"))?;
            taken.insert(id, Taken { granted, full_in: row.int()?.max(0) });
        }
        Ok(taken)
    }

    /// Forgets the buckets that are full; gives how many.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn forget_full_buckets(&self) -> Result<i64, StoreError> {
        // in one go: who would be cut off before a COMMIT would hold rows that others take from
        let rows = self.hasty_writer(SWEEPING).await?.query(SWEEP, &[]).await?;
        rows.into_iter().next().ok_or_else(|| crate::value::unexpected("a count"))?.int()
    }
}
