//! The store, its transactions, and every place where the two engines differ.
use std::{net::IpAddr, time::Duration};

use claviger_domain::{event::Event, id::AccountId};

use crate::{
    Doorbell, StoreError, event, migrate,
    postgres::Postgres,
    sqlite::{self, Sqlite},
    value::{Row, Value, unexpected},
};

/// The database of an installation.
#[derive(Clone, Debug)]
pub struct Store {
    engine: Engine,
}

#[derive(Clone, Debug)]
enum Engine {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

/// A connection for reading. Each statement sees what was committed when it began.
#[derive(Debug)]
pub struct Reader(Connection);

/// A transaction that writes. Dropped before [`Tx::commit`], it has done nothing.
#[derive(Debug)]
pub struct Tx(Connection);

/// Proof that an event tells what this transaction does. Only [`Tx::record`] makes one, and [`Tx::commit`] asks for it.
#[derive(Debug)]
pub struct Recorded(());

#[derive(Debug)]
enum Connection {
    SqliteReader(sqlite::Pooled),
    SqliteWriter(sqlite::Writing),
    Postgres(crate::postgres::Pooled),
}

impl Store {
    /// Opens the SQLite database at `path`, made and migrated as needed. `path` must lie on a local file system.
    ///
    /// # Errors
    /// When it cannot be opened, or was made by a later version.
    pub async fn open_sqlite(path: &std::path::Path) -> Result<Self, StoreError> {
        let sqlite = Sqlite::open(path)?;
        migrate::sqlite(&sqlite).await?;
        Ok(Self { engine: Engine::Sqlite(sqlite) })
    }

    /// Connects to the PostgreSQL database at `url`, and migrates it as needed, under a lock that other nodes respect.
    ///
    /// # Errors
    /// When it cannot be reached, is behind a pooler that does not keep sessions, or was made by a later version.
    pub async fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let postgres = Postgres::connect(url)?;
        postgres.assure_sessions().await?;
        migrate::postgres(&postgres).await?;
        Ok(Self { engine: Engine::Postgres(Box::new(postgres)) })
    }

    /// Which engine this is, for logs and `doctor`.
    #[must_use]
    pub const fn engine_name(&self) -> &'static str {
        match self.engine {
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgres",
        }
    }

    /// A connection for reading.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn reader(&self) -> Result<Reader, StoreError> {
        Ok(Reader(match &self.engine {
            Engine::Sqlite(sqlite) => Connection::SqliteReader(sqlite.reader()?),
            Engine::Postgres(postgres) => Connection::Postgres(postgres.connection().await?),
        }))
    }

    /// A connection for reading what a verification waits for: an answer that takes longer than 3 seconds is none.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn prompt_reader(&self) -> Result<Reader, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => self.reader().await,
            Engine::Postgres(postgres) => Ok(Reader(Connection::Postgres(postgres.prompt_connection().await?))),
        }
    }

    /// As [`Self::prompt_reader`], for one reading of the log at a time: it queues behind no request, for those that hold a connection may wait for it.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn log_reader(&self) -> Result<Reader, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => self.reader().await,
            Engine::Postgres(postgres) => Ok(Reader(Connection::Postgres(postgres.log_connection().await?))),
        }
    }

    /// To be called last, by who serves from it: leaves one whole file behind, where the database is a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn close(&self) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.empty_log().await,
            Engine::Postgres(_) => Ok(()),
        }
    }

    /// What is found damaged in the database's file, which is read from its beginning to its end; None: nothing, or a server looks after it.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_damage(&self) -> Result<Option<String>, StoreError> {
        if self.is_shared() {
            return Ok(None);
        }
        let found = match self.reader().await?.query("PRAGMA quick_check(1)", &[]).await {
            Ok(rows) => rows.into_iter().next().ok_or_else(|| unexpected("a result"))?.text()?,
            // so damaged that it cannot even be looked through
            Err(StoreError::Unusable(found)) => found,
            Err(error) => return Err(error),
        };
        Ok((found != "ok").then_some(found))
    }

    /// Whether other nodes can be on it.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// A connection for one statement that writes what may be lost: an answer that is not there `within` this time is none. On SQLite there is none,
    /// for its only writer is not to be had without waiting.
    ///
    /// # Errors
    /// When the database is not available.
    pub(crate) async fn hasty_writer(&self, within: Duration) -> Result<Reader, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => Err(StoreError::Unusable("one node alone has no need of it".into())),
            Engine::Postgres(postgres) => Ok(Reader(Connection::Postgres(postgres.hasty_connection(within).await?))),
        }
    }

    /// Begins a transaction that will write. On SQLite it is the only one until it ends.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(Tx(match &self.engine {
            Engine::Sqlite(sqlite) => Connection::SqliteWriter(sqlite.begin().await?),
            Engine::Postgres(postgres) => Connection::Postgres(postgres.begin().await?),
        }))
    }

    /// Begins the transaction of a renewal, which does not queue behind those of requests.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn begin_renewal(&self) -> Result<Tx, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => self.begin().await,
            Engine::Postgres(postgres) => Ok(Tx(Connection::Postgres(postgres.begin_renewal().await?))),
        }
    }

    /// This machine as the database sees it; None when it sees no address.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn own_address(&self) -> Result<Option<IpAddr>, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(None),
            Engine::Postgres(_) => {
                let rows = self.reader().await?.query("SELECT host(inet_client_addr())", &[]).await?;
                let text = rows.into_iter().next().ok_or_else(|| unexpected("a connection"))?.optional_text()?;
                Ok(text.and_then(|text| text.parse().ok()))
            }
        }
    }

    /// Returns when whatever was committed before is where a COMMIT has to be: for what was found done already, since whoever did it may have
    /// been told that its outcome is unknown.
    ///
    /// # Errors
    /// As [`Tx::commit`].
    pub async fn confirm(&self) -> Result<(), StoreError> {
        match &self.engine {
            // nothing is to be seen there that is not on the disk
            Engine::Sqlite(_) => Ok(()),
            Engine::Postgres(postgres) => {
                let pooled = postgres.begin().await?;
                // a commit that writes nothing waits for nobody; standbys confirm in order
                pooled.batch("SELECT pg_logical_emit_message(true, 'claviger', 'confirm')").await?;
                pooled.commit().await
            }
        }
    }

    /// What rings when something may have changed.
    #[must_use]
    pub fn doorbell(&self) -> Doorbell {
        match &self.engine {
            Engine::Sqlite(_) => Doorbell::watching(self.clone()),
            Engine::Postgres(postgres) => Doorbell::listening(postgres.clone()),
        }
    }
}

impl Reader {
    /// Returns when the server that was read from has shown that it is the primary still, as far as that can be shown: where a COMMIT waits
    /// for a standby, one that another server has taken over from can commit nothing. Where none waits it shows nothing.
    ///
    /// # Errors
    /// When it has not, or the database is not available.
    pub async fn assure_primary(&mut self) -> Result<(), StoreError> {
        match &self.0 {
            Connection::SqliteReader(_) | Connection::SqliteWriter(_) => Ok(()),
            Connection::Postgres(pooled) => pooled.assure_primary().await,
        }
    }

    /// Which server it is on: see [`crate::revision::Position::timeline`].
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn timeline(&self) -> Result<u32, StoreError> {
        self.0.timeline()
    }

    pub(crate) async fn query(&mut self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.0.query(sql, parameters).await
    }
}

impl Tx {
    /// Which server it is on: see [`crate::revision::Position::timeline`].
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn timeline(&self) -> Result<u32, StoreError> {
        self.0.timeline()
    }

    pub(crate) async fn query(&mut self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.0.query(sql, parameters).await
    }

    /// Runs a statement that returns no rows; gives the number of rows it changed.
    pub(crate) async fn execute(&mut self, sql: &'static str, parameters: &[Value]) -> Result<u64, StoreError> {
        match &mut self.0 {
            Connection::SqliteReader(_) => Err(StoreError::Unusable("a reader cannot write".into())),
            Connection::SqliteWriter(writing) => writing.execute(sql, parameters),
            Connection::Postgres(pooled) => pooled.execute(sql, parameters).await,
        }
    }

    /// Runs statements in this order, on PostgreSQL without waiting for one's answer before the next is sent.
    async fn execute_all(&mut self, statements: &[(&'static str, &[Value])]) -> Result<(), StoreError> {
        match &mut self.0 {
            Connection::Postgres(pooled) => pooled.execute_all(statements).await,
            Connection::SqliteReader(_) | Connection::SqliteWriter(_) => {
                for (sql, parameters) in statements {
                    self.execute(sql, parameters).await?;
                }
                Ok(())
            }
        }
    }

    /// Whether other transactions write at the same time: then rows that are read to be changed must be locked.
    pub(crate) const fn has_rivals(&self) -> bool {
        matches!(self.0, Connection::Postgres(_))
    }

    /// Keeps off whoever else changes the account, or counts what it has, until the transaction ends. Who changes a credential locks that one.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn lock_account(&mut self, id: AccountId) -> Result<(), StoreError> {
        match &self.0 {
            // the only writer already
            Connection::SqliteReader(_) | Connection::SqliteWriter(_) => Ok(()),
            Connection::Postgres(_) => {
                self.query("SELECT 1::bigint FROM account WHERE id = $1 FOR UPDATE", &[id.to_string().into()]).await.map(|_| ())
            }
        }
    }

    /// Writes the event that tells what this transaction does.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn record(&mut self, event: &Event) -> Result<Recorded, StoreError> {
        self.record_all(&[], &[event]).await
    }

    /// Runs these statements, and writes the events that tell of them, of which there is at least one.
    pub(crate) async fn record_all(&mut self, statements: &[(&'static str, &[Value])], events: &[&Event]) -> Result<Recorded, StoreError> {
        if events.is_empty() {
            return Err(StoreError::Unusable("a change that no event tells of".into()));
        }
        let written = [event::as_json(events)];
        let statements: Vec<_> = statements.iter().copied().chain([(event::INSERT_ALL, written.as_slice())]).collect();
        self.execute_all(&statements).await?;
        Ok(Recorded(()))
    }

    /// Makes the changes durable: when this returns, no crash loses them. They cannot be committed without an event.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] when the outcome cannot be told.
    pub async fn commit(self, _recorded: Recorded) -> Result<(), StoreError> {
        self.finish().await
    }

    /// Commits what is no one's deed: sessions seen, answers remembered, rows past their time.
    ///
    /// # Errors
    /// As [`Tx::commit`].
    pub async fn commit_housekeeping(self) -> Result<(), StoreError> {
        self.finish().await
    }

    /// Commits what a crash may undo: an acknowledgement, and nothing else.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn commit_acknowledgement(self) -> Result<(), StoreError> {
        match self.0 {
            Connection::Postgres(pooled) => pooled.commit_loosely().await,
            connection => Self(connection).finish().await,
        }
    }

    async fn finish(self) -> Result<(), StoreError> {
        match self.0 {
            Connection::SqliteReader(_) => Err(StoreError::Unusable("a reader cannot commit".into())),
            Connection::SqliteWriter(writing) => writing.commit().await,
            Connection::Postgres(pooled) => pooled.commit().await,
        }
    }
}

impl Connection {
    async fn query(&mut self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::SqliteReader(pooled) => pooled.query(sql, parameters),
            Self::SqliteWriter(writing) => writing.query(sql, parameters),
            Self::Postgres(pooled) => pooled.query(sql, parameters).await,
        }
    }

    fn timeline(&self) -> Result<u32, StoreError> {
        match self {
            Self::SqliteReader(_) | Self::SqliteWriter(_) => Ok(0),
            Self::Postgres(pooled) => pooled.timeline(),
        }
    }
}

/// What reads, be it a reader or a transaction in the middle of writing.
pub(crate) trait Read: Send {
    fn query(&mut self, sql: &'static str, parameters: &[Value]) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// See [`crate::revision::Position::timeline`].
    fn timeline(&self) -> Result<u32, StoreError>;
}

impl Read for Reader {
    async fn query(&mut self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.0.query(sql, parameters).await
    }

    fn timeline(&self) -> Result<u32, StoreError> {
        self.0.timeline()
    }
}

impl Read for Tx {
    async fn query(&mut self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.0.query(sql, parameters).await
    }

    fn timeline(&self) -> Result<u32, StoreError> {
        self.0.timeline()
    }
}
