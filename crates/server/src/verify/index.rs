//! What verification knows: accounts and credentials in memory, read without a lock, kept current by revision.
//!
//! Order is everything here. A change is *published* (`applied`) before it is evicted, and a fill is kept only if it was read at or after
//! the revision applied, checked under the same lock that evicts: so nothing older than an applied change can come to stay.
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use arc_swap::ArcSwapOption;
use claviger_domain::{account::Account, catalogue::Catalogue, id::AccountId};
use claviger_store::{
    Store, StoreError, Tx,
    revision::{Changed, Log, Position},
};

use super::Entry;
use crate::{
    cluster::{Gate, Mode, Rounds},
    keyring::KeyRing,
};

/// Lock stripes between fills and evictions; readers take none of them.
const STRIPES: usize = 64;
/// The most credentials kept, and the most accounts.
const CAPACITY: usize = 1_000_000;

/// See the module.
#[derive(Debug)]
pub struct Index {
    store: Store,
    applied: AtomicI64,
    epoch: AtomicI64,
    /// Whether memory may answer.
    gate: Arc<Gate>,
    /// Reading the log and applying it: one at a time, and one for all who want it.
    rounds: Rounds<Result<(), StoreError>>,
    credentials: papaya::HashMap<Box<str>, Arc<Entry>>,
    accounts: papaya::HashMap<AccountId, Arc<Account>>,
    catalogue: ArcSwapOption<Catalogue>,
    keys: Arc<KeyRing>,
    stripes: [Mutex<()>; STRIPES],
    flights: Mutex<std::collections::HashMap<Box<str>, Arc<tokio::sync::Mutex<()>>>>,
    reads: AtomicU64,
}

/// Neither yes nor no can be said just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotSay;

impl From<StoreError> for CannotSay {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "verification cannot say");
        Self
    }
}

impl Index {
    /// An empty index at the store's present revision. It fills as it is asked.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn open(store: Store, keys: Arc<KeyRing>, gate: Arc<Gate>) -> Result<Self, StoreError> {
        let Position { epoch, rev } = store.reader().await?.position().await?;
        let index = Self {
            store,
            applied: AtomicI64::new(rev),
            epoch: AtomicI64::new(epoch),
            gate,
            rounds: Rounds::default(),
            credentials: papaya::HashMap::new(),
            accounts: papaya::HashMap::new(),
            catalogue: ArcSwapOption::empty(),
            keys,
            stripes: std::array::from_fn(|_| Mutex::new(())),
            flights: Mutex::default(),
            reads: AtomicU64::new(0),
        };
        let (text, _) = index.store.reader().await?.load_catalogue().await?;
        index.catalogue.store(parse_catalogue(text.as_deref())?);
        Ok(index)
    }

    /// The operator's catalogue; None while there is none.
    pub(crate) fn catalogue(&self) -> Option<Arc<Catalogue>> {
        self.catalogue.load_full()
    }

    /// The revision up to which changes are applied.
    pub fn applied(&self) -> i64 {
        self.applied.load(Ordering::SeqCst)
    }

    /// How many point reads the store has answered: what junk must not raise.
    pub fn store_reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// How many credentials are in memory.
    pub fn len(&self) -> usize {
        self.credentials.len()
    }

    /// Whether no credential is in memory.
    pub fn is_empty(&self) -> bool {
        self.credentials.is_empty()
    }

    /// Applies every change committed so far. When it returns, no answer rests on anything older.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let round = || async {
            let log = self.store.reader().await?.log_after(self.position()).await?;
            self.apply(log)
        };
        self.rounds.join(round).await
    }

    /// The same within a transaction, for a renewal; gives the revision up to which changes are applied.
    pub(crate) async fn catch_up_in(&self, tx: &mut Tx) -> Result<i64, StoreError> {
        let _no_round = self.rounds.pause().await;
        let log = tx.log_after(self.position()).await?;
        let rev = log.position.rev;
        self.apply(log)?;
        Ok(rev)
    }

    fn position(&self) -> Position {
        Position { epoch: self.epoch.load(Ordering::SeqCst), rev: self.applied() }
    }

    /// Publishes, then evicts. Nothing can fail or be broken off in between: what was not evicted then would never be.
    fn apply(&self, log: Log) -> Result<(), StoreError> {
        let catalogue = log.catalogue.map(|text| parse_catalogue(text.as_deref())).transpose()?;
        if log.replaces_history {
            tracing::error!(from = ?self.position(), to = ?log.position, "the database's history is another one; memory is emptied");
        }
        // published first: from here on no fill that was read earlier can stay
        self.applied.store(log.position.rev, Ordering::SeqCst);
        self.epoch.store(log.position.epoch, Ordering::SeqCst);
        if let Some(catalogue) = catalogue {
            self.catalogue.store(catalogue);
        }
        if log.replaces_history {
            for stripe in &self.stripes {
                let _no_fill = stripe.lock().unwrap_or_else(PoisonError::into_inner);
                self.credentials.pin().clear();
                self.accounts.pin().clear();
            }
        }
        for change in log.changed {
            match change {
                Changed::Catalogue => {}
                Changed::Credential(public_id) => {
                    let _no_fill = self.stripe(public_id.as_bytes());
                    self.credentials.pin().remove(public_id.as_str());
                }
                Changed::Account(id) => {
                    if let Ok(id) = id.parse::<AccountId>() {
                        let _no_fill = self.stripe(id.as_bytes());
                        self.accounts.pin().remove(&id);
                    }
                }
            }
        }
        Ok(())
    }

    /// The credential with this public part; None when there is none.
    pub(crate) async fn credential(&self, public_id: &str) -> Result<Option<Arc<Entry>>, CannotSay> {
        self.assure_current().await?;
        if let Some(found) = self.credentials.pin().get(public_id).cloned() {
            return Ok(Some(found));
        }
        let flight = self.board(public_id);
        let landed = async {
            let _turn = flight.lock().await;
            // who waited finds what the first one brought
            if let Some(found) = self.credentials.pin().get(public_id).cloned() {
                return Ok(Some(found));
            }
            self.reads.fetch_add(1, Ordering::Relaxed);
            let (loaded, revision) = self.store.reader().await?.load_credential(public_id).await?;
            let Some(entry) = loaded.map(|loaded| Arc::new(Entry::new(loaded, &self.keys))) else { return Ok(None) };
            let _no_eviction = self.stripe(public_id.as_bytes());
            if self.keeps() && revision >= self.applied() {
                make_room(&self.credentials);
                self.credentials.pin().insert(public_id.into(), entry.clone());
            }
            Ok(Some(entry))
        }
        .await;
        self.leave(public_id, flight);
        landed
    }

    /// The account with this id; None when there is none.
    pub(crate) async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>, CannotSay> {
        if let Some(found) = self.accounts.pin().get(&id).cloned() {
            return Ok(Some(found));
        }
        self.reads.fetch_add(1, Ordering::Relaxed);
        let (account, revision) = self.store.reader().await?.load_account(id).await?;
        let Some(account) = account.map(Arc::new) else { return Ok(None) };
        let _no_eviction = self.stripe(id.as_bytes());
        if self.keeps() && revision >= self.applied() {
            make_room(&self.accounts);
            self.accounts.pin().insert(id, account.clone());
        }
        Ok(Some(account))
    }

    /// To be asked before memory is, once for each question.
    async fn assure_current(&self) -> Result<(), CannotSay> {
        match self.gate.mode {
            Mode::Lease if self.gate.is_open() => Ok(()),
            Mode::Lease => Err(CannotSay),
            Mode::ReadIndex | Mode::Direct => self.catch_up().await.map_err(CannotSay::from),
        }
    }

    /// Whether anything is kept in memory at all.
    fn keeps(&self) -> bool {
        self.gate.mode != Mode::Direct
    }

    fn stripe(&self, key: &[u8]) -> std::sync::MutexGuard<'_, ()> {
        let at = key.iter().fold(0_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        self.stripes[at % STRIPES].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn board(&self, public_id: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).entry(public_id.into()).or_default().clone()
    }

    fn leave(&self, public_id: &str, flight: Arc<tokio::sync::Mutex<()>>) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        drop(flight);
        // the map's own reference is the last: nobody waits any more
        if flights.get(public_id).is_some_and(|flight| Arc::strong_count(flight) == 1) {
            flights.remove(public_id);
        }
    }
}

fn parse_catalogue(text: Option<&str>) -> Result<Option<Arc<Catalogue>>, StoreError> {
    let catalogue = text.map(Catalogue::from_json).transpose();
    Ok(catalogue.map_err(|error| StoreError::Unusable(format!("the catalogue cannot be read: {error}")))?.map(Arc::new))
}

/// Drops some entries, whichever the map yields first, once it is full: the memory is bounded, and what is dropped is one read away.
fn make_room<K: std::hash::Hash + Eq + Clone, V>(map: &papaya::HashMap<K, V>) {
    let map = map.pin();
    if map.len() >= CAPACITY {
        let some: Vec<K> = map.keys().take(CAPACITY / 64).cloned().collect();
        for key in some {
            map.remove(&key);
        }
    }
}
