//! `/operator/accounts/{id}`: one account: its gate, its status, its people, its credentials, what happened.
use axum::{
    extract::{Path, Query},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use claviger_domain::{
    account::{Account, Status},
    id::AccountId,
    kind::Kind,
    policy::{ManageCredentials, ManageMembers, SeeAccount},
};
use claviger_store::{account::AccountChange, credential::Filter, page::PageRequest};
use serde::Deserialize;

use crate::{
    app::{
        accounts, credentials, members, sign_in,
        standing::{AccountStanding, UnsettledAccounts},
    },
    console::{
        Fields, Page,
        account::status,
        credentials as list, frame,
        frame::Place,
        members::{Add, Role, add_form, find as find_member, role_form, row as member_row, segment},
        page, refusals, see,
        session::OperatorPerson,
        told,
        view::{
            ConfirmDelete, CreatedSecret, EventRow, Gate, Hidden, Link, MemberDialog, OperatorAccountDialog, OperatorAccountPage, Said, SecretValue,
        },
    },
    problem::Problem,
};

#[derive(Default, Deserialize)]
pub(in crate::console) struct At {
    after: Option<uuid::Uuid>,
    done: Option<String>,
}

pub(in crate::console) async fn show(
    operator: OperatorPerson,
    Path(id): Path<String>,
    Query(at): Query<At>,
) -> Result<Page<OperatorAccountPage>, Problem> {
    let account = find(&operator, &id).await?;
    render(&operator, account, at, None).await.map(page)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct Update {
    api_access: Option<bool>,
    status: Option<Status>,
}

pub(in crate::console) async fn update(operator: OperatorPerson, Path(id): Path<String>, Fields(sent): Fields<Update>) -> Result<Response, Problem> {
    let account = find(&operator, &id).await?;
    let change = AccountChange { name: None, api_access: sent.api_access, status: sent.status };
    accounts::update(&operator.app, &operator.context, &operator.grant, account.id, change).await?;
    let done = match (sent.api_access, sent.status) {
        (Some(true), _) => "granted",
        (Some(false), _) => "withdrawn",
        (None, Some(Status::Suspended)) => "suspended",
        (None, _) => "activated",
    };
    Ok(see(&format!("{}?done={done}", href(account.id))).into_response())
}

pub(in crate::console) async fn confirm_withdrawal(operator: OperatorPerson, Path(id): Path<String>) -> Result<Page<OperatorAccountPage>, Problem> {
    let account = find(&operator, &id).await?;
    let gate = kind(&operator, &account)?.gate.ok_or_else(Problem::not_found)?;
    let fields = vec![Hidden { name: "api_access", value: "false".into() }];
    let text = format!("{} is withdrawn from this account.", gate.name);
    let dialog = confirm(&account, format!("Withdraw {}?", gate.name), text, format!("Withdraw {}", gate.name), fields);
    render(&operator, account, At::default(), Some(dialog)).await.map(page)
}

pub(in crate::console) async fn confirm_suspension(operator: OperatorPerson, Path(id): Path<String>) -> Result<Page<OperatorAccountPage>, Problem> {
    let account = find(&operator, &id).await?;
    let fields = vec![Hidden { name: "status", value: "suspended".into() }];
    let text = "The account, and every account below it, is suspended.".to_owned();
    let dialog = confirm(&account, "Suspend this account?".into(), text, "Suspend account".into(), fields);
    render(&operator, account, At::default(), Some(dialog)).await.map(page)
}

pub(in crate::console) async fn new_member(operator: OperatorPerson, Path(id): Path<String>) -> Result<Page<OperatorAccountPage>, Problem> {
    let account = find(&operator, &id).await?;
    let dialog = member_form(&operator, &account, &Add::default(), None)?;
    render(&operator, account, At::default(), Some(dialog)).await.map(page)
}

pub(in crate::console) async fn add_member(operator: OperatorPerson, Path(id): Path<String>, Fields(sent): Fields<Add>) -> Result<Response, Problem> {
    let account = find(&operator, &id).await?;
    let grant = operator.app.permit::<ManageMembers>(&operator.context, operator.grant.actor(), account.id).await?;
    match members::add(&operator.app, &operator.context, &grant, sent.to_new()).await {
        Ok(_) => Ok(see(&format!("{}?done=member-saved", href(account.id))).into_response()),
        Err(problem) if matches!(problem.status, 409 | 422) => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT);
            let dialog = member_form(&operator, &account, &sent, Some(&problem))?;
            Ok(Page(status, render(&operator, account, At::default(), Some(dialog)).await?).into_response())
        }
        Err(problem) => Err(problem),
    }
}

pub(in crate::console) async fn edit_member(
    operator: OperatorPerson,
    Path((id, email)): Path<(String, String)>,
) -> Result<Page<OperatorAccountPage>, Problem> {
    let account = find(&operator, &id).await?;
    let grant = operator.app.permit::<ManageMembers>(&operator.context, operator.grant.actor(), account.id).await?;
    let dialog = role_dialog(&operator, &account, &find_member(&operator.app, &grant, &email).await?, None)?;
    render(&operator, account, At::default(), Some(dialog)).await.map(page)
}

pub(in crate::console) async fn change_member(
    operator: OperatorPerson,
    Path((id, email)): Path<(String, String)>,
    Fields(sent): Fields<Role>,
) -> Result<Response, Problem> {
    let account = find(&operator, &id).await?;
    let grant = operator.app.permit::<ManageMembers>(&operator.context, operator.grant.actor(), account.id).await?;
    let found = find_member(&operator.app, &grant, &email).await?;
    match members::change(&operator.app, &operator.context, &grant, sent.of(&found)).await {
        Ok(_) => Ok(see(&format!("{}?done=member-saved", href(account.id))).into_response()),
        Err(problem) if matches!(problem.status, 409 | 422) => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT);
            let dialog = role_dialog(&operator, &account, &found, Some(problem.detail))?;
            Ok(Page(status, render(&operator, account, At::default(), Some(dialog)).await?).into_response())
        }
        Err(problem) => Err(problem),
    }
}

pub(in crate::console) async fn create_link(
    operator: OperatorPerson,
    Path((id, email)): Path<(String, String)>,
) -> Result<Page<OperatorAccountPage>, Problem> {
    let account = find(&operator, &id).await?;
    let grant = operator.app.permit::<SeeAccount>(&operator.context, operator.grant.actor(), account.id).await?;
    let link = sign_in::create_link(&operator.app, &operator.context, &grant, &operator.grant, &email, None).await?;
    let dialog = OperatorAccountDialog::SignInLink(CreatedSecret {
        heading: "Sign-in link created".into(),
        text: Said::of("It signs ", &email, " in, once, within five minutes. Whoever opens it first is signed in."),
        values: vec![SecretValue { label: "Sign-in link".into(), value: link.url.expose().to_owned(), id: "new-link".into(), secret: true }],
        curl: None,
        done: "Done".into(),
        done_href: href(account.id),
    });
    render(&operator, account, At::default(), Some(dialog)).await.map(page)
}

pub(in crate::console) async fn list_refusals(
    operator: OperatorPerson,
    Path(id): Path<String>,
    Query(at): Query<refusals::At>,
) -> Result<Response, Problem> {
    let account = find(&operator, &id).await?;
    let back = Link { label: account.name.clone(), href: href(account.id), current: false };
    let chrome = |title: &str| frame::of_operator(&operator, title, Place::OperatorAccounts);
    Ok(refusals::answer_list(&operator.app, account.id, &at, &href(account.id), back, chrome))
}

pub(in crate::console) async fn show_refusal(operator: OperatorPerson, Path((id, request_id)): Path<(String, String)>) -> Result<Response, Problem> {
    let account = find(&operator, &id).await?;
    let chrome = |title: &str| frame::of_operator(&operator, title, Place::OperatorAccounts);
    refusals::answer_one(&operator.app, account.id, &request_id, &href(account.id), chrome)
}

fn href(id: AccountId) -> String {
    format!("/operator/accounts/{id}")
}

async fn find(operator: &OperatorPerson, id: &str) -> Result<Account, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    operator.app.store.reader().await?.find_account(id).await?.ok_or_else(Problem::not_found)
}

fn kind(operator: &OperatorPerson, account: &Account) -> Result<Kind, Problem> {
    operator.app.kinds.find(&account.kind).cloned().ok_or_else(|| Problem::internal(format!("no account kind {}", account.kind)))
}

fn confirm(account: &Account, heading: String, text: String, button: String, fields: Vec<Hidden>) -> OperatorAccountDialog {
    let href = href(account.id);
    OperatorAccountDialog::Confirm(ConfirmDelete {
        action: href.clone(),
        cancel_href: href,
        heading,
        text,
        what: account.name.clone(),
        effect: "Its integrations are refused at once, tokens they already hold included. What is not deleted works again when you undo this.".into(),
        button,
        fields,
    })
}

fn member_form(operator: &OperatorPerson, account: &Account, typed: &Add, problem: Option<&Problem>) -> Result<OperatorAccountDialog, Problem> {
    let href = href(account.id);
    Ok(OperatorAccountDialog::Member(MemberDialog::Add(add_form(&kind(operator, account)?, &format!("{href}/members"), &href, typed, problem))))
}

fn role_dialog(
    operator: &OperatorPerson,
    account: &Account,
    member: &members::MemberView,
    error: Option<String>,
) -> Result<OperatorAccountDialog, Problem> {
    let href = href(account.id);
    Ok(OperatorAccountDialog::Member(role_form(&kind(operator, account)?, member, &format!("{href}/members"), &href, error)))
}

async fn render(operator: &OperatorPerson, account: Account, at: At, dialog: Option<OperatorAccountDialog>) -> Result<OperatorAccountPage, Problem> {
    let (app, actor, href, now) = (&operator.app, operator.grant.actor(), href(account.id), operator.app.clock.now());
    let kind = kind(operator, &account)?;
    let members = members::list(app, &app.permit::<ManageMembers>(&operator.context, actor, account.id).await?).await?;
    let shown = PageRequest { after: None, limit: 50 };
    let credentials =
        credentials::list(app, &app.permit::<ManageCredentials>(&operator.context, actor, account.id).await?, &Filter::default(), &shown).await?;
    let mut reader = app.store.reader().await?;
    let events = reader.list_events(account.id, &PageRequest { after: at.after.map(|id| id.to_string()), limit: 20 }).await?;
    let parent = match account.lineage.parent() {
        Some(id) => reader.find_account(id).await?,
        None => None,
    };
    let asked_by = reader.find_access_request(account.id).await?;
    drop(reader);
    let unsettled = UnsettledAccounts::among(app, [&account]).await?;
    let mut chrome = frame::of_operator(operator, &account.name, Place::OperatorAccounts);
    chrome.notice = frame::notice(at.done.as_deref());
    let member = |view: &members::MemberView| crate::console::view::MemberRow {
        sign_in_action: Some(format!("{href}/members/{}/sign-in-link", segment(&view.email))),
        ..member_row(&kind, view, &format!("{href}/members"), now)
    };
    Ok(OperatorAccountPage {
        chrome,
        accounts_href: "/operator".into(),
        name: account.name.clone(),
        id: account.id.to_string(),
        kind_label: kind.name.clone(),
        parent: parent.map(|parent| Link { label: parent.name, href: format!("/operator/accounts/{}", parent.id), current: false }),
        external_id: account.external_id.clone(),
        created: frame::when(account.created_at, now),
        settling: unsettled.settles_by(app, &account).map(|by| {
            let what = match unsettled.standing(&account) {
                AccountStanding::Suspending => "Suspending… Some node may still accept its credentials",
                _ => "Saving… Some node may not know of its last change",
            };
            format!("{what}, for {} at most.", told::at_most(by.since(now)))
        }),
        status: status(unsettled.standing(&account)),
        suspended: account.status == Status::Suspended,
        status_action: href.clone(),
        suspend_href: format!("{href}/suspend"),
        gate: kind.gate.as_ref().map(|gate| Gate {
            label: gate.name.clone(),
            text: gate.text.clone(),
            granted: account.api_access,
            action: href.clone(),
            withdraw_href: format!("{href}/withdraw"),
            asked_by: asked_by.filter(|_| !account.api_access),
        }),
        members: members.iter().map(member).collect(),
        add_member_href: format!("{href}/members/new"),
        credentials_heading: kind.console.tab().to_owned(),
        credential_columns: list::columns(&kind.console, None),
        credentials: credentials.items.iter().map(|credential| list::row(&kind.console, None, credential, now)).collect(),
        refused: refusals::has_signing_keys(&kind).then(|| refusals::part(app, account.id, None, &href)),
        events: events
            .items
            .iter()
            .map(|event| EventRow {
                when: frame::when(event.at, now),
                actor: event.actor.clone(),
                action: event.action.clone(),
                target: event.target.clone(),
            })
            .collect(),
        older_events_href: events.next.map(|next| format!("{href}?after={next}")),
        dialog,
    })
}
