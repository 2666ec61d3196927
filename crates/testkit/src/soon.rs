//! Waiting for what must come about: one helper, one deadline. How fast it comes about is not what a test may ask: see CONTRIBUTING.

use std::time::{Duration, Instant};

/// How long anything that must happen may take before a test fails. It finds what never happens, and says nothing of speed: a
/// machine ten times slower than any of ours keeps it.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Between looks.
const GLANCE: Duration = Duration::from_millis(10);

/// Looks until there is something, and gives that.
///
/// # Panics
/// With what the last look said, when there is still nothing after [`DEADLINE`].
#[track_caller]
pub fn soon<T, Why: std::fmt::Display>(what: &str, look: impl FnMut() -> Result<T, Why>) -> T {
    within(DEADLINE, what, look)
}

/// As [`soon`], for looks that take long themselves.
#[track_caller]
pub fn within<T, Why: std::fmt::Display>(deadline: Duration, what: &str, mut look: impl FnMut() -> Result<T, Why>) -> T {
    let until = Instant::now() + deadline;
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) => assert!(Instant::now() < until, "not so after {deadline:?}: {what}\n{why}"),
        }
        std::thread::sleep(GLANCE);
    }
}

/// Waits until it holds.
///
/// # Panics
/// When it does not after [`DEADLINE`].
#[track_caller]
pub fn assert_soon(what: &str, mut holds: impl FnMut() -> bool) {
    soon(what, || if holds() { Ok(()) } else { Err("") });
}

/// As [`assert_soon`], in tests that have a runtime.
///
/// # Panics
/// The same.
pub async fn assert_soon_async(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !holds().await {
        assert!(Instant::now() < until, "not so after {DEADLINE:?}: {what}");
        tokio::time::sleep(GLANCE).await;
    }
}
