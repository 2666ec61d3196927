//! Connections to PostgreSQL, and which server each of them leads to: after a failover the old primary may still run, and still be
//! connected to. What it says is no longer true.
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use deadpool::managed;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_postgres::{AsyncMessage, Client, SimpleQueryMessage, Statement, error::Severity};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{StoreError, postgres::failed, tls};

/// What every session begins with; not a start-up parameter, which poolers refuse. A statement that hangs must not hold a lock for
/// ever. Compiling one costs a thousand times what ours take to run; the planner would, for tables whose size it does not know yet.
/// `off` and `local` acknowledge what a crash or a failover loses; whatever else the administrator chose keeps more.
const BEGIN: &str = "SET jit = off; SET statement_timeout = '10s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '30s'; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')";
const WHERE: &str = "SELECT system_identifier, pg_is_in_recovery(), \
     CASE WHEN NOT pg_is_in_recovery() THEN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END FROM pg_control_system()";

/// How connections are made, and the newest primary that any of them has met.
#[derive(Clone)]
pub(crate) struct Connector {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
    newest: Arc<Mutex<Option<Server>>>,
}

/// A primary. A server cannot begin another timeline while a connection to it stands, so this holds for a connection's whole life.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    system: String,
    /// A standby that is promoted begins the next one.
    timeline: u32,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Live {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
    server: Server,
    newest: Arc<Mutex<Option<Server>>>,
    warned: Arc<AtomicBool>,
    _task: Ending,
}

/// A task that ends with whoever keeps it.
#[derive(Debug)]
struct Ending(JoinHandle<()>);

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // the configuration holds the password
        f.debug_struct("Connector").field("newest", &self.newest).finish_non_exhaustive()
    }
}

impl Connector {
    pub(crate) fn to(url: &str) -> Result<Self, StoreError> {
        let (mut config, tls) = tls::read(url)?;
        if config.get_application_name().is_none() {
            config.application_name("claviger");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        // a peer that is gone is noticed though nothing is asked of it
        config.keepalives_idle(Duration::from_secs(15));
        config.tcp_user_timeout(Duration::from_secs(15));
        if config.get_hosts().len() > 1 {
            config.target_session_attrs(tokio_postgres::config::TargetSessionAttrs::ReadWrite);
        }
        Ok(Self { config, tls, newest: Arc::default() })
    }

    /// A connection to a primary, no older than any met before. With `rings`, each notification is sent there, if there is room.
    pub(crate) async fn connect(&self, rings: Option<mpsc::Sender<()>>) -> Result<Box<Live>, StoreError> {
        let (client, mut connection) = self.config.connect(self.tls.clone()).await.map_err(|error| failed(&error))?;
        let warned = Arc::new(AtomicBool::new(false));
        let warns = warned.clone();
        let task = tokio::spawn(async move {
            while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    AsyncMessage::Notification(_) => {
                        // full: a ring is waiting to be heard, which says as much
                        let _rung = rings.as_ref().map(|rings| rings.try_send(()));
                    }
                    AsyncMessage::Notice(notice) if notice.parsed_severity() == Some(Severity::Warning) => {
                        tracing::warn!(warning = notice.message(), "PostgreSQL");
                        warns.store(true, Ordering::SeqCst);
                    }
                    _ => {}
                }
            }
        });
        // ends the task as well when this fails
        let task = Ending(task);
        client.batch_execute(BEGIN).await.map_err(|error| failed(&error))?;
        let server = Server::behind(&client).await?;
        let live = Live { client, statements: Mutex::default(), server, newest: self.newest.clone(), warned, _task: task };
        live.meet()?;
        Ok(Box::new(live))
    }
}

impl Connector {
    /// Refuses what is between us and the server if it lends a session's connection to others between transactions: notifications, prepared
    /// statements and settings would go astray.
    pub(crate) async fn assure_sessions(&self) -> Result<(), StoreError> {
        let (one, other) = (self.connect(None).await?, self.connect(None).await?);
        let before = one.backend("").await?;
        // whoever pools gives the connection that was just given back to the next who wants one, and keeps it for this transaction
        let shared = || StoreError::Unusable("a pooler in transaction or statement mode is before it; session mode is needed".into());
        // PgBouncer refuses a transaction block in statement mode, in these words
        let refused = |error: StoreError| if error.to_string().contains("statement pooling mode") { shared() } else { error };
        let meanwhile = other.backend("BEGIN").await.map_err(refused)?;
        let after = one.backend("").await?;
        if before == meanwhile || before != after { Err(shared()) } else { Ok(()) }
    }
}

impl Server {
    async fn behind(client: &Client) -> Result<Self, StoreError> {
        let answer = client.simple_query(WHERE).await.map_err(|error| failed(&error))?;
        let row = answer.iter().find_map(|message| if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None });
        let column = |at| row.and_then(|row| row.get(at));
        if column(1) == Some("t") {
            return Err(StoreError::Unavailable("the server is a standby; only a primary is asked".into()));
        }
        let timeline = column(2).and_then(|text| u32::from_str_radix(text, 16).ok());
        let (Some(system), Some(timeline)) = (column(0), timeline) else { return Err(crate::value::unexpected("the identity of a server")) };
        Ok(Self { system: system.to_owned(), timeline })
    }
}

impl Live {
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) async fn prepared(&self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = locked(&self.statements).get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        locked(&self.statements).insert(sql, statement.clone());
        Ok(statement)
    }

    /// Whether it stands, and no newer primary is known. What an older one says may have been untrue for long.
    pub(crate) fn is_good(&self) -> bool {
        !self.client.is_closed() && self.is_newest()
    }

    pub(crate) fn is_newest(&self) -> bool {
        locked(&self.newest).as_ref() == Some(&self.server)
    }

    pub(crate) const fn timeline(&self) -> u32 {
        self.server.timeline
    }

    /// The number of the process that serves this connection just now.
    async fn backend(&self, first: &str) -> Result<String, StoreError> {
        let answer = self.client.simple_query(&format!("{first}; SELECT pg_backend_pid()")).await.map_err(|error| failed(&error))?;
        let number = answer.iter().find_map(|message| if let SimpleQueryMessage::Row(row) = message { row.get(0) } else { None });
        number.map(str::to_owned).ok_or_else(|| crate::value::unexpected("the number of a process"))
    }

    /// Forgets the warnings there were.
    pub(crate) fn expect_no_warning(&self) {
        self.warned.store(false, Ordering::SeqCst);
    }

    /// Whether the server has warned since.
    pub(crate) fn has_warned(&self) -> bool {
        self.warned.load(Ordering::SeqCst)
    }

    fn meet(&self) -> Result<(), StoreError> {
        let mut newest = locked(&self.newest);
        match newest.as_ref() {
            Some(known) if known.system != self.server.system => {
                Err(StoreError::Unusable("another database server answers than before; restart to use it".into()))
            }
            Some(known) if known.timeline > self.server.timeline => {
                Err(StoreError::Unavailable("a primary answers that another has taken over from".into()))
            }
            known => {
                if known.is_some_and(|known| known.timeline < self.server.timeline) {
                    tracing::warn!(server = ?self.server, "another primary has taken over; connections to the old one are given up");
                }
                *newest = Some(self.server.clone());
                Ok(())
            }
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl managed::Manager for Connector {
    type Type = Box<Live>;
    type Error = StoreError;

    async fn create(&self) -> Result<Box<Live>, StoreError> {
        self.connect(None).await
    }

    async fn recycle(&self, live: &mut Box<Live>, _: &managed::Metrics) -> managed::RecycleResult<StoreError> {
        if live.is_good() { Ok(()) } else { Err(managed::RecycleError::message("it is closed, or leads to a former primary")) }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
