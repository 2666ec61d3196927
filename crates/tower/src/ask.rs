//! The check: a GET of `/verify/forward` with the request's fields, on connections that are kept open.
use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::Identity;

/// The longest problem body that is passed on.
const LONGEST: usize = 64 * 1024;
/// What a client is told besides status and body.
const PASSED_ON: [&str; 6] = ["content-type", "www-authenticate", "retry-after", "ratelimit", "ratelimit-policy", "x-claviger-request-id"];
/// What is about the connection, the body or the application, and not about the check. The client does not choose what Claviger's log calls
/// the request.
const KEPT_BACK: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "http2-settings",
    "te",
    "trailer",
    "cookie",
    "x-request-id",
];
const CREDENTIALS: [&str; 4] = ["authorization", "proxy-authorization", "x-api-key", "apikey"];
const CANNOT_SAY: &str = r#"{"type":"about:blank","title":"Service Unavailable","status":503,"code":"verifier_unavailable","detail":"The request could not be checked. Nothing is known against it; try again."}"#;

/// A hub, and how it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Hub {
    client: Client<HttpConnector, Empty<Bytes>>,
    check: Uri,
    pub(crate) timeout: Duration,
}

impl Hub {
    pub(crate) fn new(address: &str) -> Result<Self, http::uri::InvalidUri> {
        let check = format!("{}/verify/forward", address.trim_end_matches('/')).parse()?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(1)));
        // shorter than Claviger keeps a connection idle
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(60)).build(connector);
        Ok(Self { client, check, timeout: Duration::from_secs(2) })
    }

    /// Who it is, or the answer for the client.
    pub(crate) async fn ask(&self, question: Question) -> Result<Identity, Response<Full<Bytes>>> {
        let request = question.into_request(&self.check);
        let answered = async {
            let (parts, body) = self.client.request(request).await.ok()?.into_parts();
            let body = Limited::new(body, LONGEST).collect().await.ok()?.to_bytes();
            Some((parts, body))
        };
        let Ok(Some((parts, body))) = tokio::time::timeout(self.timeout, answered).await else { return Err(cannot_say()) };
        match parts.status {
            StatusCode::OK => Identity::read(&parts.headers).ok_or_else(cannot_say),
            status if status.is_client_error() => {
                let mut response = Response::new(Full::new(body));
                *response.status_mut() = status;
                for name in PASSED_ON.map(HeaderName::from_static) {
                    if let Some(value) = parts.headers.get(&name) {
                        response.headers_mut().insert(name, value.clone());
                    }
                }
                response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                Err(response)
            }
            _ => Err(cannot_say()),
        }
    }
}

/// Neither yes nor no.
pub(crate) fn cannot_say() -> Response<Full<Bytes>> {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, CANNOT_SAY);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// An answer of our own (RFC 9457).
pub(crate) fn problem(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A request as it is told of.
pub(crate) struct Question(HeaderMap);

impl Question {
    pub(crate) fn about<B>(request: &Request<B>, client_ip: Option<IpAddr>, secure: bool) -> Self {
        let mut fields = request.headers().clone();
        let host = fields.get(header::HOST).cloned();
        let told: Vec<HeaderName> = fields.keys().filter(|name| is_ours(name) || KEPT_BACK.contains(&name.as_str())).cloned().collect();
        for name in told {
            fields.remove(name);
        }
        let host = host.or_else(|| request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok()));
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let secure = secure || request.uri().scheme() == Some(&http::uri::Scheme::HTTPS);
        let said = [
            ("x-forwarded-proto", Some(HeaderValue::from_static(if secure { "https" } else { "http" }))),
            ("x-forwarded-method", HeaderValue::from_str(request.method().as_str()).ok()),
            ("x-forwarded-uri", HeaderValue::from_str(target).ok()),
            ("x-forwarded-host", host),
            ("x-forwarded-for", client_ip.and_then(|ip| HeaderValue::from_str(&ip.to_string()).ok())),
        ];
        for (name, value) in said {
            if let Some(value) = value {
                fields.insert(HeaderName::from_static(name), value);
            }
        }
        Self(fields)
    }

    fn into_request(self, check: &Uri) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = check.clone();
        *request.headers_mut() = self.0;
        request
    }
}

/// Takes the credential from a request that goes on, and the client's own words on who it is.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let gone: Vec<HeaderName> = headers.keys().filter(|name| is_ours(name) || CREDENTIALS.contains(&spelt_out(name).as_str())).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
}

fn is_ours(name: &HeaderName) -> bool {
    let name = spelt_out(name);
    name.starts_with("x-claviger-") || name.starts_with("x-forwarded-")
}

/// As applications read it, to many of which `_` is `-`.
fn spelt_out(name: &HeaderName) -> String {
    name.as_str().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_the_requests_own_or_what_the_service_was_told() {
        for (uri, secure, scheme) in [("/x", false, "http"), ("/x", true, "https"), ("https://api.example.com/x", false, "https")] {
            let request = Request::get(uri).header("x-forwarded-proto", "gopher").body(()).expect("a request");
            assert_eq!(Question::about(&request, None, secure).0["x-forwarded-proto"], scheme, "{uri} {secure}");
        }
    }
}
