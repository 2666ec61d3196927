//! A credential in memory: what verification needs of what is stored, and nothing else, made ready to be compared with what is presented.
//!
//! There may be millions: what most of them do not have (limits, a second secret, a signing key) stands in a box of its own.
use std::{
    hint::black_box,
    sync::{
        LazyLock, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
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
    texts: Texts,
    /// The end of time for none.
    expires_at: Timestamp,
    limits: Option<Box<Limits>>,
    proofs: Proofs,
    noted_at: Noted,
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
    noted_at: Noted,
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
            texts: Texts::new(&credential.public_id, &credential.label),
            expires_at: credential.expires_at.unwrap_or(NEVER),
            limits,
            proofs,
            noted_at: Noted::default(),
        }
    }

    /// What is presented to name it; safe to show and to log.
    #[must_use]
    pub fn public_id(&self) -> &str {
        text(self.texts.split().0)
    }

    /// Whether this is its [`Self::public_id`].
    pub(super) fn is_called(&self, public_id: &str) -> bool {
        // its other lines are wanted next: asked for now, they come together
        black_box((self.account_id, self.state, self.expires_at, matches!(self.proofs, Proofs::One(_)), self.noted_at.0.load(Ordering::Relaxed)));
        self.texts.split().0 == public_id.as_bytes()
    }

    /// Says whose or what it is, to people.
    #[must_use]
    pub fn label(&self) -> &str {
        text(self.texts.split().1)
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
    pub fn expires_at(&self) -> Option<Timestamp> {
        (self.expires_at != NEVER).then_some(self.expires_at)
    }

    /// What decides whether it is alive.
    pub(crate) fn life(&self) -> Life<'_> {
        Life {
            state: self.state,
            expires_at: self.expires_at(),
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

    /// Whether this secret of its lives.
    pub(crate) fn has_living(&self, secret: SecretId, now: Timestamp) -> bool {
        self.proofs(now).any(|(proof, lives)| lives && proof.id == secret)
    }

    /// When it ends for who was let in by this secret, as far as is known now: with itself, or with the secret.
    pub(crate) fn ends_with(&self, secret: SecretId) -> Option<Timestamp> {
        let of_secret = match &self.proofs {
            Proofs::One(_) => None,
            Proofs::Several(proofs) => proofs.iter().find(|(_, proof)| proof.id == secret).and_then(|(end, _)| *end),
        };
        self.expires_at().into_iter().chain(of_secret).min()
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

    /// Whether a use at `now` is worth noting.
    pub(crate) fn should_note(&self, now: Timestamp) -> bool {
        self.noted_at.is_due(now)
    }

    /// The same of one of its secrets.
    pub(crate) fn should_note_secret(&self, id: SecretId, now: Timestamp) -> bool {
        self.proofs(now).find(|(proof, _)| proof.id == id).is_some_and(|(proof, _)| proof.noted_at.is_due(now))
    }
}

/// When a use was last noted, in seconds of Unix time.
#[derive(Debug, Default)]
struct Noted(AtomicU32);

impl Noted {
    /// Whether the last one is some time past; of several who ask at once, one is told yes.
    fn is_due(&self, now: Timestamp) -> bool {
        const PAUSE: u32 = 10;
        let (last, now) = (self.0.load(Ordering::Relaxed), u32::try_from(now.micros() / 1_000_000).unwrap_or(u32::MAX));
        now.saturating_sub(last) >= PAUSE && self.0.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);

/// The public part and the label: on the entry's own lines as long as both together are short, as those that are made here are.
enum Texts {
    Short { bytes: [u8; SHORT], public: u8, both: u8 },
    Long(Box<[Box<str>; 2]>),
}

const SHORT: usize = 45;

impl Texts {
    fn new(public: &str, label: &str) -> Self {
        let (mut bytes, both) = ([0; SHORT], public.len() + label.len());
        match (u8::try_from(public.len()), u8::try_from(both), bytes.get_mut(..both)) {
            (Ok(public_len), Ok(both), Some(place)) => {
                let (first, second) = place.split_at_mut(public.len());
                first.copy_from_slice(public.as_bytes());
                second.copy_from_slice(label.as_bytes());
                Self::Short { bytes, public: public_len, both }
            }
            _ => Self::Long(Box::new([public.into(), label.into()])),
        }
    }

    fn split(&self) -> (&[u8], &[u8]) {
        match self {
            Self::Short { bytes, public, both } => (&bytes[..usize::from(*public)], &bytes[usize::from(*public)..usize::from(*both)]),
            Self::Long(texts) => (texts[0].as_bytes(), texts[1].as_bytes()),
        }
    }
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Texts").field(&text(self.split().0)).field(&text(self.split().1)).finish()
    }
}

/// What was put in as text.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
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
        Some(Self { id: secret.view.id, noted_at: Noted::default(), ready })
    }
}

/// What a sealed secret is bound to: its own row.
pub(crate) fn seal_context(id: SecretId) -> Vec<u8> {
    [b"signing secret ".as_slice(), id.as_bytes()].concat()
}
