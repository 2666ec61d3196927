//! Tokens, one by one: what RFC 7009 revokes while the credential lives on.
use claviger_domain::{event::Action, policy::Actor, time::Timestamp};
use claviger_store::revoked_token::RevokedToken;
use serde_json::json;

use super::App;
use crate::{problem::Problem, request::Context, tokens::Claims, verify::Entry};

/// Revokes a token of the credential `entry`: the next request with it is refused. Who may was found out by the caller, who holds it.
pub(crate) async fn revoke(app: &App, context: &Context, actor: &Actor, entry: &Entry, claims: &Claims) -> Result<(), Problem> {
    let token = RevokedToken { jti: claims.jti.clone(), expires_at: Timestamp::from_micros(claims.exp.saturating_mul(1_000_000)) };
    let mut tx = app.store.begin().await?;
    tx.revoke_token(&token).await?;
    let event = app.event(context, actor, Action::TokenRevoked, Some(entry.account_id), entry.public_id(), json!({ "jti": token.jti }));
    let recorded = tx.record(&event).await?;
    Ok(app.commit(tx, recorded).await?)
}
