//! `/v1/catalogue`: the operator's API as operations, imported from an OpenAPI document.
use axum::{
    body::Body,
    extract::{Query, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Operator, query_refused};
use crate::{
    app::catalogue::{self, Import},
    problem::{Code, Problem},
};

/// The largest document that is read, in bytes.
const LIMIT: usize = 16 * 1024 * 1024;

/// The catalogue in force.
#[derive(Serialize, ToSchema)]
pub(crate) struct CatalogueView {
    /// Changes with its content.
    revision: String,
    operations: Vec<OperationView>,
}

#[derive(Serialize, ToSchema)]
struct OperationView {
    method: &'static str,
    path: String,
    /// Any one of these suffices; of one, all are needed.
    scopes: Vec<Vec<String>>,
    /// Whether the document named no scope, and this one was derived.
    derived: bool,
    user_information: bool,
}

/// Shows the catalogue in force.
#[utoipa::path(get, operation_id = "show_catalogue", path = "/v1/catalogue", tag = "catalogue", responses((status = 200, body = CatalogueView), (status = 404, description = "There is none")))]
pub(crate) async fn show(operator: Operator) -> Result<axum::Json<CatalogueView>, Problem> {
    let catalogue = catalogue::current(&operator.app).await?.ok_or_else(Problem::not_found)?;
    let operation = |operation: &claviger_domain::catalogue::Operation| OperationView {
        method: operation.method.as_str(),
        path: operation.path.as_str().to_owned(),
        scopes: operation.requirement.any_of().iter().map(|all| all.iter().map(ToString::to_string).collect()).collect(),
        derived: operation.requirement.is_derived(),
        user_information: operation.user_information,
    };
    let operations = catalogue.operations().iter().map(operation).collect();
    Ok(axum::Json(CatalogueView { revision: catalogue.revision().to_owned(), operations }))
}

/// How to import.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct How {
    /// Only say what would change.
    dry_run: bool,
    /// Import even if a fine-grained credential could do more afterwards.
    accept: bool,
}

/// What an import changes, or would.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImportView {
    /// Whether it is in force now.
    imported: bool,
    /// Whether some fine-grained credential can do more with it.
    widens: bool,
    /// What changes for whom, for people.
    report: String,
}

/// Imports an OpenAPI 3.0 or 3.1 document, JSON or YAML, of at most 16 MiB.
#[utoipa::path(
    put, operation_id = "import_catalogue", path = "/v1/catalogue", tag = "catalogue", params(How),
    request_body(content = String, content_type = "application/yaml"),
    responses((status = 200, body = ImportView), (status = 409, description = "It would widen a credential; nothing was changed", body = ImportView),
        (status = 422, description = "The document cannot be used"))
)]
pub(crate) async fn import(operator: Operator, how: Result<Query<How>, QueryRejection>, body: Body) -> Result<Response, Problem> {
    let Query(how) = how.map_err(|refused| query_refused(&refused, "The query takes dry_run and accept, true or false, and nothing else."))?;
    let bytes = Limited::new(body, LIMIT).collect().await.map_err(|_| Problem::new(Code::BodyTooLarge, "A document has at most 16 MiB."))?.to_bytes();
    let text = std::str::from_utf8(&bytes).map_err(|_| Problem::new(Code::Invalid, "The document must be UTF-8."))?;
    let Import { imported, widens, report } =
        catalogue::import(&operator.app, &operator.context, &operator.grant, text, how.dry_run, how.accept).await?;
    let status = if imported || how.dry_run { StatusCode::OK } else { StatusCode::CONFLICT };
    Ok((status, axum::Json(ImportView { imported, widens, report })).into_response())
}
