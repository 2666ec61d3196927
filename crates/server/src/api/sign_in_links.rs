//! `/v1/accounts/{id}/sign-in-links`: how the operator's own application hands its signed-in user to the console.
use axum::{http::HeaderMap, response::Response};
use claviger_domain::{id::AccountId, policy::SeeAccount};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{At, Operator, created};
use crate::{app::sign_in, body::Json, problem::Problem};

/// Whom to sign in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Create {
    /// A member's address.
    email: String,
}

/// A link that signs in whoever opens it first.
#[derive(Serialize, ToSchema)]
pub(crate) struct LinkView {
    url: String,
    /// RFC 3339, UTC.
    expires_at: String,
}

/// Creates a one-time sign-in link, good for five minutes.
#[utoipa::path(
    post, operation_id = "create_sign_in_link", path = "/v1/accounts/{id}/sign-in-links", tag = "members", request_body = Create,
    responses((status = 201, body = LinkView), (status = 404, description = "No such account"), (status = 422, description = "Not a member"))
)]
pub(crate) async fn create(operator: Operator, At(id): At<AccountId>, _: HeaderMap, body: Json<Create>) -> Result<Response, Problem> {
    let grant = operator.app.permit::<SeeAccount>(&operator.context, operator.actor(), id).await?;
    let make = async {
        let link = sign_in::create_link(&operator.app, &operator.context, &grant, &operator.grant, &body.value.email).await?;
        Ok(LinkView { url: link.url.expose().to_owned(), expires_at: link.expires_at.to_string() })
    };
    created(&operator.app, None, make).await
}
