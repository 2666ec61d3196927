//! Whether memory may answer just now. Asked for every verification; a task that sets a flag could itself be stuck.
use std::{fmt, str::FromStr, time::Duration};

use claviger_lease::{Held, Reading, Terms};

use super::{LeaseClock, fault};

/// How a node makes sure that what it answers is not behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// From memory while its lease runs. The fastest; needs clocks that run within 8.3 % of true.
    #[default]
    Lease,
    /// From memory, after asking the database where the change log stands. Needs no clocks.
    ReadIndex,
    /// From the database each time.
    Direct,
}

impl Mode {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::ReadIndex => "read_index",
            Self::Direct => "direct",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Lease, Self::ReadIndex, Self::Direct].into_iter().find(|mode| mode.as_str() == text).ok_or("lease, read_index or direct")
    }
}

/// A node's lease and its mode, as verification sees them.
#[derive(Debug)]
pub struct Gate {
    pub(crate) held: Held,
    pub(crate) clock: LeaseClock,
    pub(crate) mode: Mode,
}

impl Gate {
    /// A gate that is closed until a lease is shown to it.
    #[must_use]
    pub fn new(terms: Terms, clock: LeaseClock, mode: Mode) -> Self {
        Self { held: Held::new(terms), clock, mode }
    }

    /// Time since the beginning of the last renewal; None while there is no lease.
    pub(crate) fn lease_age(&self) -> Option<Duration> {
        let age = self.held.age(|| self.clock.read());
        (age != i64::MAX).then(|| Duration::from_nanos(age.unsigned_abs()))
    }

    /// What there is to be said of a lease that does not run.
    pub(crate) fn why_closed(&self) -> String {
        match self.lease_age() {
            Some(age) => format!("This node's lease is over: it was renewed {} s ago, and could not be since. Its log says why.", age.as_secs()),
            None => "This node has no lease: it has not joined the others yet, or has lost its row. Its log says why.".to_owned(),
        }
    }

    /// Whether the lease ran when the clocks showed `reading`.
    pub(crate) fn was_open_at(&self, reading: Reading) -> bool {
        self.held.may_serve(|| reading)
    }

    /// Whether the lease runs.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.held.may_serve(|| self.clock.read()) || fault::lease_is_off()
    }
}
