//! How many requests a credential may send: a token bucket each (GCRA, as in ITU-T I.371), one atomic number and no lock.
//!
//! Only what is allowed otherwise is counted: who cannot prove a credential cannot use up its quota.
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use claviger_domain::{id::CredentialId, time::Timestamp};

use crate::config::{RateLimit, whole_seconds};

/// The most credentials whose buckets are kept; full ones are forgotten first, for they say nothing.
const MOST: usize = 1_000_000;

/// What is left of a credential's quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    limit: RateLimit,
    /// Requests that may be sent at once.
    remaining: u32,
    /// Seconds until there is one more.
    more_in: u32,
}

impl Rate {
    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4).
    #[must_use]
    pub(crate) fn headers(&self) -> [(&'static str, String); 2] {
        let Self { limit, remaining, more_in } = self;
        [
            ("ratelimit-policy", format!("\"credential\";q={};w={}", limit.burst, limit.refill_seconds())),
            ("ratelimit", format!("\"credential\";r={remaining};t={more_in}")),
        ]
    }

    /// Seconds until another request may be sent; at least one.
    #[must_use]
    pub(crate) const fn retry_after(&self) -> u32 {
        if self.more_in == 0 { 1 } else { self.more_in }
    }
}

/// The buckets.
#[derive(Debug)]
pub(crate) struct Rates {
    limit: Option<RateLimit>,
    /// For each credential the moment, in nanoseconds, at which its bucket will be full again.
    full_at: papaya::HashMap<CredentialId, Arc<AtomicI64>>,
}

impl Rates {
    pub(crate) fn new(limit: Option<RateLimit>) -> Self {
        Self { limit, full_at: papaya::HashMap::new() }
    }

    /// Takes one request from the credential's bucket: what is left, or, when it is empty, when to come again. None without a limit.
    pub(crate) fn take(&self, credential: CredentialId, now: Timestamp) -> Option<Result<Rate, Rate>> {
        let limit = self.limit?;
        let now = now.micros().saturating_mul(1000);
        let bucket = self.bucket(credential, now);
        let (interval, depth) = (limit.interval_nanos(), limit.interval_nanos().saturating_mul(i64::from(limit.burst)));
        let taken = bucket.fetch_update(Ordering::AcqRel, Ordering::Acquire, |full_at| {
            let full_at = full_at.max(now).saturating_add(interval);
            (full_at - now <= depth).then_some(full_at)
        });
        let full_in = match taken {
            Ok(before) => before.max(now).saturating_add(interval) - now,
            Err(full_at) => full_at - now,
        };
        let free = (depth - full_in).max(0);
        let rate = Rate {
            limit,
            remaining: u32::try_from(free / interval).unwrap_or(u32::MAX),
            more_in: u32::try_from(whole_seconds(interval - free % interval)).unwrap_or(u32::MAX),
        };
        Some(if taken.is_ok() { Ok(rate) } else { Err(rate) })
    }

    fn bucket(&self, credential: CredentialId, now: i64) -> Arc<AtomicI64> {
        let buckets = self.full_at.pin();
        if let Some(bucket) = buckets.get(&credential) {
            return bucket.clone();
        }
        if buckets.len() >= MOST {
            buckets.retain(|_, full_at| full_at.load(Ordering::Acquire) > now);
        }
        buckets.get_or_insert_with(credential, || Arc::new(AtomicI64::new(now))).clone()
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
        let rates = Rates::new(Some("2/s burst 5".parse().expect("a limit")));
        let mut now = Timestamp::from_micros(1_795_000_000_000_000);
        let left = |now, who| rates.take(id(who), now).expect("a limit").map(|rate| rate.remaining).map_err(|rate| rate.retry_after());
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
        let rates = Rates::new(Some("1/h burst 100".parse().expect("a limit")));
        let now = Timestamp::from_micros(1_795_000_000_000_000);
        let one = || (0..1000).filter(|_| rates.take(id(1), now).is_some_and(|taken| taken.is_ok())).count();
        let all: usize = std::thread::scope(|scope| [0; 4].map(|_| scope.spawn(one)).map(|thread| thread.join().expect("no panic")).iter().sum());
        assert_eq!(all, 100);
    }

    #[test]
    fn what_is_told_follows_the_draft() {
        let rates = Rates::new(Some("100/m burst 50".parse().expect("a limit")));
        let rate = rates.take(id(1), Timestamp::from_micros(0)).expect("a limit").expect("room");
        let told = rate.headers().map(|(name, value)| format!("{name}: {value}"));
        assert_eq!(told, [r#"ratelimit-policy: "credential";q=50;w=30"#, r#"ratelimit: "credential";r=49;t=1"#]);
        assert_eq!(Rates::new(None).take(id(1), Timestamp::from_micros(0)), None);
    }
}
