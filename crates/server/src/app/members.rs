//! Members: the people of an account.
use claviger_domain::{
    account::parse_name,
    email::Email,
    event::Action,
    id::AccountId,
    invalid::Invalid,
    kind::Capability,
    policy::{Grant, ManageMembers},
};
use claviger_store::member::Member;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::App;
use crate::{
    problem::{Code, Problem},
    request::Context,
};

/// The most members of an account: as many as are listed.
const MOST: i64 = 1_000;

/// How a member is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberView {
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: Option<String>,
    /// Their role.
    pub role: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// The client accounts assigned to them; absent for roles that see all, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<Vec<String>>,
}

/// What a member is to be.
pub struct NewMember {
    /// Their address.
    pub email: String,
    /// Their role.
    pub role: String,
    /// Their name; None keeps the one they have.
    pub name: Option<String>,
    /// The client accounts assigned to them; None keeps those they have.
    pub clients: Option<Vec<String>>,
}

/// Adds a member, or changes the one with that address. True when they are new.
pub(crate) async fn save(app: &App, context: &Context, grant: &Grant<ManageMembers>, new: NewMember) -> Result<(MemberView, bool), Problem> {
    let account = grant.account();
    let kind = app.kinds.find(&account.kind).ok_or_else(Problem::not_found)?;
    let email = Email::parse(&new.email)?;
    let name = new.name.as_deref().map(|name| parse_name("name", name)).transpose()?;
    let role = kind.find_role(&new.role).ok_or_else(|| Invalid::new("role", "role_unknown", "Accounts of this kind have no such role."))?;
    if new.clients.is_some() && !role.may(Capability::SeeAssignedClients) {
        return Err(Invalid::new("clients", "field_not_of_this_role", "Leave this field out: this role has no clients assigned.").into());
    }
    let mut clients = Vec::new();
    for text in new.clients.iter().flatten() {
        let unknown = || Invalid::new("clients", "client_unknown", "Every client must be an account directly below this one.");
        let id: AccountId = text.parse().map_err(|_| unknown())?;
        let client = app.store.reader().await?.find_account(id).await?.filter(|client| client.lineage.parent() == Some(account.id));
        clients.push(client.ok_or_else(unknown)?.id);
    }
    let mut tx = app.store.begin().await?;
    tx.lock_account(account.id).await?;
    let before = tx.find_member(account.id, &email.folded()).await?;
    if let Some(before) = &before
        && before.role != role.id
    {
        assure_not_last(app, &mut tx, &account.kind, before).await?;
    }
    if before.is_none() && tx.count_members(account.id).await? >= MOST {
        return Err(Problem::new(Code::LimitReached, "An account has at most 1,000 members. Remove one first."));
    }
    let member = Member {
        account_id: account.id,
        folded: email.folded(),
        email: email.to_string(),
        name: name.or_else(|| before.as_ref().and_then(|before| before.name.clone())),
        role: role.id.clone(),
        created_at: before.as_ref().map_or_else(|| app.clock.now(), |before| before.created_at),
    };
    tx.save_member(&member).await?;
    let assigned = role.may(Capability::SeeAssignedClients);
    if new.clients.is_some() || !assigned {
        tx.assign_clients(account.id, &member.folded, &clients).await?;
    }
    let detail = json!({ "role": { "from": before.as_ref().map(|before| &before.role), "to": member.role } });
    let recorded = tx.record(&app.event(context, grant.actor(), Action::MemberSaved, Some(account.id), &member.email, detail)).await?;
    app.commit(tx, recorded).await?;
    let mut view = MemberView::from(member);
    if assigned {
        view.clients = Some(assigned_clients(app, account.id, &email.folded()).await?);
    }
    Ok((view, before.is_none()))
}

/// Removes a member; their sessions end with it. That one is gone already is said when that is sure.
pub(crate) async fn remove(app: &App, context: &Context, grant: &Grant<ManageMembers>, email: &str) -> Result<(), Problem> {
    let account = grant.account();
    let folded = Email::parse(email).map_err(|_| Problem::not_found())?.folded();
    let mut tx = app.store.begin().await?;
    tx.lock_account(account.id).await?;
    let Some(member) = tx.find_member(account.id, &folded).await? else {
        app.make_sure_instead(tx).await?;
        return Err(Problem::not_found());
    };
    assure_not_last(app, &mut tx, &account.kind, &member).await?;
    tx.delete_member(account.id, &folded).await?;
    let detail = json!({ "role": member.role });
    let recorded = tx.record(&app.event(context, grant.actor(), Action::MemberRemoved, Some(account.id), &member.email, detail)).await?;
    Ok(app.commit(tx, recorded).await?)
}

/// All members, by address.
pub(crate) async fn list(app: &App, grant: &Grant<ManageMembers>) -> Result<Vec<MemberView>, Problem> {
    let account = grant.account();
    let kind = app.kinds.find(&account.kind).ok_or_else(Problem::not_found)?;
    let members = app.store.reader().await?.list_members(account.id).await?;
    let mut views = Vec::with_capacity(members.len());
    for member in members {
        let assigned = kind.find_role(&member.role).is_some_and(|role| role.may(Capability::SeeAssignedClients));
        let folded = member.folded.clone();
        let mut view = MemberView::from(member);
        if assigned {
            view.clients = Some(assigned_clients(app, account.id, &folded).await?);
        }
        views.push(view);
    }
    Ok(views)
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self { email: member.email, name: member.name, role: member.role, created_at: member.created_at.to_string(), clients: None }
    }
}

async fn assigned_clients(app: &App, account: AccountId, folded: &str) -> Result<Vec<String>, Problem> {
    let assigned = app.store.reader().await?.list_assigned(account, folded).await?;
    Ok(assigned.into_iter().map(|id| id.to_string()).collect())
}

/// Refuses to take the last one of a role away that the account must keep.
async fn assure_not_last(app: &App, tx: &mut claviger_store::Tx, kind: &str, member: &Member) -> Result<(), Problem> {
    let role = app.kinds.find(kind).and_then(|kind| kind.find_role(&member.role));
    let Some(role) = role.filter(|role| role.at_least_one) else { return Ok(()) };
    if tx.count_members_with_role(member.account_id, &role.id).await? > 1 {
        return Ok(());
    }
    let detail = format!("This is the account's last {}. Give the role to someone else first.", role.name.to_lowercase());
    Err(Problem::new(Code::LastOfRole, detail))
}
