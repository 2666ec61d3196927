//! The embedded engine: one writer, a few readers, statements run where they are called; only COMMIT, which waits for the disk, leaves the thread.
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig, types::ValueRef};
use tokio::sync::OwnedMutexGuard;

use crate::{
    StoreError,
    value::{Row, Value},
};

#[derive(Clone, Debug)]
pub(crate) struct Sqlite {
    path: Arc<PathBuf>,
    writer: Arc<tokio::sync::Mutex<Connection>>,
    idle_readers: Arc<Mutex<Vec<Connection>>>,
}

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let writer = Connection::open_with_flags(path, flags).map_err(|error| failed(&error))?;
        prepare(&writer)?;
        // FULL: a commit is on the disk when it returns (WAL with NORMAL may lose the last ones at power loss)
        // a damaged page is found before it is written to; for readers that would cost a third of a read
        let writing = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON;";
        writer.execute_batch(writing).map_err(|error| failed(&error))?;
        Ok(Self { path: Arc::new(path.to_owned()), writer: Arc::new(tokio::sync::Mutex::new(writer)), idle_readers: Arc::default() })
    }

    pub(crate) fn reader(&self) -> Result<Pooled, StoreError> {
        let idle = self.idle_readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(&*self.path, flags).map_err(|error| failed(&error))?;
                prepare(&connection)?;
                connection
            }
        };
        Ok(Pooled { connection: Some(connection), idle: self.idle_readers.clone() })
    }

    pub(crate) async fn begin(&self) -> Result<Writing, StoreError> {
        let guard = self.writer.clone().lock_owned().await;
        // another process may be writing: then this waits, so not on a thread that serves
        off_thread(move || {
            // IMMEDIATE: a transaction that reads first and then writes could not wait, it would fail at once
            guard.execute_batch("BEGIN IMMEDIATE").map_err(|error| failed(&error))?;
            Ok(Writing(Some(guard)))
        })
        .await
    }

    /// Moves what the log has into the database's own file, and empties the log: that file alone is all of it then, until the next write.
    pub(crate) async fn empty_log(&self) -> Result<(), StoreError> {
        let guard = self.writer.clone().lock_owned().await;
        let is_busy =
            off_thread(move || guard.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).map_err(|error| failed(&error)));
        if is_busy.await? == 0 { Ok(()) } else { Err(StoreError::Unavailable("another process reads it".into())) }
    }
}

fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::from_secs(5)).map_err(|error| failed(&error))?;
    connection.set_prepared_statement_cache_capacity(128);
    // else a statement is planned anew for each value bound to it, which costs five times what it does
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(|error| failed(&error))?;
    connection.execute_batch("PRAGMA trusted_schema = OFF;").map_err(|error| failed(&error))
}

/// A reader on loan from the pool.
#[derive(Debug)]
pub(crate) struct Pooled {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Pooled {
    pub(crate) fn query(&self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.connection.as_ref().map_or_else(|| Err(gone()), |connection| query(connection, sql, parameters))
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}

/// The writer, in the middle of a transaction.
#[derive(Debug)]
pub(crate) struct Writing(Option<OwnedMutexGuard<Connection>>);

impl Writing {
    pub(crate) fn query(&self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.0.as_ref().map_or_else(|| Err(gone()), |connection| query(connection, sql, parameters))
    }

    pub(crate) fn execute(&self, sql: &'static str, parameters: &[Value]) -> Result<u64, StoreError> {
        let connection = self.0.as_ref().ok_or_else(gone)?;
        let mut statement = connection.prepare_cached(sql).map_err(|error| failed(&error))?;
        bind(&mut statement, parameters)?;
        statement.raw_execute().map(|rows| rows as u64).map_err(|error| failed(&error))
    }

    pub(crate) fn execute_batch(&self, sql: &str) -> Result<(), StoreError> {
        self.0.as_ref().ok_or_else(gone)?.execute_batch(sql).map_err(|error| failed(&error))
    }

    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        let guard = self.0.take().ok_or_else(gone)?;
        off_thread(move || {
            guard.execute_batch("COMMIT").map_err(|error| {
                // a COMMIT that fails (disk full) leaves the transaction open: end it, so that the next one can begin
                let _ = guard.execute_batch("ROLLBACK");
                failed(&error)
            })
        })
        .await
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(guard) = self.0.take()
            && let Err(error) = guard.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::Unknown(error.to_string()))?
}

fn query(connection: &Connection, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(|error| failed(&error))?;
    bind(&mut statement, parameters)?;
    let width = statement.column_count();
    let mut found = Vec::new();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(|error| failed(&error))? {
        let mut values = Vec::with_capacity(width);
        for column in 0..width {
            values.push(match row.get_ref(column).map_err(|error| failed(&error))? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(int) => Value::Int(int),
                ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).map_err(|_| crate::value::unexpected("UTF-8"))?),
                ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
                ValueRef::Real(_) => return Err(crate::value::unexpected("a portable type")),
            });
        }
        found.push(Row::new(values));
    }
    Ok(found)
}

/// `$1` is a *named* parameter to SQLite, numbered by first appearance: so bound by name, and one SQL text serves both engines.
fn bind(statement: &mut rusqlite::CachedStatement<'_>, parameters: &[Value]) -> Result<(), StoreError> {
    const NAMES: [&str; 20] =
        ["$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$16", "$17", "$18", "$19", "$20"];
    for (name, value) in NAMES.iter().zip(parameters) {
        let Some(index) = statement.parameter_index(name).map_err(|error| failed(&error))? else { continue };
        let bound = match value {
            Value::Null => statement.raw_bind_parameter(index, rusqlite::types::Null),
            Value::Text(text) => statement.raw_bind_parameter(index, text),
            Value::Bytes(bytes) => statement.raw_bind_parameter(index, bytes),
            Value::Int(int) => statement.raw_bind_parameter(index, int),
            Value::Bool(value) => statement.raw_bind_parameter(index, value),
        };
        bound.map_err(|error| failed(&error))?;
    }
    Ok(())
}

fn gone() -> StoreError {
    StoreError::Unusable("the connection was already given back".into())
}

fn failed(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        // only these two are a value that exists already; a missing parent or a NULL is our own mistake, as it is on PostgreSQL
        Some(ErrorCode::ConstraintViolation)
            if matches!(
                error.sqlite_error().map(|error| error.extended_code),
                Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
            ) =>
        {
            StoreError::Duplicate
        }
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SystemIoFailure
            | ErrorCode::DiskFull
            | ErrorCode::OutOfMemory
            | ErrorCode::CannotOpen
            | ErrorCode::FileLockingProtocolFailed,
        ) => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Unusable(error.to_string()),
    }
}
