//! Keyed hashes: one prepared HMAC-SHA-256 state per purpose, cloned for each use; and a short one for what is no security.
use std::hash::Hasher;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use siphasher::sip::SipHasher24;

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

/// SipHash-2-4 (Aumasson and Bernstein, 2012) under one key: 64 bits that only its holder can tell from random ones. Four times as fast as
/// [`Keyed`] on a short message, and enough to tell one's own ids from others'.
#[derive(Clone)]
pub struct Tag(SipHasher24);

impl Tag {
    /// Prepares the state from the first half of `key`.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let mut half = zeroize::Zeroizing::new([0; 16]);
        half.copy_from_slice(&key[..16]);
        Self(SipHasher24::new_with_key(&half))
    }

    /// The tag of `message`.
    #[must_use]
    pub fn of(&self, message: &[u8]) -> u64 {
        let mut state = self.0;
        state.write(message);
        state.finish()
    }
}

impl std::fmt::Debug for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tag(***)")
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

    #[test]
    fn the_tag_is_siphash_2_4_of_its_paper() {
        let key: Vec<u8> = (0..32).collect();
        let message: Vec<u8> = (0..15).collect();
        let tag = Tag::new(key.as_slice().try_into().expect("32 bytes"));
        // appendix A
        assert_eq!(tag.of(&message), 0xa129_ca61_49be_45e5);
    }
}
