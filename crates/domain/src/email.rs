//! An email address we are willing to store: the shape people have, not all that RFC 5322 allows.
use std::fmt;

use serde::Serialize;

use crate::invalid::Invalid;

/// A syntactically valid address, at most 254 characters, its local part at most 64 (RFC 5321, section 4.5.3.1), domain in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Reads an address, blanks around it dropped. Quoted local parts, comments and address literals are refused.
    ///
    /// # Errors
    /// When it is empty, too long or not of the form `name@domain.tld`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Invalid::new("email", "email_required", "Enter an email address."));
        }
        if text.len() > 254 {
            return Err(Invalid::new("email", "email_too_long", "An email address has at most 254 characters."));
        }
        let shape = || Invalid::new("email", "email_invalid", "Enter a valid email address, such as name@example.com.");
        let (local, domain) = text.rsplit_once('@').ok_or_else(shape)?;
        if valid_local(local) && valid_domain(domain) { Ok(Self(format!("{local}@{}", domain.to_lowercase()))) } else { Err(shape()) }
    }

    /// The address as written, its domain in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form by which members are found: all in lower case, since no one runs two mailboxes that differ in case only.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn valid_local(local: &str) -> bool {
    // RFC 5321 atext, and letters beyond ASCII (RFC 6531)
    let atom = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    !local.is_empty() && local.len() <= 64 && local.split('.').all(|part| !part.is_empty() && part.chars().all(atom))
}

fn valid_domain(domain: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(|c| c.is_alphanumeric() || c == '-') && !label.starts_with('-') && !label.ends_with('-')
    };
    domain.contains('.') && domain.split('.').all(label) && !domain.ends_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_people_have_are_taken() {
        for good in ["a@b.co", "first.last+tag@sub.example.com", " o'neil@example.org ", "jörg@bücher.example", "x_y@example.io"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        assert_eq!(Email::parse("Ann@Example.COM").map(|email| email.to_string()), Ok("Ann@example.com".to_owned()));
    }

    #[test]
    fn everything_else_is_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("{}@{}.com", "a".repeat(60), "b".repeat(63).repeat(4));
        for bad in [
            "",
            " ",
            "a",
            "a@",
            "@b.co",
            "a@b",
            "a b@c.de",
            "a@b..co",
            ".a@b.co",
            "a.@b.co",
            "a@-b.co",
            "a@b.co\n.x",
            "a@b@c.de",
            "a@127.0.0.1",
            "a@[::1]",
            "\"a b\"@c.de",
            "a,b@c.de",
            "a@b.co,c@d.ef",
            "<a@b.co>",
            &long_local,
            &long,
        ] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
    }
}
