//! The verdict on a request whose credential has been looked up. Pure: `now`, the address and every state are given.
use std::net::IpAddr;

use crate::{
    account::{Account, Status},
    credential::State,
    id::AccountId,
    kind::{ActsFor, Kind},
    network::Network,
    schemes::{Fields, Repeated},
    time::Timestamp,
};

/// Why a request is refused, as far as the one who sent it may know.
///
/// Unknown, wrong, ended, expired, paused, withdrawn and suspended are one answer, [`Refusal::Unauthenticated`]: who cannot prove a
/// living credential learns nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No credential was sent.
    NoCredential,
    /// More than one was sent (RFC 6750, section 2: `invalid_request`).
    SeveralCredentials,
    /// We do not know you.
    Unauthenticated,
    /// The header that names the account is missing.
    AccountMissing,
    /// The header that names the account is not one id.
    AccountMalformed,
    /// That account is not this credential's to act for.
    AccountForbidden,
    /// The credential lacks a scope or a role that the operation needs; which, the answer names.
    InsufficientScope,
    /// The target can be read in two ways, and so cannot be judged.
    TargetAmbiguous,
    /// This very signature was seen before, and this credential asks that it be refused.
    Replayed,
    /// Too many failures lately, for this name or from this address.
    TooManyFailures,
    /// This credential has used up its quota.
    RateLimited,
}

impl Refusal {
    /// Every refusal, for tables and documents.
    pub const ALL: [Self; 11] = [
        Self::NoCredential,
        Self::SeveralCredentials,
        Self::Unauthenticated,
        Self::AccountMissing,
        Self::AccountMalformed,
        Self::AccountForbidden,
        Self::InsufficientScope,
        Self::TargetAmbiguous,
        Self::Replayed,
        Self::TooManyFailures,
        Self::RateLimited,
    ];

    /// The HTTP status the client gets.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NoCredential | Self::Unauthenticated | Self::Replayed => 401,
            Self::SeveralCredentials | Self::AccountMissing | Self::AccountMalformed | Self::TargetAmbiguous => 400,
            Self::AccountForbidden | Self::InsufficientScope => 403,
            Self::TooManyFailures | Self::RateLimited => 429,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoCredential => "credential_required",
            Self::SeveralCredentials => "several_credentials",
            Self::Unauthenticated => "credential_invalid",
            Self::AccountMissing => "account_required",
            Self::AccountMalformed => "account_malformed",
            Self::AccountForbidden => "account_forbidden",
            Self::InsufficientScope => "insufficient_scope",
            Self::TargetAmbiguous => "target_ambiguous",
            Self::Replayed => "request_replayed",
            Self::TooManyFailures => "too_many_failures",
            Self::RateLimited => "rate_limited",
        }
    }

    /// A sentence that says what to do.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::NoCredential => "Send a credential in the Authorization header.",
            Self::SeveralCredentials => "Send exactly one credential.",
            Self::Unauthenticated => "This credential is not accepted. Check it, or ask for a new token.",
            Self::AccountMissing => "Name the account this request is about in its account header.",
            Self::AccountMalformed => "The account header must hold one account id, a UUID.",
            Self::AccountForbidden => "This credential may not act for that account.",
            Self::InsufficientScope => "This credential lacks what this operation needs.",
            Self::TargetAmbiguous => {
                "Send the path as the API describes it: its letters in the same case, a slash at its end only where it has one, and no dot segments, doubled slashes or encoded separators."
            }
            Self::Replayed => "This signature was used before. Sign each request anew.",
            Self::TooManyFailures => "Too many failures. Wait, then send the right credential.",
            Self::RateLimited => "Too many requests with this credential. Wait as long as Retry-After says.",
        }
    }
}

/// Whether credentials of `account` are accepted, as far as it lies with the account itself: it is active, and its gate open. The accounts
/// above it must be active too.
#[must_use]
pub fn in_good_standing(account: &Account, kind: &Kind) -> bool {
    account.status == Status::Active && (kind.gate.is_none() || account.api_access)
}

/// What decides whether a credential is alive.
#[derive(Clone, Copy, Debug)]
pub struct Life<'a> {
    /// Where it stands in its life.
    pub state: State,
    /// When it stops being accepted by itself.
    pub expires_at: Option<Timestamp>,
    /// From where it may be used; empty: from anywhere.
    pub allowed_networks: &'a [Network],
}

impl Life<'_> {
    /// Whether a credential, its secret or token proven, is alive at `now` and may be used from `client_ip`.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp, client_ip: Option<IpAddr>) -> bool {
        self.state == State::Active
            && self.expires_at.is_none_or(|end| now < end)
            && (self.allowed_networks.is_empty() || client_ip.is_some_and(|ip| self.allowed_networks.iter().any(|network| network.contains(ip))))
    }
}

/// Which account a request says it is about: the credential's own, when its kind asks for no header.
///
/// # Errors
/// When the kind's header is missing, repeated, or not a UUID.
pub fn acting_account<F: Fields>(own: AccountId, kind: &Kind, fields: &F) -> Result<AccountId, Refusal> {
    let Some(header) = &kind.credentials.account_header else { return Ok(own) };
    match fields.single(&header.name) {
        Ok(None) if header.required => Err(Refusal::AccountMissing),
        Ok(None) => Ok(own),
        Err(Repeated) => Err(Refusal::AccountMalformed),
        Ok(Some(value)) => std::str::from_utf8(value).ok().and_then(|text| text.trim_ascii().parse().ok()).ok_or(Refusal::AccountMalformed),
    }
}

/// Whether a credential of `own` may act for `acting`. Whether `acting` is in use itself was found with it: None when it is unknown.
///
/// # Errors
/// When it may not, or there is no such account: one answer for both.
pub fn may_act_for(own: &Account, kind: &Kind, acting: Option<&Account>) -> Result<(), Refusal> {
    let Some(acting) = acting else { return Err(Refusal::AccountForbidden) };
    let related = acting.id == own.id
        || match kind.credentials.acts_for {
            ActsFor::Itself => false,
            ActsFor::Children => acting.lineage.parent() == Some(own.id),
            ActsFor::Descendants => acting.lineage.contains(own.id),
        };
    if related && acting.status == Status::Active { Ok(()) } else { Err(Refusal::AccountForbidden) }
}
