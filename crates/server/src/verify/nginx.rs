//! `GET /verify/nginx`: the contract of nginx's `auth_request`, which passes on 401 and 403 and turns every other refusal into 500.
//!
//! So a refusal that is neither travels as 403 with its true status in `X-Claviger-Status` and its problem in `X-Claviger-Problem`, from
//! where `deploy/nginx/` restores both. The body of the subrequest is never read: nginx announces one that it does not send.
use std::net::IpAddr;

use axum::extract::State;
use bytes::Bytes;
use claviger_domain::schemes::{self, signing::Body};
use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{HeaderName, HeaderValue},
};

use super::{
    HeaderFields, Question,
    reply::{self, Denial, Reply},
};
use crate::{app::App, request};

const STATUS: HeaderName = HeaderName::from_static("x-claviger-status");
const PROBLEM: HeaderName = HeaderName::from_static("x-claviger-problem");

/// The handler, for the router's sake; the gateway listener calls [`answer_nginx`] directly.
pub(crate) async fn nginx(State(app): State<App>, headers: HeaderMap) -> Response<axum::body::Body> {
    answer_nginx(&app, &headers).await.map(axum::body::Body::new)
}

pub(crate) async fn answer_nginx(app: &App, headers: &HeaderMap) -> Response<Full<Bytes>> {
    let fields = HeaderFields::with_host(headers, "x-original-host");
    let request_id = request::request_id_from(app, fields.told("x-request-id"));
    // what nginx does not tell is nothing: neither a GET, nor the path `/`; who needs not be asked for it passes without
    let asked = (fields.told_or("x-original-method", ""), fields.told_or("x-original-uri", ""), fields.demand("x-claviger-require"));
    let (Ok(method), Ok(target), Some(require)) = asked else {
        let why = "The gateway must send X-Original-Method and X-Original-URI, and X-Claviger-Require where it demands something, each once and in UTF-8, and a demand with a word in it.";
        return written(Reply::not_asked_properly(why, &request_id));
    };
    let client_ip = fields.told("x-real-ip").and_then(|ip| ip.parse::<IpAddr>().ok());
    let secure = fields.told("x-forwarded-proto") == Some("https");
    let request = schemes::Request { method, target, fields: &fields, client_ip };
    written(reply::reply(app, &Question { request, body: Body::NotSeen, require, secure, request_id: &request_id }).await)
}

fn written(reply: Reply) -> Response<Full<Bytes>> {
    match reply {
        Reply::No(denial) => no(denial),
        yes @ Reply::Yes(..) => yes.into_http(),
    }
}

fn no(denial: Denial) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = match denial.status {
        401 => StatusCode::UNAUTHORIZED,
        503 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::FORBIDDEN,
    };
    let headers = response.headers_mut();
    headers.insert(STATUS, HeaderValue::from(denial.status));
    if let Ok(problem) = HeaderValue::try_from(denial.problem.as_str()) {
        headers.insert(PROBLEM, problem);
    }
    denial.write(headers);
    response
}
