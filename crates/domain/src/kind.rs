//! Account kinds: what a kind of account may have, may do and is told, read from data. No other code knows a kind by name.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{access::Level, credential};

/// All account kinds of an installation, by name.
#[derive(Clone, Debug)]
pub struct Kinds(BTreeMap<String, Kind>);

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
    /// What those see who may not manage credentials.
    pub denied: Denied,
    /// Which accounts a credential can act for.
    pub acts_for: ActsFor,
    /// The request header that names the account acted for; when set, every request must carry it.
    pub account_header: Option<String>,
}

/// The field that says whose a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// A valid email address, which need not be a member's and need not be unique.
    Email,
}

/// How a credential ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Deleted: it leaves the list at once.
    Delete,
}

/// What those see who may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denied {
    /// Nothing at all: absent in the console, 404 elsewhere.
    Hidden,
}

/// Which accounts a credential can act for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActsFor {
    /// Its own account only.
    Itself,
    /// Its own account and those directly below.
    Children,
}

/// Where a kind's console keeps credentials, and in which words.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    /// The page's name in the URL.
    pub page: String,
    /// What the part of the console is called that holds the page.
    pub section: String,
    /// The page's name in the navigation.
    pub tab: String,
    /// Whether the account menu leads straight to it.
    pub in_account_menu: bool,
    /// One of them.
    pub noun: String,
    /// What the page is for.
    pub intro: String,
    /// The button that begins a creation.
    pub create: String,
    /// The button that makes it.
    pub submit: String,
    /// The public part's name.
    pub public_id: String,
    /// The secret's name.
    pub secret: String,
    /// The label field's name.
    pub label: String,
    /// What to enter there.
    pub label_hint: String,
    /// The table's columns.
    pub list: Vec<Column>,
    /// What is shown once after creation, in order.
    pub shown: Vec<Shown>,
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
        let kinds = Self(toml::from_str(text)?);
        for (id, kind) in &kinds.0 {
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
        kinds.0.extend(toml::from_str::<BTreeMap<String, Kind>>(file)?);
        for (id, kind) in &kinds.0 {
            kinds.check(kind).map_err(|problem| KindsError::Contradiction { kind: id.clone(), problem })?;
        }
        Ok(kinds)
    }

    /// The kind called `id`.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Kind> {
        self.0.get(id)
    }

    /// Every kind with its name in the API, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Kind)> {
        self.0.iter().map(|(id, kind)| (id.as_str(), kind))
    }

    fn check(&self, kind: &Kind) -> Result<(), String> {
        if let Some(unknown) = kind.parents.iter().find(|parent| !self.0.contains_key(*parent)) {
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
        if kind.credentials.acts_for == ActsFor::Children && kind.credentials.account_header.is_none() {
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
