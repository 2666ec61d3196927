//! `Authorization: Bearer <token>` (RFC 6750, section 2.1). Reading it only; the token's signature is the server's to check.

/// The longest token that is looked at; ours have about 700 characters.
const LONGEST: usize = 4096;

/// The token of an `Authorization` value, or None when it is of another scheme or not a `b64token`.
#[must_use]
pub fn parse(value: &[u8]) -> Option<&str> {
    let value = std::str::from_utf8(value).ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_matches(' ');
    let b64token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= LONGEST && token.bytes().all(b64token)).then_some(token)
}

/// Whether it has the form of a signed JWT in compact serialisation (RFC 7515, section 7.1): three parts, none empty.
#[must_use]
pub fn has_token_form(token: &str) -> bool {
    let mut parts = token.split('.');
    let three = [parts.next(), parts.next(), parts.next()];
    parts.next().is_none() && three.iter().all(|part| part.is_some_and(|part| !part.is_empty()))
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
        assert!(has_token_form("a.b.c") && !has_token_form("a.b") && !has_token_form("a..c") && !has_token_form("a.b.c.d"));
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
