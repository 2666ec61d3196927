//! Base 62 text, `0-9A-Za-z`: no character that a double click, a URL or a shell treats specially.
use crate::chance::Chance;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `length` characters, each uniformly random (5.95 bits), by rejection sampling.
#[must_use]
pub fn random(length: usize, chance: &dyn Chance) -> String {
    let mut text = String::with_capacity(length);
    let mut bytes = [0_u8; 64];
    while text.len() < length {
        chance.fill(&mut bytes);
        for byte in bytes {
            // 248 is the largest multiple of 62 that a byte can count to
            if byte < 248 && text.len() < length {
                text.push(char::from(ALPHABET[usize::from(byte % 62)]));
            }
        }
    }
    bytes.fill(0);
    text
}

/// `value` in exactly `N` characters, zero padded; what does not fit is dropped from the top.
#[must_use]
pub fn encode<const N: usize>(mut value: u64) -> [u8; N] {
    let mut text = [b'0'; N];
    for slot in text.iter_mut().rev() {
        *slot = ALPHABET[(value % 62) as usize];
        value /= 62;
    }
    text
}

/// Whether `text` is made of this alphabet only.
#[must_use]
pub fn is(text: &str) -> bool {
    // without a branch for each: it is asked of sixty characters on the way of every request
    text.bytes().fold(true, |all, byte| all & byte.is_ascii_alphanumeric())
}
