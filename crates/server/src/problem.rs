//! What a refused request is answered with (RFC 9457). The only type that knows status codes; every stable code stands in one table.
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use claviger_domain::{credential::CannotIssue, invalid::Invalid, judge::Refusal, policy::Refused};
use claviger_store::StoreError;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal $code:literal $title:literal),* $(,)?) => {
        /// The stable codes of this server's own refusals. Those of verification are [`Refusal`]'s, those of fields are [`Invalid`]'s.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $name),* }

        impl Code {
            /// Every code, for tables and documents.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The HTTP status it comes with.
            #[must_use]
            pub const fn status(self) -> u16 { match self { $(Self::$name => $status),* } }

            /// The code itself.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $code),* } }

            /// What it always says, whatever the occasion.
            #[must_use]
            pub const fn title(self) -> &'static str { match self { $(Self::$name => $title),* } }
        }
    };
}

codes! {
    /// Not JSON at all.
    JsonMalformed = 400 "json_malformed" "The body is not JSON",
    /// Not a form.
    FormMalformed = 400 "form_malformed" "The body is not a form",
    /// A header that cannot be used.
    HeaderInvalid = 400 "header_invalid" "A header cannot be used",
    /// Nobody in particular.
    CredentialRequired = 401 "credential_required" "A credential is required",
    /// We do not know you.
    CredentialInvalid = 401 "credential_invalid" "The credential is not accepted",
    /// One may know that it is there, and may not.
    Forbidden = 403 "forbidden" "Your role may not do this",
    /// The gate is closed, and can be asked for.
    AccessNotGranted = 403 "access_not_granted" "The operator has not granted this yet",
    /// Sent by another site's page.
    CrossSite = 403 "cross_site" "The request came from another site",
    /// What one may not know exists, does not exist.
    NotFound = 404 "not_found" "There is nothing here",
    /// That path does not take that method.
    MethodNotAllowed = 405 "method_not_allowed" "That method is not used here",
    /// Another has that value.
    Conflict = 409 "conflict" "That value is taken",
    /// The gate is closed.
    ApiAccessWithheld = 409 "api_access_withheld" "The account has no API access",
    /// The account is suspended.
    AccountSuspended = 409 "account_suspended" "The account is suspended",
    /// As many as there may be.
    LimitReached = 409 "limit_reached" "The limit is reached",
    /// Nothing more can be done with it.
    Ended = 409 "ended" "The credential has ended",
    /// Too late, or leaked.
    NotRestorable = 409 "not_restorable" "The credential cannot be restored",
    /// Not something that this account's credentials have.
    NotOfThisKind = 409 "not_of_this_kind" "Credentials of this account do not have that",
    /// The account would be left without one.
    LastOfRole = 409 "last_of_role" "The last one cannot go",
    /// Used or expired.
    LinkSpent = 410 "link_spent" "The link has been used or has expired",
    /// Too long.
    BodyTooLarge = 413 "body_too_large" "The body is too large",
    /// Not the content type that is read here.
    MediaType = 415 "media_type_unsupported" "The content type is not read here",
    /// Read, and wrong.
    Invalid = 422 "invalid" "Something in the request is wrong",
    /// One key, two requests.
    IdempotencyKeyReused = 422 "idempotency_key_reused" "The idempotency key was used for another request",
    /// Ours to mend.
    Internal = 500 "internal" "Something went wrong on our side",
    /// Neither yes nor no.
    Unavailable = 503 "unavailable" "Claviger cannot say just now",
}

/// A refusal on its way out. The request's id and the body's form are added where the request is known: see `request.rs`.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// Stable, for programs.
    pub code: &'static str,
    /// The same for every occasion.
    pub title: &'static str,
    /// This occasion, and what to do.
    pub detail: String,
    /// The fields that are wrong.
    pub errors: Vec<FieldError>,
    /// The scopes that were missing.
    pub required_scopes: Vec<String>,
    /// Challenge of a 401.
    pub challenge: Option<&'static str>,
    /// What the log says and the answer does not.
    pub internal: Option<String>,
}

/// A wrong field: where, and why.
#[derive(Clone, Debug)]
pub struct FieldError {
    /// A JSON pointer (RFC 6901), in URI fragment form.
    pub pointer: String,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub detail: String,
}

impl FieldError {
    /// Says what is refused at this place, and why.
    #[must_use]
    pub fn new(pointer: String, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer, code, detail: detail.into() }
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self { errors: vec![error.clone()], ..Self::new(Code::Invalid, error.detail) }
    }
}

impl Problem {
    /// A problem with this code; `detail` says what to do.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            status: code.status(),
            code: code.as_str(),
            title: code.title(),
            detail: detail.into(),
            errors: Vec::new(),
            required_scopes: Vec::new(),
            challenge: None,
            internal: None,
        }
    }

    /// There is nothing here, as far as the caller may know.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "Check the address. If it is right, you may not see what is there.")
    }

    /// No credential was sent.
    #[must_use]
    pub fn credential_required() -> Self {
        let challenge = Some("Bearer realm=\"claviger\"");
        Self { challenge, ..Self::new(Code::CredentialRequired, "Send an operator API key: Authorization: Bearer <key>.") }
    }

    /// No API key was sent to a route that a customer's own keys call.
    #[must_use]
    pub fn key_required() -> Self {
        Self { detail: "Send an API key of your account: X-API-Key: <key>, or Authorization: Bearer <key>.".into(), ..Self::credential_required() }
    }

    /// A credential was sent that is not accepted.
    #[must_use]
    pub fn credential_invalid() -> Self {
        let challenge = Some("Bearer realm=\"claviger\", error=\"invalid_token\"");
        Self { challenge, ..Self::new(Code::CredentialInvalid, "Check the credential, or make a new one.") }
    }

    /// Our own fault; `internal` is logged and not sent.
    #[must_use]
    pub fn internal(internal: impl Into<String>) -> Self {
        Self { internal: Some(internal.into()), ..Self::new(Code::Internal, "Try again. If it happens again, tell us the request id.") }
    }

    /// Neither yes nor no. Why is in the log already, written by whoever found it out.
    #[must_use]
    pub fn cannot_say() -> Self {
        Self::new(Code::Unavailable, "Nothing was decided. Try again in a moment.")
    }

    /// Neither yes nor no; `internal` is logged and not sent.
    #[must_use]
    pub fn unavailable(internal: impl Into<String>) -> Self {
        Self { internal: Some(internal.into()), ..Self::cannot_say() }
    }
}

impl Problem {
    /// A refusal by verification, naming what is missing.
    #[must_use]
    pub fn refused(refusal: Refusal, missing: Option<String>) -> Self {
        let required_scopes = missing.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect();
        Self { required_scopes, ..Self::from(refusal) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::unavailable(error.to_string()),
            StoreError::Unknown(_) => {
                Self { detail: "It is not known whether the change was made. Look, and try again.".into(), ..Self::unavailable(error.to_string()) }
            }
            StoreError::Duplicate => Self::new(Code::Conflict, "Another one has that value already. Choose another."),
            StoreError::Unusable(_) => Self::internal(error.to_string()),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Hidden => Self::not_found(),
            Refused::Forbidden => Self::new(Code::Forbidden, "Ask an administrator of the account."),
            Refused::GateClosed => Self::new(Code::AccessNotGranted, "Ask the operator to grant it."),
        }
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::from(vec![invalid])
    }
}

impl From<Vec<Invalid>> for Problem {
    fn from(wrong: Vec<Invalid>) -> Self {
        let detail = wrong.iter().map(|invalid| invalid.message.as_str()).collect::<Vec<_>>().join(" ");
        let errors = wrong.into_iter().map(|invalid| FieldError::new(format!("#/{}", invalid.field), invalid.code, invalid.message)).collect();
        Self { errors, ..Self::new(Code::Invalid, detail) }
    }
}

impl From<CannotIssue> for Problem {
    fn from(cannot: CannotIssue) -> Self {
        let code = match cannot {
            CannotIssue::GateClosed => Code::ApiAccessWithheld,
            CannotIssue::Suspended => Code::AccountSuspended,
            CannotIssue::LimitReached(_) => Code::LimitReached,
        };
        Self::new(code, cannot.to_string())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.status(),
            code: refusal.code(),
            title: "The request is refused",
            detail: refusal.detail().to_owned(),
            errors: Vec::new(),
            required_scopes: Vec::new(),
            challenge: None,
            internal: None,
        }
    }
}
