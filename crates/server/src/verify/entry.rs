//! A credential in memory: what verification needs of what is stored, and nothing else, made ready to be compared with what is presented.
//!
//! There may be millions: what most of them do not have (limits, a second secret, a signing key) stands in a box of its own.
use std::sync::{
    LazyLock, OnceLock,
    atomic::{AtomicI64, Ordering},
};

use claviger_domain::{
    access::Access,
    account::Account,
    credential::{Kind, State},
    id::{AccountId, CredentialId, SecretId},
    judge::Life,
    network::Network,
    schemes::signing::{Algorithm, Key},
    secret::Digest,
    time::Timestamp,
};
use claviger_store::credential::{Loaded, Material, StoredSecret};
use hyper::header::HeaderValue;
use subtle::Choice;
use zeroize::Zeroizing;

use super::reply;
use crate::keyring::KeyRing;

/// A credential and its secrets, ready.
#[derive(Debug)]
pub struct Entry {
    /// Its row.
    pub id: CredentialId,
    /// Whose it is.
    pub account_id: AccountId,
    /// Its kind.
    pub kind: Kind,
    state: State,
    /// Whether the same signature is refused the second time.
    pub(crate) refuse_replays: bool,
    /// The public part, and the label after it.
    texts: Box<str>,
    label_at: u32,
    expires_at: Option<Timestamp>,
    limits: Option<Box<Limits>>,
    proofs: Proofs,
    /// When a use was last noted, in microseconds.
    noted_at: AtomicI64,
}

/// What it may not do: absent for a credential with full access from anywhere.
#[derive(Debug)]
struct Limits {
    access: Access,
    words: String,
    networks: Vec<Network>,
}

/// An account in memory.
#[derive(Debug)]
pub struct Holder {
    /// What is stored of it.
    pub account: Account,
    /// Its id, as it is answered.
    pub(crate) written: HeaderValue,
}

impl Holder {
    pub(crate) fn new(account: Account) -> Self {
        let written = reply::value(account.id.write(&mut [0; 36]));
        Self { account, written }
    }
}

#[derive(Debug)]
enum Proofs {
    /// One secret without an end, as nearly always.
    One(Proof),
    /// None that can be used, or several, each with its end, while one takes the other's place.
    Several(Box<[(Option<Timestamp>, Proof)]>),
}

#[derive(Debug)]
struct Proof {
    id: SecretId,
    /// When a use was last noted, in microseconds.
    noted_at: AtomicI64,
    ready: Ready,
}

enum Ready {
    Digest(Digest),
    Signing(Box<Signing>),
    Password(Box<Password>),
}

struct Signing {
    secret: Zeroizing<Vec<u8>>,
    keys: [OnceLock<Box<Key>>; 4],
}

/// A PHC string; and, once a password was right, its fast keyed hash, which goes when the entry goes: at the next change.
struct Password {
    phc: String,
    known: OnceLock<Digest>,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ready(***)")
    }
}

impl Entry {
    /// Makes what was loaded ready. A secret that cannot be unsealed proves nothing.
    pub(crate) fn new(loaded: Loaded, keys: &KeyRing) -> Self {
        let Loaded { credential, secrets } = loaded;
        let limited = credential.access != Access::Full || !credential.allowed_networks.is_empty();
        let limits =
            limited.then(|| Box::new(Limits { words: credential.access.words(), access: credential.access, networks: credential.allowed_networks }));
        let mut proofs: Vec<_> = secrets.into_iter().filter_map(|secret| Some((secret.view.expires_at, Proof::new(secret, keys)?))).collect();
        let proofs = match proofs.pop() {
            Some((None, only)) if proofs.is_empty() => Proofs::One(only),
            last => {
                proofs.extend(last);
                Proofs::Several(proofs.into_boxed_slice())
            }
        };
        Self {
            id: credential.id,
            account_id: credential.account_id,
            kind: credential.kind,
            state: credential.state,
            refuse_replays: credential.refuse_replays,
            label_at: u32::try_from(credential.public_id.len()).unwrap_or(u32::MAX),
            texts: (credential.public_id + &credential.label).into_boxed_str(),
            expires_at: credential.expires_at,
            limits,
            proofs,
            noted_at: AtomicI64::new(0),
        }
    }

    /// What is presented to name it; safe to show and to log.
    #[must_use]
    pub fn public_id(&self) -> &str {
        self.texts.get(..self.label_at as usize).unwrap_or_default()
    }

    /// Says whose or what it is, to people.
    #[must_use]
    pub fn label(&self) -> &str {
        self.texts.get(self.label_at as usize..).unwrap_or_default()
    }

    /// What it may do.
    #[must_use]
    pub fn access(&self) -> &Access {
        self.limits.as_ref().map_or(&Access::Full, |limits| &limits.access)
    }

    /// [`Access::words`], prepared.
    #[must_use]
    pub fn words(&self) -> &str {
        self.limits.as_ref().map_or("*", |limits| &limits.words)
    }

    /// When it stops being accepted by itself.
    #[must_use]
    pub const fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// What decides whether it is alive.
    pub(crate) fn life(&self) -> Life<'_> {
        Life {
            state: self.state,
            expires_at: self.expires_at,
            allowed_networks: self.limits.as_ref().map_or(&[], |limits| limits.networks.as_slice()),
        }
    }

    /// Its secrets, and whether each lives.
    fn proofs(&self, now: Timestamp) -> impl Iterator<Item = (&Proof, bool)> {
        let (one, several) = match &self.proofs {
            Proofs::One(proof) => (Some((proof, true)), &[][..]),
            Proofs::Several(proofs) => (None, &**proofs),
        };
        one.into_iter().chain(several.iter().map(move |(end, proof)| (proof, end.is_none_or(|end| now < end))))
    }

    /// The living secret of which `presented` is the digest. Every one is compared, in constant time, and `dummy` when there is none.
    pub(crate) fn find_secret(entry: Option<&Self>, presented: &Digest, dummy: &Digest, now: Timestamp) -> Option<SecretId> {
        let mut proven = None;
        let mut compared = false;
        for (proof, lives) in entry.iter().flat_map(|entry| entry.proofs(now)) {
            if let Ready::Digest(digest) = &proof.ready {
                let matches = bool::from(digest.matches(presented) & Choice::from(u8::from(lives)));
                // which of the secrets it is may be seen in the time; how near a wrong one comes may not
                proven = if matches { Some(proof.id) } else { proven };
                compared = true;
            }
        }
        if !compared {
            // nothing to compare with: compare all the same
            let _ = std::hint::black_box(presented.matches(dummy));
        }
        proven
    }

    /// The living signing keys, prepared for `algorithm`.
    pub(crate) fn signing_keys(&self, algorithm: Algorithm, now: Timestamp) -> impl Iterator<Item = (SecretId, &Key)> {
        self.proofs(now).filter(|(_, lives)| *lives).filter_map(move |(proof, _)| match &proof.ready {
            Ready::Signing(signing) => Some((proof.id, signing.key(algorithm))),
            _ => None,
        })
    }

    fn password_proof(&self) -> Option<&Password> {
        // a password has no overlap: the old one ends when the new one is set
        let first = match &self.proofs {
            Proofs::One(proof) => Some(proof),
            Proofs::Several(proofs) => proofs.first().map(|(_, proof)| proof),
        };
        first.and_then(|proof| if let Ready::Password(password) = &proof.ready { Some(&**password) } else { None })
    }

    /// Whether a password with this fast hash was right before.
    pub(crate) fn knows_password(&self, fast: &Digest) -> bool {
        self.password_proof().and_then(|password| password.known.get()).is_some_and(|known| known.matches(fast).into())
    }

    /// The PHC string of its password.
    pub(crate) fn password(&self) -> Option<&str> {
        self.password_proof().map(|password| password.phc.as_str())
    }

    /// Remembers the fast hash of a password that Argon2id found right.
    pub(crate) fn remember_password(&self, fast: Digest) {
        if let Some(password) = self.password_proof() {
            let _ = password.known.set(fast);
        }
    }

    /// Whether a use at `now` is worth noting: the last one noted is some time past. Of several at once, one is told yes.
    pub(crate) fn should_note(&self, now: Timestamp) -> bool {
        is_due(&self.noted_at, now)
    }

    /// The same of one of its secrets.
    pub(crate) fn should_note_secret(&self, id: SecretId, now: Timestamp) -> bool {
        self.proofs(now).find(|(proof, _)| proof.id == id).is_some_and(|(proof, _)| is_due(&proof.noted_at, now))
    }
}

fn is_due(noted_at: &AtomicI64, now: Timestamp) -> bool {
    const PAUSE: i64 = 10_000_000;
    let last = noted_at.load(Ordering::Relaxed);
    now.micros() - last >= PAUSE && noted_at.compare_exchange(last, now.micros(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

impl Signing {
    fn key(&self, algorithm: Algorithm) -> &Key {
        let at = match algorithm {
            Algorithm::Sha1 => 0,
            Algorithm::Sha256 => 1,
            Algorithm::Sha384 => 2,
            Algorithm::Sha512 => 3,
        };
        self.keys[at].get_or_init(|| Box::new(Key::prepare(&self.secret, algorithm)))
    }
}

/// What a signature is checked with when there is nothing to check it with, so that it takes the same time.
pub(super) fn nobodys_key(algorithm: Algorithm) -> &'static Key {
    static NOBODY: LazyLock<Signing> =
        LazyLock::new(|| Signing { secret: Zeroizing::new(b"a secret that nobody has".to_vec()), keys: Default::default() });
    NOBODY.key(algorithm)
}

impl Proof {
    fn new(secret: StoredSecret, keys: &KeyRing) -> Option<Self> {
        let ready = match secret.material {
            Material::Digest(digest) => Ready::Digest(digest),
            Material::Sealed(sealed) => {
                Ready::Signing(Box::new(Signing { secret: keys.unseal(&seal_context(secret.view.id), &sealed)?, keys: Default::default() }))
            }
            Material::Password(phc) => Ready::Password(Box::new(Password { phc, known: OnceLock::new() })),
        };
        Some(Self { id: secret.view.id, noted_at: AtomicI64::new(0), ready })
    }
}

/// What a sealed secret is bound to: its own row.
pub(crate) fn seal_context(id: SecretId) -> Vec<u8> {
    [b"signing secret ".as_slice(), id.as_bytes()].concat()
}
