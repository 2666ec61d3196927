//! Credentials and their secrets.
use claviger_domain::{
    access::{Access, Level},
    credential::{Credential, State},
    id::{AccountId, CredentialId, SecretId},
    secret::Digest,
    time::Timestamp,
};

use crate::{
    Reader, StoreError, Tx,
    page::{Page, PageRequest},
    value::{Row, unexpected},
};

/// A stored secret: its digest, and what people may see of it.
#[derive(Clone, Debug)]
pub struct StoredSecret {
    /// Its id.
    pub id: SecretId,
    /// HMAC-SHA-256 under the pepper.
    pub digest: Digest,
    /// Its last characters.
    pub hint: String,
    /// When it stops being accepted.
    pub expires_at: Option<Timestamp>,
}

/// A credential with all that verification needs.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The credential.
    pub credential: Credential,
    /// Its secrets.
    pub secrets: Vec<StoredSecret>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, account_id, kind, public_id, label, access_level, access_words, state, expires_at, allowed_networks, created_at \
             FROM credential ",
            $rest
        )
    };
}

fn credential(row: &mut Row) -> Result<Credential, StoreError> {
    let id = row.parsed()?;
    after_id(id, row)
}

fn after_id(id: CredentialId, row: &mut Row) -> Result<Credential, StoreError> {
    Ok(Credential {
        id,
        account_id: row.parsed()?,
        kind: row.text()?.parse().map_err(|()| unexpected("a credential kind"))?,
        public_id: row.text()?,
        label: row.text()?,
        access: access(&row.text()?, &row.text()?)?,
        state: row.text()?.parse().map_err(|()| unexpected("a state"))?,
        expires_at: row.optional_time()?,
        allowed_networks: row
            .text()?
            .split_ascii_whitespace()
            .map(|range| range.parse().map_err(|_| unexpected("a network")))
            .collect::<Result<_, _>>()?,
        created_at: row.time()?,
    })
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Full => "full",
        Level::FineGrained => "fine_grained",
        Level::Roles => "roles",
    }
}

fn access(level: &str, words: &str) -> Result<Access, StoreError> {
    match level {
        "full" => Ok(Access::Full),
        "fine_grained" => {
            let scopes = words.split_ascii_whitespace().map(|scope| scope.parse().map_err(|_| unexpected("a scope"))).collect::<Result<_, _>>()?;
            Access::fine_grained(scopes).map_err(|_| unexpected("at least one scope"))
        }
        "roles" => Ok(Access::Roles(words.split_ascii_whitespace().map(str::to_owned).collect())),
        _ => Err(unexpected("a level of access")),
    }
}

impl Reader {
    /// The credential with this public part, with its secrets, and the revision at which it was so: one statement, so that a cache can
    /// tell whether it is current.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn load_credential(&mut self, public_id: &str) -> Result<(Option<Loaded>, i64), StoreError> {
        let rows = self
            .query(
                "SELECT r.rev, c.id, c.account_id, c.kind, c.public_id, c.label, c.access_level, c.access_words, c.state, c.expires_at, \
                 c.allowed_networks, c.created_at, s.id, s.digest, s.hint, s.expires_at \
                 FROM revision r LEFT JOIN credential c ON c.public_id = $1 LEFT JOIN credential_secret s ON s.credential_id = c.id \
                 ORDER BY s.id",
                &[public_id.into()],
            )
            .await?;
        let (mut loaded, mut revision): (Option<Loaded>, _) = (None, None);
        for mut row in rows {
            revision = Some(row.int()?);
            let Some(id) = row.optional_parsed()? else { continue };
            let credential = after_id(id, &mut row)?;
            let loaded = loaded.get_or_insert_with(|| Loaded { credential, secrets: Vec::with_capacity(1) });
            if let Some(id) = row.optional_parsed()? {
                let digest = Digest::from_stored(&row.bytes()?).ok_or_else(|| unexpected("a digest"))?;
                loaded.secrets.push(StoredSecret { id, digest, hint: row.text()?, expires_at: row.optional_time()? });
            }
        }
        Ok((loaded, revision.ok_or_else(|| unexpected("a revision"))?))
    }

    /// A listed credential of this account.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_credential(&mut self, account: AccountId, id: CredentialId) -> Result<Option<Credential>, StoreError> {
        let rows = self
            .query(select!("WHERE account_id = $1 AND id = $2 AND state <> 'deleted'"), &[account.to_string().into(), id.to_string().into()])
            .await?;
        rows.into_iter().next().map(|mut row| credential(&mut row)).transpose()
    }

    /// The listed credentials of an account, newest first.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_credentials(&mut self, account: AccountId, page: &PageRequest) -> Result<Page<Credential>, StoreError> {
        let rows = self
            .query(
                select!("WHERE account_id = $1 AND state = 'active' AND id < $2 ORDER BY id DESC LIMIT $3"),
                &[account.to_string().into(), page.before().into(), page.fetch().into()],
            )
            .await?;
        let credentials = rows.into_iter().map(|mut row| credential(&mut row)).collect::<Result<_, _>>()?;
        Ok(page.page(credentials, |credential: &Credential| credential.id.to_string()))
    }

    /// How many active credentials an account has.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn count_credentials(&mut self, account: AccountId) -> Result<u32, StoreError> {
        count(self, account).await
    }
}

async fn count(on: &mut impl crate::engine::Read, account: AccountId) -> Result<u32, StoreError> {
    let rows = on.query("SELECT count(*) FROM credential WHERE account_id = $1 AND state = 'active'", &[account.to_string().into()]).await?;
    let count = rows.into_iter().next().map_or(Ok(0), |mut row| row.int())?;
    u32::try_from(count).map_err(|_| unexpected("a count"))
}

impl Tx {
    /// How many active credentials an account has. A limit is right only under [`Tx::lock_account`].
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn count_credentials(&mut self, account: AccountId) -> Result<u32, StoreError> {
        count(self, account).await
    }

    /// Any credential of this account, ended ones too.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_credential_ever(&mut self, account: AccountId, id: CredentialId) -> Result<Option<Credential>, StoreError> {
        let rows = self.query(select!("WHERE account_id = $1 AND id = $2"), &[account.to_string().into(), id.to_string().into()]).await?;
        rows.into_iter().next().map(|mut row| credential(&mut row)).transpose()
    }

    /// Makes a credential with its first secret.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when another has the same public part.
    pub async fn insert_credential(&mut self, credential: &Credential, secret: &StoredSecret, created_by: &str) -> Result<(), StoreError> {
        let networks: Vec<String> = credential.allowed_networks.iter().map(ToString::to_string).collect();
        let words = match &credential.access {
            Access::Full => String::new(),
            limited => limited.words(),
        };
        self.execute(
            "INSERT INTO credential (id, account_id, kind, public_id, label, access_level, access_words, state, expires_at, \
             allowed_networks, created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            &[
                credential.id.to_string().into(),
                credential.account_id.to_string().into(),
                credential.kind.as_str().into(),
                credential.public_id.as_str().into(),
                credential.label.as_str().into(),
                level_name(credential.access.level()).into(),
                words.into(),
                credential.state.as_str().into(),
                credential.expires_at.into(),
                networks.join(" ").into(),
                credential.created_at.into(),
                created_by.into(),
            ],
        )
        .await?;
        self.execute(
            "INSERT INTO credential_secret (id, credential_id, digest, hint, expires_at, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
            &[
                secret.id.to_string().into(),
                credential.id.to_string().into(),
                secret.digest.as_bytes().into(),
                secret.hint.as_str().into(),
                secret.expires_at.into(),
                credential.created_at.into(),
            ],
        )
        .await
        .map(|_| ())
    }

    /// Ends a credential for good and forgets its secrets. The row stays, for the audit trail.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn end_credential(&mut self, id: CredentialId, as_state: State, at: Timestamp, by: &str) -> Result<(), StoreError> {
        self.execute(
            "UPDATE credential SET state = $2, ended_at = $3, ended_by = $4 WHERE id = $1",
            &[id.to_string().into(), as_state.as_str().into(), at.into(), by.into()],
        )
        .await?;
        self.execute("DELETE FROM credential_secret WHERE credential_id = $1", &[id.to_string().into()]).await.map(|_| ())
    }
}
