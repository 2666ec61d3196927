//! `Authorization: Bearer <token>` (RFC 6750, section 2.1), and API keys under the names that others gave them (`ApiKey`, `Api-Key`). Reading
//! only; a token's signature is the server's to check.

/// The longest token that is looked at; ours have about 700 characters.
const LONGEST: usize = 4096;

/// The token of an `Authorization` value, or None when it is of another scheme or not a `b64token`.
#[must_use]
pub fn parse(value: &[u8]) -> Option<&str> {
    behind(b"bearer ", value)
}

/// The same of `ApiKey` and `Api-Key`, which no RFC knows and many clients do.
#[must_use]
pub fn parse_key(value: &[u8]) -> Option<&str> {
    behind(b"apikey ", value).or_else(|| behind(b"api-key ", value))
}

fn behind<'a>(scheme: &[u8], value: &'a [u8]) -> Option<&'a str> {
    let (given, token) = value.split_at_checked(scheme.len())?;
    let token = trim_blanks(token);
    let fits = given.eq_ignore_ascii_case(scheme) && !token.is_empty() && token.len() <= LONGEST;
    if !fits || !is_b64token(token) {
        return None;
    }
    std::str::from_utf8(token).ok()
}

/// RFC 6750, section 2.1. Without a branch for each byte, so that the compiler takes many at once: tokens are long, and this is on the way
/// of every request.
fn is_b64token(token: &[u8]) -> bool {
    token.iter().fold(true, |all, byte| {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        // `-` `.` `/` and the digits stand in one row
        let row = byte.wrapping_sub(b'-') < 13;
        all & (letter | row | (*byte == b'_') | (*byte == b'~') | (*byte == b'+') | (*byte == b'='))
    })
}

fn trim_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

/// Whether it has the form of a signed JWT in compact serialisation (RFC 7515, section 7.1): three parts. No key of ours has a dot.
#[must_use]
pub fn has_token_form(token: &str) -> bool {
    // counted in bytes, so that the compiler takes many at once
    token.as_bytes().chunks(255).map(|chunk| usize::from(chunk.iter().map(|byte| u8::from(*byte == b'.')).sum::<u8>())).sum::<usize>() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_in_any_case_of_the_scheme_and_nothing_else_is() {
        assert_eq!(parse(b"Bearer a.b.c"), Some("a.b.c"));
        assert_eq!(parse(b"bearer  a.b.c "), Some("a.b.c"));
        for bad in [&b"Bearer"[..], b"Bearer ", b"Basic a.b.c", b"Bearer a b", b"Bearer a,b", b"Bearer \xff", b"", b"Bearer\ta.b.c"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        for good in [&b"ApiKey k_1"[..], b"Api-Key k_1", b"APIKEY  k_1 "] {
            assert_eq!((parse_key(good), parse(good)), (Some("k_1"), None), "{good:?}");
        }
        for bad in [&b"ApiKey"[..], b"ApiKey ", b"Api_Key k_1", b"Bearer k_1", b"ApiKey k 1"] {
            assert_eq!(parse_key(bad), None, "{bad:?}");
        }
        assert!(has_token_form("a.b.c") && !has_token_form("a.b") && !has_token_form("a") && !has_token_form("a.b.c.d"));
    }

    #[test]
    fn of_all_bytes_those_of_the_grammar_are_taken() {
        for byte in 0..=u8::MAX {
            let allowed = byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
            assert_eq!(is_b64token(&[byte]), allowed, "{byte:#x}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_value_makes_the_parser_panic(value: Vec<u8>) {
            if let Some(token) = parse(&value) {
                let _ = has_token_form(token);
            }
        }
    }
}
