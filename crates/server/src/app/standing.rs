//! Where a credential stands in its life, as it is shown: what takes something away is under way until it is true on every node.
use claviger_domain::{
    credential::{Credential, State},
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
