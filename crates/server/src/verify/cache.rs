//! What was read from the store, kept in bounded memory: lookups take no lock, of several misses for one key one reads, and what was not
//! looked up for longest goes first.
//!
//! A value is kept only if it was read at or after the revision applied, checked under the lock that evicts: so nothing older than an
//! applied change can come to stay.
use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, Hash},
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::{ArcSwap, Guard};
use foldhash::quality::RandomState;

use super::table::{Found, Table, Tag};

/// Each has a lock of its own for fills and evictions; readers take none.
const SHARDS: usize = 64;
/// Slots of a shard that keeps nothing yet.
const SLOTS: usize = 64;
/// The most keys of a shard that are known to have no value.
const ABSENT: usize = 512;

/// A value that says what it is found by.
pub(super) trait Keyed: Send + Sync + 'static {
    type Key: Hash + Eq + ToOwned<Owned: Hash + Eq> + ?Sized;

    fn is(&self, key: &Self::Key) -> bool;
}

/// A value that was found. Cheaper than a counted reference, and as good: what is evicted meanwhile stays until it is dropped.
pub struct Kept<V>(Found<V>);

impl<V> Kept<V> {
    fn found(found: Found<V>) -> Option<Self> {
        found.is_some().then_some(Self(found))
    }
}

impl<V> From<Arc<V>> for Kept<V> {
    fn from(value: Arc<V>) -> Self {
        Self(Guard::from_inner(Some(value)))
    }
}

impl<V> Deref for Kept<V> {
    type Target = V;

    fn deref(&self) -> &V {
        match &*self.0 {
            Some(value) => value,
            None => unreachable!("only made of what was found"),
        }
    }
}

impl<V> Clone for Kept<V> {
    fn clone(&self) -> Self {
        Self(Guard::from_inner(Option::clone(&self.0)))
    }
}

impl<V: std::fmt::Debug> std::fmt::Debug for Kept<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

/// See the module.
pub(super) struct Cache<V: Keyed> {
    shards: Box<[Shard<V>]>,
    hasher: RandomState,
    /// Of each shard.
    capacity: usize,
    /// How often everything was forgotten: what was being read then counts its revisions in another history.
    clearings: AtomicU64,
}

struct Shard<V: Keyed> {
    table: ArcSwap<Table<V>>,
    absent: Mutex<HashSet<<V::Key as ToOwned>::Owned, RandomState>>,
    changing: Mutex<Filling>,
    /// Who reads which key just now, by the key's hash: a collision costs a moment, no mistake.
    flights: Flights,
}

/// How far a shard's table is filled.
#[derive(Default)]
struct Filling {
    kept: usize,
    /// Slots that were ever written.
    written: usize,
    hand: usize,
}

type Flights = Mutex<HashMap<u64, Arc<tokio::sync::Mutex<()>>>>;

/// A place among those who want the same key. Given back when it is dropped, so also by who goes away while waiting.
struct Flight<'a> {
    flights: &'a Flights,
    hash: u64,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl<'a> Flight<'a> {
    fn board(flights: &'a Flights, hash: u64) -> Self {
        Self { turn: locked(flights).entry(hash).or_default().clone(), flights, hash }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut flights = locked(self.flights);
        // given up under the lock: of two who leave at once, one finds that the map's own reference is the last
        drop(std::mem::take(&mut self.turn));
        if flights.get(&self.hash).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            flights.remove(&self.hash);
        }
    }
}

impl<V: Keyed> std::fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<V: Keyed> Cache<V> {
    /// An empty one that will keep about `capacity` values at most.
    pub(super) fn new(capacity: usize) -> Self {
        let shard = || Shard {
            table: ArcSwap::from_pointee(Table::new(SLOTS)),
            absent: Mutex::default(),
            changing: Mutex::default(),
            flights: Mutex::default(),
        };
        let hasher = RandomState::default();
        Self { shards: (0..SHARDS).map(|_| shard()).collect(), capacity: capacity.div_ceil(SHARDS), hasher, clearings: AtomicU64::new(0) }
    }

    /// How many values are kept.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| locked(&shard.changing).kept).sum()
    }

    /// The value kept for `key`.
    pub(super) fn get(&self, key: &V::Key) -> Option<Kept<V>> {
        let (hash, shard) = self.shard(key);
        shard.get(hash, key)
    }

    /// Whether there is known to be none for `key`.
    pub(super) fn is_absent(&self, key: &V::Key) -> bool {
        locked(&self.shard(key).1.absent).contains(key)
    }

    /// The value for `key`, of which [`Self::get`] has none: what `read` brings from the store, with the revision it was read at.
    pub(super) async fn read<E>(
        &self,
        key: &V::Key,
        applied: impl Fn() -> i64,
        read: impl Future<Output = Result<(Option<Arc<V>>, i64), E>>,
    ) -> Result<Option<Kept<V>>, E> {
        let (hash, shard) = self.shard(key);
        if locked(&shard.absent).contains(key) {
            return Ok(None);
        }
        let flight = Flight::board(&shard.flights, hash);
        let _turn = flight.turn.lock().await;
        // who waited finds what the first one brought
        if let Some(value) = shard.get(hash, key) {
            return Ok(Some(value));
        }
        if locked(&shard.absent).contains(key) {
            return Ok(None);
        }
        let clearings = self.clearings.load(Ordering::SeqCst);
        let (value, revision) = read.await?;
        let mut filling = locked(&shard.changing);
        if revision >= applied() && self.clearings.load(Ordering::SeqCst) == clearings {
            match &value {
                Some(value) => shard.keep(&mut filling, hash, key, value.clone(), self.capacity),
                None => shard.keep_absent(key),
            }
        }
        Ok(value.map(Kept::from))
    }

    /// Forgets what is kept for `key`. To be called after the change's revision was published as applied.
    pub(super) fn evict(&self, key: &V::Key) {
        let (hash, shard) = self.shard(key);
        let mut filling = locked(&shard.changing);
        filling.kept -= usize::from(shard.table.load().remove(Tag::of(hash), |value| value.is(key)));
        locked(&shard.absent).remove(key);
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.clearings.fetch_add(1, Ordering::SeqCst);
        let forget = |shard: &Shard<V>| {
            let mut filling = locked(&shard.changing);
            *filling = Filling::default();
            locked(&shard.absent).clear();
            shard.table.swap(Arc::new(Table::new(SLOTS)))
        };
        drop_elsewhere(self.shards.iter().map(forget).collect::<Vec<_>>());
    }

    fn shard(&self, key: &V::Key) -> (u64, &Shard<V>) {
        let hash = self.hasher.hash_one(key);
        // the top bits: the table uses the lower half
        (hash, &self.shards[(hash >> 58) as usize % SHARDS])
    }
}

impl<V: Keyed> Shard<V> {
    fn get(&self, hash: u64, key: &V::Key) -> Option<Kept<V>> {
        self.table.load().get(Tag::of(hash), |value| value.is(key)).and_then(Kept::found)
    }

    fn keep(&self, filling: &mut Filling, hash: u64, key: &V::Key, value: Arc<V>, capacity: usize) {
        let (tag, mut table) = (Tag::of(hash), self.table.load_full());
        let Err(value) = table.replace(tag, value, |value| value.is(key)) else { return };
        if filling.kept >= capacity {
            filling.kept -= usize::from(table.remove_one(&mut filling.hand));
        }
        if (filling.written + 1) * 4 > table.slots() * 3 {
            // twice as large when half is in use: else only the traces of what was taken out fill it
            let slots = table.slots() << usize::from(filling.kept * 2 >= table.slots());
            table = Arc::new(table.copied_to(slots));
            drop_elsewhere(self.table.swap(table.clone()));
            filling.written = filling.kept;
        }
        // not in use until it is asked for again: who walks through all there is takes the place of others like it
        filling.written += usize::from(table.insert(tag, value, false));
        filling.kept += 1;
    }

    fn keep_absent(&self, key: &V::Key) {
        let mut absent = locked(&self.absent);
        if absent.len() >= ABSENT {
            absent.clear();
        }
        absent.insert(key.to_owned());
    }
}

/// Who drops a table has to look, for each of its slots, whether a thread is reading there just now: nobody waits for that.
fn drop_elsewhere(old: impl Send + 'static) {
    drop(tokio::task::spawn_blocking(move || drop(old)));
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Word(String);

    impl PartialEq for Kept<Word> {
        fn eq(&self, other: &Self) -> bool {
            **self == **other
        }
    }

    impl Keyed for Word {
        type Key = str;

        fn is(&self, key: &str) -> bool {
            self.0 == key
        }
    }

    async fn fill(cache: &Cache<Word>, key: &str, read_at: i64, applied: i64) {
        let read = async { Ok::<_, ()>((Some(Arc::new(Word(key.to_owned()))), read_at)) };
        assert_eq!(cache.read(key, || applied, read).await, Ok(Some(Kept::from(Arc::new(Word(key.to_owned()))))));
    }

    #[tokio::test]
    async fn what_was_read_before_an_applied_change_is_answered_once_and_not_kept() {
        let cache = Cache::new(100);
        fill(&cache, "old", 4, 5).await;
        assert!(cache.get("old").is_none());
        fill(&cache, "new", 5, 5).await;
        assert!(cache.get("new").is_some());
        cache.evict("new");
        assert!(cache.get("new").is_none() && cache.len() == 0);
    }

    #[tokio::test]
    async fn what_was_being_read_when_everything_was_forgotten_is_not_kept_however_high_its_revision() {
        let cache = Cache::new(100);
        let value = || Some(Arc::new(Word("other".to_owned())));
        let read = async {
            cache.clear();
            Ok::<_, ()>((value(), 9))
        };
        assert_eq!(cache.read("other", || 5, read).await, Ok(value().map(Kept::from)));
        assert!(cache.get("other").is_none(), "its revision is of another history");
    }

    #[tokio::test]
    async fn an_absent_key_is_read_once_until_it_changes() {
        let cache = Cache::<Word>::new(100);
        for _ in 0..2 {
            let reads = Mutex::new(0);
            let read = async {
                *locked(&reads) += 1;
                Ok::<_, ()>((None, 1))
            };
            assert_eq!(cache.read("nobody", || 1, read).await, Ok(None));
            let read_again = async { Err(()) };
            assert_eq!(cache.read("nobody", || 1, read_again).await, Ok(None), "remembered");
            assert_eq!(*locked(&reads), 1);
            cache.evict("nobody");
        }
    }

    #[tokio::test]
    async fn it_stays_within_its_bounds_and_keeps_what_is_used() {
        let cache = Cache::new(6_400);
        for at in 0..20_000 {
            fill(&cache, &format!("word {at}"), 1, 1).await;
            assert!(cache.get("word 0").is_some(), "in use all the time, and gone at {at}");
        }
        assert!((3_200..=7_000).contains(&cache.len()), "{}", cache.len());
        cache.clear();
        assert_eq!(cache.len(), 0);
    }

    #[tokio::test]
    async fn of_many_at_once_one_reads() {
        for found in [Some(Arc::new(Word("hot".into()))), None] {
            let cache = Cache::<Word>::new(100);
            let (reads, gate) = (AtomicU64::new(0), tokio::sync::Notify::new());
            let one = async {
                let read = async {
                    reads.fetch_add(1, Ordering::SeqCst);
                    gate.notified().await;
                    Ok::<_, ()>((found.clone(), 1))
                };
                cache.read("hot", || 1, read).await
            };
            let other = async { cache.read("hot", || 1, async { Err(()) }).await };
            let open = async { gate.notify_one() };
            let (one, other, ()) = tokio::join!(one, other, open);
            let found = found.map(Kept::from);
            assert_eq!((&one, &other), (&Ok(found.clone()), &Ok(found)), "absent keys too are asked for once");
            assert_eq!(reads.load(Ordering::SeqCst), 1);
            assert!(cache.shards.iter().all(|shard| locked(&shard.flights).is_empty()));
        }
    }

    #[tokio::test]
    async fn who_goes_away_while_waiting_leaves_nothing_behind() {
        let cache = Cache::<Word>::new(100);
        let never = std::future::pending::<Result<(Option<Arc<Word>>, i64), ()>>();
        let mut waiting = Box::pin(cache.read("slow", || 1, never));
        assert!(std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context).is_pending())).await);
        drop(waiting);
        assert!(cache.shards.iter().all(|shard| locked(&shard.flights).is_empty()));
    }
}
