//! Access tokens: JWTs signed with ES256 (RFC 7519, RFC 9068), and the memory of those whose signature was checked before.
use std::sync::Arc;

use claviger_domain::{chance::Chance, id::SecretId, keyed::Keyed, time::Timestamp};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::keyring::KeyRing;

/// How long a token lives at most, in seconds.
pub(crate) const LIFETIME: i64 = 3600;

/// The most tokens remembered; past it, the memory begins anew.
const REMEMBERED: usize = 100_000;

/// The claims of RFC 9068, section 2.2. `scope` is `*` for full access; it is never absent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: String,
    pub(crate) sub: String,
    pub(crate) client_id: String,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    pub(crate) jti: String,
    pub(crate) scope: String,
    /// The secret that it was given for: it ends with that.
    #[serde(rename = "claviger_secret")]
    pub(crate) secret: SecretId,
}

/// Signs and checks tokens.
pub struct Tokens {
    issuer: String,
    kid: String,
    header: Header,
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    jwks: String,
    digest: Keyed,
    seen: papaya::HashMap<[u8; 32], Arc<Claims>, foldhash::quality::RandomState>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("issuer", &self.issuer).field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Tokens {
    /// The tokens of `issuer`, signed with the key ring's key. None when that key cannot be used.
    #[must_use]
    pub fn new(keys: &KeyRing, issuer: String, chance: &dyn Chance) -> Option<Self> {
        let point = keys.public_point();
        let (x, y) = (BASE64URL_NOPAD.encode(&point[1..33]), BASE64URL_NOPAD.encode(&point[33..]));
        // the key's own thumbprint (RFC 7638) is its id
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
        let kid = BASE64URL_NOPAD.encode(&thumbprint);
        let jwk = serde_json::json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "use": "sig", "alg": "ES256" });
        let mut validation = Validation::new(Algorithm::ES256);
        // the library would read the wall clock; ours is given, so the dates are judged here
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_issuer(&[&issuer]);
        validation.set_required_spec_claims(&["iss", "sub", "exp"]);
        let mut random = zeroize::Zeroizing::new([0; 32]);
        chance.fill(&mut *random);
        Some(Self {
            header: Header { typ: Some("at+jwt".into()), kid: Some(kid.clone()), ..Header::new(Algorithm::ES256) },
            signing: EncodingKey::from_ec_der(keys.signing_pkcs8()),
            checking: DecodingKey::from_ec_components(&x, &y).ok()?,
            jwks: serde_json::json!({ "keys": [jwk] }).to_string(),
            digest: Keyed::new(&random),
            seen: papaya::HashMap::default(),
            validation,
            issuer,
            kid,
        })
    }

    /// Who issues them.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The public keys, as a JSON Web Key Set (RFC 7517).
    pub(crate) fn jwks(&self) -> &str {
        &self.jwks
    }

    /// A token for the credential `public_id`, given for this secret of it; `lifetime` in seconds.
    pub fn issue(&self, public_id: &str, secret: SecretId, scope: String, jti: String, now: Timestamp, lifetime: i64) -> Option<String> {
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: public_id.to_owned(),
            client_id: public_id.to_owned(),
            iat: now.seconds(),
            exp: now.seconds() + lifetime,
            jti,
            scope,
            secret,
        };
        jsonwebtoken::encode(&self.header, &claims, &self.signing).ok()
    }

    /// The claims of a token that we signed and that lives at `now`. Whether its credential still does is not asked here.
    pub(crate) fn check(&self, token: &str, now: Timestamp) -> Option<Arc<Claims>> {
        let digest = *self.digest.digest(token.as_bytes()).as_bytes();
        let seen = self.seen.pin().get(&digest).cloned();
        let claims = match seen {
            Some(claims) => claims,
            None => {
                let claims = Arc::new(self.check_signature(token)?);
                let seen = self.seen.pin();
                if seen.len() >= REMEMBERED {
                    seen.clear();
                }
                seen.insert(digest, claims.clone());
                claims
            }
        };
        (now.seconds() < claims.exp && claims.iat <= now.seconds() + 60).then_some(claims)
    }

    /// Only the signature, the header and the issuer; nothing is remembered. Public for the benchmark that compares with it.
    #[must_use]
    pub(crate) fn check_signature(&self, token: &str) -> Option<Claims> {
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.checking, &self.validation).ok()?;
        let ours = decoded.header.kid.as_deref() == Some(&self.kid) && decoded.header.typ.as_deref() == Some("at+jwt");
        (ours && decoded.claims.aud == self.issuer).then_some(decoded.claims)
    }

    /// Whether a token's signature is right: what a benchmark compares a whole decision with.
    #[must_use]
    pub fn has_good_signature(&self, token: &str) -> bool {
        self.check_signature(token).is_some()
    }
}
