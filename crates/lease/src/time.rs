//! What a clock showed. Of two readings it can be said how much time passed between them at least, and at most.

/// What this machine's clocks showed at one moment, in nanoseconds. Readings of two machines must not be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reading {
    /// Time since boot, suspension included (`CLOCK_BOOTTIME`). Not `CLOCK_MONOTONIC`, which stands still while the machine sleeps.
    pub boot: i64,
    /// The wall clock (`CLOCK_REALTIME`). It goes on while a virtual machine is paused, when time since boot may not.
    pub real: i64,
}

impl Reading {
    /// The most time that may have passed since `earlier`: what a lease is judged by. For ever, when the wall clock ran backwards.
    #[must_use]
    pub const fn most_since(self, earlier: Self) -> i64 {
        let boot = self.boot.saturating_sub(earlier.boot);
        let real = self.real.saturating_sub(earlier.real);
        if real < 0 || boot < 0 {
            i64::MAX
        } else if boot > real {
            boot
        } else {
            real
        }
    }

    /// The least time that has passed since `earlier`: what a wait is judged by. A wall clock that was set forward shortens no wait.
    #[must_use]
    pub const fn least_since(self, earlier: Self) -> i64 {
        self.boot.saturating_sub(earlier.boot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(boot: i64, real: i64) -> Reading {
        Reading { boot, real }
    }

    #[test]
    fn either_clock_may_end_a_lease_and_only_the_clock_that_nobody_sets_may_end_a_wait() {
        let earlier = at(100, 1_000);
        for (now, most, least) in [
            (at(105, 1_005), 5, 5),
            // paused: time since boot stood still
            (at(105, 1_900), 900, 5),
            // set forward by an hour: leases end, waits go on
            (at(106, 4_600), 3_600, 6),
            // set back
            (at(106, 400), i64::MAX, 6),
        ] {
            assert_eq!((now.most_since(earlier), now.least_since(earlier)), (most, least), "{now:?}");
        }
    }
}
