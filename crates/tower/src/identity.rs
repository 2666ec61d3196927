//! Who sends a request, in Claviger's words.
use http::HeaderMap;

/// Who sends a request. In the extensions of every request that reaches the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account that the credential belongs to; a UUID. `-`, as the three below, for a preflight that the operator lets through.
    pub account: String,
    /// The account it acts for: the same, or a client's.
    pub acting_account: String,
    /// The credential's id.
    pub credential: String,
    /// Its kind, such as `api_key`.
    pub kind: String,
    /// What it may do; `*` for everything.
    pub scopes: Vec<String>,
    /// The verification, as Claviger's log knows it.
    pub request_id: String,
    /// What the body must hash to (RFC 9530), for a signed request: [`DigestLayer`](crate::DigestLayer) compares it, for the check has not seen the
    /// body.
    pub content_digest: Option<String>,
}

impl Identity {
    /// From the fields of a yes. None when one is missing, empty, repeated or no text: then it is no yes of Claviger's.
    pub(crate) fn read(fields: &HeaderMap) -> Option<Self> {
        let one = |name: &str| {
            let mut values = fields.get_all(name).iter();
            let value = values.next()?.to_str().ok()?;
            (values.next().is_none() && !value.is_empty()).then(|| value.to_owned())
        };
        let unless_none = |value: String| (value != "-").then_some(value);
        Some(Self {
            account: one("x-claviger-account")?,
            acting_account: one("x-claviger-acting-account")?,
            credential: one("x-claviger-credential")?,
            kind: one("x-claviger-kind")?,
            scopes: unless_none(one("x-claviger-scopes")?).map(|words| words.split(' ').map(str::to_owned).collect()).unwrap_or_default(),
            request_id: one("x-claviger-request-id")?,
            content_digest: unless_none(one("x-claviger-content-digest")?),
        })
    }

    /// Whether it may do what this scope names.
    #[must_use]
    pub fn may(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| held == "*" || held == scope)
    }
}
