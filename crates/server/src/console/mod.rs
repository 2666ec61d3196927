//! The console: pages rendered on the server, for people of an account and for the operator. Nothing here decides; `app` does.
use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, FromRequest, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::de::DeserializeOwned;

use crate::{
    app::App,
    body,
    problem::{Code, Problem},
    request,
    router::method_not_allowed,
};

mod account;
mod assets;
mod browser;
mod clients;
mod credential;
mod credentials;
mod desk;
mod example;
mod form;
mod frame;
mod members;
mod operator;
mod refusals;
mod session;
mod sessions;
mod told;
mod view;

/// Scripts, styles and forms of our own only; nothing inline, nothing framed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'";

pub(crate) fn routes(app: App) -> Router<App> {
    Router::new()
        .route("/", get(session::home))
        .route("/sign-in/{token}", get(session::open_link).post(session::sign_in))
        .route("/sign-out", post(session::sign_out))
        .route("/account", get(account::show))
        .route("/account/members", get(members::list).post(members::add))
        .route("/account/members/new", get(members::new))
        .route("/account/members/{email}/role", get(members::edit).post(members::change_role))
        .route("/account/members/{email}/remove", get(members::confirm_removal).post(members::remove))
        .route("/account/members/{email}/sessions", get(sessions::list_members).post(sessions::end_all_members))
        .route("/account/members/{email}/sessions/{session}/end", post(sessions::end_members))
        .route("/account/clients", get(clients::list))
        .route("/account/sessions", get(sessions::list_own).post(sessions::end_own_others))
        .route("/account/sessions/{session}/end", post(sessions::end_own))
        .nest("/account/{page}", credential_pages())
        .nest("/account/below/{account}/{page}", credential_pages())
        .route("/operator", get(operator::accounts::list).post(operator::accounts::create))
        .route("/operator/new", get(operator::accounts::new))
        .route("/operator/keys", get(operator::keys::list).post(operator::keys::create))
        .route("/operator/cluster", get(operator::cluster::show))
        .route("/operator/sessions", get(sessions::list_operators).post(sessions::end_operators_others))
        .route("/operator/sessions/{session}/end", post(sessions::end_operators))
        .route("/operator/keys/new", get(operator::keys::new))
        .route("/operator/keys/{id}/delete", get(operator::keys::confirm_deletion).post(operator::keys::delete))
        .route("/operator/accounts/{id}", get(operator::account::show).post(operator::account::update))
        .route("/operator/accounts/{id}/withdraw", get(operator::account::confirm_withdrawal))
        .route("/operator/accounts/{id}/suspend", get(operator::account::confirm_suspension))
        .route("/operator/accounts/{id}/refusals", get(operator::account::list_refusals))
        .route("/operator/accounts/{id}/refusals/{request_id}", get(operator::account::show_refusal))
        .route("/operator/accounts/{id}/members", post(operator::account::add_member))
        .route("/operator/accounts/{id}/members/new", get(operator::account::new_member))
        .route("/operator/accounts/{id}/members/{email}/role", get(operator::account::edit_member).post(operator::account::change_member))
        .route("/operator/accounts/{id}/members/{email}/sign-in-link", post(operator::account::create_link))
        .route("/operator/accounts/{id}/members/{email}/sessions", get(sessions::list_for_operator).post(sessions::end_all_for_operator))
        .route("/operator/accounts/{id}/members/{email}/sessions/{session}/end", post(sessions::end_for_operator))
        .route("/assets/{name}", get(assets::serve))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(body::LIMIT))
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .layer(middleware::from_fn_with_state(app, surround_console))
}

/// The pages of credentials, below the address of one's own account's, or of those of an account below it.
fn credential_pages() -> Router<App> {
    Router::new()
        .route("/", get(credentials::list).post(credentials::create))
        .route("/new", get(credentials::new))
        .route("/find", post(credentials::find_pasted))
        .route("/delete", get(credentials::confirm_deletion).post(credentials::delete))
        .route("/request", post(desk::request_access))
        .route("/refusals", get(refusals::list))
        .route("/refusals/{request_id}", get(refusals::show))
        .route("/{id}", get(credential::show))
        .route("/{id}/delete", get(credential::confirm_end).post(credential::end))
        .route("/{id}/edit", get(credential::edit_form).post(credential::edit))
        .route("/{id}/password", get(credential::password_form).post(credential::change_password))
        .route("/{id}/rotate", get(credential::confirm_rotation).post(credential::rotate))
        .route("/{id}/finish", get(credential::confirm_finish).post(credential::finish))
        .route("/{id}/keep-old", get(credential::confirm_keep_old).post(credential::keep_old))
        .route("/{id}/pause", get(credential::confirm_pause).post(credential::pause))
        .route("/{id}/resume", get(credential::confirm_resume).post(credential::resume))
        .route("/{id}/restore", get(credential::confirm_restore).post(credential::restore))
}

/// Around every page: writes problems as pages.
async fn surround_console(State(app): State<App>, request: Request, next: Next) -> Response {
    told::pass_on(request::surround(app, request, next, frame::render_problem).await)
}

/// Before every page: refuses what another site's page sent. And what the framework refuses, an address or a query that cannot be read,
/// is said in our words: there is no such page.
async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    if comes_from_elsewhere(&app, request.method(), request.headers()) {
        return Problem::new(Code::CrossSite, "Open the console itself and try again there.").into_response();
    }
    let response = next.run(request).await;
    let said_by_us = response.extensions().get::<Problem>().is_some();
    if response.status() == StatusCode::BAD_REQUEST && !said_by_us { Problem::not_found().into_response() } else { response }
}

/// Around what no route takes: a page for a browser, JSON for everyone else.
pub(crate) async fn surround_any(State(app): State<App>, request: Request, next: Next) -> Response {
    let browser = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"));
    let render = if browser { frame::render_problem } else { request::render_json };
    request::surround(app, request, next, render).await
}

/// Whether a request that changes something was made by another site's page: by fetch metadata, or where a browser sends none by its
/// `Origin`. What sends neither is refused too: every browser sends one of them with a POST.
fn comes_from_elsewhere(app: &App, method: &Method, headers: &HeaderMap) -> bool {
    if method.is_safe() {
        return false;
    }
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("(unreadable)"));
    match (text(header::HeaderName::from_static("sec-fetch-site")), text(header::ORIGIN)) {
        (Some(site), _) => site != "same-origin",
        (None, Some(origin)) => {
            let own = match &app.settings.public_url {
                Some(url) => url.trim_end_matches('/').to_owned(),
                None => format!("http://{}", text(header::HOST).unwrap_or_default()),
            };
            origin != own
        }
        (None, None) => true,
    }
}

/// A page on its way out.
struct Page<T>(StatusCode, T);

impl<T: askama::Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.1.render() {
            Ok(html) => {
                // same-origin, not none: with none a browser sends `Origin: null` on our own forms
                let headers = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::REFERRER_POLICY, "same-origin")];
                (self.0, headers, Html(html)).into_response()
            }
            Err(error) => Problem::internal(error.to_string()).into_response(),
        }
    }
}

fn page<T: askama::Template>(template: T) -> Page<T> {
    Page(StatusCode::OK, template)
}

fn see(href: &str) -> Redirect {
    Redirect::to(href)
}

/// A form of ours: bounded, its unknown fields refused.
struct Fields<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Fields<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Form(fields) = Form::<T>::from_request(request, state).await.map_err(|rejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::BodyTooLarge, "A form has at most 64 KiB."),
            _ => Problem::new(Code::FormMalformed, "Go back and send the form again."),
        })?;
        Ok(Self(fields))
    }
}

/// A form of ours in which a field may come several times: boxes that can be ticked.
struct Sent(Vec<(String, String)>);

impl Sent {
    /// The field's value; of several the first.
    fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    fn text(&self, name: &str) -> String {
        self.one(name).unwrap_or_default().to_owned()
    }

    /// Refuses what no form of ours sends: a field we do not know, one that stands twice, or no nonce.
    fn assure_ours(&self) -> Result<(), Problem> {
        const ONCE: [&str; 13] = [
            "once",
            "kind",
            "email",
            "name",
            "description",
            "username",
            "password",
            "access",
            "scope_lines",
            "expires",
            "expires_on",
            "networks",
            "replays",
        ];
        const OFTEN: [&str; 2] = ["scopes", "roles"];
        let ours = |name: &str| OFTEN.contains(&name) || (ONCE.contains(&name) && self.all(name).len() == 1);
        let has_nonce = self.one("once").is_some_and(|once| !once.is_empty());
        if has_nonce && self.0.iter().all(|(name, _)| ours(name)) {
            Ok(())
        } else {
            Err(Problem::new(Code::FormMalformed, "Go back and send the form again."))
        }
    }

    /// Everything sent under this name.
    fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(field, _)| field == name).map(|(_, value)| value.clone()).collect()
    }
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Fields::<Vec<(String, String)>>::from_request(request, state).await.map(|Fields(fields)| Self(fields))
    }
}
