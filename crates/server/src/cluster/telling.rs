//! What the answer to a change says of it: that it is true everywhere, or when it will be. One place for every way of changing something.
use std::{cell::Cell, future::Future, time::Duration};

use claviger_store::StoreError;
use tokio::sync::watch;

use super::{Cluster, Settled};

/// How long a change is waited for where "later" is an answer: much longer than confirming takes, much shorter than a lease.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the request of this task may be told, and was.
struct Told {
    later: bool,
    settled: Cell<Option<Settled>>,
}

tokio::task_local! {
    static TOLD: Told;
}

/// Runs a request; gives what it settled, if it changed something. `later`: whether "not yet everywhere" is an answer for it.
pub(crate) async fn telling<T>(later: bool, request: impl Future<Output = T>) -> (T, Option<Settled>) {
    TOLD.scope(Told { later, settled: Cell::new(None) }, async { (request.await, told()) }).await
}

/// What the request of this task has settled so far.
pub(crate) fn told() -> Option<Settled> {
    TOLD.try_with(|told| told.settled.get()).ok().flatten()
}

/// Whether "not yet everywhere" is an answer for the request of this task.
pub(crate) fn tells_later() -> bool {
    TOLD.try_with(|told| told.later).unwrap_or(false)
}

/// Lets whoever answers the request of this task tell it. Of several changes, one that is not everywhere yet counts.
pub(crate) fn tell(settled: Settled) {
    let _outside_a_request = TOLD.try_with(|told| {
        let counts = told.settled.get().is_none_or(|before| before.complete || !settled.complete);
        if counts {
            told.settled.set(Some(settled));
        }
    });
}

/// How far a change is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    pub(super) committed: bool,
    /// How many nodes confirmed it.
    pub(super) nodes: usize,
    /// Whether all who did not are silent, so that it will take until their leases are over.
    pub(super) waits_for_silence: bool,
    /// What became of it, in the end.
    pub(crate) ended: Option<Result<Settled, StoreError>>,
}

impl Progress {
    /// Durable; nobody was asked yet.
    pub(crate) const COMMITTED: Self = Self { committed: true, nodes: 0, waits_for_silence: false, ended: None };
}

/// Waits for the end of a change.
pub(crate) async fn ended(progress: &mut watch::Receiver<Progress>) -> Result<Settled, StoreError> {
    let last = progress.wait_for(|progress| progress.ended.is_some()).await;
    last.ok().and_then(|last| last.ended.clone()).unwrap_or_else(|| Err(StoreError::Unknown("who followed the change is gone".into())))
}

impl Cluster {
    /// Waits for a change no longer than is worth it: until a node is found silent, or for a second. It goes on by itself, and is true
    /// everywhere after W though this process should die.
    pub(crate) async fn wait_a_little(&self, mut progress: watch::Receiver<Progress>) -> Result<Settled, StoreError> {
        let mut end = progress.clone();
        tokio::select! {
            biased;
            settled = ended(&mut end) => return settled,
            Ok(_) = progress.wait_for(|progress| progress.committed) => {}
        }
        let began = tokio::time::Instant::now();
        tokio::select! {
            biased;
            settled = ended(&mut end) => return settled,
            Ok(_) = progress.wait_for(|progress| progress.waits_for_silence) => {}
            () = tokio::time::sleep(PATIENCE) => {}
        }
        let (took, nodes) = (began.elapsed(), progress.borrow().nodes);
        let rest = self.gate.held.terms().wait().saturating_sub(took);
        Ok(Settled { complete: false, nodes, outlasted: false, took, effective_at: self.wall.now() + rest, rest })
    }
}
