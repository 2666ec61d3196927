//! Whether an access may make a request, as far as the catalogue knows it. Whether the credential lives is judged elsewhere.
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Match, Operation};
use crate::access::{Access, Scope};

/// What a role of credentials grants. Nothing set, nothing granted; what several roles grant adds up, role by role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoleRule {
    /// Operations that only read.
    pub read: bool,
    /// Operations that write or delete.
    pub write: bool,
    /// Of those, also the ones that touch user information. Grants nothing by itself.
    pub user_information: bool,
    /// Every operation of the catalogue.
    pub everything: bool,
}

/// The roles of an account kind's credentials, by name.
pub type RoleRules = BTreeMap<String, RoleRule>;

impl RoleRule {
    /// Whether it grants `operation`.
    #[must_use]
    pub const fn grants(self, operation: &Operation) -> bool {
        let kind = if operation.reads() { self.read } else { self.write };
        self.everything || (kind && (self.user_information || !operation.user_information))
    }
}

/// What a request lacks. The sentence names no secret and no other account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// These scopes, and of several ways to be allowed it is the nearest.
    #[error("This needs the {} {}.", if .0.len() == 1 { "scope" } else { "scopes" }, join(.0))]
    Scopes(BTreeSet<Scope>),
    /// A role that grants such an operation.
    #[error("This needs a role that may {}{}.", if *.write { "write" } else { "read" }, if *.user_information { " user information" } else { "" })]
    Role {
        /// Whether the operation writes.
        write: bool,
        /// Whether it touches user information.
        user_information: bool,
    },
    /// Full access: the operation is not in the catalogue.
    #[error("This operation is not in the API's catalogue; only full access may call it.")]
    Unknown,
    /// A path that can be read in one way only.
    #[error("This path can be read in more than one way. Send it without needless encoding, dots, double or trailing slashes.")]
    Ambiguous,
}

/// Whether `access` may make the request found to be `found`. `rules` are its account kind's; a role not among them grants nothing.
///
/// Full access may do everything, so to it no reading of a path matters.
///
/// # Errors
/// What is missing.
pub fn permits(access: &Access, rules: &RoleRules, found: &Match<'_>) -> Result<(), Missing> {
    let operation = match found {
        _ if may(access, rules, found) => return Ok(()),
        Match::Operation(operation) => operation,
        Match::Unknown => return Err(Missing::Unknown),
        Match::Ambiguous => return Err(Missing::Ambiguous),
    };
    let role = Missing::Role { write: !operation.reads(), user_information: operation.user_information };
    Err(match access {
        Access::FineGrained(scopes) => operation.requirement.missing(scopes).map_or(role, Missing::Scopes),
        Access::Full | Access::Roles(_) => role,
    })
}

/// [`permits`] without the reason.
pub(super) fn may(access: &Access, rules: &RoleRules, found: &Match<'_>) -> bool {
    match (access, found) {
        (Access::Full, _) => true,
        (_, Match::Unknown | Match::Ambiguous) => false,
        (Access::FineGrained(scopes), Match::Operation(operation)) => operation.requirement.is_met_by(scopes),
        (Access::Roles(roles), Match::Operation(operation)) => roles.iter().filter_map(|role| rules.get(role)).any(|rule| rule.grants(operation)),
    }
}

fn join(scopes: &BTreeSet<Scope>) -> String {
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ")
}
