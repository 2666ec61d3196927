//! Accounts: making, changing and finding them.
use claviger_domain::{
    account::{Account, Lineage, Status, parse_external_id, parse_name},
    event::Action,
    id::AccountId,
    invalid::Invalid,
    policy::OperatorGrant,
};
use claviger_store::{StoreError, account::AccountChange};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    App,
    once::Once,
    standing::{AccountStanding, UnsettledAccounts},
};
use crate::{cluster, problem::Problem, request::Context};

/// How an account is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountView {
    /// UUID.
    pub id: String,
    /// The account kind.
    pub kind: String,
    /// What people call it.
    pub name: String,
    /// The account it stands under.
    pub parent_id: Option<String>,
    /// The operator's own id for it.
    pub external_id: Option<String>,
    /// Whether it may do anything. `suspending`: some node may still accept its credentials.
    pub status: AccountStanding,
    /// RFC 3339, UTC: when its last change is true on every node at the latest; absent when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settles_by: Option<String>,
    /// The gate.
    pub api_access: bool,
    /// RFC 3339, UTC.
    pub created_at: String,
}

impl From<&Account> for AccountView {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id.to_string(),
            kind: account.kind.clone(),
            name: account.name.clone(),
            parent_id: account.lineage.parent().map(|id| id.to_string()),
            external_id: account.external_id.clone(),
            status: AccountStanding::of(account, false),
            settles_by: None,
            api_access: account.api_access,
            created_at: account.created_at.to_string(),
        }
    }
}

impl AccountView {
    /// As this request has just changed it.
    fn changed(account: &Account) -> Self {
        let later = cluster::told().filter(|settled| !settled.complete);
        Self {
            status: AccountStanding::of(account, later.is_some()),
            settles_by: later.map(|settled| settled.effective_at.to_string()),
            ..Self::from(account)
        }
    }

    /// As it was found.
    pub(crate) fn of(app: &App, unsettled: &UnsettledAccounts, account: &Account) -> Self {
        Self { status: unsettled.standing(account), settles_by: unsettled.settles_by(app, account).map(|at| at.to_string()), ..Self::from(account) }
    }
}

/// What an account is to be.
pub struct NewAccount {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The account it stands under.
    pub parent_id: Option<String>,
    /// The operator's own id for it.
    pub external_id: Option<String>,
}

/// Makes an account.
pub(crate) async fn create(
    app: &App,
    context: &Context,
    grant: &OperatorGrant,
    new: NewAccount,
    once: Option<&Once>,
) -> Result<AccountView, Problem> {
    let mut wrong = Vec::new();
    let mut keep = |result: Result<String, Invalid>| result.map_err(|invalid| wrong.push(invalid)).unwrap_or_default();
    let name = keep(parse_name("name", &new.name));
    let external_id = new.external_id.as_deref().map(|text| keep(parse_external_id(text)));
    let kind = app.kinds.find(&new.kind);
    if kind.is_none() {
        wrong.push(Invalid::new("kind", "kind_unknown", "There is no such account kind."));
    }
    let parent = match &new.parent_id {
        None => None,
        Some(text) => match text.parse::<AccountId>() {
            Ok(id) => app.store.reader().await?.find_account(id).await?,
            Err(_) => None,
        },
    };
    if let Some(kind) = kind {
        match (&new.parent_id, &parent) {
            (None, _) if kind.top_level => {}
            (None, _) => wrong.push(Invalid::new("parent_id", "parent_required", "An account of this kind stands under another; say which.")),
            (Some(_), None) => wrong.push(Invalid::new("parent_id", "parent_unknown", "There is no such account.")),
            (Some(_), Some(parent)) if kind.parents.contains(&parent.kind) => match kind.max_depth {
                Some(deepest) if Lineage::below(parent).depth() > deepest => {
                    let message =
                        format!("Of this kind there are at most {deepest} levels of accounts under the topmost one, and that one is of the last.");
                    wrong.push(Invalid::new("parent_id", "parent_too_deep", message));
                }
                _ => {}
            },
            (Some(_), Some(_)) => {
                wrong.push(Invalid::new("parent_id", "parent_kind", "An account of this kind cannot stand under one of that kind."))
            }
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.into());
    }
    let now = app.clock.now();
    let account = Account {
        id: AccountId::new(now, &*app.chance),
        kind: new.kind,
        name,
        external_id,
        status: Status::Active,
        api_access: kind.and_then(|kind| kind.gate.as_ref()).is_none_or(|gate| gate.initially),
        lineage: parent.as_ref().map_or_else(Lineage::default, Lineage::below),
        created_at: now,
    };
    let view = AccountView::from(&account);
    let mut tx = app.store.begin().await?;
    if let Some(once) = once {
        once.remember(app, &mut tx, &view).await?;
    }
    tx.insert_account(&account).await.map_err(|error| match error {
        StoreError::Duplicate => Problem { detail: "Another account has that external_id.".into(), ..error.into() },
        other => other.into(),
    })?;
    let detail = json!({ "kind": account.kind, "parent_id": view.parent_id });
    let recorded = tx.record(&app.event(context, grant.actor(), Action::AccountCreated, Some(account.id), &account.name, detail)).await?;
    app.commit(tx, recorded).await?;
    Ok(view)
}

/// Changes an account. Closing the gate or suspending it ends, before this returns, what every credential of it may do.
pub(crate) async fn update(
    app: &App,
    context: &Context,
    grant: &OperatorGrant,
    id: AccountId,
    mut change: AccountChange,
) -> Result<AccountView, Problem> {
    if let Some(name) = &change.name {
        change.name = Some(parse_name("name", name)?);
    }
    let mut tx = app.store.begin().await?;
    let account = tx.find_account_for_update(id).await?.ok_or_else(Problem::not_found)?;
    if change.api_access.is_some() && app.kinds.find(&account.kind).is_none_or(|kind| kind.gate.is_none()) {
        return Err(Invalid::new("api_access", "no_gate", "Accounts of this kind have no gate.").into());
    }
    let mut detail = serde_json::Map::new();
    if let Some(name) = change.name.as_ref().filter(|name| **name != account.name) {
        detail.insert("name".into(), json!({ "from": account.name, "to": name }));
    }
    if let Some(open) = change.api_access.filter(|open| *open != account.api_access) {
        detail.insert("api_access".into(), json!({ "from": account.api_access, "to": open }));
    }
    if let Some(status) = change.status.filter(|status| *status != account.status) {
        detail.insert("status".into(), json!({ "from": account.status.as_str(), "to": status.as_str() }));
    }
    if detail.is_empty() {
        // whoever did it may not have waited until it was true everywhere
        app.make_sure_instead(tx).await?;
        return Ok(AccountView::changed(&account));
    }
    tx.update_account(id, &change).await?;
    if change.api_access == Some(true) {
        // whoever asked for it has their answer
        tx.set_access_request(id, None).await?;
    }
    let changed = Account {
        name: change.name.unwrap_or(account.name),
        api_access: change.api_access.unwrap_or(account.api_access),
        status: change.status.unwrap_or(account.status),
        ..account
    };
    let recorded = tx.record(&app.event(context, grant.actor(), Action::AccountUpdated, Some(id), &changed.name, detail.into())).await?;
    app.commit(tx, recorded).await?;
    Ok(AccountView::changed(&changed))
}

/// Whether any account above this one is suspended.
pub(crate) async fn is_any_above_suspended(app: &App, account: &Account) -> Result<bool, Problem> {
    let mut reader = app.store.reader().await?;
    for id in account.lineage.iter() {
        if reader.find_account(id).await?.is_none_or(|above| above.status == Status::Suspended) {
            return Ok(true);
        }
    }
    Ok(false)
}
