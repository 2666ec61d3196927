//! Credentials, their secrets, and when they were last used.
use claviger_domain::{
    access::{Access, Level},
    credential::{Credential, End, Kind, Reason, SecretView, State},
    id::{AccountId, CredentialId, SecretId},
    secret::Digest,
    time::Timestamp,
};

use crate::{
    Reader, StoreError, Tx,
    engine::Read,
    page::{Page, PageRequest},
    value::{Row, Value, unexpected},
};

/// What is stored of a secret.
#[derive(Clone)]
pub enum Material {
    /// HMAC-SHA-256 under the pepper: of a generated secret that is presented.
    Digest(Digest),
    /// The secret itself, sealed with its id as context: of one that must come back to check signatures.
    Sealed(Vec<u8>),
    /// Argon2id, as a PHC string: of a chosen password.
    Password(String),
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Digest(_) => "Digest(***)",
            Self::Sealed(_) => "Sealed(***)",
            Self::Password(_) => "Password(***)",
        })
    }
}

/// A stored secret: what verification needs of it, and what people may see.
#[derive(Clone, Debug)]
pub struct StoredSecret {
    /// What people may see.
    pub view: SecretView,
    /// What is stored.
    pub material: Material,
}

/// A credential with all that verification needs.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The credential.
    pub credential: Credential,
    /// Its secrets.
    pub secrets: Vec<StoredSecret>,
}

/// The last use of a credential that was accepted. It may be a minute old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// The address it came from.
    pub source: Option<String>,
    /// The user agent it named.
    pub user_agent: Option<String>,
    /// Method and path, without the query.
    pub route: Option<String>,
}

/// The last use of one secret that was accepted. It may be a minute old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUse {
    /// When.
    pub at: Timestamp,
    /// The address it came from.
    pub source: Option<String>,
}

/// What people may see of a secret, and when it was last used.
#[derive(Clone, Debug)]
pub struct ListedSecret {
    /// What people may see.
    pub view: SecretView,
    /// Its last use.
    pub used: Option<SecretUse>,
}

/// A credential as a list shows it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The credential.
    pub credential: Credential,
    /// Its last use.
    pub used: Option<LastUse>,
    /// The revision of its last change, when that is beyond what was asked to be safe: some node may not know of it.
    pub unsettled: Option<i64>,
}

/// Which credentials are wanted; what is absent does not restrict.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this kind.
    pub kind: Option<Kind>,
    /// In this state.
    pub state: Option<State>,
    /// Whose label, public part or description holds this text, in any case.
    pub text: Option<String>,
}

macro_rules! columns {
    () => {
        "c.id, c.account_id, c.kind, c.public_id, c.label, c.description, c.access_level, c.access_words, c.state, c.expires_at, \
         c.allowed_networks, c.created_at, c.ended_at, c.ended_by, c.end_reason, c.end_was_paused, c.refuse_replays"
    };
}
pub(crate) use columns;

/// `$safe` is the parameter that says up to which revision changes are true on every node. What was deleted after it is listed still.
macro_rules! listed {
    ($safe:literal, $join:literal, $where:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", u.used_at, u.source, u.user_agent, u.route, h.rev FROM credential c LEFT JOIN credential_use u ON u.credential_id = c.id \
             LEFT JOIN (SELECT object_id, max(rev) AS rev FROM change WHERE kind = 'credential' AND rev > ",
            $safe,
            " GROUP BY object_id) h ON h.object_id = c.public_id ",
            $join,
            " WHERE (c.state <> 'deleted' OR h.rev IS NOT NULL) AND ",
            $where
        )
    };
}

fn listed(mut row: Row) -> Result<Listed, StoreError> {
    let id = row.parsed()?;
    let credential = after_id(id, &mut row)?;
    let at = row.optional_time()?;
    let (source, user_agent, route) = (row.optional_text()?, row.optional_text()?, row.optional_text()?);
    let unsettled = row.optional_int()?;
    Ok(Listed { credential, used: at.map(|at| LastUse { at, source, user_agent, route }), unsettled })
}

pub(crate) fn credential(mut row: Row) -> Result<Credential, StoreError> {
    let id = row.parsed()?;
    after_id(id, &mut row)
}

fn after_id(id: CredentialId, row: &mut Row) -> Result<Credential, StoreError> {
    Ok(Credential {
        id,
        account_id: row.parsed()?,
        kind: row.text()?.parse().map_err(|()| unexpected("a credential kind"))?,
        public_id: row.text()?,
        label: row.text()?,
        description: row.optional_text()?,
        access: access(&row.text()?, &row.text()?)?,
        state: row.text()?.parse().map_err(|()| unexpected("a state"))?,
        expires_at: row.optional_time()?,
        allowed_networks: row
            .text()?
            .split_ascii_whitespace()
            .map(|range| range.parse().map_err(|_| unexpected("a network")))
            .collect::<Result<_, _>>()?,
        created_at: row.time()?,
        end: end(row.optional_time()?, row.optional_text()?, row.optional_text()?, row.bool()?)?,
        refuse_replays: row.bool()?,
    })
}

fn end(at: Option<Timestamp>, by: Option<String>, reason: Option<String>, was_paused: bool) -> Result<Option<End>, StoreError> {
    let reason: Option<Reason> = reason.map(|reason| reason.parse().map_err(|()| unexpected("a reason"))).transpose()?;
    Ok(at.map(|at| End { at, by: by.unwrap_or_default(), reason, was_paused }))
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

pub(crate) fn access_words(access: &Access) -> String {
    match access {
        Access::Full => String::new(),
        limited => limited.words(),
    }
}

fn networks(credential: &Credential) -> String {
    credential.allowed_networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn secret(row: &mut Row, id: SecretId) -> Result<StoredSecret, StoreError> {
    let (form, material) = (row.text()?, row.bytes()?);
    let material = match form.as_str() {
        "digest" => Material::Digest(Digest::from_stored(&material).ok_or_else(|| unexpected("a digest"))?),
        "sealed" => Material::Sealed(material),
        "argon2id" => Material::Password(String::from_utf8(material).map_err(|_| unexpected("a PHC string"))?),
        _ => return Err(unexpected("a form of secret")),
    };
    Ok(StoredSecret { view: SecretView { id, hint: row.text()?, expires_at: row.optional_time()?, created_at: row.time()? }, material })
}

fn stored(material: &Material) -> (&'static str, Value) {
    match material {
        Material::Digest(digest) => ("digest", digest.as_bytes().into()),
        Material::Sealed(sealed) => ("sealed", sealed.as_slice().into()),
        Material::Password(phc) => ("argon2id", phc.as_bytes().into()),
    }
}

async fn secrets(on: &mut impl Read, id: CredentialId) -> Result<Vec<StoredSecret>, StoreError> {
    on.query(
        "SELECT id, form, material, hint, expires_at, created_at FROM credential_secret WHERE credential_id = $1 ORDER BY id",
        &[id.to_string().into()],
    )
    .await?
    .into_iter()
    .map(|mut row| {
        let id = row.parsed()?;
        secret(&mut row, id)
    })
    .collect()
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
                concat!(
                    "SELECT r.rev, ",
                    columns!(),
                    ", s.id, s.form, s.material, s.hint, s.expires_at, s.created_at FROM revision r \
                     LEFT JOIN credential c ON c.public_id = $1 LEFT JOIN credential_secret s ON s.credential_id = c.id"
                ),
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
                loaded.secrets.push(secret(&mut row, id)?);
            }
        }
        if let Some(loaded) = &mut loaded {
            loaded.secrets.sort_by_key(|secret| secret.view.id);
        }
        Ok((loaded, revision.ok_or_else(|| unexpected("a revision"))?))
    }

    /// A listed credential of this account. One that was deleted after the revision `safe` is listed still.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_credential(&mut self, account: AccountId, id: CredentialId, safe: i64) -> Result<Option<Listed>, StoreError> {
        let parameters = [account.to_string().into(), id.to_string().into(), safe.into()];
        let rows = self.query(listed!("$3", "", "c.account_id = $1 AND c.id = $2"), &parameters).await?;
        rows.into_iter().next().map(listed).transpose()
    }

    /// The account and id of a listed credential, wherever it lives.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_credential_account(&mut self, id: CredentialId) -> Result<Option<AccountId>, StoreError> {
        let rows = self.query("SELECT account_id FROM credential WHERE id = $1", &[id.to_string().into()]).await?;
        rows.into_iter().next().map(|mut row| row.parsed()).transpose()
    }

    /// The listed credentials of an account, newest first. What was deleted after the revision `safe` is listed still.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_credentials(&mut self, account: AccountId, filter: &Filter, page: &PageRequest, safe: i64) -> Result<Page<Listed>, StoreError> {
        let mut parameters = vec![account.to_string().into()];
        parameters.extend(filtering(filter, page));
        parameters.push(safe.into());
        let rows = self
            .query(
                listed!(
                    "$7",
                    "",
                    "c.account_id = $1 AND c.id < $2 \
                     AND (CAST($3 AS TEXT) IS NULL OR c.kind = $3) AND (CAST($4 AS TEXT) IS NULL OR c.state = $4) \
                     AND (CAST($5 AS TEXT) IS NULL OR lower(c.label) LIKE $5 ESCAPE '!' OR lower(c.public_id) LIKE $5 ESCAPE '!' \
                     OR lower(c.description) LIKE $5 ESCAPE '!') ORDER BY c.id DESC LIMIT $6"
                ),
                &parameters,
            )
            .await?;
        Ok(page.page(rows.into_iter().map(listed).collect::<Result<_, _>>()?, |listed: &Listed| listed.credential.id.to_string()))
    }

    /// The listed credentials of an account and of all below it, newest first. What was deleted after the revision `safe` is listed still.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_credentials_below(
        &mut self,
        account: AccountId,
        filter: &Filter,
        page: &PageRequest,
        safe: i64,
    ) -> Result<Page<Listed>, StoreError> {
        let mut parameters = vec![account.to_string().into()];
        parameters.extend(filtering(filter, page));
        parameters.push(format!("%{account}%").into());
        parameters.push(safe.into());
        let rows = self
            .query(
                listed!(
                    "$8",
                    "JOIN account a ON a.id = c.account_id",
                    "(a.id = $1 OR a.lineage LIKE $7) AND c.id < $2 \
                     AND (CAST($3 AS TEXT) IS NULL OR c.kind = $3) AND (CAST($4 AS TEXT) IS NULL OR c.state = $4) \
                     AND (CAST($5 AS TEXT) IS NULL OR lower(c.label) LIKE $5 ESCAPE '!' OR lower(c.public_id) LIKE $5 ESCAPE '!' \
                     OR lower(c.description) LIKE $5 ESCAPE '!') ORDER BY c.id DESC LIMIT $6"
                ),
                &parameters,
            )
            .await?;
        Ok(page.page(rows.into_iter().map(listed).collect::<Result<_, _>>()?, |listed: &Listed| listed.credential.id.to_string()))
    }

    /// The listed credential of this account one of whose secrets has this digest.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_credential_by_digest(&mut self, account: AccountId, digest: &Digest, safe: i64) -> Result<Option<Listed>, StoreError> {
        let rows = self
            .query(
                listed!(
                    "$3",
                    "",
                    "c.account_id = $1 AND c.id IN (SELECT credential_id FROM credential_secret WHERE form = 'digest' AND material = $2)"
                ),
                &[account.to_string().into(), digest.as_bytes().into(), safe.into()],
            )
            .await?;
        rows.into_iter().next().map(listed).transpose()
    }

    /// What people may see of a credential's secrets, oldest first.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_secrets(&mut self, id: CredentialId) -> Result<Vec<ListedSecret>, StoreError> {
        self.query(
            "SELECT s.id, s.hint, s.expires_at, s.created_at, u.used_at, u.source FROM credential_secret s \
             LEFT JOIN secret_use u ON u.secret_id = s.id WHERE s.credential_id = $1 ORDER BY s.id",
            &[id.to_string().into()],
        )
        .await?
        .into_iter()
        .map(|mut row| {
            let view = SecretView { id: row.parsed()?, hint: row.text()?, expires_at: row.optional_time()?, created_at: row.time()? };
            let (at, source) = (row.optional_time()?, row.optional_text()?);
            Ok(ListedSecret { view, used: at.map(|at| SecretUse { at, source }) })
        })
        .collect()
    }

    /// How many active credentials an account has.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn count_credentials(&mut self, account: AccountId) -> Result<u32, StoreError> {
        count(self, account).await
    }

    /// Every fine-grained or role-bound credential that is alive: for whom a new catalogue could change something.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_limited_credentials(&mut self) -> Result<Vec<Credential>, StoreError> {
        let rows = self
            .query(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM credential c WHERE c.access_level <> 'full' AND c.state IN ('active', 'paused') ",
                    "AND c.account_id <> ",
                    crate::canary::canary_account!(),
                    " ORDER BY c.id"
                ),
                &[],
            )
            .await?;
        rows.into_iter().map(credential).collect()
    }
}

/// `$2` to `$6` of a filtered list.
fn filtering(filter: &Filter, page: &PageRequest) -> [Value; 5] {
    let pattern = filter.text.as_ref().map(|text| crate::page::holds(text));
    [page.before().into(), filter.kind.map(Kind::as_str).into(), filter.state.map(State::as_str).into(), pattern.into(), page.fetch().into()]
}

async fn count(on: &mut impl Read, account: AccountId) -> Result<u32, StoreError> {
    let rows =
        on.query("SELECT count(*) FROM credential WHERE account_id = $1 AND state IN ('active', 'paused')", &[account.to_string().into()]).await?;
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

    /// Any credential of this account, ended ones too, kept from other writers until this transaction ends.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_credential_for_update(&mut self, account: AccountId, id: CredentialId) -> Result<Option<Credential>, StoreError> {
        let sql = match self.has_rivals() {
            false => concat!("SELECT ", columns!(), " FROM credential c WHERE c.account_id = $1 AND c.id = $2"),
            true => concat!("SELECT ", columns!(), " FROM credential c WHERE c.account_id = $1 AND c.id = $2 FOR NO KEY UPDATE"),
        };
        let rows = self.query(sql, &[account.to_string().into(), id.to_string().into()]).await?;
        rows.into_iter().next().map(credential).transpose()
    }

    /// A credential's secrets, oldest first.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_secrets(&mut self, id: CredentialId) -> Result<Vec<StoredSecret>, StoreError> {
        secrets(self, id).await
    }

    /// Makes a credential with its first secret.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when another has the same public part.
    pub async fn insert_credential(&mut self, credential: &Credential, secret: &StoredSecret, created_by: &str) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO credential (id, account_id, kind, public_id, label, description, access_level, access_words, state, expires_at, \
             allowed_networks, created_at, created_by, refuse_replays) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            &[
                credential.id.to_string().into(),
                credential.account_id.to_string().into(),
                credential.kind.as_str().into(),
                credential.public_id.as_str().into(),
                credential.label.as_str().into(),
                credential.description.as_deref().into(),
                level_name(credential.access.level()).into(),
                access_words(&credential.access).into(),
                credential.state.as_str().into(),
                credential.expires_at.into(),
                networks(credential).into(),
                credential.created_at.into(),
                created_by.into(),
                credential.refuse_replays.into(),
            ],
        )
        .await?;
        self.insert_secret(credential.id, secret).await
    }

    /// Adds a secret to a credential.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn insert_secret(&mut self, credential: CredentialId, secret: &StoredSecret) -> Result<(), StoreError> {
        let (form, material) = stored(&secret.material);
        self.execute(
            "INSERT INTO credential_secret (id, credential_id, form, material, hint, expires_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[
                secret.view.id.to_string().into(),
                credential.to_string().into(),
                form.into(),
                material,
                secret.view.hint.as_str().into(),
                secret.view.expires_at.into(),
                secret.view.created_at.into(),
            ],
        )
        .await
        .map(|_| ())
    }

    /// Sets when a secret stops being accepted; None: not by itself.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn set_secret_expiry(&mut self, id: SecretId, at: Option<Timestamp>) -> Result<(), StoreError> {
        self.execute("UPDATE credential_secret SET expires_at = $2 WHERE id = $1", &[id.to_string().into(), at.into()]).await.map(|_| ())
    }

    /// Has a secret that was about to end stay, and remembers that it was kept.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn keep_secret(&mut self, id: SecretId) -> Result<(), StoreError> {
        self.execute("UPDATE credential_secret SET expires_at = NULL, kept = true WHERE id = $1", &[id.to_string().into()]).await.map(|_| ())
    }

    /// Whether a secret of this credential was kept, and nothing has come of it since: a replacement sets an end to it again.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn has_kept_secret(&mut self, id: CredentialId) -> Result<bool, StoreError> {
        let sql = "SELECT id FROM credential_secret WHERE credential_id = $1 AND kept AND expires_at IS NULL";
        Ok(!self.query(sql, &[id.to_string().into()]).await?.is_empty())
    }

    /// Forgets a secret.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn delete_secret(&mut self, id: SecretId) -> Result<(), StoreError> {
        self.execute("DELETE FROM credential_secret WHERE id = $1", &[id.to_string().into()]).await.map(|_| ())
    }

    /// Forgets all secrets of a credential.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn delete_secrets(&mut self, credential: CredentialId) -> Result<(), StoreError> {
        self.execute("DELETE FROM credential_secret WHERE credential_id = $1", &[credential.to_string().into()]).await.map(|_| ())
    }

    /// Writes all of a credential that can change: label, description, access, state, expiry, networks and how it ended.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn update_credential(&mut self, credential: &Credential) -> Result<(), StoreError> {
        let end = credential.end.as_ref();
        self.execute(
            "UPDATE credential SET label = $2, description = $3, access_level = $4, access_words = $5, state = $6, expires_at = $7, \
             allowed_networks = $8, ended_at = $9, ended_by = $10, end_reason = $11, end_was_paused = $12 WHERE id = $1",
            &[
                credential.id.to_string().into(),
                credential.label.as_str().into(),
                credential.description.as_deref().into(),
                level_name(credential.access.level()).into(),
                access_words(&credential.access).into(),
                credential.state.as_str().into(),
                credential.expires_at.into(),
                networks(credential).into(),
                end.map(|end| end.at).into(),
                end.map(|end| end.by.as_str()).into(),
                end.and_then(|end| end.reason).map(Reason::as_str).into(),
                end.is_some_and(|end| end.was_paused).into(),
            ],
        )
        .await
        .map(|_| ())
    }

    /// Notes the last use of a credential, unless a later one is noted already.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn record_use(&mut self, credential: CredentialId, last: &LastUse) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO credential_use (credential_id, used_at, source, user_agent, route) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (credential_id) DO UPDATE SET used_at = excluded.used_at, source = excluded.source, \
             user_agent = excluded.user_agent, route = excluded.route WHERE credential_use.used_at <= excluded.used_at",
            &[
                credential.to_string().into(),
                last.at.into(),
                last.source.as_deref().into(),
                last.user_agent.as_deref().into(),
                last.route.as_deref().into(),
            ],
        )
        .await
        .map(|_| ())
    }

    /// Notes the last use of a secret, unless a later one is noted already, or the secret is gone.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn record_secret_use(&mut self, secret: SecretId, last: &SecretUse) -> Result<(), StoreError> {
        macro_rules! recording {
            ($locking:literal) => {
                concat!(
                    "INSERT INTO secret_use (secret_id, used_at, source) \
                     SELECT id, CAST($2 AS BIGINT), CAST($3 AS TEXT) FROM credential_secret WHERE id = $1",
                    $locking,
                    " ON CONFLICT (secret_id) DO UPDATE SET used_at = excluded.used_at, source = excluded.source \
                     WHERE secret_use.used_at <= excluded.used_at"
                )
            };
        }
        // the secret first, as who deletes it does: whether there is a row to update is no matter then
        let sql = if self.has_rivals() { recording!(" FOR KEY SHARE") } else { recording!("") };
        self.execute(sql, &[secret.to_string().into(), last.at.into(), last.source.as_deref().into()]).await.map(|_| ())
    }
}
