//! A reported API request: as a gateway sends it, and as it is kept.
use std::collections::BTreeMap;

use claviger_domain::{
    redaction::{Redactor, clipped},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const LONGEST: usize = 2_048;
const LONGEST_WORD: usize = 64;
const MOST_HEADERS: usize = 64;

/// A request that the operator's API has answered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    /// The credential it was allowed with, as the verification answered. Absent, empty or `-`: it was not allowed, and is nobody's.
    pub(crate) credential_id: Option<String>,
    /// The account it acted for, as the verification answered.
    acting_account_id: Option<String>,
    /// The verification's id, as it was answered.
    pub(crate) request_id: Option<String>,
    /// When it came; RFC 3339. Now, when absent.
    #[schema(value_type = Option<String>)]
    pub(crate) at: Option<Timestamp>,
    /// Where it came from.
    pub(crate) client_ip: Option<String>,
    /// The method, as sent.
    method: String,
    /// URL, or path and query, as sent.
    url: String,
    /// What the client was answered.
    status: u16,
    /// How long that took.
    duration_seconds: Option<f64>,
    /// Header fields of the request. Those that carry credentials are left out before anything is kept.
    #[serde(default)]
    headers: BTreeMap<String, Values>,
    /// The request's body; kept, redacted, only where the operator has switched that on.
    request_body: Option<String>,
    /// The answer's body, likewise.
    response_body: Option<String>,
    /// The answer's content type, by which its body is redacted.
    response_content_type: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ReportedValues)]
#[serde(untagged)]
enum Values {
    One(String),
    Several(Vec<String>),
}

/// A request to the operator's API, as the audit log shows it.
#[derive(Deserialize, Serialize, ToSchema)]
#[schema(as = ReportedRequest)]
pub(crate) struct Kept {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) status: u16,
    pub(crate) duration_seconds: Option<f64>,
    /// The account it acted for.
    #[serde(skip_serializing_if = "Option::is_none")]
    acting_account_id: Option<String>,
    /// Each with its values; `***` for what carries a credential.
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    /// `***` in the place of secrets; null: there was none, or none is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_body: Option<String>,
}

impl Kept {
    pub(super) fn of(report: Report, redactor: &Redactor, bodies: bool) -> Self {
        let mut headers = BTreeMap::<String, Vec<String>>::new();
        for (name, values) in report.headers.into_iter().take(MOST_HEADERS) {
            let values = match values {
                Values::One(value) => vec![value],
                Values::Several(values) => values,
            };
            let kept = values.iter().filter(|value| !value.is_empty()).take(MOST_HEADERS);
            let kept: Vec<_> = kept.map(|value| clipped(&redactor.header(&name, value), LONGEST)).collect();
            if !kept.is_empty() {
                headers.entry(clipped(&redactor.text(&name.to_ascii_lowercase()), LONGEST_WORD)).or_default().extend(kept);
            }
        }
        let content_type = headers.get("content-type").and_then(|values| values.first()).cloned().unwrap_or_default();
        let body = |body: Option<String>, content_type: &str| {
            let body = body.filter(|body| bodies && !body.is_empty())?;
            Some(redactor.body(content_type, &body).unwrap_or_else(|| format!("({} bytes, not kept)", body.len())))
        };
        Self {
            method: clipped(&redactor.text(&report.method), LONGEST_WORD),
            url: clipped(&redactor.url(&report.url), LONGEST),
            status: report.status,
            duration_seconds: report.duration_seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0),
            acting_account_id: report.acting_account_id.and_then(|id| id.parse::<uuid::Uuid>().ok()).map(|id| id.to_string()),
            request_body: body(report.request_body, &content_type),
            response_body: body(report.response_body, report.response_content_type.as_deref().unwrap_or_default()),
            headers,
        }
    }
}
