//! `/v1/accounts/{id}/sign-in-links`: how the operator's own application hands its signed-in user to the console.
use axum::{http::HeaderMap, response::Response};
use claviger_domain::{id::AccountId, policy::SeeAccount};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{At, Operator, created};
use crate::{
    app::{
        once::Once,
        sign_in::{self, Link},
    },
    body::Json,
    problem::Problem,
};

/// Whom to sign in.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewSignInLink)]
#[serde(deny_unknown_fields)]
pub(crate) struct Create {
    /// A member's address.
    email: String,
}

/// Creates a one-time sign-in link, good for five minutes.
#[utoipa::path(
    post, operation_id = "create_sign_in_link", path = "/v1/accounts/{id}/sign-in-links", tag = "members", request_body = Create, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Link), (status = 404, description = "No such account"), (status = 422, description = "Not a member"))
)]
pub(crate) async fn create(operator: Operator, At(id): At<AccountId>, headers: HeaderMap, body: Json<Create>) -> Result<Response, Problem> {
    let grant = operator.app.permit::<SeeAccount>(&operator.context, operator.actor(), id).await?;
    let once = Once::of(&operator.app, operator.actor(), &headers, &format!("sign-in links of {id}"), &body.bytes)?;
    let make = sign_in::create_link(&operator.app, &operator.context, &grant, &operator.grant, &body.value.email, once.as_ref());
    created(&operator.app, once.as_ref(), make).await
}
