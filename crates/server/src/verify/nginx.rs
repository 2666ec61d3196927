//! `GET /verify/nginx`: the contract of nginx's `auth_request`, which passes on 401 and 403 and turns every other refusal into 500.
//!
//! So a refusal that is neither travels as 403 with its true status in `X-Claviger-Status` and its problem in `X-Claviger-Problem`, from
//! where `deploy/nginx/` restores both. The body of the subrequest is never read: nginx announces one that it does not send.
use std::net::IpAddr;

use axum::extract::State;
use bytes::Bytes;
use claviger_domain::{
    judge::Refusal,
    schemes::{self, Fields, signing::Body},
};
use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CACHE_CONTROL, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::{
    Allowed, Question, Rate, Verdict,
    reply::{self, Reply},
    verify,
};
use crate::{app::App, problem::Problem, request};

/// Header fields as hyper holds them.
pub(crate) struct HeaderFields<'a>(pub(crate) &'a HeaderMap);

impl Fields for HeaderFields<'_> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

/// The client's own fields. `Host` is what nginx says it was: on the check itself it is the upstream's name.
struct Original<'a>(&'a HeaderMap);

impl Fields for Original<'_> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.get_all(if name == "host" { "x-original-host" } else { name }).iter().map(HeaderValue::as_bytes)
    }
}

/// The handler, for the router's sake; the gateway listener calls [`answer_nginx`] directly.
pub(crate) async fn nginx(State(app): State<App>, headers: HeaderMap) -> Response<axum::body::Body> {
    answer_nginx(&app, &headers).await.map(axum::body::Body::new)
}

pub(crate) async fn answer_nginx(app: &App, headers: &HeaderMap) -> Response<Full<Bytes>> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let request = schemes::Request {
        method: text("x-original-method").unwrap_or("GET"),
        target: text("x-original-uri").unwrap_or("/"),
        fields: &Original(headers),
        client_ip: text("x-real-ip").and_then(|ip| ip.parse::<IpAddr>().ok()),
    };
    let request_id = request::request_id(app, headers);
    if reply::passes_as_preflight(app, &request) {
        return Reply::Yes(reply::nobody(&request_id), None).into_http();
    }
    let require = text("x-claviger-require").unwrap_or_default();
    match verify(
        app,
        &Question { request, body: Body::NotSeen, require, secure: text("x-forwarded-proto") == Some("https"), request_id: &request_id },
    )
    .await
    {
        Verdict::Allowed(allowed) => with_rate(yes(&allowed, &request_id), allowed.rate),
        Verdict::Refused(refusal, missing) => no(refusal, missing, &request_id),
        Verdict::Limited(rate) => with_rate(no(Refusal::RateLimited, None, &request_id), Some(rate)),
        Verdict::CannotSay => cannot_say(&request_id),
    }
}

const NAMES: [HeaderName; 6] = [
    HeaderName::from_static("x-claviger-account"),
    HeaderName::from_static("x-claviger-acting-account"),
    HeaderName::from_static("x-claviger-credential"),
    HeaderName::from_static("x-claviger-kind"),
    HeaderName::from_static("x-claviger-scopes"),
    HeaderName::from_static("x-claviger-request-id"),
];
const DIGEST: HeaderName = HeaderName::from_static("x-claviger-content-digest");
const STATUS: HeaderName = HeaderName::from_static("x-claviger-status");
const PROBLEM: HeaderName = HeaderName::from_static("x-claviger-problem");

fn yes(allowed: &Allowed, request_id: &str) -> Response<Full<Bytes>> {
    let mut response = empty(StatusCode::OK);
    let credential = &allowed.entry.credential;
    let values = [
        value(&credential.account_id.to_string()),
        value(&allowed.acting_account.to_string()),
        value(&credential.id.to_string()),
        HeaderValue::from_static(credential.kind.as_str()),
        value(&allowed.scopes),
        value(request_id),
    ];
    let headers = response.headers_mut();
    for (name, value) in NAMES.into_iter().zip(values) {
        headers.insert(name, value);
    }
    headers.insert(DIGEST, value(allowed.content_digest.as_deref().unwrap_or_default()));
    response
}

/// Every identity header is always set: an empty one would let a client's own through.
fn value(text: &str) -> HeaderValue {
    let text = if text.is_empty() { "-" } else { text };
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-"))
}

fn no(refusal: Refusal, missing: Option<String>, request_id: &str) -> Response<Full<Bytes>> {
    let passed_on = if refusal.status() == 401 { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    let mut response = empty(passed_on);
    let headers = response.headers_mut();
    if let Some(challenge) = reply::challenge(refusal, missing.as_deref()) {
        headers.insert(WWW_AUTHENTICATE, value(&challenge));
    }
    if let Some(seconds) = reply::retry_after(refusal) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    headers.insert(STATUS, HeaderValue::from(refusal.status()));
    headers.insert(PROBLEM, value(&request::problem_json(&Problem::refused(refusal, missing), request_id).to_string()));
    headers.insert(NAMES[5].clone(), value(request_id));
    response
}

/// What is left of the quota, and when to come again after a no.
fn with_rate(mut response: Response<Full<Bytes>>, rate: Option<Rate>) -> Response<Full<Bytes>> {
    let Some(rate) = rate else { return response };
    let refused = response.status() != StatusCode::OK;
    let headers = response.headers_mut();
    for (name, text) in rate.headers() {
        headers.insert(HeaderName::from_static(name), value(&text));
    }
    if refused {
        headers.insert(RETRY_AFTER, HeaderValue::from(rate.retry_after()));
    }
    response
}

fn cannot_say(request_id: &str) -> Response<Full<Bytes>> {
    let mut response = empty(StatusCode::SERVICE_UNAVAILABLE);
    let headers = response.headers_mut();
    headers.insert(STATUS, HeaderValue::from_static("503"));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    headers.insert(PROBLEM, value(&request::problem_json(&Problem::unavailable(""), request_id).to_string()));
    headers.insert(NAMES[5].clone(), value(request_id));
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
