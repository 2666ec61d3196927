//! Keyed hashes: one prepared HMAC-SHA-256 state per purpose; and a short one for what is no security.
use std::hash::Hasher;

use sha2::block_api::compress256;
use siphasher::sip::SipHasher24;
use zeroize::Zeroizing;

use crate::secret::Digest;

/// Of SHA-256, in bytes.
const BLOCK: usize = 64;
/// The state that SHA-256 begins with (FIPS 180-4, section 5.3.3).
const BEGINNING: [u32; 8] = [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// HMAC-SHA-256 (RFC 2104) under one key of the key ring. Different purposes use different keys.
///
/// The compression function is the library's. What surrounds it is written here, since a quarter of the time of a short message went into
/// the library's own: buffers for messages that come in pieces.
#[derive(Clone)]
pub struct Keyed {
    /// After the block of the key, for the message and for its hash.
    inner: Zeroizing<[u32; 8]>,
    outer: Zeroizing<[u32; 8]>,
}

impl Keyed {
    /// Prepares the state; the two key blocks are hashed here once and never again.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let after = |pad: u8| {
            let mut block = Zeroizing::new([pad; BLOCK]);
            block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            let mut state = Zeroizing::new(BEGINNING);
            compress256(&mut state, std::slice::from_ref(&*block));
            state
        };
        Self { inner: after(0x36), outer: after(0x5c) }
    }

    /// The keyed hash of `message`.
    #[must_use]
    pub fn digest(&self, message: &[u8]) -> Digest {
        let inner = finish(*self.inner, message);
        Digest::from(finish(*self.outer, &inner))
    }
}

/// The hash of `message` after the one block that `state` comes from (FIPS 180-4, sections 5.1.1 and 6.2).
fn finish(mut state: [u32; 8], message: &[u8]) -> [u8; 32] {
    let (blocks, rest) = message.as_chunks::<BLOCK>();
    compress256(&mut state, blocks);
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x80;
    if rest.len() >= BLOCK - 8 {
        compress256(&mut state, &[last]);
        last = [0; BLOCK];
    }
    last[BLOCK - 8..].copy_from_slice(&((BLOCK + message.len()) as u64 * 8).to_be_bytes());
    compress256(&mut state, &[last]);
    let mut hash = [0; 32];
    hash.as_chunks_mut::<4>().0.iter_mut().zip(state).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
    hash
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

    proptest::proptest! {
        #[test]
        fn any_message_of_any_length_has_the_digest_that_the_library_gives_it(key: [u8; 32], message in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            use hmac::{Hmac, KeyInit, Mac};
            let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).expect("any key");
            mac.update(&message);
            assert_eq!(Keyed::new(&key).digest(&message).as_bytes()[..], mac.finalize().into_bytes()[..]);
        }
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
