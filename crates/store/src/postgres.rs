//! The engine for many nodes: a pool of connections to one primary.
use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
    time::Duration,
};

use deadpool::{
    Runtime,
    managed::{Object, Pool, PoolError, Timeouts},
};
use tokio::time::{Instant, timeout};
use tokio_postgres::{
    error::SqlState,
    types::{IsNull, ToSql, Type, private::BytesMut},
};

use crate::{
    StoreError,
    connection::{Connector, Live},
    value::{Row, Value},
};

/// Held, as an advisory lock, by whoever migrates.
const MIGRATING: i64 = 0x636c_6176_6d69_6772;
/// Longer than the server's own time-out: reached only when the server cannot be, though the connection still seems to stand.
const PATIENCE: Duration = Duration::from_secs(12);
/// The same for verification: whoever waits for it has a request of their own waiting.
const SHORT_PATIENCE: Duration = Duration::from_secs(3);
/// Connections for requests, and others for leases: a rush of requests must not end the lease.
const CONNECTIONS: usize = 16;
const LEASE_CONNECTIONS: usize = 2;

#[derive(Clone)]
pub(crate) struct Postgres {
    connector: Connector,
    pool: Pool<Connector>,
    leases: Pool<Connector>,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").field("connector", &self.connector).field("pool", &self.pool.status()).finish_non_exhaustive()
    }
}

impl Postgres {
    pub(crate) fn connect(url: &str) -> Result<Self, StoreError> {
        let connector = Connector::to(url)?;
        Ok(Self { pool: pool(&connector, CONNECTIONS)?, leases: pool(&connector, LEASE_CONNECTIONS)?, connector })
    }

    /// See [`Connector::assure_sessions`].
    pub(crate) async fn assure_sessions(&self) -> Result<(), StoreError> {
        timeout(PATIENCE, self.connector.assure_sessions()).await.map_err(|_| silent())?
    }

    /// A connection of its own that hears of new revisions, and what it hears.
    pub(crate) async fn listen(&self) -> Result<Listening, StoreError> {
        let (heard, hears) = tokio::sync::mpsc::channel(1);
        let connecting = async {
            let live = self.connector.connect(Some(heard)).await?;
            live.client().batch_execute("LISTEN claviger_rev").await.map_err(|error| failed(&error))?;
            Ok(Listening { live, hears })
        };
        timeout(Duration::from_secs(5), connecting).await.map_err(|_| silent())?
    }

    pub(crate) async fn connection(&self) -> Result<Pooled, StoreError> {
        Pooled::of(&self.pool).await
    }

    /// A connection that is given up early.
    pub(crate) async fn prompt_connection(&self) -> Result<Pooled, StoreError> {
        let mut pooled = timeout(SHORT_PATIENCE, self.connection()).await.map_err(|_| silent())??;
        pooled.patience = SHORT_PATIENCE;
        Ok(pooled)
    }

    /// See [`crate::Store::hasty_writer`].
    pub(crate) async fn hasty_connection(&self, within: Duration) -> Result<Pooled, StoreError> {
        let began = Instant::now();
        let mut pooled = timeout(within, self.connection()).await.map_err(|_| silent())??;
        pooled.patience = within.saturating_sub(began.elapsed());
        Ok(pooled)
    }

    /// See [`crate::Store::log_reader`].
    pub(crate) async fn log_connection(&self) -> Result<Pooled, StoreError> {
        let mut pooled = timeout(SHORT_PATIENCE, Pooled::of(&self.leases)).await.map_err(|_| silent())??;
        pooled.patience = SHORT_PATIENCE;
        Ok(pooled)
    }

    pub(crate) async fn begin(&self) -> Result<Pooled, StoreError> {
        Self::begin_on(self.connection().await?).await
    }

    pub(crate) async fn begin_renewal(&self) -> Result<Pooled, StoreError> {
        Self::begin_on(Pooled::of(&self.leases).await?).await
    }

    async fn begin_on(pooled: Pooled) -> Result<Pooled, StoreError> {
        pooled.open.store(true, Ordering::Relaxed);
        pooled.batch("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        Ok(pooled)
    }

    /// A transaction in which no other node migrates.
    pub(crate) async fn begin_migration(&self) -> Result<Pooled, StoreError> {
        let mut pooled = self.begin().await?;
        pooled.patience = Duration::from_secs(600);
        pooled.batch("SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0").await?;
        pooled.query("SELECT 1::bigint FROM pg_advisory_xact_lock($1)", &[Value::Int(MIGRATING)]).await?;
        Ok(pooled)
    }
}

fn pool(connector: &Connector, size: usize) -> Result<Pool<Connector>, StoreError> {
    let wait = Some(Duration::from_secs(5));
    Pool::builder(connector.clone())
        .max_size(size)
        .timeouts(Timeouts { wait, create: wait, recycle: wait })
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| StoreError::Unusable(error.to_string()))
}

/// See [`Postgres::listen`].
#[derive(Debug)]
pub(crate) struct Listening {
    live: Box<Live>,
    hears: tokio::sync::mpsc::Receiver<()>,
}

impl Listening {
    /// Waits for a ring, and looks now and then whether one could still be heard. An error: the connection is lost.
    pub(crate) async fn hear(&mut self) -> Result<(), StoreError> {
        loop {
            match timeout(Duration::from_secs(2), self.hears.recv()).await {
                Ok(Some(())) => return Ok(()),
                Ok(None) => return Err(silent()),
                Err(_) if !self.live.is_good() => return Err(silent()),
                Err(_) => timeout(Duration::from_secs(2), self.live.client().batch_execute(""))
                    .await
                    .map_err(|_| silent())?
                    .map_err(|error| failed(&error))?,
            }
        }
    }
}

/// A connection on loan from the pool.
#[derive(Debug)]
pub(crate) struct Pooled {
    object: Option<Object<Connector>>,
    /// Whether a transaction is open, or nobody knows in what state it is: then the connection is closed instead of given back.
    open: AtomicBool,
    patience: Duration,
}

impl Pooled {
    async fn of(pool: &Pool<Connector>) -> Result<Self, StoreError> {
        let object = pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            error => StoreError::Unavailable(with_causes(&error)),
        })?;
        Ok(Self { object: Some(object), open: AtomicBool::new(false), patience: PATIENCE })
    }

    pub(crate) async fn query(&self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        let object = self.object()?;
        let rows = self.answered(async {
            let statement = object.prepared(sql).await?;
            let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().take(statement.params().len()).map(|value| value as _).collect();
            object.client().query(&statement, &parameters).await
        });
        rows.await?.iter().map(read).collect()
    }

    pub(crate) async fn execute(&self, sql: &'static str, parameters: &[Value]) -> Result<u64, StoreError> {
        let object = self.object()?;
        self.answered(run(object, sql, parameters)).await
    }

    /// Sends all of them before the first is answered; the server runs them in this order.
    pub(crate) async fn execute_all(&self, statements: &[(&'static str, &[Value])]) -> Result<(), StoreError> {
        let object = self.object()?;
        self.answered(async {
            for (sql, _) in statements {
                object.prepared(sql).await?;
            }
            let mut running: Vec<_> = statements.iter().map(|(sql, parameters)| Some(Box::pin(run(object, sql, parameters)))).collect();
            // a statement is sent when it is first polled, and each is polled at once: so in this order
            std::future::poll_fn(|context| {
                for one in &mut running {
                    match one.as_mut().map(|one| one.as_mut().poll(context)) {
                        Some(Poll::Ready(Ok(_))) => *one = None,
                        Some(Poll::Ready(Err(error))) => return Poll::Ready(Err(error)),
                        Some(Poll::Pending) | None => {}
                    }
                }
                if running.iter().all(Option::is_none) { Poll::Ready(Ok(())) } else { Poll::Pending }
            })
            .await
        })
        .await
    }

    pub(crate) async fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.answered(self.object()?.client().batch_execute(sql)).await
    }

    /// What the server answers, or that it does not, or not any more as the primary.
    async fn answered<T>(&self, asked: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, StoreError> {
        let Ok(answer) = timeout(self.patience, asked).await else {
            self.open.store(true, Ordering::Relaxed);
            return Err(silent());
        };
        let answer = answer.map_err(|error| failed(&error))?;
        // who has met another primary meanwhile must not hear of the old one's past
        if !self.object()?.is_newest() {
            self.open.store(true, Ordering::Relaxed);
            return Err(StoreError::Unavailable("a former primary answered".into()));
        }
        Ok(answer)
    }

    /// Returns when the server has shown by a COMMIT that the standby that a COMMIT waits for is still its own; at once where there is none.
    pub(crate) async fn assure_primary(&self) -> Result<(), StoreError> {
        self.object()?.expect_no_warning();
        // a transaction of its own, and longer than our patience it never takes: no time-out breaks off its wait
        self.batch("SELECT pg_logical_emit_message(true, 'claviger', 'primary') WHERE current_setting('synchronous_standby_names') <> ''").await?;
        if self.object()?.has_warned() {
            return Err(StoreError::Unavailable("the server warned while it was to show that it is the primary".into()));
        }
        Ok(())
    }

    /// See [`crate::revision::Position::timeline`].
    pub(crate) fn timeline(&self) -> Result<u32, StoreError> {
        Ok(self.object()?.timeline())
    }

    /// Ends a transaction that a crash of the server, or a failover, may undo.
    pub(crate) async fn commit_loosely(self) -> Result<(), StoreError> {
        self.batch("SET LOCAL synchronous_commit = off; COMMIT").await?;
        self.open.store(false, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        // A time-out would break off the wait for a synchronous standby, and then the server reports success (with a warning only) for
        // what a failover would lose. Ours makes the outcome unknown instead, and so does any warning: an administrator can break it off too.
        self.object()?.expect_no_warning();
        self.batch("SET LOCAL statement_timeout = 0; COMMIT").await.map_err(|error| match error {
            StoreError::Unavailable(why) => StoreError::Unknown(why),
            other => other,
        })?;
        if self.object()?.has_warned() {
            return Err(StoreError::Unknown("the server warned while it committed".into()));
        }
        self.open.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn object(&self) -> Result<&Object<Connector>, StoreError> {
        self.object.as_ref().ok_or_else(|| StoreError::Unusable("the connection was already given back".into()))
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(object) = self.object.take()
            && *self.open.get_mut()
        {
            // closing it rolls back whatever was open
            drop(Object::take(object));
        }
    }
}

async fn run(live: &Live, sql: &'static str, parameters: &[Value]) -> Result<u64, tokio_postgres::Error> {
    let statement = live.prepared(sql).await?;
    let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().take(statement.params().len()).map(|value| value as _).collect();
    live.client().execute(&statement, &parameters).await
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
        // a text is taken for JSON too, where a function asks for that
        [Type::TEXT, Type::JSON, Type::BYTEA, Type::INT8, Type::BOOL].contains(ty)
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

pub(crate) fn failed(error: &tokio_postgres::Error) -> StoreError {
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

fn silent() -> StoreError {
    StoreError::Unavailable("the server does not answer".into())
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // what `TargetSessionAttrs::ReadWrite` refuses: the operating system's own refusals have a number
        let refused = error.downcast_ref::<std::io::Error>().filter(|error| error.raw_os_error().is_none());
        if refused.is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied) {
            return "the server is a standby or read-only, and may be behind; the URL must lead to the primary".into();
        }
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
