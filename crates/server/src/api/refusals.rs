//! `/v1/accounts/{id}/refusals`: why a signed request was refused. Never the secret, never the signature that would have been right.
use claviger_domain::{id::AccountId, policy::SeeAccount};
use serde::Serialize;
use utoipa::ToSchema;

use super::{At, List, Operator};
use crate::{problem::Problem, verify::RefusedSignature};

/// How a refused request looked to us.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefusalView {
    request_id: String,
    /// RFC 3339, UTC.
    at: String,
    public_id: String,
    /// Stable, for programs.
    code: &'static str,
    /// What to do.
    detail: String,
    /// The string that we signed, line ends as they were.
    signing_string: String,
    /// Seconds by which the request's date is later than our clock.
    clock_difference_seconds: Option<i64>,
    headers_seen: Vec<HeaderSeen>,
}

#[derive(Serialize, ToSchema)]
struct HeaderSeen {
    name: String,
    /// Empty: it was missing.
    values: Vec<String>,
}

impl From<&RefusedSignature> for RefusalView {
    fn from(refused: &RefusedSignature) -> Self {
        let seen = |seen: &claviger_domain::schemes::signing::Seen| HeaderSeen { name: seen.name.clone(), values: seen.values.clone() };
        Self {
            request_id: refused.request_id.clone(),
            at: refused.at.to_string(),
            public_id: refused.public_id.clone(),
            code: refused.explanation.failure.code(),
            detail: refused.explanation.failure.to_string(),
            signing_string: refused.explanation.signing_string.clone(),
            clock_difference_seconds: refused.explanation.clock_difference_seconds,
            headers_seen: refused.explanation.headers_seen.iter().map(seen).collect(),
        }
    }
}

/// Lists the latest refused signed requests of an account's keys, newest first. Kept in memory only.
#[utoipa::path(
    get, operation_id = "list_refusals", path = "/v1/accounts/{id}/refusals", tag = "events", params(("id" = String, Path)),
    responses((status = 200, body = List<RefusalView>), (status = 404, description = "No such account"))
)]
pub(crate) async fn list(operator: Operator, At(id): At<AccountId>) -> Result<axum::Json<List<RefusalView>>, Problem> {
    operator.app.permit::<SeeAccount>(&operator.context, operator.actor(), id).await?;
    let items = operator.app.refusals.list(id, None).iter().map(|refused| RefusalView::from(&**refused)).collect();
    Ok(axum::Json(List { items, next_cursor: None }))
}

/// Shows why a signed request was refused.
#[utoipa::path(
    get, operation_id = "show_refusal", path = "/v1/accounts/{id}/refusals/{request_id}", tag = "events",
    params(("id" = String, Path), ("request_id" = String, Path)),
    responses((status = 200, body = RefusalView), (status = 404, description = "No such request lately"))
)]
pub(crate) async fn show(operator: Operator, At((id, request_id)): At<(AccountId, String)>) -> Result<axum::Json<RefusalView>, Problem> {
    operator.app.permit::<SeeAccount>(&operator.context, operator.actor(), id).await?;
    let refused = operator.app.refusals.find(id, &request_id).ok_or_else(Problem::not_found)?;
    Ok(axum::Json(RefusalView::from(&*refused)))
}
