//! The answer to a check, before it takes a gateway's form: who it is, or why not. HTTP, nginx's own form of it, and gRPC are written from it.
use std::{borrow::Cow, sync::LazyLock};

use bytes::Bytes;
use claviger_domain::{
    judge::Refusal,
    schemes::{self, Fields, Presented, signing::Body},
};
use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::{Allowed, Moment, Question, Rate, Verdict, verify_at};
use crate::{
    app::App,
    config::Preflight,
    problem::{Code, Problem},
    request,
};

/// The identity headers.
const IDENTITY: [HeaderName; 7] = [
    HeaderName::from_static("x-claviger-account"),
    HeaderName::from_static("x-claviger-acting-account"),
    HeaderName::from_static("x-claviger-credential"),
    HeaderName::from_static("x-claviger-kind"),
    HeaderName::from_static("x-claviger-scopes"),
    REQUEST_ID,
    HeaderName::from_static("x-claviger-content-digest"),
];
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-claviger-request-id");

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOTHING: HeaderValue = HeaderValue::from_static("-");

/// What carries a credential, and ends at the gateway.
pub(crate) const CREDENTIALS: [&str; 4] = ["authorization", "proxy-authorization", "x-api-key", "apikey"];

/// The answer to a check.
pub(crate) enum Reply {
    /// Let it through, as this; and what is left of its quota.
    Yes(Identity, Option<Rate>),
    /// Do not, and tell the client this.
    No(Denial),
}

/// What a refused client is told.
pub(crate) struct Denial {
    pub(crate) status: u16,
    pub(crate) challenge: Option<HeaderValue>,
    /// In seconds.
    pub(crate) retry_after: Option<u32>,
    pub(crate) rate: Option<Rate>,
    /// An `application/problem+json` document.
    pub(crate) problem: String,
    pub(crate) request_id: HeaderValue,
}

/// Judges a request and writes the answer down.
pub(crate) async fn reply<F: Fields>(app: &App, question: &Question<'_, F>) -> Reply {
    let moment = Moment::now(app);
    let reply = judged(app, question, moment).await;
    app.metrics.answered(app.cluster.gate.clock.passed_since(moment.reading));
    reply
}

async fn judged<F: Fields>(app: &App, question: &Question<'_, F>, moment: Moment) -> Reply {
    if passes_as_preflight(app, question) {
        return Reply::Yes(Identity::nobody(question.request_id), None);
    }
    match verify_at(app, question, moment).await {
        Verdict::Allowed(allowed) => Reply::Yes(Identity::of(&allowed, question.request_id), allowed.rate),
        Verdict::Refused(refusal, missing) => {
            let (challenge, retry_after) = (app.challenges.of(refusal, missing.as_deref()), retry_after(refusal));
            let denial = if missing.is_some() {
                Denial::of(&Problem::refused(refusal, missing), question.request_id)
            } else {
                Denial::prepared(refusal, question.request_id)
            };
            Reply::No(Denial { challenge, retry_after, ..denial })
        }
        Verdict::Limited(rate) => Reply::No(Denial {
            retry_after: Some(rate.retry_after()),
            rate: Some(rate),
            ..Denial::of(&Problem::from(Refusal::RateLimited), question.request_id)
        }),
        Verdict::CannotSay => Reply::No(Denial { retry_after: Some(1), ..Denial::of(&Problem::cannot_say(), question.request_id) }),
    }
}

impl Denial {
    fn of(problem: &Problem, request_id: &str) -> Self {
        Self {
            status: problem.status,
            challenge: None,
            retry_after: None,
            rate: None,
            problem: request::problem_json(problem, request_id).to_string(),
            request_id: value(request_id),
        }
    }

    /// As [`Self::of`], from a text that was written once: a flood of junk must not cost more than what it floods.
    fn prepared(refusal: Refusal, request_id: &str) -> Self {
        const HERE: &str = "the-request-id";
        static TEXTS: LazyLock<[[String; 2]; Refusal::ALL.len()]> = LazyLock::new(|| {
            Refusal::ALL.map(|refusal| {
                let text = request::problem_json(&Problem::from(refusal), HERE).to_string();
                let (before, after) = text.split_once(HERE).unwrap_or_default();
                [before.to_owned(), after.to_owned()]
            })
        });
        // an id is of letters, digits and `-_.:` only: in JSON it stands for itself
        let [before, after] = &TEXTS[refusal as usize];
        Self {
            status: refusal.status(),
            challenge: None,
            retry_after: None,
            rate: None,
            problem: [before, request_id, after].concat(),
            request_id: value(request_id),
        }
    }
}

impl Reply {
    /// The gateway did not say what it must: nothing can be judged, and nothing is.
    pub(crate) fn not_asked_properly(why: &str, request_id: &str) -> Self {
        Self::No(Denial::of(&Problem::new(Code::HeaderInvalid, why), request_id))
    }

    /// The body is longer than what is read for a check.
    pub(crate) fn body_refused(problem: &Problem, request_id: &str) -> Self {
        Self::No(Denial::of(problem, request_id))
    }

    /// As HTTP: exactly 200, or the true status with its problem.
    pub(crate) fn into_http(self) -> Response<Full<Bytes>> {
        match self {
            Self::Yes(Identity(mut headers), rate) => {
                write_rate(&mut headers, rate);
                let mut response = Response::new(Full::new(Bytes::new()));
                *response.headers_mut() = headers;
                response
            }
            Self::No(denial) => denial.into_http(),
        }
    }
}

impl Denial {
    fn into_http(mut self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(std::mem::take(&mut self.problem))));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::FORBIDDEN);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        self.write(headers);
        response
    }

    /// Every field but what is said of the body.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        headers.insert(CACHE_CONTROL, NO_STORE);
        headers.insert(REQUEST_ID, self.request_id);
        for (name, value) in [(WWW_AUTHENTICATE, self.challenge), (RETRY_AFTER, self.retry_after.map(HeaderValue::from))] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        write_rate(headers, self.rate);
    }
}

fn write_rate(headers: &mut HeaderMap, rate: Option<Rate>) {
    for (name, value) in rate.iter().flat_map(Rate::headers) {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// When to try again, in seconds.
pub(super) const fn retry_after(refusal: Refusal) -> Option<u32> {
    match refusal {
        Refusal::TooManyFailures => Some(30),
        _ => None,
    }
}

/// Whether it is a browser's preflight (Fetch standard, section 3.3) which the operator lets through: it never carries a credential, and
/// what carries one is judged.
fn passes_as_preflight<F: Fields>(app: &App, question: &Question<'_, F>) -> bool {
    let fields = question.request.fields;
    let says = |name| matches!(fields.single(name), Ok(Some(value)) if !value.is_empty());
    let is_without = |name| fields.values(name).next().is_none();
    question.request.method == "OPTIONS"
        && app.settings.preflight == Some(Preflight::Pass)
        && says("origin")
        && says("access-control-request-method")
        && is_without("signature")
        && is_without("signature-input")
        && matches!(schemes::present(fields), Presented::Nothing)
        && matches!(question.body, Body::NotSeen | Body::Given(b""))
}

/// Who sent a request, as the answer's header fields: every one of [`IDENTITY`], in its order, and none of them empty, for what we do not set, a
/// client could. And `Cache-Control`.
pub(crate) struct Identity(HeaderMap);

impl Identity {
    fn of(allowed: &Allowed, request_id: &str) -> Self {
        let entry = &allowed.entry;
        Self::filled_in([
            allowed.own.written.clone(),
            allowed.acting().written.clone(),
            value(entry.id.write(&mut [0; 36])),
            HeaderValue::from_static(entry.kind.as_str()),
            value(allowed.scopes()),
            value(request_id),
            match allowed.content_digest() {
                None => NOTHING,
                Some(Cow::Borrowed(text)) => HeaderValue::from_static(text),
                Some(Cow::Owned(text)) => value(text),
            },
        ])
    }

    /// Of a request that nobody in particular sent.
    fn nobody(request_id: &str) -> Self {
        let mut values = [NOTHING; 7];
        values[5] = value(request_id);
        Self::filled_in(values)
    }

    /// With these values of [`IDENTITY`]. The names were hashed once, for all answers.
    #[inline(always)]
    fn filled_in(mut values: [HeaderValue; 7]) -> Self {
        /// The fields, and for each in turn which value it holds, if any.
        static FORM: LazyLock<(HeaderMap, Vec<Option<usize>>)> = LazyLock::new(|| {
            let mut headers: HeaderMap = IDENTITY.into_iter().map(|name| (name, NOTHING)).collect();
            headers.insert(CACHE_CONTROL, NO_STORE);
            let places = headers.keys().map(|name| IDENTITY.iter().position(|own| own == name)).collect();
            (headers, places)
        });
        let (form, places) = &*FORM;
        let mut headers = form.clone();
        for (field, place) in headers.values_mut().zip(places) {
            if let Some(value) = place.and_then(|at| values.get_mut(at)) {
                std::mem::swap(field, value);
            }
        }
        Self(headers)
    }

    /// The names and values of [`IDENTITY`].
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().filter(|(name, _)| *name != CACHE_CONTROL)
    }
}

/// What stands in a header field for this text: a dash for none, and for what cannot.
pub(super) fn value(text: &str) -> HeaderValue {
    match text {
        "" => NOTHING,
        "*" => HeaderValue::from_static("*"),
        text => HeaderValue::from_str(text).unwrap_or(NOTHING),
    }
}
