//! Tokens revoked by themselves, until they expire.
use claviger_domain::time::Timestamp;

use crate::{Reader, StoreError, Tx, engine::Read, value::unexpected};

/// A token that is refused although its credential lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedToken {
    /// Its id, the claim `jti`.
    pub jti: String,
    /// When it expires, and this need no longer be known.
    pub expires_at: Timestamp,
}

/// As the change log writes it: the id, a blank, the microsecond.
impl std::str::FromStr for RevokedToken {
    type Err = StoreError;

    fn from_str(written: &str) -> Result<Self, StoreError> {
        let parts = written.rsplit_once(' ').and_then(|(jti, micros)| Some((jti, micros.parse().ok()?)));
        let (jti, micros) = parts.ok_or_else(|| unexpected("a revoked token"))?;
        Ok(Self { jti: jti.to_owned(), expires_at: Timestamp::from_micros(micros) })
    }
}

impl Reader {
    /// All of them.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_revoked_tokens(&mut self) -> Result<Vec<RevokedToken>, StoreError> {
        load(self).await
    }
}

pub(crate) async fn load(read: &mut impl Read) -> Result<Vec<RevokedToken>, StoreError> {
    let rows = read.query("SELECT jti, expires_at FROM revoked_token", &[]).await?;
    rows.into_iter().map(|mut row| Ok(RevokedToken { jti: row.text()?, expires_at: Timestamp::from_micros(row.int()?) })).collect()
}

impl Tx {
    /// Revokes a token. Twice is once.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn revoke_token(&mut self, token: &RevokedToken) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO revoked_token (jti, expires_at) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING",
            &[token.jti.as_str().into(), token.expires_at.into()],
        )
        .await
        .map(|_| ())
    }

    /// Forgets those that have expired.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn forget_expired_tokens(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.execute("DELETE FROM revoked_token WHERE expires_at <= $1", &[now.into()]).await.map(|_| ())
    }
}
