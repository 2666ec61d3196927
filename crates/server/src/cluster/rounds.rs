//! Work that many want done at once and that need be done only once for all of them.
use std::{
    future::Future,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::sync::{Mutex, MutexGuard};

/// One round at a time. Who asks gets the outcome of a round that *began* after they asked; all who ask during a round share the next one.
#[derive(Debug)]
pub(crate) struct Rounds<T> {
    asked: AtomicU64,
    last: Mutex<Option<(u64, T)>>,
}

impl<T> Default for Rounds<T> {
    fn default() -> Self {
        Self { asked: AtomicU64::new(0), last: Mutex::new(None) }
    }
}

impl<T: Clone> Rounds<T> {
    pub(crate) async fn join<F: Future<Output = T>>(&self, round: impl FnOnce() -> F) -> T {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some((_, outcome)) = last.as_ref().filter(|(covers, _)| *covers > mine) {
            return outcome.clone();
        }
        let covers = self.asked.load(Ordering::SeqCst);
        let outcome = round().await;
        *last = Some((covers, outcome.clone()));
        outcome
    }

    /// Keeps rounds from taking place.
    pub(crate) async fn pause(&self) -> MutexGuard<'_, impl Sized> {
        self.last.lock().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn who_asks_during_a_round_gets_the_next_one_and_shares_it() {
        let (rounds, begun) = (Arc::new(Rounds::<u64>::default()), Arc::new(AtomicU64::new(0)));
        let (open, gate) = tokio::sync::watch::channel(false);
        let ask = || {
            let (rounds, begun, mut gate) = (rounds.clone(), begun.clone(), gate.clone());
            tokio::spawn(async move {
                rounds
                    .join(|| async {
                        let number = begun.fetch_add(1, Ordering::SeqCst) + 1;
                        let _ = gate.wait_for(|open| *open).await;
                        number
                    })
                    .await
            })
        };
        let first = ask();
        while begun.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let others = [ask(), ask(), ask()];
        while rounds.asked.load(Ordering::SeqCst) < 4 {
            tokio::task::yield_now().await;
        }
        open.send(true).expect("they wait");
        assert_eq!(first.await.expect("it ends"), 1);
        for other in others {
            assert_eq!(other.await.expect("it ends"), 2, "a round that had begun before it was asked for");
        }
    }
}
