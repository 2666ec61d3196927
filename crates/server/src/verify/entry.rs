//! A credential in memory: what is stored, made ready to be compared with what is presented.
use std::sync::{
    OnceLock,
    atomic::{AtomicI64, Ordering},
};

use claviger_domain::{
    credential::Credential,
    id::SecretId,
    schemes::signing::{Algorithm, Key},
    secret::Digest,
    time::Timestamp,
};
use claviger_store::credential::{Loaded, Material};
use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroizing;

use crate::keyring::KeyRing;

/// A credential and its secrets, ready.
#[derive(Debug)]
pub struct Entry {
    /// The credential.
    pub credential: Credential,
    proofs: Vec<Proof>,
    /// When a use was last noted, in microseconds.
    noted_at: AtomicI64,
}

#[derive(Debug)]
struct Proof {
    id: SecretId,
    expires_at: Option<Timestamp>,
    /// When a use was last noted, in microseconds.
    noted_at: AtomicI64,
    ready: Ready,
}

#[expect(clippy::large_enum_variant, reason = "prepared keys stand beside their secret: one memory access less for each signed request")]
enum Ready {
    Digest(Digest),
    Signing {
        secret: Zeroizing<Vec<u8>>,
        keys: [OnceLock<Key>; 4],
    },
    /// A PHC string; and, once a password was right, its fast keyed hash, which goes when the entry goes: at the next change.
    Password {
        phc: String,
        known: OnceLock<Digest>,
    },
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ready(***)")
    }
}

impl Entry {
    /// Makes what was loaded ready. A secret that cannot be unsealed proves nothing.
    pub(crate) fn new(loaded: Loaded, keys: &KeyRing) -> Self {
        let proofs = loaded.secrets.into_iter().filter_map(|secret| {
            let ready = match secret.material {
                Material::Digest(digest) => Ready::Digest(digest),
                Material::Sealed(sealed) => Ready::Signing { secret: keys.unseal(&seal_context(secret.view.id), &sealed)?, keys: Default::default() },
                Material::Password(phc) => Ready::Password { phc, known: OnceLock::new() },
            };
            Some(Proof { id: secret.view.id, expires_at: secret.view.expires_at, noted_at: AtomicI64::new(0), ready })
        });
        Self { proofs: proofs.collect(), credential: loaded.credential, noted_at: AtomicI64::new(0) }
    }

    /// The living secret of which `presented` is the digest. Every one is compared, in constant time, and `dummy` when there is none.
    pub(crate) fn find_secret(entry: Option<&Self>, presented: &Digest, dummy: &Digest, now: Timestamp) -> Option<SecretId> {
        let (mut proven, mut at) = (Choice::from(0), 0);
        let (mut compared, mut number) = (false, 0_u32);
        for proof in entry.iter().flat_map(|entry| &entry.proofs) {
            if let Ready::Digest(digest) = &proof.ready {
                let this = digest.matches(presented) & Choice::from(u8::from(proof.lives(now)));
                at.conditional_assign(&number, this);
                proven |= this;
                compared = true;
            }
            number += 1;
        }
        if !compared {
            // nothing to compare with: compare all the same
            let _ = std::hint::black_box(presented.matches(dummy));
        }
        let proof = entry.and_then(|entry| entry.proofs.get(at as usize));
        proof.filter(|_| proven.into()).map(|proof| proof.id)
    }

    /// The living signing keys, prepared for `algorithm`.
    pub(crate) fn signing_keys(&self, algorithm: Algorithm, now: Timestamp) -> impl Iterator<Item = (SecretId, &Key)> {
        let at = match algorithm {
            Algorithm::Sha1 => 0,
            Algorithm::Sha256 => 1,
            Algorithm::Sha384 => 2,
            Algorithm::Sha512 => 3,
        };
        self.proofs.iter().filter(move |proof| proof.lives(now)).filter_map(move |proof| match &proof.ready {
            Ready::Signing { secret, keys } => Some((proof.id, keys[at].get_or_init(|| Key::prepare(secret, algorithm)))),
            _ => None,
        })
    }

    /// Whether a password with this fast hash was right before.
    pub(crate) fn knows_password(&self, fast: &Digest) -> bool {
        self.proofs.iter().any(|proof| match &proof.ready {
            Ready::Password { known, .. } => known.get().is_some_and(|known| known.matches(fast).into()),
            _ => false,
        })
    }

    /// The PHC string of its password.
    pub(crate) fn password(&self) -> Option<&str> {
        self.proofs.iter().find_map(|proof| match &proof.ready {
            Ready::Password { phc, .. } => Some(phc.as_str()),
            _ => None,
        })
    }

    /// Remembers the fast hash of a password that Argon2id found right.
    pub(crate) fn remember_password(&self, fast: Digest) {
        for proof in &self.proofs {
            if let Ready::Password { known, .. } = &proof.ready {
                let _ = known.set(fast);
            }
        }
    }

    /// Whether a use at `now` is worth noting: the last one noted is some time past. Of several at once, one is told yes.
    pub(crate) fn should_note(&self, now: Timestamp) -> bool {
        is_due(&self.noted_at, now)
    }

    /// The same of one of its secrets.
    pub(crate) fn should_note_secret(&self, id: SecretId, now: Timestamp) -> bool {
        self.proofs.iter().find(|proof| proof.id == id).is_some_and(|proof| is_due(&proof.noted_at, now))
    }
}

fn is_due(noted_at: &AtomicI64, now: Timestamp) -> bool {
    const PAUSE: i64 = 10_000_000;
    let last = noted_at.load(Ordering::Relaxed);
    now.micros() - last >= PAUSE && noted_at.compare_exchange(last, now.micros(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

impl Proof {
    fn lives(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// What a sealed secret is bound to: its own row.
pub(crate) fn seal_context(id: SecretId) -> Vec<u8> {
    [b"signing secret ".as_slice(), id.as_bytes()].concat()
}
