//! A whole server without its sockets, and callers with a type each, so that a test says who asks.
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, HeaderValue, Method, Request},
};
use bytes::Bytes;
use claviger_domain::{kind::Kinds, time::Timestamp};
use claviger_server::{
    app::{App, operator_keys, sign_in},
    clock::{Clock, OsChance},
    cluster::Membership,
    config::{Partial, Settings},
    gateway,
    keyring::KeyRing,
    public,
};
use claviger_store::Store;
use claviger_testkit::postgres::{Cluster, Database};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// When everything begins: 2026-11-18T11:06:40Z.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);
pub(crate) const START_TEXT: &str = "2026-11-18T11:06:40.000000Z";
pub(crate) const HOST: &str = "claviger.test";

/// The same test once on each engine, as `name::sqlite` and `name::postgres`.
macro_rules! on_both_engines {
    ($(async fn $name:ident($world:ident) $body:block)*) => {$(
        async fn $name($world: crate::common::World) $body

        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name(crate::common::World::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$name(crate::common::World::postgres().await).await;
            }
        }
    )*};
}
pub(crate) use on_both_engines;

pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) public: Router,
    pub(crate) gateway: Router,
    pub(crate) operator_key: String,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) database: Option<Arc<Database>>,
    /// Whether each request takes a millisecond: event ids of one millisecond are in no order.
    ticking: AtomicBool,
    membership: Option<Membership>,
}

impl World {
    pub(crate) async fn sqlite() -> Self {
        Self::at(format!("http://{HOST}"), None).await
    }

    pub(crate) async fn postgres() -> Self {
        Self::at(format!("http://{HOST}"), Some(Cluster::shared().fresh_database())).await
    }

    /// As it is reached over TLS.
    pub(crate) async fn over_tls() -> Self {
        Self::at(format!("https://{HOST}"), None).await
    }

    pub(crate) async fn at(public_url: String, database: Option<Database>) -> Self {
        Self::with(Partial { public_url: Some(public_url), ..Partial::default() }, database, Kinds::built_in().expect("sound")).await
    }

    /// With these settings and account kinds.
    pub(crate) async fn with(settings: Partial, database: Option<Database>, kinds: Kinds) -> Self {
        Self::in_folder(tempfile::tempdir().expect("a folder"), settings, database.map(Arc::new), kinds).await
    }

    /// Another node on this one's database.
    pub(crate) async fn beside(&self, settings: Partial) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::copy(self.folder.path().join("keyring.json"), folder.path().join("keyring.json")).expect("a key ring");
        assert!(self.database.is_some(), "PostgreSQL");
        Self::in_folder(folder, settings, self.database.clone(), Kinds::built_in().expect("sound")).await
    }

    async fn in_folder(folder: tempfile::TempDir, mut settings: Partial, database: Option<Arc<Database>>, kinds: Kinds) -> Self {
        let public_url = settings.public_url.get_or_insert_with(|| format!("http://{HOST}")).clone();
        let keys = KeyRing::open_or_create(&folder.path().join("keyring.json"), &OsChance).expect("a key ring");
        let store = match &database {
            Some(database) => Store::open_postgres(database.url()).await,
            None => Store::open_sqlite(&folder.path().join("claviger.db")).await,
        }
        .expect("a database");
        let settings = Settings::resolve(&[&settings]);
        let app = App::open(settings, public_url, store, kinds, keys, Clock::frozen(START), Arc::new(OsChance)).await.expect("an app");
        let membership = Membership::begin(app.clone(), "tests".to_owned(), None).await.expect("a lease");
        membership.has_share(&app).await;
        let operator_key = operator_keys::create_from_command_line(&app, "tests").await.expect("a key").expose().to_owned();
        Self {
            public: public(app.clone()),
            gateway: gateway(app.clone()),
            app,
            operator_key,
            folder,
            database,
            ticking: AtomicBool::new(false),
            membership: Some(membership),
        }
    }

    /// Gives the node's lease back.
    pub(crate) async fn leave(&mut self) {
        self.membership.take().expect("a lease").leave().await;
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.app.clock.advance(std::time::Duration::from_secs(seconds));
    }

    /// From here on each request takes a millisecond.
    pub(crate) fn tick(&self) {
        self.ticking.store(true, Ordering::Relaxed);
    }

    // --- who asks ---------------------------------------------------------------

    /// Nobody in particular.
    pub(crate) fn anyone(&self) -> Caller<'_> {
        Caller { world: self, with: Vec::new(), at: None }
    }

    /// The operator's back office, by its API key.
    pub(crate) fn operator(&self) -> Caller<'_> {
        self.anyone().with("authorization", &format!("Bearer {}", self.operator_key))
    }

    /// The operator's staff, in the console.
    pub(crate) async fn operator_person(&self) -> Caller<'_> {
        let link = sign_in::create_operator_link(&self.app).await.expect("a link");
        self.signed_in_by(link.url.expose()).await
    }

    /// A member of an account, in the console. They must be one already.
    pub(crate) async fn member(&self, account: &str, email: &str) -> Caller<'_> {
        let link = self.operator().post(&format!("/v1/accounts/{account}/sign-in-links"), json!({ "email": email })).await;
        assert_eq!(link.status, 201, "{link:?}");
        self.signed_in_by(link.json()["url"].as_str().expect("a url")).await
    }

    /// A new member with this role, in the console.
    pub(crate) async fn new_member(&self, account: &str, role: &str) -> Caller<'_> {
        let email = format!("{role}@example.com");
        self.save_member(account, &email, role).await;
        self.member(account, &email).await
    }

    pub(crate) async fn signed_in_by(&self, url: &str) -> Caller<'_> {
        let path = url.split_once(HOST).expect("ours").1;
        let answer = self.open(path).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let cookie = answer.header("set-cookie").split(';').next().expect("a pair").to_owned();
        self.anyone().with("cookie", &cookie).with("sec-fetch-site", "same-origin")
    }

    /// What the button on a sign-in link's page does.
    pub(crate) async fn open(&self, path: &str) -> Answer {
        self.anyone().with("sec-fetch-site", "same-origin").form(path, &[]).await
    }

    // --- what there is ------------------------------------------------------------

    /// An account with an open gate.
    pub(crate) async fn account(&self, kind: &str, name: &str) -> String {
        self.account_under(kind, name, None).await
    }

    pub(crate) async fn account_under(&self, kind: &str, name: &str, parent: Option<&str>) -> String {
        let made = self.operator().post("/v1/accounts", json!({ "kind": kind, "name": name, "parent_id": parent })).await;
        assert_eq!(made.status, 201, "{made:?}");
        let id = made.json()["id"].as_str().expect("an id").to_owned();
        if self.app.kinds.find(kind).is_some_and(|kind| kind.gate.is_some()) {
            self.change(&id, json!({ "api_access": true })).await;
        }
        id
    }

    pub(crate) async fn change(&self, account: &str, change: Value) {
        let changed = self.operator().patch(&format!("/v1/accounts/{account}"), change).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    }

    pub(crate) async fn save_member(&self, account: &str, email: &str, role: &str) {
        let saved = self.operator().put(&format!("/v1/accounts/{account}/members/{email}"), json!({ "role": role })).await;
        assert!(matches!(saved.status, 200 | 201), "{saved:?}");
    }

    pub(crate) async fn credential(&self, account: &str) -> Made {
        let made = self.operator().post(&format!("/v1/accounts/{account}/credentials"), json!({ "email": "dev@example.com" })).await;
        assert_eq!(made.status, 201, "{made:?}");
        let text = |name: &str| made.json()[name].as_str().expect(name).to_owned();
        Made { account: account.to_owned(), id: text("id"), public_id: text("public_id"), secret: text("secret") }
    }

    pub(crate) async fn delete(&self, made: &Made) {
        let deleted = self.operator().delete(&format!("/v1/accounts/{}/credentials/{}", made.account, made.id)).await;
        assert_eq!(deleted.status, 204, "{deleted:?}");
    }

    pub(crate) async fn exchange(&self, public_id: &str, secret: &str) -> Answer {
        self.anyone().with("x-request-id", "fixed").post("/auth/token", json!({ "clientId": public_id, "clientSecret": secret })).await
    }

    pub(crate) async fn token(&self, made: &Made) -> String {
        let answer = self.exchange(&made.public_id, &made.secret).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().expect("a token").to_owned()
    }

    /// What nginx's subrequest is answered.
    pub(crate) async fn nginx(&self, fields: &[(&str, &[u8])]) -> Answer {
        let mut request = Request::get("/verify/nginx").body(Body::empty()).expect("a request");
        for (name, value) in fields {
            let name: axum::http::HeaderName = name.parse().expect("a name");
            request.headers_mut().append(name, HeaderValue::from_bytes(value).expect("a value"));
        }
        self.at_gateway(request).await
    }

    /// What a request with this token about this account is answered.
    pub(crate) async fn use_token(&self, token: &str, account: &str) -> Answer {
        self.nginx(&[("authorization", format!("Bearer {token}").as_bytes()), ("accountid", account.as_bytes()), ("x-request-id", b"fixed")]).await
    }

    pub(crate) async fn at_gateway(&self, request: Request<Body>) -> Answer {
        Answer::of(&self.gateway, request).await
    }

    pub(crate) async fn ask(&self, question: Value) -> Answer {
        self.ask_in_text(question.to_string()).await
    }

    /// A question as it is written, which a value cannot be that says something twice.
    pub(crate) async fn ask_in_text(&self, question: String) -> Answer {
        let request = Request::post("/v1/verify").header("content-type", "application/json").header("x-request-id", "fixed");
        self.at_gateway(request.body(Body::from(question)).expect("a request")).await
    }

    pub(crate) async fn actions(&self, account: &str) -> Vec<String> {
        let events = self.operator().get(&format!("/v1/accounts/{account}/events?limit=200")).await;
        let items = events.json()["items"].as_array().expect("items").clone();
        items.iter().rev().map(|event| event["action"].as_str().expect("an action").to_owned()).collect()
    }
}

/// A credential that was made, with its secret.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) account: String,
    pub(crate) id: String,
    pub(crate) public_id: String,
    pub(crate) secret: String,
}

#[derive(Clone)]
pub(crate) struct Caller<'w> {
    world: &'w World,
    with: Vec<(String, String)>,
    at: Option<SocketAddr>,
}

impl Caller<'_> {
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.with.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.with.retain(|(given, _)| given != name);
        self
    }

    /// At this address; else it is known of nobody.
    pub(crate) fn at(mut self, address: &str) -> Self {
        self.at = Some(SocketAddr::new(address.parse().expect("an address"), 40_000));
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, Vec::new()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None, Vec::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.json(Method::POST, path, &body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.json(Method::PUT, path, &body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.json(Method::PATCH, path, &body.to_string()).await
    }

    pub(crate) async fn json(&self, method: Method, path: &str, body: &str) -> Answer {
        self.send(method, path, Some("application/json"), body.as_bytes().to_vec()).await
    }

    pub(crate) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = serde_urlencoded::to_string(fields).expect("a form");
        self.send(Method::POST, path, Some("application/x-www-form-urlencoded"), body.into_bytes()).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, content_type: Option<&str>, body: Vec<u8>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", HOST);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        for (name, value) in &self.with {
            request = request.header(name, value);
        }
        if let Some(at) = self.at {
            request = request.extension(ConnectInfo(at));
        }
        if self.world.ticking.load(Ordering::Relaxed) {
            self.world.app.clock.advance(std::time::Duration::from_millis(1));
        }
        Answer::of(&self.world.public, request.body(Body::from(body)).expect("a request")).await
    }
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}\n{}", self.status, self.headers, self.text())
    }
}

impl Answer {
    pub(crate) async fn of(router: &Router, request: Request<Body>) -> Self {
        let method = request.method().clone();
        let (parts, body) = router.clone().oneshot(request).await.expect("infallible").into_parts();
        let answer = Self { status: parts.status.as_u16(), headers: parts.headers, bytes: body.collect().await.expect("a body").to_bytes() };
        if let Some(length) = answer.headers.get("content-length").filter(|_| method != Method::HEAD) {
            assert_eq!(length.to_str().expect("a number"), answer.bytes.len().to_string(), "{answer:?}");
        }
        answer
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// A header that must be there once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().unwrap_or_else(|| panic!("no {name}: {self:?}"));
        assert!(values.next().is_none(), "{name} twice: {self:?}");
        value.to_str().expect("text")
    }

    /// That this is an RFC 9457 problem with this status and code.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["code"], code, "{self:?}");
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("urn:claviger:problem:{code}"));
        assert_eq!(body["request_id"], self.header("x-request-id"));
        for text in ["title", "detail"] {
            assert!(body[text].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        }
    }

    /// That this is a problem as a gateway passes it on: no more of ours around it than it needs.
    #[track_caller]
    pub(crate) fn assert_problem_of_a_check(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.header("content-type")), (status, "application/problem+json"), "{self:?}");
        assert_eq!(self.json()["code"], code, "{self:?}");
        assert_eq!(self.json()["request_id"], self.header("x-claviger-request-id"));
    }

    /// That this is a 422 about one field.
    #[track_caller]
    pub(crate) fn assert_invalid(&self, pointer: &str, code: &str) {
        self.assert_problem(422, "invalid");
        let errors = self.json()["errors"].clone();
        let found = errors.as_array().expect("errors").iter().any(|error| error["pointer"] == pointer && error["code"] == code);
        assert!(found, "{pointer} {code}: {self:?}");
    }
}

/// The text between two others, the first time they stand around something.
#[track_caller]
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let start = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    start.split_once(after).unwrap_or_else(|| panic!("no {after} after {before}")).0
}
