//! What a credential may do: everything, a set of scopes, or the roles it was given. Nothing empty ever means "everything".
use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::invalid::Invalid;

/// `resource:action`, each word of `a-z0-9_-` beginning with a letter, at most 64 characters together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Scope(String);

impl Scope {
    /// The scope as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
        };
        match text.split_once(':') {
            Some((resource, action)) if text.len() <= 64 && word(resource) && word(action) => Ok(Self(text.to_owned())),
            _ => Err(Invalid::new("scopes", "scope_invalid", "A scope is written resource:action, such as orders:read.")),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a credential may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Every operation of the account, later ones included.
    Full,
    /// These scopes and no other; never empty, never grows by itself.
    FineGrained(BTreeSet<Scope>),
    /// The union of these roles; none may do nothing.
    Roles(BTreeSet<String>),
}

/// The three levels, by the names they have in the API and in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// See [`Access::Full`].
    Full,
    /// See [`Access::FineGrained`].
    FineGrained,
    /// See [`Access::Roles`].
    Roles,
}

impl Access {
    /// Its level.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::Full => Level::Full,
            Self::FineGrained(_) => Level::FineGrained,
            Self::Roles(_) => Level::Roles,
        }
    }

    /// The words of a token's `scope` claim and of the `X-Claviger-Scopes` header: `*` for full access, nothing for nothing.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Full => "*".to_owned(),
            Self::FineGrained(scopes) => join(scopes.iter().map(Scope::as_str)),
            Self::Roles(roles) => join(roles.iter().map(String::as_str)),
        }
    }

    /// Fine-grained access to `scopes`.
    ///
    /// # Errors
    /// When there is none: an absent list never means everything.
    pub fn fine_grained(scopes: BTreeSet<Scope>) -> Result<Self, Invalid> {
        if scopes.is_empty() {
            return Err(Invalid::new("access", "scopes_required", "Pick at least one scope, or ask for full access."));
        }
        Ok(Self::FineGrained(scopes))
    }
}

fn join<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(" ")
}
