//! What the server can do: one file per noun, one function per verb. The console renders a verb's result as HTML, the API as JSON.
use std::{collections::HashMap, hash::Hash, ops::Deref, path::Path, sync::Arc, time::Duration};

use claviger_domain::{
    account::{Account, Status},
    chance::Chance,
    event::{Action, Event},
    id::{AccountId, EventId},
    keyed::Keyed,
    kind::Kinds,
    policy::{self, Actor, Grant, Permission, Refused},
    redaction::Redactor,
    secret::Digest,
    token::Format,
};
use claviger_lease::Terms;
use claviger_store::{Recorded, Store, StoreError, Tx, operator_key::OperatorKey};
use gathering::{Gathering, Question};
use serde_json::json;
use tokio::sync::{oneshot, watch};

use crate::{
    clock::Clock,
    cluster::{Cluster, Gate, LeaseClock, Mode, Progress, Rounds},
    config::{Counting, Settings, Wait, lease_out_of_range},
    keyring::KeyRing,
    metrics::Metrics,
    problem::Problem,
    request::Context,
    requests::Reports,
    tokens::Tokens,
    traces::Traces,
    verify::{Challenges, Index, Passwords, Rates, Refusals, Replays, Uses},
};

pub mod accounts;
pub mod catalogue;
pub mod cluster;
pub mod credentials;
mod ending;
pub(crate) mod gathering;
pub mod members;
pub mod once;
pub mod operator_keys;
pub mod sessions;
pub mod sign_in;
pub mod standing;
pub(crate) mod tokens;

/// Everything a request can need. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

/// See [`App`].
#[derive(Debug)]
pub struct Inner {
    /// The settings in force.
    pub settings: Settings,
    /// The database.
    pub store: Store,
    /// The account kinds.
    pub kinds: Kinds,
    /// The time.
    pub clock: Clock,
    /// The randomness.
    pub chance: Arc<dyn Chance + 'static>,
    /// The keys.
    pub keys: Arc<KeyRing>,
    /// How generated credentials are written.
    pub format: Format,
    /// Access tokens.
    pub tokens: Tokens,
    /// What verification knows.
    pub index: Index,
    /// The nodes, and what every change waits for.
    pub cluster: Cluster,
    endings: Gathering<ending::Asked>,
    confirmations: Rounds<Result<(), StoreError>>,
    account_questions: Gathering<Question<AccountId, Account>>,
    operator_key_questions: Gathering<Question<String, OperatorKey>>,
    pub(crate) challenges: Challenges,
    pub(crate) metrics: Metrics,
    pub(crate) passwords: Passwords,
    pub(crate) redactor: Redactor,
    pub(crate) rates: Rates,
    pub(crate) refusals: Refusals,
    pub(crate) replays: Replays,
    pub(crate) reports: Reports,
    pub(crate) traces: Traces,
    pub(crate) uses: Uses,
    /// Hashes passwords that were right before; a key of this process alone.
    pub(crate) fast: Keyed,
    /// The digest of a secret nobody has: what a secret is compared with when there is nothing to compare it with.
    pub(crate) dummy_digest: Digest,
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Why an app cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database was made with another key ring: every credential in it would be refused.
    #[error("this database belongs to another key ring; start with the one it was made with")]
    OtherKeyRing,
    /// The key ring's signing key.
    #[error("the key ring's signing key cannot be used")]
    SigningKey,
    /// A setting.
    #[error(transparent)]
    Setting(#[from] claviger_domain::invalid::Invalid),
}

impl App {
    /// Puts an app together. `issuer` is how the public listener is reached: a URL without a trailing slash.
    ///
    /// # Errors
    /// When a part of it cannot be used; nothing has been written then.
    pub async fn open(
        settings: Settings,
        issuer: String,
        store: Store,
        kinds: Kinds,
        keys: KeyRing,
        clock: Clock,
        chance: Arc<dyn Chance>,
    ) -> Result<Self, OpenError> {
        bind(&store, &keys, &clock).await?;
        let prefix = settings.prefix.as_deref().unwrap_or("clv");
        let (format, redactor) = (Format::new(prefix, keys.tag.clone())?, Redactor::new(prefix));
        let tokens = Tokens::new(&keys, issuer, &*chance).ok_or(OpenError::SigningKey)?;
        let keys = Arc::new(keys);
        let gate = Arc::new(Gate::new(agree(&store, &settings).await?, LeaseClock::System, settings.revocation.unwrap_or_default()));
        let index = Index::open(store.clone(), keys.clone(), gate.clone()).await?;
        let cluster = Cluster::new(store.clone(), gate, clock.clone());
        let passwords = Passwords::new(&*chance).ok_or(OpenError::SigningKey)?;
        let dummy_digest = keys.pepper.digest(format.secret(&*chance).expose().as_bytes());
        let metrics = Metrics::new(cluster.waits.clone(), settings.canary_every.unwrap_or_default());
        let fast = fast(&*chance);
        Ok(Self(Arc::new(Inner {
            challenges: Challenges::new(tokens.issuer()),
            rates: rates(&settings, &store),
            traces: Traces::new(&settings),
            settings,
            store,
            kinds,
            chance,
            keys,
            format,
            tokens,
            index,
            cluster,
            endings: Gathering::default(),
            confirmations: Rounds::default(),
            account_questions: Gathering::default(),
            operator_key_questions: Gathering::default(),
            metrics,
            passwords,
            redactor,
            refusals: Refusals::default(),
            replays: Replays::new(clock.now()),
            reports: Reports::default(),
            uses: Uses::default(),
            fast,
            dummy_digest,
            clock,
        })))
    }

    /// Writes used signatures down in `folder`, and takes up those that the process before this one has left there.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub fn keep_used_signatures_in(&self, folder: &Path) -> std::io::Result<()> {
        self.replays.keep_in(folder, self.clock.now())
    }

    /// How the public listener is reached, without a trailing slash.
    #[must_use]
    pub fn public_url(&self) -> &str {
        self.tokens.issuer()
    }

    /// The account with this id, read just now: by one statement for all who ask meanwhile.
    async fn find_account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let read = |store: Store, ids: Vec<AccountId>| async move {
            let found = store.reader().await?.find_accounts(&ids).await?;
            Ok(found.into_iter().map(|account| (account.id, account)).collect())
        };
        self.ask(|app| &app.account_questions, id, read).await
    }

    /// The living operator key with this public part, read just now: by one statement for all who ask meanwhile.
    async fn find_operator_key(&self, public_id: &str) -> Result<Option<OperatorKey>, StoreError> {
        let read = |store: Store, public_ids: Vec<String>| async move {
            let found = store.reader().await?.find_operator_keys(&public_ids).await?;
            Ok(found.into_iter().map(|key| (key.public_id.clone(), key)).collect())
        };
        self.ask(|app| &app.operator_key_questions, public_id.to_owned(), read).await
    }

    /// In a task of its own: who goes away takes no answer from the others.
    async fn ask<K, V, F>(
        &self,
        questions: fn(&Inner) -> &Gathering<Question<K, V>>,
        key: K,
        read: impl FnOnce(Store, Vec<K>) -> F + Send + 'static,
    ) -> Result<Option<V>, StoreError>
    where
        K: Clone + Eq + Hash + Send + 'static,
        V: Clone + Send + 'static,
        F: Future<Output = Result<HashMap<K, V>, StoreError>> + Send + 'static,
    {
        let (tells, told) = oneshot::channel();
        questions(self).add((key, tells));
        let app = self.clone();
        tokio::spawn(async move {
            let store = app.store.clone();
            questions(&app).take_turn(|asked| gathering::answer(asked, |keys| read(store, keys))).await;
        });
        told.await.unwrap_or_else(|_| Err(StoreError::Unavailable("who was reading is gone".into())))
    }

    /// The account with this id, and proof that `actor` may do `P` there.
    pub(crate) async fn permit<P: Permission>(&self, context: &Context, actor: &Actor, account: AccountId) -> Result<Grant<P>, Problem> {
        self.permit_at(context, actor, Some(account), &account.to_string()).await
    }

    /// As [`App::permit`], of the account that what `actor` asked for by the id `asked` lives in, if there is such a thing. What they may not
    /// know of and what does not exist are the same to them: as much is read, and the same is written, in the audit log of their own account.
    pub(crate) async fn permit_at<P: Permission>(
        &self,
        context: &Context,
        actor: &Actor,
        account: Option<AccountId>,
        asked: &str,
    ) -> Result<Grant<P>, Problem> {
        let found = self.find_account(account.unwrap_or(AccountId::NOBODY)).await?;
        let (own, account) = (actor.account(), found.as_ref().map(|account| account.id));
        let decided = match found {
            Some(found) => policy::decide(&self.kinds, actor, &self.as_seen_by(actor, found).await?),
            None => Err(Refused::Hidden),
        };
        let refused = match decided {
            Ok(grant) => return Ok(grant),
            Err(refused) => refused,
        };
        match (refused, own) {
            // the operator may know of everything: so there is no such thing
            (Refused::Hidden, None) => {}
            (Refused::Hidden, Some(own)) if account != Some(own) => self.record_denied(context, actor, P::NAME, Some(own), Some(asked)).await,
            _ => self.record_denied(context, actor, P::NAME, account, None).await,
        }
        Err(refused.into())
    }

    /// To the people of an account and of those above it, what stands below a suspended one is suspended. It is looked up for nobody else: that would
    /// take time, by which they could tell that it is there.
    async fn as_seen_by(&self, actor: &Actor, mut account: Account) -> Result<Account, Problem> {
        let is_theirs = matches!(actor, Actor::Member { account: own, .. } if *own == account.id || account.lineage.contains(*own));
        if is_theirs && accounts::is_any_above_suspended(self, &account).await? {
            account.status = Status::Suspended;
        }
        Ok(account)
    }

    /// Writes down that someone tried what they may not, in the audit log of this account, and at what, if that is not the account itself. A
    /// failure to do so does not turn the no into anything else.
    pub(crate) async fn record_denied(&self, context: &Context, actor: &Actor, wanted: &str, account: Option<AccountId>, asked: Option<&str>) {
        let detail = asked.map_or_else(|| json!({}), |_| json!({ "wanted": wanted }));
        let event = self.event(context, actor, Action::AccessDenied, account, asked.unwrap_or(wanted), detail);
        let recorded = async {
            let mut tx = self.store.begin().await?;
            let recorded = tx.record(&event).await?;
            tx.commit(recorded).await
        };
        if let Err(error) = recorded.await {
            tracing::error!(%error, "a denied attempt could not be recorded");
        }
    }

    /// Writes when credentials were last used. To be called every few seconds.
    ///
    /// # Errors
    /// When the database is not available; what was noted is lost then.
    pub async fn flush_uses(&self) -> Result<(), StoreError> {
        self.uses.flush(&self.store).await
    }

    pub(crate) fn event(
        &self,
        context: &Context,
        actor: &Actor,
        action: Action,
        account: Option<AccountId>,
        target: impl Into<String>,
        detail: serde_json::Value,
    ) -> Event {
        let at = self.clock.now();
        Event {
            id: EventId::new(at, &*self.chance),
            at,
            account,
            actor: actor.as_text(),
            action,
            target: target.into(),
            detail,
            request_id: context.request_id.clone(),
            source: context.source.map(|ip| ip.to_string()),
        }
    }

    /// Commits, and does not return before it is true on every node, or before it is known until when it will be. Goes on even if the
    /// caller goes away.
    pub(crate) async fn commit(&self, tx: Tx, recorded: Recorded) -> Result<(), StoreError> {
        let timeline = tx.timeline()?;
        self.meet(timeline).await?;
        self.settle(timeline, async move { tx.commit(recorded).await }).await
    }

    async fn settle(&self, timeline: u32, committed: impl Future<Output = Result<(), StoreError>> + Send + 'static) -> Result<(), StoreError> {
        let (tells, progress) = watch::channel(Progress::default());
        let app = self.clone();
        tokio::spawn(async move { app.follow(timeline, committed.await, tells).await });
        self.wait_for(progress).await
    }

    /// As [`Self::commit`], for what was found done already, on this primary: whoever did it may not have waited until it was true everywhere.
    pub(crate) async fn make_sure(&self, timeline: u32) -> Result<(), StoreError> {
        let app = self.clone();
        self.settle(timeline, async move { app.confirm().await }).await
    }

    /// As [`Self::make_sure`], of what was found done in this transaction, which has nothing left to do.
    pub(crate) async fn make_sure_instead(&self, tx: Tx) -> Result<(), StoreError> {
        let timeline = tx.timeline()?;
        drop(tx);
        self.make_sure(timeline).await
    }

    /// As [`Store::confirm`], once for all who ask meanwhile: where a standby is waited for, asking again and again must not use up the connections.
    pub(crate) async fn confirm(&self) -> Result<(), StoreError> {
        self.confirmations.join(|| self.store.confirm()).await
    }

    /// Before a change is committed on this primary: if it is another than was read from last, what it tells is read first. Revisions that are
    /// missing there are noticed by whoever looks before they are counted anew.
    pub(crate) async fn meet(&self, timeline: u32) -> Result<(), StoreError> {
        if timeline != self.index.timeline() {
            self.index.catch_up().await?;
        }
        Ok(())
    }

    /// Follows a change that was committed on this primary, or was not, to its end, and tells whoever waits for it. To be run in a task of its own.
    async fn follow(&self, timeline: u32, committed: Result<(), StoreError>, tells: watch::Sender<Progress>) {
        let settled = match committed {
            Ok(()) => {
                tells.send_replace(Progress::COMMITTED);
                // committed and not settled is "unknown" to the caller: trying again settles again
                let settled = self.cluster.settle(&self.index, timeline, &tells).await;
                if let (Err(error), true) = (&settled, tells.is_closed()) {
                    tracing::warn!(%error, "a change whose caller was told to expect it, or went away, could not be followed to its end; it is true after the longest wait");
                }
                settled
            }
            Err(error) => Err(error),
        };
        tells.send_modify(|progress| progress.ended = Some(settled));
    }

    /// Waits for a change that is being followed, as long as this request would.
    async fn wait_for(&self, mut progress: watch::Receiver<Progress>) -> Result<(), StoreError> {
        let settled = if self.settings.revocation_wait == Some(Wait::Bounded) && crate::cluster::tells_later() {
            self.cluster.wait_a_little(progress).await?
        } else {
            crate::cluster::ended(&mut progress).await?
        };
        crate::cluster::tell(settled);
        Ok(())
    }
}

/// The terms of every node's lease.
async fn agree(store: &Store, settings: &Settings) -> Result<Terms, OpenError> {
    let wished = settings.lease_terms()?.and_then(|terms| i64::try_from(terms.lease().as_millis()).ok());
    let agreed = store.agree_on_lease(wished).await?;
    Terms::of(Duration::from_millis(agreed.unsigned_abs())).ok_or_else(|| OpenError::Setting(lease_out_of_range()))
}

/// Where there are no rows of leases nobody knows how many nodes there are; there the database is asked for each verification anyway, and so it counts.
fn rates(settings: &Settings, store: &Store) -> Rates {
    let has_rows = settings.revocation.unwrap_or_default() == Mode::Lease;
    let is_exact = settings.rate_limit_counting == Some(Counting::Exact) || !has_rows;
    Rates::new(settings.rate_limit, store.is_shared() && has_rows, store.is_shared() && is_exact)
}

fn fast(chance: &dyn Chance) -> Keyed {
    let mut key = zeroize::Zeroizing::new([0; 32]);
    chance.fill(&mut *key);
    Keyed::new(&key)
}

/// Binds a new database to its key ring, or refuses one that belongs to another.
async fn bind(store: &Store, keys: &KeyRing, clock: &Clock) -> Result<(), OpenError> {
    let check = keys.check_value();
    if store.reader().await?.find_key_check().await?.is_none() {
        let mut tx = store.begin().await?;
        tx.bind_to_key_ring(&check, clock.now()).await?;
        tx.commit_housekeeping().await?;
    }
    match store.reader().await?.find_key_check().await? {
        Some(bound) if bound == check => Ok(()),
        _ => Err(OpenError::OtherKeyRing),
    }
}
