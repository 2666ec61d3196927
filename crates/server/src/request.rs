//! What surrounds every request: its id, where it came from, one log line, headers that every answer carries, and problems written out.
use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use claviger_domain::id::RequestId;
use serde_json::json;

use crate::{
    app::App,
    cluster::{self, Settled},
    config::Networks,
    problem::Problem,
};

/// The request, for events and answers.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) request_id: String,
    pub(crate) source: Option<IpAddr>,
}

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request its id and context, and finishes the answer. `render` writes a problem in the form this part of the server speaks.
pub(crate) async fn surround(app: App, mut request: Request, next: Next, render: fn(&App, &Problem, &str) -> Response) -> Response {
    let started = std::time::Instant::now();
    let request_id = request_id(&app, request.headers()).into_owned();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip().to_canonical());
    let source = peer.map(|peer| app.settings.trusted_proxies.as_ref().map_or(peer, |proxies| client(peer, request.headers(), proxies)));
    // the template, never the path: a path may hold a sign-in link
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    request.extensions_mut().insert(Context { request_id: request_id.clone(), source });
    let (mut response, settled) = cluster::telling(LATER.iter().any(|ours| route.starts_with(ours)), next.run(request)).await;
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        if problem.status == 503 && settled.is_some() {
            "The change was made; how things stand now cannot be said. Look again in a moment.".clone_into(&mut problem.detail);
        }
        if let Some(internal) = &problem.internal {
            tracing::error!(%request_id, %route, code = problem.code, %internal, "a request failed");
        }
        let own_headers = response.headers().clone();
        response = render(&app, &problem, &request_id);
        response.headers_mut().extend(own_headers);
        if let Some(challenge) = problem.challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if problem.status == 503 {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
    }
    tracing::info!(%request_id, %method, %route, status = response.status().as_u16(), micros = started.elapsed().as_micros(), "request");
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert(REQUEST_ID, value);
    }
    if let Some(settled) = settled {
        tell(headers, &settled);
        response.extensions_mut().insert(settled);
        if !settled.complete && route.starts_with(API) && [StatusCode::OK, StatusCode::NO_CONTENT].contains(&response.status()) {
            *response.status_mut() = StatusCode::ACCEPTED;
        }
    }
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if app.settings.public_url_is_tls() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000; includeSubDomains"));
    }
    response
}

/// Who asks: the peer, or, behind trusted proxies, the last one that they name in `X-Forwarded-For` and that is none of them. Whatever stands before
/// that one, a client may have written. When that leads to nobody, the peer's own address is the one that is known.
fn client(peer: IpAddr, headers: &HeaderMap, proxies: &Networks) -> IpAddr {
    if !proxies.contain(peer) {
        return peer;
    }
    for field in headers.get_all("x-forwarded-for").iter().rev() {
        for said in field.to_str().unwrap_or_default().rsplit(',') {
            match said.trim().parse::<IpAddr>() {
                Ok(address) if proxies.contain(address) => {}
                Ok(address) => return address.to_canonical(),
                Err(_) => return peer,
            }
        }
    }
    peer
}

const API: &str = "/v1/";

/// Where "not yet everywhere" is an answer: the API's is 202, and the console says it in words. RFC 7009 and the legacy transports know no such
/// thing, and so wait.
const LATER: [&str; 3] = [API, "/account", "/operator"];

/// On the answer to every change: since when it is true on every node, how many said so, and how long that took after the commit; or that it
/// is not, and when it will be at the latest.
fn tell(headers: &mut HeaderMap, settled: &Settled) {
    if !settled.complete {
        headers.insert(HeaderName::from_static("revocation-complete"), HeaderValue::from_static("false"));
    }
    let texts = [
        ("effective-at", settled.effective_at.to_string()),
        ("effective-nodes", settled.nodes.to_string()),
        ("effective-after-ms", settled.took.as_millis().to_string()),
    ];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// On every answer that does not say otherwise itself. Pages replace the policy, static files the caching.
const ALWAYS: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The caller's own id when it is a sane one, so that their logs and ours meet; else a new one.
pub(crate) fn request_id<'a>(app: &App, headers: &'a HeaderMap) -> Cow<'a, str> {
    request_id_from(app, headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()))
}

/// As [`request_id`], where the caller's id, if any, has been read already.
pub(crate) fn request_id_from<'a>(app: &App, given: Option<&'a str>) -> Cow<'a, str> {
    // without a branch for each byte: it is on the way of every request
    let sane = |text: &str| {
        let own = |b: u8| ((b | 0x20).wrapping_sub(b'a') < 26) | (b.wrapping_sub(b'-') < 2) | (b.wrapping_sub(b'0') < 11) | (b == b'_');
        (1..=128).contains(&text.len()) && text.bytes().fold(true, |all, b| all & own(b))
    };
    match given {
        // nor one that somebody took a key for: it would be logged
        Some(given) if sane(given) && !app.format.begins(given) => Cow::Borrowed(given),
        _ => Cow::Owned(RequestId::new(app.clock.now(), &*app.chance).to_string()),
    }
}

/// As `application/problem+json` (RFC 9457).
pub(crate) fn render_json(_: &App, problem: &Problem, request_id: &str) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = problem_json(problem, request_id).to_string();
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}

pub(crate) fn problem_json(problem: &Problem, request_id: &str) -> serde_json::Value {
    let mut body = json!({
        "type": format!("urn:claviger:problem:{}", problem.code),
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
    });
    if !problem.required_scopes.is_empty() {
        body["required_scopes"] = problem.required_scopes.clone().into();
    }
    if !problem.errors.is_empty() {
        body["errors"] = problem.errors.iter().map(|error| json!({ "pointer": error.pointer, "code": error.code, "detail": error.detail })).collect();
    }
    body
}

/// [`surround`] for what speaks JSON.
pub(crate) async fn surround_json(State(app): State<App>, request: Request, next: Next) -> Response {
    surround(app, request, next, render_json).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed_and_only_up_to_the_first_who_is_none() {
        let proxies: Networks = "10.0.0.0/8, 2001:db8:1::/48".parse().expect("networks");
        for (peer, fields, client_is) in [
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("192.0.2.1", &["10.0.0.1"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1, 203.0.113.9,10.0.0.2"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1", "203.0.113.9", "10.0.0.2, 10.0.0.3"], "203.0.113.9"),
            ("10.0.0.1", &["10.0.0.3", "10.0.0.2"], "10.0.0.1"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("2001:db8:1::1", &["2001:db8::7, 2001:db8:1::2"], "2001:db8::7"),
            ("10.0.0.1", &["203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9"),
            ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
            // what a client wrote is not looked at, be it nonsense
            ("10.0.0.1", &["unknown, \u{e9}", "203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9,"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9", ""], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9", "\u{e9}"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9:1234"], "10.0.0.1"),
            ("10.0.0.1", &["[2001:db8::7]"], "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append("x-forwarded-for", HeaderValue::from_str(field).expect("a value"));
            }
            assert_eq!(client(peer.parse().expect("an address"), &headers, &proxies).to_string(), client_is, "{peer} {fields:?}");
        }
    }
}
