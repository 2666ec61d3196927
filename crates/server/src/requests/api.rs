//! `POST /v1/api-requests` on the gateway listener: gateways and services report the API requests they have answered.
use axum::{
    extract::{Request, State},
    http::StatusCode,
};
use claviger_domain::invalid::Invalid;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Report, take_in};
use crate::{
    app::App,
    body,
    problem::{Code, Problem},
};

/// The largest report, in bytes, and the most requests in one.
const LIMIT: usize = 1024 * 1024;
const MOST: usize = 1_000;

/// Requests that the operator's API has answered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiRequests {
    /// 1 to 1,000.
    requests: Vec<Report>,
}

/// What became of a report.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// How many will be in the audit log within seconds: those that name a credential.
    accepted: usize,
}

/// Reports API requests for the audit log.
#[utoipa::path(
    post, operation_id = "report_api_requests", path = "/v1/api-requests", tag = "verification", request_body = ApiRequests,
    responses((status = 202, description = "Taken in", body = Accepted), (status = 413, description = "More than 1 MiB"), (status = 422, description = "A field is wrong"),
        (status = 503, description = "More is reported than can be written: none of these was taken"))
)]
pub(crate) async fn report(State(app): State<App>, request: Request) -> Result<(StatusCode, axum::Json<Accepted>), Problem> {
    if !body::is_of_type(request.headers(), "application/json") {
        return Err(Problem::new(Code::MediaType, "Send Content-Type: application/json."));
    }
    let bytes = body::read_up_to(request.into_body(), LIMIT, "A report has at most 1 MiB.").await?;
    let ApiRequests { requests } = body::parse(&bytes)?;
    if !(1..=MOST).contains(&requests.len()) {
        return Err(Invalid::new("requests", "requests_count", "A report has 1 to 1,000 requests.").into());
    }
    let accepted = take_in(&app, requests)?;
    Ok((StatusCode::ACCEPTED, axum::Json(Accepted { accepted })))
}
