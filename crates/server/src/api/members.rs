//! `/v1/accounts/{id}/members`.
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use claviger_domain::{id::AccountId, policy::ManageMembers};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{At, List, Operator};
use crate::{
    app::members::{self, MemberView, NewMember},
    body::Json,
    problem::Problem,
};

/// A member.
#[derive(Deserialize, ToSchema)]
#[schema(as = MemberChange)]
#[serde(deny_unknown_fields)]
pub(crate) struct Save {
    /// A role of the account's kind, such as `owner`.
    role: String,
    /// Their name.
    name: Option<String>,
    /// For roles that see only assigned client accounts: which.
    clients: Option<Vec<String>>,
}

/// Adds a member, or changes the one with that address.
///
/// An address is the same in upper and lower case. How that of a member is spelt stays, and so does what is not sent.
#[utoipa::path(
    put, operation_id = "save_member", path = "/v1/accounts/{id}/members/{email}", tag = "members", request_body = Save,
    responses((status = 200, description = "Changed", body = MemberView), (status = 201, description = "Added", body = MemberView),
        (status = 404, description = "No such account"), (status = 409, description = "The last owner, or the thousandth member"), (status = 422, description = "A field is wrong"))
)]
pub(crate) async fn save(operator: Operator, At((id, email)): At<(AccountId, String)>, body: Json<Save>) -> Result<Response, Problem> {
    let grant = operator.app.permit::<ManageMembers>(&operator.context, operator.actor(), id).await?;
    let Save { role, name, clients } = body.value;
    let (view, new) = members::save(&operator.app, &operator.context, &grant, NewMember { email, role, name, clients }).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(view)).into_response())
}

/// Removes a member and ends their sessions.
#[utoipa::path(
    delete, operation_id = "remove_member", path = "/v1/accounts/{id}/members/{email}", tag = "members",
    responses((status = 204, description = "Removed"), (status = 404, description = "No such member"), (status = 409, description = "The last owner"))
)]
pub(crate) async fn remove(operator: Operator, At((id, email)): At<(AccountId, String)>) -> Result<StatusCode, Problem> {
    let grant = operator.app.permit::<ManageMembers>(&operator.context, operator.actor(), id).await?;
    members::remove(&operator.app, &operator.context, &grant, &email).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists all members, by address. An account has at most 1,000.
#[utoipa::path(get, operation_id = "list_members", path = "/v1/accounts/{id}/members", tag = "members", responses((status = 200, body = List<MemberView>), (status = 404, description = "No such account")))]
pub(crate) async fn list(operator: Operator, At(id): At<AccountId>) -> Result<axum::Json<List<MemberView>>, Problem> {
    let grant = operator.app.permit::<ManageMembers>(&operator.context, operator.actor(), id).await?;
    let items = members::list(&operator.app, &grant).await?;
    Ok(axum::Json(List { items, next_cursor: None }))
}
