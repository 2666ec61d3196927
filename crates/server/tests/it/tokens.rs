//! Tokens that are not ours, or no longer: every one is refused, and none costs the store a read.
use claviger_domain::{id::SecretId, time::Timestamp};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::common::{START, World};

struct Issued {
    world: World,
    account: String,
    public_id: String,
    token: String,
}

async fn issued() -> Issued {
    let world = World::sqlite().await;
    let account = world.account("corporate", "Acme").await;
    let made = world.credential(&account).await;
    let token = world.token(&made).await;
    assert_eq!(world.use_token(&token, &account).await.status, 200);
    Issued { world, account, public_id: made.public_id, token }
}

impl Issued {
    async fn assert_refused(&self, name: &str, token: &str) {
        let answer =
            self.world.nginx(&[("authorization", [b"Bearer ", token.as_bytes()].concat().as_slice()), ("accountid", self.account.as_bytes())]).await;
        assert_eq!(answer.status, 401, "{name}: {answer:?}");
    }

    fn claims(&self) -> Value {
        let issuer = "http://claviger.test";
        json!({
            "iss": issuer, "aud": issuer, "sub": self.public_id, "client_id": self.public_id,
            "iat": START.seconds(), "exp": START.seconds() + 3600, "jti": "x", "scope": "*", "claviger_secret": self.secret(),
        })
    }

    /// The secret that the token was given for.
    fn secret(&self) -> Value {
        let claims = BASE64URL_NOPAD.decode(self.token.split('.').nth(1).expect("claims").as_bytes()).expect("base64url");
        serde_json::from_slice::<Value>(&claims).expect("JSON")["claviger_secret"].clone()
    }

    fn header(&self) -> Header {
        jsonwebtoken::decode_header(&self.token).expect("a header")
    }

    /// The installation's own signing key, as a thief of the key ring would have it.
    fn own_key(&self) -> EncodingKey {
        let ring = std::fs::read_to_string(self.world.folder.path().join("keyring.json")).expect("a key ring");
        let ring: Value = serde_json::from_str(&ring).expect("JSON");
        let pkcs8 = BASE64URL_NOPAD.decode(ring["signing"].as_str().expect("a key").as_bytes()).expect("base64url");
        EncodingKey::from_ec_der(&pkcs8)
    }
}

#[tokio::test]
async fn every_truncated_and_every_bit_flipped_token_is_refused() {
    let issued = issued().await;
    let reads = issued.world.app.index.store_reads();
    for length in 0..issued.token.len() {
        issued.assert_refused(&format!("cut at {length}"), &issued.token[..length]).await;
    }
    for bit in 0..issued.token.len() * 8 {
        let mut bytes = issued.token.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let value = [b"Bearer ", bytes.as_slice()].concat();
        // what no HTTP header can hold never arrives
        if axum::http::HeaderValue::from_bytes(&value).is_err() {
            continue;
        }
        // a blank at the end is no part of the token, and all else is
        let answer = issued.world.nginx(&[("authorization", &value), ("accountid", issued.account.as_bytes())]).await;
        assert!(matches!(answer.status, 401), "bit {bit}: {answer:?}");
    }
    assert_eq!(issued.world.app.index.store_reads(), reads, "junk costs the store nothing");
}

#[tokio::test]
async fn a_token_that_another_key_signed_or_none_is_refused() {
    let issued = issued().await;
    let (own, header) = (issued.own_key(), issued.header());
    let sign = |header: &Header, claims: &Value, key: &EncodingKey| jsonwebtoken::encode(header, claims, key).expect("signed");
    let good = sign(&header, &issued.claims(), &own);
    assert_eq!(issued.world.use_token(&good, &issued.account).await.status, 200, "the forge itself works");

    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    for alg in ["none", "None", "NONE", ""] {
        let head = encode(&json!({ "alg": alg, "typ": "at+jwt", "kid": header.kid }));
        let body = encode(&issued.claims());
        issued.assert_refused(alg, &format!("{head}.{body}.")).await;
        issued.assert_refused(alg, &format!("{head}.{body}.AAAA")).await;
        let signature = issued.token.rsplit('.').next().expect("a signature");
        issued.assert_refused(alg, &format!("{head}.{body}.{signature}")).await;
    }

    // key confusion: the public key, in whatever form, as an HMAC secret
    let jwks = issued.world.anyone().get("/.well-known/jwks.json").await;
    let key = jwks.json()["keys"][0].clone();
    let point = |name: &str| BASE64URL_NOPAD.decode(key[name].as_str().expect(name).as_bytes()).expect("base64url");
    let uncompressed = [vec![4], point("x"), point("y")].concat();
    let der = [
        &[
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
            0x03, 0x42, 0x00,
        ][..],
        &uncompressed,
    ]
    .concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", data_encoding::BASE64.encode(&der));
    for secret in [uncompressed, der, pem.into_bytes(), key.to_string().into_bytes(), jwks.bytes.to_vec(), Vec::new()] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let head = Header { alg: algorithm, ..header.clone() };
            issued.assert_refused("HMAC with the public key", &sign(&head, &issued.claims(), &EncodingKey::from_secret(&secret))).await;
        }
    }

    // another installation, the same issuer and the same client id
    let other = World::sqlite().await;
    let foreign = other.app.tokens.issue(&issued.public_id, SecretId::from_bytes([7; 16]), "*".into(), "x".into(), START, 3600).expect("signed");
    issued.assert_refused("another key", &foreign).await;
    let ring = std::fs::read_to_string(other.folder.path().join("keyring.json")).expect("a key ring");
    let ring: Value = serde_json::from_str(&ring).expect("JSON");
    let pkcs8 = BASE64URL_NOPAD.decode(ring["signing"].as_str().expect("a key").as_bytes()).expect("base64url");
    issued.assert_refused("another key, our kid", &sign(&header, &issued.claims(), &EncodingKey::from_ec_der(&pkcs8))).await;

    for (name, head) in [
        ("wrong kid", Header { kid: Some("x".into()), ..header.clone() }),
        ("no kid", Header { kid: None, ..header.clone() }),
        ("an id token", Header { typ: Some("JWT".into()), ..header.clone() }),
        ("no typ", Header { typ: None, ..header.clone() }),
    ] {
        issued.assert_refused(name, &sign(&head, &issued.claims(), &own)).await;
    }
    for (claim, value) in [
        ("iss", json!("http://evil.test")),
        ("iss", json!("http://claviger.test/")),
        ("aud", json!("http://other.test")),
        ("aud", json!(["http://claviger.test", "http://other.test"])),
        ("sub", json!("clv_client_unknown")),
        ("exp", json!(START.seconds())),
        ("exp", json!("never")),
        ("iat", json!(START.seconds() + 61)),
        ("iss", Value::Null),
        ("aud", Value::Null),
        ("sub", Value::Null),
        ("exp", Value::Null),
        ("scope", Value::Null),
    ] {
        let mut claims = issued.claims();
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(claim);
        } else {
            claims[claim] = value.clone();
        }
        issued.assert_refused(&format!("{claim} {value}"), &sign(&header, &claims, &own)).await;
    }
}

#[tokio::test]
async fn a_token_lives_for_an_hour_to_the_second_also_when_it_is_remembered() {
    let issued = issued().await;
    issued.world.advance(3599);
    assert_eq!(issued.world.use_token(&issued.token, &issued.account).await.status, 200);
    issued.world.advance(1);
    issued.assert_refused("expired", &issued.token).await;
    assert_eq!(issued.world.app.clock.now(), Timestamp::from_micros(START.micros() + 3_600_000_000));
}

/// Xorshift: the same "random" values on every run, so that a failure can be run again.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).expect("small")
    }

    fn text(&mut self, alphabet: &[u8], longest: usize) -> Vec<u8> {
        let length = self.next(longest);
        (0..length).map(|_| alphabet[self.next(alphabet.len())]).collect()
    }
}

#[tokio::test]
async fn ten_thousand_random_authorization_values_are_never_let_through_and_never_break_anything() {
    let issued = issued().await;
    let mut random = Random(0x5eed_c1a0_1234_5678);
    let any: Vec<u8> = (0x20..=0xff).filter(|byte| *byte != 0x7f).chain([b'\t']).collect();
    let base64url = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let schemes: [&[u8]; 8] = [b"Bearer ", b"bearer ", b"Basic ", b"hmac ", b"", b"Bearer\t", b"Bearer  ", b"Negotiate "];
    let reads = issued.world.app.index.store_reads();
    for round in 0..10_000 {
        let scheme = schemes[random.next(schemes.len())];
        let rest = match random.next(5) {
            0 => random.text(&any, 200),
            1 => random.text(base64url, 900),
            2 => [random.text(base64url, 200), random.text(base64url, 400), random.text(base64url, 100)].join(&b'.'),
            3 => {
                // a good token with a piece of it replaced
                let mut token = issued.token.clone().into_bytes();
                let at = random.next(token.len());
                token.splice(at..(at + random.next(8)).min(issued.token.len()), random.text(&any, 8));
                token
            }
            _ => data_encoding::BASE64.encode(&random.text(&any, 100)).into_bytes(),
        };
        if rest == issued.token.as_bytes() {
            continue;
        }
        let value = [scheme, &rest].concat();
        let answer = issued.world.nginx(&[("authorization", &value), ("accountid", issued.account.as_bytes())]).await;
        assert_eq!(answer.status, 401, "round {round}, {value:?}: {answer:?}");
        if round % 10 == 0 {
            let request = axum::http::Request::get("/v1/accounts")
                .header("authorization", value.as_slice())
                .body(axum::body::Body::empty())
                .expect("a request");
            let answer = crate::common::Answer::of(&issued.world.public, request).await;
            assert_eq!(answer.status, 401, "round {round}, {value:?}: {answer:?}");
        }
    }
    assert_eq!(issued.world.app.index.store_reads(), reads, "junk costs the store nothing");
}
