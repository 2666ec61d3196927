//! The engine for many nodes: a pool of connections to one primary.
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio_postgres::{
    NoTls,
    error::SqlState,
    types::{IsNull, ToSql, Type, private::BytesMut},
};

use crate::{
    StoreError,
    value::{Row, Value},
};

/// Held, as an advisory lock, by whoever migrates.
const MIGRATING: i64 = 0x636c_6176_6d69_6772;
/// Held, as an advisory lock, by the one process that serves.
const SERVING: i64 = 0x636c_6176_7365_7276;

#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    pool: Pool,
}

impl Postgres {
    pub(crate) fn connect(url: &str) -> Result<Self, StoreError> {
        let mut config: tokio_postgres::Config = url.parse().map_err(|_| StoreError::Unusable("the database URL cannot be read".into()))?;
        if config.get_application_name().is_none() {
            config.application_name("claviger");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        // a statement that hangs must not hold an account's lock for ever
        let options = format!(
            "{} -c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s",
            config.get_options().unwrap_or_default()
        );
        config.options(options.trim());
        let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let wait = Some(Duration::from_secs(5));
        let pool = Pool::builder(manager)
            .max_size(16)
            .timeouts(Timeouts { wait, create: wait, recycle: wait })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Unusable(error.to_string()))?;
        Ok(Self { pool })
    }

    pub(crate) async fn connection(&self) -> Result<Pooled, StoreError> {
        let object = self.pool.get().await.map_err(|error| StoreError::Unavailable(with_causes(&error)))?;
        Ok(Pooled { object: Some(object), open: false })
    }

    pub(crate) async fn begin(&self) -> Result<Pooled, StoreError> {
        let mut pooled = self.connection().await?;
        pooled.open = true;
        pooled.batch("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        Ok(pooled)
    }

    /// A transaction in which no other node migrates.
    pub(crate) async fn begin_migration(&self) -> Result<Pooled, StoreError> {
        let pooled = self.begin().await?;
        pooled.batch("SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0").await?;
        pooled.query("SELECT 1::bigint FROM pg_advisory_xact_lock($1)", &[Value::Int(MIGRATING)]).await?;
        Ok(pooled)
    }

    pub(crate) async fn claim_serving(&self) -> Result<Option<Pooled>, StoreError> {
        let mut pooled = self.connection().await?;
        let rows = pooled.query("SELECT pg_try_advisory_lock($1)", &[Value::Int(SERVING)]).await?;
        let held = rows.into_iter().next().map(|mut row| row.bool()).transpose()?.unwrap_or(false);
        // `open`: such a connection must never go back to the pool
        pooled.open = held;
        Ok(held.then_some(pooled))
    }
}

/// A connection on loan from the pool.
#[derive(Debug)]
pub(crate) struct Pooled {
    object: Option<Object>,
    /// Whether a transaction is open, or a lock held: then the connection is closed instead of given back.
    open: bool,
}

impl Pooled {
    pub(crate) async fn query(&self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        let object = self.object()?;
        let statement = object.prepare_cached(sql).await.map_err(|error| failed(&error))?;
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().take(statement.params().len()).map(|value| value as _).collect();
        let rows = object.query(&statement, &parameters).await.map_err(|error| failed(&error))?;
        rows.iter().map(read).collect()
    }

    pub(crate) async fn execute(&self, sql: &'static str, parameters: &[Value]) -> Result<u64, StoreError> {
        let object = self.object()?;
        let statement = object.prepare_cached(sql).await.map_err(|error| failed(&error))?;
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().take(statement.params().len()).map(|value| value as _).collect();
        object.execute(&statement, &parameters).await.map_err(|error| failed(&error))
    }

    pub(crate) async fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.object()?.batch_execute(sql).await.map_err(|error| failed(&error))
    }

    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        self.batch("COMMIT").await.map_err(|error| match error {
            StoreError::Unavailable(why) => StoreError::Unknown(why),
            other => other,
        })?;
        self.open = false;
        Ok(())
    }

    fn object(&self) -> Result<&Object, StoreError> {
        self.object.as_ref().ok_or_else(|| StoreError::Unusable("the connection was already given back".into()))
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(object) = self.object.take()
            && self.open
        {
            // closing it rolls back whatever was open
            drop(Object::take(object));
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
            Self::Int(int) => int.to_sql(ty, out),
            Self::Bool(value) => value.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::TEXT, Type::BYTEA, Type::INT8, Type::BOOL].contains(ty)
    }

    tokio_postgres::types::to_sql_checked!();
}

fn read(row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let mut values = Vec::with_capacity(row.len());
    for (at, column) in row.columns().iter().enumerate() {
        values.push(
            match *column.type_() {
                Type::TEXT => row.try_get::<_, Option<String>>(at).map(Value::from),
                Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at).map(Value::from),
                Type::INT8 => row.try_get::<_, Option<i64>>(at).map(Value::from),
                Type::BOOL => row.try_get::<_, Option<bool>>(at).map(Value::from),
                _ => return Err(crate::value::unexpected("a portable type")),
            }
            .map_err(|error| failed(&error))?,
        );
    }
    Ok(Row::new(values))
}

fn failed(error: &tokio_postgres::Error) -> StoreError {
    match error.code() {
        Some(&SqlState::UNIQUE_VIOLATION) => StoreError::Duplicate,
        // connection exceptions, insufficient resources, operator intervention, lock and statement time-outs, serialization, deadlock, read-only standby
        Some(code) if ["08", "53", "57", "55", "40", "25006"].iter().any(|class| code.code().starts_with(class)) => {
            StoreError::Unavailable(with_causes(error))
        }
        Some(_) => StoreError::Unusable(with_causes(error)),
        None => StoreError::Unavailable(with_causes(error)),
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
