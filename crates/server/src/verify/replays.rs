//! Signatures seen before, for credentials that ask that none be accepted twice. Of this node: each of several remembers its own.
//!
//! What is remembered is written down beside memory ([`Journal`]), so that a process that is killed leaves it to the next one.
use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use claviger_domain::{id::CredentialId, schemes::signing::Policy, time::Timestamp};
use foldhash::quality::RandomState;
use journal::{Journal, Used};

use crate::clock::boot_id;

mod journal;

/// The most signatures remembered, and the most of one credential: so none takes the room of all. What finds no room is not accepted until some
/// have expired, since forgetting one would let it in again.
const MOST: usize = 2_000_000;
const MOST_OF_ONE: usize = MOST / 8;

/// A verified signature that may not come twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SingleUse {
    pub(crate) credential: CredentialId,
    /// The same for every copy of the request.
    pub(crate) key: [u8; 32],
    pub(crate) signed_at: Timestamp,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Replays(Mutex<Seen>);

#[derive(Debug)]
struct Seen {
    /// What was signed before may have been seen by a process that left nothing written.
    since: Timestamp,
    /// Until when each is remembered.
    of_each: HashMap<CredentialId, HashMap<[u8; 32], Timestamp, RandomState>, RandomState>,
    count: usize,
    journal: Option<Journal>,
}

/// What is said of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    New,
    Seen,
    /// There is no room for it, or it could not be written down.
    CannotSay,
}

impl Replays {
    /// Nothing seen yet, and nothing that is written down.
    pub(crate) fn new(started: Timestamp) -> Self {
        Self(Mutex::new(Seen { since: started, of_each: HashMap::default(), count: 0, journal: None }))
    }

    /// Takes up what the process before this one wrote down in `folder`, and goes on writing there.
    ///
    /// # Errors
    /// When that cannot be read or written.
    pub(crate) fn keep_in(&self, folder: &Path, now: Timestamp) -> io::Result<()> {
        self.keep_in_of(folder, boot_id(), now)
    }

    fn keep_in_of(&self, folder: &Path, boot: Option<[u8; 36]>, now: Timestamp) -> io::Result<()> {
        let mut seen = self.seen();
        let (journal, since, used) = Journal::open(folder, boot, seen.since, now)?;
        used.into_iter().for_each(|used| seen.insert(used));
        seen.since = since;
        seen.journal = Some(journal);
        Ok(())
    }

    /// Whether [`Self::note`] would say that this signature was seen. Nothing is noted.
    pub(crate) fn is_seen(&self, once: &SingleUse) -> bool {
        self.seen().has_seen(once)
    }

    /// Whether a verified signature is new; it is not from now on.
    pub(crate) fn note(&self, once: &SingleUse, now: Timestamp) -> Answer {
        let SingleUse { credential, key, signed_at } = *once;
        let mut seen = self.seen();
        if seen.has_seen(once) {
            return Answer::Seen;
        }
        let used = Used { credential, key, until: signed_at + 2 * Policy::default().skew };
        if !seen.has_room(credential) {
            return Answer::CannotSay;
        }
        if let Some(Err(error)) = seen.journal.as_mut().map(|journal| journal.write(&used, now)) {
            tracing::error!(%error, "a used signature could not be written down");
            return Answer::CannotSay;
        }
        seen.insert(used);
        Answer::New
    }

    /// Forgets what no longer could be accepted anyway: one credential's at a time, for meanwhile nobody can ask. To be called once a minute.
    pub(crate) fn sweep(&self, now: Timestamp) {
        let all: Vec<_> = self.seen().of_each.keys().copied().collect();
        all.into_iter().for_each(|credential| self.seen().sweep(credential, now));
        let folder = self.seen().journal.as_ref().map(|journal| journal.folder().to_owned());
        if let Some(Err(error)) = folder.map(|folder| journal::forget(&folder, now)) {
            tracing::warn!(%error, "files of used signatures that count no more could not be removed");
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn has_seen(&self, once: &SingleUse) -> bool {
        // HTTP dates have whole seconds
        once.signed_at + Duration::from_secs(1) <= self.since || self.of_each.get(&once.credential).is_some_and(|of_it| of_it.contains_key(&once.key))
    }

    fn has_room(&self, credential: CredentialId) -> bool {
        self.count < MOST && self.of_each.get(&credential).is_none_or(|of_it| of_it.len() < MOST_OF_ONE)
    }

    fn insert(&mut self, used: Used) {
        if let Entry::Vacant(place) = self.of_each.entry(used.credential).or_default().entry(used.key) {
            place.insert(used.until);
            self.count += 1;
        }
    }

    fn sweep(&mut self, credential: CredentialId, now: Timestamp) {
        let Entry::Occupied(mut of_it) = self.of_each.entry(credential) else { return };
        let before = of_it.get().len();
        of_it.get_mut().retain(|_, until| *until > now);
        self.count -= before - of_it.get().len();
        if of_it.get().is_empty() {
            of_it.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);

    fn credential(number: u8) -> CredentialId {
        format!("00000000-0000-7000-8000-0000000000{number:02x}").parse().expect("an id")
    }

    fn key(number: usize) -> [u8; 32] {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    fn note(replays: &Replays, credential: CredentialId, key: [u8; 32], signed_at: Timestamp, now: Timestamp) -> Answer {
        replays.note(&SingleUse { credential, key, signed_at }, now)
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn one_credential_does_not_take_the_room_of_another_and_gets_it_back_with_time() {
        let (replays, later) = (Replays::new(NOW), NOW + seconds(1));
        for number in 0..MOST_OF_ONE {
            assert_eq!(note(&replays, credential(1), key(number), later, later), Answer::New);
        }
        assert_eq!(note(&replays, credential(1), key(MOST_OF_ONE), later, later), Answer::CannotSay);
        assert_eq!(note(&replays, credential(2), key(0), later, later), Answer::New);
        let much_later = later + seconds(601);
        replays.sweep(much_later);
        assert_eq!(note(&replays, credential(1), key(MOST_OF_ONE), much_later, much_later), Answer::New);
        assert_eq!(replays.seen().count, 1, "what could not be accepted any more is forgotten");
    }

    #[test]
    fn what_a_killed_process_accepted_the_next_one_refuses_whenever_it_was_dated() {
        let folder = tempfile::tempdir().expect("a folder");
        let start = |at: Timestamp| {
            let replays = Replays::new(at);
            replays.keep_in(folder.path(), at).expect("kept");
            replays
        };
        let first = start(NOW);
        let ahead = NOW + seconds(200);
        assert_eq!(note(&first, credential(1), key(1), ahead, NOW + seconds(1)), Answer::New);
        assert_eq!(note(&first, credential(1), key(2), NOW + seconds(2), NOW + seconds(2)), Answer::New);
        // half a line, as a full disk would leave it
        let file = std::fs::read_dir(folder.path()).expect("a folder").next().expect("one file").expect("its name").path();
        let mut text = std::fs::read(&file).expect("read");
        text.extend_from_slice(&[1; 5]);
        std::fs::write(&file, text).expect("written");

        let at = NOW + seconds(5);
        let second = start(at);
        assert_eq!(note(&second, credential(1), key(1), ahead, at), Answer::Seen);
        assert_eq!(note(&second, credential(1), key(2), NOW + seconds(2), at), Answer::Seen);
        assert_eq!(note(&second, credential(2), key(1), ahead, at), Answer::New, "another's");
        assert_eq!(note(&second, credential(1), key(3), NOW + seconds(4), at), Answer::New, "signed before it started, and seen by nobody");
        assert_eq!(note(&second, credential(1), key(4), NOW - seconds(2), at), Answer::Seen, "the very first may have had a predecessor");

        // over a change of files, and long past it
        let much_later = NOW + seconds(1_000);
        assert_eq!(note(&second, credential(1), key(5), much_later, much_later), Answer::New);
        let third = start(much_later + seconds(1));
        assert_eq!(note(&third, credential(1), key(5), much_later, much_later + seconds(1)), Answer::Seen);
        let last = NOW + seconds(10_000);
        assert_eq!(note(&third, credential(1), key(6), last, last), Answer::New);
        third.sweep(last);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "old ones are removed");
    }

    #[test]
    fn after_the_machine_itself_fell_what_was_signed_before_is_refused_unseen() {
        for (before, after, may_pass) in [(Some([1; 36]), Some([1; 36]), true), (Some([1; 36]), Some([2; 36]), false), (None, None, false)] {
            let folder = tempfile::tempdir().expect("a folder");
            let start = |boot, at: Timestamp| {
                let replays = Replays::new(at);
                replays.keep_in_of(folder.path(), boot, at).expect("kept");
                replays
            };
            let (signed_at, at) = (NOW + seconds(10), NOW + seconds(20));
            assert_eq!(note(&start(before, NOW), credential(1), key(1), at, signed_at), Answer::New);
            let next = start(after, at);
            assert_eq!(note(&next, credential(1), key(1), at, at), Answer::Seen, "what was written down counts in any case");
            assert_eq!(note(&next, credential(1), key(2), signed_at, at) == Answer::New, may_pass);
        }
    }

    #[test]
    fn what_cannot_be_written_down_is_not_accepted() {
        let folder = tempfile::tempdir().expect("a folder");
        let replays = Replays::new(NOW);
        replays.keep_in(&folder.path().join("used"), NOW).expect("kept");
        std::fs::remove_dir_all(folder.path().join("used")).expect("removed");
        std::fs::write(folder.path().join("used"), "in the way").expect("written");
        let later = NOW + seconds(2_000);
        assert_eq!(note(&replays, credential(1), key(1), later, later), Answer::CannotSay);
        assert_eq!(note(&replays, credential(1), key(1), later, later), Answer::CannotSay, "and so not remembered as used either");
    }
}
