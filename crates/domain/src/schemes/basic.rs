//! `Authorization: Basic` (RFC 7617). Reading it only; which kinds of credential may be sent so is the verifier's to say.
use std::fmt;

use base64::{Engine, decoded_len_estimate, prelude::BASE64_STANDARD as BASE64};
use zeroize::Zeroizing;

/// The longest pair that is read, colon included.
const LONGEST: usize = 512;

/// A username and a password, as presented. Wiped when dropped; `Debug` hides both: a key may stand in either.
pub struct Pair {
    bytes: Zeroizing<Vec<u8>>,
    colon: usize,
}

impl Pair {
    /// What stands before the first colon.
    #[must_use]
    pub fn user(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.colon]).unwrap_or_default()
    }

    /// What stands after the first colon, further colons included.
    #[must_use]
    pub fn password(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.colon + 1..]).unwrap_or_default()
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pair(***)")
    }
}

/// The pair of an `Authorization` value, or None when it is of another scheme, not strict base64, not UTF-8, without a colon, longer
/// than 512 bytes, or holds control characters (RFC 7617, section 2).
#[must_use]
pub fn parse(value: &[u8]) -> Option<Pair> {
    let space = memchr::memchr(b' ', value)?;
    let (scheme, encoded) = value.split_at(space);
    let encoded = encoded.trim_ascii();
    // base64 decodes into whole groups of three, so there may be a little more room than the longest pair
    let room = decoded_len_estimate(encoded.len());
    if room > LONGEST.next_multiple_of(3) || !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let mut bytes = Zeroizing::new(vec![0; room]);
    let length = BASE64.decode_slice(encoded, &mut bytes).ok().filter(|length| *length <= LONGEST)?;
    bytes.truncate(length);
    let colon = memchr::memchr(b':', &bytes)?;
    // most pairs are ASCII, and told at once
    let plain = bytes.iter().fold(true, |plain, byte| plain & (b' '..0x7f).contains(byte));
    if !plain && std::str::from_utf8(&bytes).ok()?.chars().any(char::is_control) {
        return None;
    }
    Some(Pair { bytes, colon })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(pair: impl AsRef<[u8]>) -> Vec<u8> {
        format!("Basic {}", BASE64.encode(pair.as_ref())).into_bytes()
    }

    #[test]
    fn base64_is_read_in_one_way_only() {
        assert!(parse(b"Basic YTpi").is_some());
        // two texts in one, blanks, another alphabet, no padding, too much of it, bits that say nothing
        for bad in ["YTo=YTo=", "YT pi", "YTo_", "YTo", "YTpi====", "YTp="] {
            assert!(parse(format!("Basic {bad}").as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_documented_values_are_read() {
        for (value, user, password) in [
            ("Basic dGhpc2lzYWtleTp0aGlzaXNhc2VjcmV0Zm9ybW1iYXNpY2F1dGhyZXN0YXBp", "thisisakey", "thisisasecretformmbasicauthrestapi"),
            ("basic  QVBJX0tFWV8xMjM0NTY3ODpBUElfU0VDUkVUXzEyMzQ1Njc4 ", "API_KEY_12345678", "API_SECRET_12345678"),
            ("BASIC QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"),
            // RFC 7617, section 2.1
            ("Basic dGVzdDoxMjPCow==", "test", "123£"),
        ] {
            let pair = parse(value.as_bytes());
            assert_eq!(pair.as_ref().map(|pair| (pair.user(), pair.password())), Some((user, password)), "{value}");
        }
    }

    #[test]
    fn the_first_colon_divides() {
        let read = |text: &str| parse(&encoded(text)).map(|pair| (pair.user().to_owned(), pair.password().to_owned()));
        assert_eq!(read("a:b:c:"), Some(("a".into(), "b:c:".into())));
        assert_eq!(read(":"), Some((String::new(), String::new())));
        assert_eq!(read("no colon"), None);
    }

    #[test]
    fn what_is_not_strictly_a_pair_is_refused() {
        for bad in [
            &b""[..],
            b"Basic",
            b"Basic ",
            b"Basic\tYTpi",
            b"Bearer YTpi",
            b"YTpi",
            b"Basic YTpi=",
            b"Basic YTpiYw",
            b"Basic YTpiYx==",
            b"Basic YT pi",
            b"Basic Y-_i",
            b"Basic \xff",
        ] {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
        for bad in [&b"a:\xff"[..], b"a\xe9:b", b"a:b\n", b"a\0:b", b"a:\x7f", "a:\u{85}".as_bytes()] {
            assert!(parse(&encoded(bad)).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_pair_has_at_most_512_bytes() {
        for (length, accepted) in [(510, true), (511, true), (512, true), (513, false), (514, false), (515, false), (5000, false)] {
            assert_eq!(parse(&encoded(format!("{:a>length$}", ":"))).is_some(), accepted, "{length}");
        }
    }

    #[test]
    fn debug_shows_neither_half() {
        assert_eq!(format!("{:?}", parse(&encoded("someone:hunter2"))), "Some(Pair(***))");
    }

    proptest::proptest! {
        #[test]
        fn no_value_makes_the_parser_panic(value: Vec<u8>, pair: Vec<u8>) {
            for value in [value, encoded(pair)] {
                if let Some(pair) = parse(&value) {
                    let _ = (pair.user().len(), pair.password().len());
                }
            }
        }

        #[test]
        fn every_pair_is_read_as_it_was_written(user in "[^:\\p{Cc}]{0,40}", password in "\\PC{0,40}") {
            let pair = parse(&encoded(format!("{user}:{password}")));
            proptest::prop_assert_eq!(pair.as_ref().map(|pair| (pair.user(), pair.password())), Some((&*user, &*password)));
        }
    }
}
