//! Chosen passwords: Argon2id on a bounded pool, a fast keyed hash after the first success, and a budget of failures for those who guess.
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use claviger_domain::{chance::Chance, network::subscriber, secret::Plain, time::Timestamp};
use tokio::sync::Semaphore;

/// How long a guess may wait for its turn.
const QUEUE: Duration = Duration::from_secs(2);
/// Failures in a row before the budget is used up, and how fast it grows again.
const FROM_ADDRESS: Budget = Budget { burst: 20, refill: Duration::from_secs(6) };
const FOR_NAME: Budget = Budget { burst: 50, refill: Duration::from_secs(30) };
/// Names and addresses remembered at most.
const REMEMBERED: usize = 100_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Passwords {
    pool: Arc<Semaphore>,
    dummy: String,
    failures: Mutex<HashMap<Source, Timestamp>>,
    friends: Mutex<HashMap<(String, IpAddr), Timestamp>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    /// A [`subscriber`]'s.
    Address(IpAddr),
    Name(String),
    /// A name, at an address from which it has signed in before.
    Friend(String, IpAddr),
}

struct Budget {
    burst: u32,
    refill: Duration,
}

/// What is said of a presented password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Right,
    Wrong,
    /// No turn within two seconds: neither.
    Busy,
}

impl Passwords {
    pub(crate) fn new(chance: &dyn Chance) -> Option<Self> {
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        let dummy = hash(&Plain::new("a password that nobody has".into()), chance)?;
        Some(Self { pool: Arc::new(Semaphore::new(cores)), dummy, failures: Mutex::default(), friends: Mutex::default() })
    }

    /// Whether `password` is the one `phc` was made of. Without one the same work is done on a dummy.
    pub(crate) async fn check(&self, phc: Option<&str>, password: &Plain) -> Answer {
        let Ok(Ok(turn)) = tokio::time::timeout(QUEUE, self.pool.clone().acquire_owned()).await else { return Answer::Busy };
        let exists = phc.is_some();
        let (phc, password) = (phc.unwrap_or(&self.dummy).to_owned(), password.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            PasswordHash::new(&phc).is_ok_and(|hash| Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok())
        });
        match checked.await {
            Ok(true) if exists => Answer::Right,
            Ok(_) => Answer::Wrong,
            Err(_) => Answer::Busy,
        }
    }

    /// Whether a guess at `name` from `address` may be tried at all. Where the name has signed in from before, only failures of that name from there
    /// count: it is locked out neither by strangers, nor by those who share the address and guess at others.
    pub(crate) fn may_try(&self, name: &str, address: Option<IpAddr>, now: Timestamp) -> bool {
        let address = address.map(subscriber);
        let failures = lock(&self.failures);
        let spent =
            |source: Source, budget: &Budget| failures.get(&source).is_some_and(|until| until.since(now) > budget.refill * (budget.burst - 1));
        if let Some(address) = address.filter(|address| self.is_friend(name, *address)) {
            return !spent(Source::Friend(name.to_owned(), address), &FROM_ADDRESS);
        }
        !address.is_some_and(|address| spent(Source::Address(address), &FROM_ADDRESS)) && !spent(Source::Name(name.to_owned()), &FOR_NAME)
    }

    fn is_friend(&self, name: &str, address: IpAddr) -> bool {
        lock(&self.friends).contains_key(&(name.to_owned(), address))
    }

    pub(crate) fn note_failure(&self, name: &str, address: Option<IpAddr>, now: Timestamp) {
        let address = address.map(subscriber);
        let mut failures = lock(&self.failures);
        if failures.len() >= REMEMBERED {
            failures.retain(|_, until| *until > now);
        }
        let mut note = |source, budget: &Budget| {
            let until = failures.entry(source).or_insert(now);
            *until = (*until).max(now) + budget.refill;
        };
        if let Some(address) = address {
            note(Source::Address(address), &FROM_ADDRESS);
            if self.is_friend(name, address) {
                note(Source::Friend(name.to_owned(), address), &FROM_ADDRESS);
            }
        }
        note(Source::Name(name.to_owned()), &FOR_NAME);
    }

    pub(crate) fn note_success(&self, name: &str, address: Option<IpAddr>, now: Timestamp) {
        if let Some(address) = address.map(subscriber) {
            let mut friends = lock(&self.friends);
            if friends.len() >= REMEMBERED {
                friends.clear();
            }
            friends.insert((name.to_owned(), address), now);
        }
    }
}

/// A PHC string of `password`: Argon2id, 19 MiB, two passes (OWASP), a salt of 16 random bytes. Takes some 20 ms: never call it where requests are served.
pub(crate) fn hash(password: &Plain, chance: &dyn Chance) -> Option<String> {
    let mut salt = [0; 16];
    chance.fill(&mut salt);
    let hash: PasswordHash = Argon2::default().hash_password_with_salt(password.expose().as_bytes(), &salt).ok()?;
    Some(hash.to_string())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OsChance;

    const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    /// After so many failures at `name` from each of these in turn.
    fn after(passwords: &Passwords, failures: u32, name: &str, addresses: &[&str]) {
        for address in addresses.iter().cycle().take(failures as usize) {
            passwords.note_failure(name, ip(address), NOW);
        }
    }

    fn passwords() -> Passwords {
        Passwords::new(&OsChance).expect("a hash")
    }

    #[test]
    fn addresses_of_one_subscriber_share_a_budget() {
        for (guessing, elsewhere) in
            [(&["2001:db8::1", "2001:db8::2", "2001:db8::3:4:5:6"][..], "2001:db8:0:1::1"), (&["192.0.2.1", "::ffff:192.0.2.1"], "::ffff:192.0.2.2")]
        {
            let passwords = passwords();
            after(&passwords, FROM_ADDRESS.burst - 1, "abcde", guessing);
            assert!(guessing.iter().all(|address| passwords.may_try("fghij", ip(address), NOW)));
            after(&passwords, 1, "abcde", guessing);
            assert!(guessing.iter().all(|address| !passwords.may_try("fghij", ip(address), NOW)), "{guessing:?}");
            assert!(passwords.may_try("fghij", ip(elsewhere), NOW), "{elsewhere}");
        }
    }

    #[test]
    fn who_signed_in_from_there_before_is_locked_out_by_no_stranger_and_guesses_no_longer_than_one() {
        let passwords = passwords();
        passwords.note_success("abcde", ip("192.0.2.1"), NOW);
        after(&passwords, 2 * FROM_ADDRESS.burst, "fghij", &["192.0.2.1"]);
        after(&passwords, 2 * FOR_NAME.burst, "abcde", &["198.51.100.1", "198.51.100.2"]);
        assert!(passwords.may_try("abcde", ip("::ffff:192.0.2.1"), NOW), "strangers were here and elsewhere");
        assert!(!passwords.may_try("fghij", ip("192.0.2.1"), NOW), "another name at the same address");
        assert!(!passwords.may_try("abcde", ip("203.0.113.1"), NOW), "from where it has never signed in");
        after(&passwords, FROM_ADDRESS.burst, "abcde", &["192.0.2.1"]);
        assert!(!passwords.may_try("abcde", ip("192.0.2.1"), NOW), "its own failures");
    }
}
