//! Whose credentials a page is about: those of the member's own account or, where its kind reaches below, of one below it; and what those
//! see who may not manage them.
use std::collections::BTreeMap;

use axum::{
    extract::{FromRequestParts, MatchedPath, Path},
    http::{Method, StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use claviger_domain::{
    account::Account,
    event::Action,
    id::{AccountId, CredentialId},
    kind::{Capability, Denied, Kind},
    policy::{Grant, ManageCredentials},
};
use serde_json::json;

use super::{
    Page,
    frame::{self, Place},
    see,
    session::{Member, Seen},
    view::{Chrome, Link, WhomToAskPage},
};
use crate::{
    app::App,
    problem::{Code, Problem},
};

/// Where the credentials of an account below one's own are.
pub(super) fn href_below(account: AccountId, page: &str) -> String {
    format!("/account/below/{account}/{page}")
}

/// A manager of credentials, at the page of one account's credentials.
pub(super) struct Desk {
    pub(super) member: Member,
    pub(super) grant: Grant<ManageCredentials>,
    pub(super) kind: Kind,
    /// The page of the list.
    pub(super) href: String,
    id: Option<String>,
}

impl Desk {
    pub(super) fn app(&self) -> &App {
        &self.member.app
    }

    pub(super) fn account(&self) -> &Account {
        self.grant.account()
    }

    pub(super) fn is_below(&self) -> bool {
        self.account().id != self.member.account().id
    }

    /// The credential that the address names.
    pub(super) fn id(&self) -> Result<CredentialId, Problem> {
        self.id.as_deref().and_then(|id| id.parse().ok()).ok_or_else(Problem::not_found)
    }

    pub(super) fn chrome(&self, title: &str) -> Chrome {
        frame::of_member(&self.member, title, if self.is_below() { Place::Clients } else { Place::Credentials })
    }

    /// Back to where the account was chosen, when it is not one's own.
    pub(super) fn back(&self) -> Option<Link> {
        let own = self.member.account().id;
        let href = match self.account().lineage.parent().filter(|parent| *parent != own) {
            Some(parent) => format!("/account/clients?of={parent}"),
            None => "/account/clients".into(),
        };
        self.is_below().then(|| Link { label: self.account().name.clone(), href, current: false })
    }
}

impl FromRequestParts<App> for Desk {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let member = Member::from_request_parts(parts, app).await.map_err(Problem::into_response)?;
        let missing = || Problem::not_found().into_response();
        let Path(at) = Path::<BTreeMap<String, String>>::from_request_parts(parts, app).await.map_err(|_| missing())?;
        let page = at.get("page").ok_or_else(missing)?;
        let own = member.account().id;
        let account = match at.get("account") {
            Some(id) => id.parse::<AccountId>().ok().filter(|id| *id != own).ok_or_else(missing)?,
            None => own,
        };
        let is_list = parts.extensions.get::<MatchedPath>().is_some_and(|path| path.as_str() == "/account/{page}");
        if account == own {
            if *page != member.kind().console.page {
                return Err(missing());
            }
            if parts.method == Method::GET && is_list {
                match member.credentials_seen() {
                    Seen::Request => return Err(show_request(&member, parts.uri.query()).await.into_response()),
                    Seen::WhomToAsk => return Err(show_whom_to_ask(&member).await.into_response()),
                    Seen::All | Seen::Nothing => {}
                }
            }
        }
        let grant = match app.permit::<ManageCredentials>(&member.context, member.actor(), account).await {
            Ok(grant) => grant,
            Err(problem) if problem.code == Code::Forbidden.as_str() && member.kind().credentials.denied == Denied::Forbidden && account == own => {
                return Err(show_role_needed(&member).into_response());
            }
            Err(problem) => return Err(problem.into_response()),
        };
        let kind = app.kinds.find(&grant.account().kind).cloned().ok_or_else(missing)?;
        if *page != kind.console.page {
            return Err(missing());
        }
        let href = if account == own { member.credentials_href() } else { href_below(account, page) };
        Ok(Self { member, grant, kind, href, id: at.get("id").cloned() })
    }
}

/// What roles that manage credentials are called: "Owner or Admin".
fn managing_roles(kind: &Kind) -> String {
    let names: Vec<&str> = kind.roles.iter().filter(|role| role.may(Capability::ManageCredentials)).map(|role| role.name.as_str()).collect();
    names.join(" or ")
}

/// 403, and which role it takes.
fn show_role_needed(member: &Member) -> Page<WhomToAskPage> {
    let (kind, console) = (member.kind(), &member.kind().console);
    let page = WhomToAskPage {
        chrome: frame::of_member(member, console.tab(), Place::Account),
        heading: "Your role may not do this".into(),
        text: format!("It takes the role {}. Yours is {}.", managing_roles(kind), member.role_label()),
        people_heading: String::new(),
        people: Vec::new(),
        ask_action: None,
    };
    Page(StatusCode::FORBIDDEN, page)
}

/// Who manages credentials here: ask them.
async fn show_whom_to_ask(member: &Member) -> Result<Page<WhomToAskPage>, Problem> {
    let (kind, console) = (member.kind(), &member.kind().console);
    let members = member.app.store.reader().await?.list_members(member.account().id).await?;
    let manages = |role: &str| kind.find_role(role).is_some_and(|role| role.may(Capability::ManageCredentials));
    let people: Vec<_> = members.into_iter().filter(|person| manages(&person.role)).map(|person| (person.email, person.name)).collect();
    let role = managing_roles(kind);
    let (text, people_heading) = if people.is_empty() {
        (format!("It takes the role {role}, which nobody has here yet. Ask whoever gave you access to this account."), String::new())
    } else {
        (format!("{}s of this account are made and ended by someone with the role {role}. Ask one of them.", capital(&console.noun)), role)
    };
    let page = WhomToAskPage {
        chrome: frame::of_member(member, console.tab(), Place::Credentials),
        heading: format!("Ask your {}", people_heading_or(&people_heading, "administrator")),
        text,
        people_heading,
        people,
        ask_action: None,
    };
    Ok(Page(StatusCode::OK, page))
}

fn people_heading_or(heading: &str, other: &str) -> String {
    if heading.is_empty() { other.to_owned() } else { heading.to_lowercase() }
}

/// The first letter large, for the beginning of a sentence.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The gate is closed, and can be asked for.
async fn show_request(member: &Member, query: Option<&str>) -> Result<Page<WhomToAskPage>, Problem> {
    let console = &member.kind().console;
    let asked = member.app.store.reader().await?.find_access_request(member.account().id).await?;
    let mut chrome = frame::of_member(member, console.tab(), Place::Credentials);
    chrome.notice = frame::notice(query.and_then(|query| query.strip_prefix("done=")));
    let text = match &asked {
        Some(by) => format!("{} asked the operator for it. You can create {}s here as soon as it is granted.", by_whom(by), console.noun),
        None => format!("This account has no API access yet. Ask the operator for it: once it is granted, you create {}s here.", console.noun),
    };
    let page = WhomToAskPage {
        chrome,
        heading: if asked.is_some() { "Access was asked for".into() } else { "Request access".into() },
        text,
        people_heading: String::new(),
        people: Vec::new(),
        ask_action: asked.is_none().then(|| format!("{}/request", member.credentials_href())),
    };
    Ok(Page(StatusCode::OK, page))
}

/// A person as events name them, for people.
pub(super) fn by_whom(actor: &str) -> String {
    actor.strip_prefix("member:").unwrap_or(actor).to_owned()
}

/// `POST …/request`: asks the operator to open the gate. Asking again changes nothing.
pub(super) async fn request_access(member: Member, Path(at): Path<BTreeMap<String, String>>) -> Result<Response, Problem> {
    if at.contains_key("account") || at.get("page") != Some(&member.kind().console.page) || member.credentials_seen() != Seen::Request {
        return Err(Problem::not_found());
    }
    let (app, account, actor) = (&member.app, member.account().id, member.actor());
    if app.store.reader().await?.find_access_request(account).await?.is_none() {
        let mut tx = app.store.begin().await?;
        tx.lock_account(account).await?;
        tx.set_access_request(account, Some(&actor.as_text())).await?;
        let recorded = tx.record(&app.event(&member.context, actor, Action::AccessRequested, Some(account), member.email(), json!({}))).await?;
        app.commit(tx, recorded).await?;
    }
    Ok(see(&format!("{}?done=asked", member.credentials_href())).into_response())
}
