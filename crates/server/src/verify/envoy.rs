//! `/verify/envoy/…`: Envoy's `ext_authz` over HTTP. The check is the request itself: its method, its path behind ours, its `Host`.
//!
//! Envoy passes on exactly 200 and every refusal below 500; its own `status_on_error` is what a 503 becomes.
use bytes::Bytes;
use claviger_domain::schemes::{self, Fields, signing::Body};
use http_body_util::Full;
use hyper::{
    Request, Response,
    header::{HeaderName, HeaderValue},
};

use super::{
    HeaderFields, Question,
    forward::client_ip,
    handed::{self, HandedBody},
    reply::{self, CREDENTIALS, Reply},
};
use crate::{app::App, request};

/// What stands before the client's own path.
pub(crate) const PREFIX: &str = "/verify/envoy";

/// The handler, for the router's sake; the gateway listener calls [`answer_envoy`] directly.
pub(crate) async fn envoy(axum::extract::State(app): axum::extract::State<App>, request: axum::extract::Request) -> Response<axum::body::Body> {
    answer_envoy(&app, request).await.map(axum::body::Body::new)
}

/// Whether a path is one of Envoy's checks.
pub(crate) fn is_asked_at(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What Envoy hands over of the body. Nothing, where it is not told to, or there is none; a part, when it says so. Its own word stands beside
/// the client's, if that had one: a whole body is never taken for a part.
pub(super) fn body<'a, F: Fields>(fields: &F, handed: &'a [u8]) -> Body<'a> {
    if handed.is_empty() {
        return Body::NotSeen;
    }
    let mut said = fields.values("x-envoy-auth-partial-body").peekable();
    let in_part = said.peek().is_some() && !said.any(|value| value == b"false");
    if in_part { Body::NotSeen } else { Body::Given(handed) }
}

pub(crate) async fn answer_envoy<B: HandedBody>(app: &App, request: Request<B>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let fields = HeaderFields::new(headers);
    let request_id = request::request_id_from(app, fields.told("x-request-id"));
    let body = match handed::read(body).await {
        Ok(body) => body,
        Err(problem) => return Reply::body_refused(&problem, &request_id).into_http(),
    };
    let target = parts.uri.path_and_query().and_then(|target| target.as_str().strip_prefix(PREFIX)).unwrap_or_default();
    let request = schemes::Request {
        method: parts.method.as_str(),
        target: if target.is_empty() { "/" } else { target },
        fields: &fields,
        client_ip: client_ip(headers),
    };
    let body = self::body(&fields, &body);
    let Some(require) = fields.demand("x-claviger-require") else {
        return Reply::not_asked_properly("X-Claviger-Require may be sent once, and names what the route needs.", &request_id).into_http();
    };
    let reply =
        reply::reply(app, &Question { request, body, require, secure: fields.told("x-forwarded-proto") == Some("https"), request_id: &request_id })
            .await;
    let allowed = matches!(reply, Reply::Yes(..));
    let mut response = reply.into_http();
    if allowed && let Ok(value) = HeaderValue::try_from(CREDENTIALS.join(",")) {
        response.headers_mut().insert(HeaderName::from_static("x-envoy-auth-headers-to-remove"), value);
    }
    response
}
