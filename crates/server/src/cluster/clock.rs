//! The clocks that leases are measured by. Not the time of day: for that see `crate::clock`.
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use claviger_lease::Reading;
use nix::time::{ClockId, clock_gettime};

/// Where readings come from.
#[derive(Clone, Debug)]
pub enum LeaseClock {
    /// The machine's clocks, both by the C library: some tens of nanoseconds each, and libfaketime can bend them for tests.
    System,
    /// Stands still until a test moves it, in nanoseconds.
    Manual(Arc<AtomicI64>),
}

impl LeaseClock {
    /// What the clocks show.
    #[must_use]
    pub fn read(&self) -> Reading {
        match self {
            Self::System => Reading { boot: nanoseconds(ClockId::CLOCK_BOOTTIME), real: nanoseconds(ClockId::CLOCK_REALTIME) },
            Self::Manual(at) => {
                let now = at.load(Ordering::SeqCst);
                Reading { boot: now, real: now }
            }
        }
    }

    /// Time since `earlier`, as this machine feels it.
    pub(crate) fn passed_since(&self, earlier: Reading) -> Duration {
        let now = match self {
            Self::System => nanoseconds(ClockId::CLOCK_BOOTTIME),
            Self::Manual(at) => at.load(Ordering::SeqCst),
        };
        Duration::from_nanos(u64::try_from(now.saturating_sub(earlier.boot)).unwrap_or_default())
    }
}

/// These clocks exist on every kernel we run on. If one failed all the same, the lowest number of all ends every lease.
fn nanoseconds(clock: ClockId) -> i64 {
    clock_gettime(clock).map_or(i64::MIN, |time| time.tv_sec().saturating_mul(1_000_000_000).saturating_add(time.tv_nsec()))
}
