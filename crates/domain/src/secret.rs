//! Secrets in memory: wiped when dropped, never printed, compared in constant time.
use std::fmt;

use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret in the clear, on its way in (presented) or on its way out (shown once).
#[derive(Clone)]
pub struct Plain(Zeroizing<String>);

impl Plain {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain(***)")
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// The keyed hash of a generated secret: what is stored, and all that verification needs.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest as stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A digest of exactly 32 bytes, as read back from the store.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Whether both are the same; the time taken does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> subtle::Choice {
        let words = |digest: &Self| std::array::from_fn::<_, 4, _>(|at| u64::from_ne_bytes(std::array::from_fn(|byte| digest.0[at * 8 + byte])));
        words(self).iter().zip(words(other)).fold(0, |differ, (one, other)| differ | (one ^ other)).ct_eq(&0)
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(***)")
    }
}
