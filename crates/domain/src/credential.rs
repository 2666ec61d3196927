//! A credential: what an integration authenticates with, and the rules by which one is made and changed.
use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    access::{Access, Level, Scope},
    account::{Account, Status, is_plain, parse_name},
    email::Email,
    id::{AccountId, CredentialId, SecretId},
    invalid::Invalid,
    kind::{self, Label},
    network::Network,
    schemes::legacy::rule,
    secret::Plain,
    time::Timestamp,
};

/// The kinds of credential, by their names in API and store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Client id and secret, exchanged for a bearer token (RFC 6749, section 4.4).
    Client,
    /// One key in one piece, sent as it is.
    ApiKey,
    /// Key and secret as HTTP Basic (RFC 7617).
    Basic,
    /// Key and secret; the secret signs each request and never travels.
    Hmac,
    /// A chosen username and password, in the body of older transports.
    Legacy,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Client, Self::ApiKey, Self::Basic, Self::Hmac, Self::Legacy];

    /// Its name in API and store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::ApiKey => "api_key",
            Self::Basic => "basic",
            Self::Hmac => "hmac",
            Self::Legacy => "legacy",
        }
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
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
    /// Refused until someone resumes it.
    Paused,
    /// Ended, and still listed with who, when and why.
    Revoked,
    /// Ended, and no longer listed. Kept for the audit trail.
    Deleted,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Active, Self::Paused, Self::Revoked, Self::Deleted];

    /// Its name in API and store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Revoked => "revoked",
            Self::Deleted => "deleted",
        }
    }

    /// Whether it is over.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Revoked | Self::Deleted)
    }
}

impl FromStr for State {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

/// Why a credential ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nobody needs it any more.
    NotNeeded,
    /// Another took its place.
    Replaced,
    /// Its secret may be known to others. It can never be restored.
    Leaked,
    /// Whoever was responsible has left.
    PersonLeft,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::NotNeeded, Self::Replaced, Self::Leaked, Self::PersonLeft];

    /// Its name in API and store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotNeeded => "not_needed",
            Self::Replaced => "replaced",
            Self::Leaked => "leaked",
            Self::PersonLeft => "person_left",
        }
    }
}

impl FromStr for Reason {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(())
    }
}

/// How a credential ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// By whom, as events name them.
    pub by: String,
    /// Why, when it was said.
    pub reason: Option<Reason>,
    /// Whether it was paused before: brought back, it is so again.
    pub was_paused: bool,
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
    /// More about it, where its kind has that.
    pub description: Option<String>,
    /// What it may do.
    pub access: Access,
    /// Where it stands in its life.
    pub state: State,
    /// When it stops being accepted by itself.
    pub expires_at: Option<Timestamp>,
    /// From where it may be used; empty: from anywhere. The one list whose absence is the usual case, and said so in its name at the edge.
    pub allowed_networks: Vec<Network>,
    /// Whether the same signature is refused the second time.
    pub refuse_replays: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// How it ended, when it has.
    pub end: Option<End>,
}

/// What people may see of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretView {
    /// Its id.
    pub id: SecretId,
    /// Its last characters.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being accepted: set while another takes its place.
    pub expires_at: Option<Timestamp>,
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
    /// More about it.
    pub description: Option<String>,
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
    /// From where it may be used; None: from anywhere.
    pub allowed_networks: Option<Vec<String>>,
    /// Whether the same signature is refused the second time.
    pub refuse_replays: Option<bool>,
}

/// A wish that an account kind's rules allow. Only [`Wish::check`] makes one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Specification {
    /// Its kind.
    pub kind: Kind,
    /// Its label.
    pub label: String,
    /// More about it.
    pub description: Option<String>,
    /// What it may do.
    pub access: Access,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// From where it may be used.
    pub allowed_networks: Vec<Network>,
    /// Whether the same signature is refused the second time.
    pub refuse_replays: bool,
    /// The chosen username and password, for the kind that has them.
    pub chosen: Option<(String, Plain)>,
}

impl Wish {
    /// Holds the wish against the rules of the account's kind.
    ///
    /// # Errors
    /// Every field that is missing, malformed, or does not exist for this account kind; never only the first.
    pub fn check(mut self, rules: &kind::Rules, now: Timestamp) -> Result<Specification, Vec<Invalid>> {
        let mut wrong = Vec::new();
        let kind = keep(self.check_kind(rules), &mut wrong);
        let access = keep(check_access(self.access.as_ref(), self.roles.as_deref(), rules), &mut wrong);
        let is_legacy = kind == Some(Kind::Legacy);
        let label_is_email = matches!(rules.label, Label::Email | Label::Owner);
        for (field, given, exists) in [
            ("email", self.email.is_some(), label_is_email),
            ("name", self.name.is_some(), rules.label == Label::Name && !is_legacy),
            ("description", self.description.is_some(), rules.label == Label::Owner),
            ("username", self.username.is_some(), is_legacy),
            ("password", self.password.is_some(), is_legacy),
            ("roles", self.roles.is_some(), rules.access.contains(&Level::Roles)),
            ("expires_at", self.expires_at.is_some(), rules.expiry),
            ("allowed_networks", self.allowed_networks.is_some(), rules.networks),
            ("refuse_replays", self.refuse_replays.is_some(), kind == Some(Kind::Hmac)),
        ] {
            if given && !exists {
                wrong.push(Invalid::new(field, "field_not_of_this_kind", "Leave this field out: what you are creating does not have it."));
            }
        }
        let chosen = if is_legacy { self.check_chosen(&mut wrong) } else { None };
        let label = match (&chosen, is_legacy) {
            (Some((username, _)), _) => Some(username.clone()),
            (None, true) => None,
            (None, false) => keep(check_label(rules.label, self.email.as_deref(), self.name.as_deref()), &mut wrong),
        };
        let description = keep(check_description(self.description.as_deref()), &mut wrong);
        let expires_at = keep(check_expiry(self.expires_at, now), &mut wrong);
        let allowed_networks = keep(check_networks(self.allowed_networks.as_deref()), &mut wrong);
        match (kind, access, label, description, expires_at, allowed_networks) {
            (Some(kind), Some(access), Some(label), Some(description), Some(expires_at), Some(allowed_networks)) if wrong.is_empty() => {
                Ok(Specification {
                    kind,
                    label,
                    description,
                    access,
                    expires_at,
                    allowed_networks,
                    refuse_replays: self.refuse_replays.unwrap_or(false),
                    chosen,
                })
            }
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

    fn check_chosen(&mut self, wrong: &mut Vec<Invalid>) -> Option<(String, Plain)> {
        let (username, password) = (self.username.take().unwrap_or_default(), self.password.take().unwrap_or_else(|| Plain::new(String::new())));
        let username_fits = keep(rule::check_username(&username), wrong);
        let password_fits = keep(rule::check_password(password.expose()), wrong);
        username_fits.and(password_fits).map(|()| (username, password))
    }
}

fn check_label(label: Label, email: Option<&str>, name: Option<&str>) -> Result<String, Invalid> {
    match label {
        Label::Email | Label::Owner => Email::parse(email.unwrap_or_default()).map(|email| email.to_string()),
        Label::Name => parse_name("name", name.unwrap_or_default()),
    }
}

fn check_description(text: Option<&str>) -> Result<Option<String>, Invalid> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if !is_plain(text, 200) {
        let rule = "A description has at most 200 characters, and none that control the text or turn its direction.";
        return Err(Invalid::new("description", "description_invalid", rule));
    }
    Ok(Some(text.to_owned()))
}

fn check_expiry(at: Option<Timestamp>, now: Timestamp) -> Result<Option<Timestamp>, Invalid> {
    match at {
        Some(at) if at <= now => Err(Invalid::new("expires_at", "expiry_past", "The expiry must be in the future.")),
        at => Ok(at),
    }
}

/// The networks of a list, each an address or a CIDR range; from anywhere without a list, which an empty one never means. The line that is
/// wrong is named by its number.
fn check_networks(lines: Option<&[String]>) -> Result<Vec<Network>, Invalid> {
    let Some(lines) = lines else { return Ok(Vec::new()) };
    if lines.is_empty() {
        return Err(Invalid::new(
            "allowed_networks",
            "networks_required",
            "Name at least one network; null, and no empty list, means from anywhere.",
        ));
    }
    if lines.len() > 100 {
        return Err(Invalid::new("allowed_networks", "networks_too_many", "At most 100 networks."));
    }
    let parse = |(at, line): (usize, &String)| {
        let message = || format!("Line {} is not an IP address or a CIDR range, such as 203.0.113.0/24.", at + 1);
        line.trim().parse().map_err(|_| Invalid::new("allowed_networks", "network_invalid", message()))
    };
    lines.iter().enumerate().map(parse).collect()
}

/// The access that `level` with scopes, or `roles`, asks for, held against the rules.
fn check_access(wanted: Option<&(Level, Option<Vec<String>>)>, roles: Option<&[String]>, rules: &kind::Rules) -> Result<Access, Invalid> {
    let (level, scopes) = match (wanted, rules.access.as_slice()) {
        (Some((level, scopes)), levels) if levels.contains(level) => (*level, scopes.clone()),
        (None, [Level::Full]) => (Level::Full, None),
        (None, [Level::Roles]) => (Level::Roles, None),
        (None, _) => return Err(Invalid::new("access", "access_required", "Say what the credential may do.")),
        (Some(_), _) => return Err(Invalid::new("access", "access_not_of_this_account", "Accounts of this kind do not have that level of access.")),
    };
    match level {
        Level::Full | Level::Roles if scopes.is_some() => {
            Err(Invalid::new("access", "scopes_unexpected", "Scopes belong to fine-grained access only."))
        }
        Level::Full => Ok(Access::Full),
        Level::FineGrained => {
            let scopes = scopes.unwrap_or_default().iter().map(|scope| scope.parse()).collect::<Result<BTreeSet<Scope>, _>>()?;
            Access::fine_grained(scopes)
        }
        Level::Roles => {
            let known = |role: &String| rules.find_role(role).map(|role| role.id.clone());
            let unknown = || Invalid::new("roles", "role_unknown", "Keys of this account have no such role.");
            let roles = roles.unwrap_or_default().iter().map(|role| known(role).ok_or_else(unknown)).collect::<Result<_, _>>()?;
            Ok(Access::Roles(roles))
        }
    }
}

/// What is to become of a credential; None leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// A responsible contact.
    pub email: Option<String>,
    /// A descriptive name.
    pub name: Option<String>,
    /// More about it; empty takes it away.
    pub description: Option<String>,
    /// Roles to hold.
    pub roles: Option<Vec<String>>,
    /// The access wanted.
    pub access: Option<(Level, Option<Vec<String>>)>,
    /// When to end by itself; `Some(None)`: never.
    pub expires_at: Option<Option<Timestamp>>,
    /// From where it may be used; `Some(None)`: from anywhere.
    pub allowed_networks: Option<Option<Vec<String>>>,
}

impl Edit {
    /// `credential` as it is to be, held against the rules of the account's kind.
    ///
    /// # Errors
    /// Every field that is malformed, or cannot be changed for this account kind.
    pub fn apply(self, credential: &Credential, rules: &kind::Rules, now: Timestamp) -> Result<Credential, Vec<Invalid>> {
        let mut wrong = Vec::new();
        let mut edited = credential.clone();
        for (field, given, part) in [
            ("email", self.email.is_some(), kind::Part::Label),
            ("name", self.name.is_some(), kind::Part::Label),
            ("description", self.description.is_some(), kind::Part::Description),
            ("roles", self.roles.is_some(), kind::Part::Access),
            ("access", self.access.is_some(), kind::Part::Access),
            ("expires_at", self.expires_at.is_some(), kind::Part::Expiry),
            ("allowed_networks", self.allowed_networks.is_some(), kind::Part::Networks),
        ] {
            // a username is what an integration sends: it is no label that could be changed
            let fixed = part == kind::Part::Label && credential.kind == Kind::Legacy;
            if given && (fixed || !rules.edit.contains(&part)) {
                wrong.push(Invalid::new(field, "field_fixed", "This cannot be changed. Create a new credential instead."));
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        if self.email.is_some() || self.name.is_some() {
            edited.label = keep(check_label(rules.label, self.email.as_deref(), self.name.as_deref()), &mut wrong).unwrap_or_default();
        }
        if let Some(text) = &self.description {
            edited.description = keep(check_description(Some(text)), &mut wrong).flatten();
        }
        if self.access.is_some() || self.roles.is_some() {
            match keep(check_access(self.access.as_ref(), self.roles.as_deref(), rules), &mut wrong) {
                Some(access) => edited.access = access,
                None => return Err(wrong),
            }
        }
        if let Some(at) = self.expires_at {
            edited.expires_at = keep(check_expiry(at, now), &mut wrong).flatten();
        }
        if let Some(lines) = &self.allowed_networks {
            edited.allowed_networks = keep(check_networks(lines.as_deref()), &mut wrong).unwrap_or_default();
        }
        if wrong.is_empty() { Ok(edited) } else { Err(wrong) }
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
