//! A credential: what an integration authenticates with, and the rules by which one is made.
use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    access::{Access, Level, Scope},
    account::{Account, Status},
    email::Email,
    id::{AccountId, CredentialId},
    invalid::Invalid,
    kind::{self, Label},
    network::Network,
    secret::Plain,
    time::Timestamp,
};

/// The kinds of credential, by their names in API and store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Client id and secret, exchanged for a bearer token (RFC 6749, section 4.4).
    Client,
}

impl Kind {
    /// Its name in API and store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
        }
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "client" => Ok(Self::Client),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a credential stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Accepted, if nothing else speaks against it.
    Active,
    /// Ended for good, and no longer listed. Kept for the audit trail.
    Deleted,
}

impl State {
    /// Its name in API and store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
        }
    }
}

impl FromStr for State {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "active" => Ok(Self::Active),
            "deleted" => Ok(Self::Deleted),
            _ => Err(()),
        }
    }
}

/// A credential as people and programs see it: everything but its secret.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub account_id: AccountId,
    /// Its kind.
    pub kind: Kind,
    /// Safe to show and to log.
    pub public_id: String,
    /// Says whose or what it is, to people.
    pub label: String,
    /// What it may do.
    pub access: Access,
    /// Where it stands in its life.
    pub state: State,
    /// When it stops being accepted by itself.
    pub expires_at: Option<Timestamp>,
    /// From where it may be used; empty: from anywhere. The one list whose absence is the usual case, and said so in its name at the edge.
    pub allowed_networks: Vec<Network>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What someone asks for when creating a credential: one shape for all kinds, not yet checked against any.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The kind; the account kind's only one when absent.
    pub kind: Option<Kind>,
    /// A responsible contact.
    pub email: Option<String>,
    /// A descriptive name.
    pub name: Option<String>,
    /// A chosen username.
    pub username: Option<String>,
    /// A chosen password.
    pub password: Option<Plain>,
    /// Roles to hold.
    pub roles: Option<Vec<String>>,
    /// The access wanted: its level, and scopes for the fine-grained one.
    pub access: Option<(Level, Option<Vec<String>>)>,
    /// When to end by itself.
    pub expires_at: Option<Timestamp>,
    /// From where it may be used.
    pub allowed_networks: Option<Vec<String>>,
}

/// A wish that an account kind's rules allow. Only [`Wish::check`] makes one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Specification {
    /// Its kind.
    pub kind: Kind,
    /// Its label.
    pub label: String,
    /// What it may do.
    pub access: Access,
}

impl Wish {
    /// Holds the wish against the rules of the account's kind.
    ///
    /// # Errors
    /// Every field that is missing, malformed, or does not exist for this account kind; never only the first.
    pub fn check(self, rules: &kind::Rules) -> Result<Specification, Vec<Invalid>> {
        let mut wrong = Vec::new();
        let kind = keep(self.check_kind(rules), &mut wrong);
        let access = keep(self.check_access(rules), &mut wrong);
        let label = keep(self.check_label(rules), &mut wrong);
        for (field, given) in [
            ("name", self.name.is_some()),
            ("username", self.username.is_some()),
            ("password", self.password.is_some()),
            ("roles", self.roles.is_some()),
            ("expires_at", self.expires_at.is_some()),
            ("allowed_networks", self.allowed_networks.is_some()),
        ] {
            if given {
                wrong.push(Invalid::new(field, "field_not_of_this_kind", "Leave this field out: accounts of this kind do not have it."));
            }
        }
        match (kind, access, label) {
            (Some(kind), Some(access), Some(label)) if wrong.is_empty() => Ok(Specification { kind, label, access }),
            _ => Err(wrong),
        }
    }

    fn check_kind(&self, rules: &kind::Rules) -> Result<Kind, Invalid> {
        match (self.kind, rules.kinds.as_slice()) {
            (Some(kind), kinds) if kinds.contains(&kind) => Ok(kind),
            (None, [only]) => Ok(*only),
            (None, _) => Err(Invalid::new("kind", "kind_required", "Say which kind of credential to make.")),
            (Some(_), _) => Err(Invalid::new("kind", "kind_not_of_this_account", "Accounts of this kind do not have credentials of that kind.")),
        }
    }

    fn check_label(&self, rules: &kind::Rules) -> Result<String, Invalid> {
        match rules.label {
            Label::Email => Email::parse(self.email.as_deref().unwrap_or_default()).map(|email| email.to_string()),
        }
    }

    fn check_access(&self, rules: &kind::Rules) -> Result<Access, Invalid> {
        let (level, scopes) = match (&self.access, rules.access.as_slice()) {
            (Some((level, scopes)), levels) if levels.contains(level) => (*level, scopes.clone()),
            (None, [Level::Full]) => (Level::Full, None),
            (None, [Level::Roles]) => (Level::Roles, None),
            (None, _) => return Err(Invalid::new("access", "access_required", "Say what the credential may do.")),
            (Some(_), _) => {
                return Err(Invalid::new("access", "access_not_of_this_account", "Accounts of this kind do not have that level of access."));
            }
        };
        match level {
            Level::Full if scopes.is_some() => Err(Invalid::new("access", "scopes_with_full", "Full access takes no scopes.")),
            Level::Full => Ok(Access::Full),
            Level::FineGrained => {
                let scopes = scopes.unwrap_or_default().iter().map(|scope| scope.parse()).collect::<Result<BTreeSet<Scope>, _>>()?;
                Access::fine_grained(scopes)
            }
            Level::Roles => Ok(Access::Roles(BTreeSet::new())),
        }
    }
}

fn keep<T>(result: Result<T, Invalid>, wrong: &mut Vec<Invalid>) -> Option<T> {
    result.map_err(|invalid| wrong.push(invalid)).ok()
}

/// Why an account cannot have another credential just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotIssue {
    /// The operator has not opened the gate, or has closed it.
    #[error("This account has no API access. Grant it first.")]
    GateClosed,
    /// The account, or one above it, is suspended.
    #[error("This account is suspended. Activate it first.")]
    Suspended,
    /// The kind's limit of active credentials is reached.
    #[error("This account has its {0} active credentials. Delete one that is no longer used, then create the new one.")]
    LimitReached(u32),
}

/// Whether `account`, with `active` credentials already, may have one more. Asked inside the transaction that would make it.
///
/// # Errors
/// The first of: suspended, gate closed, limit reached.
pub fn may_issue(account: &Account, kind: &kind::Kind, active: u32) -> Result<(), CannotIssue> {
    if account.status == Status::Suspended {
        return Err(CannotIssue::Suspended);
    }
    if kind.gate.is_some() && !account.api_access {
        return Err(CannotIssue::GateClosed);
    }
    match kind.credentials.active_limit {
        Some(limit) if active >= limit => Err(CannotIssue::LimitReached(limit)),
        _ => Ok(()),
    }
}
