//! Keyed hashes: one prepared HMAC-SHA-256 state per purpose, cloned for each use.
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secret::Digest;

/// HMAC-SHA-256 (RFC 2104) under one key of the key ring. Different purposes use different keys.
#[derive(Clone)]
pub struct Keyed(Hmac<Sha256>);

impl Keyed {
    /// Prepares the state; the two key blocks are hashed here once and never again.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        // HMAC pads a short key to its block with zeros (RFC 2104, section 2); done here, no length can be wrong
        let mut block = zeroize::Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(key);
        Self(Hmac::new((&*block).into()))
    }

    /// The keyed hash of `message`.
    #[must_use]
    pub fn digest(&self, message: &[u8]) -> Digest {
        let mut mac = self.0.clone();
        mac.update(message);
        Digest::from(<[u8; 32]>::from(mac.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyed(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_hmac_sha_256_of_rfc_4231_case_1_padded_to_our_key_size() {
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        // a zero-padded key is the same key (RFC 2104, section 2)
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(data_encoding::HEXLOWER.encode(Keyed::new(&key).digest(b"Hi There").as_bytes()), expected);
    }
}
