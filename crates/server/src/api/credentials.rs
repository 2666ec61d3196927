//! `/v1/accounts/{id}/credentials`.
use axum::{
    http::{HeaderMap, StatusCode},
    response::Response,
};
use claviger_domain::{
    access::Level,
    credential::{Kind, Wish},
    id::{AccountId, CredentialId},
    policy::ManageCredentials,
    secret::Plain,
    time::Timestamp,
};
use claviger_store::credential::Filter;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{At, List, Operator, Paging, created};
use crate::{
    app::{
        credentials::{self, CredentialView, SecretShown},
        once::Once,
    },
    body::Json,
    problem::Problem,
};

/// A new credential: one shape for all kinds, checked against the account's kind.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewCredential)]
#[serde(deny_unknown_fields)]
pub(crate) struct Create {
    /// The kind of credential; may be left out where there is only one.
    #[schema(value_type = Option<String>)]
    kind: Option<Kind>,
    /// A responsible contact.
    email: Option<String>,
    /// A descriptive name.
    name: Option<String>,
    /// More about it.
    description: Option<String>,
    /// A chosen username.
    username: Option<String>,
    /// A chosen password.
    #[schema(value_type = Option<String>)]
    password: Option<Plain>,
    /// Roles to hold.
    roles: Option<Vec<String>>,
    /// What it may do.
    access: Option<AccessWish>,
    /// When it ends by itself; RFC 3339.
    #[schema(value_type = Option<String>)]
    expires_at: Option<Timestamp>,
    /// Where it may be used from: addresses and CIDR ranges, at least one; null, or absent: from anywhere.
    allowed_networks: Option<Vec<String>>,
    /// For hmac: whether the same signature is refused the second time.
    refuse_replays: Option<bool>,
}

/// What a new credential may do.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessWish {
    /// `full` or `fine_grained`.
    #[schema(value_type = String)]
    level: Level,
    /// For `fine_grained`: at least one.
    scopes: Option<Vec<String>>,
}

impl AccessWish {
    pub(crate) fn parts(self) -> (Level, Option<Vec<String>>) {
        (self.level, self.scopes)
    }
}

/// Creates a credential. The secret is in this answer and in no other.
#[utoipa::path(
    post, operation_id = "create_credential", path = "/v1/accounts/{id}/credentials", tag = "credentials", request_body = Create, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = CredentialView), (status = 404, description = "No such account"),
        (status = 409, description = "No API access, suspended, or the limit is reached"), (status = 422, description = "A field is wrong"))
)]
pub(crate) async fn create(operator: Operator, At(id): At<AccountId>, headers: HeaderMap, body: Json<Create>) -> Result<Response, Problem> {
    let grant = operator.app.permit::<ManageCredentials>(&operator.context, operator.actor(), id).await?;
    let once = Once::of(&operator.app, operator.actor(), &headers, &format!("credentials of {id}"), &body.bytes)?;
    let Create { kind, email, name, description, username, password, roles, access, expires_at, allowed_networks, refuse_replays } = body.value;
    let access = access.map(AccessWish::parts);
    let wish = Wish { kind, email, name, description, username, password, roles, access, expires_at, allowed_networks, refuse_replays };
    let make = credentials::create(&operator.app, &operator.context, &grant, wish, once.as_ref());
    created(&operator.app, once.as_ref(), make).await
}

/// Lists the credentials of an account, newest first.
#[utoipa::path(
    get, operation_id = "list_credentials", path = "/v1/accounts/{id}/credentials", tag = "credentials", params(Paging),
    responses((status = 200, body = List<CredentialView>), (status = 404, description = "No such account"))
)]
pub(crate) async fn list(operator: Operator, At(id): At<AccountId>, paging: Paging) -> Result<axum::Json<List<CredentialView>>, Problem> {
    let grant = operator.app.permit::<ManageCredentials>(&operator.context, operator.actor(), id).await?;
    let page = credentials::list(&operator.app, &grant, &Filter::default(), &paging.request()).await?;
    Ok(super::list(page, |listed| CredentialView::of(&operator.app, listed)))
}

/// Shows a credential, without its secret.
#[utoipa::path(
    get, operation_id = "show_credential", path = "/v1/accounts/{id}/credentials/{credential_id}", tag = "credentials",
    responses((status = 200, body = CredentialView), (status = 404, description = "No such credential"))
)]
pub(crate) async fn show(operator: Operator, At((id, credential)): At<(AccountId, CredentialId)>) -> Result<axum::Json<CredentialView>, Problem> {
    let grant = operator.app.permit::<ManageCredentials>(&operator.context, operator.actor(), id).await?;
    let (listed, secrets) = credentials::find(&operator.app, &grant, credential).await?;
    let secrets = Some(secrets.iter().map(SecretShown::from).collect());
    Ok(axum::Json(CredentialView { secrets, ..CredentialView::of(&operator.app, &listed) }))
}

/// Deletes a credential. When it returns, no request with it is accepted, tokens already issued included.
#[utoipa::path(
    delete, operation_id = "delete_credential", path = "/v1/accounts/{id}/credentials/{credential_id}", tag = "credentials",
    responses((status = 204, description = "Ended, everywhere; also when it had ended before"), (status = 404, description = "There never was one"))
)]
pub(crate) async fn delete(operator: Operator, At((id, credential)): At<(AccountId, CredentialId)>) -> Result<StatusCode, Problem> {
    let grant = operator.app.permit::<ManageCredentials>(&operator.context, operator.actor(), id).await?;
    credentials::end(&operator.app, &operator.context, &grant, credential, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
