//! Answers remembered for a caller's `Idempotency-Key`, sealed: a lost response loses no secret.
use claviger_domain::{secret::Digest, time::Timestamp};

use crate::{Reader, StoreError, Tx};

/// An answer to repeat.
#[derive(Debug)]
pub struct Remembered {
    /// Digest of the request it answered.
    pub request: Vec<u8>,
    /// The answer, sealed.
    pub answer: Vec<u8>,
}

impl Reader {
    /// The answer remembered under `digest`, if it is not past its time.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_remembered(&mut self, digest: &Digest, now: Timestamp) -> Result<Option<Remembered>, StoreError> {
        let rows = self
            .query("SELECT request, answer FROM idempotency WHERE digest = $1 AND expires_at > $2", &[digest.as_bytes().into(), now.into()])
            .await?;
        rows.into_iter().next().map(|mut row| Ok(Remembered { request: row.bytes()?, answer: row.bytes()? })).transpose()
    }
}

impl Tx {
    /// Remembers an answer, in the transaction it answers.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when an answer is remembered there already: another request with the same key was faster.
    pub async fn remember(&mut self, digest: &Digest, request: &Digest, answer: Vec<u8>, now: Timestamp, until: Timestamp) -> Result<(), StoreError> {
        self.execute("DELETE FROM idempotency WHERE digest = $1 AND expires_at <= $2", &[digest.as_bytes().into(), now.into()]).await?;
        self.execute(
            "INSERT INTO idempotency (digest, request, answer, expires_at) VALUES ($1, $2, $3, $4)",
            &[digest.as_bytes().into(), request.as_bytes().into(), answer.into(), until.into()],
        )
        .await
        .map(|_| ())
    }
}
