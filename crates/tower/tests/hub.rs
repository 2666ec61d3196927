//! The layer around a service, in front of a real Claviger.
use std::{net::SocketAddr, time::Duration};

use axum::{Extension, Router, extract::ConnectInfo, http::HeaderMap, routing::any};
use claviger_testkit::{
    http::{Connection, Request},
    process::Server,
    soon::DEADLINE,
    stub::{Reply, Stub},
};
use claviger_tower::{DigestLayer, Identity, VerifyLayer};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The longest signed body that the service takes.
const LONGEST: usize = 100;

/// The service, on a free port; it says who called, and which fields and what body it saw. It waits for the hub for as long as a test would.
fn serve(hub: &str) -> SocketAddr {
    serve_within(DEADLINE, hub)
}

fn serve_within(timeout: Duration, hub: &str) -> SocketAddr {
    let verify = VerifyLayer::new(hub)
        .expect("an address")
        .timeout(timeout)
        .client_ip(|extensions| extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let hello = |Extension(who): Extension<Identity>, headers: HeaderMap, body: String| async move {
                let fields: Vec<&str> = headers.keys().map(|name| name.as_str()).collect();
                let may = (who.may("orders:read"), who.may("orders:write"));
                let may = json!([may.0, may.1]);
                json!({ "account": who.account, "kind": who.kind, "digest": who.content_digest, "may": may, "fields": fields, "body": body })
                    .to_string()
            };
            let app = Router::new().route("/orders", any(hello)).layer(DigestLayer::new(LONGEST)).layer(verify);
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.expect("served");
        });
    });
    address
}

struct Hub {
    server: Server,
    operator: String,
    account: String,
}

impl Hub {
    fn start() -> Self {
        let server = Server::start(&[]);
        let operator = server.operator_key("tests");
        let account =
            server.request("POST", "/v1/accounts").bearer(&operator).json(&json!({ "kind": "business", "name": "Northwind" })).send().expect(201);
        let account = account.json()["id"].as_str().expect("an id").to_owned();
        Self { server, operator, account }
    }

    fn credential(&self, more: &Value) -> Value {
        let mut wish = json!({ "kind": "api_key", "name": "Import", "access": { "level": "full" } });
        for (name, value) in more.as_object().expect("an object") {
            wish[name] = value.clone();
        }
        self.request("POST", "").json(&wish).send().expect(201).json()
    }

    fn request(&self, method: &str, rest: &str) -> Request {
        self.server.request(method, &format!("/v1/accounts/{}/credentials{rest}", self.account)).bearer(&self.operator)
    }
}

#[test]
fn the_service_learns_who_calls_and_never_the_credential_and_a_deletion_counts_at_once() {
    let mut hub = Hub::start();
    let service = serve(&hub.server.gateway(""));
    let url = format!("http://{service}/orders?page=1");
    let made = hub.credential(&json!({ "allowed_networks": ["127.0.0.0/8"] }));
    let key = made["secret"].as_str().expect("a key");
    let request =
        Request::post(&url).bearer(key).header("X-Claviger-Account", "someone").header("X_Claviger_Account", "someone").header("X_API_Key", key);
    let request = request.body("hello");
    let mut open = Connection::open(&service.to_string());
    let seen = open.send(&request).expect(200).json();
    assert_eq!(seen["account"], json!(hub.account));
    assert_eq!((&seen["kind"], &seen["digest"], &seen["may"]), (&json!("api_key"), &Value::Null, &json!([true, true])));
    let fields = seen["fields"].to_string();
    assert!(!fields.contains("authorization") && !fields.contains("key") && !fields.contains("claviger"), "{fields}");

    for (request, status, code) in [
        (Request::get(&url), 401, "credential_required"),
        (Request::get(&url).bearer(&format!("{key}x")), 401, "credential_invalid"),
        (Request::get(&url).bearer(key).header("apikey", key), 400, "several_credentials"),
    ] {
        let refused = request.send().expect(status);
        assert_eq!((refused.json()["code"].as_str(), refused.header("content-type")), (Some(code), Some("application/problem+json")));
        assert_eq!(refused.headers("www-authenticate").len(), usize::from(status == 401));
    }
    let limited = hub.credential(&json!({ "access": { "level": "fine_grained", "scopes": ["orders:read"] } }));
    Request::get(&url).bearer(limited["secret"].as_str().expect("a key")).header("X-Claviger-Require", "orders:read").send().expect(403);

    hub.request("DELETE", &format!("/{}", made["id"].as_str().expect("an id"))).send().expect(204);
    open.send(&request).expect(401);

    hub.server.kill9();
    let down = request.send().expect(503);
    assert_eq!((down.header("retry-after"), down.json()["code"].as_str()), (Some("1"), Some("verifier_unavailable")));
    hub.server.restart();
    request.send().expect(401);
}

#[test]
fn a_signed_body_reaches_the_service_as_it_was_signed_or_not_at_all() {
    let hub = Hub::start();
    let url = format!("http://{}/orders", serve(&hub.server.gateway("")));
    let made = hub.credential(&json!({ "kind": "hmac" }));
    let (username, secret) = (made["public_id"].as_str().expect("an id"), made["secret"].as_str().expect("a secret"));
    let sign = |body: &str| {
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&jiff::Timestamp::now()).expect("a date");
        let digest = format!("SHA-256={}", BASE64.encode(&Sha256::digest(body)));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
        mac.update(format!("date: {date}\ndigest: {digest}\nPOST /orders HTTP/1.1").as_bytes());
        let signature = BASE64.encode(&mac.finalize().into_bytes());
        Request::post(&url).header("Date", &date).header("Digest", &digest).header(
            "Authorization",
            &format!(r#"hmac username="{username}", algorithm="hmac-sha256", headers="date digest request-line", signature="{signature}""#),
        )
    };
    let longest = "x".repeat(LONGEST);
    for body in ["hello", "", &longest] {
        assert_eq!(sign(body).chunked(body).send().expect(200).json()["body"], body);
    }
    let (one_more, key) = ("x".repeat(LONGEST + 1), hub.credential(&json!({})));
    for (request, status, code) in [
        (sign("hello").body("hallo"), 400, "content_digest_mismatch"),
        (sign("").chunked("hello"), 400, "content_digest_mismatch"),
        (sign(&one_more).body(one_more.clone()), 413, "body_too_large"),
    ] {
        assert_eq!(request.send().expect(status).json()["code"], code);
    }
    // what signs nothing is not held up
    Request::post(&url).bearer(key["secret"].as_str().expect("a key")).body(one_more).send().expect(200);
}

#[test]
fn a_late_answer_is_no_yes() {
    // later than any client waits: the answer is the service's own
    let hub = Stub::start(|_| Reply::Hang(Duration::from_secs(600)));
    let service = serve_within(Duration::from_millis(500), &format!("http://{}", hub.address()));
    Request::get(&format!("http://{service}/orders")).bearer("anything").send().expect(503);
}

#[test]
fn no_answer_and_a_strange_one_are_no_yes() {
    type Answer = fn() -> Reply;
    let strange: [(&str, Answer); 6] = [
        ("none", || Reply::Hang(Duration::ZERO)),
        ("a yes without a name", || Reply::status(200)),
        ("a yes with half a name", || Reply::status(200).header("x-claviger-account", "a")),
        ("another kind of yes", || Reply::status(204)),
        ("elsewhere", || Reply::status(302).header("location", "/")),
        ("an error", || Reply::status(500)),
    ];
    for (what, answer) in strange {
        let hub = Stub::start(move |_| answer());
        let service = serve(&format!("http://{}", hub.address()));
        let answer = Request::get(&format!("http://{service}/orders")).bearer("anything").send();
        assert_eq!(answer.status, 503, "{what}");
    }
}

#[test]
fn checks_share_a_connection() {
    let names = ["account", "acting-account", "credential", "kind", "scopes", "request-id", "content-digest"];
    let hub = Stub::start(move |_| names.iter().fold(Reply::status(200), |reply, name| reply.header(&format!("x-claviger-{name}"), "-")));
    let service = serve(&format!("http://{}", hub.address()));
    for _ in 0..5 {
        Request::get(&format!("http://{service}/orders")).bearer("anything").header("X-Request-Id", "chosen-by-the-client").send().expect(200);
        assert!(hub.last().header("x-request-id").is_none(), "{:?}", hub.last());
    }
    assert_eq!((hub.seen().len(), hub.connections()), (5, 1));
}
