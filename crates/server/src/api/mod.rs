//! The management API: JSON in, JSON out, one file per noun. Its handlers' signatures say who may call them.
use axum::{
    body::Bytes,
    extract::{FromRequestParts, Path, Query, rejection::QueryRejection},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use claviger_domain::{
    invalid::Invalid,
    policy::{self, Actor, OperatorGrant},
    time::Timestamp,
};
use claviger_store::page::{Page, PageRequest};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::{App, once::Once, operator_keys},
    problem::{FieldError, Problem},
    request::Context,
};

pub(crate) mod accounts;
pub(crate) mod catalogue;
pub(crate) mod cluster;
pub(crate) mod credential_life;
pub(crate) mod credentials;
pub(crate) mod events;
pub(crate) mod keys;
pub(crate) mod members;
pub(crate) mod refusals;
pub(crate) mod sign_in_links;

/// The caller of a route that only the operator may call: proven by an operator API key.
pub(crate) struct Operator {
    pub(crate) app: App,
    pub(crate) context: Context,
    pub(crate) grant: OperatorGrant,
}

impl Operator {
    pub(crate) fn actor(&self) -> &Actor {
        self.grant.actor()
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let mut given = parts.headers.get_all(header::AUTHORIZATION).iter();
        let value = given.next().ok_or_else(Problem::credential_required)?;
        if given.next().is_some() || parts.headers.contains_key("x-api-key") {
            return Err(Problem::from(claviger_domain::judge::Refusal::SeveralCredentials));
        }
        let key = claviger_domain::schemes::bearer::parse(value.as_bytes()).ok_or_else(Problem::credential_invalid)?;
        let actor = operator_keys::authenticate(app, key).await?.ok_or_else(Problem::credential_invalid)?;
        let context = parts.extensions.get::<Context>().cloned().ok_or_else(|| Problem::internal("no context"))?;
        Ok(Self { app: app.clone(), context, grant: policy::operator(&actor)? })
    }
}

/// A path's parameters; what does not parse is not there.
pub(crate) struct At<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(value) = Path::<T>::from_request_parts(parts, state).await.map_err(|_| Problem::not_found())?;
        Ok(Self(value))
    }
}

/// Which page of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many rows: 1 to 200, 50 when absent.
    limit: Option<u32>,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(paging) = Query::<Self>::from_request_parts(parts, state)
            .await
            .map_err(|refused| query_refused(&refused, "The query takes cursor and limit, and nothing else."))?;
        paging.checked()
    }
}

impl Paging {
    /// If it can be asked for.
    pub(crate) fn checked(self) -> Result<Self, Problem> {
        if self.limit.is_some_and(|limit| !(1..=200).contains(&limit)) {
            return Err(Invalid::new("limit", "query_invalid", "A limit is 1 to 200.").into());
        }
        if self.cursor.as_deref().is_some_and(|cursor| cursor.len() != 36 || cursor.parse::<uuid::Uuid>().is_err()) {
            return Err(Invalid::new("cursor", "query_invalid", "Send the next_cursor of the page before, as it was.").into());
        }
        Ok(self)
    }

    pub(crate) fn request(self) -> PageRequest {
        PageRequest { after: self.cursor.map(|cursor| cursor.to_lowercase()), limit: self.limit.unwrap_or(50) }
    }
}

/// Names the parameter that cannot be read, if it was one, and says what the query takes.
pub(crate) fn query_refused(refused: &QueryRejection, takes: &str) -> Problem {
    let mut causes = std::iter::successors(Some(refused as &(dyn std::error::Error + 'static)), |cause| cause.source());
    let found = causes.find_map(|cause| cause.downcast_ref::<serde_path_to_error::Error<serde::de::value::Error>>());
    let name = found.and_then(|found| match found.path().iter().next_back() {
        Some(serde_path_to_error::Segment::Map { key }) => Some(key.as_str()),
        _ => None,
    });
    let is_time = found.is_some_and(|found| found.inner().to_string().starts_with(Timestamp::FORM));
    let told = if is_time { Timestamp::FORM } else { takes };
    let detail = name.map_or_else(|| told.to_owned(), |name| format!("{name}: {told}"));
    FieldError::new(format!("#/{}", name.unwrap_or("query")), "query_invalid", detail).into()
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct List<T> {
    items: Vec<T>,
    /// Send it as `cursor` for the next page; null on the last one.
    next_cursor: Option<String>,
}

pub(crate) fn list<T, V: Serialize>(page: Page<T>, view: impl Fn(&T) -> V) -> axum::Json<List<V>> {
    axum::Json(List { items: page.items.iter().map(view).collect(), next_cursor: page.next })
}

/// 201 with the answer, or with the one remembered for the same `Idempotency-Key`.
pub(crate) async fn created<V: Serialize>(
    app: &App,
    once: Option<&Once>,
    make: impl Future<Output = Result<V, Problem>>,
) -> Result<Response, Problem> {
    let body = made(app, once, make).await?;
    Ok((StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// What was made, as JSON, or what is remembered for the same `Idempotency-Key`.
pub(crate) async fn made<V: Serialize>(app: &App, once: Option<&Once>, make: impl Future<Output = Result<V, Problem>>) -> Result<Bytes, Problem> {
    if let Some(once) = once
        && let Some(answer) = once.remembered(app).await?
    {
        return Ok(answer);
    }
    match make.await {
        Ok(view) => Ok(Bytes::from(serde_json::to_vec(&view).map_err(|_| Problem::internal("an answer could not be written"))?)),
        Err(problem) => {
            // two at once: the other one's answer may be there by now
            if problem.status == 409
                && let Some(once) = once
                && let Some(answer) = once.remembered(app).await?
            {
                return Ok(answer);
            }
            Err(problem)
        }
    }
}
