//! The operator's own API keys.
use claviger_domain::{
    account::parse_name,
    event::Action,
    id::OperatorKeyId,
    policy::{Actor, OperatorGrant},
    secret::Plain,
    token::{Purpose, hint, secret_part},
};
use claviger_store::operator_key::OperatorKey;
use serde_json::json;

use super::{App, once::Once};
use crate::{problem::Problem, request::Context};

/// Makes an operator API key called `name`; the whole key is in the answer and never anywhere again.
pub(crate) async fn create(
    app: &App,
    context: &Context,
    grant: &OperatorGrant,
    name: &str,
    once: Option<&Once>,
) -> Result<(OperatorKey, Plain), Problem> {
    let name = parse_name("name", name)?;
    let now = app.clock.now();
    let public_id = app.format.public_id(Purpose::Operator, &*app.chance);
    let whole = app.format.key(&public_id, &*app.chance);
    let key = OperatorKey {
        id: OperatorKeyId::new(now, &*app.chance),
        digest: app.keys.pepper.digest(secret_part(whole.expose()).as_bytes()),
        hint: hint(whole.expose()),
        public_id,
        name,
        created_at: now,
    };
    let mut tx = app.store.begin().await?;
    tx.insert_operator_key(&key).await?;
    if let Some(once) = once {
        // that it was made, not the key: no form shows it a second time
        once.remember(app, &mut tx, &key.public_id).await?;
    }
    let event = app.event(context, grant.actor(), Action::OperatorKeyCreated, None, &key.public_id, json!({ "name": key.name }));
    let recorded = tx.record(&event).await?;
    app.commit(tx, recorded).await?;
    Ok((key, whole))
}

/// All living keys, newest first.
pub(crate) async fn list(app: &App, _: &OperatorGrant) -> Result<Vec<OperatorKey>, Problem> {
    Ok(app.store.reader().await?.list_operator_keys().await?)
}

/// Ends a key: the next request with it is refused. That it has ended already is said when that is sure.
pub(crate) async fn revoke(app: &App, context: &Context, grant: &OperatorGrant, id: OperatorKeyId) -> Result<(), Problem> {
    let mut tx = app.store.begin().await?;
    let Some(name) = tx.revoke_operator_key(id, app.clock.now()).await? else {
        app.make_sure_instead(tx).await?;
        return Err(Problem::not_found());
    };
    let event = app.event(context, grant.actor(), Action::OperatorKeyRevoked, None, id.to_string(), json!({ "name": name }));
    let recorded = tx.record(&event).await?;
    Ok(app.commit(tx, recorded).await?)
}

/// The operator behind a presented key; None when the key is not one of ours or has ended.
pub(crate) async fn authenticate(app: &App, presented: &str) -> Result<Option<Actor>, Problem> {
    let Some(parts) = app.format.parse_key(Purpose::Operator, presented) else { return Ok(None) };
    let key = app.find_operator_key(parts.public_id).await?;
    let digest = app.keys.pepper.digest(secret_part(presented).as_bytes());
    let proven = key.as_ref().map_or(&app.dummy_digest, |key| &key.digest).matches(&digest);
    Ok(key.filter(|_| proven.into()).map(|key| Actor::Operator { name: key.name, key: Some(key.public_id) }))
}

/// Makes an operator API key from the command line, where whoever can read the key ring is the operator.
///
/// # Errors
/// When the name is refused or the database is not available.
pub async fn create_from_command_line(app: &App, name: &str) -> Result<Plain, Problem> {
    let grant = command_line()?;
    create(app, &on_command_line(), &grant, name, None).await.map(|(_, whole)| whole)
}

pub(crate) fn command_line() -> Result<OperatorGrant, Problem> {
    Ok(claviger_domain::policy::operator(&Actor::Operator { name: "command line".into(), key: None })?)
}

pub(crate) fn on_command_line() -> Context {
    Context { request_id: "command-line".into(), source: None }
}
