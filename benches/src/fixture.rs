//! An installation with one hot credential, made through the management API and the token endpoint as a back office and an integration would.
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context;
use axum::{Router, body::Body};
use claviger_domain::{
    access::Access,
    chance::Chance,
    credential::{self, Credential, SecretView, State},
    id::{AccountId, CredentialId, SecretId},
    kind::Kinds,
    time::Timestamp,
    token::{Purpose, secret_part},
};
use claviger_server::{
    app::{App, operator_keys},
    clock::{Clock, OsChance},
    cluster::Membership,
    config::Settings,
    keyring::KeyRing,
    public,
};
use claviger_store::{
    Store,
    credential::{Material, StoredSecret},
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::BodyExt;
use hyper::{Method, Request, header};
use serde_json::{Value, json};
use sha2::Sha256;
use tower::ServiceExt;

pub(crate) struct Fixture {
    pub(crate) app: App,
    /// Of the client credential behind the token.
    pub(crate) public_id: String,
    pub(crate) token: String,
    /// That it was given for.
    pub(crate) secret: SecretId,
    /// The account of everything but the client credential.
    business: AccountId,
    corporate: String,
    api_key: String,
    basic: (String, String),
    hmac: (String, String),
    pub(crate) api: Api,
    _membership: Membership,
}

/// The schemes that are measured.
pub(crate) const SCHEMES: [&str; 4] = ["token", "api_key", "basic", "hmac"];

impl Fixture {
    /// In `folder`, on the embedded engine.
    pub(crate) async fn make(folder: &Path) -> anyhow::Result<Self> {
        let app = open(folder).await?;
        let membership = Membership::begin(app.clone(), "bench".to_owned(), None).await?;
        let key = operator_keys::create_from_command_line(&app, "bench").await.map_err(|problem| anyhow::anyhow!(problem.detail))?;
        let api = Api { router: public(app.clone()), key: key.expose().to_owned() };

        let account = async |kind: &str| text(&api.send(Method::POST, "/v1/accounts", json!({ "kind": kind, "name": "Bench" })).await?, "id");
        let (corporate, business) = (account("corporate").await?, account("business").await?);
        api.send(Method::PATCH, &format!("/v1/accounts/{corporate}"), json!({ "api_access": true })).await?;
        let wish = json!({ "kind": "client", "email": "bench@example.com" });
        let client = api.send(Method::POST, &format!("/v1/accounts/{corporate}/credentials"), wish).await?;
        let exchange = json!({ "clientId": client["public_id"], "clientSecret": client["secret"] });
        let token = api.send(Method::POST, "/auth/token", exchange).await?;
        let create = async |kind: &str| {
            let wish = json!({ "kind": kind, "name": "Bench", "access": { "level": "full" } });
            let made = api.send(Method::POST, &format!("/v1/accounts/{business}/credentials"), wish).await?;
            Ok::<_, anyhow::Error>((text(&made, "public_id")?, text(&made, "secret")?))
        };
        let (api_key, basic, hmac) = (create("api_key").await?.1, create("basic").await?, create("hmac").await?);
        let (public_id, token) = (text(&client, "public_id")?, text(&token, "access_token")?);
        let secret = secret_of(&token)?;
        Ok(Self { app, public_id, token, secret, business: business.parse()?, corporate, api_key, basic, hmac, api, _membership: membership })
    }

    /// What nginx asks with, and the credential of this scheme.
    pub(crate) fn headers(&self, scheme: &str) -> anyhow::Result<Vec<(&'static str, String)>> {
        Ok(asked_with(match scheme {
            "token" => vec![("Authorization", format!("Bearer {}", self.token)), ("AccountId", self.corporate.clone())],
            "api_key" => vec![("X-API-Key", self.api_key.clone())],
            "basic" => vec![("Authorization", basic(&self.basic.0, &self.basic.1))],
            "hmac" => sign(&self.hmac.0, &self.hmac.1, self.app.clock.now())?,
            other => anyhow::bail!("no such scheme: {other}"),
        }))
    }

    /// The text that was signed for a request of scheme `hmac`: what its reference hashes too.
    pub(crate) fn signed(&self) -> anyhow::Result<String> {
        Ok(signed(&http_date(self.app.clock.now())?))
    }

    /// Adds API keys straight into the store; [`Self::key`] tells what they are.
    pub(crate) async fn add_keys(&self, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
        for begin in numbers.clone().step_by(20_000) {
            let mut tx = self.app.store.begin().await?;
            for number in begin..numbers.end.min(begin + 20_000) {
                let (public_id, key) = self.key(number);
                let (now, chance) = (self.app.clock.now(), Numbered(AtomicU64::new(number << 20)));
                let credential = Credential {
                    id: CredentialId::new(now, &chance),
                    account_id: self.business,
                    kind: credential::Kind::ApiKey,
                    public_id,
                    label: "Bench".to_owned(),
                    description: None,
                    access: Access::Full,
                    state: State::Active,
                    expires_at: None,
                    allowed_networks: Vec::new(),
                    refuse_replays: false,
                    created_at: now,
                    end: None,
                };
                let view = SecretView { id: SecretId::new(now, &chance), hint: String::new(), created_at: now, expires_at: None };
                let material = Material::Digest(self.app.keys.pepper.digest(secret_part(&key).as_bytes()));
                tx.insert_credential(&credential, &StoredSecret { view, material }, "bench").await?;
            }
            tx.commit_housekeeping().await?;
        }
        self.app.index.catch_up().await?;
        Ok(())
    }

    /// See [`key`].
    pub(crate) fn key(&self, number: u64) -> (String, String) {
        key(&self.app, number)
    }
}

/// The public part of added key `number`, and the whole of it.
pub(crate) fn key(app: &App, number: u64) -> (String, String) {
    let chance = Numbered(AtomicU64::new(number << 20));
    let public_id = app.format.public_id(Purpose::ApiKey, &chance);
    let key = app.format.key(&public_id, &chance).expose().to_owned();
    (public_id, key)
}

/// The fields that `deploy/nginx/` adds, those of a small client, and `presented`.
pub(crate) fn asked_with(presented: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("Host", "claviger".to_owned()),
        ("X-Original-Method", "GET".to_owned()),
        ("X-Original-URI", TARGET.to_owned()),
        ("X-Original-Host", "api.example.com".to_owned()),
        ("X-Real-IP", "198.51.100.7".to_owned()),
        ("X-Request-Id", "5f3a1c0de4b94c6b8d0f3e2a7c915b64".to_owned()),
        ("User-Agent", "curl/8.5.0".to_owned()),
        ("Accept", "*/*".to_owned()),
    ];
    headers.extend(presented);
    headers
}

/// The value of `Authorization` for this pair (RFC 7617).
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()))
}

/// The fields that sign a request to [`TARGET`].
pub(crate) fn sign(key: &str, secret: &str, at: Timestamp) -> anyhow::Result<Vec<(&'static str, String)>> {
    let date = http_date(at)?;
    let signature = BASE64.encode(&hmac(secret.as_bytes(), signed(&date).as_bytes())?);
    let authorization = format!(r#"hmac username="{key}", algorithm="hmac-sha256", headers="date request-line", signature="{signature}""#);
    Ok(vec![("Date", date), ("Authorization", authorization)])
}

/// The app of the installation in `folder`.
pub(crate) async fn open(folder: &Path) -> anyhow::Result<App> {
    let keys = KeyRing::open_or_create(&folder.join("keyring.json"), &OsChance)?;
    let store = Store::open_sqlite(&folder.join("claviger.db")).await?;
    let issuer = "http://127.0.0.1:8080".to_owned();
    Ok(App::open(Settings::resolve(&[]), issuer, store, Kinds::built_in()?, keys, Clock::System, Arc::new(OsChance)).await?)
}

/// The path and query of every request.
pub(crate) const TARGET: &str = "/api/orders?limit=20";

fn signed(date: &str) -> String {
    format!("date: {date}\nGET {TARGET} HTTP/1.1")
}

fn http_date(at: Timestamp) -> anyhow::Result<String> {
    let at = jiff::Timestamp::from_microsecond(at.micros())?;
    Ok(jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at)?)
}

fn hmac(key: &[u8], message: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(message);
    Ok(mac.finalize().into_bytes().to_vec())
}

/// SplitMix64: from a number always the same bytes, so that ten million keys need not be kept.
#[derive(Debug)]
struct Numbered(AtomicU64);

impl Chance for Numbered {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let random = (z ^ (z >> 31)).to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
}

/// The management API, called by its router: no sockets.
pub(crate) struct Api {
    router: Router,
    key: String,
}

impl Api {
    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> anyhow::Result<Value> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key))
            .body(Body::from(body.to_string()))?;
        let answer = self.router.clone().oneshot(request).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        anyhow::ensure!(status.is_success(), "{path} was answered {status}: {}", String::from_utf8_lossy(&bytes));
        if bytes.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&bytes)?) }
    }
}

pub(crate) fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    value[field].as_str().map(str::to_owned).with_context(|| format!("no {field} in the answer"))
}

/// The secret that a token was given for.
fn secret_of(token: &str) -> anyhow::Result<SecretId> {
    let claims = token.split('.').nth(1).context("a token has three parts")?;
    let claims: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes())?)?;
    Ok(text(&claims, "claviger_secret")?.parse()?)
}
