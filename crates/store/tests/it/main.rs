//! The store's tests: each on both engines, on an empty database of its own. A missing PostgreSQL fails, it is never skipped.
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_domain::{
    access::Access,
    account::{Account, Lineage, Status},
    chance::Chance,
    credential::{Credential, Kind, SecretView, State},
    event::{Action, Event},
    id::{AccountId, CredentialId, EventId, SecretId},
    secret::Digest,
    time::Timestamp,
};
use claviger_store::{
    Recorded, Store, StoreError, Tx,
    credential::{Material, StoredSecret},
    member::Member,
    session::{Origin, Person},
};
use claviger_testkit::postgres::{Cluster, Database};

mod ending;
mod failover;
mod lease;
mod migrations;
mod paging;
mod rate;
mod revision;
mod tls;
mod transactions;

/// The same test once on each engine, as `name::sqlite` and `name::postgres`.
macro_rules! on_both_engines {
    ($(async fn $name:ident($place:ident) $body:block)*) => {$(
        async fn $name($place: crate::Place) $body

        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name(crate::Place::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$name(crate::Place::postgres()).await;
            }
        }
    )*};
}
pub(crate) use on_both_engines;

/// Where a database is: empty to begin with, and gone when dropped.
pub(crate) enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(Database),
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn postgres() -> Self {
        Self::Postgres(Cluster::shared().fresh_database())
    }

    pub(crate) async fn try_open(&self) -> Result<Store, StoreError> {
        match self {
            Self::Sqlite(folder) => Store::open_sqlite(&folder.path().join("claviger.db")).await,
            Self::Postgres(database) => Store::open_postgres(database.url()).await,
        }
    }

    pub(crate) async fn open(&self) -> Store {
        self.try_open().await.expect("the database opens")
    }

    /// Runs statements past the store, as an administrator with `sqlite3` or `psql` would.
    pub(crate) async fn try_batch(&self, sql: &str) -> Result<(), String> {
        match self {
            Self::Sqlite(_) => self.beside().execute_batch(sql).map_err(|error| error.to_string()),
            Self::Postgres(_) => {
                self.psql().await.batch_execute(sql).await.map_err(|error| error.as_db_error().map_or(String::new(), |error| error.message().into()))
            }
        }
    }

    pub(crate) async fn batch(&self, sql: &str) {
        self.try_batch(sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    /// The rows of a query as text, columns joined by `|`.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        match self {
            Self::Sqlite(_) => {
                let connection = self.beside();
                let mut statement = connection.prepare(sql).expect("SQL");
                let width = statement.column_count();
                let text = |row: &rusqlite::Row<'_>| {
                    let column = |at| match row.get_ref(at).expect("a column") {
                        rusqlite::types::ValueRef::Integer(int) => int.to_string(),
                        rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                        rusqlite::types::ValueRef::Null => "NULL".into(),
                        other => format!("{other:?}"),
                    };
                    Ok((0..width).map(column).collect::<Vec<_>>().join("|"))
                };
                statement.query_map([], text).expect("SQL").map(|row| row.expect("a row")).collect()
            }
            Self::Postgres(_) => {
                let found = self.psql().await.simple_query(sql).await.expect("SQL");
                let mut rows = Vec::new();
                for message in found {
                    if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                        rows.push((0..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect::<Vec<_>>().join("|"));
                    }
                }
                rows
            }
        }
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.rows(sql).await[0].parse().expect("a number")
    }

    fn beside(&self) -> rusqlite::Connection {
        let Self::Sqlite(folder) = self else { panic!("not SQLite") };
        let connection = rusqlite::Connection::open(folder.path().join("claviger.db")).expect("it opens");
        connection.busy_timeout(std::time::Duration::from_secs(10)).expect("set");
        connection.execute_batch("PRAGMA foreign_keys = ON").expect("set");
        connection
    }

    async fn psql(&self) -> tokio_postgres::Client {
        let Self::Postgres(database) = self else { panic!("not PostgreSQL") };
        let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.expect("it is up");
        tokio::spawn(connection);
        client
    }
}

/// Chance without chance: every draw is another.
#[derive(Debug)]
pub(crate) struct Counting;

impl Chance for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        static DRAWS: AtomicU64 = AtomicU64::new(1);
        for chunk in bytes.chunks_mut(8) {
            let mixed = DRAWS.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chunk.copy_from_slice(&mixed.to_be_bytes()[..chunk.len()]);
        }
    }
}

/// The moment at which all of this happens, and moments after it.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((1_795_000_000 + seconds) * 1_000_000)
}

pub(crate) fn digest(text: &str) -> Digest {
    let mut bytes = [0; 32];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    Digest::from(bytes)
}

pub(crate) fn account(name: &str) -> Account {
    Account {
        id: AccountId::new(at(0), &Counting),
        kind: "corporate".into(),
        name: name.into(),
        external_id: None,
        status: Status::Active,
        api_access: true,
        lineage: Lineage::default(),
        created_at: at(0),
    }
}

pub(crate) fn credential(account: AccountId, public_id: &str) -> (Credential, StoredSecret) {
    let credential = Credential {
        id: CredentialId::new(at(0), &Counting),
        account_id: account,
        kind: Kind::Client,
        description: None,
        refuse_replays: false,
        end: None,
        public_id: public_id.into(),
        label: "dev@example.com".into(),
        access: Access::Full,
        state: State::Active,
        expires_at: None,
        allowed_networks: Vec::new(),
        created_at: at(0),
    };
    let view = SecretView { id: SecretId::new(at(0), &Counting), hint: "…abcd".into(), created_at: at(0), expires_at: None };
    let secret = StoredSecret { view, material: Material::Digest(digest(public_id)) };
    (credential, secret)
}

pub(crate) fn member(account: AccountId, email: &str, role: &str) -> Member {
    Member { account_id: account, folded: email.to_lowercase(), email: email.into(), name: None, role: role.into(), created_at: at(0) }
}

pub(crate) fn person(account: Option<AccountId>, name: &str) -> Person {
    Person { account_id: account, name: name.into() }
}

pub(crate) fn event(account: Option<AccountId>) -> Event {
    Event {
        id: EventId::new(at(0), &Counting),
        at: at(0),
        account,
        actor: "operator:test".into(),
        action: Action::AccountUpdated,
        target: "Acme".into(),
        detail: serde_json::json!({}),
        request_id: "test".into(),
        source: None,
    }
}

pub(crate) async fn recorded(tx: &mut Tx, account: Option<AccountId>) -> Recorded {
    tx.record(&event(account)).await.expect("recorded")
}

/// An account in a transaction of its own.
pub(crate) async fn make_account(store: &Store, name: &str) -> Account {
    let made = account(name);
    let mut tx = store.begin().await.expect("begun");
    tx.insert_account(&made).await.expect("inserted");
    let done = recorded(&mut tx, Some(made.id)).await;
    tx.commit(done).await.expect("committed");
    made
}

/// A credential in a transaction of its own.
pub(crate) async fn make_credential(store: &Store, account: AccountId, public_id: &str) -> Credential {
    let (made, secret) = credential(account, public_id);
    let mut tx = store.begin().await.expect("begun");
    tx.insert_credential(&made, &secret, "operator:test").await.expect("inserted");
    let done = recorded(&mut tx, Some(account)).await;
    tx.commit(done).await.expect("committed");
    made
}
