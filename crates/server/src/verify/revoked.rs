//! Tokens that were revoked by themselves, in memory: all of them, so that asking costs no read.
use claviger_domain::time::Timestamp;
use claviger_store::revoked_token::RevokedToken;

/// See the module. Read without a lock.
#[derive(Debug, Default)]
pub(super) struct Revoked(papaya::HashMap<Box<str>, Timestamp>);

impl Revoked {
    pub(super) fn add(&self, token: RevokedToken) {
        self.0.pin().insert(token.jti.into(), token.expires_at);
    }

    pub(super) fn contains(&self, jti: &str) -> bool {
        // almost always there is none
        !self.0.is_empty() && self.0.pin().contains_key(jti)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn forget_expired(&self, now: Timestamp) {
        self.0.pin().retain(|_, expires_at| now < *expires_at);
    }
}
