//! `/account/{page}`: the credentials of an account, and the dialogs that create and end one. Each dialog is an address of its own.
use axum::{
    extract::{Path, Query},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use claviger_domain::{
    base62,
    credential::{Credential, Wish},
    id::CredentialId,
    kind::{Column, Console, Shown},
    policy::{Grant, ManageCredentials},
    time::Timestamp,
};
use claviger_store::page::PageRequest;
use serde::Deserialize;

use super::{
    Fields, Page,
    frame::{self, Place},
    page, see,
    session::Member,
    view::{
        Cell, ConfirmDelete, CreateForm, CreatedSecret, CredentialDialog, CredentialRow, CredentialWords, CredentialsPage, LimitNote, SecretValue,
    },
};
use crate::{
    app::{
        credentials::{self, CredentialView},
        once::Once,
    },
    problem::{Code, Problem},
};

#[derive(Default, Deserialize)]
pub(super) struct At {
    after: Option<uuid::Uuid>,
    done: Option<String>,
}

pub(super) async fn list(member: Member, Path(name): Path<String>, Query(at): Query<At>) -> Result<Page<CredentialsPage>, Problem> {
    let grant = permit(&member, &name).await?;
    show(&member, &grant, at, None).await.map(page)
}

pub(super) async fn new(member: Member, Path(name): Path<String>) -> Result<Page<CredentialsPage>, Problem> {
    let grant = permit(&member, &name).await?;
    let used = member.app.store.reader().await?.count_credentials(grant.account().id).await?;
    let dialog = match member.kind().credentials.active_limit {
        Some(limit) if used >= limit => limit_reached(&member, limit),
        _ => CredentialDialog::Create(form(&member, String::new(), None, None)),
    };
    show(&member, &grant, At::default(), Some(dialog)).await.map(page)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    once: String,
    email: String,
}

pub(super) async fn create(member: Member, Path(name): Path<String>, Fields(sent): Fields<Create>) -> Result<Response, Problem> {
    let grant = permit(&member, &name).await?;
    let before = || see(&format!("{}?done=created-before", member.credentials_href())).into_response();
    let once = Once::of_form(&member.app, member.actor(), "create credential", &sent.once);
    if once.remembered(&member.app).await?.is_some() {
        return Ok(before());
    }
    let wish = Wish { email: Some(sent.email.clone()), ..Wish::default() };
    let (status, dialog) = match credentials::create(&member.app, &member.context, &grant, wish, Some(&once)).await {
        Ok(created) => (StatusCode::OK, CredentialDialog::Created(shown_once(&member, &created))),
        Err(problem) if problem.status == 422 => {
            let error = problem.errors.iter().find(|error| error.pointer == "#/email").map(|error| error.detail.clone());
            let form_error = if error.is_none() { Some(problem.detail) } else { None };
            (StatusCode::UNPROCESSABLE_ENTITY, CredentialDialog::Create(form(&member, sent.email, error, form_error)))
        }
        Err(problem) if problem.code == Code::LimitReached.as_str() => {
            (StatusCode::CONFLICT, limit_reached(&member, member.kind().credentials.active_limit.unwrap_or_default()))
        }
        // the same form, sent twice at once: the other one made it
        Err(problem) if problem.status == 409 && once.remembered(&member.app).await?.is_some() => return Ok(before()),
        Err(problem) => return Err(problem),
    };
    let shown = show(&member, &grant, At::default(), Some(dialog)).await?;
    Ok(Page(status, shown).into_response())
}

pub(super) async fn confirm_deletion(member: Member, Path((name, id)): Path<(String, String)>) -> Result<Page<CredentialsPage>, Problem> {
    let grant = permit(&member, &name).await?;
    let credential = credentials::find(&member.app, &grant, credential_id(&id)?).await?;
    let noun = &member.kind().console.noun;
    let dialog = ConfirmDelete {
        action: format!("{}/{}/delete", member.credentials_href(), credential.id),
        cancel_href: member.credentials_href(),
        heading: format!("Delete this {noun}?"),
        text: format!("Created for {}.", credential.label),
        what: credential.public_id,
        effect: "Integrations that use it stop working at once, tokens they already hold included. This cannot be undone.".into(),
        button: format!("Delete {noun}"),
        fields: Vec::new(),
    };
    show(&member, &grant, At::default(), Some(CredentialDialog::ConfirmDelete(dialog))).await.map(page)
}

pub(super) async fn delete(member: Member, Path((name, id)): Path<(String, String)>) -> Result<Response, Problem> {
    let grant = permit(&member, &name).await?;
    credentials::delete(&member.app, &member.context, &grant, credential_id(&id)?).await?;
    Ok(see(&format!("{}?done=deleted", member.credentials_href())).into_response())
}

/// The page exists under its kind's own name, and for those only who may manage credentials.
async fn permit(member: &Member, name: &str) -> Result<Grant<ManageCredentials>, Problem> {
    if name != member.kind().console.page {
        return Err(Problem::not_found());
    }
    member.app.permit::<ManageCredentials>(&member.context, member.actor(), member.account().id).await
}

fn credential_id(text: &str) -> Result<CredentialId, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

fn form(member: &Member, email_value: String, email_error: Option<String>, form_error: Option<String>) -> CreateForm {
    let console = &member.kind().console;
    CreateForm {
        action: member.credentials_href(),
        cancel_href: member.credentials_href(),
        once: base62::random(22, &*member.app.chance),
        email_label: console.label.clone(),
        email_hint: console.label_hint.clone(),
        email_value,
        email_error,
        form_error,
    }
}

fn limit_reached(member: &Member, limit: u32) -> CredentialDialog {
    let text = claviger_domain::credential::CannotIssue::LimitReached(limit).to_string();
    CredentialDialog::LimitReached { cancel_href: member.credentials_href(), text }
}

fn shown_once(member: &Member, created: &CredentialView) -> CreatedSecret {
    let console = &member.kind().console;
    let value =
        |label: &str, value: &str, id: &str, secret| SecretValue { label: label.to_owned(), value: value.to_owned(), id: id.to_owned(), secret };
    let values = console.shown.iter().map(|shown| match shown {
        Shown::PublicId => value(&console.public_id, &created.public_id, "new-public-id", false),
        Shown::Secret => value(&console.secret, created.secret.as_ref().map_or("", |secret| secret.expose()), "new-secret", true),
        Shown::AccountId => value("Account ID", &created.account_id, "new-account-id", false),
    });
    CreatedSecret {
        heading: format!("{} created", console.noun),
        text: format!("Copy the {} now. It is shown only now: we keep a fingerprint of it, not the secret itself.", console.secret),
        values: values.collect(),
        curl: Some(format!(
            "curl {}/auth/token -H 'Content-Type: application/json' \\\n  -d '{{\"clientId\":\"{}\",\"clientSecret\":\"'\"$CLIENT_SECRET\"'\"}}'",
            member.app.public_url(),
            created.public_id
        )),
        done_href: member.credentials_href(),
    }
}

async fn show(member: &Member, grant: &Grant<ManageCredentials>, at: At, dialog: Option<CredentialDialog>) -> Result<CredentialsPage, Problem> {
    let request = PageRequest { after: at.after.map(|id| id.to_string()), limit: 50 };
    let found = credentials::list(&member.app, grant, &request).await?;
    let used = member.app.store.reader().await?.count_credentials(grant.account().id).await?;
    let (console, now, href) = (&member.kind().console, member.app.clock.now(), member.credentials_href());
    let mut chrome = frame::of_member(member, &console.tab, Place::Credentials);
    chrome.notice = frame::notice(at.done.as_deref());
    let row =
        |credential: &Credential| CredentialRow { delete_href: Some(format!("{href}/{}/delete", credential.id)), ..row(console, credential, now) };
    Ok(CredentialsPage {
        chrome,
        words: words(console),
        rows: found.items.iter().map(row).collect(),
        newer_href: request.after.is_some().then(|| href.clone()),
        older_href: found.next.map(|next| format!("{href}?after={next}")),
        total_label: (used > 0).then(|| if used == 1 { format!("1 {}", console.noun) } else { format!("{used} {}s", console.noun) }),
        limit: member.kind().credentials.active_limit.map(|of| LimitNote { used, of, reached: used >= of }),
        create_href: format!("{href}/new"),
        dialog,
    })
}

pub(super) fn words(console: &Console) -> CredentialWords {
    CredentialWords {
        heading: console.tab.clone(),
        intro: console.intro.clone(),
        create: console.create.clone(),
        submit: console.submit.clone(),
        noun: console.noun.clone(),
        delete: "Delete".into(),
        columns: columns(console),
        empty_title: format!("No {}s yet", console.noun),
        empty_text: "Create one for each integration, so that each can be ended by itself.".into(),
    }
}

pub(super) fn columns(console: &Console) -> Vec<String> {
    let name = |column: &Column| match column {
        Column::PublicId => console.public_id.clone(),
        Column::Label => console.label.clone(),
        Column::Created => "Created".to_owned(),
    };
    console.list.iter().map(name).collect()
}

/// A credential in the columns of its kind, without anything to do to it.
pub(super) fn row(console: &Console, credential: &Credential, now: Timestamp) -> CredentialRow {
    let cell = |column: &Column| match column {
        Column::PublicId => Cell::Code(credential.public_id.clone()),
        Column::Label => Cell::Text(credential.label.clone()),
        Column::Created => Cell::Time(frame::when(credential.created_at, now)),
    };
    CredentialRow {
        id: format!("c-{}", credential.id),
        cells: console.list.iter().map(cell).collect(),
        delete_href: None,
        delete_label: format!("Delete {}", credential.public_id),
    }
}
