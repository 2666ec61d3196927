//! `/operator`: all accounts.
use axum::{
    extract::Query,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use claviger_domain::{account::Account, base62};
use claviger_store::page::PageRequest;
use serde::Deserialize;

use crate::{
    app::{
        accounts::{self, NewAccount},
        once::Once,
        standing::UnsettledAccounts,
    },
    console::{
        Fields, Page,
        account::status,
        frame::{self, Place},
        page, see,
        session::OperatorPerson,
        view::{AccountRow, AccountsPage, Choice, CreateAccount},
    },
    problem::Problem,
};

const HREF: &str = "/operator";

#[derive(Default, Deserialize)]
pub(in crate::console) struct At {
    after: Option<uuid::Uuid>,
    #[serde(default)]
    q: String,
    done: Option<String>,
}

pub(in crate::console) async fn list(operator: OperatorPerson, Query(at): Query<At>) -> Result<Page<AccountsPage>, Problem> {
    show(&operator, at, None).await.map(page)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct Create {
    #[serde(default)]
    once: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    parent_id: String,
    #[serde(default)]
    external_id: String,
}

pub(in crate::console) async fn new(operator: OperatorPerson) -> Result<Page<AccountsPage>, Problem> {
    let dialog = form(&operator, &Create::default(), None);
    show(&operator, At::default(), Some(dialog)).await.map(page)
}

pub(in crate::console) async fn create(operator: OperatorPerson, Fields(sent): Fields<Create>) -> Result<Response, Problem> {
    let filled = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let new =
        NewAccount { kind: sent.kind.clone(), name: sent.name.clone(), parent_id: filled(&sent.parent_id), external_id: filled(&sent.external_id) };
    let once = Once::of_form(&operator.app, operator.grant.actor(), "create account", &sent.once);
    if once.remembered(&operator.app).await?.is_some() {
        return Ok(see(HREF).into_response());
    }
    match accounts::create(&operator.app, &operator.context, &operator.grant, new, Some(&once)).await {
        Ok(created) => Ok(see(&format!("/operator/accounts/{}?done=created", created.id)).into_response()),
        Err(problem) if matches!(problem.status, 409 | 422) => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT);
            let dialog = form(&operator, &sent, Some(&problem));
            Ok(Page(status, show(&operator, At::default(), Some(dialog)).await?).into_response())
        }
        Err(problem) => Err(problem),
    }
}

fn form(operator: &OperatorPerson, typed: &Create, problem: Option<&Problem>) -> CreateAccount {
    let error_at =
        |pointer: &str| problem.and_then(|problem| problem.errors.iter().find(|error| error.pointer == pointer)).map(|error| error.detail.clone());
    let choice = |(id, kind): (&str, &claviger_domain::kind::Kind)| Choice {
        value: id.to_owned(),
        label: kind.name.clone(),
        hint: kind.hint.clone(),
        selected: id == typed.kind,
    };
    CreateAccount {
        action: HREF.into(),
        cancel_href: HREF.into(),
        once: base62::random(22, &*operator.app.chance),
        kinds: operator.app.kinds.iter().map(choice).collect(),
        name_value: typed.name.clone(),
        parent_value: typed.parent_id.clone(),
        external_id_value: typed.external_id.clone(),
        error: problem.filter(|problem| problem.errors.is_empty()).map(|problem| problem.detail.clone()),
        name_error: error_at("#/name"),
        kind_error: error_at("#/kind"),
        parent_error: error_at("#/parent_id"),
        external_id_error: error_at("#/external_id"),
    }
}

async fn show(operator: &OperatorPerson, at: At, dialog: Option<CreateAccount>) -> Result<AccountsPage, Problem> {
    let request = PageRequest { after: at.after.map(|id| id.to_string()), limit: 50 };
    // PostgreSQL takes no NUL in a text, and nothing is called by a control character
    let query = at.q.replace(char::is_control, "").trim().to_owned();
    let mut reader = operator.app.store.reader().await?;
    let found = if query.is_empty() { reader.list_accounts(&request).await? } else { reader.search_accounts(&query, &request).await? };
    let unsettled = UnsettledAccounts::among(&operator.app, &found.items).await?;
    let mut rows = Vec::with_capacity(found.items.len());
    for account in &found.items {
        let parent = match account.lineage.parent() {
            Some(id) => reader.find_account(id).await?.map(|parent| parent.name),
            None => None,
        };
        rows.push(row(operator, &unsettled, account, parent));
    }
    let with_query = |start: &str| {
        if query.is_empty() {
            start.to_owned()
        } else {
            format!("{start}{}q={}", if start.contains('?') { "&" } else { "?" }, crate::console::members::segment(&query))
        }
    };
    let mut chrome = frame::of_operator(operator, "Accounts", Place::OperatorAccounts);
    chrome.notice = frame::notice(at.done.as_deref());
    Ok(AccountsPage {
        chrome,
        rows,
        search_href: HREF.into(),
        newer_href: request.after.is_some().then(|| with_query(HREF)),
        older_href: found.next.map(|next| with_query(&format!("{HREF}?after={next}"))),
        query,
        create_href: format!("{HREF}/new"),
        dialog,
    })
}

fn row(operator: &OperatorPerson, unsettled: &UnsettledAccounts, account: &Account, parent_name: Option<String>) -> AccountRow {
    let kind = operator.app.kinds.find(&account.kind);
    let gate = kind.and_then(|kind| kind.gate.as_ref());
    AccountRow {
        name: account.name.clone(),
        href: format!("/operator/accounts/{}", account.id),
        kind_label: kind.map_or_else(|| account.kind.clone(), |kind| kind.name.clone()),
        parent_name,
        access_label: match (gate, account.api_access) {
            (None, _) => "Always".into(),
            (Some(_), true) => "Granted".into(),
            (Some(_), false) => "Not granted".into(),
        },
        access_on: gate.is_none() || account.api_access,
        status: status(unsettled.standing(account)),
        created: frame::when(account.created_at, operator.app.clock.now()),
    }
}
