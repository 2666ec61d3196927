//! Members: the people of an account.
use claviger_domain::{
    account::parse_name,
    email::Email,
    event::Action,
    id::AccountId,
    invalid::Invalid,
    kind::{Capability, Role},
    policy::{Grant, ManageMembers},
};
use claviger_store::{Tx, member::Member};
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

/// Adds a member. Who is one already is refused, and stays as they are.
pub(crate) async fn add(app: &App, context: &Context, grant: &Grant<ManageMembers>, new: NewMember) -> Result<MemberView, Problem> {
    let wanted = check(app, grant, new).await?;
    let (tx, before) = lock(app, grant, &wanted.email).await?;
    if let Some(Known { member, .. }) = before {
        let text = format!("{} is already a member. Change their role in the list of members.", member.email);
        return Err(Invalid::new("email", "already_a_member", text).into());
    }
    write(app, context, grant, tx, None, wanted).await
}

/// Changes a member. Who is none, or none any more, is not made one.
pub(crate) async fn change(app: &App, context: &Context, grant: &Grant<ManageMembers>, new: NewMember) -> Result<MemberView, Problem> {
    let wanted = check(app, grant, new).await?;
    let (tx, before) = lock(app, grant, &wanted.email).await?;
    let before = before.ok_or_else(Problem::not_found)?;
    write(app, context, grant, tx, Some(before), wanted).await
}

/// Adds a member, or changes the one with that address. True when they are new.
pub(crate) async fn save(app: &App, context: &Context, grant: &Grant<ManageMembers>, new: NewMember) -> Result<(MemberView, bool), Problem> {
    let wanted = check(app, grant, new).await?;
    let (tx, before) = lock(app, grant, &wanted.email).await?;
    let is_new = before.is_none();
    Ok((write(app, context, grant, tx, before, wanted).await?, is_new))
}

/// What a member is to be, once it is known that they can be.
struct Wanted<'a> {
    email: Email,
    role: &'a Role,
    name: Option<String>,
    clients: Option<Vec<AccountId>>,
}

async fn check<'a>(app: &'a App, grant: &Grant<ManageMembers>, new: NewMember) -> Result<Wanted<'a>, Problem> {
    let account = grant.account();
    let kind = app.kinds.find(&account.kind).ok_or_else(Problem::not_found)?;
    let email = Email::parse(&new.email)?;
    let name = new.name.as_deref().map(|name| parse_name("name", name)).transpose()?;
    let role = kind.find_role(&new.role).ok_or_else(|| Invalid::new("role", "role_unknown", "Accounts of this kind have no such role."))?;
    let Some(sent) = new.clients else { return Ok(Wanted { email, role, name, clients: None }) };
    if !role.may(Capability::SeeAssignedClients) {
        return Err(Invalid::new("clients", "field_not_of_this_role", "Leave this field out: this role has no clients assigned.").into());
    }
    let mut clients = Vec::new();
    for text in &sent {
        let unknown = || Invalid::new("clients", "client_unknown", "Every client must be an account directly below this one.");
        let id: AccountId = text.parse().map_err(|_| unknown())?;
        let client = app.store.reader().await?.find_account(id).await?.filter(|client| client.lineage.parent() == Some(account.id));
        clients.push(client.ok_or_else(unknown)?.id);
    }
    clients.sort_unstable();
    clients.dedup();
    Ok(Wanted { email, role, name, clients: Some(clients) })
}

/// A member as they are, with the clients assigned to them.
struct Known {
    member: Member,
    clients: Vec<AccountId>,
}

/// Keeps the account's members from other writers, and reads the one with this address.
async fn lock(app: &App, grant: &Grant<ManageMembers>, email: &Email) -> Result<(Tx, Option<Known>), Problem> {
    let (account, folded) = (grant.account().id, email.folded());
    let mut tx = app.store.begin().await?;
    tx.lock_account(account).await?;
    let Some(member) = tx.find_member(account, &folded).await? else { return Ok((tx, None)) };
    let clients = tx.list_assigned(account, &folded).await?;
    Ok((tx, Some(Known { member, clients })))
}

/// Writes a member as they are to be, with an event that tells what differs. Where nothing does there is no event.
async fn write(
    app: &App,
    context: &Context,
    grant: &Grant<ManageMembers>,
    mut tx: Tx,
    before: Option<Known>,
    wanted: Wanted<'_>,
) -> Result<MemberView, Problem> {
    let account = grant.account();
    match &before {
        Some(Known { member, .. }) if member.role != wanted.role.id => assure_not_last(app, &mut tx, &account.kind, member).await?,
        Some(_) => {}
        None if tx.count_members(account.id).await? >= MOST => {
            return Err(Problem::new(Code::LimitReached, "An account has at most 1,000 members. Remove one first."));
        }
        None => {}
    }
    let known = before.as_ref().map(|before| &before.member);
    let member = Member {
        account_id: account.id,
        folded: wanted.email.folded(),
        email: known.map_or_else(|| wanted.email.to_string(), |known| known.email.clone()),
        name: wanted.name.or_else(|| known.and_then(|known| known.name.clone())),
        role: wanted.role.id.clone(),
        created_at: known.map_or_else(|| app.clock.now(), |known| known.created_at),
    };
    let has_clients = wanted.role.may(Capability::SeeAssignedClients);
    let kept = || before.as_ref().map(|before| before.clients.clone()).unwrap_or_default();
    let clients = if has_clients { wanted.clients.unwrap_or_else(kept) } else { Vec::new() };
    let after = Known { member, clients };
    let detail = differences(before.as_ref(), &after);
    if detail.is_empty() {
        app.make_sure_instead(tx).await?;
    } else {
        tx.save_member(&after.member).await?;
        if detail.contains_key("clients") {
            tx.assign_clients(account.id, &after.member.folded, &after.clients).await?;
        }
        let event = app.event(context, grant.actor(), Action::MemberSaved, Some(account.id), &after.member.email, detail.into());
        let recorded = tx.record(&event).await?;
        app.commit(tx, recorded).await?;
    }
    Ok(MemberView { clients: has_clients.then(|| texts(&after.clients)), ..after.member.into() })
}

/// The fields in which a member differs from who they were, each with both values. Who is new was nothing.
fn differences(before: Option<&Known>, after: &Known) -> serde_json::Map<String, serde_json::Value> {
    let was = before.map(|before| &before.member);
    let fields = [
        ("role", json!(was.map(|was| &was.role)), json!(after.member.role)),
        ("name", json!(was.and_then(|was| was.name.as_ref())), json!(after.member.name)),
        ("clients", json!(before.map(|before| texts(&before.clients)).unwrap_or_default()), json!(texts(&after.clients))),
    ];
    let differing = fields.into_iter().filter(|(_, from, to)| from != to);
    differing.map(|(field, from, to)| (field.to_owned(), json!({ "from": from, "to": to }))).collect()
}

fn texts(clients: &[AccountId]) -> Vec<String> {
    clients.iter().map(ToString::to_string).collect()
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
            view.clients = Some(texts(&app.store.reader().await?.list_assigned(account.id, &folded).await?));
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

/// Refuses to take the last one of a role away that the account must keep.
async fn assure_not_last(app: &App, tx: &mut Tx, kind: &str, member: &Member) -> Result<(), Problem> {
    let role = app.kinds.find(kind).and_then(|kind| kind.find_role(&member.role));
    let Some(role) = role.filter(|role| role.at_least_one) else { return Ok(()) };
    if tx.count_members_with_role(member.account_id, &role.id).await? > 1 {
        return Ok(());
    }
    let detail = format!("This is the account's last {}. Give the role to someone else first.", role.name.to_lowercase());
    Err(Problem::new(Code::LastOfRole, detail))
}
