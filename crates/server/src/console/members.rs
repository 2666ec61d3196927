//! `/account/members`: the people of an account, for those who manage them.
use axum::{
    extract::{Path, Query},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use claviger_domain::{
    kind::Kind,
    policy::{Grant, ManageMembers},
    time::Timestamp,
};
use serde::Deserialize;

use super::{
    Fields, Page,
    frame::{self, Place},
    page, see,
    session::Member,
    sessions,
    view::{AddMember, ChangeRole, Choice, ConfirmDelete, MemberDialog, MemberRow, MembersPage},
};
use crate::{
    app::{
        App,
        members::{self, MemberView, NewMember},
    },
    problem::Problem,
};

pub(super) const HREF: &str = "/account/members";

#[derive(Default, Deserialize)]
pub(super) struct At {
    done: Option<String>,
}

pub(super) async fn list(member: Member, Query(at): Query<At>) -> Result<Page<MembersPage>, Problem> {
    let grant = permit(&member).await?;
    show(&member, &grant, at, None).await.map(page)
}

pub(super) async fn new(member: Member) -> Result<Page<MembersPage>, Problem> {
    let grant = permit(&member).await?;
    let dialog = MemberDialog::Add(add_form(member.kind(), HREF, HREF, &Add::default(), None));
    show(&member, &grant, At::default(), Some(dialog)).await.map(page)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Add {
    email: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    role: String,
}

impl Add {
    pub(super) fn to_new(&self) -> NewMember {
        let name = Some(self.name.clone()).filter(|name| !name.trim().is_empty());
        NewMember { email: self.email.clone(), role: self.role.clone(), name, clients: None }
    }
}

pub(super) async fn add(member: Member, Fields(sent): Fields<Add>) -> Result<Response, Problem> {
    let grant = permit(&member).await?;
    match members::add(&member.app, &member.context, &grant, sent.to_new()).await {
        Ok(_) => Ok(see(&format!("{HREF}?done=member-saved")).into_response()),
        Err(problem) if matches!(problem.status, 409 | 422) => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT);
            let dialog = MemberDialog::Add(add_form(member.kind(), HREF, HREF, &sent, Some(&problem)));
            Ok(Page(status, show(&member, &grant, At::default(), Some(dialog)).await?).into_response())
        }
        Err(problem) => Err(problem),
    }
}

pub(super) async fn edit(member: Member, Path(email): Path<String>) -> Result<Page<MembersPage>, Problem> {
    let grant = permit(&member).await?;
    let dialog = role_form(member.kind(), &find(&member.app, &grant, &email).await?, HREF, HREF, None);
    show(&member, &grant, At::default(), Some(dialog)).await.map(page)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Role {
    #[serde(default)]
    role: String,
}

impl Role {
    pub(super) fn of(self, member: &MemberView) -> NewMember {
        NewMember { email: member.email.clone(), role: self.role, name: None, clients: None }
    }
}

pub(super) async fn change_role(member: Member, Path(email): Path<String>, Fields(sent): Fields<Role>) -> Result<Response, Problem> {
    let grant = permit(&member).await?;
    let found = find(&member.app, &grant, &email).await?;
    match members::change(&member.app, &member.context, &grant, sent.of(&found)).await {
        Ok(_) => Ok(see(&format!("{HREF}?done=member-saved")).into_response()),
        Err(problem) if matches!(problem.status, 409 | 422) => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT);
            let dialog = role_form(member.kind(), &found, HREF, HREF, Some(problem.detail));
            Ok(Page(status, show(&member, &grant, At::default(), Some(dialog)).await?).into_response())
        }
        Err(problem) => Err(problem),
    }
}

pub(super) async fn confirm_removal(member: Member, Path(email): Path<String>) -> Result<Page<MembersPage>, Problem> {
    let grant = permit(&member).await?;
    let found = find(&member.app, &grant, &email).await?;
    let dialog = ConfirmDelete {
        action: format!("{HREF}/{}/remove", segment(&found.email)),
        cancel_href: HREF.into(),
        heading: "Remove this member?".into(),
        text: "They lose access to this account.".into(),
        what: found.email,
        effect: "They are signed out everywhere at once. What they created stays.".into(),
        button: "Remove member".into(),
        fields: Vec::new(),
    };
    show(&member, &grant, At::default(), Some(MemberDialog::Remove(dialog))).await.map(page)
}

pub(super) async fn remove(member: Member, Path(email): Path<String>) -> Result<Response, Problem> {
    let grant = permit(&member).await?;
    members::remove(&member.app, &member.context, &grant, &email).await?;
    Ok(see(&format!("{HREF}?done=member-removed")).into_response())
}

pub(super) async fn permit(member: &Member) -> Result<Grant<ManageMembers>, Problem> {
    member.app.permit::<ManageMembers>(&member.context, member.actor(), member.account().id).await
}

pub(super) async fn find(app: &App, grant: &Grant<ManageMembers>, email: &str) -> Result<MemberView, Problem> {
    let folded = email.trim().to_lowercase();
    let all = members::list(app, grant).await?;
    all.into_iter().find(|view| view.email.to_lowercase() == folded).ok_or_else(Problem::not_found)
}

async fn show(member: &Member, grant: &Grant<ManageMembers>, at: At, dialog: Option<MemberDialog>) -> Result<MembersPage, Problem> {
    let members = members::list(&member.app, grant).await?;
    let now = member.app.clock.now();
    let mut chrome = frame::of_member(member, "Members", Place::Members);
    chrome.notice = frame::notice(at.done.as_deref());
    let rows = members.iter().map(|view| MemberRow {
        remove_href: (!is_last(member.kind(), &members, view)).then(|| format!("{HREF}/{}/remove", segment(&view.email))),
        ..row(member.kind(), view, HREF, now)
    });
    Ok(MembersPage { rows: rows.collect(), chrome, can_edit: true, invite_href: format!("{HREF}/new"), dialog })
}

fn is_last(kind: &Kind, members: &[MemberView], view: &MemberView) -> bool {
    kind.find_role(&view.role).is_some_and(|role| role.at_least_one) && members.iter().filter(|other| other.role == view.role).count() == 1
}

/// One of the members at `members` as a row, with what everyone may do to them who sees the list.
pub(super) fn row(kind: &Kind, view: &MemberView, members: &str, now: Timestamp) -> MemberRow {
    MemberRow {
        email: view.email.clone(),
        name: view.name.clone(),
        role_label: kind.find_role(&view.role).map_or_else(|| view.role.clone(), |role| role.name.clone()),
        added: frame::when(view.created_at.parse().unwrap_or(now), now),
        edit_href: format!("{members}/{}/role", segment(&view.email)),
        remove_href: None,
        sessions_href: sessions::href_of(members, &view.email),
        sign_in_action: None,
    }
}

/// The form that adds a member, with what was typed and what is wrong with it.
pub(super) fn add_form(kind: &Kind, action: &str, cancel_href: &str, typed: &Add, problem: Option<&Problem>) -> AddMember {
    let error_at =
        |pointer: &str| problem.and_then(|problem| problem.errors.iter().find(|error| error.pointer == pointer)).map(|error| error.detail.clone());
    AddMember {
        action: action.to_owned(),
        cancel_href: cancel_href.to_owned(),
        email_value: typed.email.clone(),
        name_value: typed.name.clone(),
        roles: roles(kind, &typed.role),
        error: problem.filter(|problem| problem.errors.is_empty()).map(|problem| problem.detail.clone()),
        email_error: error_at("#/email"),
        name_error: error_at("#/name"),
        role_error: error_at("#/role"),
    }
}

/// The form that changes the role of one of the members at `members`.
pub(super) fn role_form(kind: &Kind, view: &MemberView, members: &str, cancel_href: &str, error: Option<String>) -> MemberDialog {
    MemberDialog::ChangeRole(ChangeRole {
        action: format!("{members}/{}/role", segment(&view.email)),
        cancel_href: cancel_href.to_owned(),
        email: view.email.clone(),
        roles: roles(kind, &view.role),
        error,
    })
}

fn roles(kind: &Kind, selected: &str) -> Vec<Choice> {
    let choice = |role: &claviger_domain::kind::Role| Choice {
        value: role.id.clone(),
        label: role.name.clone(),
        hint: role.hint.clone(),
        selected: role.id == selected,
    };
    kind.roles.iter().map(choice).collect()
}

/// An address as one segment of a path (RFC 3986, section 3.3).
pub(super) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
