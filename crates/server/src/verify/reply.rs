//! The answer to a check, before it takes a gateway's form: who it is, or why not. HTTP and gRPC are written from it; nginx's form is its own.
use bytes::Bytes;
use claviger_domain::{
    judge::Refusal,
    schemes::{self, Fields, Presented},
};
use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::{Allowed, Question, Rate, Verdict, verify};
use crate::{
    app::App,
    config::Preflight,
    problem::{Code, Problem},
    request,
};

/// The identity headers, in the order of [`Reply::Yes`].
pub(crate) const IDENTITY: [&str; 7] = [
    "x-claviger-account",
    "x-claviger-acting-account",
    "x-claviger-credential",
    "x-claviger-kind",
    "x-claviger-scopes",
    "x-claviger-request-id",
    "x-claviger-content-digest",
];

/// What carries a credential, and ends at the gateway.
pub(crate) const CREDENTIALS: [&str; 4] = ["authorization", "proxy-authorization", "x-api-key", "apikey"];

/// The answer to a check.
pub(crate) enum Reply {
    /// Let it through, with these values of [`IDENTITY`]. None is ever empty: what we do not set, a client could. And what is left of its quota.
    Yes([String; 7], Option<Rate>),
    /// Do not, and tell the client this.
    No(Denial),
}

/// What a refused client is told.
pub(crate) struct Denial {
    pub(crate) status: u16,
    pub(crate) challenge: Option<String>,
    /// In seconds.
    pub(crate) retry_after: Option<u32>,
    pub(crate) rate: Option<Rate>,
    /// An `application/problem+json` document.
    pub(crate) problem: String,
    pub(crate) request_id: String,
}

/// Judges a request and writes the answer down.
pub(crate) async fn reply<F: Fields>(app: &App, question: &Question<'_, F>) -> Reply {
    if passes_as_preflight(app, &question.request) {
        return Reply::Yes(nobody(question.request_id), None);
    }
    match verify(app, question).await {
        Verdict::Allowed(allowed) => Reply::Yes(identity(&allowed, question.request_id), allowed.rate),
        Verdict::Refused(refusal, missing) => {
            let challenge = challenge(refusal, missing.as_deref());
            Reply::No(Denial { challenge, retry_after: retry_after(refusal), ..Denial::of(&Problem::refused(refusal, missing), question.request_id) })
        }
        Verdict::Limited(rate) => Reply::No(Denial {
            retry_after: Some(rate.retry_after()),
            rate: Some(rate),
            ..Denial::of(&Problem::from(Refusal::RateLimited), question.request_id)
        }),
        Verdict::CannotSay => Reply::No(Denial { retry_after: Some(1), ..Denial::of(&Problem::unavailable(""), question.request_id) }),
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
            request_id: request_id.to_owned(),
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
            Self::Yes(identity, rate) => {
                let mut response = Response::new(Full::new(Bytes::new()));
                let headers = response.headers_mut();
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                for (name, value) in IDENTITY.into_iter().zip(identity) {
                    headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("-")));
                }
                write_rate(headers, rate);
                response
            }
            Self::No(denial) => denial.into_http(),
        }
    }
}

impl Denial {
    fn into_http(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.problem)));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::FORBIDDEN);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let challenge = self.challenge.and_then(|challenge| HeaderValue::try_from(challenge).ok());
        let request_id = HeaderValue::try_from(self.request_id).ok();
        let retry_after = self.retry_after.map(HeaderValue::from);
        for (name, value) in [(WWW_AUTHENTICATE, challenge), (RETRY_AFTER, retry_after), (HeaderName::from_static(IDENTITY[5]), request_id)] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        write_rate(headers, self.rate);
        response
    }
}

fn write_rate(headers: &mut HeaderMap, rate: Option<Rate>) {
    for (name, value) in rate.iter().flat_map(Rate::headers) {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// The challenge of RFC 6750, section 3. All of it in one field: nginx before 1.23 passes on only the first.
pub(crate) fn challenge(refusal: Refusal, missing: Option<&str>) -> Option<String> {
    let words = match refusal {
        Refusal::NoCredential => "",
        Refusal::Unauthenticated | Refusal::Replayed => ", error=\"invalid_token\"",
        Refusal::InsufficientScope => ", error=\"insufficient_scope\"",
        _ => return None,
    };
    // what is missing stands in the challenge too
    let scope = missing.filter(|missing| !missing.is_empty()).map_or_else(String::new, |missing| format!(", scope=\"{missing}\""));
    Some(format!("Bearer realm=\"claviger\"{words}{scope}"))
}

/// When to try again, in seconds.
pub(crate) const fn retry_after(refusal: Refusal) -> Option<u32> {
    match refusal {
        Refusal::TooManyFailures => Some(30),
        _ => None,
    }
}

/// Whether it is a browser's preflight (Fetch standard, section 3.3) which the operator lets through: it never carries a credential, and
/// what carries one is judged.
pub(crate) fn passes_as_preflight<F: Fields>(app: &App, request: &schemes::Request<'_, F>) -> bool {
    let has = |name| matches!(request.fields.single(name), Ok(Some(_)));
    request.method == "OPTIONS"
        && app.settings.preflight == Some(Preflight::Pass)
        && !has("signature")
        && has("origin")
        && has("access-control-request-method")
        && matches!(schemes::present(request.fields), Presented::Nothing)
}

fn identity(allowed: &Allowed, request_id: &str) -> [String; 7] {
    let credential = &allowed.entry.credential;
    [
        credential.account_id.to_string(),
        allowed.acting_account.to_string(),
        credential.id.to_string(),
        credential.kind.as_str().to_owned(),
        allowed.scopes.clone(),
        request_id.to_owned(),
        allowed.content_digest.clone().unwrap_or_default(),
    ]
    .map(|value| if value.is_empty() { "-".to_owned() } else { value })
}

/// The identity of a request that nobody in particular sent.
pub(crate) fn nobody(request_id: &str) -> [String; 7] {
    let mut identity = std::array::from_fn(|_| "-".to_owned());
    identity[5] = request_id.to_owned();
    identity
}
