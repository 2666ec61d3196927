//! Migrations: onto an empty database, onto one full of rows, and never onto one that is not ours.
use claviger_store::StoreError;
use sha2::Digest as _;

use super::*;

/// The first migration, as every database in the field was made with it.
const FIRST: (&str, &str) =
    (include_str!("../../migrations/sqlite/0001_foundation.sql"), include_str!("../../migrations/postgres/0001_foundation.sql"));

/// A row of every table, so that whatever a later migration does to a table, it does to a row.
const ROWS: &str = "
    INSERT INTO installation VALUES (1, $bytes, 1);
    INSERT INTO account VALUES ('a', 'partner', 'Acme', 'ext', 'active', $true, NULL, '', 1);
    INSERT INTO account VALUES ('b', 'corporate', 'Acme Sub', NULL, 'suspended', $false, 'a', 'a', 2);
    INSERT INTO member VALUES ('a', 'ann@example.com', 'Ann@example.com', NULL, 'onboarding_agent', 1);
    INSERT INTO member_client VALUES ('a', 'ann@example.com', 'b');
    INSERT INTO credential VALUES ('c', 'a', 'client', 'clv_client_1', 'dev@example.com', 'full', '', 'active', NULL, '', 1, 'operator:x', NULL, NULL);
    INSERT INTO credential VALUES ('d', 'a', 'client', 'clv_client_2', 'dev@example.com', 'full', '', 'deleted', 9, '10.0.0.0/8', 1, 'operator:x', 2, 'operator:y');
    INSERT INTO credential_secret VALUES ('s', 'c', $bytes, 'x', NULL, 1);
    INSERT INTO operator_key VALUES ('k', 'clv_operator_1', 'ci', $bytes, 'x', 1, NULL);
    INSERT INTO sign_in_link VALUES ($bytes, 'a', 'ann@example.com', 5);
    INSERT INTO session VALUES ($bytes, 'a', 'ann@example.com', 1, 2);
    INSERT INTO idempotency VALUES ($bytes, $bytes, $bytes, 5);
    INSERT INTO event VALUES ('e', 1, 'a', 'operator:x', 'account.created', 'Acme', '{}', 'r', NULL);
";

const TABLES: [&str; 13] = [
    "installation",
    "account",
    "member",
    "member_client",
    "credential",
    "credential_secret",
    "operator_key",
    "sign_in_link",
    "session",
    "idempotency",
    "event",
    "revision",
    "change",
];

/// Tables that later migrations made.
const LATER_TABLES: [&str; 8] = ["credential_use", "catalogue", "api_request", "secret_use", "cluster", "lease", "revoked_token", "rate_bucket"];

impl Place {
    fn first_migration(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => FIRST.0,
            Self::Postgres(_) => FIRST.1,
        }
    }

    /// A database as the first version left it, with rows.
    async fn make_as_of_the_first_version(&self) {
        let fingerprint = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(self.first_migration()));
        let (integer, bytes, yes, no) = match self {
            Self::Sqlite(_) => ("INTEGER", "x'00'", "1", "0"),
            Self::Postgres(_) => ("BIGINT", "'\\x00'::bytea", "true", "false"),
        };
        self.batch(&format!("CREATE TABLE migration (version {integer} PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL)")).await;
        self.batch(self.first_migration()).await;
        self.batch(&format!("INSERT INTO migration VALUES (1, '0001_foundation', '{fingerprint}')")).await;
        self.batch(&ROWS.replace("$bytes", bytes).replace("$true", yes).replace("$false", no)).await;
    }

    async fn counts(&self) -> Vec<(&'static str, i64)> {
        let mut counts = Vec::new();
        for table in TABLES {
            counts.push((table, self.number(&format!("SELECT count(*) FROM {table}")).await));
        }
        counts
    }
}

on_both_engines! {
    async fn an_empty_database_is_migrated_and_opens_again_unchanged(place) {
        drop(place.open().await);
        let applied = place.rows("SELECT version, name, sha256 FROM migration ORDER BY version").await;
        assert!(applied[0].starts_with("1|0001_foundation|"), "{applied:?}");
        drop(place.open().await);
        assert_eq!(place.rows("SELECT version, name, sha256 FROM migration ORDER BY version").await, applied);
    }

    async fn a_database_full_of_rows_is_migrated_and_keeps_them(place) {
        place.make_as_of_the_first_version().await;
        let before = place.counts().await;
        assert!(before.iter().all(|(_, rows)| *rows > 0), "the harness must fill every table: {before:?}");
        let store = place.open().await;
        // this is where a migration that drops or doubles rows shows itself
        assert_eq!(place.counts().await, before);
        let mut reader = store.reader().await.expect("a reader");
        let loaded = reader.load_credential("clv_client_2").await;
        // rows of the first version were written by hand here: their ids are no UUIDs, and that is said rather than guessed around
        assert!(matches!(loaded, Err(StoreError::Unusable(_))), "{loaded:?}");
        let position = reader.position().await.expect("a position");
        assert_eq!(position.rev, place.number("SELECT max(rev) FROM change").await);
        assert_eq!(place.rows("SELECT form FROM credential_secret").await, ["digest"]);
        assert_eq!(place.number("SELECT count(*) FROM session WHERE source IS NULL AND browser IS NULL").await, 1, "nobody knows");
    }

    async fn every_table_of_the_schema_is_known_to_these_tests(place) {
        drop(place.open().await);
        let sql = match &place {
            Place::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
            Place::Postgres(_) => "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename",
        };
        let mut known: Vec<&str> = TABLES.into_iter().chain(LATER_TABLES).chain(["migration"]).collect();
        known.sort_unstable();
        assert_eq!(place.rows(sql).await, known);
    }

    async fn a_migration_whose_text_changed_is_refused(place) {
        drop(place.open().await);
        place.batch("UPDATE migration SET sha256 = 'drifted' WHERE version = 1").await;
        let error = place.try_open().await.expect_err("drift");
        assert!(matches!(&error, StoreError::Unusable(text) if text.contains("0001_foundation")), "{error}");
    }

    async fn a_database_of_a_later_version_is_refused_and_left_alone(place) {
        drop(place.open().await);
        place.batch("INSERT INTO migration VALUES (999, '0999_later', 'x')").await;
        let error = place.try_open().await.expect_err("later");
        assert!(matches!(&error, StoreError::Unusable(text) if text.contains("999")), "{error}");
        assert_eq!(place.number("SELECT count(*) FROM migration WHERE version = 999").await, 1);
    }

    async fn several_nodes_opening_one_new_database_at_once_migrate_it_once(place) {
        let place = std::sync::Arc::new(place);
        let all: Vec<_> = (0..4).map(|_| { let place = place.clone(); tokio::spawn(async move { place.try_open().await.map(drop) }) }).collect();
        for one in all {
            one.await.expect("no panic").expect("opened");
        }
        assert_eq!(place.number("SELECT count(*) FROM migration WHERE version = 1").await, 1);
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("claviger.db");
    let text = "this is somebody's letter, and not a database\n".repeat(100);
    std::fs::write(&path, &text).expect("written");
    assert!(Store::open_sqlite(&path).await.is_err());
    assert_eq!(std::fs::read_to_string(&path).expect("there"), text);
}

#[tokio::test]
async fn an_unreachable_postgres_is_unavailable_and_not_unusable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let error = Store::open_postgres(&format!("postgres://nobody:secret-word@127.0.0.1:{port}/none")).await.expect_err("nobody listens");
    assert!(error.is_retryable(), "{error}");
    assert!(!error.to_string().contains("secret-word"), "{error}");
}
