//! Negative controls: safeties that the tests of the cluster switch off, to see that they would notice. Not in a release build.

/// Whether memory answers without a lease.
#[cfg(debug_assertions)]
pub(crate) fn lease_is_off() -> bool {
    is("lease")
}

/// Whether a change returns without waiting for other nodes.
#[cfg(debug_assertions)]
pub(crate) fn barrier_is_off() -> bool {
    is("barrier")
}

#[cfg(debug_assertions)]
fn is(name: &str) -> bool {
    static OFF: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let off = std::env::var("CLAVIGER_TEST_SWITCH_OFF").unwrap_or_default();
        if !off.is_empty() {
            tracing::error!(off, "a safety is switched off, for a test");
        }
        off
    });
    OFF.as_str() == name
}

#[cfg(not(debug_assertions))]
pub(crate) const fn lease_is_off() -> bool {
    false
}

#[cfg(not(debug_assertions))]
pub(crate) const fn barrier_is_off() -> bool {
    false
}
