//! The operator's own API keys.
use claviger_domain::{id::OperatorKeyId, secret::Digest, time::Timestamp};

use crate::{
    Reader, StoreError, Tx,
    value::{Row, keys, unexpected},
};

/// An operator API key, without its secret.
#[derive(Clone, Debug)]
pub struct OperatorKey {
    /// Its id.
    pub id: OperatorKeyId,
    /// Safe to show and to log.
    pub public_id: String,
    /// What it is for; the actor's name in events.
    pub name: String,
    /// Keyed hash of the whole key.
    pub digest: Digest,
    /// Its last characters.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
}

fn key(mut row: Row) -> Result<OperatorKey, StoreError> {
    Ok(OperatorKey {
        id: row.parsed()?,
        public_id: row.text()?,
        name: row.text()?,
        digest: Digest::from_stored(&row.bytes()?).ok_or_else(|| unexpected("a digest"))?,
        hint: row.text()?,
        created_at: row.time()?,
    })
}

impl Reader {
    /// The living keys with these public parts.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_operator_keys(&mut self, public_ids: &[String]) -> Result<Vec<OperatorKey>, StoreError> {
        let sql = "SELECT id, public_id, name, digest, hint, created_at FROM operator_key \
                   WHERE public_id IN (SELECT key FROM json_each($1)) AND revoked_at IS NULL";
        self.query(sql, &[keys(public_ids.iter().cloned())]).await?.into_iter().map(key).collect()
    }

    /// All living keys, newest first.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_operator_keys(&mut self) -> Result<Vec<OperatorKey>, StoreError> {
        self.query("SELECT id, public_id, name, digest, hint, created_at FROM operator_key WHERE revoked_at IS NULL ORDER BY id DESC LIMIT 1000", &[])
            .await?
            .into_iter()
            .map(key)
            .collect()
    }
}

impl Tx {
    /// Makes a key.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn insert_operator_key(&mut self, key: &OperatorKey) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO operator_key (id, public_id, name, digest, hint, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
            &[
                key.id.to_string().into(),
                key.public_id.as_str().into(),
                key.name.as_str().into(),
                key.digest.as_bytes().into(),
                key.hint.as_str().into(),
                key.created_at.into(),
            ],
        )
        .await
        .map(|_| ())
    }

    /// Ends a key; gives its name, or None when there was no living one.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn revoke_operator_key(&mut self, id: OperatorKeyId, now: Timestamp) -> Result<Option<String>, StoreError> {
        let rows = self
            .query(
                "UPDATE operator_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING name",
                &[id.to_string().into(), now.into()],
            )
            .await?;
        rows.into_iter().next().map(|mut row| row.text()).transpose()
    }
}
