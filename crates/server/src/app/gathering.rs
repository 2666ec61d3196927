//! What many ask for at once, done as one: while it is being done for some, the others wait, and share the next time.
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use claviger_store::StoreError;
use tokio::{sync::oneshot, time::timeout};

/// As many are served together, at most.
const TOGETHER: usize = 1_000;

/// How long those before are waited for: what hangs on a connection that is gone must not keep the others from going on by another.
const LONGEST_TURN: Duration = Duration::from_millis(250);

/// Those who wait.
#[derive(Debug)]
pub(crate) struct Gathering<T> {
    waiting: Mutex<Vec<T>>,
    turn: tokio::sync::Mutex<()>,
}

impl<T> Default for Gathering<T> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }
}

impl<T> Gathering<T> {
    /// Lets `one` wait. Whoever calls this then takes a turn, in a task of its own: then nobody is forgotten, and nobody who goes away takes others along.
    pub(crate) fn add(&self, one: T) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    }

    /// Serves those who wait, when it is our turn; often somebody has done it before.
    pub(crate) async fn take_turn<F: Future<Output = ()>>(&self, serve: impl FnOnce(Vec<T>) -> F) {
        let _turn = timeout(LONGEST_TURN, self.turn.lock()).await;
        let together: Vec<_> = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let count = waiting.len().min(TOGETHER);
            waiting.drain(..count).collect()
        };
        if !together.is_empty() {
            serve(together).await;
        }
    }
}

/// Someone who wants to know what there is by this key.
pub(super) type Question<K, V> = (K, oneshot::Sender<Result<Option<V>, StoreError>>);

/// Answers all of these by one read, which begins after each was asked.
pub(super) async fn answer<K: Clone + Eq + Hash, V: Clone, F>(questions: Vec<Question<K, V>>, read: impl FnOnce(Vec<K>) -> F)
where
    F: Future<Output = Result<HashMap<K, V>, StoreError>>,
{
    let found = read(questions.iter().map(|(key, _)| key.clone()).collect()).await;
    for (key, answer) in questions {
        let one = found.as_ref().map(|found| found.get(&key).cloned()).map_err(Clone::clone);
        // nobody there any more: then nobody need know
        let _gone = answer.send(one);
    }
}
