//! `/v1/accounts`.
use axum::{
    extract::{Query, rejection::QueryRejection},
    http::HeaderMap,
    response::Response,
};
use claviger_domain::{account::Status, id::AccountId, policy::SeeAccount};
use claviger_store::{account::AccountChange, page::Page};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{At, List, Operator, Paging, created, query_refused};
use crate::{
    app::{
        accounts::{self, AccountView, NewAccount},
        once::Once,
        standing::UnsettledAccounts,
    },
    body::Json,
    problem::Problem,
};

/// A new account.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewAccount)]
#[serde(deny_unknown_fields)]
pub(crate) struct Create {
    /// An account kind, such as `corporate`.
    kind: String,
    /// 1 to 80 characters.
    name: String,
    /// The account it stands under; required for some kinds, impossible for others.
    parent_id: Option<String>,
    /// Your own id for it, unique: 1 to 128 visible ASCII characters.
    external_id: Option<String>,
}

/// Creates an account.
#[utoipa::path(
    post, operation_id = "create_account", path = "/v1/accounts", tag = "accounts", request_body = Create, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = AccountView), (status = 409, description = "external_id is taken"), (status = 422, description = "A field is wrong"))
)]
pub(crate) async fn create(operator: Operator, headers: HeaderMap, body: Json<Create>) -> Result<Response, Problem> {
    let once = Once::of(&operator.app, operator.actor(), &headers, "accounts", &body.bytes)?;
    let Create { kind, name, parent_id, external_id } = body.value;
    let new = NewAccount { kind, name, parent_id, external_id };
    let make = accounts::create(&operator.app, &operator.context, &operator.grant, new, once.as_ref());
    created(&operator.app, once.as_ref(), make).await
}

/// Which accounts.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// The one with this id of your own, if there is one.
    external_id: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many rows: 1 to 200, 50 when absent.
    limit: Option<u32>,
}

/// Lists all accounts, newest first, or finds one by your own id for it.
#[utoipa::path(get, operation_id = "list_accounts", path = "/v1/accounts", tag = "accounts", params(Which), responses((status = 200, body = List<AccountView>)))]
pub(crate) async fn list(operator: Operator, which: Result<Query<Which>, QueryRejection>) -> Result<axum::Json<List<AccountView>>, Problem> {
    let Query(which) = which.map_err(|refused| query_refused(&refused, "The query takes external_id, cursor and limit, and nothing else."))?;
    let paging = Paging { cursor: which.cursor, limit: which.limit }.checked()?;
    let mut reader = operator.app.store.reader().await?;
    let page = match which.external_id {
        Some(own) => Page { items: reader.find_account_by_external_id(&own).await?.into_iter().collect(), next: None },
        None => reader.list_accounts(&paging.request()).await?,
    };
    drop(reader);
    let unsettled = UnsettledAccounts::among(&operator.app, &page.items).await?;
    Ok(super::list(page, |account| AccountView::of(&operator.app, &unsettled, account)))
}

/// Shows an account.
#[utoipa::path(get, operation_id = "show_account", path = "/v1/accounts/{id}", tag = "accounts", responses((status = 200, body = AccountView), (status = 404, description = "No such account")))]
pub(crate) async fn show(operator: Operator, At(id): At<AccountId>) -> Result<axum::Json<AccountView>, Problem> {
    let grant = operator.app.permit::<SeeAccount>(&operator.context, operator.actor(), id).await?;
    let unsettled = UnsettledAccounts::among(&operator.app, [grant.account()]).await?;
    Ok(axum::Json(AccountView::of(&operator.app, &unsettled, grant.account())))
}

/// What to change; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = AccountChange)]
#[serde(deny_unknown_fields)]
pub(crate) struct Update {
    name: Option<String>,
    /// The gate.
    api_access: Option<bool>,
    /// `active` or `suspended`.
    #[schema(value_type = Option<String>)]
    status: Option<Status>,
}

/// Changes an account. When it returns, a closed gate or a suspension is in force everywhere.
#[utoipa::path(
    patch, operation_id = "update_account", path = "/v1/accounts/{id}", tag = "accounts", request_body = Update,
    responses((status = 200, body = AccountView), (status = 404, description = "No such account"), (status = 422, description = "A field is wrong"))
)]
pub(crate) async fn update(operator: Operator, At(id): At<AccountId>, body: Json<Update>) -> Result<axum::Json<AccountView>, Problem> {
    let Update { name, api_access, status } = body.value;
    let change = AccountChange { name, api_access, status };
    accounts::update(&operator.app, &operator.context, &operator.grant, id, change).await.map(axum::Json)
}
