//! `GET /verify/nginx`: the contract of nginx's `auth_request`, which passes on 401 and 403 and turns every other refusal into 500.
//!
//! So a refusal that is neither travels as 403 with its true status in `X-Claviger-Status` and its problem in `X-Claviger-Problem`, from
//! where `deploy/nginx/` restores both. The body of the subrequest is never read: nginx announces one that it does not send.
use std::net::IpAddr;

use axum::extract::State;
use bytes::Bytes;
use claviger_domain::schemes::{self, Fields, signing::Body};
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

const METHOD: HeaderName = HeaderName::from_static("x-original-method");
const URI: HeaderName = HeaderName::from_static("x-original-uri");
const HOST: &str = "x-original-host";
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REQUIRE: HeaderName = HeaderName::from_static("x-claviger-require");
const STATUS: HeaderName = HeaderName::from_static("x-claviger-status");
const PROBLEM: HeaderName = HeaderName::from_static("x-claviger-problem");

/// The client's own fields. `Host` is what nginx says it was: on the check itself it is the upstream's name.
struct Original<'a>(HeaderFields<'a>);

impl Fields for Original<'_> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.values(if name == "host" { HOST } else { name })
    }
}

/// The handler, for the router's sake; the gateway listener calls [`answer_nginx`] directly.
pub(crate) async fn nginx(State(app): State<App>, headers: HeaderMap) -> Response<axum::body::Body> {
    answer_nginx(&app, &headers).await.map(axum::body::Body::new)
}

pub(crate) async fn answer_nginx(app: &App, headers: &HeaderMap) -> Response<Full<Bytes>> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let request = schemes::Request {
        method: text(METHOD).unwrap_or("GET"),
        target: text(URI).unwrap_or("/"),
        fields: &Original(HeaderFields(headers)),
        client_ip: text(REAL_IP).and_then(|ip| ip.parse::<IpAddr>().ok()),
    };
    let request_id = request::request_id(app, headers);
    let (require, secure) = (text(REQUIRE).unwrap_or_default(), text(PROTO) == Some("https"));
    match reply::reply(app, &Question { request, body: Body::NotSeen, require, secure, request_id: &request_id }).await {
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
