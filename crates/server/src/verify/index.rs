//! What verification knows: accounts and credentials in memory, read without a lock, kept current by revision.
//!
//! Order is everything here. A change is *published* (`applied`) before it is evicted, and a fill is kept only if it was read at or after
//! the revision applied, checked under the same lock that evicts ([`Cache`]): so nothing older than an applied change can come to stay.
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use claviger_domain::{catalogue::Catalogue, id::AccountId, time::Timestamp};
use claviger_store::{
    Store, StoreError, Tx,
    revision::{Changed, Log, Position},
};

use super::{
    Entry, Holder,
    cache::{Cache, Kept, Keyed},
    revoked::Revoked,
    silence,
};
use crate::{
    cluster::{Gate, Mode, Reading, Rounds},
    keyring::KeyRing,
};

/// The most credentials kept, and the most accounts: of each credential about 230 bytes (`docs/benchmarks.md`), signing keys aside.
const CAPACITY: usize = 1_000_000;

/// See the module.
#[derive(Debug)]
pub struct Index {
    store: Store,
    applied: AtomicI64,
    epoch: AtomicI64,
    timeline: AtomicU32,
    /// Whether revisions are missing that a node had applied: a revocation may be among them, so nothing can be said until a person says so.
    has_lost: AtomicBool,
    /// Whether memory may answer.
    gate: Arc<Gate>,
    /// Reading the log and applying it: one at a time, and one for all who want it.
    rounds: Rounds<Result<Position, StoreError>>,
    credentials: Cache<Entry>,
    accounts: Cache<Holder>,
    catalogue: ArcSwapOption<Catalogue>,
    revoked: Revoked,
    keys: Arc<KeyRing>,
    reads: AtomicU64,
    misses: AtomicU64,
    /// When what is applied was all there was.
    current_at: Mutex<Instant>,
}

/// What the log and `/readyz` say.
pub(crate) const HAS_LOST: &str = "The database is missing revisions that a node had applied, and with them perhaps revocations. Nothing is \
                                   verified until an operator has looked and added one to revision.epoch: see docs/revocation.md.";

/// Neither yes nor no can be said just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotSay;

impl From<StoreError> for CannotSay {
    fn from(error: StoreError) -> Self {
        silence::note(|| error);
        Self
    }
}

impl Index {
    /// An empty index at the store's present revision. It fills as it is asked.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn open(store: Store, keys: Arc<KeyRing>, gate: Arc<Gate>) -> Result<Self, StoreError> {
        let Position { epoch, rev, timeline } = store.reader().await?.position().await?;
        let has_lost = store.reader().await?.cluster().await?.has_lost;
        let index = Self {
            store,
            applied: AtomicI64::new(rev),
            epoch: AtomicI64::new(epoch),
            timeline: AtomicU32::new(timeline),
            has_lost: AtomicBool::new(has_lost),
            gate,
            rounds: Rounds::default(),
            credentials: Cache::new(CAPACITY),
            accounts: Cache::new(CAPACITY),
            catalogue: ArcSwapOption::empty(),
            revoked: Revoked::default(),
            keys,
            reads: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            current_at: Mutex::new(Instant::now()),
        };
        let (text, _) = index.store.reader().await?.load_catalogue().await?;
        index.catalogue.store(parse_catalogue(text.as_deref())?);
        index.store.reader().await?.list_revoked_tokens().await?.into_iter().for_each(|token| index.revoked.add(token));
        Ok(index)
    }

    /// The operator's catalogue; None while there is none.
    pub(crate) fn catalogue(&self) -> Option<Arc<Catalogue>> {
        self.catalogue.load_full()
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

    /// The revision up to which changes are applied.
    pub fn applied(&self) -> i64 {
        self.applied.load(Ordering::SeqCst)
    }

    /// How many point reads the store has answered: what junk must not raise.
    pub fn store_reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// How many questions were for what was not in memory.
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// How long ago what is applied was all that was committed.
    pub fn revision_age(&self) -> Duration {
        self.current_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// How many credentials are in memory.
    pub fn len(&self) -> usize {
        self.credentials.len()
    }

    /// Whether no credential is in memory.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Applies every change committed so far, and gives where the log stood. When it returns, no answer rests on anything older.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn catch_up(&self) -> Result<Position, StoreError> {
        let round = || async {
            let begun = Instant::now();
            let mut reader = self.store.log_reader().await?;
            let log = reader.log_after(self.position()).await?;
            if self.gate.mode != Mode::Lease {
                // a lease is renewed by a COMMIT; who only reads would go on reading what a former primary says
                reader.assure_primary().await?;
            }
            let position = log.position;
            self.apply(log, begun).map(|()| position)
        };
        self.rounds.join(round).await
    }

    /// The same within a transaction, for a renewal; gives the revision up to which changes are applied.
    pub(crate) async fn catch_up_in(&self, tx: &mut Tx) -> Result<i64, StoreError> {
        let _no_round = self.rounds.pause().await;
        let begun = Instant::now();
        let log = tx.log_after(self.position()).await?;
        let rev = log.position.rev;
        self.apply(log, begun)?;
        Ok(rev)
    }

    /// Which primary told what is in memory.
    pub(crate) fn timeline(&self) -> u32 {
        self.timeline.load(Ordering::SeqCst)
    }

    fn position(&self) -> Position {
        Position { epoch: self.epoch.load(Ordering::SeqCst), rev: self.applied(), timeline: self.timeline() }
    }

    /// Publishes, then evicts. Nothing can fail or be broken off in between: what was not evicted then would never be.
    fn apply(&self, log: Log, read_at: Instant) -> Result<(), StoreError> {
        let catalogue = log.catalogue.map(|text| parse_catalogue(text.as_deref())).transpose()?;
        if log.replaces_history {
            tracing::error!(from = ?self.position(), to = ?log.position, "the database's history is another one; memory is emptied");
        } else if log.replaces_memory {
            tracing::warn!(from = ?self.position(), to = ?log.position, "another primary answers; memory is emptied, since what the old one lost was counted anew");
        }
        // closed first, and for all that comes in this epoch; opened last
        let (had_lost, has_lost) = (self.has_lost(), log.has_lost || (self.has_lost() && !log.replaces_history));
        if has_lost && !had_lost {
            tracing::error!("{HAS_LOST}");
            self.has_lost.store(true, Ordering::SeqCst);
        }
        // published first: from here on no fill that was read earlier can stay
        self.applied.store(log.position.rev, Ordering::SeqCst);
        self.epoch.store(log.position.epoch, Ordering::SeqCst);
        self.timeline.store(log.position.timeline, Ordering::SeqCst);
        if let Some(catalogue) = catalogue {
            self.catalogue.store(catalogue);
        }
        if log.replaces_memory {
            self.credentials.clear();
            self.accounts.clear();
        }
        // none is ever taken away: a restored backup does not give a revoked token back
        log.revoked_tokens.into_iter().for_each(|token| self.revoked.add(token));
        for change in log.changed {
            match change {
                Changed::Catalogue => {}
                Changed::Token(token) => self.revoked.add(token),
                Changed::Credential(public_id) => self.credentials.evict(&public_id),
                Changed::Account(id) => self.accounts.evict(&id),
            }
        }
        if had_lost && !has_lost {
            tracing::warn!("another epoch was begun: verification answers again");
            self.has_lost.store(false, Ordering::SeqCst);
        }
        *self.current_at.lock().unwrap_or_else(PoisonError::into_inner) = read_at;
        Ok(())
    }

    /// Whether revisions are missing that a node had applied.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        self.has_lost.load(Ordering::SeqCst)
    }

    /// Tells every other node, and every later process, of revisions that are missing.
    ///
    /// # Errors
    /// When the database is not available.
    pub(crate) async fn report_loss(&self) -> Result<(), StoreError> {
        let lost = {
            // not while another epoch is being begun: the loss would be said of that one
            let _no_round = self.rounds.pause().await;
            self.has_lost().then(|| self.position().epoch)
        };
        match lost {
            Some(epoch) => self.store.remember_loss(epoch).await,
            None => Ok(()),
        }
    }

    /// The credential with this public part, if it is in memory and memory may be asked, as far as a `reading` of the lease's clocks says
    /// which was taken after the question came.
    ///
    /// A reading of that time is as good as one of now: the answer is then right as of that moment, and it comes after the question. Where it
    /// is not enough, a renewal may have begun since; so before nothing is said, the clocks are read again.
    pub(crate) fn in_memory(&self, public_id: &str, reading: Reading) -> Result<Option<Kept<Entry>>, CannotSay> {
        if self.gate.mode != Mode::Lease {
            return Ok(None);
        }
        if self.has_lost() || !(self.gate.was_open_at(reading) || self.gate.is_open()) {
            silence::note(|| self.why_silent().unwrap_or_default());
            return Err(CannotSay);
        }
        Ok(self.credentials.get(public_id))
    }

    /// Whether memory says that there is no credential with this public part. To be asked after [`Self::in_memory`], which says whether memory may be asked.
    pub(crate) fn is_known_to_be_absent(&self, public_id: &str) -> bool {
        self.gate.mode == Mode::Lease && self.credentials.is_absent(public_id)
    }

    /// The credential with this public part; None when there is none.
    pub(crate) async fn credential(&self, public_id: &str) -> Result<Option<Kept<Entry>>, CannotSay> {
        self.assure_current().await?;
        if let Some(kept) = self.credentials.get(public_id) {
            return Ok(Some(kept));
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let read = async {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let (loaded, revision) = self.store.prompt_reader().await?.load_credential(public_id).await?;
            Ok::<_, StoreError>((loaded.map(|loaded| Arc::new(Entry::new(loaded, &self.keys))), revision))
        };
        Ok(Box::pin(self.credentials.read(public_id, || self.keeps_from(), read)).await?)
    }

    /// The account with this id; None when there is none.
    pub(crate) async fn account(&self, id: AccountId) -> Result<Option<Kept<Holder>>, CannotSay> {
        if let Some(kept) = self.accounts.get(&id) {
            return Ok(Some(kept));
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let read = async {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let (account, revision) = self.store.prompt_reader().await?.load_account(id).await?;
            Ok::<_, StoreError>((account.map(|account| Arc::new(Holder::new(account))), revision))
        };
        Ok(Box::pin(self.accounts.read(&id, || self.keeps_from(), read)).await?)
    }

    /// To be asked before memory is, once for each question.
    async fn assure_current(&self) -> Result<(), CannotSay> {
        match self.gate.mode {
            Mode::Lease if self.gate.is_open() => {}
            Mode::Lease => {
                silence::note(|| self.gate.why_closed());
                return Err(CannotSay);
            }
            Mode::ReadIndex | Mode::Direct => drop(Box::pin(self.catch_up()).await?),
        }
        if self.has_lost() {
            silence::note(|| HAS_LOST);
            return Err(CannotSay);
        }
        Ok(())
    }

    /// Why nothing can be answered from memory just now; None when it can be.
    pub(crate) fn why_silent(&self) -> Option<String> {
        if self.has_lost() {
            return Some(HAS_LOST.to_owned());
        }
        (self.gate.mode == Mode::Lease && !self.gate.is_open()).then(|| self.gate.why_closed())
    }

    /// The revision that a fill must have been read at, at least, to be kept.
    fn keeps_from(&self) -> i64 {
        if self.gate.mode == Mode::Direct { i64::MAX } else { self.applied() }
    }
}

fn parse_catalogue(text: Option<&str>) -> Result<Option<Arc<Catalogue>>, StoreError> {
    let catalogue = text.map(Catalogue::from_json).transpose();
    Ok(catalogue.map_err(|error| StoreError::Unusable(format!("the catalogue cannot be read: {error}")))?.map(Arc::new))
}

impl Keyed for Entry {
    type Key = str;

    fn is(&self, key: &str) -> bool {
        self.is_called(key)
    }
}

impl Keyed for Holder {
    type Key = AccountId;

    fn is(&self, key: &AccountId) -> bool {
        self.account.id == *key
    }
}
