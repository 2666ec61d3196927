//! The engine for many nodes: a pool of connections to one primary.
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio::time::timeout;
use tokio_postgres::{
    AsyncMessage,
    config::TargetSessionAttrs,
    error::SqlState,
    types::{IsNull, ToSql, Type, private::BytesMut},
};

use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    StoreError, tls,
    value::{Row, Value},
};

/// Held, as an advisory lock, by whoever migrates.
const MIGRATING: i64 = 0x636c_6176_6d69_6772;
/// Longer than the server's own time-out: reached only when the server cannot be, though the connection still seems to stand.
const PATIENCE: Duration = Duration::from_secs(12);
/// Connections for requests, and others for leases: a rush of requests must not end the lease.
const CONNECTIONS: usize = 16;
const LEASE_CONNECTIONS: usize = 2;

#[derive(Clone)]
pub(crate) struct Postgres {
    pool: Pool,
    leases: Pool,
    config: tokio_postgres::Config,
    connector: MakeRustlsConnect,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // the configuration holds the password
        f.debug_struct("Postgres").field("pool", &self.pool.status()).finish_non_exhaustive()
    }
}

impl Postgres {
    pub(crate) fn connect(url: &str) -> Result<Self, StoreError> {
        let (mut config, connector) = tls::read(url)?;
        if config.get_application_name().is_none() {
            config.application_name("claviger");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        // A standby may be behind: nothing is read there, whatever the name in the URL leads to.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        // a peer that is gone is noticed though nothing is asked of it
        config.keepalives_idle(Duration::from_secs(15));
        config.tcp_user_timeout(Duration::from_secs(15));
        // A statement that hangs must not hold an account's lock for ever. And compiling one costs a thousand times what ours take to run; the
        // planner would, for tables whose size it does not know yet.
        let options = format!(
            "{} -c jit=off -c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s",
            config.get_options().unwrap_or_default()
        );
        config.options(options.trim());
        Ok(Self { pool: pool(&config, &connector, CONNECTIONS)?, leases: pool(&config, &connector, LEASE_CONNECTIONS)?, config, connector })
    }

    /// A connection of its own that hears of new revisions, and what it hears.
    pub(crate) async fn listen(&self) -> Result<Listening, StoreError> {
        let connecting = async {
            let (client, mut connection) = self.config.connect(self.connector.clone()).await.map_err(|error| failed(&error))?;
            let (heard, hears) = tokio::sync::mpsc::channel(1);
            let connection = tokio::spawn(async move {
                while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
                    if matches!(message, AsyncMessage::Notification(_)) {
                        // full: a ring is waiting to be heard, which says as much
                        let _ = heard.try_send(());
                    }
                }
            });
            let listening = Listening { client, hears, connection };
            listening.client.batch_execute("LISTEN claviger_rev").await.map_err(|error| failed(&error))?;
            Ok(listening)
        };
        timeout(Duration::from_secs(5), connecting).await.map_err(|_| silent())?
    }

    pub(crate) async fn connection(&self) -> Result<Pooled, StoreError> {
        Pooled::of(&self.pool).await
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

fn pool(config: &tokio_postgres::Config, connector: &MakeRustlsConnect, size: usize) -> Result<Pool, StoreError> {
    let manager = Manager::from_config(config.clone(), connector.clone(), ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let wait = Some(Duration::from_secs(5));
    Pool::builder(manager)
        .max_size(size)
        .timeouts(Timeouts { wait, create: wait, recycle: wait })
        .runtime(Runtime::Tokio1)
        // off and local acknowledge what a crash or a failover loses; whatever else the administrator chose keeps more
        .post_create(Hook::async_fn(|client, _| {
            Box::pin(async move {
                let raise = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')";
                client.batch_execute(raise).await.map_err(HookError::Backend)
            })
        }))
        .build()
        .map_err(|error| StoreError::Unusable(error.to_string()))
}

/// See [`Postgres::listen`].
#[derive(Debug)]
pub(crate) struct Listening {
    client: tokio_postgres::Client,
    hears: tokio::sync::mpsc::Receiver<()>,
    connection: tokio::task::JoinHandle<()>,
}

impl Listening {
    /// Waits for a ring, and looks now and then whether one could still be heard. An error: the connection is lost.
    pub(crate) async fn hear(&mut self) -> Result<(), StoreError> {
        loop {
            match timeout(Duration::from_secs(2), self.hears.recv()).await {
                Ok(Some(())) => return Ok(()),
                Ok(None) => return Err(silent()),
                Err(_) => {
                    timeout(Duration::from_secs(2), self.client.batch_execute("")).await.map_err(|_| silent())?.map_err(|error| failed(&error))?
                }
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// A connection on loan from the pool.
#[derive(Debug)]
pub(crate) struct Pooled {
    object: Option<Object>,
    /// Whether a transaction is open, or nobody knows in what state it is: then the connection is closed instead of given back.
    open: AtomicBool,
    patience: Duration,
}

impl Pooled {
    async fn of(pool: &Pool) -> Result<Self, StoreError> {
        let object = pool.get().await.map_err(|error| StoreError::Unavailable(with_causes(&error)))?;
        Ok(Self { object: Some(object), open: AtomicBool::new(false), patience: PATIENCE })
    }

    pub(crate) async fn query(&self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        let object = self.object()?;
        let rows = self.answered(async {
            let statement = object.prepare_cached(sql).await?;
            let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().take(statement.params().len()).map(|value| value as _).collect();
            object.query(&statement, &parameters).await
        });
        rows.await?.iter().map(read).collect()
    }

    pub(crate) async fn execute(&self, sql: &'static str, parameters: &[Value]) -> Result<u64, StoreError> {
        let object = self.object()?;
        self.answered(async {
            let statement = object.prepare_cached(sql).await?;
            let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().take(statement.params().len()).map(|value| value as _).collect();
            object.execute(&statement, &parameters).await
        })
        .await
    }

    pub(crate) async fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.answered(self.object()?.batch_execute(sql)).await
    }

    /// What the server answers, or that it does not.
    async fn answered<T>(&self, asked: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, StoreError> {
        let Ok(answer) = timeout(self.patience, asked).await else {
            self.open.store(true, Ordering::Relaxed);
            return Err(silent());
        };
        answer.map_err(|error| failed(&error))
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        // A time-out would break off the wait for a synchronous standby, and then the server reports success (with a warning only) for
        // what a failover would lose. Ours makes the outcome unknown instead.
        self.batch("SET LOCAL statement_timeout = 0; COMMIT").await.map_err(|error| match error {
            StoreError::Unavailable(why) => StoreError::Unknown(why),
            other => other,
        })?;
        self.open.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn object(&self) -> Result<&Object, StoreError> {
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
