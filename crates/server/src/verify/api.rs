//! `POST /v1/verify`: the same question, asked by any service in JSON.
use std::{collections::BTreeMap, fmt, net::IpAddr};

use axum::{Extension, Json, body::Body, extract::State, http::HeaderMap};
use claviger_domain::{
    invalid::Invalid,
    judge::Refusal,
    schemes::{self, Fields, signing},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use utoipa::ToSchema;

use super::{Demand, Question as Judged, Rate, Verdict, handed, reply, verify as judge};
use crate::{
    app::App,
    body,
    problem::{Code, Problem},
    request::Context,
};

/// A request to judge, as the service received it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    /// The method, as sent.
    method: String,
    /// Path and query, as sent.
    path: String,
    /// The header fields, each with its value or values. One that stands there twice has both.
    #[schema(value_type = BTreeMap<String, Values>)]
    headers: Headers,
    /// The body, in base64, where the service has it.
    body: Option<String>,
    /// Where the request came from.
    #[schema(value_type = Option<String>, format = "ip")]
    client_ip: Option<IpAddr>,
    /// `https`, when absent, or `http`: how the client sent it, for signatures that say so.
    #[serde(default)]
    scheme: Scheme,
    /// Scopes that this route needs, whatever the catalogue says.
    #[serde(default)]
    require: Vec<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Scheme {
    #[default]
    Https,
    Http,
}

#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
enum Values {
    One(String),
    Several(Vec<String>),
}

/// By their names in lower case: two spellings of one name are two values of it, as is one name that stands there twice.
struct Headers(BTreeMap<String, Vec<String>>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of header fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Headers, A::Error> {
                let mut headers = BTreeMap::<String, Vec<String>>::new();
                while let Some((name, values)) = object.next_entry::<String, Values>()? {
                    let all = headers.entry(name.to_ascii_lowercase()).or_default();
                    match values {
                        Values::One(value) => all.push(value),
                        Values::Several(values) => all.extend(values),
                    }
                }
                Ok(Headers(headers))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Fields for Headers {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let found = if name.bytes().any(|byte| byte.is_ascii_uppercase()) { self.0.get(&name.to_ascii_lowercase()) } else { self.0.get(name) };
        found.into_iter().flatten().map(String::as_bytes)
    }
}

/// The verdict.
#[derive(Serialize, ToSchema)]
pub(crate) struct Answer {
    /// `allowed` or `refused`.
    verdict: &'static str,
    /// What to answer the client: 200, or the status of the refusal.
    status: u16,
    /// Why it is refused; null when it is allowed.
    reason: Option<&'static str>,
    /// The scopes that were missing, when that is why.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<String>>,
    /// As whom it is allowed; null when it is refused.
    principal: Option<Principal>,
    /// In how many seconds to try again: to be passed on as `Retry-After`. Null when trying again does not help.
    retry_after: Option<u32>,
    /// The credential's quota; null when it has none, and when another refusal came first.
    rate_limit: Option<RateLimit>,
    /// The challenge of a 401 or 403: to be passed on as `WWW-Authenticate`. Null when none is due.
    www_authenticate: Option<String>,
    /// This verification's id.
    request_id: String,
}

impl Answer {
    fn refused(refusal: Refusal, request_id: String) -> Self {
        Self {
            verdict: "refused",
            status: refusal.status(),
            reason: Some(refusal.code()),
            missing: None,
            principal: None,
            retry_after: None,
            rate_limit: None,
            www_authenticate: None,
            request_id,
        }
    }
}

/// A credential's quota, in the words of the fields `RateLimit-Policy` and `RateLimit` that gateways are given.
#[derive(Serialize, ToSchema)]
pub(crate) struct RateLimit {
    /// The name of the policy: `credential`.
    policy: &'static str,
    /// Requests that may be sent at once after a pause.
    quota: u32,
    /// Seconds of such a pause.
    window: u32,
    /// Requests that may be sent now.
    remaining: u32,
    /// Seconds until there is one more.
    reset: u32,
}

impl From<&Rate> for RateLimit {
    fn from(rate: &Rate) -> Self {
        Self { policy: "credential", quota: rate.quota, window: rate.window, remaining: rate.remaining, reset: rate.more_in }
    }
}

/// As whom a request is allowed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Principal {
    credential_id: String,
    public_id: String,
    account_id: String,
    acting_account_id: String,
    kind: &'static str,
    /// `["*"]` for full access; never empty for it.
    scopes: Vec<String>,
    label: String,
    expires_at: Option<String>,
    /// The digest of the body that was signed, where the body itself was not given here: the upstream must compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_digest: Option<String>,
}

/// Judges a request.
///
/// Whoever asks decides on browsers' preflights: the setting `preflight` is for gateways, and an `OPTIONS` without a credential is refused here.
#[utoipa::path(
    post, path = "/v1/verify", tag = "verification", request_body = Question,
    responses((status = 200, description = "The verdict, allowed or refused", body = Answer), (status = 503, description = "Cannot say"))
)]
pub(crate) async fn verify(
    State(app): State<App>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Answer>, Problem> {
    let question = read(&headers, body).await?;
    judged(&app, question, context.request_id).await.map(Json)
}

/// What is asked: questions hold what gateways hand over of a body, in base64.
pub(super) async fn read<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Problem> {
    if !body::is_of_type(headers, "application/json") {
        return Err(Problem::new(Code::MediaType, "Send Content-Type: application/json."));
    }
    body::parse(&body::read_up_to(body, 2 * handed::LIMIT, "A question, or a batch of them, has at most 2 MiB.").await?)
}

/// The answer to one question.
pub(super) async fn judged(app: &App, question: Question, request_id: String) -> Result<Answer, Problem> {
    let body = question.body.as_ref().map(|body| data_encoding::BASE64.decode(body.as_bytes()));
    let body = body.transpose().map_err(|_| Invalid::new("body", "not_base64", "The body must be base64, padded (RFC 4648, section 4)."))?;
    let of_nothing = || Invalid::new("require", "demand_empty", "Each word demands something; leave the list empty where nothing is demanded.");
    if question.require.iter().any(|words| Demand::of(words).is_none()) {
        return Err(of_nothing().into());
    }
    let words = question.require.join(" ");
    let require = if question.require.is_empty() { Demand::default() } else { Demand::of(&words).ok_or_else(of_nothing)? };
    let request = schemes::Request { method: &question.method, target: &question.path, fields: &question.headers, client_ip: question.client_ip };
    let body = body.as_deref().map_or(signing::Body::NotSeen, signing::Body::Given);
    Ok(match judge(app, &Judged { request, body, require, secure: question.scheme == Scheme::Https, request_id: &request_id }).await {
        Verdict::Allowed(allowed) => {
            let entry = &allowed.entry;
            let principal = Principal {
                credential_id: entry.id.to_string(),
                public_id: entry.public_id().to_owned(),
                account_id: entry.account_id.to_string(),
                acting_account_id: allowed.acting().account.id.to_string(),
                kind: entry.kind.as_str(),
                scopes: allowed.scopes().split_ascii_whitespace().map(str::to_owned).collect(),
                label: entry.label().to_owned(),
                expires_at: entry.expires_at().map(|at| at.to_string()),
                content_digest: allowed.content_digest().map(|digest| digest.clone().into_owned()),
            };
            Answer {
                verdict: "allowed",
                status: 200,
                reason: None,
                missing: None,
                principal: Some(principal),
                retry_after: None,
                rate_limit: allowed.rate.as_ref().map(RateLimit::from),
                www_authenticate: None,
                request_id,
            }
        }
        Verdict::Refused(refusal, missing) => {
            let challenge = app.challenges.of(refusal, missing.as_deref());
            Answer {
                missing: missing.map(|missing| missing.split_ascii_whitespace().map(str::to_owned).collect()),
                retry_after: reply::retry_after(refusal),
                www_authenticate: challenge.and_then(|challenge| challenge.to_str().ok().map(str::to_owned)),
                ..Answer::refused(refusal, request_id)
            }
        }
        Verdict::Limited(rate) => Answer {
            retry_after: Some(rate.retry_after()),
            rate_limit: Some(RateLimit::from(&rate)),
            ..Answer::refused(Refusal::RateLimited, request_id)
        },
        Verdict::CannotSay => return Err(Problem::cannot_say()),
    })
}
