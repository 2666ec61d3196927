//! Counters on the way of every request: each thread counts in a place of its own, and who reads adds up. No two cores write one cache line.
use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::MetricType,
};

/// More threads than this share places, which costs time and no correctness.
const SHARDS: usize = 16;

/// The place of this thread.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    MINE.with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        mine.get()
    })
}

/// `N` counters.
#[derive(Debug)]
pub(crate) struct Counts<const N: usize>([Places<N>; SHARDS]);

/// Two lines apart: processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Places<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Places(std::array::from_fn(|_| AtomicU64::new(0)))))
    }
}

impl<const N: usize> Counts<N> {
    /// Adds to counter `at`.
    pub(crate) fn add(&self, at: usize, by: u64) {
        self.0[shard()].0[at].fetch_add(by, Ordering::Relaxed);
    }

    /// What counter `at` has come to.
    pub(crate) fn total(&self, at: usize) -> u64 {
        self.0.iter().map(|places| places.0[at].load(Ordering::Relaxed)).sum()
    }
}

/// Upper bounds of the buckets, in nanoseconds: from what a decision costs to what a store under stress does.
const BOUNDS: [u64; 14] =
    [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 2_500_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000];

/// A histogram of durations. Its clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    buckets: Counts<{ BOUNDS.len() + 1 }>,
    nanos: Counts<1>,
}

impl Durations {
    /// Counts one.
    pub(crate) fn note(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.buckets.add(BOUNDS.partition_point(|bound| *bound < nanos), 1);
        self.0.nanos.add(0, nanos);
    }
}

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let bounds = BOUNDS.iter().map(|nanos| Duration::from_nanos(*nanos).as_secs_f64()).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.enumerate().map(|(at, bound)| (bound, self.0.buckets.total(at))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<[(&str, &str); 0]>(Duration::from_nanos(self.0.nanos.total(0)).as_secs_f64(), count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_between_threads() {
        let counts = Counts::<2>::default();
        std::thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| (0..1_000).for_each(|_| counts.add(1, 2)));
            }
        });
        assert_eq!((counts.total(0), counts.total(1)), (0, 64_000));
    }

    #[test]
    fn a_duration_counts_in_the_first_bucket_it_does_not_exceed() {
        let durations = Durations::default();
        for nanos in [1, 1_000, 1_001, 20_000_000_000] {
            durations.note(Duration::from_nanos(nanos));
        }
        assert_eq!([0, 1, 2, 14].map(|at| durations.0.buckets.total(at)), [2, 1, 0, 1]);
    }
}
