//! Digests of a body as header fields write them: `Content-MD5`, `Digest` and `Content-Digest`. Whether they are signed is the dialect's to say.
use std::{borrow::Cow, fmt};

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use md5::Md5;
use sfv::{
    BareItemFromInput, KeyRef, Parser, Version,
    visitor::{DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, Never, ParameterVisitor},
};
use sha2::{Digest as _, Sha256, Sha512};

/// The longest field value that is looked at.
const LONGEST: usize = 1024;

/// The hash of a body's digest, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hash {
    /// Only in `Content-MD5` and `x-Content-MD5`, which the messaging kind's clients send.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Its key in `Content-Digest` (RFC 9530, section 5).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha256 => "sha-256",
            Self::Sha512 => "sha-512",
        }
    }

    const fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn strong(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha512].into_iter().find(|hash| hash.as_str().eq_ignore_ascii_case(name))
    }
}

/// A digest of a body. `Display` writes it as a `Content-Digest` value (RFC 9530, section 2), whatever field it came in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ContentDigest {
    hash: Hash,
    bytes: [u8; 64],
}

impl ContentDigest {
    /// The SHA-256 of no body at all.
    pub const NOTHING: Self = {
        let mut bytes = [0; 64];
        let digest =
            *b"\xe3\xb0\xc4\x42\x98\xfc\x1c\x14\x9a\xfb\xf4\xc8\x99\x6f\xb9\x24\x27\xae\x41\xe4\x64\x9b\x93\x4c\xa4\x95\x99\x1b\x78\x52\xb8\x55";
        bytes.split_at_mut(32).0.copy_from_slice(&digest);
        Self { hash: Hash::Sha256, bytes }
    };

    /// As its `Display` writes it.
    #[must_use]
    pub fn text(&self) -> Cow<'static, str> {
        if *self == Self::NOTHING { Cow::Borrowed("sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:") } else { Cow::Owned(self.to_string()) }
    }

    /// The digest of `body`.
    #[must_use]
    pub fn of(hash: Hash, body: &[u8]) -> Self {
        match hash {
            Hash::Md5 => Self::from_slice(hash, &Md5::digest(body)),
            Hash::Sha256 => Self::from_slice(hash, &Sha256::digest(body)),
            Hash::Sha512 => Self::from_slice(hash, &Sha512::digest(body)),
        }
    }

    /// Which hash it is of.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// The digest itself: 16, 32 or 64 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.hash.length()]
    }

    /// Whether it is the digest of `body`. A digest is public; this takes no care of time.
    #[must_use]
    pub fn matches(&self, body: &[u8]) -> bool {
        Self::of(self.hash, body) == *self
    }

    /// Reads `Content-MD5` or `x-Content-MD5`: hexadecimal in either case, as the messaging kind's clients write it, or base64 (RFC 1864).
    #[must_use]
    pub fn from_content_md5(value: &[u8]) -> Option<Self> {
        let value = value.trim_ascii();
        if value.len() != 32 {
            return Self::from_base64(Hash::Md5, value);
        }
        let mut bytes = [0; 16];
        HEXLOWER_PERMISSIVE.decode_mut(value, &mut bytes).ok()?;
        Some(Self::from_slice(Hash::Md5, &bytes))
    }

    /// Reads `Digest` (RFC 3230): the strongest of its SHA-256 and SHA-512 digests. Other hashes are passed over; the same one twice is refused.
    #[must_use]
    pub fn from_digest(value: &[u8]) -> Option<Self> {
        let value = std::str::from_utf8(value).ok().filter(|value| value.len() <= LONGEST)?;
        let mut found = Strongest::default();
        for part in value.split(',') {
            let (name, digest) = part.trim_ascii().split_once('=')?;
            if let Some(hash) = Hash::strong(name) {
                found.add(Self::from_base64(hash, digest.as_bytes())?)?;
            }
        }
        found.0
    }

    /// Reads `Content-Digest` (RFC 9530, section 2): the strongest of its `sha-256` and `sha-512` digests. Other hashes are passed over; the
    /// same one twice is refused.
    #[must_use]
    pub fn from_content_digest(value: &[u8]) -> Option<Self> {
        if value.len() > LONGEST {
            return None;
        }
        Parser::new(value).with_version(Version::Rfc8941).parse_dictionary_with_visitor(Strongest::default()).ok()?
    }

    fn from_base64(hash: Hash, text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 66];
        let room = BASE64.decode_len(text.len()).ok()?;
        let length = BASE64.decode_mut(text, bytes.get_mut(..room)?).ok()?;
        (length == hash.length()).then(|| Self::from_slice(hash, &bytes[..length]))
    }

    fn from_slice(hash: Hash, slice: &[u8]) -> Self {
        let mut bytes = [0; 64];
        bytes[..slice.len()].copy_from_slice(slice);
        Self { hash, bytes }
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=:{}:", self.hash.as_str(), BASE64.encode_display(self.as_bytes()))
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The strongest digest so far.
#[derive(Default)]
struct Strongest(Option<ContentDigest>);

impl Strongest {
    fn add(&mut self, digest: ContentDigest) -> Option<()> {
        match self.0 {
            Some(other) if other.hash == digest.hash => None,
            Some(other) if other.hash > digest.hash => Some(()),
            _ => {
                self.0 = Some(digest);
                Some(())
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("not a dictionary of digests")]
struct Refused;

impl<'a> DictionaryVisitor<'a> for Strongest {
    type Out = Option<ContentDigest>;
    type Error = Refused;

    fn entry(&mut self, key: &'a KeyRef) -> Result<impl EntryVisitor<'a>, Refused> {
        Ok(Hash::strong(key.as_str()).map(|hash| Entry { hash, found: self }))
    }

    fn finish(self) -> Result<Self::Out, Refused> {
        Ok(self.0)
    }
}

struct Entry<'s> {
    hash: Hash,
    found: &'s mut Strongest,
}

impl<'a> EntryVisitor<'a> for Entry<'_> {
    type Error = Refused;

    fn item(self) -> Result<impl ItemVisitor<'a>, Refused> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'a>, Refused> {
        Err::<Never, _>(Refused)
    }
}

impl<'a> ItemVisitor<'a> for Entry<'_> {
    type Out = ();
    type Error = Refused;

    fn bare_item(self, item: BareItemFromInput<'a>) -> Result<impl ParameterVisitor<'a, Out = ()>, Refused> {
        let BareItemFromInput::ByteSequence(bytes) = item else { return Err(Refused) };
        if bytes.len() != self.hash.length() {
            return Err(Refused);
        }
        self.found.add(ContentDigest::from_slice(self.hash, &bytes)).ok_or(Refused)?;
        Ok(Ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"hello": "world"}"#;
    const SHA_256: &str = "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=";

    #[test]
    fn an_md5_is_read_in_hexadecimal_of_either_case_and_in_base64() {
        let b2 = br#"{ "something": "Test test test" }"#;
        for value in
            ["9388bdde7687be0933cc1a68cc44a6b1", "9388BDDE7687BE0933CC1A68CC44A6B1", " 9388bdde7687be0933cc1a68cc44a6b1 ", "k4i93naHvgkzzBpozESmsQ=="]
        {
            assert!(ContentDigest::from_content_md5(value.as_bytes()).is_some_and(|digest| digest.matches(b2)), "{value}");
        }
        for bad in ["", "9388", "9388bdde7687be0933cc1a68cc44a6bg", "k4i93naHvgkzzBpozESmsQ", "k4i93naHvgkzzBpozESmsR==", SHA_256] {
            assert_eq!(ContentDigest::from_content_md5(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(ContentDigest::of(Hash::Md5, b2).to_string(), "md5=:k4i93naHvgkzzBpozESmsQ==:");
    }

    #[test]
    fn a_digest_field_gives_its_strongest_hash() {
        let both = format!("{}, SHA-256={SHA_256}", "sha-512=".to_owned() + &BASE64.encode(&Sha512::digest(BODY)));
        for (value, hash) in
            [(format!("SHA-256={SHA_256}"), Hash::Sha256), (format!("MD5=abc,sha-256={SHA_256}"), Hash::Sha256), (both, Hash::Sha512)]
        {
            let digest = ContentDigest::from_digest(value.as_bytes());
            assert!(digest.is_some_and(|digest| digest.hash() == hash && digest.matches(BODY) && !digest.matches(b"")), "{value}");
        }
        for bad in [
            String::new(),
            "SHA-256".into(),
            "SHA-256=".into(),
            "MD5=k4i93naHvgkzzBpozESmsQ==".into(),
            format!("SHA-256={SHA_256},SHA-256={SHA_256}"),
        ] {
            assert_eq!(ContentDigest::from_digest(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn nothing_has_its_digest_and_its_text() {
        assert_eq!(ContentDigest::NOTHING, ContentDigest::of(Hash::Sha256, b""));
        for digest in [ContentDigest::NOTHING, ContentDigest::of(Hash::Sha256, b"a"), ContentDigest::of(Hash::Sha512, b"")] {
            assert_eq!(digest.text(), digest.to_string());
        }
    }

    #[test]
    fn a_content_digest_is_a_dictionary_of_byte_sequences() {
        let good = format!("sha-256=:{SHA_256}:");
        let digest = ContentDigest::from_content_digest(good.as_bytes());
        assert!(digest.is_some_and(|digest| digest.matches(BODY) && digest.to_string() == good));
        assert!(ContentDigest::from_content_digest(format!("unixsum=:AAAA:, {good};q=1").as_bytes()).is_some());
        let twice = format!("{good}, {good}");
        for bad in ["", "sha-256", "sha-256=:AAAA:", "sha-256=(:AAAA:)", "md5=:k4i93naHvgkzzBpozESmsQ==:", "sha-256=\"x\"", &good[..20], &twice] {
            assert_eq!(ContentDigest::from_content_digest(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_value_makes_a_parser_panic(value: Vec<u8>, text in "(sha-256|SHA-512|md5)[=:]{1,2}[A-Za-z0-9+/=]{0,90}[:,; ]{0,3}") {
            for value in [&value[..], text.as_bytes()] {
                let _ = (ContentDigest::from_content_md5(value), ContentDigest::from_digest(value), ContentDigest::from_content_digest(value));
            }
        }

        #[test]
        fn what_is_written_is_read(body: Vec<u8>) {
            let digest = ContentDigest::of(Hash::Sha512, &body);
            proptest::prop_assert_eq!(ContentDigest::from_content_digest(digest.to_string().as_bytes()), Some(digest));
        }
    }
}
