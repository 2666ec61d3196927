//! An account: a customer of the operator, with a kind, a place in a tree, and a gate.
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{id::AccountId, invalid::Invalid, time::Timestamp};

/// Whether an account, and everything below it, may do anything at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// In use.
    Active,
    /// Suspended by the operator: no credential of it, or of an account below it, is accepted.
    Suspended,
}

impl Status {
    /// Its name in API and store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

impl FromStr for Status {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "active" => Ok(Self::Active),
            "suspended" => Ok(Self::Suspended),
            _ => Err(()),
        }
    }
}

/// An account as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its account kind's name, such as `corporate`.
    pub kind: String,
    /// What people call it.
    pub name: String,
    /// The operator's own id for it; unique in the installation.
    pub external_id: Option<String>,
    /// Whether the operator suspended it.
    pub status: Status,
    /// The gate: whether the operator granted API access.
    pub api_access: bool,
    /// Its ancestors, from the top down to its parent.
    pub lineage: Lineage,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The ancestors of an account, from the top of its tree down to its parent. Fixed when the account is made, so no cycle can arise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage(Vec<AccountId>);

impl Lineage {
    /// The lineage of a child of `parent`.
    #[must_use]
    pub fn below(parent: &Account) -> Self {
        let mut ancestors = parent.lineage.0.clone();
        ancestors.push(parent.id);
        Self(ancestors)
    }

    /// The account directly above, if there is one.
    #[must_use]
    pub fn parent(&self) -> Option<AccountId> {
        self.0.last().copied()
    }

    /// Whether `ancestor` is anywhere above.
    #[must_use]
    pub fn contains(&self, ancestor: AccountId) -> bool {
        self.0.contains(&ancestor)
    }

    /// From the top down.
    pub fn iter(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.0.iter().copied()
    }

    /// How many accounts stand above.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.len()
    }
}

/// As the store keeps it: ids joined by `/`.
impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, id) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("/")?;
            }
            write!(f, "{id}")?;
        }
        Ok(())
    }
}

impl FromStr for Lineage {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split('/').filter(|id| !id.is_empty()).map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

/// Whether people can trust their eyes with this text: at most `longest` characters, none of them a control character, or one of those that
/// turn the direction of the text around it (UAX #9, sections 2.1 to 2.4), by which a name could rewrite the sentence it stands in.
pub(crate) fn is_plain(text: &str, longest: usize) -> bool {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().count() <= longest && !text.chars().any(|c| c.is_control() || turns(c))
}

/// A name that people read: 1 to 80 characters, none that controls or turns the text around it, blanks around it dropped.
///
/// # Errors
/// When it is empty, too long, or holds such a character.
pub fn parse_name(field: &'static str, text: &str) -> Result<String, Invalid> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Invalid::new(field, "name_required", "Enter a name."));
    }
    if !is_plain(text, 80) {
        let rule = "A name has at most 80 characters, and none that control the text or turn its direction.";
        return Err(Invalid::new(field, "name_invalid", rule));
    }
    Ok(text.to_owned())
}

/// The operator's own id for an account: 1 to 128 visible ASCII characters.
///
/// # Errors
/// When it is anything else.
pub fn parse_external_id(text: &str) -> Result<String, Invalid> {
    if (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err(Invalid::new("external_id", "external_id_invalid", "An external id has 1 to 128 visible ASCII characters."))
    }
}
