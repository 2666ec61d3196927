//! The one place that reads the wall clock and the operating system's randomness; everything else is given both.
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use claviger_domain::{chance::Chance, time::Timestamp};

use crate::cluster::Reading;

/// What time it is.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's wall clock.
    System,
    /// A clock that stands still until a test moves it, in microseconds.
    Frozen(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `at`.
    #[must_use]
    pub fn frozen(at: Timestamp) -> Self {
        Self::Frozen(Arc::new(AtomicI64::new(at.micros())))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
            Self::Frozen(at) => Timestamp::from_micros(at.load(Ordering::SeqCst)),
        }
    }

    /// Now, by a reading of the machine's own clocks that was just taken.
    pub(crate) fn now_at(&self, reading: Reading) -> Timestamp {
        match self {
            Self::System if reading.real > 0 => Timestamp::from_micros(reading.real / 1_000),
            // a clock that failed must not take anybody back to when everything was valid
            Self::System | Self::Frozen(_) => self.now(),
        }
    }

    /// Moves a frozen clock on; the system's cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let Self::Frozen(at) = self {
            at.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug)]
pub struct OsChance;

impl Chance for OsChance {
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            // a credential made from bad randomness would be worse than no process
            tracing::error!(%error, "the operating system gave no randomness");
            std::process::abort();
        }
    }
}

/// Which start of the machine this is (`random(4)`), as text; None where the kernel does not say, as in some containers.
pub(crate) fn boot_id() -> Option<[u8; 36]> {
    let text = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    text.trim_ascii().try_into().ok()
}
