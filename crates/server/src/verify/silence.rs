//! Why verification cannot say, in the log: now and then, and not for each request that is refused for it.
use std::{
    fmt::Display,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// At most so often.
const EVERY: Duration = Duration::from_secs(10);

static SILENCE: Seldom = Seldom { last: Mutex::new(None), since: AtomicU64::new(0) };

/// Notes that a verification could not be decided.
pub(super) fn note<T: Display>(why: impl FnOnce() -> T) {
    if let Some(count) = SILENCE.count() {
        tracing::error!(why = %why(), count, "verification cannot say");
    }
}

struct Seldom {
    last: Mutex<Option<Instant>>,
    since: AtomicU64,
}

impl Seldom {
    /// Counts one more; gives how many there were since it gave a number last, if that is long enough ago.
    fn count(&self) -> Option<u64> {
        let count = self.since.fetch_add(1, Ordering::Relaxed) + 1;
        // whoever holds it has a number, or has just found that it is too early
        let mut last = self.last.try_lock().ok()?;
        if last.is_some_and(|last| last.elapsed() < EVERY) {
            return None;
        }
        *last = Some(Instant::now());
        self.since.fetch_sub(count, Ordering::Relaxed);
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_one_is_written_now_and_then_with_their_number() {
        let seldom = Seldom { last: Mutex::new(None), since: AtomicU64::new(0) };
        assert_eq!([seldom.count(), seldom.count(), seldom.count()], [Some(1), None, None]);
        *seldom.last.lock().expect("not poisoned") = Instant::now().checked_sub(EVERY);
        assert_eq!([seldom.count(), seldom.count()], [Some(3), None]);
    }
}
