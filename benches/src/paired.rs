//! Whether two kinds of request can be told apart by their time: interleaved samples, each kind's beside the other's of the same round.
//!
//! Samples taken one after the other are not independent (the machine drifts, caches warm up), so the t-test does not hold; the differences
//! within a round are what is judged, by the interval that the sign test gives for their median. It assumes nothing of their shape.
use std::fmt;

/// Of a normal distribution: 99 % lie within so many deviations.
const DEVIATIONS: f64 = 2.576;

/// The differences of two kinds of request, round by round, in nanoseconds.
#[derive(Default)]
pub(crate) struct Differences(Vec<f64>);

/// The 99 % interval of the median difference, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Differences {
    pub(crate) fn push(&mut self, one: f64, other: f64) {
        self.0.push(one - other);
    }

    /// Of the sign test (Conover, Practical Nonparametric Statistics, 3.2): the ranks that lie 2.576 deviations of a fair coin about the middle.
    pub(crate) fn interval(&self) -> Interval {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (count, last) = (sorted.len() as f64, sorted.len().saturating_sub(1));
        let reach = DEVIATIONS * count.sqrt() / 2.0;
        let at = |rank: f64| sorted.get((rank.max(0.0) as usize).min(last)).copied().unwrap_or(f64::NAN);
        Interval { low: at((count / 2.0 - reach).floor()), high: at((count / 2.0 + reach).ceil()) }
    }
}

impl Interval {
    /// Whether no difference was found, or one that is within `tolerance` nanoseconds for sure.
    pub(crate) fn is_none_within(self, tolerance: f64) -> bool {
        (self.low <= 0.0 && self.high >= 0.0) || (self.low >= -tolerance && self.high <= tolerance)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+.0} to {:+.0} ns", self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` differences about `middle`, evenly within `noise` of it.
    fn about(middle: f64, noise: f64, count: usize) -> Interval {
        let mut differences = Differences::default();
        for at in 0..count {
            differences.push(middle + noise * (2.0 * at as f64 / (count - 1) as f64 - 1.0), 0.0);
        }
        differences.interval()
    }

    #[test]
    fn noise_is_no_difference_and_a_small_shift_of_many_samples_is_one() {
        assert!(about(0.0, 1_000.0, 1_001).is_none_within(0.0));
        assert!(!about(50.0, 1_000.0, 20_001).is_none_within(20.0));
        assert!(about(5.0, 100.0, 20_001).is_none_within(10.0), "found, and small enough");
    }

    #[test]
    fn few_samples_give_a_wide_interval() {
        let (few, many) = (about(10.0, 100.0, 31), about(10.0, 100.0, 3_001));
        assert!(few.low < 0.0 && few.high > 0.0 && many.low > 0.0, "{few} {many}");
    }
}
