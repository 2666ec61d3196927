//! `GET /verify/nginx`: the contract of nginx's `auth_request`, which passes on 401 and 403 and turns every other refusal into 500.
//!
//! So a refusal that is neither travels as 403 with its true status in `X-Claviger-Status` and its problem in `X-Claviger-Problem`, from
//! where `deploy/nginx/` restores both. The body of the subrequest is never read: nginx announces one that it does not send.
use std::{net::IpAddr, time::Instant};

use axum::extract::State;
use bytes::Bytes;
use claviger_domain::{
    judge::Refusal,
    schemes::{self, signing::Body},
};
use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CACHE_CONTROL, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::{Allowed, HeaderFields, Question, Verdict, verify};
use crate::{app::App, problem::Problem, request};

const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const REQUIRE: HeaderName = HeaderName::from_static("x-claviger-require");

/// The handler, for the router's sake; the gateway listener calls [`answer_nginx`] directly.
pub(crate) async fn nginx(State(app): State<App>, headers: HeaderMap) -> Response<axum::body::Body> {
    answer_nginx(&app, &headers).await.map(axum::body::Body::new)
}

pub(crate) async fn answer_nginx(app: &App, headers: &HeaderMap) -> Response<Full<Bytes>> {
    let started = Instant::now();
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let request = schemes::Request {
        method: text(ORIGINAL_METHOD).unwrap_or("GET"),
        target: text(ORIGINAL_URI).unwrap_or("/"),
        fields: &HeaderFields(headers),
        client_ip: text(REAL_IP).and_then(|ip| ip.parse::<IpAddr>().ok()),
    };
    let request_id = request::request_id(app, headers);
    let require = text(REQUIRE).unwrap_or_default();
    let response = match verify(app, &Question { request, body: Body::NotSeen, require, request_id: &request_id }).await {
        Verdict::Allowed(allowed) => yes(&allowed, &request_id),
        Verdict::Refused(refusal, missing) => no(refusal, missing, &request_id),
        Verdict::CannotSay => cannot_say(&request_id),
    };
    app.metrics.answered(started);
    response
}

/// Room for the fields of an answer, those that hyper adds included.
const FIELDS: usize = 12;
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const ACCOUNT: HeaderName = HeaderName::from_static("x-claviger-account");
const ACTING_ACCOUNT: HeaderName = HeaderName::from_static("x-claviger-acting-account");
const CREDENTIAL: HeaderName = HeaderName::from_static("x-claviger-credential");
const KIND: HeaderName = HeaderName::from_static("x-claviger-kind");
const SCOPES: HeaderName = HeaderName::from_static("x-claviger-scopes");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-claviger-request-id");
const DIGEST: HeaderName = HeaderName::from_static("x-claviger-content-digest");
const STATUS: HeaderName = HeaderName::from_static("x-claviger-status");
const PROBLEM: HeaderName = HeaderName::from_static("x-claviger-problem");

fn yes(allowed: &Allowed, request_id: &str) -> Response<Full<Bytes>> {
    let entry = &allowed.entry;
    let room = &mut [0; 36];
    let mut headers = HeaderMap::with_capacity(FIELDS);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(ACCOUNT, value(entry.account_id.write(room)));
    headers.insert(ACTING_ACCOUNT, value(allowed.acting_account.write(room)));
    headers.insert(CREDENTIAL, value(entry.id.write(room)));
    headers.insert(KIND, HeaderValue::from_static(entry.kind.as_str()));
    headers.insert(SCOPES, value(allowed.scopes()));
    headers.insert(REQUEST_ID, value(request_id));
    headers.insert(DIGEST, value(allowed.content_digest.as_deref().unwrap_or_default()));
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.headers_mut() = headers;
    response
}

/// Every identity header is always set: an empty one would let a client's own through.
fn value(text: &str) -> HeaderValue {
    const EMPTY: HeaderValue = HeaderValue::from_static("-");
    const EVERYTHING: HeaderValue = HeaderValue::from_static("*");
    match text {
        "" => EMPTY,
        "*" => EVERYTHING,
        text => HeaderValue::from_str(text).unwrap_or(EMPTY),
    }
}

fn no(refusal: Refusal, missing: Option<String>, request_id: &str) -> Response<Full<Bytes>> {
    let passed_on = if refusal.status() == 401 { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    let mut response = empty(passed_on);
    let headers = response.headers_mut();
    // one field: nginx before 1.23 passes on only the first
    match refusal {
        Refusal::NoCredential => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"claviger\"")),
        Refusal::Unauthenticated => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"claviger\", error=\"invalid_token\"")),
        Refusal::InsufficientScope => headers.insert(WWW_AUTHENTICATE, insufficient(missing.as_deref())),
        Refusal::TooManyFailures => headers.insert(RETRY_AFTER, HeaderValue::from_static("30")),
        _ => None,
    };
    headers.insert(STATUS, HeaderValue::from(refusal.status()));
    headers.insert(PROBLEM, value(&request::problem_json(&Problem::refused(refusal, missing), request_id).to_string()));
    headers.insert(REQUEST_ID, value(request_id));
    response
}

/// RFC 6750, section 3: what is missing stands in the challenge too.
fn insufficient(missing: Option<&str>) -> HeaderValue {
    let scope = missing.filter(|missing| !missing.is_empty()).map_or_else(String::new, |missing| format!(", scope=\"{missing}\""));
    value(&format!("Bearer realm=\"claviger\", error=\"insufficient_scope\"{scope}"))
}

fn cannot_say(request_id: &str) -> Response<Full<Bytes>> {
    let mut response = empty(StatusCode::SERVICE_UNAVAILABLE);
    let headers = response.headers_mut();
    headers.insert(STATUS, HeaderValue::from_static("503"));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    headers.insert(PROBLEM, value(&request::problem_json(&Problem::unavailable(""), request_id).to_string()));
    headers.insert(REQUEST_ID, value(request_id));
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}
