//! An open-addressed hash table that is read without a lock and changed under its owner's: a search touches the line of its slot and what it
//! finds, nothing else. Of millions, everything is cold.
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use arc_swap::{ArcSwapOption, Guard};

/// What a slot held when it was read.
pub(super) type Found<V> = Guard<Option<Arc<V>>>;

/// See the module. A power of two of slots; at most three quarters of them are ever written, so that every search ends.
pub(super) struct Table<V>(Box<[Slot<V>]>);

struct Slot<V> {
    /// Of the key that is or was here; 0 where none ever was: there a search ends. What is taken out leaves its tag, for others lie beyond.
    tag: AtomicU32,
    /// Whether it was looked up since room was last looked for. Written only when it says otherwise: a hot value is written by no core.
    used: AtomicBool,
    value: ArcSwapOption<V>,
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self { tag: AtomicU32::new(0), used: AtomicBool::new(false), value: ArcSwapOption::empty() }
    }
}

/// The part of a key's hash that finds it in a table: its upper bits say where to begin.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(u32);

impl Tag {
    /// From the lower half; the upper is the caller's.
    pub(super) const fn of(hash: u64) -> Self {
        Self(hash as u32 | 1)
    }
}

impl<V> Table<V> {
    /// An empty one of so many slots, a power of two.
    pub(super) fn new(slots: usize) -> Self {
        debug_assert!(slots.is_power_of_two() && slots > 1);
        Self((0..slots).map(|_| Slot::default()).collect())
    }

    pub(super) fn slots(&self) -> usize {
        self.0.len()
    }

    /// Every slot from where a search for `tag` begins.
    fn path(&self, tag: Tag) -> impl Iterator<Item = &Slot<V>> {
        let home = ((u64::from(tag.0) * self.0.len() as u64) >> 32) as usize;
        let (before, after) = self.0.split_at(home.min(self.0.len()));
        after.iter().chain(before)
    }

    fn find(&self, tag: Tag, is_it: impl Fn(&V) -> bool) -> Option<(&Slot<V>, Found<V>)> {
        for slot in self.path(tag) {
            match slot.tag.load(Ordering::Acquire) {
                0 => return None,
                other if other == tag.0 => {
                    let value = slot.value.load();
                    if value.as_ref().is_some_and(|value| is_it(value)) {
                        return Some((slot, value));
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The value with this tag that `is_it`. Of what changes meanwhile it may find nothing.
    pub(super) fn get(&self, tag: Tag, is_it: impl Fn(&V) -> bool) -> Option<Found<V>> {
        let (slot, value) = self.find(tag, is_it)?;
        if !slot.used.load(Ordering::Relaxed) {
            slot.used.store(true, Ordering::Relaxed);
        }
        Some(value)
    }

    /// Puts a value in the place of the one that `is_it`; gives it back when there is none.
    pub(super) fn replace(&self, tag: Tag, value: Arc<V>, is_it: impl Fn(&V) -> bool) -> Result<(), Arc<V>> {
        match self.find(tag, is_it) {
            Some((slot, _)) => {
                slot.value.store(Some(value));
                Ok(())
            }
            None => Err(value),
        }
    }

    /// Puts in a value that is not there. Whether it took a slot that was never written; the caller keeps a quarter of them so.
    pub(super) fn insert(&self, tag: Tag, value: Arc<V>, used: bool) -> bool {
        let Some(slot) = self.path(tag).find(|slot| slot.value.load().is_none()) else { return false };
        slot.used.store(used, Ordering::Relaxed);
        slot.value.store(Some(value));
        slot.tag.swap(tag.0, Ordering::Release) == 0
    }

    /// Takes out the value that `is_it`. Who searches later does not find it.
    pub(super) fn remove(&self, tag: Tag, is_it: impl Fn(&V) -> bool) -> bool {
        let found = self.find(tag, is_it);
        found.map(|(slot, _)| slot.value.store(None)).is_some()
    }

    /// Takes out one that was not looked up for long (CLOCK: `hand` goes round, and takes the mark of use from what it passes).
    pub(super) fn remove_one(&self, hand: &mut usize) -> bool {
        // in the second round nothing is marked, but for what is looked up just now
        for round in 0..=2 {
            for _ in 0..self.0.len() {
                let slot = &self.0[*hand % self.0.len()];
                *hand = (*hand + 1) % self.0.len();
                if slot.value.load().is_some() && (!slot.used.swap(false, Ordering::Relaxed) || round == 2) {
                    slot.value.store(None);
                    return true;
                }
            }
        }
        false
    }

    /// The same values in a table of `slots`, without the traces of those that were taken out.
    pub(super) fn copied_to(&self, slots: usize) -> Self {
        let copy = Self::new(slots);
        for slot in &self.0 {
            if let Some(value) = slot.value.load_full() {
                copy.insert(Tag(slot.tag.load(Ordering::Relaxed)), value, slot.used.load(Ordering::Relaxed));
            }
        }
        copy
    }
}
