//! `envoy.service.auth.v3.Authorization/Check`: Envoy's `ext_authz` over gRPC, on the gateway listener, by HTTP/2 without TLS.
use axum::body::Body as HttpBody;
use claviger_domain::schemes::{self, Fields, Repeated, only};
use hyper::{Request, Response, header::HeaderValue};
use tonic::{body::Body as GrpcBody, server::Grpc};
use tonic_prost::ProstCodec;

use super::{
    Demand, Question, Rate, envoy,
    fields::Sought,
    handed::HandedBody,
    reply::{self, CREDENTIALS, Denial, REQUEST_ID, Reply},
};
use crate::{app::App, request};

mod messages;

pub(crate) use messages::CheckResponse;
use messages::{CheckRequest, DeniedHttpResponse, HeaderValueOption, HttpRequest, HttpResponse, HttpStatus, OkHttpResponse, Status};

/// Where it is called.
pub(crate) const PATH: &str = "/envoy.service.auth.v3.Authorization/Check";

/// The handler, for the router's sake; the gateway listener calls [`answer_check`] directly.
pub(crate) async fn check(axum::extract::State(app): axum::extract::State<App>, request: axum::extract::Request) -> Response<HttpBody> {
    answer_check(&app, request).await
}

/// Answers one call, whatever it is: a malformed one with a gRPC status.
pub(crate) async fn answer_check<B: HandedBody + 'static>(app: &App, request: Request<B>) -> Response<HttpBody> {
    let service = Service(app.clone());
    let answer: Response<GrpcBody> = Grpc::new(ProstCodec::default()).unary(service, request).await;
    answer.map(HttpBody::new)
}

/// Reads one call and answers the same whatever it asks: what a benchmark compares with.
pub(crate) async fn answer_the_same<B: HandedBody + 'static>(answer: CheckResponse, request: Request<B>) -> Response<HttpBody> {
    let answer: Response<GrpcBody> = Grpc::new(ProstCodec::default()).unary(TheSame(answer), request).await;
    answer.map(HttpBody::new)
}

struct TheSame(CheckResponse);

impl tonic::server::UnaryService<CheckRequest> for TheSame {
    type Response = CheckResponse;
    type Future = std::future::Ready<Result<tonic::Response<CheckResponse>, tonic::Status>>;

    fn call(&mut self, _: tonic::Request<CheckRequest>) -> Self::Future {
        std::future::ready(Ok(tonic::Response::new(std::mem::take(&mut self.0))))
    }
}

struct Service(App);

impl tonic::server::UnaryService<CheckRequest> for Service {
    type Response = CheckResponse;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<tonic::Response<CheckResponse>, tonic::Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<CheckRequest>) -> Self::Future {
        let app = self.0.clone();
        Box::pin(async move { Ok(tonic::Response::new(judged(&app, request.into_inner()).await)) })
    }
}

/// The client's fields as Envoy tells them, their names in lower case. `Host` is what Envoy has routed by.
struct Told<'a> {
    http: &'a HttpRequest,
    sought: Sought<&'a [u8]>,
}

impl<'a> Told<'a> {
    fn by(http: &'a mut HttpRequest) -> Self {
        http.header_map.iter_mut().flat_map(|map| &mut map.headers).for_each(|header| header.key.make_ascii_lowercase());
        let http = &*http;
        let joined = http.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        Self { http, sought: Sought::among(joined.chain(raw(http))) }
    }
}

fn raw(http: &HttpRequest) -> impl Iterator<Item = (&str, &[u8])> {
    let headers = http.header_map.iter().flat_map(|map| &map.headers);
    headers.map(|header| (header.key.as_str(), if header.raw_value.is_empty() { header.value.as_bytes() } else { &header.raw_value[..] }))
}

impl Fields for Told<'_> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let found = (!self.sought.is_absent(name)).then(|| {
            let lower = name.to_ascii_lowercase();
            let host = (lower == "host").then_some(self.http.host.as_bytes());
            let joined = if host.is_some() { None } else { self.http.headers.get(&lower).map(String::as_bytes) };
            let is_host = host.is_some();
            let raw = raw(self.http).filter(move |(key, _)| !is_host && *key == lower).map(|(_, value)| value);
            host.into_iter().chain(joined).chain(raw)
        });
        found.into_iter().flatten()
    }

    fn single<'a>(&'a self, name: &str) -> Result<Option<&'a [u8]>, Repeated> {
        self.sought.one(name).unwrap_or_else(|| only(self.values(name)))
    }
}

async fn judged(app: &App, check: CheckRequest) -> CheckResponse {
    let attributes = check.attributes.unwrap_or_default();
    let client_ip = attributes.source.and_then(|source| source.address).and_then(|address| address.socket_address);
    let client_ip = client_ip.and_then(|address| address.address.parse().ok());
    let mut http = attributes.request.and_then(|request| request.http);
    let fields = http.as_mut().map(Told::by);
    let given = fields.as_ref().and_then(|fields| fields.single("x-request-id").ok().flatten()).and_then(|id| std::str::from_utf8(id).ok());
    let request_id = request::request_id_from(app, given);
    let Some(fields @ Told { http, .. }) = &fields else {
        return written(Reply::not_asked_properly("The check tells of no HTTP request.", &request_id));
    };
    let mistyped = attributes.context_extensions.keys().any(|key| key != "require" && key.to_ascii_lowercase().starts_with("require"));
    let require = attributes.context_extensions.get("require").map_or(Some(Demand::default()), |words| Demand::of(words));
    let Some(require) = require.filter(|_| !mistyped) else {
        return written(Reply::not_asked_properly("What a route needs stands in the context extension \"require\".", &request_id));
    };
    let handed = if http.raw_body.is_empty() { http.body.as_bytes() } else { &http.raw_body };
    let question = Question {
        request: schemes::Request { method: &http.method, target: &http.path, fields, client_ip },
        body: envoy::body(fields, handed),
        require,
        secure: http.scheme == "https",
        request_id: &request_id,
    };
    written(reply::reply(app, &question).await)
}

fn written(reply: Reply) -> CheckResponse {
    let (code, http_response) = match reply {
        Reply::Yes(identity, rate) => {
            let headers = identity.fields().map(|(name, value)| HeaderValueOption::set(name.as_str(), text(value))).collect();
            let headers_to_remove = CREDENTIALS.map(str::to_owned).to_vec();
            (0, HttpResponse::Ok(OkHttpResponse { headers, headers_to_remove, response_headers_to_add: rate_headers(rate) }))
        }
        Reply::No(denial) => (grpc_code(denial.status), HttpResponse::Denied(denied(denial))),
    };
    CheckResponse { status: Some(Status { code }), http_response: Some(http_response) }
}

fn denied(denial: Denial) -> DeniedHttpResponse {
    let fixed = [("content-type", Some("application/problem+json".to_owned())), ("cache-control", Some("no-store".to_owned()))];
    let request_id = REQUEST_ID;
    let own = [
        ("www-authenticate", denial.challenge.as_ref().map(text)),
        ("retry-after", denial.retry_after.map(|seconds| seconds.to_string())),
        (request_id.as_str(), Some(text(&denial.request_id))),
    ];
    let headers = fixed.into_iter().chain(own).filter_map(|(name, value)| Some(HeaderValueOption::set(name, value?)));
    let headers = headers.chain(rate_headers(denial.rate)).collect();
    DeniedHttpResponse { status: Some(HttpStatus { code: i32::from(denial.status) }), headers, body: denial.problem }
}

fn text(value: &HeaderValue) -> String {
    value.to_str().unwrap_or("-").to_owned()
}

fn rate_headers(rate: Option<Rate>) -> Vec<HeaderValueOption> {
    rate.iter().flat_map(Rate::headers).map(|(name, value)| HeaderValueOption::set(name, value)).collect()
}

/// google.rpc.Code
const fn grpc_code(status: u16) -> i32 {
    match status {
        401 => 16,
        403 => 7,
        429 => 8,
        500.. => 14,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::{messages::HeaderMap, *};

    #[test]
    fn a_field_is_found_wherever_envoy_tells_it_and_twice_is_twice() {
        let raw = |key: &str, value: &str, raw_value: &'static str| messages::HeaderValue {
            key: key.to_owned(),
            value: value.to_owned(),
            raw_value: bytes::Bytes::from_static(raw_value.as_bytes()),
        };
        let joined = [("authorization", "joined"), ("date", "joined"), ("host", "elsewhere.example.com")];
        let mut http = HttpRequest {
            host: "api.example.com".to_owned(),
            headers: joined.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            header_map: Some(HeaderMap {
                headers: vec![raw("X-API-Key", "", "raw"), raw("Date", "again", ""), raw("X-Other", "", "other"), raw("X-OTHER", "more", "")],
            }),
            ..HttpRequest::default()
        };
        let told = Told::by(&mut http);
        for (name, values) in [
            ("authorization", &[&b"joined"[..]][..]),
            ("x-api-key", &[b"raw"]),
            ("date", &[b"joined", b"again"]),
            ("x-other", &[b"other", b"more"]),
            ("host", &[b"api.example.com"]),
            ("apikey", &[]),
            ("accept", &[]),
        ] {
            assert_eq!(told.values(name).collect::<Vec<_>>(), values, "{name}");
            assert_eq!(told.single(name), only(values.iter().copied()), "{name}");
        }
    }
}
