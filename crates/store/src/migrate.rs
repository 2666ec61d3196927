//! Migrations: numbered, forward only, one transaction for all that are missing, the text of each remembered so that drift is refused.
use sha2::{Digest as _, Sha256};

use crate::{
    StoreError,
    postgres::Postgres,
    sqlite::Sqlite,
    value::{Row, Value},
};

struct Migration {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal),* $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../migrations/postgres/", $name, ".sql")),
        }),*]
    };
}

const MIGRATIONS: &[Migration] = migrations![
    1 "0001_foundation", 2 "0002_life_cycle", 3 "0003_requests_and_uses", 4 "0004_lease", 5 "0005_revoked_token", 6 "0006_safe_revision",
    7 "0007_rate_bucket", 8 "0008_end_was_paused", 9 "0009_agreement", 10 "0010_session_origin",
];

/// The newest migration that this version knows. One whose name ends in `_alone` says that no node may run that does not know it: those that
/// do fall silent, see `lease.rs`. Beside all others an older node goes on.
pub(crate) const KNOWN: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

const APPLIED: &str = "SELECT version, sha256 FROM migration ORDER BY version";
const REMEMBER: &str = "INSERT INTO migration (version, name, sha256) VALUES ($1, $2, $3)";

pub(crate) async fn sqlite(sqlite: &Sqlite) -> Result<(), StoreError> {
    let tx = sqlite.begin().await?;
    tx.execute_batch("CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL) STRICT")?;
    for migration in missing(tx.query(APPLIED, &[])?, |migration| migration.sqlite)? {
        tx.execute_batch(migration.sqlite)?;
        tx.execute(REMEMBER, &remembered(migration, migration.sqlite))?;
    }
    tx.commit().await
}

pub(crate) async fn postgres(postgres: &Postgres) -> Result<(), StoreError> {
    let tx = postgres.begin_migration().await?;
    tx.batch("CREATE TABLE IF NOT EXISTS migration (version BIGINT PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL)").await?;
    for migration in missing(tx.query(APPLIED, &[]).await?, |migration| migration.postgres)? {
        tx.batch(migration.postgres).await?;
        tx.execute(REMEMBER, &remembered(migration, migration.postgres)).await?;
    }
    tx.commit().await
}

fn missing(applied: Vec<Row>, text: impl Fn(&Migration) -> &'static str) -> Result<impl Iterator<Item = &'static Migration>, StoreError> {
    let count = applied.len();
    for (at, mut row) in applied.into_iter().enumerate() {
        let (version, sha256) = (row.int()?, row.text()?);
        let Some(migration) = MIGRATIONS.get(at).filter(|migration| migration.version == version) else {
            return Err(StoreError::Unusable(format!(
                "it was migrated to version {version} by a later Claviger; this one knows {}",
                MIGRATIONS.last().map_or(0, |migration| migration.version)
            )));
        };
        if sha256 != fingerprint(text(migration)) {
            return Err(StoreError::Unusable(format!("migration {} is not the one this database was made with", migration.name)));
        }
    }
    Ok(MIGRATIONS.iter().skip(count))
}

fn remembered(migration: &Migration, text: &str) -> [Value; 3] {
    [migration.version.into(), migration.name.into(), fingerprint(text).into()]
}

fn fingerprint(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}
