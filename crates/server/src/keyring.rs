//! The key ring: every key of an installation, in one file of mode 0400 that is made once and never printed.
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use claviger_domain::{
    chance::Chance,
    keyed::{Keyed, Tag},
};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Why the key ring cannot be used. None of the texts holds any part of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The file cannot be read or written.
    #[error("the key ring file: {0}")]
    File(#[from] io::Error),
    /// Others than its owner can read it.
    #[error("the key ring can be read by others (mode {0:04o}); make it 0400")]
    Exposed(u32),
    /// It does not hold what it should.
    #[error("the key ring is damaged: {0}")]
    Damaged(&'static str),
}

/// The file's form. Version 1: all keys of 32 bytes, and one signing key as PKCS #8, each in unpadded base64url.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    /// Of generated secrets' digests.
    pepper: String,
    /// Of id tags.
    tag: String,
    /// Of sign-in links' and sessions' digests.
    session: String,
    /// Of what must come back: AES-256-GCM-SIV.
    seal: String,
    /// ES256.
    signing: String,
}

/// The keys, prepared for use.
pub struct KeyRing {
    /// Hashes generated secrets.
    pub pepper: Keyed,
    /// Makes and checks id tags.
    pub tag: Tag,
    /// Hashes session tokens, sign-in links and idempotency keys.
    pub session: Keyed,
    seal: RandomizedNonceKey,
    signing_pkcs8: Zeroizing<Vec<u8>>,
    public: [u8; 65],
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing(***)")
    }
}

impl KeyRing {
    /// Reads the key ring at `path`, or makes one there, mode 0400, if there is none.
    ///
    /// # Errors
    /// When the file cannot be read or made, is readable by others, or is damaged.
    pub fn open_or_create(path: &Path, chance: &dyn Chance) -> Result<Self, KeyRingError> {
        match Self::open(path) {
            Err(KeyRingError::File(error)) if error.kind() == io::ErrorKind::NotFound => {
                match create(path, chance) {
                    // two processes at once: the other one's counts
                    Err(KeyRingError::File(error)) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    other => other?,
                }
                Self::open(path)
            }
            other => other,
        }
    }

    /// Reads the key ring at `path`.
    ///
    /// # Errors
    /// When the file cannot be read, is readable by others, or is damaged.
    pub fn open(path: &Path) -> Result<Self, KeyRingError> {
        let mode = fs::metadata(path)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyRingError::Exposed(mode));
        }
        let text = Zeroizing::new(fs::read_to_string(path)?);
        let file: File = serde_json::from_str(&text).map_err(|_| KeyRingError::Damaged("it is not a key ring of version 1"))?;
        if file.version != 1 {
            return Err(KeyRingError::Damaged("it is of a later version"));
        }
        let signing_pkcs8 = decode(&file.signing)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &signing_pkcs8).map_err(|_| KeyRingError::Damaged("signing"))?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| KeyRingError::Damaged("signing"))?;
        Ok(Self {
            pepper: Keyed::new(&*key(&file.pepper)?),
            tag: Tag::new(&*key(&file.tag)?),
            session: Keyed::new(&*key(&file.session)?),
            seal: RandomizedNonceKey::new(&AES_256_GCM_SIV, &*key(&file.seal)?).map_err(|_| KeyRingError::Damaged("seal"))?,
            signing_pkcs8,
            public,
        })
    }

    /// A value that only this key ring gives, and that gives none of it away: stored in the database, it tells whether both belong together.
    #[must_use]
    pub fn check_value(&self) -> Vec<u8> {
        /// Another number when another part of a secret is hashed: a database with hashes that would never match is refused as a whole.
        const CHECK: &[u8] = b"claviger key check 2";
        let mut all = Vec::with_capacity(160);
        for keyed in [&self.pepper, &self.session] {
            all.extend_from_slice(keyed.digest(CHECK).as_bytes());
        }
        all.extend_from_slice(&self.tag.of(CHECK).to_be_bytes());
        self.pepper.digest(&all).as_bytes().to_vec()
    }

    /// The ES256 key as PKCS #8, for the token signer.
    pub(crate) fn signing_pkcs8(&self) -> &[u8] {
        &self.signing_pkcs8
    }

    /// The ES256 public key as an uncompressed point: `04 || x || y`.
    pub(crate) const fn public_point(&self) -> &[u8; 65] {
        &self.public
    }

    /// Seals `plain` so that only this key ring, told the same `context`, opens it: version, nonce, ciphertext, tag.
    #[must_use]
    pub fn seal(&self, context: &[u8], mut plain: Vec<u8>) -> Option<Vec<u8>> {
        let nonce = self.seal.seal_in_place_append_tag(Aad::from(context), &mut plain).ok()?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + plain.len());
        sealed.push(1);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut plain);
        Some(sealed)
    }

    /// Opens what [`KeyRing::seal`] made; None when anything about it, or `context`, is another.
    #[must_use]
    pub fn unseal(&self, context: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.strip_prefix(&[1])?.split_at_checked(NONCE_LEN)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = self.seal.open_in_place(nonce, Aad::from(context), &mut buffer).ok()?.len();
        buffer.truncate(length);
        Some(buffer)
    }
}

fn create(path: &Path, chance: &dyn Chance) -> Result<(), KeyRingError> {
    let fresh = || {
        let mut key = Zeroizing::new([0; 32]);
        chance.fill(&mut *key);
        BASE64URL_NOPAD.encode(&*key)
    };
    let signing = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &aws_lc_rs::rand::SystemRandom::new())
        .map_err(|_| KeyRingError::Damaged("no signing key could be made"))?;
    let file = File { version: 1, pepper: fresh(), tag: fresh(), session: fresh(), seal: fresh(), signing: BASE64URL_NOPAD.encode(signing.as_ref()) };
    let text = Zeroizing::new(serde_json::to_string_pretty(&file).map_err(|_| KeyRingError::Damaged("it cannot be written"))?);
    // written whole beside it and then linked: a crash leaves no half of a key ring
    let unfinished = path.with_extension(format!("new.{}", std::process::id()));
    let written = (|| {
        let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o400).open(&unfinished)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::hard_link(&unfinished, path)?;
        if let Some(folder) = path.parent() {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    })();
    let _ = fs::remove_file(&unfinished);
    written.map_err(KeyRingError::File)
}

fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyRingError> {
    BASE64URL_NOPAD.decode(text.as_bytes()).map(Zeroizing::new).map_err(|_| KeyRingError::Damaged("a key is not base64url"))
}

fn key(text: &str) -> Result<Zeroizing<[u8; 32]>, KeyRingError> {
    let bytes = decode(text)?;
    <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new).map_err(|_| KeyRingError::Damaged("a key is not of 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OsChance;

    #[test]
    fn a_key_ring_is_made_once_read_again_and_refused_when_exposed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keyring.json");
        let made = KeyRing::open_or_create(&path, &OsChance).expect("made");
        let read = KeyRing::open_or_create(&path, &OsChance).expect("read");
        assert_eq!(made.check_value(), read.check_value());
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o400);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).expect("changed");
        assert!(matches!(KeyRing::open(&path), Err(KeyRingError::Exposed(0o440))));
    }

    #[test]
    fn what_is_sealed_opens_only_unchanged_and_in_its_context() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = KeyRing::open_or_create(&folder.path().join("keyring.json"), &OsChance).expect("made");
        let sealed = keys.seal(b"here", b"secret".to_vec()).expect("sealed");
        assert_eq!(keys.unseal(b"here", &sealed).as_deref().map(Vec::as_slice), Some(&b"secret"[..]));
        assert!(keys.unseal(b"there", &sealed).is_none());
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(keys.unseal(b"here", &changed).is_none(), "bit {bit}");
        }
    }
}
