//! `100/s burst 200`: how many requests a credential may send; and who counts them where there are several nodes.
use std::{fmt, str::FromStr};

use serde::Deserialize;

/// How many requests a credential may send: so many in a second, minute or hour, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RateLimit {
    requests: u32,
    unit: char,
    /// How many may come at once.
    pub(crate) burst: u32,
}

impl RateLimit {
    const fn seconds(self) -> i64 {
        match self.unit {
            's' => 1,
            'm' => 60,
            _ => 3600,
        }
    }

    /// From one request to the next, when they come evenly. At least one.
    pub(crate) fn interval_nanos(self) -> i64 {
        (self.seconds() * 1_000_000_000 / i64::from(self.requests)).max(1)
    }
}

/// Who counts a credential's requests where there are several nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Counting {
    /// Each node for itself, in memory: with N nodes an Nth of the rate.
    Share,
    /// The database for all of them, which every verification then waits for.
    Exact,
}

impl Counting {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Exact => "exact",
        }
    }
}

impl FromStr for Counting {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Share, Self::Exact].into_iter().find(|counting| counting.as_str() == text).ok_or("`share` or `exact`")
    }
}

/// Rounded up.
pub(crate) const fn whole_seconds(nanos: i64) -> i64 {
    nanos.saturating_add(999_999_999) / 1_000_000_000
}

impl FromStr for RateLimit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (rate, burst) = text.split_once(" burst ").map_or((text, None), |(rate, burst)| (rate, Some(burst)));
            let (requests, unit) = rate.split_once('/')?;
            let requests = requests.trim().parse::<u32>().ok()?;
            let unit = ['s', 'm', 'h'].into_iter().find(|known| unit.trim() == known.to_string())?;
            let burst = burst.map_or(Some(requests), |burst| burst.trim().parse().ok())?;
            ((1..=1_000_000).contains(&requests) && (1..=1_000_000).contains(&burst)).then_some(Self { requests, unit, burst })
        };
        read().ok_or("such as `100/s burst 200`: 1 to 1000000 requests each s, m or h")
    }
}

impl TryFrom<String> for RateLimit {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} burst {}", self.requests, self.unit, self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_read_as_it_is_written_and_nonsense_is_not() {
        for (text, read) in [("100/s burst 200", "100/s burst 200"), ("10/m", "10/m burst 10"), ("1 / h burst 3", "1/h burst 3")] {
            assert_eq!(text.parse::<RateLimit>().expect(text).to_string(), read);
        }
        for text in ["", "100", "0/s", "1/d", "1/s burst 0", "-1/s", "1/s burst", "1/s burst 1 burst 2", "1000001/s", "1/sec"] {
            assert!(text.parse::<RateLimit>().is_err(), "{text}");
        }
    }
}
