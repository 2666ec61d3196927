//! Rate limits counted in the database, for all nodes together. Who waits at a node shares a statement; what the database does not answer in time
//! is counted by this node's share, and made up for there when it answers again.
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use claviger_domain::{id::CredentialId, time::Timestamp};
use claviger_store::rate::Taken;
use tokio::{sync::oneshot, time::timeout};

use super::{Rate, Rates};
use crate::{
    app::{App, gathering::Gathering},
    config::RateLimit,
};

/// How long a verification waits for the database to count it.
const PATIENCE: Duration = Duration::from_millis(250);

/// For how long it is not asked again when it did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// What is owed for so many credentials is made up for with one statement, at most.
const TOGETHER: usize = 1_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Exact {
    asking: Gathering<Asked>,
    outage: Mutex<Outage>,
}

#[derive(Debug)]
struct Asked {
    credential: CredentialId,
    answer: oneshot::Sender<Result<Rate, Rate>>,
}

/// What is to be known while the database does not answer, and after that.
#[derive(Debug, Default)]
struct Outage {
    until: Option<Instant>,
    /// Requests that were allowed meanwhile, and that its buckets do not know of.
    owed: HashMap<CredentialId, u32>,
}

/// As [`Rates::take_here`], of the one bucket that all nodes have.
pub(super) async fn take(app: &App, exact: &Exact, limit: RateLimit, credential: CredentialId, now: Timestamp) -> Result<Rate, Rate> {
    if exact.may_ask() {
        let (answer, answered) = oneshot::channel();
        exact.asking.add(Asked { credential, answer });
        let task = app.clone();
        tokio::spawn(async move {
            if let Some(exact) = &task.rates.exact {
                let ask = async |asked| {
                    serve(&task, exact, limit, asked).await;
                };
                exact.asking.take_turn(ask).await;
            }
        });
        if let Ok(Ok(taken)) = timeout(PATIENCE, answered).await {
            return taken;
        }
    }
    app.metrics.count_rate_fallback();
    let taken = app.rates.take_here(limit, credential, now);
    if taken.is_ok() {
        exact.owe(credential);
    }
    taken
}

/// Forgets what says nothing, and has the database know what it was not asked for.
pub(super) async fn tidy(app: &App, exact: &Exact, limit: RateLimit) -> Result<(), claviger_store::StoreError> {
    while exact.owes() && serve(app, exact, limit, Vec::new()).await {}
    app.store.forget_full_buckets().await.map(|_| ())
}

/// Asks for all of them, and first for what is owed; whether there was an answer. Whoever gets none counts by the share.
async fn serve(app: &App, exact: &Exact, limit: RateLimit, mut asked: Vec<Asked>) -> bool {
    // who has given up has been counted otherwise
    asked.retain(|one| !one.answer.is_closed());
    let owed = exact.owed(asked.iter().map(|one| one.credential));
    let mut wanted = owed.clone();
    for one in &asked {
        let count = wanted.entry(one.credential).or_default();
        *count = count.saturating_add(1);
    }
    if wanted.is_empty() {
        return true;
    }
    let mut buckets = match app.store.take_from_buckets(&wanted, limit.interval_nanos(), limit.burst, PATIENCE).await {
        Ok(buckets) => buckets,
        Err(error) => {
            if exact.pause(owed) {
                tracing::warn!(%error, "rate limits are counted by this node's share, for the database does not answer");
            }
            return false;
        }
    };
    exact.answers();
    for (credential, owed) in owed {
        // what is not there is forgiven: a bucket is never emptier than empty
        buckets.entry(credential).and_modify(|taken| taken.granted = taken.granted.saturating_sub(owed));
    }
    for Asked { credential, answer } in asked {
        let Some(Taken { granted, full_in }) = buckets.get_mut(&credential) else { continue };
        let rate = rate(limit, *full_in);
        let taken = if *granted > 0 { Ok(rate) } else { Err(rate) };
        *granted = granted.saturating_sub(1);
        // nobody there any more: then nobody need know
        let _gone = answer.send(taken);
    }
    true
}

/// What is left of a whole bucket that is full in so many nanoseconds.
fn rate(limit: RateLimit, full_in: i64) -> Rate {
    let interval = limit.interval_nanos();
    let burst = i64::from(limit.burst);
    let left = interval.saturating_mul(burst).saturating_sub(full_in);
    Rate::new(burst, interval.saturating_mul(burst), left, interval, 1)
}

impl Exact {
    /// Always while it answers; while it does not, one of those who come after a pause.
    fn may_ask(&self) -> bool {
        let (mut outage, now) = (self.outage(), Instant::now());
        match outage.until {
            Some(until) if now < until => false,
            Some(_) => {
                outage.until = Some(now + PAUSE);
                true
            }
            None => true,
        }
    }

    fn owes(&self) -> bool {
        !self.outage().owed.is_empty()
    }

    /// The database answers.
    fn answers(&self) {
        if self.outage().until.take().is_some() {
            tracing::info!("rate limits are counted in the database again");
        }
    }

    /// It does not, and this is owed still; whether it did before.
    fn pause(&self, owed: HashMap<CredentialId, u32>) -> bool {
        let mut outage = self.outage();
        for (credential, count) in owed {
            let before = outage.owed.entry(credential).or_default();
            *before = before.saturating_add(count);
        }
        outage.until.replace(Instant::now() + PAUSE).is_none()
    }

    fn owe(&self, credential: CredentialId) {
        let mut outage = self.outage();
        if outage.owed.len() < super::MOST || outage.owed.contains_key(&credential) {
            let count = outage.owed.entry(credential).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Takes over what is owed for these, and for some more.
    fn owed(&self, first: impl Iterator<Item = CredentialId>) -> HashMap<CredentialId, u32> {
        let mut outage = self.outage();
        if outage.owed.is_empty() {
            return HashMap::new();
        }
        let mut owed: HashMap<_, _> = first.filter_map(|credential| outage.owed.remove_entry(&credential)).collect();
        let more: Vec<_> = outage.owed.keys().take(TOGETHER.saturating_sub(owed.len())).copied().collect();
        owed.extend(more.iter().filter_map(|credential| outage.owed.remove_entry(credential)));
        owed
    }

    fn outage(&self) -> std::sync::MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rates {
    /// Whether the database counts.
    pub(crate) const fn is_exact(&self) -> bool {
        self.exact.is_some()
    }
}
