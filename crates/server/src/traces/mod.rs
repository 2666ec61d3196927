//! OpenTelemetry traces: each management request, and some verifications. Nothing is traced unless an endpoint is set.
//!
//! A span has the route's template, never the path; the account, the verdict and its reason, never a credential. Spans wait in memory
//! and are sent in batches by OTLP over HTTP: never on the way of a request, and what cannot be sent is lost.
use std::{
    hash::BuildHasher,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, State},
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use claviger_domain::{chance::Chance, id::AccountId};
use data_encoding::HEXLOWER;
use http_body_util::Full;
use hyper::{
    Method, Request,
    header::{CONTENT_TYPE, HeaderValue},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use prost::Message;

use self::otlp::{ExportTraceServiceRequest, KeyValue, Resource, ResourceSpans, ScopeSpans, Span, Status};
use crate::{app::App, clock::Clock, config::Settings, request, verify::Verdict};

mod otlp;

/// Spans not sent yet, at most; more than that are forgotten.
const PENDING: usize = 10_000;

/// How long a collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(5);

const SERVER: i32 = 2;
const ERROR: i32 = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Traces {
    /// Where batches go; None: nothing is traced.
    address: Option<String>,
    /// A verification is traced when the keyed hash of its request id is below this: who chooses the id cannot choose that.
    threshold: u64,
    hash: foldhash::quality::RandomState,
    pending: Mutex<Vec<Span>>,
}

/// When something that is traced began.
pub(crate) struct Started {
    unix_nanos: u64,
    at: Instant,
}

impl Traces {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of all hashes; it saturates")]
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            address: settings.otlp_endpoint.as_ref().map(|endpoint| format!("{endpoint}/v1/traces")),
            threshold: (settings.trace_sample.unwrap_or_default() * u64::MAX as f64) as u64,
            hash: foldhash::quality::RandomState::default(),
            pending: Mutex::default(),
        }
    }

    /// To be called when a management request begins: all are traced.
    fn request(&self, clock: &Clock) -> Option<Started> {
        self.address.as_ref().map(|_| Started::now(clock))
    }

    /// To be called when a verification begins: some are traced.
    pub(crate) fn verification(&self, clock: &Clock, request_id: &str) -> Option<Started> {
        let traced = self.address.is_some() && self.hash.hash_one(request_id) < self.threshold;
        traced.then(|| Started::now(clock))
    }

    /// Ends the span of a management request.
    fn answered(&self, started: &Started, chance: &dyn Chance, answered: &Answered<'_>) {
        let mut attributes = vec![
            KeyValue::text("http.request.method", answered.method.as_str()),
            KeyValue::text("http.route", answered.route),
            KeyValue::number("http.response.status_code", answered.status),
            KeyValue::text("claviger.request_id", answered.request_id),
        ];
        attributes.extend(answered.account().map(|account| KeyValue::text("claviger.account", &account.to_string())));
        let name = format!("{} {}", answered.method, answered.route);
        self.put(started.span(name, answered.parent, chance, attributes, answered.status >= 500));
    }

    /// Ends the span of a verification.
    pub(crate) fn judged(&self, started: &Started, chance: &dyn Chance, verdict: &Verdict, request_id: &str, parent: Option<&[u8]>) {
        let (word, reason) = verdict.words();
        let mut attributes = vec![KeyValue::text("claviger.verdict", word), KeyValue::text("claviger.request_id", request_id)];
        if let Verdict::Allowed(allowed) = verdict {
            attributes.push(KeyValue::text("claviger.account", &allowed.acting().account.id.to_string()));
        }
        if !reason.is_empty() {
            attributes.push(KeyValue::text("claviger.reason", reason));
        }
        self.put(started.span("verify".to_owned(), parent, chance, attributes, matches!(verdict, Verdict::CannotSay)));
    }

    fn put(&self, span: Span) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.len() < PENDING {
            pending.push(span);
        }
    }

    fn take(&self) -> Vec<Span> {
        std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Traces a request to the public listener. Outside of [`request::surround`], which gives the answer its id and its last status.
pub(crate) async fn trace(State(app): State<App>, request: axum::extract::Request, next: Next) -> Response {
    let Some(started) = app.traces.request(&app.clock) else { return next.run(request).await };
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    let (method, path, parent) = (request.method().clone(), request.uri().path().to_owned(), request.headers().get("traceparent").cloned());
    let response = next.run(request).await;
    let request_id = response.headers().get(request::REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    let (status, parent) = (response.status().as_u16(), parent.as_ref().map(HeaderValue::as_bytes));
    app.traces.answered(&started, &*app.chance, &Answered { method: &method, route: &route, path: &path, status, request_id, parent });
    response
}

/// What a management request was, and what it was answered.
struct Answered<'a> {
    method: &'a Method,
    /// The template.
    route: &'a str,
    /// Only for the account that stands in it.
    path: &'a str,
    status: u16,
    request_id: &'a str,
    /// Its `traceparent`.
    parent: Option<&'a [u8]>,
}

impl Answered<'_> {
    fn account(&self) -> Option<AccountId> {
        let of_one = self.route.starts_with("/v1/accounts/{id}");
        self.path.strip_prefix("/v1/accounts/").filter(|_| of_one)?.split('/').next()?.parse().ok()
    }
}

impl Started {
    fn now(clock: &Clock) -> Self {
        let micros = u64::try_from(clock.now().micros()).unwrap_or_default();
        Self { unix_nanos: micros.saturating_mul(1000), at: Instant::now() }
    }

    fn span(&self, name: String, parent: Option<&[u8]>, chance: &dyn Chance, attributes: Vec<KeyValue>, failed: bool) -> Span {
        let took = u64::try_from(self.at.elapsed().as_nanos()).unwrap_or_default();
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        chance.fill(&mut trace);
        chance.fill(&mut span);
        let (trace_id, parent_span_id) = parent.and_then(parse).unwrap_or_else(|| (trace.to_vec(), Vec::new()));
        Span {
            trace_id,
            span_id: span.to_vec(),
            parent_span_id,
            name,
            kind: SERVER,
            start_time_unix_nano: self.unix_nanos,
            end_time_unix_nano: self.unix_nanos.saturating_add(took),
            attributes,
            status: failed.then_some(Status { code: ERROR }),
        }
    }
}

/// The trace and the span that a `traceparent` names (W3C Trace Context, section 3.2); None when it is not one.
fn parse(text: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut parts = text.split(|byte| *byte == b'-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let known = version == b"00" && trace.len() == 32 && span.len() == 16 && flags.len() == 2 && parts.next().is_none();
    let (trace, span) = (HEXLOWER.decode(trace).ok()?, HEXLOWER.decode(span).ok()?);
    (known && trace.iter().any(|byte| *byte != 0) && span.iter().any(|byte| *byte != 0)).then_some((trace, span))
}

/// Sends what is traced, every second until `stopped`; a batch that is on its way then is finished. Ends at once when nothing is traced.
pub async fn export(app: App, stopped: impl Future<Output = ()>) {
    let mut stopped = std::pin::pin!(stopped);
    let mut every = tokio::time::interval(Duration::from_secs(1));
    while app.traces.address.is_some() {
        tokio::select! {
            () = &mut stopped => return,
            _ = every.tick() => flush(&app).await,
        }
    }
}

/// Sends what was traced so far. What cannot be sent is lost, and the log says so.
pub async fn flush(app: &App) {
    let spans = app.traces.take();
    let Some(address) = app.traces.address.as_ref().filter(|_| !spans.is_empty()) else { return };
    let count = spans.len();
    match tokio::time::timeout(PATIENCE, send(address, spans)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, count, "traces could not be sent"),
        Err(_) => tracing::warn!(count, "the collector of traces did not answer in time"),
    }
}

async fn send(address: &str, spans: Vec<Span>) -> Result<(), String> {
    let attributes = vec![KeyValue::text("service.name", "claviger"), KeyValue::text("service.version", env!("CARGO_PKG_VERSION"))];
    let resource_spans = vec![ResourceSpans { resource: Some(Resource { attributes }), scope_spans: vec![ScopeSpans { spans }] }];
    let body = Full::new(Bytes::from(ExportTraceServiceRequest { resource_spans }.encode_to_vec()));
    let request = Request::post(address).header(CONTENT_TYPE, "application/x-protobuf").body(body).map_err(|error| error.to_string())?;
    let client: Client<HttpConnector, _> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.map_err(|error| error.to_string())?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("the collector answered {}", answer.status())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_continued_only_from_a_sound_traceparent() {
        let sound = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let (trace, span) = parse(sound.as_bytes()).expect("sound");
        assert_eq!((HEXLOWER.encode(&trace).as_str(), HEXLOWER.encode(&span).as_str()), ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"));
        for wrong in [
            "",
            "00",
            &sound.replace("00-", "01-"),
            &sound.replace("0af7", "0AF7"),
            &sound.replace("0af7", "0a"),
            &sound.replace("b7ad6b7169203331", "0000000000000000"),
            &sound.replace("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            &format!("{sound}-00"),
        ] {
            assert!(parse(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
