//! `/operator/keys`: the operator's own API keys.
use axum::{
    extract::{Path, Query},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use claviger_domain::{base62, secret::Plain};
use serde::Deserialize;

use crate::{
    app::{once::Once, operator_keys},
    console::{
        Fields, Page,
        frame::{self, Place},
        page, see,
        session::OperatorPerson,
        view::{ConfirmDelete, CreateOperatorKey, CreatedSecret, OperatorKeyDialog, OperatorKeyRow, OperatorKeysPage, Said, SecretValue},
    },
    problem::{Code, Problem},
};

const HREF: &str = "/operator/keys";

#[derive(Default, Deserialize)]
pub(in crate::console) struct At {
    done: Option<String>,
}

pub(in crate::console) async fn list(operator: OperatorPerson, Query(at): Query<At>) -> Result<Page<OperatorKeysPage>, Problem> {
    show(&operator, at, None).await.map(page)
}

pub(in crate::console) async fn new(operator: OperatorPerson) -> Result<Page<OperatorKeysPage>, Problem> {
    let dialog = form(&operator, String::new(), None);
    show(&operator, At::default(), Some(dialog)).await.map(page)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct Create {
    #[serde(default)]
    once: String,
    #[serde(default)]
    name: String,
}

pub(in crate::console) async fn create(operator: OperatorPerson, Fields(sent): Fields<Create>) -> Result<Response, Problem> {
    if sent.once.is_empty() {
        return Err(Problem::new(Code::FormMalformed, "Go back and send the form again."));
    }
    let before = || see(&format!("{HREF}?done=created-before")).into_response();
    let once = Once::of_form(&operator.app, operator.grant.actor(), "operator keys", &sent.once);
    if once.remembered(&operator.app).await?.is_some() {
        return Ok(before());
    }
    match operator_keys::create(&operator.app, &operator.context, &operator.grant, &sent.name, Some(&once)).await {
        Ok((key, whole)) => {
            let dialog = OperatorKeyDialog::Created(CreatedSecret {
                heading: "Operator key created".into(),
                text: Said::of("Copy the key of ", &key.name, " now. It is shown only now: we keep a fingerprint of it, not the key itself."),
                values: vec![SecretValue { label: "Operator key".into(), value: whole.expose().to_owned(), id: "new-key".into(), secret: true }],
                curl: Some(Plain::new(format!("curl {}/v1/accounts -H 'Authorization: Bearer {}'", operator.app.public_url(), whole.expose()))),
                done: "Done".into(),
                done_href: HREF.into(),
            });
            Ok(page(show(&operator, At::default(), Some(dialog)).await?).into_response())
        }
        Err(problem) if problem.status == 409 && once.remembered(&operator.app).await?.is_some() => Ok(before()),
        Err(problem) if problem.status == 422 => {
            let dialog = form(&operator, sent.name, Some(problem.detail));
            Ok(Page(StatusCode::UNPROCESSABLE_ENTITY, show(&operator, At::default(), Some(dialog)).await?).into_response())
        }
        Err(problem) => Err(problem),
    }
}

pub(in crate::console) async fn confirm_deletion(operator: OperatorPerson, Path(id): Path<String>) -> Result<Page<OperatorKeysPage>, Problem> {
    let keys = operator_keys::list(&operator.app, &operator.grant).await?;
    let key = keys.into_iter().find(|key| key.id.to_string() == id).ok_or_else(Problem::not_found)?;
    let dialog = OperatorKeyDialog::ConfirmDelete(ConfirmDelete {
        action: format!("{HREF}/{}/delete", key.id),
        cancel_href: HREF.into(),
        heading: "Delete this operator key?".into(),
        text: key.name,
        what: key.public_id,
        effect: "Whatever uses it loses the management API at once. This cannot be undone.".into(),
        button: "Delete operator key".into(),
        fields: Vec::new(),
    });
    show(&operator, At::default(), Some(dialog)).await.map(page)
}

pub(in crate::console) async fn delete(operator: OperatorPerson, Path(id): Path<String>) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    operator_keys::revoke(&operator.app, &operator.context, &operator.grant, id).await?;
    Ok(see(&format!("{HREF}?done=deleted")).into_response())
}

fn form(operator: &OperatorPerson, name_value: String, name_error: Option<String>) -> OperatorKeyDialog {
    OperatorKeyDialog::Create(CreateOperatorKey {
        action: HREF.into(),
        cancel_href: HREF.into(),
        once: base62::random(22, &*operator.app.chance),
        name_value,
        name_error,
        form_error: None,
    })
}

async fn show(operator: &OperatorPerson, at: At, dialog: Option<OperatorKeyDialog>) -> Result<OperatorKeysPage, Problem> {
    let keys = operator_keys::list(&operator.app, &operator.grant).await?;
    let now = operator.app.clock.now();
    let mut chrome = frame::of_operator(operator, "Operator keys", Place::OperatorKeys);
    chrome.notice = frame::notice(at.done.as_deref());
    let rows = keys.into_iter().map(|key| OperatorKeyRow {
        delete_href: Some(format!("{HREF}/{}/delete", key.id)),
        name: key.name,
        hint: key.public_id,
        created: frame::when(key.created_at, now),
    });
    Ok(OperatorKeysPage { rows: rows.collect(), chrome, create_href: format!("{HREF}/new"), dialog })
}
