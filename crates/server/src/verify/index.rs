//! What verification knows: accounts and credentials in memory, read without a lock, kept current by revision.
//!
//! Order is everything here. A change is *published* (`applied`) before it is evicted, and a fill is kept only if it was read at or after
//! the revision applied, checked under the same lock that evicts: so nothing older than an applied change can come to stay.
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};

use arc_swap::ArcSwapOption;
use claviger_domain::{account::Account, catalogue::Catalogue, id::AccountId, time::Timestamp};
use claviger_store::{
    Store, StoreError,
    revision::{Changed, Position},
};

use super::{Entry, revoked::Revoked};
use crate::keyring::KeyRing;

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
    /// False while a change may be committed that has not been applied here: then nothing is answered.
    current: AtomicBool,
    catching_up: tokio::sync::Mutex<()>,
    credentials: papaya::HashMap<Box<str>, Arc<Entry>>,
    accounts: papaya::HashMap<AccountId, Arc<Account>>,
    catalogue: ArcSwapOption<Catalogue>,
    revoked: Revoked,
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
    pub async fn open(store: Store, keys: Arc<KeyRing>) -> Result<Self, StoreError> {
        let Position { epoch, rev } = store.reader().await?.position().await?;
        let index = Self {
            store,
            applied: AtomicI64::new(rev),
            epoch: AtomicI64::new(epoch),
            current: AtomicBool::new(true),
            catching_up: tokio::sync::Mutex::new(()),
            credentials: papaya::HashMap::new(),
            accounts: papaya::HashMap::new(),
            catalogue: ArcSwapOption::empty(),
            revoked: Revoked::default(),
            keys,
            stripes: std::array::from_fn(|_| Mutex::new(())),
            flights: Mutex::default(),
            reads: AtomicU64::new(0),
        };
        index.load_catalogue().await?;
        index.load_revoked_tokens().await?;
        Ok(index)
    }

    /// The operator's catalogue; None while there is none.
    pub(crate) fn catalogue(&self) -> Option<Arc<Catalogue>> {
        self.catalogue.load_full()
    }

    async fn load_catalogue(&self) -> Result<(), StoreError> {
        let (text, _) = self.store.reader().await?.load_catalogue().await?;
        let catalogue = text.map(|text| Catalogue::from_json(&text)).transpose();
        let catalogue = catalogue.map_err(|error| StoreError::Unusable(format!("the catalogue cannot be read: {error}")))?;
        self.catalogue.store(catalogue.map(Arc::new));
        Ok(())
    }

    /// Whether a token was revoked by itself. To be asked after its credential was found: that assures that the index is current.
    pub(crate) fn is_token_revoked(&self, jti: &str) -> bool {
        self.revoked.contains(jti)
    }

    /// How many tokens are known to be revoked by themselves.
    pub fn revoked_tokens(&self) -> usize {
        self.revoked.len()
    }

    /// Forgets the revoked tokens that have expired.
    pub(crate) fn forget_expired_tokens(&self, now: Timestamp) {
        self.revoked.forget_expired(now);
    }

    /// None is ever taken away here: a restored backup does not give a revoked token back.
    async fn load_revoked_tokens(&self) -> Result<(), StoreError> {
        let all = self.store.reader().await?.list_revoked_tokens().await?;
        all.into_iter().for_each(|token| self.revoked.add(token));
        Ok(())
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

    /// Says that a change may have been committed that nobody could confirm: nothing is answered from memory until the log was read again.
    pub(crate) fn doubt(&self) {
        self.current.store(false, Ordering::SeqCst);
    }

    /// Applies every change committed so far. When it returns, no answer rests on anything older.
    ///
    /// # Errors
    /// When the database is not available; then nothing is answered until it is.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let _turn = self.catching_up.lock().await;
        let caught_up = self.apply_changes().await;
        self.current.store(caught_up.is_ok(), Ordering::SeqCst);
        caught_up
    }

    async fn apply_changes(&self) -> Result<(), StoreError> {
        let applied = self.applied();
        let (position, changes) = self.store.reader().await?.changes_after(applied).await?;
        let history_replaced = position.epoch != self.epoch.load(Ordering::SeqCst) || position.rev < applied;
        // published first: from here on no fill that was read earlier can stay
        self.applied.store(position.rev, Ordering::SeqCst);
        self.epoch.store(position.epoch, Ordering::SeqCst);
        if history_replaced {
            for stripe in &self.stripes {
                let _no_fill = stripe.lock().unwrap_or_else(PoisonError::into_inner);
                self.credentials.pin().clear();
                self.accounts.pin().clear();
            }
            self.load_revoked_tokens().await?;
            return self.load_catalogue().await;
        }
        if changes.contains(&Changed::Catalogue) {
            self.load_catalogue().await?;
        }
        for change in changes {
            match change {
                Changed::Catalogue => {}
                Changed::Token(token) => self.revoked.add(token),
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
            if revision >= self.applied() {
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
        if revision >= self.applied() {
            make_room(&self.accounts);
            self.accounts.pin().insert(id, account.clone());
        }
        Ok(Some(account))
    }

    async fn assure_current(&self) -> Result<(), CannotSay> {
        if self.current.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.catch_up().await.map_err(CannotSay::from)
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
