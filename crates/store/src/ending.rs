//! Ending many credentials at once: as many statements for a thousand as for one.
//!
//! Lists go as one JSON object each, which both engines read alike.
use claviger_domain::{
    credential::{Credential, Reason},
    event::Event,
    id::{AccountId, CredentialId},
};
use serde_json::json;

use crate::{
    Recorded, StoreError, Tx,
    credential::{access_words, columns, credential},
    value::{keys, object},
};

/// A credential that ended, and what tells of it.
#[derive(Clone, Debug)]
pub struct Ended {
    /// As it is now.
    pub credential: Credential,
    /// Whether its secrets are forgotten, so that it cannot be brought back.
    pub forgets: bool,
    /// Who did it.
    pub event: Event,
}

macro_rules! taking {
    ($locking:literal) => {
        concat!("SELECT ", columns!(), " FROM credential c JOIN json_each($1) e ON e.key = c.id WHERE c.account_id = e.value ->> 'account'", $locking)
    };
}

const UPDATE: &str = "UPDATE credential SET state = e.value ->> 'state', access_words = e.value ->> 'access_words', \
     ended_at = CAST(e.value ->> 'at' AS BIGINT), ended_by = e.value ->> 'by', end_reason = e.value ->> 'reason', \
     end_was_paused = CAST(e.value ->> 'was_paused' AS BOOLEAN) FROM json_each($1) e WHERE credential.id = e.key";
/// In the order of everyone who locks several, so that nobody waits for one who waits for them.
const LOCK_SECRETS: &str = "SELECT id FROM credential_secret WHERE credential_id IN (SELECT key FROM json_each($1)) ORDER BY id FOR UPDATE";
const FORGET: &str = "DELETE FROM credential_secret WHERE credential_id IN (SELECT key FROM json_each($1))";

impl Tx {
    /// Those of these credentials, each of its account, ended ones too, that no other writer keeps just now; kept until this transaction ends.
    /// It waits for nobody.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn take_free_credentials(&mut self, wanted: &[(AccountId, CredentialId)]) -> Result<Vec<Credential>, StoreError> {
        let sql = if self.has_rivals() { taking!(" FOR NO KEY UPDATE OF c SKIP LOCKED") } else { taking!("") };
        self.take(sql, wanted).await
    }

    /// All of these credentials that there are, each of its account, ended ones too; waits for who keeps one. Kept until this transaction ends.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn take_credentials(&mut self, wanted: &[(AccountId, CredentialId)]) -> Result<Vec<Credential>, StoreError> {
        let sql = if self.has_rivals() { taking!(" ORDER BY c.id FOR NO KEY UPDATE OF c") } else { taking!("") };
        self.take(sql, wanted).await
    }

    async fn take(&mut self, sql: &'static str, wanted: &[(AccountId, CredentialId)]) -> Result<Vec<Credential>, StoreError> {
        let wanted = wanted.iter().map(|(account, id)| (id.to_string(), json!({ "account": account.to_string() })));
        self.query(sql, &[object(wanted)]).await?.into_iter().map(credential).collect()
    }

    /// Writes how these ended, each with its event. Of one that is there twice the later counts.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn end_credentials(&mut self, ended: &[Ended]) -> Result<Recorded, StoreError> {
        let updates = [object(ended.iter().map(|Ended { credential, .. }| {
            let end = credential.end.as_ref();
            let columns = json!({
                "state": credential.state.as_str(),
                "access_words": access_words(&credential.access),
                "at": end.map(|end| end.at.micros()),
                "by": end.map(|end| end.by.as_str()),
                "reason": end.and_then(|end| end.reason).map(Reason::as_str),
                "was_paused": end.is_some_and(|end| end.was_paused),
            });
            (credential.id.to_string(), columns)
        }))];
        let forgotten = [keys(ended.iter().filter(|ended| ended.forgets).map(|ended| ended.credential.id.to_string()))];
        let mut statements = vec![(UPDATE, updates.as_slice())];
        if self.has_rivals() {
            statements.push((LOCK_SECRETS, forgotten.as_slice()));
        }
        statements.push((FORGET, forgotten.as_slice()));
        self.record_all(&statements, &ended.iter().map(|ended| &ended.event).collect::<Vec<_>>()).await
    }
}
