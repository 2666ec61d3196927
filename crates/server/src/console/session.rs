//! Who is signed in: the session's cookie, the one-time link that begins it, and the extractors that pages ask for.
use axum::{
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use claviger_domain::{
    account::{Account, Status},
    kind::{Denied, Kind, Reach},
    policy::{self, Actor, ClientsSeen, Grant, ManageCredentials, ManageMembers, OperatorGrant, Refused, SeeAccount},
};

use super::{
    Page, browser, frame, page, see,
    view::{SignedOut, SigningIn},
};
use crate::{
    app::{App, sign_in},
    problem::Problem,
    request::Context,
};

/// `__Host-` binds a cookie to this very host, over TLS only; browsers refuse the name without TLS.
fn cookie_name(app: &App) -> &'static str {
    if app.settings.public_url_is_tls() { "__Host-claviger" } else { "claviger" }
}

fn cookie(app: &App, value: &str, more: &str) -> HeaderValue {
    let secure = if app.settings.public_url_is_tls() { "; Secure" } else { "" };
    let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}", cookie_name(app));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

fn token<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let mut ours = cookies.filter_map(|pair| pair.trim().strip_prefix(cookie_name(app))?.strip_prefix('='));
    let first = ours.next();
    // two of them: someone planted one
    if ours.next().is_some() { None } else { first }
}

async fn signed_in(app: &App, parts: &Parts) -> Result<(Context, sign_in::SignedIn), Problem> {
    let context = parts.extensions.get::<Context>().cloned().ok_or_else(|| Problem::internal("no context"))?;
    let token = token(app, &parts.headers).ok_or_else(Problem::credential_required)?;
    let signed_in = sign_in::authenticate(app, token).await?.ok_or_else(Problem::credential_required)?;
    Ok((context, signed_in))
}

/// What is to be seen of credentials.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// They themselves.
    All,
    /// A page on which to ask the operator for them.
    Request,
    /// A page that says whom of the account to ask.
    WhomToAsk,
    /// Nothing.
    Nothing,
}

/// A member of an account, on one of its pages.
pub(super) struct Member {
    pub(super) app: App,
    pub(super) context: Context,
    pub(super) signed_in: sign_in::SignedIn,
    see: Grant<SeeAccount>,
    kind: Kind,
}

impl FromRequestParts<App> for Member {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let (context, signed_in) = signed_in(app, parts).await?;
        let account = signed_in.person.account_id.ok_or_else(Problem::not_found)?;
        let see = app.permit::<SeeAccount>(&context, &signed_in.actor, account).await?;
        let kind = app.kinds.find(&see.account().kind).cloned().ok_or_else(Problem::not_found)?;
        Ok(Self { app: app.clone(), context, signed_in, see, kind })
    }
}

impl Member {
    pub(super) fn actor(&self) -> &Actor {
        self.see.actor()
    }

    pub(super) fn account(&self) -> &Account {
        self.see.account()
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.signed_in.name.as_deref()
    }

    pub(super) fn email(&self) -> &str {
        match self.actor() {
            Actor::Member { email, .. } => email,
            Actor::Operator { name, .. } | Actor::Key { public_id: name, .. } => name,
        }
    }

    pub(super) fn role_label(&self) -> String {
        match self.actor() {
            Actor::Member { role, .. } => self.kind.find_role(role).map_or_else(|| role.clone(), |role| role.name.clone()),
            Actor::Operator { .. } | Actor::Key { .. } => "Operator".into(),
        }
    }

    pub(super) fn credentials_href(&self) -> String {
        format!("/account/{}", self.kind.console.page)
    }

    /// What is to be seen of the account's own credentials.
    pub(super) fn credentials_seen(&self) -> Seen {
        let active = self.account().status == Status::Active;
        match policy::decide::<ManageCredentials>(&self.app.kinds, self.actor(), self.account()) {
            Ok(_) => Seen::All,
            Err(Refused::GateClosed) => Seen::Request,
            Err(Refused::Forbidden) if active && self.kind.credentials.denied == Denied::Explained => Seen::WhomToAsk,
            Err(_) => Seen::Nothing,
        }
    }

    pub(super) fn sees_credentials(&self) -> bool {
        self.credentials_seen() != Seen::Nothing
    }

    /// What the accounts below are called.
    pub(super) fn clients_label(&self) -> &'static str {
        if self.kind.credentials.reach == Reach::Below { "Accounts below" } else { "Clients" }
    }

    pub(super) fn may_manage_members(&self) -> bool {
        policy::decide::<ManageMembers>(&self.app.kinds, self.actor(), self.account()).is_ok()
    }

    pub(super) fn clients_seen(&self) -> ClientsSeen {
        policy::clients_seen(&self.app.kinds, self.actor(), self.account())
    }
}

/// The operator, on a page of the operator's console.
pub(super) struct OperatorPerson {
    pub(super) app: App,
    pub(super) context: Context,
    pub(super) signed_in: sign_in::SignedIn,
    pub(super) grant: OperatorGrant,
}

impl FromRequestParts<App> for OperatorPerson {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let (context, signed_in) = signed_in(app, parts).await?;
        match policy::operator(&signed_in.actor) {
            Ok(grant) => Ok(Self { app: app.clone(), context, signed_in, grant }),
            Err(refused) => {
                app.record_denied(&context, &signed_in.actor, "operate", None, None).await;
                Err(refused.into())
            }
        }
    }
}

impl OperatorPerson {
    pub(super) fn name(&self) -> &str {
        match self.grant.actor() {
            Actor::Operator { name, .. } | Actor::Key { public_id: name, .. } => name,
            Actor::Member { email, .. } => email,
        }
    }
}

/// `GET /`: to the pages of whoever is signed in.
pub(super) async fn home(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let signed_in = match token(&app, &headers) {
        Some(token) => sign_in::authenticate(&app, token).await?,
        None => None,
    };
    Ok(match signed_in {
        None => return Err(Problem::credential_required()),
        Some(signed_in) if signed_in.person.account_id.is_some() => see("/account").into_response(),
        Some(_) => see("/operator").into_response(),
    })
}

/// `GET /sign-in/{token}`: signs in who opened the address themselves. Another site that led here, a browser that looks ahead and a HEAD get a page
/// with one button: they use nothing up, and sign no one in who did not mean to.
pub(super) async fn open_link(
    State(app): State<App>,
    context: axum::Extension<Context>,
    token: Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let says = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let looks_ahead = ["sec-purpose", "purpose", "x-moz"].into_iter().filter_map(says).any(|purpose| purpose.contains("prefetch"));
    // over plain HTTP browsers say nothing of themselves but where the link stood
    let led_here = says("sec-fetch-site").is_some_and(|site| site != "none" && site != "same-origin")
        || says("referer").is_some_and(|from| !from.strip_prefix(app.public_url()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    if method == Method::GET && !looks_ahead && !led_here {
        return sign_in(State(app), context, token, headers).await;
    }
    show_link(&app, &token).await
}

async fn show_link(app: &App, token: &str) -> Result<Response, Problem> {
    let person = sign_in::find_link(app, token).await?;
    let whose = match person.account_id {
        Some(account) => app.store.reader().await?.find_account(account).await?.map_or_else(String::new, |account| account.name),
        None => "Operator".to_owned(),
    };
    let mut response = page(SigningIn { chrome: frame::bare("Sign in"), person: person.name, whose }).into_response();
    // its address is a secret, and so in no referrer; with no-referrer a browser would send `Origin: null` with the form
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("strict-origin"));
    Ok(response)
}

/// `POST /sign-in/{token}`, the button: uses the link up.
pub(super) async fn sign_in(
    State(app): State<App>,
    axum::Extension(context): axum::Extension<Context>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let browser = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).and_then(browser::name);
    let (session, person) = sign_in::use_link(&app, &context, &token, browser).await?;
    let mut response = see(if person.account_id.is_some() { "/account" } else { "/operator" }).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie(&app, session.expose(), ""));
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// `POST /sign-out`.
pub(super) async fn sign_out(
    State(app): State<App>,
    axum::Extension(context): axum::Extension<Context>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(token) = token(&app, &headers) {
        sign_in::sign_out(&app, &context, token).await?;
    }
    let text = "This browser keeps nothing of your session.";
    let page = SignedOut { chrome: frame::bare("Signed out"), heading: "You are signed out".into(), text: text.into() };
    let mut response = Page(StatusCode::OK, page).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie(&app, "", "; Max-Age=0"));
    response.headers_mut().insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\", \"cookies\", \"storage\""));
    Ok(response)
}
