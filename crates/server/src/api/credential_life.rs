//! `/v1/accounts/{id}/credentials/{credential_id}/…`: the steps of a credential's life after it was made.
use std::time::Duration;

use axum::{
    http::{HeaderMap, StatusCode},
    response::Response,
};
use claviger_domain::{
    credential::{Edit, Reason},
    id::{AccountId, CredentialId},
    policy::{Grant, ManageCredentials},
    secret::Plain,
    time::Timestamp,
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{At, Operator, created, credentials::AccessWish};
use crate::{
    app::{
        credentials::{self, CredentialView},
        once::Once,
    },
    body::Json,
    problem::Problem,
};

type Place = At<(AccountId, CredentialId)>;

async fn permit(operator: &Operator, account: AccountId) -> Result<Grant<ManageCredentials>, Problem> {
    operator.app.permit::<ManageCredentials>(&operator.context, operator.actor(), account).await
}

/// What to change; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = CredentialChange)]
#[serde(deny_unknown_fields)]
pub(crate) struct Update {
    email: Option<String>,
    name: Option<String>,
    /// Empty takes it away.
    description: Option<String>,
    roles: Option<Vec<String>>,
    access: Option<AccessWish>,
    /// RFC 3339; null: never.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    expires_at: Option<Option<Timestamp>>,
    /// Addresses and CIDR ranges, at least one; null: from anywhere.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    allowed_networks: Option<Option<Vec<String>>>,
}

/// Tells null from absent.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Changes what the account's kind allows to change. What is taken away is refused from the next request on.
#[utoipa::path(
    patch, operation_id = "update_credential", path = "/v1/accounts/{id}/credentials/{credential_id}", tag = "credentials", request_body = Update,
    params(("id" = String, Path), ("credential_id" = String, Path)),
    responses((status = 200, body = CredentialView), (status = 404, description = "No such credential"), (status = 422, description = "A field is wrong"))
)]
pub(crate) async fn update(operator: Operator, At((account, id)): Place, body: Json<Update>) -> Result<axum::Json<CredentialView>, Problem> {
    let grant = permit(&operator, account).await?;
    let Update { email, name, description, roles, access, expires_at, allowed_networks } = body.value;
    let edit = Edit { email, name, description, roles, access: access.map(AccessWish::parts), expires_at, allowed_networks };
    credentials::edit(&operator.app, &operator.context, &grant, id, edit).await.map(axum::Json)
}

/// How to replace a secret.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// How long the old secret lives on, at most 604,800 (seven days); 0, or absent: it ends at once. Where two live
    /// already, the newer one is meant.
    #[serde(default)]
    overlap_seconds: u64,
}

/// Replaces the secret. The new one is in this answer and in no other.
///
/// At most two live side by side: where two do already, the older one ends at once, whatever its `expires_at` said.
#[utoipa::path(
    post, operation_id = "rotate_credential", path = "/v1/accounts/{id}/credentials/{credential_id}/rotate", tag = "credentials",
    request_body = Rotation, params(("id" = String, Path), ("credential_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = CredentialView), (status = 404, description = "No such credential"), (status = 409, description = "Ended, or not of this kind"))
)]
pub(crate) async fn rotate(operator: Operator, At((account, id)): Place, headers: HeaderMap, body: Json<Rotation>) -> Result<Response, Problem> {
    let grant = permit(&operator, account).await?;
    let once = Once::of(&operator.app, operator.actor(), &headers, &format!("rotate {id}"), &body.bytes)?;
    let overlap = Duration::from_secs(body.value.overlap_seconds);
    let make = credentials::rotate(&operator.app, &operator.context, &grant, id, overlap, once.as_ref());
    created(&operator.app, once.as_ref(), make).await
}

/// Which secret stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settlement {
    /// `new`: finish now. `old`: cancel, and keep the old one.
    keep: Kept,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[schema(as = KeptSecret)]
#[serde(rename_all = "snake_case")]
enum Kept {
    New,
    Old,
}

/// Ends an overlap of two secrets before its time.
#[utoipa::path(
    post, operation_id = "settle_rotation", path = "/v1/accounts/{id}/credentials/{credential_id}/settle", tag = "credentials",
    request_body = Settlement, params(("id" = String, Path), ("credential_id" = String, Path)),
    responses((status = 204, description = "Done"), (status = 404, description = "No such credential"), (status = 409, description = "The rotation was settled otherwise"))
)]
pub(crate) async fn settle(operator: Operator, At((account, id)): Place, body: Json<Settlement>) -> Result<StatusCode, Problem> {
    let grant = permit(&operator, account).await?;
    credentials::settle(&operator.app, &operator.context, &grant, id, matches!(body.value.keep, Kept::Old)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Pauses a credential: it is refused until it is resumed.
#[utoipa::path(
    post, operation_id = "pause_credential", path = "/v1/accounts/{id}/credentials/{credential_id}/pause", tag = "credentials",
    params(("id" = String, Path), ("credential_id" = String, Path)),
    responses((status = 200, body = CredentialView), (status = 404, description = "No such credential"), (status = 409, description = "Ended, or not of this kind"))
)]
pub(crate) async fn pause(operator: Operator, At((account, id)): Place) -> Result<axum::Json<CredentialView>, Problem> {
    let grant = permit(&operator, account).await?;
    credentials::pause(&operator.app, &operator.context, &grant, id, true).await.map(axum::Json)
}

/// Resumes a paused credential.
#[utoipa::path(
    post, operation_id = "resume_credential", path = "/v1/accounts/{id}/credentials/{credential_id}/resume", tag = "credentials",
    params(("id" = String, Path), ("credential_id" = String, Path)),
    responses((status = 200, body = CredentialView), (status = 404, description = "No such credential"), (status = 409, description = "Ended, or not of this kind"))
)]
pub(crate) async fn resume(operator: Operator, At((account, id)): Place) -> Result<axum::Json<CredentialView>, Problem> {
    let grant = permit(&operator, account).await?;
    credentials::pause(&operator.app, &operator.context, &grant, id, false).await.map(axum::Json)
}

/// Why a credential ends.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revocation {
    /// `not_needed`, `replaced`, `leaked` or `person_left`. What leaked can never be restored.
    #[schema(value_type = Option<String>)]
    reason: Option<Reason>,
}

/// Ends a credential, with a reason. When it returns, no request with it is accepted.
#[utoipa::path(
    post, operation_id = "revoke_credential", path = "/v1/accounts/{id}/credentials/{credential_id}/revoke", tag = "credentials",
    request_body = Revocation, params(("id" = String, Path), ("credential_id" = String, Path)),
    responses((status = 200, body = CredentialView), (status = 404, description = "No such credential"))
)]
pub(crate) async fn revoke(operator: Operator, At((account, id)): Place, body: Json<Revocation>) -> Result<axum::Json<CredentialView>, Problem> {
    let grant = permit(&operator, account).await?;
    let ended = credentials::end(&operator.app, &operator.context, &grant, id, body.value.reason).await?;
    Ok(axum::Json(CredentialView::changed(&ended)))
}

/// Brings a revoked credential back, within 30 days, unless it leaked. What was paused is paused still.
#[utoipa::path(
    post, operation_id = "restore_credential", path = "/v1/accounts/{id}/credentials/{credential_id}/restore", tag = "credentials",
    params(("id" = String, Path), ("credential_id" = String, Path)),
    responses((status = 200, body = CredentialView), (status = 404, description = "No such credential"), (status = 409, description = "Too late, or it leaked"))
)]
pub(crate) async fn restore(operator: Operator, At((account, id)): Place) -> Result<axum::Json<CredentialView>, Problem> {
    let grant = permit(&operator, account).await?;
    credentials::restore(&operator.app, &operator.context, &grant, id).await.map(axum::Json)
}

/// A password to have from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    #[schema(value_type = String)]
    password: Plain,
}

/// Changes a chosen password. The old one is refused from the next request on.
#[utoipa::path(
    put, operation_id = "change_password", path = "/v1/accounts/{id}/credentials/{credential_id}/password", tag = "credentials",
    request_body = NewPassword, params(("id" = String, Path), ("credential_id" = String, Path)),
    responses((status = 204, description = "Changed"), (status = 404, description = "No such credential"), (status = 422, description = "The rule is broken"))
)]
pub(crate) async fn change_password(operator: Operator, At((account, id)): Place, body: Json<NewPassword>) -> Result<StatusCode, Problem> {
    let grant = permit(&operator, account).await?;
    credentials::change_password(&operator.app, &operator.context, &grant, id, body.value.password).await?;
    Ok(StatusCode::NO_CONTENT)
}
