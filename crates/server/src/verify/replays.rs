//! Signatures seen before, for credentials that ask that none be accepted twice.
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use claviger_domain::time::Timestamp;

/// The most signatures remembered. When full, nothing more is accepted until some have expired: forgetting one would let it in again.
const MOST: usize = 1_000_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Replays {
    started: Timestamp,
    seen: Mutex<HashMap<[u8; 32], Timestamp>>,
}

/// What is said of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    New,
    Seen,
    /// The memory is full.
    CannotSay,
}

impl Replays {
    pub(crate) fn new(started: Timestamp) -> Self {
        Self { started, seen: Mutex::default() }
    }

    /// Whether a verified signature, dated `signed_at`, is new; it is not from now on. What was signed before this process started may have
    /// been seen by its predecessor, and is refused.
    pub(crate) fn note(&self, key: [u8; 32], signed_at: Timestamp, now: Timestamp, skew: Duration) -> Answer {
        // HTTP dates have whole seconds
        if signed_at + Duration::from_secs(1) <= self.started {
            return Answer::Seen;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST {
            seen.retain(|_, until| *until > now);
            if seen.len() >= MOST {
                return Answer::CannotSay;
            }
        }
        if seen.insert(key, signed_at + 2 * skew).is_some() { Answer::Seen } else { Answer::New }
    }
}
