//! Who may do what: the only place that decides. A verb that needs a permission takes the [`Grant`] that only this file can make.
use std::marker::PhantomData;

use crate::{
    account::{Account, Status},
    id::AccountId,
    kind::{Capability, Closed, Denied, Kinds, Reach},
};

/// Who asks. Proven by the caller: by an operator key, or by a session and the membership behind it, both read just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The operator: its staff, or a system of its back office.
    Operator {
        /// The key's or the person's name, for the audit trail.
        name: String,
        /// The key, by its public part: two may have one name. None for a person.
        key: Option<String>,
    },
    /// A person with one role in one account.
    Member {
        /// The account.
        account: AccountId,
        /// The account's kind.
        kind: String,
        /// Their address.
        email: String,
        /// Their role there, by its name in the API.
        role: String,
    },
    /// An API key whose roles let it manage keys.
    Key {
        /// The account it lives in.
        account: AccountId,
        /// The account's kind.
        kind: String,
        /// Its public part.
        public_id: String,
        /// Whether one of its roles manages keys.
        manages_keys: bool,
    },
}

impl Actor {
    /// What tells them from every other caller, those of the same name included.
    #[must_use]
    pub fn identity(&self) -> String {
        match self {
            Self::Operator { key: Some(key), .. } => format!("operator key:{key}"),
            Self::Member { account, email, .. } => format!("member of {account}:{}", email.to_lowercase()),
            Self::Operator { .. } | Self::Key { .. } => self.as_text(),
        }
    }

    /// The account they live in; None for the operator.
    #[must_use]
    pub const fn account(&self) -> Option<AccountId> {
        match self {
            Self::Operator { .. } => None,
            Self::Member { account, .. } | Self::Key { account, .. } => Some(*account),
        }
    }

    /// How events name them.
    #[must_use]
    pub fn as_text(&self) -> String {
        match self {
            Self::Operator { name, .. } => format!("operator:{name}"),
            Self::Member { email, .. } => format!("member:{email}"),
            Self::Key { public_id, .. } => format!("key:{public_id}"),
        }
    }
}

/// A permission, as a type: it stands in the signature of whatever needs it.
pub trait Permission: Send + Sync + 'static {
    /// Its name in the permission matrix.
    const NAME: &'static str;
    /// The capability a member's role needs; None when any member may.
    const CAPABILITY: Option<Capability>;
    /// Whether the operator may. The operator acts for its customers in everything but their console's own pages.
    const OPERATOR: bool = true;
    /// Whether it exists only while the account's gate is open and the account is active.
    const BEHIND_GATE: bool = false;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal { $($item:item)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;
        impl Permission for $name { const NAME: &'static str = $text; $($item)* }
    )*};
}

permissions! {
    /// See one's own account.
    SeeAccount = "see_account" { const CAPABILITY: Option<Capability> = None; }
    /// See, create and end credentials.
    ManageCredentials = "manage_credentials" {
        const CAPABILITY: Option<Capability> = Some(Capability::ManageCredentials);
        const BEHIND_GATE: bool = true;
    }
    /// See, add, change and remove members.
    ManageMembers = "manage_members" { const CAPABILITY: Option<Capability> = Some(Capability::ManageMembers); }
}

/// Proof that `actor` may do `P` in `account`. Only [`decide`] makes one.
#[derive(Clone, Debug)]
pub struct Grant<P> {
    actor: Actor,
    account: Account,
    permission: PhantomData<P>,
}

impl<P> Grant<P> {
    /// Who was allowed.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// In which account, as it was when this was decided.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }
}

/// Proof that the actor is the operator. Only [`operator`] makes one.
#[derive(Clone, Debug)]
pub struct OperatorGrant(Actor);

impl OperatorGrant {
    /// Who was allowed.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.0
    }
}

/// Why not, as far as the one who asked may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// They may not know that it exists: 404.
    #[error("there is no such thing here")]
    Hidden,
    /// They may know, and may not: 403.
    #[error("your role may not do this")]
    Forbidden,
    /// They may once the operator has opened the gate, and may ask for that.
    #[error("the operator has not granted this yet")]
    GateClosed,
}

/// Whether `actor` may do `P` in `account`.
///
/// # Errors
/// When they may not; how much they are told, the account's kind says.
pub fn decide<P: Permission>(kinds: &Kinds, actor: &Actor, account: &Account) -> Result<Grant<P>, Refused> {
    let kind = kinds.find(&account.kind).ok_or(Refused::Hidden)?;
    let grant = || Grant { actor: actor.clone(), account: account.clone(), permission: PhantomData };
    let (own, own_kind, allowed) = match actor {
        Actor::Operator { .. } => return if P::OPERATOR { Ok(grant()) } else { Err(Refused::Hidden) },
        Actor::Member { account: own, kind, role, .. } => {
            let own_kind = kinds.find(kind).ok_or(Refused::Hidden)?;
            let role = own_kind.find_role(role).ok_or(Refused::Hidden)?;
            (*own, own_kind, P::CAPABILITY.is_none_or(|capability| role.may(capability)))
        }
        Actor::Key { account: own, kind, manages_keys, .. } => {
            let own_kind = kinds.find(kind).ok_or(Refused::Hidden)?;
            (*own, own_kind, *manages_keys && P::CAPABILITY == Some(Capability::ManageCredentials))
        }
    };
    let below = own_kind.credentials.reach == Reach::Below && account.lineage.contains(own);
    if own != account.id && !below {
        // of another account they may not even know that it exists
        return Err(Refused::Hidden);
    }
    let denied = match kind.credentials.denied {
        Denied::Hidden => Refused::Hidden,
        Denied::Forbidden | Denied::Explained => Refused::Forbidden,
    };
    if !allowed {
        return Err(denied);
    }
    if P::BEHIND_GATE {
        if account.status != Status::Active {
            return Err(denied);
        }
        match &kind.gate {
            Some(gate) if !account.api_access => {
                return Err(if gate.closed == Closed::Request { Refused::GateClosed } else { Refused::Hidden });
            }
            _ => {}
        }
    }
    Ok(grant())
}

/// Whether `actor` is the operator.
///
/// # Errors
/// When they are anyone else, to whom the operator's side does not exist.
pub fn operator(actor: &Actor) -> Result<OperatorGrant, Refused> {
    match actor {
        Actor::Operator { .. } => Ok(OperatorGrant(actor.clone())),
        Actor::Member { .. } | Actor::Key { .. } => Err(Refused::Hidden),
    }
}

/// Which of an account's children a member may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientsSeen {
    /// None; the page does not exist for them.
    None,
    /// Those assigned to them.
    Assigned,
    /// All.
    All,
}

/// Which of the accounts below `account` `actor` may see.
#[must_use]
pub fn clients_seen(kinds: &Kinds, actor: &Actor, account: &Account) -> ClientsSeen {
    let role = match actor {
        Actor::Operator { .. } => return ClientsSeen::All,
        Actor::Member { account: own, role, .. } if *own == account.id => kinds.find(&account.kind).and_then(|kind| kind.find_role(role)),
        Actor::Member { .. } | Actor::Key { .. } => None,
    };
    match role {
        Some(role) if role.may(Capability::SeeClients) => ClientsSeen::All,
        Some(role) if role.may(Capability::SeeAssignedClients) => ClientsSeen::Assigned,
        _ => ClientsSeen::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{account::Lineage, time::Timestamp};

    fn account(kind: &str, api_access: bool, status: Status) -> Account {
        Account {
            id: "01890000-0000-7000-8000-000000000001".parse().expect("an id"),
            kind: kind.into(),
            name: "Acme".into(),
            external_id: None,
            status,
            api_access,
            lineage: Lineage::default(),
            created_at: Timestamp::from_micros(0),
        }
    }

    fn member(account: &Account, role: &str) -> Actor {
        Actor::Member { account: account.id, kind: account.kind.clone(), email: "a@b.co".into(), role: role.into() }
    }

    #[test]
    fn only_the_roles_in_the_table_manage_credentials() {
        let kinds = Kinds::built_in().expect("sound");
        for (kind, role, may) in [
            ("corporate", "owner", true),
            ("corporate", "admin", true),
            ("corporate", "executor", false),
            ("corporate", "preparer", false),
            ("corporate", "viewer", false),
            ("partner", "partner_admin", true),
            ("partner", "onboarding_agent", false),
            ("partner", "owner", false),
        ] {
            let account = account(kind, true, Status::Active);
            let decided = decide::<ManageCredentials>(&kinds, &member(&account, role), &account);
            assert_eq!(decided.is_ok(), may, "{kind} {role}");
        }
    }

    #[test]
    fn a_closed_gate_a_suspension_and_a_foreign_account_hide_credentials_from_an_owner() {
        let kinds = Kinds::built_in().expect("sound");
        for account in [account("corporate", false, Status::Active), account("corporate", true, Status::Suspended)] {
            assert_eq!(decide::<ManageCredentials>(&kinds, &member(&account, "owner"), &account).err(), Some(Refused::Hidden));
        }
        let own = account("corporate", true, Status::Active);
        let mut foreign = own.clone();
        foreign.id = "01890000-0000-7000-8000-000000000002".parse().expect("an id");
        assert!(decide::<SeeAccount>(&kinds, &member(&own, "owner"), &foreign).is_err());
    }

    #[test]
    fn an_admin_manages_keys_but_not_users() {
        let kinds = Kinds::built_in().expect("sound");
        let account = account("corporate", true, Status::Active);
        assert!(decide::<ManageMembers>(&kinds, &member(&account, "admin"), &account).is_err());
        assert!(decide::<ManageMembers>(&kinds, &member(&account, "owner"), &account).is_ok());
    }
}
