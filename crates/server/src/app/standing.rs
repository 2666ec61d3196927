//! Where a credential or an account stands, as it is shown: what takes something away is under way until it is true on every node.
use std::collections::BTreeMap;

use claviger_domain::{
    account::{Account, Status},
    credential::{Credential, State},
    id::AccountId,
    time::Timestamp,
};
use claviger_store::credential::Listed;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use crate::problem::Problem;

/// Where a credential stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is accepted.
    Active,
    /// Until it is true on every node that it is refused for now.
    Pausing,
    /// It is refused for now.
    Paused,
    /// Until it is true on every node that it has ended.
    Revoking,
    /// It has ended, and is listed still.
    Revoked,
    /// It has ended.
    Deleted,
}

impl Standing {
    /// Of a credential whose last change is true on every node, or is not.
    pub(crate) const fn of(credential: &Credential, unsettled: bool) -> Self {
        match (credential.state, unsettled) {
            (State::Active, _) => Self::Active,
            (State::Paused, true) => Self::Pausing,
            (State::Paused, false) => Self::Paused,
            (State::Revoked | State::Deleted, true) => Self::Revoking,
            (State::Revoked, false) => Self::Revoked,
            (State::Deleted, false) => Self::Deleted,
        }
    }

    /// Of a credential as it was found.
    pub(crate) const fn of_listed(listed: &Listed) -> Self {
        Self::of(&listed.credential, listed.unsettled.is_some())
    }
}

/// Since when at the latest what was found is true on every node; None: it is.
pub(crate) fn settles_by(app: &App, listed: &Listed) -> Option<Timestamp> {
    listed.unsettled.map(|rev| app.cluster.settles_by(rev))
}

/// What was found by what was known to be safe, after a closer look: what is settled by now is said so, and what is gone by now is left out.
pub(crate) async fn settled(app: &App, mut found: Vec<Listed>) -> Result<Vec<Listed>, Problem> {
    if found.iter().all(|listed| listed.unsettled.is_none()) {
        return Ok(found);
    }
    let safe = app.cluster.look_for_safe().await?;
    found.iter_mut().for_each(|listed| listed.unsettled = listed.unsettled.filter(|rev| *rev > safe));
    found.retain(|listed| listed.credential.state != State::Deleted || listed.unsettled.is_some());
    Ok(found)
}

/// Whether an account may do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountStanding {
    /// It is in use.
    Active,
    /// Until it is true on every node that it is suspended.
    Suspending,
    /// It, and everything below it, is refused.
    Suspended,
}

impl AccountStanding {
    /// Of an account whose last change is true on every node, or is not.
    pub(crate) const fn of(account: &Account, unsettled: bool) -> Self {
        match (account.status, unsettled) {
            (Status::Active, _) => Self::Active,
            (Status::Suspended, true) => Self::Suspending,
            (Status::Suspended, false) => Self::Suspended,
        }
    }
}

/// Which accounts have changed so lately that some node may not know of it.
#[derive(Debug)]
pub(crate) struct UnsettledAccounts(BTreeMap<AccountId, i64>);

impl UnsettledAccounts {
    /// Among these and those above them, which have been read already.
    pub(crate) async fn among<'a>(app: &App, found: impl IntoIterator<Item = &'a Account>) -> Result<Self, Problem> {
        let (ids, safe) = (found.into_iter().flat_map(of_and_above), app.cluster.safe().await?);
        let mut unsettled = app.store.reader().await?.list_unsettled_accounts(ids, safe).await?;
        if !unsettled.is_empty() {
            // a closer look: most of what was not known to be settled is by now
            let safe = app.cluster.look_for_safe().await?;
            unsettled.retain(|_, rev| *rev > safe);
        }
        Ok(Self(unsettled))
    }

    /// The last change of it, or of an account above it, that some node may not know of: suspended is what is below a suspended one, too.
    fn last(&self, account: &Account) -> Option<i64> {
        of_and_above(account).filter_map(|id| self.0.get(&id).copied()).max()
    }

    /// Where it stands.
    pub(crate) fn standing(&self, account: &Account) -> AccountStanding {
        AccountStanding::of(account, self.last(account).is_some())
    }

    /// When its last change is true on every node at the latest; None: it is.
    pub(crate) fn settles_by(&self, app: &App, account: &Account) -> Option<Timestamp> {
        self.last(account).map(|rev| app.cluster.settles_by(rev))
    }
}

fn of_and_above(account: &Account) -> impl Iterator<Item = AccountId> + '_ {
    account.lineage.iter().chain([account.id])
}
