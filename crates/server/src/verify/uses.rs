//! When credentials, and each of their secrets, were last used: noted in memory, written in batches, never on the way of a request.
use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use claviger_domain::{
    id::{CredentialId, SecretId},
    schemes::{Fields, Request},
    time::Timestamp,
};
use claviger_store::{
    Store, StoreError,
    credential::{LastUse, SecretUse},
};

/// Uses not written yet, at most; more than that are forgotten.
const PENDING: usize = 100_000;
/// As many are written in one transaction.
const TOGETHER: usize = 100;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    credentials: Mutex<HashMap<CredentialId, LastUse>>,
    secrets: Mutex<HashMap<SecretId, SecretUse>>,
}

impl Uses {
    pub(crate) fn note<F: Fields>(&self, id: CredentialId, request: &Request<'_, F>, now: Timestamp) {
        let user_agent = request.fields.values("user-agent").next().map(|value| printable(&String::from_utf8_lossy(value), 200));
        let path = request.target.split('?').next().unwrap_or_default();
        let last = LastUse {
            at: now,
            source: request.client_ip.map(|ip| ip.to_string()),
            user_agent,
            route: Some(printable(&format!("{} {path}", request.method), 200)),
        };
        put(&self.credentials, id, last);
    }

    pub(crate) fn note_secret(&self, id: SecretId, client_ip: Option<IpAddr>, now: Timestamp) {
        put(&self.secrets, id, SecretUse { at: now, source: client_ip.map(|ip| ip.to_string()) });
    }

    /// Writes what was noted so far. What cannot be written is lost: it is only a hint to people.
    ///
    /// In order, and a few in each transaction: it keeps the secrets that it names, and whoever ends a credential forgets its own.
    pub(crate) async fn flush(&self, store: &Store) -> Result<(), StoreError> {
        let (credentials, secrets) = (take(&self.credentials), take(&self.secrets));
        for some in credentials.chunks(TOGETHER) {
            let mut tx = store.begin().await?;
            for (id, last) in some {
                tx.record_use(*id, last).await?;
            }
            tx.commit_housekeeping().await?;
        }
        for some in secrets.chunks(TOGETHER) {
            let mut tx = store.begin().await?;
            for (id, last) in some {
                tx.record_secret_use(*id, last).await?;
            }
            tx.commit_housekeeping().await?;
        }
        Ok(())
    }
}

fn put<K: Hash + Eq, V>(pending: &Mutex<HashMap<K, V>>, id: K, last: V) {
    let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
    if pending.len() < PENDING || pending.contains_key(&id) {
        pending.insert(id, last);
    }
}

fn take<K: Ord, V>(pending: &Mutex<HashMap<K, V>>) -> Vec<(K, V)> {
    let mut taken: Vec<_> = std::mem::take(&mut *pending.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect();
    taken.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    taken
}

/// What a client sent, safe to show: at most `most` characters, control characters replaced.
fn printable(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
