//! The pages of sessions: one's own, a member's for those who manage members, and the same on the operator's side.
use axum::{
    extract::{Path, Query},
    response::Redirect,
};
use claviger_domain::policy::{Grant, ManageMembers, OperatorGrant};
use serde::Deserialize;

use super::{
    Page,
    frame::{self, Place},
    members::{self, segment},
    page, see,
    session::{Member, OperatorPerson},
    view::{Chrome, Link, Said, SessionRow, SessionsPage},
};
use crate::{
    app::{
        App,
        sessions::{self, SessionView},
    },
    problem::Problem,
};

const OWN: &str = "/account/sessions";
const OPERATORS: &str = "/operator/sessions";
const HERE: &str = "Where you are signed in. End those that you do not recognise.";

#[derive(Default, Deserialize)]
pub(super) struct At {
    done: Option<String>,
}

// --- one's own ---------------------------------------------------------------------

pub(super) async fn list_own(member: Member, at: Query<At>) -> Result<Page<SessionsPage>, Problem> {
    let all = sessions::list_own(&member.app, &member.signed_in).await?;
    Ok(show_own(&member.app, frame::of_member(&member, "Sessions", Place::Sessions), OWN, all, at))
}

pub(super) async fn end_own(member: Member, Path(id): Path<String>) -> Result<Redirect, Problem> {
    sessions::end_own(&member.app, &member.context, &member.signed_in, &id).await?;
    Ok(ended(OWN))
}

pub(super) async fn end_own_others(member: Member) -> Result<Redirect, Problem> {
    sessions::end_own_others(&member.app, &member.context, &member.signed_in).await?;
    Ok(ended(OWN))
}

pub(super) async fn list_operators(operator: OperatorPerson, at: Query<At>) -> Result<Page<SessionsPage>, Problem> {
    let all = sessions::list_own(&operator.app, &operator.signed_in).await?;
    Ok(show_own(&operator.app, frame::of_operator(&operator, "Sessions", Place::Sessions), OPERATORS, all, at))
}

pub(super) async fn end_operators(operator: OperatorPerson, Path(id): Path<String>) -> Result<Redirect, Problem> {
    sessions::end_own(&operator.app, &operator.context, &operator.signed_in, &id).await?;
    Ok(ended(OPERATORS))
}

pub(super) async fn end_operators_others(operator: OperatorPerson) -> Result<Redirect, Problem> {
    sessions::end_own_others(&operator.app, &operator.context, &operator.signed_in).await?;
    Ok(ended(OPERATORS))
}

// --- a member's ----------------------------------------------------------------------

pub(super) async fn list_members(member: Member, Path(email): Path<String>, at: Query<At>) -> Result<Page<SessionsPage>, Problem> {
    let grant = members::permit(&member).await?;
    let all = sessions::list_of_member(&member.app, &member.signed_in, &grant, &email).await?;
    let back = Link { label: "Members".into(), href: members::HREF.into(), current: false };
    Ok(show_members(&member.app, frame::of_member(&member, "Sessions", Place::Members), members::HREF, &email, back, all, at))
}

pub(super) async fn end_members(member: Member, Path((email, id)): Path<(String, String)>) -> Result<Redirect, Problem> {
    let grant = members::permit(&member).await?;
    sessions::end_of_member(&member.app, &member.context, &grant, &email, &id).await?;
    Ok(ended(&href_of(members::HREF, &email)))
}

pub(super) async fn end_all_members(member: Member, Path(email): Path<String>) -> Result<Redirect, Problem> {
    let grant = members::permit(&member).await?;
    sessions::end_all_of_member(&member.app, &member.context, &grant, &email).await?;
    Ok(ended(&href_of(members::HREF, &email)))
}

pub(super) async fn list_for_operator(
    operator: OperatorPerson,
    Path((id, email)): Path<(String, String)>,
    at: Query<At>,
) -> Result<Page<SessionsPage>, Problem> {
    let grant = permit(&operator, &id).await?;
    let all = sessions::list_of_member(&operator.app, &operator.signed_in, &grant, &email).await?;
    let back = Link { label: grant.account().name.clone(), href: format!("/operator/accounts/{id}"), current: false };
    let chrome = frame::of_operator(&operator, "Sessions", Place::OperatorAccounts);
    Ok(show_members(&operator.app, chrome, &members_of(&id), &email, back, all, at))
}

pub(super) async fn end_for_operator(
    operator: OperatorPerson,
    Path((id, email, session)): Path<(String, String, String)>,
) -> Result<Redirect, Problem> {
    let grant = permit(&operator, &id).await?;
    sessions::end_of_member(&operator.app, &operator.context, &grant, &email, &session).await?;
    Ok(ended(&href_of(&members_of(&id), &email)))
}

pub(super) async fn end_all_for_operator(operator: OperatorPerson, Path((id, email)): Path<(String, String)>) -> Result<Redirect, Problem> {
    let grant = permit(&operator, &id).await?;
    sessions::end_all_of_member(&operator.app, &operator.context, &grant, &email).await?;
    Ok(ended(&href_of(&members_of(&id), &email)))
}

async fn permit(operator: &OperatorPerson, id: &str) -> Result<Grant<ManageMembers>, Problem> {
    let (by, id): (&OperatorGrant, _) = (&operator.grant, id.parse().map_err(|_| Problem::not_found())?);
    operator.app.permit(&operator.context, by.actor(), id).await
}

fn members_of(account: &str) -> String {
    format!("/operator/accounts/{account}/members")
}

/// Where the sessions of one of the members at `members` are.
pub(super) fn href_of(members: &str, email: &str) -> String {
    format!("{members}/{}/sessions", segment(email))
}

// --- the page --------------------------------------------------------------------------

fn ended(href: &str) -> Redirect {
    see(&format!("{href}?done=session-ended"))
}

fn show_own(app: &App, chrome: Chrome, href: &str, all: Vec<SessionView>, at: Query<At>) -> Page<SessionsPage> {
    let end_several = all.iter().any(|session| !session.is_this).then(|| ("End all others", href.to_owned()));
    show(app, chrome, None, HERE.into(), href, end_several, all, at)
}

fn show_members(app: &App, chrome: Chrome, members: &str, email: &str, back: Link, all: Vec<SessionView>, at: Query<At>) -> Page<SessionsPage> {
    let href = href_of(members, email);
    let end_several = (!all.is_empty()).then(|| ("End all", href.clone()));
    show(app, chrome, Some(back), Said::of("Where ", email, " is signed in."), &href, end_several, all, at)
}

#[expect(clippy::too_many_arguments, reason = "the parts of one page, each of its own type")]
fn show(
    app: &App,
    mut chrome: Chrome,
    back: Option<Link>,
    intro: Said,
    href: &str,
    end_several: Option<(&'static str, String)>,
    all: Vec<SessionView>,
    Query(at): Query<At>,
) -> Page<SessionsPage> {
    let now = app.clock.now();
    chrome.notice = frame::notice(at.done.as_deref());
    let row = |session: &SessionView| SessionRow {
        begun: frame::when(session.created_at, now),
        browser: session.origin.browser.clone(),
        source: session.origin.source.clone(),
        seen: frame::when(session.seen_at, now),
        end_action: (!session.is_this).then(|| format!("{href}/{}/end", session.id)),
    };
    page(SessionsPage { rows: all.iter().map(row).collect(), chrome, back, intro, end_several })
}
