//! A lease that many threads ask and one extends, without a lock.
use crate::{Lease, Reading, Terms};

#[cfg(loom)]
use loom::sync::atomic::{AtomicI64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicI64, Ordering};

/// The lease as the threads that verify see it.
///
/// Its two halves may be read of two renewals: each half alone is that of a renewal which was confirmed, and each is enough, so is any pair.
#[derive(Debug)]
pub struct Held {
    boot: AtomicI64,
    real: AtomicI64,
    terms: Terms,
}

impl Held {
    /// No lease yet.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self { boot: AtomicI64::new(i64::MIN), real: AtomicI64::new(i64::MIN), terms }
    }

    /// Shows what `lease` is now.
    pub fn show(&self, lease: &Lease) {
        let Reading { boot, real } = lease.granted.unwrap_or(Reading { boot: i64::MIN, real: i64::MIN });
        self.boot.store(boot, Ordering::SeqCst);
        self.real.store(real, Ordering::SeqCst);
    }

    /// Whether memory may be asked: see [`Lease::may_serve`]. `clock` is read after the lease: one renewed meanwhile must not begin after it.
    /// A reading from before is as good, if it was taken after the question came and memory is asked after this: yes then means that the lease ran
    /// when the question was there. Its no may be wrong, for a renewal may have begun since.
    pub fn may_serve(&self, clock: impl FnOnce() -> Reading) -> bool {
        self.age(clock) < self.terms.lease
    }

    /// How old the lease is, in nanoseconds; `i64::MAX` when there is none.
    pub fn age(&self, clock: impl FnOnce() -> Reading) -> i64 {
        let granted = Reading { boot: self.boot.load(Ordering::SeqCst), real: self.real.load(Ordering::SeqCst) };
        clock().most_since(granted)
    }

    /// The terms it is given on.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        self.terms
    }
}
