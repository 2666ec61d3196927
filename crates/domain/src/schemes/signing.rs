//! What all signed requests share: keys, the body, the window of time, and why one is refused. Each dialect has its own file.
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac, digest::block_api::EagerHash};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::{Fields, Request, digest::ContentDigest};
use crate::time::Timestamp;

mod explanation;
mod failure;

pub(super) use explanation::shown;
pub use explanation::{Explanation, Seen};
pub use failure::Failure;

/// The hash under an HMAC (RFC 2104).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// What field SDKs of the messaging kind still send; an installation can switch it off.
    Sha1,
    /// The usual one.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "hmac-sha1",
            Self::Sha256 => "hmac-sha256",
            Self::Sha384 => "hmac-sha384",
            Self::Sha512 => "hmac-sha512",
        }
    }

    /// The algorithm of that name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512].into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }
}

/// A secret made ready for one algorithm: both key blocks are hashed once, so that a cache can hold it. Wiped when dropped.
#[derive(Clone)]
pub struct Key(State);

#[derive(Clone)]
enum State {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

impl Key {
    /// Prepares `secret`, of any length, for `algorithm`.
    #[must_use]
    pub fn prepare(secret: &[u8], algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha1 => State::Sha1(keyed::<Sha1>(secret)),
            Algorithm::Sha256 => State::Sha256(keyed::<Sha256>(secret)),
            Algorithm::Sha384 => State::Sha384(keyed::<Sha384>(secret)),
            Algorithm::Sha512 => State::Sha512(keyed::<Sha512>(secret)),
        })
    }

    /// What it was prepared for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            State::Sha1(_) => Algorithm::Sha1,
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha384(_) => Algorithm::Sha384,
            State::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Whether `signature` is that of the pieces `write` hands over, one after the other. In constant time.
    pub(super) fn verifies(&self, signature: &[u8], write: impl FnOnce(&mut dyn FnMut(&[u8]))) -> bool {
        match &self.0 {
            State::Sha1(mac) => mac_is(mac.clone(), signature, write),
            State::Sha256(mac) => mac_is(mac.clone(), signature, write),
            State::Sha384(mac) => mac_is(mac.clone(), signature, write),
            State::Sha512(mac) => mac_is(mac.clone(), signature, write),
        }
    }
}

/// Pads, or first hashes, the secret to the hash's block (RFC 2104, section 2); done here, no length can be wrong.
fn keyed<D: EagerHash + sha2::Digest>(secret: &[u8]) -> Hmac<D> {
    let mut block = hmac::digest::Key::<Hmac<D>>::default();
    if secret.len() <= block.len() {
        block[..secret.len()].copy_from_slice(secret);
    } else {
        let hash = D::digest(secret);
        block[..hash.len()].copy_from_slice(&hash);
    }
    let mac = Hmac::new(&block);
    block.as_mut_slice().zeroize();
    mac
}

fn mac_is<M: Mac>(mut mac: M, signature: &[u8], write: impl FnOnce(&mut dyn FnMut(&[u8]))) -> bool {
    // gathered first: the pieces are of some bytes each, and there are dozens
    let (mut gathered, mut length) = ([0; 512], 0);
    write(&mut |piece| {
        if let Some(place) = gathered.get_mut(length..length + piece.len()) {
            place.copy_from_slice(piece);
            length += piece.len();
        } else {
            mac.update(&gathered[..length]);
            mac.update(piece);
            length = 0;
        }
    });
    mac.update(&gathered[..length]);
    mac.finalize().into_bytes().ct_eq(signature).into()
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({}, ***)", self.algorithm().as_str())
    }
}

/// A decoded signature, of at most 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Signature {
    bytes: [u8; 66],
    length: usize,
}

impl Signature {
    /// Reads padded standard base64 (RFC 4648, section 4), strictly.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let mut bytes = [0; 66];
        let length = BASE64.decode_slice(text, &mut bytes).ok()?;
        (1..=64).contains(&length).then_some(Self { bytes, length })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&BASE64.encode(self.as_bytes()))
    }
}

/// What the gateway says about the request's body.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// There is none. Not believed when the fields announce one.
    Absent,
    /// All of it.
    Given(&'a [u8]),
    /// The gateway cannot carry it; there may be one.
    NotSeen,
}

/// What is known of the body once the fields have been asked too.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    Seen(&'a [u8]),
    Unseen { announced: bool },
}

impl<'a> Content<'a> {
    pub(super) fn of<F: Fields>(body: Body<'a>, fields: &F) -> Self {
        // RFC 9112, section 6.3: either field announces a body, unless the length is zero
        let has_length = |value: &[u8]| value.is_empty() || !value.iter().all(|byte| *byte == b'0');
        let announced = fields.values("transfer-encoding").next().is_some() || fields.values("content-length").any(has_length);
        match body {
            Body::Given(bytes) if !bytes.is_empty() => Self::Seen(bytes),
            Body::NotSeen => Self::Unseen { announced },
            _ if announced => Self::Unseen { announced },
            _ => Self::Seen(&[]),
        }
    }

    /// Whether a digest must be signed.
    pub(super) const fn exists(self) -> bool {
        match self {
            Self::Seen(bytes) => !bytes.is_empty(),
            Self::Unseen { announced } => announced,
        }
    }

    /// Holds the body against every signed digest, and gives the strongest for the upstream. Asked after the signature was verified: a
    /// stranger cannot make us hash.
    pub(super) fn matches(self, signed: impl Iterator<Item = ContentDigest>) -> Result<Option<ContentDigest>, Failure> {
        let mut strongest: Option<ContentDigest> = None;
        for digest in signed {
            if let Self::Seen(bytes) = self
                && !digest.matches(bytes)
            {
                return Err(Failure::DigestMismatch);
            }
            if strongest.is_none_or(|other| other.hash() < digest.hash()) {
                strongest = Some(digest);
            }
        }
        // signed as a request without a body; HTTP/2 may bring one that no field announces, so the upstream is told to find none
        let none = || matches!(self, Self::Unseen { .. }).then_some(ContentDigest::NOTHING);
        Ok(strongest.or_else(none))
    }
}

/// What an installation decides about signed requests.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How far a signed date may lie from `now`, either way.
    pub skew: Duration,
    /// Whether `hmac-sha1` is accepted.
    pub sha1_allowed: bool,
}

impl Default for Policy {
    /// 300 seconds, and SHA-1 accepted: what the messaging kind's SDKs need.
    fn default() -> Self {
        Self { skew: Duration::from_secs(300), sha1_allowed: true }
    }
}

/// A signed request that is what its signer made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What the body must hash to; its `Display` is for the upstream, which must compare when the gateway could not carry the body. With
    /// no digest signed: that of nothing when the body was not seen, else None.
    pub content_digest: Option<ContentDigest>,
    /// The signed date that was within the window.
    pub signed_at: Timestamp,
}

/// The same for every copy of a signed request, however its base64 is written: SHA-256 over the key's id, a zero byte, and the signature.
pub(super) fn replay_key(id: &str, signature: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(id).chain_update([0]).chain_update(signature).finalize().into()
}

/// The fields that carry a digest of the body.
pub(super) const DIGEST_FIELDS: [&str; 4] = ["content-md5", "x-content-md5", "digest", "content-digest"];

/// Reads the digest in the field called `name`, in lower case.
pub(super) fn read_digest(name: &str, value: &[u8]) -> Option<ContentDigest> {
    match name {
        "digest" => ContentDigest::from_digest(value),
        "content-digest" => ContentDigest::from_content_digest(value),
        _ => ContentDigest::from_content_md5(value),
    }
}

/// There is a body and no digest is signed: whether one was at least sent.
pub(super) fn no_digest<F: Fields>(fields: &F) -> Failure {
    let sent = DIGEST_FIELDS.into_iter().any(|name| fields.values(name).next().is_some());
    if sent { Failure::DigestUnsigned } else { Failure::DigestMissing }
}

/// The date of a `Date` value (RFC 9110, section 5.6.7, the form that must be sent).
pub(super) fn http_date(value: &[u8]) -> Option<Timestamp> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value.trim_ascii()).ok()?;
    Some(Timestamp::from_micros(at.as_microsecond()))
}

/// The moment `seconds` after the Unix epoch, when it is one.
pub(super) fn at_second(seconds: i64) -> Option<Timestamp> {
    seconds.checked_mul(1_000_000).map(Timestamp::from_micros)
}

/// Whether `date` lies within the window around `now`.
pub(super) fn within(date: Timestamp, now: Timestamp, policy: &Policy) -> Result<Timestamp, Failure> {
    if date.since(now) <= policy.skew && now.since(date) <= policy.skew {
        Ok(date)
    } else {
        Err(Failure::DateOutside { difference_seconds: difference_seconds(date, now) })
    }
}

fn difference_seconds(date: Timestamp, now: Timestamp) -> i64 {
    date.seconds().saturating_sub(now.seconds())
}

/// Refuses what could let one signed string stand for two requests: a method that is no token, a target with a space or a control character.
pub(super) fn is_unambiguous<F>(request: &Request<'_, F>) -> Result<(), Failure> {
    let method = !request.method.is_empty() && request.method.bytes().all(is_token_byte);
    let target = !request.target.is_empty() && request.target.bytes().fold(true, |all, byte| all & (byte > b' ') & (byte != 0x7f));
    if method && target { Ok(()) } else { Err(Failure::RequestMalformed) }
}

/// Whether a header value holds no control character but a tab.
pub(super) fn is_plain(value: &[u8]) -> bool {
    // without a branch for each byte, as elsewhere here: a signed request has hundreds
    value.iter().fold(true, |all, byte| all & (!byte.is_ascii_control() | (*byte == b'\t')))
}

/// RFC 9110, section 5.6.2.
pub(super) const fn is_token_byte(byte: u8) -> bool {
    /// Looked up: a signed request has hundreds of bytes to ask for.
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            let of = byte as u8;
            table[byte] = of.is_ascii_alphanumeric()
                || matches!(of, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
            byte += 1;
        }
        table
    };
    TOKEN[byte as usize]
}

/// The longest header name that can be signed.
pub(super) const LONGEST_NAME: usize = 64;

/// `name` in lower case, without allocating. Longer names were refused when the list was read.
pub(super) fn lower<'a>(name: &str, room: &'a mut [u8; LONGEST_NAME]) -> &'a str {
    let length = name.len().min(LONGEST_NAME);
    room[..length].copy_from_slice(&name.as_bytes()[..length]);
    room[..length].make_ascii_lowercase();
    std::str::from_utf8(&room[..length]).unwrap_or_default()
}

/// Hands `text` in lower case to `sink`, without allocating.
pub(super) fn write_lower(text: &str, sink: &mut dyn FnMut(&[u8])) {
    for byte in text.bytes() {
        sink(&[byte.to_ascii_lowercase()]);
    }
}

/// Reads `name="value", name=value …` (RFC 9110, section 11.2; no backslash within quotes), blanks allowed around every part, and hands
/// each name and value over, and whether it was quoted. None when it is written otherwise, beyond ASCII, or `each` refuses one.
pub(super) fn each_parameter<'a>(mut rest: &'a str, mut each: impl FnMut(&'a str, &'a str, bool) -> Option<()>) -> Option<()> {
    loop {
        let (name, value) = split_at_byte(rest, b'=')?;
        let (name, value) = (trim_blanks_after(trim_blanks_before(name)), trim_blanks_before(value));
        let (value, quoted, after) = match value.strip_prefix('"') {
            Some(value) => split_at_byte(value, b'"').map(|(value, after)| (value, true, after))?,
            None => {
                let end = value.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(value.len());
                let (value, after) = value.split_at_checked(end)?;
                (value, false, after)
            }
        };
        let plain = value.bytes().fold(true, |plain, byte| plain & (b' '..0x7f).contains(&byte) & (byte != b'\\'));
        if !plain || name.is_empty() || !name.bytes().all(is_token_byte) || (!quoted && value.is_empty()) {
            return None;
        }
        each(name, value, quoted)?;
        let after = trim_blanks_before(after);
        if after.is_empty() {
            return Some(());
        }
        rest = after.strip_prefix(',')?;
    }
}

/// What stands before and after the first `byte`, which is ASCII.
fn split_at_byte(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = memchr::memchr(byte, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn trim_blanks_before(text: &str) -> &str {
    let blanks = text.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.get(blanks..).unwrap_or_default()
}

fn trim_blanks_after(text: &str) -> &str {
    let blanks = text.bytes().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.get(..text.len() - blanks).unwrap_or_default()
}

/// Sets `slot` once; None when it is set already.
pub(super) fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

#[cfg(test)]
pub(super) mod fixture;
#[cfg(test)]
mod tests;
