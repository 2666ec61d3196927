//! Where randomness comes from: an argument, so that tests can freeze it.

/// A source of unpredictable bytes.
pub trait Chance: std::fmt::Debug + Send + Sync {
    /// Fills the whole of `bytes`, or ends the process: a credential is never made from less.
    fn fill(&self, bytes: &mut [u8]);
}
