//! What verification knows: accounts and credentials in memory, read without a lock, kept current by revision.
//!
//! Order is everything here. A change is *published* (`applied`) before it is evicted, and a fill is kept only if it was read at or after
//! the revision applied, checked under the same lock that evicts ([`Cache`]): so nothing older than an applied change can come to stay.
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};

use arc_swap::ArcSwapOption;
use claviger_domain::{account::Account, catalogue::Catalogue, id::AccountId, time::Timestamp};
use claviger_store::{
    Store, StoreError,
    revision::{Changed, Position},
};

use super::{
    Entry,
    cache::{Cache, Keyed},
    revoked::Revoked,
};
use crate::keyring::KeyRing;

/// The most credentials kept, and the most accounts: of each credential at most 300 bytes (`docs/benchmarks.md`), signing keys aside.
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
    credentials: Cache<Entry>,
    accounts: Cache<Account>,
    catalogue: ArcSwapOption<Catalogue>,
    revoked: Revoked,
    keys: Arc<KeyRing>,
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
            credentials: Cache::new(CAPACITY),
            accounts: Cache::new(CAPACITY),
            catalogue: ArcSwapOption::empty(),
            revoked: Revoked::default(),
            keys,
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
        self.len() == 0
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
            self.credentials.clear();
            self.accounts.clear();
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
                Changed::Credential(public_id) => self.credentials.evict(&public_id),
                Changed::Account(id) => {
                    if let Ok(id) = id.parse::<AccountId>() {
                        self.accounts.evict(&id);
                    }
                }
            }
        }
        Ok(())
    }

    /// The credential with this public part; None when there is none.
    pub(crate) async fn credential(&self, public_id: &str) -> Result<Option<Arc<Entry>>, CannotSay> {
        self.assure_current().await?;
        if let Some(kept) = self.credentials.get(public_id) {
            return Ok(Some(kept));
        }
        let read = async {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let (loaded, revision) = self.store.reader().await?.load_credential(public_id).await?;
            Ok::<_, StoreError>((loaded.map(|loaded| Arc::new(Entry::new(loaded, &self.keys))), revision))
        };
        Ok(self.credentials.get_or_read(public_id, || self.applied(), read).await?)
    }

    /// The account with this id; None when there is none.
    pub(crate) async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>, CannotSay> {
        if let Some(kept) = self.accounts.get(&id) {
            return Ok(Some(kept));
        }
        let read = async {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let (account, revision) = self.store.reader().await?.load_account(id).await?;
            Ok::<_, StoreError>((account.map(Arc::new), revision))
        };
        Ok(self.accounts.get_or_read(&id, || self.applied(), read).await?)
    }

    async fn assure_current(&self) -> Result<(), CannotSay> {
        if self.current.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.catch_up().await.map_err(CannotSay::from)
    }
}

impl Keyed for Entry {
    type Key = str;

    fn key(&self) -> &str {
        self.public_id()
    }
}

impl Keyed for Account {
    type Key = AccountId;

    fn key(&self) -> &AccountId {
        &self.id
    }
}
