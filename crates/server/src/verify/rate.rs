//! How many requests a credential may send: a token bucket each (GCRA, as in ITU-T I.371), one atomic number and no lock.
//!
//! Only what is allowed otherwise is counted: who cannot prove a credential cannot use up its quota. Several nodes share the rate (`share.rs`), or
//! count in the database (`exact.rs`).
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use claviger_domain::{id::CredentialId, time::Timestamp};
use claviger_store::StoreError;

use crate::{
    app::App,
    config::{RateLimit, whole_seconds},
};

mod exact;
mod share;

use exact::Exact;
use share::Share;

/// The most credentials whose buckets are kept; full ones are forgotten first, for they say nothing.
const MOST: usize = 1_000_000;

/// What is left of a credential's quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests that a full bucket holds, and the seconds until an empty one is full.
    pub(super) quota: u32,
    pub(super) window: u32,
    /// Requests that may be sent at once.
    pub(super) remaining: u32,
    /// Seconds until there is one more.
    pub(super) more_in: u32,
}

impl Rate {
    /// Of a bucket for `burst` requests that is filled in `depth` nanoseconds of its flow, with `left` in it, which is less than nothing when it cannot
    /// be emptier; one request needs `interval` of it, and it flows in `slowness` times the time.
    fn new(burst: i64, depth: i64, left: i64, interval: i64, slowness: i64) -> Self {
        let remaining = left.max(0) / interval;
        let lacking = remaining.saturating_add(1).saturating_mul(interval).saturating_sub(left);
        let seconds = |nanos: i64| saturated(whole_seconds(nanos.saturating_mul(slowness)));
        Self { quota: saturated(burst), window: seconds(depth), remaining: saturated(remaining), more_in: seconds(lacking) }
    }

    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4).
    #[must_use]
    pub(crate) fn headers(&self) -> [(&'static str, String); 2] {
        let Self { quota, window, remaining, more_in } = self;
        [("ratelimit-policy", format!("\"credential\";q={quota};w={window}")), ("ratelimit", format!("\"credential\";r={remaining};t={more_in}"))]
    }

    /// Seconds until another request may be sent; at least one.
    #[must_use]
    pub(crate) const fn retry_after(&self) -> u32 {
        if self.more_in == 0 { 1 } else { self.more_in }
    }
}

fn saturated(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

/// The buckets.
#[derive(Debug)]
pub(crate) struct Rates {
    limit: Option<RateLimit>,
    /// What this node may give.
    pub(crate) share: Share,
    /// Where the database counts for all nodes.
    exact: Option<Exact>,
    /// For each credential what the flow was at when its bucket would have been empty: see [`share::Pace`].
    empty_at: papaya::HashMap<CredentialId, Arc<AtomicI64>>,
}

impl Rates {
    /// `is_shared`: whether there are rows of leases that tell how many nodes there are. `is_exact`: whether the database counts.
    pub(crate) fn new(limit: Option<RateLimit>, is_shared: bool, is_exact: bool) -> Self {
        Self {
            limit,
            share: Share::new(limit.filter(|_| is_shared)),
            exact: limit.filter(|_| is_exact).map(|_| Exact::default()),
            empty_at: papaya::HashMap::new(),
        }
    }

    /// Takes one request from this node's bucket of the credential: what is left, or, when it is empty, when to come again.
    fn take_here(&self, limit: RateLimit, credential: CredentialId, now: Timestamp) -> Result<Rate, Rate> {
        let pace = self.share.pace();
        let interval = limit.interval_nanos();
        let flown = pace.flown(nanos(now));
        let oldest = pace.oldest(limit, flown);
        let bucket = self.bucket(credential, oldest);
        let taken = bucket.fetch_update(Ordering::AcqRel, Ordering::Acquire, |empty_at| {
            let empty_at = empty_at.max(oldest).saturating_add(interval);
            (empty_at <= flown).then_some(empty_at)
        });
        let empty_at = match taken {
            Ok(before) => before.max(oldest).saturating_add(interval),
            Err(empty_at) => empty_at.max(oldest),
        };
        let burst = pace.burst(limit);
        let rate = Rate::new(burst, interval.saturating_mul(burst), flown.saturating_sub(empty_at), interval, pace.nodes);
        if taken.is_ok() { Ok(rate) } else { Err(rate) }
    }

    fn bucket(&self, credential: CredentialId, oldest: i64) -> Arc<AtomicI64> {
        let buckets = self.empty_at.pin();
        if let Some(bucket) = buckets.get(&credential) {
            return bucket.clone();
        }
        if buckets.len() >= MOST {
            buckets.retain(|_, empty_at| empty_at.load(Ordering::Acquire) > oldest);
        }
        buckets.get_or_insert_with(credential, || Arc::new(AtomicI64::new(i64::MIN))).clone()
    }
}

/// The moment as the buckets have it.
pub(crate) const fn nanos(now: Timestamp) -> i64 {
    now.micros().saturating_mul(1000)
}

/// Takes one request from the credential's bucket: what is left, or, when it is empty, when to come again. None without a limit.
pub(super) async fn take(app: &App, credential: CredentialId, now: Timestamp) -> Option<Result<Rate, Rate>> {
    let limit = app.rates.limit?;
    Some(match &app.rates.exact {
        None => app.rates.take_here(limit, credential, now),
        Some(exact) => Box::pin(exact::take(app, exact, limit, credential, now)).await,
    })
}

/// Forgets the buckets in the database that are full. To be called now and then.
///
/// # Errors
/// When the database is not available.
pub(crate) async fn sweep(app: &App) -> Result<(), StoreError> {
    match (app.rates.limit, &app.rates.exact) {
        (Some(limit), Some(exact)) => exact::tidy(app, exact, limit).await,
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn id(number: u8) -> CredentialId {
        format!("00000000-0000-7000-8000-0000000000{number:02}").parse().expect("an id")
    }

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_then_what_flows_in_and_no_other_feels_it() {
        let limit = "2/s burst 5".parse().expect("a limit");
        let rates = Rates::new(Some(limit), false, false);
        let mut now = Timestamp::from_micros(1_795_000_000_000_000);
        let left = |now, who| rates.take_here(limit, id(who), now).map(|rate| rate.remaining).map_err(|rate| rate.retry_after());
        assert_eq!([0; 5].map(|_| left(now, 1)), [Ok(4), Ok(3), Ok(2), Ok(1), Ok(0)]);
        assert_eq!((left(now, 1), left(now, 1), left(now, 2)), (Err(1), Err(1), Ok(4)));
        now = now + Duration::from_millis(499);
        assert_eq!(left(now, 1), Err(1));
        now = now + Duration::from_millis(1);
        assert_eq!((left(now, 1), left(now, 1)), (Ok(0), Err(1)));
        now = now + Duration::from_secs(3600);
        assert_eq!([0; 6].map(|_| left(now, 1)), [Ok(4), Ok(3), Ok(2), Ok(1), Ok(0), Err(1)]);
    }

    #[test]
    fn many_threads_together_get_the_burst_and_no_more() {
        let limit = "1/h burst 100".parse().expect("a limit");
        let rates = Rates::new(Some(limit), false, false);
        let now = Timestamp::from_micros(1_795_000_000_000_000);
        let one = || (0..1000).filter(|_| rates.take_here(limit, id(1), now).is_ok()).count();
        let all: usize = std::thread::scope(|scope| [0; 4].map(|_| scope.spawn(one)).map(|thread| thread.join().expect("no panic")).iter().sum());
        assert_eq!(all, 100);
    }

    #[test]
    fn what_is_told_follows_the_draft() {
        let limit = "100/m burst 50".parse().expect("a limit");
        let rates = Rates::new(Some(limit), false, false);
        let rate = rates.take_here(limit, id(1), Timestamp::from_micros(0)).expect("room");
        let told = rate.headers().map(|(name, value)| format!("{name}: {value}"));
        assert_eq!(told, [r#"ratelimit-policy: "credential";q=50;w=30"#, r#"ratelimit: "credential";r=49;t=1"#]);
    }
}
