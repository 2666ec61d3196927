//! `/v1/accounts/{id}/events`.
use claviger_domain::{event::Action, id::AccountId, policy::SeeAccount};
use claviger_store::event::StoredEvent;
use serde::Serialize;
use utoipa::ToSchema;

use super::{At, List, Operator, Paging};
use crate::{problem::Problem, requests::Kept};

/// One line of the audit trail.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventView {
    id: String,
    /// RFC 3339, UTC.
    at: String,
    account_id: Option<String>,
    /// `operator:<name>` or `member:<email>`.
    actor: String,
    action: String,
    target: String,
    #[schema(value_type = Object)]
    detail: serde_json::Value,
    request_id: String,
    source: Option<String>,
    /// The request to the API that a gateway reported; only of `api.request`, whose `detail` is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Kept>,
}

impl From<&StoredEvent> for EventView {
    fn from(event: &StoredEvent) -> Self {
        let request = api_request(event);
        let detail = if request.is_some() { serde_json::json!({}) } else { serde_json::from_str(&event.detail).unwrap_or_default() };
        Self {
            id: event.id.clone(),
            at: event.at.to_string(),
            account_id: event.account_id.clone(),
            actor: event.actor.clone(),
            action: event.action.clone(),
            target: event.target.clone(),
            detail,
            request_id: event.request_id.clone(),
            source: event.source.clone(),
            request,
        }
    }
}

/// The API request that this line is about, if it is about one.
pub(super) fn api_request(event: &StoredEvent) -> Option<Kept> {
    if event.action != Action::ApiRequest.as_str() {
        return None;
    }
    serde_json::from_str(&event.detail).ok()
}

/// Lists what happened in an account, newest first.
#[utoipa::path(
    get, operation_id = "list_events", path = "/v1/accounts/{id}/events", tag = "events", params(Paging),
    responses((status = 200, body = List<EventView>), (status = 404, description = "No such account"))
)]
pub(crate) async fn list(operator: Operator, At(id): At<AccountId>, paging: Paging) -> Result<axum::Json<List<EventView>>, Problem> {
    operator.app.permit::<SeeAccount>(&operator.context, operator.actor(), id).await?;
    let page = operator.app.store.reader().await?.list_events(id, &paging.request()).await?;
    Ok(super::list(page, |event| EventView::from(event)))
}
