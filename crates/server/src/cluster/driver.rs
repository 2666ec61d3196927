//! Keeps this node's lease: joins, renews, acknowledges, joins again, leaves.
use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use claviger_lease::{Attempt, Lease, Write};
use claviger_store::{StoreError, lease::Node};
use tokio::{
    sync::{Notify, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, timeout},
};

use super::{Mode, Reading, agreement, share};
use crate::{app::App, clock::boot_id, verify::rate_moment};

/// A node that keeps its lease until it is dropped or leaves. Without one an [`App`] answers nothing from memory.
#[derive(Debug)]
pub struct Membership {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Why a node could not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file that remembers this node's row.
    #[error("the node's id cannot be kept in the data folder: {0}")]
    File(#[from] std::io::Error),
    /// Another node has another value of a setting that all must share.
    #[error(
        "node {id} at {address} has another {name}, which must be the same on all nodes; to change it stop all of them first (docs/revocation.md)"
    )]
    SetOtherwise {
        /// The setting.
        name: String,
        /// The node.
        id: String,
        /// Where it is.
        address: String,
    },
}

struct Driver {
    app: App,
    lease: Lease,
    /// The row's id, while there is one.
    id: Option<String>,
    address: String,
    /// Where the row's id is kept, so that the next process in this folder can take the row away.
    file: Option<PathBuf>,
    /// When the last renewal began, or this life, and where the log stood then.
    renewed: (Reading, (i64, u32)),
    /// See [`share::claim`].
    claims: JoinSet<()>,
}

impl Membership {
    /// Joins, and returns when this node may serve. `address` is for people.
    ///
    /// `folder` is locked by this process (its file `lock`), and was by each before it while it ran: so the row of the last one may go at once.
    ///
    /// # Errors
    /// When the database is not available, the nodes' leases have another length, or a node that lives is set otherwise where that must not be.
    pub async fn begin(app: App, address: String, folder: Option<&Path>) -> Result<Self, JoinError> {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = Vec::new();
        let bell = Arc::new(Notify::new());
        let mut doorbell = app.store.doorbell();
        let rung = bell.clone();
        tasks.push(tokio::spawn(async move {
            loop {
                doorbell.rings().await;
                rung.notify_one();
            }
        }));
        let file = folder.map(|folder| folder.join("node"));
        let renewed = (app.cluster.gate.clock.read(), (app.index.applied(), app.index.timeline()));
        let mut driver = Driver { app, lease: Lease::none(), id: None, address, file, renewed, claims: JoinSet::new() };
        driver.forget_predecessor().await?;
        agreement::assure(&driver.app).await?;
        if driver.app.cluster.gate.mode == Mode::Lease {
            driver.join().await?;
            driver.renew().await?;
        }
        tasks.push(tokio::spawn(driver.run(bell, stopped)));
        Ok(Self { stop, tasks })
    }

    /// Returns when this node has a share of rate limits, or would have had it for long if the database answered: until then it refuses whatever has a limit.
    pub async fn has_share(&self, app: &App) {
        if !app.rates.is_exact() {
            let terms = app.cluster.gate.held.terms();
            let _later = timeout(terms.wait() + terms.heartbeat(), app.rates.share.is_held()).await;
        }
    }

    /// Gives the lease back, so that nobody waits for it. To be called when nothing is being answered any more.
    pub async fn leave(mut self) {
        let _ = self.stop.send(true);
        if let Some(driver) = self.tasks.pop() {
            let _ = timeout(Duration::from_secs(5), driver).await;
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Driver {
    async fn run(mut self, bell: Arc<Notify>, mut stopped: watch::Receiver<bool>) {
        let terms = self.app.cluster.gate.held.terms();
        let heartbeat = terms.heartbeat();
        let mut failing = false;
        let mut due = Instant::now() + heartbeat;
        loop {
            let next = if failing { due.min(Instant::now() + heartbeat / 4) } else { due };
            let is_due = tokio::select! {
                // first: rings without end must not keep a heartbeat from its time
                biased;
                _ = stopped.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep_until(next) => true,
                () = bell.notified() => false,
            };
            let work = async {
                if is_due {
                    due = Instant::now() + heartbeat;
                    self.keep().await
                } else {
                    self.acknowledge().await
                }
            };
            // what takes as long as two heartbeats is on a connection that is gone
            let renewed = timeout(heartbeat * 2, work).await.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into())));
            match renewed {
                Ok(()) if is_due => failing = false,
                // it says nothing of renewals, whose COMMIT waits for the disk and for a standby
                Ok(()) => {}
                Err(error) if !is_due => tracing::debug!(%error, "a change could not be acknowledged; the next heartbeat will do it"),
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "the lease cannot be renewed; when it is over, verification cannot say");
                    }
                    failing = true;
                }
            }
        }
        self.leave().await;
    }

    /// One heartbeat.
    async fn keep(&mut self) -> Result<(), StoreError> {
        match self.app.cluster.gate.mode {
            Mode::Lease => {
                if self.id.is_none() {
                    self.join().await?;
                }
                self.renew().await?;
            }
            // no one waits for us; what is in memory is checked at each question, and so is kept short of work
            Mode::ReadIndex => drop(self.app.index.catch_up().await?),
            Mode::Direct => {}
        }
        self.app.index.report_loss().await?;
        let look = self.app.cluster.look().await?;
        if look.cluster.settled {
            self.app.rates.share.is_one_of(i64::try_from(look.cluster.nodes.len()).unwrap_or(i64::MAX), self.now());
        }
        self.app.cluster.remember_now_and_then(&look).await
    }

    /// Between heartbeats, as soon as something changed: applies it and writes that into our row. No lease begins by it, so nobody's rests on it, and a
    /// crash of the database may undo it: whoever waits then waits for the next heartbeat. So it need not wait for the disk.
    async fn acknowledge(&mut self) -> Result<(), StoreError> {
        let (Mode::Lease, Some(id)) = (self.app.cluster.gate.mode, self.id.clone()) else { return self.keep().await };
        let mut tx = self.app.store.begin_renewal().await?;
        let acked = self.app.index.catch_up_in(&mut tx).await?;
        let nodes = tx.acknowledge(&id, acked).await?;
        self.count(nodes);
        tx.commit_acknowledgement().await?;
        self.app.index.report_loss().await?;
        if nodes.is_some() { Ok(()) } else { self.keep().await }
    }

    /// Registers under an id that was never used before: one row, one life. The first renewal reads what has happened since.
    async fn join(&mut self) -> Result<(), StoreError> {
        let mut random = [0; 12];
        self.app.chance.fill(&mut random);
        let id = data_encoding::HEXLOWER.encode(&random);
        if let Some(file) = &self.file {
            std::fs::write(file, format!("{id} {}", place(file).unwrap_or_default())).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        }
        let node = Node {
            id: id.clone(),
            acked: self.app.index.applied(),
            beat: 0,
            address: self.address.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            began_at: self.app.clock.now(),
            agreement: agreement::of(&self.app),
        };
        let lease_ms = i64::try_from(self.app.cluster.gate.held.terms().lease().as_millis()).unwrap_or(i64::MAX);
        let rates = &self.app.rates.share;
        let life = rates.withdraw(self.now());
        self.renewed = (self.app.cluster.gate.clock.read(), self.here());
        if self.app.store.register(&node, lease_ms).await? {
            rates.give(life, true, self.now());
        } else {
            self.claims = JoinSet::new();
            self.claims.spawn(share::claim(self.app.clone(), life));
        }
        tracing::info!(node = id, "joined");
        self.app.cluster.set_own(Some(id.clone()));
        self.id = Some(id);
        Ok(())
    }

    /// Reads what changed, publishes, evicts, and writes our row, in one transaction on one server: then the lease begins at its beginning.
    async fn renew(&mut self) -> Result<(), StoreError> {
        let Some(id) = self.id.clone() else { return Ok(()) };
        let gate = self.app.cluster.gate.clone();
        let began = gate.clock.read();
        let attempt = Attempt::begin(began);
        let mut tx = self.app.store.begin_renewal().await?;
        let acked = self.app.index.catch_up_in(&mut tx).await?;
        let nodes = tx.renew(&id, acked).await?;
        self.count_renewed(nodes);
        let write = if nodes.is_some() { Write::Met } else { Write::RowGone };
        tx.commit_housekeeping().await?;
        // one of which nobody knows whether it was committed says nothing of a lease
        self.renewed = (began, self.here());
        self.lease.end(attempt, write);
        gate.held.show(&self.lease);
        if write == Write::RowGone {
            tracing::warn!(node = id, "our row is gone: we were silent for too long, or the database lost it; joining again");
            self.app.cluster.set_own(None);
            self.id = None;
            Box::pin(self.keep()).await?;
        }
        Ok(())
    }

    /// Before the transaction that wrote our row is committed: then whoever sees that it was has our share cut.
    fn count(&self, nodes: Option<i64>) {
        if let Some(nodes) = nodes {
            self.app.rates.share.is_among(nodes, self.now());
        }
    }

    /// As [`Self::count`], of a renewal. Where no lease has run, and there are revisions since one did, somebody may have come who did not wait for us,
    /// and may be gone already: who comes takes a revision.
    fn count_renewed(&self, nodes: Option<i64>) {
        let gate = &self.app.cluster.gate;
        let lapsed = Duration::from_nanos(gate.clock.read().most_since(self.renewed.0).unsigned_abs()) >= gate.held.terms().lease();
        if lapsed && self.renewed.1 != self.here() {
            self.app.rates.share.is_emptied(self.now());
        }
        self.count(nodes);
    }

    /// How far the log is applied, and by which server.
    fn here(&self) -> (i64, u32) {
        (self.app.index.applied(), self.app.index.timeline())
    }

    fn now(&self) -> i64 {
        rate_moment(self.app.clock.now())
    }

    async fn leave(&mut self) {
        self.lease.give_back();
        self.app.cluster.gate.held.show(&self.lease);
        if let Some(id) = self.id.take() {
            match self.app.store.unregister(&id, None).await {
                Ok(_) => self.forget_file(),
                Err(error) => tracing::warn!(%error, "our lease could not be given back; the next revocation waits for it"),
            }
        }
    }

    /// The lock on the folder proves that who wrote the file is dead: if it is this very folder, and not a copy of it or of its disk.
    async fn forget_predecessor(&mut self) -> Result<(), JoinError> {
        let Some(file) = &self.file else { return Ok(()) };
        match std::fs::read_to_string(file) {
            Ok(text) => {
                match text.split_once(' ') {
                    Some((id, written)) if place(file).is_some_and(|here| here == written) => {
                        self.app.store.unregister(id, None).await?;
                    }
                    // whose row it is may well be running; if it is not, its lease will be waited for
                    _ => tracing::info!("the node's id in the data folder is from elsewhere, or from before a restart of the machine"),
                }
                self.forget_file();
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn forget_file(&self) {
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Which folder this is, as no copy of it is: the lock's own file, on this boot of this kernel.
fn place(file: &Path) -> Option<String> {
    let lock = std::fs::metadata(file.with_file_name("lock")).ok()?;
    let boot = boot_id()?;
    Some(format!("{}/{}/{}", String::from_utf8_lossy(&boot), lock.dev(), lock.ino()))
}
