//! Account kinds: what a kind of account may have, may do and is told, read from data. No other code knows a kind by name.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{access::Level, catalogue::RoleRule, credential};

/// All account kinds of an installation, by name; and the operator's own, as text.
#[derive(Clone, Debug)]
pub struct Kinds {
    all: BTreeMap<String, Kind>,
    own: String,
}

/// One account kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// What people call it.
    pub name: String,
    /// What it is for, in a sentence.
    pub hint: String,
    /// The kinds of account it may stand directly under.
    pub parents: Vec<String>,
    /// Whether it may stand under no other account.
    pub top_level: bool,
    /// How many levels of accounts may stand above one of this kind; no limit when absent.
    pub max_depth: Option<usize>,
    /// The operator's gate, when this kind has one.
    pub gate: Option<Gate>,
    /// Who its members can be.
    pub roles: Vec<Role>,
    /// The rules of its credentials.
    pub credentials: Rules,
    /// Where its console keeps them, and in which words.
    pub console: Console,
}

/// The one boolean by which the operator lets an account have credentials.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// What a new account begins with.
    pub initially: bool,
    /// What it is called.
    pub name: String,
    /// What it means, in a sentence for the operator.
    pub text: String,
    /// What members see while it is closed.
    pub closed: Closed,
}

/// What members see while the gate is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// Nothing: nowhere does it say that there is a gate.
    Hidden,
    /// A page on which those who would manage credentials can ask the operator to open it.
    Request,
}

/// A role of members.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Its name in the API.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What it is for, in a sentence.
    pub hint: String,
    /// What it may do; nothing listed, nothing allowed.
    #[serde(default)]
    pub can: Vec<Capability>,
    /// Whether an account that has a member of this role must keep one.
    #[serde(default)]
    pub at_least_one: bool,
}

/// What a role can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// See, create and end credentials.
    ManageCredentials,
    /// See, add, change and remove members.
    ManageMembers,
    /// See every account directly below.
    SeeClients,
    /// See the accounts directly below that were assigned to this member.
    SeeAssignedClients,
}

/// The rules of a kind's credentials.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Which credentials exist.
    pub kinds: Vec<credential::Kind>,
    /// Which levels of access can be given.
    pub access: Vec<Level>,
    /// The field that says whose a credential is.
    pub label: Label,
    /// How many can be active at once; no limit when absent.
    pub active_limit: Option<u32>,
    /// What ending one is called, and whether it stays listed.
    pub ending: Ending,
    /// Whether an ended one can be brought back within 30 days, unless it leaked.
    #[serde(default)]
    pub restore: bool,
    /// Whether its secret can be replaced while it keeps its id.
    #[serde(default)]
    pub rotate: bool,
    /// Whether it can be paused and resumed.
    #[serde(default)]
    pub pause: bool,
    /// Whether it can be given an end from the start.
    #[serde(default)]
    pub expiry: bool,
    /// Whether it can be bound to networks.
    #[serde(default)]
    pub networks: bool,
    /// What can be changed afterwards.
    #[serde(default)]
    pub edit: Vec<Part>,
    /// Whose credentials a manager of this account manages.
    #[serde(default)]
    pub reach: Reach,
    /// The roles that keys can hold.
    #[serde(default)]
    pub roles: Vec<KeyRole>,
    /// What those see who may not manage credentials.
    pub denied: Denied,
    /// Which accounts a credential can act for.
    pub acts_for: ActsFor,
    /// The request header that names the account acted for.
    pub account_header: Option<AccountHeader>,
}

/// A role that keys can hold. Roles add up.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRole {
    /// Its name in the API.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What it is for, in a sentence.
    pub hint: String,
    /// Which operations it allows; nothing set, nothing allowed.
    #[serde(default)]
    pub allows: RoleRule,
    /// Whether a key with it manages keys over the API.
    #[serde(default)]
    pub manages_keys: bool,
}

/// The request header that names the account acted for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountHeader {
    /// The field's name.
    pub name: String,
    /// Whether a request without it is refused; else it is about the credential's own account.
    pub required: bool,
}

/// A part of a credential that can be changed afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Its label.
    Label,
    /// Its description.
    Description,
    /// Its level of access, scopes or roles.
    Access,
    /// Its expiry.
    Expiry,
    /// Its networks.
    Networks,
    /// A chosen password.
    Password,
}

/// Whose credentials a manager manages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Those of the manager's own account.
    #[default]
    Own,
    /// And of every account below.
    Below,
}

/// The field that says whose a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// A valid email address, which need not be a member's and need not be unique.
    Email,
    /// An owner's email address, and a description if there is more to say.
    Owner,
    /// A descriptive name; of a legacy credential its username.
    Name,
}

/// How a credential ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Deleted: it leaves the list at once.
    Delete,
    /// Revoked: it stays listed with who, when and why.
    Revoke,
}

/// What those see who may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denied {
    /// Nothing at all: absent in the console, 404 elsewhere.
    Hidden,
    /// That it is there, and not for them: 403.
    Forbidden,
    /// A page that says to ask the account's administrator, and who that is; 403 elsewhere.
    Explained,
}

/// Which accounts a credential can act for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActsFor {
    /// Its own account only.
    Itself,
    /// Its own account and those directly below.
    Children,
    /// Its own account and all below.
    Descendants,
}

/// Where a kind's console keeps credentials, and in which words.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    /// The page's name in the URL.
    pub page: String,
    /// The way to the page, from the account menu: what each step is called. The last one is the page's tab.
    pub way: Vec<String>,
    /// Whether the account menu leads straight to it.
    #[serde(default)]
    pub in_account_menu: bool,
    /// One section for each credential kind, with its own list and its own create button, instead of one list.
    #[serde(default)]
    pub sections: bool,
    /// Whether several can be ticked and ended together.
    #[serde(default)]
    pub tick: bool,
    /// One of them.
    pub noun: String,
    /// What the page is for.
    pub intro: String,
    /// A warning shown, highlighted, where one is created.
    pub warning: Option<String>,
    /// The button that begins a creation.
    pub create: String,
    /// The button that makes it.
    pub submit: String,
    /// The label field's name.
    pub label: String,
    /// What to enter there.
    pub label_hint: String,
    /// The table's columns.
    pub list: Vec<Column>,
    /// What is shown once after creation, in order.
    pub shown: Vec<Shown>,
    /// The button that closes what is shown once.
    #[serde(default = "done")]
    pub done: String,
    /// What the parts of each credential kind are called.
    pub names: BTreeMap<credential::Kind, Names>,
}

/// What the parts of a credential kind are called.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// The kind itself, as a choice and as the heading of its section.
    pub kind: String,
    /// When to choose it, in a sentence.
    pub hint: String,
    /// The public part.
    pub public_id: String,
    /// The secret.
    pub secret: String,
}

fn done() -> String {
    "Done".to_owned()
}

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// Client id, key id or username.
    PublicId,
    /// The label.
    Label,
    /// When it was made.
    Created,
    /// Its kind.
    Kind,
    /// What it may do, in a word or its scopes.
    Access,
    /// Where it stands in its life.
    Status,
    /// When and from where it was last used.
    LastUsed,
    /// When it ends by itself.
    Expires,
}

/// A value shown after creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// Client id, key id or username.
    PublicId,
    /// The secret, this once.
    Secret,
    /// The account's id, which requests carry.
    AccountId,
}

/// Why a file of account kinds cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KindsError {
    /// Not TOML, a field unknown, missing or of the wrong type.
    #[error("the account kinds cannot be read: {0}")]
    Unreadable(#[from] toml::de::Error),
    /// Readable, but it contradicts itself.
    #[error("account kind {kind}: {problem}")]
    Contradiction {
        /// The kind.
        kind: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Kinds {
    /// The kinds that ship with Claviger.
    ///
    /// # Errors
    /// Never in a tested build: a unit test reads the same text.
    pub fn built_in() -> Result<Self, KindsError> {
        Self::parse(include_str!("kinds.toml"))
    }

    /// Reads and checks a file of account kinds.
    ///
    /// # Errors
    /// When it cannot be read, or contradicts itself.
    pub fn parse(text: &str) -> Result<Self, KindsError> {
        let kinds = Self { all: toml::from_str(text)?, own: String::new() };
        for (id, kind) in &kinds.all {
            kinds.check(kind).map_err(|problem| KindsError::Contradiction { kind: id.clone(), problem })?;
        }
        Ok(kinds)
    }

    /// These kinds, and those of `file`; of two with the same name the file's counts.
    ///
    /// # Errors
    /// When the file cannot be read, or the whole contradicts itself.
    pub fn extended_by(self, file: &str) -> Result<Self, KindsError> {
        let mut kinds = self;
        kinds.all.extend(toml::from_str::<BTreeMap<String, Kind>>(file)?);
        kinds.own.push_str(&toml::from_str::<toml::Table>(file)?.to_string());
        for (id, kind) in &kinds.all {
            kinds.check(kind).map_err(|problem| KindsError::Contradiction { kind: id.clone(), problem })?;
        }
        Ok(kinds)
    }

    /// What an operator's files added to the built-in ones or replaced: the same for the same kinds, whatever else stands in the files.
    #[must_use]
    pub fn own(&self) -> &str {
        &self.own
    }

    /// The kind called `id`.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Kind> {
        self.all.get(id)
    }

    /// Every kind with its name in the API, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Kind)> {
        self.all.iter().map(|(id, kind)| (id.as_str(), kind))
    }

    fn check(&self, kind: &Kind) -> Result<(), String> {
        if let Some(unknown) = kind.parents.iter().find(|parent| !self.all.contains_key(*parent)) {
            return Err(format!("parent kind {unknown} does not exist"));
        }
        if !kind.top_level && kind.parents.is_empty() {
            return Err("it can stand nowhere: give it parents, or top_level = true".into());
        }
        if kind.credentials.kinds.is_empty() || kind.credentials.access.is_empty() {
            return Err("credentials need at least one kind and one level of access".into());
        }
        if !kind.roles.iter().any(|role| role.can.contains(&Capability::ManageCredentials)) {
            return Err("no role can manage credentials".into());
        }
        if let Some(unnamed) = kind.credentials.kinds.iter().find(|credential| !kind.console.names.contains_key(credential)) {
            return Err(format!("console.names has no words for {unnamed}"));
        }
        if kind.console.way.is_empty() {
            return Err("console.way must name at least the page's tab".into());
        }
        if kind.credentials.access.contains(&Level::Roles) && kind.credentials.roles.is_empty() {
            return Err("access by roles needs roles".into());
        }
        if ["members", "clients", "below"].contains(&kind.console.page.as_str())
            || !kind.console.page.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        {
            return Err("console.page must be of a-z and -, and none of members, clients and below".into());
        }
        if kind.credentials.acts_for != ActsFor::Itself && kind.credentials.account_header.is_none() {
            return Err("a credential that acts for others needs an account_header that says for whom".into());
        }
        Ok(())
    }
}

impl Kind {
    /// The role called `id`.
    #[must_use]
    pub fn find_role(&self, id: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.id == id)
    }
}

impl Rules {
    /// The role of keys called `id`.
    #[must_use]
    pub fn find_role(&self, id: &str) -> Option<&KeyRole> {
        self.roles.iter().find(|role| role.id == id)
    }
}

impl Console {
    /// The page's name in the navigation.
    #[must_use]
    pub fn tab(&self) -> &str {
        self.way.last().map_or("", String::as_str)
    }

    /// What the part of the console is called that holds the page.
    #[must_use]
    pub fn section(&self) -> &str {
        if self.way.len() > 1 { &self.way[0] } else { "Account" }
    }
}

impl Role {
    /// Whether it may.
    #[must_use]
    pub fn may(&self, capability: Capability) -> bool {
        self.can.contains(&capability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_kinds_are_sound() {
        let kinds = Kinds::built_in().expect("sound");
        assert!(kinds.find("corporate").is_some_and(|kind| kind.find_role("owner").is_some_and(|owner| owner.at_least_one)));
    }

    #[test]
    fn a_kind_that_contradicts_itself_is_refused_with_its_name() {
        let text = include_str!("kinds.toml").replace("parents = [\"partner\"]", "parents = [\"nobody\"]");
        let error = Kinds::parse(&text).expect_err("an unknown parent");
        assert!(error.to_string().contains("corporate") && error.to_string().contains("nobody"), "{error}");
    }

    #[test]
    fn an_unknown_word_in_the_file_is_an_error_not_a_silence() {
        let text = include_str!("kinds.toml").replace("active_limit", "activ_limit");
        assert!(matches!(Kinds::parse(&text), Err(KindsError::Unreadable(_))));
    }
}
