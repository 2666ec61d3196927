//! Why was this refused? The last signed requests that were, by request id, as they looked to us. In memory only.
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use claviger_domain::{id::AccountId, schemes::signing::Explanation, time::Timestamp};

const KEPT: usize = 1000;

/// A refused signed request.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Its request id.
    pub request_id: String,
    /// When.
    pub at: Timestamp,
    /// The account whose key it named.
    pub account_id: AccountId,
    /// That key's public part.
    pub public_id: String,
    /// How it looked to us.
    pub explanation: Explanation,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<VecDeque<Arc<Refused>>>);

impl Refusals {
    pub(crate) fn keep(&self, refused: Refused) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(Arc::new(refused));
    }

    /// The refusal with this request id, if its key belongs to this account.
    pub(crate) fn find(&self, account: AccountId, request_id: &str) -> Option<Arc<Refused>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().find(|refused| refused.account_id == account && refused.request_id == request_id).cloned()
    }

    /// The latest refusals of an account's keys, or of the one with this public part, newest first.
    pub(crate) fn list(&self, account: AccountId, public_id: Option<&str>) -> Vec<Arc<Refused>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |refused: &&Arc<Refused>| refused.account_id == account && public_id.is_none_or(|id| id == refused.public_id);
        kept.iter().rev().filter(wanted).take(50).cloned().collect()
    }
}
