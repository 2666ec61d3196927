//! The text of generated credentials: `<prefix>_<kind>_<id><secret><crc>`, in base 62, so that junk is known before any lookup.
//!
//! The id (22 characters) is 16 random ones and a 6-character tag keyed by the installation: an id that was not made here is refused
//! in memory. The secret is 32 random characters (190 bits). The last 6 are the CRC-32 (IEEE) of everything before them, so that a
//! secret scanner can tell a real one offline. The tag and the checksum keep junk out; they are no security.
use crate::{base62, chance::Chance, invalid::Invalid, keyed::Tag, secret::Plain};

const RANDOM: usize = 16;
const TAGGED: usize = 6;
const ID: usize = RANDOM + TAGGED;
const SECRET: usize = 32;
const CRC: usize = 6;

/// What a generated text is for; its second word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The public part of a client credential.
    Client,
    /// The secret of a client credential.
    Secret,
    /// A whole API key: its public part and its secret in one.
    ApiKey,
    /// The public part of a Basic pair.
    Basic,
    /// The public part of a signing pair.
    Hmac,
    /// A whole API key of the operator's own staff and systems.
    Operator,
    /// A whole key of the canary, which no gateway's question accepts.
    Canary,
}

impl Purpose {
    const fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Secret => "secret",
            Self::ApiKey => "key",
            Self::Basic => "basic",
            Self::Hmac => "hmac",
            Self::Operator => "operator",
            Self::Canary => "canary",
        }
    }
}

/// The installation's own spelling: its prefix, and the key of its id tags.
#[derive(Clone, Debug)]
pub struct Format {
    prefix: String,
    tag: Tag,
}

/// A generated key taken apart. Its checksum and id tag have been checked; whether it exists has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// What is looked up, shown and logged.
    pub public_id: &'a str,
}

impl Format {
    /// The format of an installation.
    ///
    /// # Errors
    /// When the prefix is not 2 to 10 characters of `a-z0-9` that begin with a letter.
    pub fn new(prefix: &str, tag: Tag) -> Result<Self, Invalid> {
        Self::check_prefix(prefix)?;
        Ok(Self { prefix: prefix.to_owned(), tag })
    }

    /// Whether an installation can have this prefix.
    ///
    /// # Errors
    /// As [`Format::new`].
    pub fn check_prefix(prefix: &str) -> Result<(), Invalid> {
        let fits = (2..=10).contains(&prefix.len())
            && prefix.starts_with(|c: char| c.is_ascii_lowercase())
            && prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if fits {
            Ok(())
        } else {
            Err(Invalid::new("prefix", "prefix_invalid", "A prefix is 2 to 10 characters of a-z and 0-9, the first a letter."))
        }
    }

    /// A new public part, such as `clv_client_…`.
    #[must_use]
    pub fn public_id(&self, purpose: Purpose, chance: &dyn Chance) -> String {
        let mut text = format!("{}_{}_{}", self.prefix, purpose.word(), base62::random(RANDOM, chance));
        let tag = self.tag_of(&text);
        text.push_str(&String::from_utf8_lossy(&tag));
        text
    }

    /// A new secret that stands alone, such as `clv_secret_…`.
    #[must_use]
    pub fn secret(&self, chance: &dyn Chance) -> Plain {
        self.finish(format!("{}_{}_", self.prefix, Purpose::Secret.word()), chance)
    }

    /// A new whole key that begins with `public_id`.
    #[must_use]
    pub fn key(&self, public_id: &str, chance: &dyn Chance) -> Plain {
        self.finish(public_id.to_owned(), chance)
    }

    fn finish(&self, mut text: String, chance: &dyn Chance) -> Plain {
        text.reserve_exact(SECRET + CRC);
        let secret = zeroize::Zeroizing::new(base62::random(SECRET, chance));
        text.push_str(&secret);
        let crc = crc_of(&text);
        text.push_str(&String::from_utf8_lossy(&crc));
        Plain::new(text)
    }

    /// Whether `text` could be a public part made here: shape and tag. Nothing is looked up.
    #[must_use]
    pub fn is_public_id(&self, purpose: Purpose, text: &str) -> bool {
        self.body_of(purpose, text).is_some_and(|id| id.len() == ID && base62::is(id)) && self.has_own_tag(text)
    }

    /// Whether `text` could be a secret made here: shape and checksum.
    #[must_use]
    pub fn is_secret(&self, text: &str) -> bool {
        self.body_of(Purpose::Secret, text).is_some_and(|body| body.len() == SECRET + CRC && base62::is(body)) && has_own_crc(text)
    }

    /// The public part of what has the length and the beginning of a whole key. Whether it was made here, [`Self::parse_key`] says.
    #[must_use]
    pub fn public_part<'a>(&self, purpose: Purpose, text: &'a str) -> Option<&'a str> {
        let has_length = self.body_of(purpose, text)?.len() == ID + SECRET + CRC;
        has_length.then(|| text.get(..text.len() - SECRET - CRC)).flatten()
    }

    /// Takes a whole key apart, or None when it was not made here.
    #[must_use]
    pub fn parse_key<'a>(&self, purpose: Purpose, text: &'a str) -> Option<Parts<'a>> {
        let body = self.body_of(purpose, text)?;
        if body.len() != ID + SECRET + CRC || !base62::is(body) || !has_own_crc(text) {
            return None;
        }
        let public_id = &text[..text.len() - SECRET - CRC];
        self.has_own_tag(public_id).then_some(Parts { public_id })
    }

    /// Whether `text` begins like all that is made here, secrets among it.
    #[must_use]
    pub fn begins(&self, text: &str) -> bool {
        text.strip_prefix(self.prefix.as_str()).is_some_and(|rest| rest.starts_with('_'))
    }

    fn body_of<'a>(&self, purpose: Purpose, text: &'a str) -> Option<&'a str> {
        text.strip_prefix(self.prefix.as_str())?.strip_prefix('_')?.strip_prefix(purpose.word())?.strip_prefix('_')
    }

    fn has_own_tag(&self, public_id: &str) -> bool {
        let (untagged, tag) = public_id.split_at(public_id.len() - TAGGED);
        self.tag_of(untagged) == tag.as_bytes()
    }

    fn tag_of(&self, untagged: &str) -> [u8; TAGGED] {
        base62::encode(self.tag.of(untagged.as_bytes()))
    }
}

/// What stands in a whole key behind its public part, and is all of it that is hashed: the key is looked up by the other part. A message of 38
/// characters takes one block of SHA-256 less than one of 68.
#[must_use]
pub fn secret_part(key: &str) -> &str {
    key.split_at_checked(key.len().saturating_sub(SECRET + CRC)).map_or(key, |(_, secret)| secret)
}

/// The last few characters, by which people tell secrets apart without seeing them.
#[must_use]
pub fn hint(secret: &str) -> String {
    let start = secret.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
    format!("…{}", &secret[start..])
}

fn has_own_crc(text: &str) -> bool {
    let (body, crc) = text.split_at(text.len() - CRC);
    crc_of(body) == crc.as_bytes()
}

fn crc_of(body: &str) -> [u8; CRC] {
    base62::encode(u64::from(crc32fast::hash(body.as_bytes())))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    #[derive(Debug)]
    struct Counting(AtomicU8);

    impl Chance for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn format(key: u8) -> Format {
        Format::new("clv", Tag::new(&[key; 32])).expect("a good prefix")
    }

    #[test]
    fn what_is_made_here_is_known_here() {
        let (format, chance) = (format(7), Counting(AtomicU8::new(0)));
        let client = format.public_id(Purpose::Client, &chance);
        assert!(format.is_public_id(Purpose::Client, &client), "{client}");
        assert!(!format.is_public_id(Purpose::ApiKey, &client));
        assert!(format.is_secret(format.secret(&chance).expose()));
        let id = format.public_id(Purpose::ApiKey, &chance);
        let key = format.key(&id, &chance);
        assert_eq!(format.parse_key(Purpose::ApiKey, key.expose()), Some(Parts { public_id: &id }));
        assert_eq!(format.public_part(Purpose::ApiKey, key.expose()), Some(id.as_str()));
        assert_eq!(format!("{id}{}", secret_part(key.expose())), key.expose(), "both parts are the whole");
        assert!(format.public_part(Purpose::Operator, key.expose()).is_none() && format.public_part(Purpose::ApiKey, &key.expose()[1..]).is_none());
    }

    #[test]
    fn an_id_of_another_installation_is_refused_before_any_lookup() {
        let chance = Counting(AtomicU8::new(0));
        let foreign = format(8).public_id(Purpose::Client, &chance);
        assert!(!format(7).is_public_id(Purpose::Client, &foreign));
    }

    #[test]
    fn every_single_changed_character_is_noticed() {
        let (format, chance) = (format(7), Counting(AtomicU8::new(0)));
        let id = format.public_id(Purpose::ApiKey, &chance);
        let key = format.key(&id, &chance);
        for at in 0..key.expose().len() {
            let mut bytes = key.expose().as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(bytes).expect("still text");
            assert_eq!(format.parse_key(Purpose::ApiKey, &changed), None, "{at}");
        }
    }

    #[test]
    fn the_checksum_is_the_one_any_scanner_can_compute() {
        // crc32(b"123456789") = 0xcbf43926, the check value of CRC-32/ISO-HDLC
        assert_eq!(crc_of("123456789"), base62::encode(0xcbf4_3926));
        assert_eq!(&crc_of("123456789"), b"3jZRME");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in "\\PC*") {
            let format = format(7);
            let _ = (format.is_secret(&text), format.is_public_id(Purpose::Client, &text), format.parse_key(Purpose::Operator, &text), hint(&text), secret_part(&text));
            let text = format!("clv_client_{text}");
            let _ = (format.is_public_id(Purpose::Client, &text), format.parse_key(Purpose::Client, &text), format.public_part(Purpose::Client, &text));
        }
    }
}
