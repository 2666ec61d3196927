//! `/v1/api-key/keys` and `/v1/audit-log/history`: keys managed with keys, by customers who automate.
use axum::{
    extract::{FromRequestParts, Query, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use claviger_domain::{
    access::Access,
    credential::{Edit, Wish},
    id::{AccountId, CredentialId},
    policy::{Actor, Grant, ManageCredentials},
    schemes::{self, Presented},
    time::Timestamp,
};
use claviger_store::{
    credential::Listed,
    event::{Filter as EventFilter, StoredEvent},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{At, List, Paging, made, query_refused};
use crate::{
    app::{
        App,
        credentials::{self, AccessView, CredentialView},
        once::Once,
        standing::{self, Standing},
    },
    body::Json,
    problem::Problem,
    request::Context,
    verify::{self, HeaderFields},
};

/// The caller of a route that API keys may call: a living key, and who it is.
pub(crate) struct KeyCaller {
    app: App,
    context: Context,
    actor: Actor,
    account: AccountId,
}

impl FromRequestParts<App> for KeyCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let context = parts.extensions.get::<Context>().cloned().ok_or_else(|| Problem::internal("no context"))?;
        let text = match schemes::present(&HeaderFields::new(&parts.headers)) {
            Presented::Nothing => return Err(Problem::key_required()),
            Presented::Several => return Err(Problem::from(claviger_domain::judge::Refusal::SeveralCredentials)),
            Presented::Key(text) => text.to_owned(),
            _ => return Err(Problem::credential_invalid()),
        };
        let entry = verify::authenticate_key(app, &text, context.source).await.map_err(|_| Problem::cannot_say())?;
        let entry = entry.ok_or_else(Problem::credential_invalid)?;
        let account = app.store.reader().await?.find_account(entry.account_id).await?.ok_or_else(Problem::credential_invalid)?;
        let rules = app.kinds.find(&account.kind).map(|kind| &kind.credentials);
        let manages = |role: &String| rules.and_then(|rules| rules.find_role(role)).is_some_and(|role| role.manages_keys);
        let manages_keys = matches!(entry.access(), Access::Roles(roles) if roles.iter().any(manages));
        let actor = Actor::Key { account: account.id, kind: account.kind, public_id: entry.public_id().to_owned(), manages_keys };
        Ok(Self { app: app.clone(), context, actor, account: account.id })
    }
}

impl KeyCaller {
    async fn permit(&self, account: AccountId) -> Result<Grant<ManageCredentials>, Problem> {
        self.app.permit::<ManageCredentials>(&self.context, &self.actor, account).await
    }

    /// The grant over the account that a key lives in.
    async fn permit_over(&self, id: CredentialId) -> Result<Grant<ManageCredentials>, Problem> {
        // whether they manage keys at all, before anything else is said
        self.permit(self.account).await?;
        let account = self.app.store.reader().await?.find_credential_account(id).await?;
        self.app.permit_at(&self.context, &self.actor, account, &id.to_string()).await
    }
}

/// An API key.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyView {
    /// UUID.
    id: String,
    /// The tenant or business unit it lives in.
    account_id: String,
    /// The key's public beginning.
    key_id: String,
    /// The whole key; only in the answer to its creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    owner: String,
    description: Option<String>,
    roles: Vec<String>,
    created_at: String,
    last_used_at: Option<String>,
    /// `revoking`, while some node may still accept it though it was deleted; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Standing>,
    /// RFC 3339, UTC: when its last change is true on every node at the latest; absent when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    settles_by: Option<String>,
}

impl KeyView {
    fn of(app: &App, listed: &Listed) -> Self {
        let credential = &listed.credential;
        let roles = match &credential.access {
            Access::Roles(roles) => roles.iter().cloned().collect(),
            _ => Vec::new(),
        };
        Self {
            id: credential.id.to_string(),
            account_id: credential.account_id.to_string(),
            key_id: credential.public_id.clone(),
            key: None,
            owner: credential.label.clone(),
            description: credential.description.clone(),
            roles,
            created_at: credential.created_at.to_string(),
            last_used_at: listed.used.as_ref().map(|used| used.at.to_string()),
            state: Some(Standing::of_listed(listed)).filter(|standing| *standing == Standing::Revoking),
            settles_by: standing::settles_by(app, listed).map(|at| at.to_string()),
        }
    }

    /// As a change has left it, which is not looked up again: whatever happens meanwhile, the change was made.
    fn changed(self, after: CredentialView) -> Self {
        let roles = if let AccessView::Roles { roles } = after.access { roles } else { self.roles };
        Self { owner: after.label, description: after.description, roles, settles_by: after.settles_by, ..self }
    }
}

async fn view(caller: &KeyCaller, grant: &Grant<ManageCredentials>, id: CredentialId) -> Result<KeyView, Problem> {
    let (listed, _) = credentials::find(&caller.app, grant, id).await?;
    Ok(KeyView::of(&caller.app, &listed))
}

/// Lists the keys of one's own account and of those below it, newest first.
#[utoipa::path(
    get, operation_id = "list_keys", path = "/v1/api-key/keys", tag = "api keys", params(Paging),
    responses((status = 200, body = List<KeyView>), (status = 403, description = "The key's roles do not manage keys"))
)]
pub(crate) async fn list(caller: KeyCaller, paging: Paging) -> Result<axum::Json<List<KeyView>>, Problem> {
    let grant = caller.permit(caller.account).await?;
    let page = credentials::list_below(&caller.app, &grant, &paging.request()).await?;
    Ok(super::list(page, |listed| KeyView::of(&caller.app, listed)))
}

/// Shows a key, its roles included.
#[utoipa::path(
    get, operation_id = "show_key", path = "/v1/api-key/keys/{api_key_id}", tag = "api keys", params(("api_key_id" = String, Path)),
    responses((status = 200, body = KeyView), (status = 403, description = "The key's roles do not manage keys"), (status = 404, description = "No such key"))
)]
pub(crate) async fn show(caller: KeyCaller, At(id): At<CredentialId>) -> Result<axum::Json<KeyView>, Problem> {
    let grant = caller.permit_over(id).await?;
    view(&caller, &grant, id).await.map(axum::Json)
}

/// A new key.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewKey)]
#[serde(deny_unknown_fields)]
pub(crate) struct Create {
    /// The email address of the person who answers for it.
    owner: String,
    description: Option<String>,
    /// None: it may do nothing.
    roles: Option<Vec<String>>,
    /// A business unit of one's own; one's own account when absent.
    account_id: Option<String>,
}

/// Creates a key. The whole key is in this answer and in no other.
#[utoipa::path(
    post, operation_id = "create_key", path = "/v1/api-key/keys", tag = "api keys", request_body = Create, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = KeyView), (status = 403, description = "The key's roles do not manage keys"), (status = 422, description = "A field is wrong"))
)]
pub(crate) async fn create(caller: KeyCaller, headers: HeaderMap, body: Json<Create>) -> Result<Response, Problem> {
    let once = Once::of(&caller.app, &caller.actor, &headers, "api keys", &body.bytes)?;
    let Create { owner, description, roles, account_id } = body.value;
    let account = account_id.map_or(Ok(caller.account), |id| id.parse().map_err(|_| Problem::not_found()))?;
    let grant = caller.permit(account).await?;
    let wish = Wish { email: Some(owner), description, roles, ..Wish::default() };
    let make = async { credentials::create(&caller.app, &caller.context, &grant, wish, once.as_ref()).await.map_err(about_owner) };
    // remembered in one shape, answered in another: so the answer is made from what is remembered, and from nothing that may change
    let made = made(&caller.app, once.as_ref(), make).await?;
    let made: Made = serde_json::from_slice(&made).map_err(|_| Problem::internal("an answer was lost"))?;
    Ok((StatusCode::CREATED, axum::Json(KeyView::from(made))).into_response())
}

/// Of [`credentials::CredentialView`], what a key has that was just made.
#[derive(Deserialize)]
struct Made {
    id: String,
    account_id: String,
    public_id: String,
    secret: Option<String>,
    label: String,
    description: Option<String>,
    access: MadeAccess,
    created_at: String,
}

#[derive(Deserialize)]
struct MadeAccess {
    #[serde(default)]
    roles: Vec<String>,
}

impl From<Made> for KeyView {
    fn from(made: Made) -> Self {
        Self {
            id: made.id,
            account_id: made.account_id,
            key_id: made.public_id,
            key: made.secret,
            owner: made.label,
            description: made.description,
            roles: made.access.roles,
            created_at: made.created_at,
            last_used_at: None,
            state: None,
            settles_by: None,
        }
    }
}

/// The owner is the address that credentials have elsewhere: what is wrong with it is told by its name here.
fn about_owner(mut problem: Problem) -> Problem {
    for error in problem.errors.iter_mut().filter(|error| error.pointer == "#/email") {
        "#/owner".clone_into(&mut error.pointer);
    }
    problem
}

/// What to change; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = KeyChange)]
#[serde(deny_unknown_fields)]
pub(crate) struct Update {
    owner: Option<String>,
    description: Option<String>,
}

/// Changes a key's owner or description.
#[utoipa::path(
    patch, operation_id = "update_key", path = "/v1/api-key/keys/{api_key_id}", tag = "api keys", request_body = Update, params(("api_key_id" = String, Path)),
    responses((status = 200, body = KeyView), (status = 403, description = "The key's roles do not manage keys"), (status = 404, description = "No such key"))
)]
pub(crate) async fn update(caller: KeyCaller, At(id): At<CredentialId>, body: Json<Update>) -> Result<axum::Json<KeyView>, Problem> {
    let grant = caller.permit_over(id).await?;
    let Update { owner, description } = body.value;
    let edit = Edit { email: owner, description, ..Edit::default() };
    let before = view(&caller, &grant, id).await?;
    let after = credentials::edit(&caller.app, &caller.context, &grant, id, edit).await.map_err(about_owner)?;
    Ok(axum::Json(before.changed(after)))
}

/// Deletes a key and detaches its roles. When it returns, no request with it is accepted.
#[utoipa::path(
    delete, operation_id = "delete_key", path = "/v1/api-key/keys/{api_key_id}", tag = "api keys", params(("api_key_id" = String, Path)),
    responses((status = 204, description = "Ended"), (status = 403, description = "The key's roles do not manage keys"), (status = 404, description = "No such key"))
)]
pub(crate) async fn delete(caller: KeyCaller, At(id): At<CredentialId>) -> Result<StatusCode, Problem> {
    let grant = caller.permit_over(id).await?;
    credentials::end(&caller.app, &caller.context, &grant, id, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a role to a key; it counts on the next request.
#[utoipa::path(
    put, operation_id = "give_key_role", path = "/v1/api-key/keys/{api_key_id}/roles/{role}", tag = "api keys",
    params(("api_key_id" = String, Path), ("role" = String, Path)),
    responses((status = 200, body = KeyView), (status = 403, description = "The key's roles do not manage keys"), (status = 404, description = "No such key or role"))
)]
pub(crate) async fn give_role(caller: KeyCaller, At((id, role)): At<(CredentialId, String)>) -> Result<axum::Json<KeyView>, Problem> {
    set_role(&caller, id, &role, true).await
}

/// Takes a role from a key; it counts on the next request.
#[utoipa::path(
    delete, operation_id = "take_key_role", path = "/v1/api-key/keys/{api_key_id}/roles/{role}", tag = "api keys",
    params(("api_key_id" = String, Path), ("role" = String, Path)),
    responses((status = 200, body = KeyView), (status = 403, description = "The key's roles do not manage keys"), (status = 404, description = "No such key or role"))
)]
pub(crate) async fn take_role(caller: KeyCaller, At((id, role)): At<(CredentialId, String)>) -> Result<axum::Json<KeyView>, Problem> {
    set_role(&caller, id, &role, false).await
}

async fn set_role(caller: &KeyCaller, id: CredentialId, role: &str, held: bool) -> Result<axum::Json<KeyView>, Problem> {
    let grant = caller.permit_over(id).await?;
    let before = view(caller, &grant, id).await?;
    let after = credentials::set_role(&caller.app, &caller.context, &grant, id, role, held).await?;
    Ok(axum::Json(before.changed(after)))
}

/// Which events.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Of this business unit alone.
    business_unit: Option<String>,
    /// By this actor, as events name them.
    actor: Option<String>,
    /// About this credential, by its public part.
    credential: Option<String>,
    /// At or after; RFC 3339.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Before; RFC 3339.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many rows: 1 to 200, 50 when absent.
    limit: Option<u32>,
}

/// Lists what happened in one's own account and in those below it, API requests that gateways reported included, newest first; as CSV with `Accept: text/csv`.
#[utoipa::path(
    get, operation_id = "audit_log", path = "/v1/audit-log/history", tag = "api keys", params(Which),
    responses(
        (status = 200, description = "A page", content((List<super::events::EventView> = "application/json"), (String = "text/csv")),
            headers(("X-Next-Cursor" = String, description = "Of CSV: send it as `cursor` for the next page; empty on the last one"))),
        (status = 403, description = "The key's roles do not manage keys"),
    )
)]
pub(crate) async fn history(caller: KeyCaller, headers: HeaderMap, which: Result<Query<Which>, QueryRejection>) -> Result<Response, Problem> {
    caller.permit(caller.account).await?;
    let takes = "The query takes business_unit, actor, credential, from, to, cursor and limit, and nothing else.";
    let Query(which) = which.map_err(|refused| query_refused(&refused, takes))?;
    let paging = Paging { cursor: which.cursor, limit: which.limit }.checked()?;
    let filter = EventFilter { account: which.business_unit, actor: which.actor, target: which.credential, from: which.from, to: which.to };
    let page = caller.app.store.reader().await?.list_history_below(caller.account, &filter, &paging.request()).await?;
    let csv = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/csv"));
    if csv {
        let next = page.next.clone().unwrap_or_default();
        let lines: String = std::iter::once(CSV_HEADER.to_owned()).chain(page.items.iter().map(csv_line)).collect();
        return Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::HeaderName::from_static("x-next-cursor"), next)], lines)
            .into_response());
    }
    Ok(super::list(page, |event| super::events::EventView::from(event)).into_response())
}

const CSV_HEADER: &str = "id,at,account_id,actor,action,target,detail,request_id,source,method,url,status,duration_seconds,headers\r\n";

/// RFC 4180; a value that a spreadsheet would take for a formula is kept one by a leading apostrophe.
fn csv_line(event: &StoredEvent) -> String {
    let at = event.at.to_string();
    let request = super::events::api_request(event);
    let detail = if request.is_some() { "{}" } else { &event.detail };
    let [method, url, status, duration, headers] = request.map_or_else(Default::default, |request| {
        let headers = serde_json::to_string(&request.headers).unwrap_or_default();
        let duration = request.duration_seconds.map_or_else(String::new, |seconds| seconds.to_string());
        [request.method, request.url, request.status.to_string(), duration, headers]
    });
    let values = [
        event.id.as_str(),
        &at,
        event.account_id.as_deref().unwrap_or_default(),
        &event.actor,
        &event.action,
        &event.target,
        detail,
        &event.request_id,
        event.source.as_deref().unwrap_or_default(),
        &method,
        &url,
        &status,
        &duration,
        &headers,
    ];
    let quoted = values.map(|value| {
        let guard = if value.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
        format!("\"{guard}{}\"", value.replace('"', "\"\""))
    });
    format!("{}\r\n", quoted.join(","))
}
