//! How long a lease is, and what follows from it. The same for every node of a cluster.
use std::time::Duration;

/// The lengths of time, in nanoseconds of whichever machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    pub(crate) lease: i64,
    pub(crate) wait: i64,
}

impl Terms {
    /// The shortest lease; below it the network's own hiccups would stop verification.
    pub const SHORTEST: Duration = Duration::from_secs(1);
    /// The longest lease: no revocation ever waits for more than 1.2 times this.
    pub const LONGEST: Duration = Duration::from_secs(60);

    /// The terms that follow from a lease of this length; None when it is shorter than [`Terms::SHORTEST`] or longer than [`Terms::LONGEST`].
    ///
    /// Clocks may be slewed by 8.3 % (chrony's default limit, 83,333 ppm), one up and the other down: two machines differ by less than 1.2 times.
    #[must_use]
    pub fn of(lease: Duration) -> Option<Self> {
        if lease < Self::SHORTEST || lease > Self::LONGEST {
            return None;
        }
        let lease = i64::try_from(lease.as_nanos()).ok()?;
        Some(Self { lease, wait: lease / 5 * 6 + 250_000_000 })
    }

    /// How long a node may answer from memory after the beginning of its last renewal: L.
    #[must_use]
    pub const fn lease(self) -> Duration {
        Duration::from_nanos(self.lease.unsigned_abs())
    }

    /// How often a lease is renewed: H = L/5.
    #[must_use]
    pub const fn heartbeat(self) -> Duration {
        Duration::from_nanos(self.lease.unsigned_abs() / 5)
    }

    /// After which no lease from before can be running, by any other machine's clock: W = 1.2 L + 0.25 s.
    #[must_use]
    pub const fn wait(self) -> Duration {
        Duration::from_nanos(self.wait.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_outlasts_a_lease_on_clocks_that_differ_as_much_as_clocks_may() {
        for seconds in [1, 3, 10, 45, 60] {
            let terms = Terms::of(Duration::from_secs(seconds)).expect("in range");
            // the node's clock runs 8.3 % slow, the writer's 8.3 % fast
            let (lease, wait) = (terms.lease().as_secs_f64() / (1.0 - 0.0833), terms.wait().as_secs_f64() / (1.0 + 0.0833));
            assert!(wait > lease, "{seconds} s: {lease} {wait}");
            assert_eq!(terms.heartbeat() * 5, terms.lease());
        }
        assert!(Terms::of(Duration::from_millis(999)).is_none() && Terms::of(Duration::from_secs(61)).is_none());
    }
}
