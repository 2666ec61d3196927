//! One line of the audit trail: who did what, to what, when. Never a secret, never a request body.
use serde::Serialize;

use crate::{
    id::{AccountId, EventId},
    time::Timestamp,
};

/// What happened, by its stable name in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Action {
    /// An account was made.
    #[serde(rename = "account.created")]
    AccountCreated,
    /// Name, gate or status of an account changed.
    #[serde(rename = "account.updated")]
    AccountUpdated,
    /// A person became a member, or their role or name changed.
    #[serde(rename = "member.saved")]
    MemberSaved,
    /// A person is no longer a member.
    #[serde(rename = "member.removed")]
    MemberRemoved,
    /// A one-time sign-in link was made.
    #[serde(rename = "sign_in_link.created")]
    SignInLinkCreated,
    /// A sign-in link was used; a session began.
    #[serde(rename = "session.started")]
    SessionStarted,
    /// A person signed out, or sessions of theirs were ended.
    #[serde(rename = "session.ended")]
    SessionEnded,
    /// A credential was made; its secret was shown to the actor, once.
    #[serde(rename = "credential.created")]
    CredentialCreated,
    /// A credential ended.
    #[serde(rename = "credential.deleted")]
    CredentialDeleted,
    /// Label, access, expiry or networks of a credential changed.
    #[serde(rename = "credential.updated")]
    CredentialUpdated,
    /// A credential got a new secret, or an overlap of two ended.
    #[serde(rename = "credential.rotated")]
    CredentialRotated,
    /// A credential was paused.
    #[serde(rename = "credential.paused")]
    CredentialPaused,
    /// A paused credential was resumed.
    #[serde(rename = "credential.resumed")]
    CredentialResumed,
    /// A credential ended, and stays listed.
    #[serde(rename = "credential.revoked")]
    CredentialRevoked,
    /// A revoked credential was brought back.
    #[serde(rename = "credential.restored")]
    CredentialRestored,
    /// A chosen password changed.
    #[serde(rename = "credential.password_changed")]
    CredentialPasswordChanged,
    /// Someone asked the operator to open the gate.
    #[serde(rename = "access.requested")]
    AccessRequested,
    /// The catalogue of operations was replaced.
    #[serde(rename = "catalogue.changed")]
    CatalogueChanged,
    /// A gateway reported a request to the API.
    #[serde(rename = "api.request")]
    ApiRequest,
    /// Someone tried what they may not.
    #[serde(rename = "access.denied")]
    AccessDenied,
    /// A token was revoked by itself.
    #[serde(rename = "token.revoked")]
    TokenRevoked,
    /// An operator API key was made.
    #[serde(rename = "operator_key.created")]
    OperatorKeyCreated,
    /// An operator API key ended.
    #[serde(rename = "operator_key.revoked")]
    OperatorKeyRevoked,
}

impl Action {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountCreated => "account.created",
            Self::AccountUpdated => "account.updated",
            Self::MemberSaved => "member.saved",
            Self::MemberRemoved => "member.removed",
            Self::SignInLinkCreated => "sign_in_link.created",
            Self::SessionStarted => "session.started",
            Self::SessionEnded => "session.ended",
            Self::CredentialCreated => "credential.created",
            Self::CredentialDeleted => "credential.deleted",
            Self::CredentialUpdated => "credential.updated",
            Self::CredentialRotated => "credential.rotated",
            Self::CredentialPaused => "credential.paused",
            Self::CredentialResumed => "credential.resumed",
            Self::CredentialRevoked => "credential.revoked",
            Self::CredentialRestored => "credential.restored",
            Self::CredentialPasswordChanged => "credential.password_changed",
            Self::AccessRequested => "access.requested",
            Self::CatalogueChanged => "catalogue.changed",
            Self::ApiRequest => "api.request",
            Self::AccessDenied => "access.denied",
            Self::TokenRevoked => "token.revoked",
            Self::OperatorKeyCreated => "operator_key.created",
            Self::OperatorKeyRevoked => "operator_key.revoked",
        }
    }
}

/// An event about to be written, in the transaction of what it tells.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its id; in time order.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// The account it concerns; none for the installation itself.
    pub account: Option<AccountId>,
    /// Who, as text: `operator:<key name>`, `member:<email>`, `system`.
    pub actor: String,
    /// What.
    pub action: Action,
    /// To what: a public part, an email, an id. Safe to show.
    pub target: String,
    /// What changed, as a JSON object; safe to show.
    pub detail: serde_json::Value,
    /// The request that caused it.
    pub request_id: String,
    /// Where it came from, when known.
    pub source: Option<String>,
}
