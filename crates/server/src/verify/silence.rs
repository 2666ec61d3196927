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

static LAST: Mutex<Option<Instant>> = Mutex::new(None);
static SINCE: AtomicU64 = AtomicU64::new(0);

/// Notes that a verification could not be decided.
pub(super) fn note<T: Display>(why: impl FnOnce() -> T) {
    let count = SINCE.fetch_add(1, Ordering::Relaxed) + 1;
    // whoever holds it is writing, or has just found that it is too early
    let Ok(mut last) = LAST.try_lock() else { return };
    if last.is_some_and(|last| last.elapsed() < EVERY) {
        return;
    }
    *last = Some(Instant::now());
    SINCE.fetch_sub(count, Ordering::Relaxed);
    tracing::error!(why = %why(), count, "verification cannot say");
}
