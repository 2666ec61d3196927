//! One table for every gateway with a recipe in `deploy/`: the same requests, and the same answers wherever the gateway can give them.
//!
//! What a gateway cannot do stands here too ([`Gate`]), and in `docs/gateways.md`.
use std::time::Duration;

use claviger_testkit::{
    gateway::{Gateway, Kind},
    http::{Connection, Request, Response},
    http2,
    process::Server,
    soon::assert_soon,
    stub::{Reply, Stub},
};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::back_office::BackOffice;

const IDENTITY: [&str; 7] = [
    "x-claviger-account",
    "x-claviger-acting-account",
    "x-claviger-credential",
    "x-claviger-kind",
    "x-claviger-scopes",
    "x-claviger-request-id",
    "x-claviger-content-digest",
];

/// A gateway, and what is true of it alone.
#[derive(Clone, Copy)]
struct Gate {
    kind: Kind,
    /// Whether it shows Claviger the body.
    carries_bodies: bool,
    /// What the client gets while Claviger is down or does not answer. A 503 tells it that the request could not be checked.
    unanswered: u16,
    /// What comes of a field that is there twice: `Authorization`, and `X-API-Key`.
    repeated: [u16; 2],
    /// Whether `Proxy-Authorization` may carry the credential.
    proxy_authorization: bool,
}

const NGINX: Gate = Gate { kind: Kind::Nginx, carries_bodies: false, unanswered: 503, repeated: [400, 400], proxy_authorization: true };
const CADDY: Gate = Gate { kind: Kind::Caddy, carries_bodies: false, unanswered: 503, repeated: [400, 400], proxy_authorization: false };
const HAPROXY: Gate = Gate { kind: Kind::HaProxy, carries_bodies: false, unanswered: 503, repeated: [400, 400], proxy_authorization: true };
const APACHE: Gate = Gate { kind: Kind::Apache, carries_bodies: false, unanswered: 503, repeated: [401, 401], proxy_authorization: true };
const ENVOY_HTTP: Gate = Gate { kind: Kind::EnvoyHttp, carries_bodies: true, unanswered: 503, repeated: [401, 401], proxy_authorization: true };
const ENVOY_GRPC: Gate = Gate { kind: Kind::EnvoyGrpc, carries_bodies: true, unanswered: 503, repeated: [401, 400], proxy_authorization: true };
const TRAEFIK: Gate = Gate { kind: Kind::Traefik, carries_bodies: true, unanswered: 500, repeated: [400, 400], proxy_authorization: true };

macro_rules! for_each_gateway {
    ($($name:ident: $gate:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn lets_through_who_may_and_tells_the_others_why_not() {
                the_table($gate);
            }

            #[test]
            fn refuses_from_the_moment_a_deletion_has_returned() {
                deletion($gate);
            }

            #[test]
            fn opens_no_tunnel() {
                tunnels($gate);
            }

            #[test]
            fn is_closed_while_claviger_is_down() {
                down($gate);
            }

            #[test]
            fn is_closed_while_claviger_does_not_answer() {
                slow($gate);
            }

            #[test]
            fn is_closed_while_claviger_cannot_say() {
                cannot_say($gate);
            }

            #[test]
            fn lets_a_preflight_through_when_the_operator_says_so() {
                preflight($gate);
            }

            #[test]
            fn tells_who_has_used_up_its_quota_to_wait() {
                rate_limit($gate);
            }

            #[test]
            fn carries_what_the_standard_dialects_sign() {
                dialects($gate);
            }

            #[test]
            fn holds_the_body_against_its_signed_digest_or_has_the_api_do_it() {
                body_digest($gate);
            }
        }
    )*};
}

for_each_gateway! {
    nginx: NGINX;
    caddy: CADDY;
    haproxy: HAPROXY;
    apache: APACHE;
    envoy_http: ENVOY_HTTP;
    envoy_grpc: ENVOY_GRPC;
    traefik: TRAEFIK;
}

#[test]
fn nginx_says_what_a_route_needs() {
    required(NGINX);
}

#[test]
fn envoy_says_by_grpc_what_a_route_needs() {
    required(ENVOY_GRPC);
}

fn required(gate: Gate) {
    let site = Site::of(gate, &[]);
    let limited = |scope: &str| {
        let made = site.credential(&json!({ "access": { "level": "fine_grained", "scopes": [scope] } }));
        text(&made, "secret").to_owned()
    };
    let url = site.gateway.url("/required/orders");
    site.allowed(&Request::get(&url).bearer(&limited("orders:read")));
    let writes = limited("orders:write");
    let refused = site.refused(&Request::get(&url).bearer(&writes).header("X-Claviger-Require", "orders:write"), 403);
    assert_eq!(refused.json()["required_scopes"], json!(["orders:read"]));
}

/// A server, an API that says hello, and the gateway before it.
struct Site {
    server: Server,
    office: BackOffice,
    account: String,
    api: Stub,
    gateway: Gateway,
}

impl Site {
    fn of(gate: Gate, arguments: &[&str]) -> Self {
        let (server, api) = (Server::start(arguments), api());
        let office = BackOffice::of(&server);
        let account = office.request("POST", "/v1/accounts").json(&json!({ "kind": "business", "name": "Northwind" })).send().expect(201);
        let account = account.json()["id"].as_str().expect("an id").to_owned();
        let gateway = Gateway::start(gate.kind, server.gateway_address(), api.address());
        Self { server, office, account, api, gateway }
    }

    fn credentials(&self) -> String {
        format!("/v1/accounts/{}/credentials", self.account)
    }

    /// A new credential, as the API showed it once.
    fn credential(&self, more: &Value) -> Value {
        let mut wish = json!({ "kind": "api_key", "name": "Import", "access": { "level": "full" } });
        for (name, value) in more.as_object().expect("an object") {
            wish[name] = value.clone();
        }
        self.office.request("POST", &self.credentials()).json(&wish).send().expect(201).json()
    }

    fn get(&self) -> Request {
        Request::get(&self.gateway.url("/api/orders?page=1"))
    }

    /// Sends what must not reach the API.
    #[track_caller]
    fn refused(&self, request: &Request, status: u16) -> Response {
        let before = self.api.seen().len();
        let answer = request.send();
        assert_eq!(answer.status, status, "{} {:?}\n{}", answer.text(), answer.fields, self.gateway.logs());
        assert_eq!(self.api.seen().len(), before, "it reached the API");
        answer
    }

    #[track_caller]
    fn allowed(&self, request: &Request) {
        let before = self.api.seen().len();
        let answer = request.send();
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"), "{:?}\n{}", answer.fields, self.gateway.logs());
        assert_eq!(self.api.seen().len(), before + 1, "it did not reach the API once");
    }
}

/// It says hello, and speaks whatever else it is asked to.
fn api() -> Stub {
    Stub::start(|seen| match seen.header("upgrade") {
        Some(protocol) => Reply::status(101).header("Connection", "Upgrade").header("Upgrade", protocol),
        None => Reply::status(200).body("hello"),
    })
}

fn text<'a>(made: &'a Value, name: &str) -> &'a str {
    made[name].as_str().unwrap_or_else(|| panic!("{name} in {made}"))
}

fn the_table(gate: Gate) {
    let site = Site::of(gate, &[]);
    let good = site.credential(&json!({}));
    let key = text(&good, "secret");
    let limited = site.credential(&json!({ "access": { "level": "fine_grained", "scopes": ["orders:read"] } }));
    let paused = site.credential(&json!({}));
    site.office.request("POST", &format!("{}/{}/pause", site.credentials(), text(&paused, "id"))).send().expect(200);
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let expiring = site.credential(&json!({ "expires_at": soon.to_string() }));

    // good, whoever the client says it is
    let mut spoofing = site.get().bearer(key).header("X_Claviger_Account", "someone-else");
    for name in ["X_API_Key", "X_Api-Key", "Proxy_Authorization", "Proxy_authorization"] {
        spoofing = spoofing.header(name, key);
    }
    for name in IDENTITY {
        spoofing = spoofing.header(name, "someone-else").header(&name.to_ascii_uppercase(), "someone-else");
    }
    // nor may what it names in Connection, in whatever spelling, be taken from the API
    let (some, others) = IDENTITY.split_at(3);
    let disowning = site.get().bearer(key).header("Connection", &some.join(", "));
    let disowning = disowning.header("Connection", &others.iter().map(|name| name.to_ascii_uppercase()).collect::<Vec<_>>().join(","));
    for request in [site.get().bearer(key), site.get().header("X-API-Key", key), spoofing, disowning] {
        site.allowed(&request.header("X-Request-Id", "chosen-by-the-client"));
        let seen = site.api.last();
        let identity = IDENTITY[..5].iter().flat_map(|name| seen.headers(name)).collect::<Vec<_>>();
        assert_eq!(identity, [site.account.as_str(), &site.account, text(&good, "id"), "api_key", "*"]);
        assert_eq!(seen.headers(IDENTITY[6]), ["-"]);
        assert!(matches!(seen.headers(IDENTITY[5])[..], [id] if id != "chosen-by-the-client"), "{seen:?}");
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/api/orders?page=1"));
        let all = format!("{seen:?}");
        assert!(!all.contains("someone-else") && !all.contains(key), "{all}");
        // nor may the API, or a proxy before it, be told to drop it
        assert!(!seen.headers("connection").concat().to_ascii_lowercase().contains("claviger"), "{all}");
    }

    // bad, none, two, paused, out of scope
    let wrong = format!("{}{}", &key[..key.len() - 1], if key.ends_with('x') { 'y' } else { 'x' });
    let (paused_key, limited_key) = (text(&paused, "secret"), text(&limited, "secret"));
    for (what, request, status, code) in [
        ("bad", site.get().bearer(&wrong), 401, "credential_invalid"),
        ("none", site.get(), 401, "credential_required"),
        ("paused", site.get().bearer(paused_key), 401, "credential_invalid"),
        ("out of scope", site.get().bearer(limited_key), 403, "insufficient_scope"),
        (
            "out of scope, with a word on what the route needs",
            site.get().bearer(limited_key).header("X-Claviger-Require", "orders:read"),
            403,
            "insufficient_scope",
        ),
        (
            "out of scope, with a demand in its own address",
            Request::get(&site.gateway.url("/api/orders?require=orders:read")).bearer(limited_key),
            403,
            "insufficient_scope",
        ),
        ("two", site.get().bearer(key).header("X-API-Key", key), 400, "several_credentials"),
        ("a preflight", preflight_request(&site), 401, "credential_required"),
    ] {
        let answer = site.refused(&request, status);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}: {:?}", answer.fields);
        assert_eq!(answer.json()["code"], code, "{what}");
        assert_eq!(answer.headers("cache-control"), ["no-store"], "{what}");
        assert_eq!(answer.headers("x-claviger-request-id").len(), 1, "{what}: {:?}", answer.fields);
        let challenges = answer.headers("www-authenticate");
        assert_eq!(challenges.len(), usize::from(status != 400), "{what}: {:?}", answer.fields);
        // RFC 6750, section 3
        assert!(status != 403 || challenges[0].contains("insufficient_scope"), "{what}: {challenges:?}");
        assert!(!answer.text().contains(key), "{what}");
    }

    for (twice, status) in [("Authorization", gate.repeated[0]), ("X-API-Key", gate.repeated[1])] {
        let value = if twice == "Authorization" { format!("Bearer {key}") } else { key.to_owned() };
        site.refused(&site.get().header(twice, &value).header(twice, &value), status);
    }
    let by_proxy = site.get().header("Proxy-Authorization", &format!("Bearer {key}"));
    if gate.proxy_authorization {
        site.allowed(&by_proxy)
    } else {
        drop(site.refused(&by_proxy, 401))
    }

    // as long a header as most servers take
    let padding = "a".repeat(8190 - "X-Padding: \r\n".len());
    site.allowed(&site.get().bearer(key).header("X-Padding", &padding));
    assert_eq!(site.api.last().header("x-padding"), Some(padding.as_str()));

    // HTTP/2
    if let Some(address) = site.gateway.http2() {
        let (status, _) = http2::get(address, "/api/orders", &[("x-api-key", key)]);
        assert_eq!(status, 200, "{}", site.gateway.logs());
        assert_eq!(site.api.last().headers(IDENTITY[0]), [site.account.as_str()]);
        let (status, fields) = http2::get(address, "/api/orders", &[("x-api-key", &wrong)]);
        assert_eq!(status, 401, "{fields:?}");
        assert!(fields.iter().any(|(name, _)| name == "www-authenticate"), "{fields:?}");
    }

    // expired, by the clock
    assert_soon("it has expired", || site.get().bearer(text(&expiring, "secret")).send().status != 200);
    let answer = site.refused(&site.get().bearer(text(&expiring, "secret")), 401);
    assert_eq!(answer.json()["code"], "credential_invalid");
    let logs = site.gateway.logs();
    assert!(!logs.contains(key), "the gateway logs the key:\n{logs}");
}

fn deletion(gate: Gate) {
    let site = Site::of(gate, &[]);
    let made = site.credential(&json!({}));
    let request = site.get().bearer(text(&made, "secret"));
    let mut open = Connection::open(&site.gateway.address().to_string());
    open.send(&request).expect(200);
    site.office.request("DELETE", &format!("{}/{}", site.credentials(), text(&made, "id"))).send().expect(204);
    let before = site.api.seen().len();
    open.send(&request).expect(401);
    assert_eq!(site.api.seen().len(), before);
    site.refused(&request, 401);
}

fn tunnels(gate: Gate) {
    let site = Site::of(gate, &[]);
    let made = site.credential(&json!({}));
    let key = text(&made, "secret");
    for protocol in ["h2c", "websocket"] {
        let request = site.get().bearer(key).header("Connection", "Upgrade, HTTP2-Settings").header("Upgrade", protocol);
        let request = request.header("HTTP2-Settings", "AAMAAABkAAQAAP__").header("Sec-WebSocket-Version", "13");
        let answer = Connection::open(&site.gateway.address().to_string()).send(&request.header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="));
        // Envoy refuses what it does not know
        let refused = gate.kind.is_envoy() && protocol == "websocket" && answer.status == 403;
        assert!(refused || answer.status == 200 && answer.text() == "hello", "{protocol}: {answer:?}\n{}", site.gateway.logs());
    }
    let mut connect = Connection::open(&site.gateway.address().to_string());
    let host = site.gateway.address();
    connect.write(format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\n\r\n")).expect("it is up");
    let answer = connect.read_response().expect("an answer");
    assert!(answer.status >= 400, "{answer:?}");
    if let Some(address) = site.gateway.http2() {
        let opened = http2::websocket(address, "/api/orders", &[("x-api-key", key)]);
        assert!(opened.is_none_or(|status| status >= 400), "{opened:?}");
    }
    for seen in site.api.seen() {
        assert_eq!(seen.method, "GET");
        for name in ["upgrade", "http2-settings"] {
            assert!(seen.header(name).is_none(), "{seen:?}");
        }
    }
}

fn down(gate: Gate) {
    let mut site = Site::of(gate, &[]);
    let made = site.credential(&json!({}));
    let request = site.get().bearer(text(&made, "secret"));
    site.allowed(&request);
    site.server.kill9();
    assert_unanswered(gate, &site.refused(&request, gate.unanswered));
    assert_unanswered(gate, &site.refused(&site.get(), gate.unanswered));
    site.server.restart();
    // a gateway may wait a moment before it tries a server that was down again
    assert_soon("it comes back", || request.send().status == 200);
    // an API that is down is no word on the check
    let gone = api().address();
    let gateway = Gateway::start(gate.kind, site.server.gateway_address(), gone);
    let answer = Request::get(&gateway.url("/api/orders")).bearer(text(&made, "secret")).send();
    assert!(answer.status >= 500 && !answer.text().contains("verifier_unavailable"), "{answer:?}");
}

/// Nothing is known against the request: the client may try again, and is told so.
#[track_caller]
fn assert_unanswered(gate: Gate, answer: &Response) {
    if gate.unanswered == 503 {
        assert_eq!(answer.headers("content-type"), ["application/problem+json"], "{answer:?}");
        assert_eq!(answer.json()["code"], "verifier_unavailable");
        assert_eq!((answer.headers("retry-after"), answer.headers("cache-control")), (vec!["1"], vec!["no-store"]), "{answer:?}");
    }
}

fn cannot_say(gate: Gate) {
    let claviger = Stub::start(|_| Reply::status(503).header("Retry-After", "1").header("Content-Type", "application/problem+json").body("{}"));
    let api = api();
    let gateway = Gateway::start(gate.kind, &claviger.address().to_string(), api.address());
    let answer = Request::get(&gateway.url("/api/orders")).bearer("anything").send().expect(503);
    assert_eq!((answer.header("retry-after"), answer.header("content-type")), (Some("1"), Some("application/problem+json")), "{answer:?}");
    assert_eq!(api.seen().len(), 0);
}

fn slow(gate: Gate) {
    // longer than a client here waits: an answer is the gateway's own
    let (claviger, api) = (Stub::start(|_| Reply::Hang(Duration::from_secs(600))), api());
    let gateway = Gateway::start(gate.kind, &claviger.address().to_string(), api.address());
    let answer = Request::get(&gateway.url("/api/orders")).bearer("anything").send();
    assert_eq!(answer.status, gate.unanswered, "{}\n{}", answer.text(), gateway.logs());
    assert_unanswered(gate, &answer);
    assert_eq!(api.seen().len(), 0);
}

fn preflight_request(site: &Site) -> Request {
    let request = Request::new("OPTIONS", &site.gateway.url("/api/orders"));
    request.header("Origin", "https://shop.example").header("Access-Control-Request-Method", "PUT")
}

fn preflight(gate: Gate) {
    let site = Site::of(gate, &["--preflight", "pass"]);
    site.allowed(&preflight_request(&site).header("X-Claviger-Account", "someone-else"));
    let seen = site.api.last();
    assert_eq!((seen.method.as_str(), seen.headers(IDENTITY[0])), ("OPTIONS", vec!["-"]));
    // what carries a credential is judged, and what is no preflight too
    site.refused(&preflight_request(&site).bearer("nonsense"), 401);
    site.refused(&Request::new("OPTIONS", &site.gateway.url("/api/orders")), 401);
    site.refused(&site.get().header("Origin", "https://shop.example").header("Access-Control-Request-Method", "PUT"), 401);
}

fn rate_limit(gate: Gate) {
    let site = Site::of(gate, &["--rate-limit", "1/h burst 2"]);
    let (one, other) = (site.credential(&json!({})), site.credential(&json!({})));
    let request = site.get().bearer(text(&one, "secret"));
    site.allowed(&request);
    // who proves nothing uses nothing up
    site.refused(&site.get().bearer(&format!("{}x", text(&one, "public_id"))), 401);
    site.allowed(&request);
    let answer = site.refused(&request, 429);
    assert_eq!(answer.json()["code"], "rate_limited");
    let seconds: u32 = answer.header("retry-after").and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{:?}", answer.fields));
    assert!((3500..=3600).contains(&seconds), "{seconds}");
    assert_eq!(answer.headers("ratelimit-policy"), [r#""credential";q=2;w=7200"#]);
    assert_eq!(answer.headers("ratelimit").len(), 1);
    site.allowed(&site.get().bearer(text(&other, "secret")));
}

fn mac(secret: &str, signed: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(signed.as_bytes());
    BASE64.encode(&mac.finalize().into_bytes())
}

fn dialects(gate: Gate) {
    let site = Site::of(gate, &[]);
    let made = site.credential(&json!({ "kind": "hmac" }));
    let (id, secret) = (text(&made, "public_id"), text(&made, "secret"));
    let (authority, now) = (site.gateway.address(), jiff::Timestamp::now().as_second());
    // RFC 9421
    let parameters = format!(r#"("@method" "@authority" "@path" "@query");created={now};nonce="one";keyid="{id}";alg="hmac-sha256""#);
    let base =
        format!("\"@method\": GET\n\"@authority\": {authority}\n\"@path\": /api/orders\n\"@query\": ?page=1\n\"@signature-params\": {parameters}");
    let sign = |request: Request| {
        request.header("Signature-Input", &format!("sig1={parameters}")).header("Signature", &format!("sig1=:{}:", mac(secret, &base)))
    };
    site.refused(&sign(Request::get(&site.gateway.url("/api/orders?page=2"))), 401);
    site.refused(&sign(site.get()).header("X-API-Key", "another"), 400);
    site.allowed(&sign(site.get()));
    assert_eq!(site.api.last().headers(IDENTITY[2]), [text(&made, "id")]);
    let again = site.refused(&sign(site.get()), 401);
    assert_eq!(again.json()["code"], "request_replayed");
    // draft-cavage-12
    let base = format!("(request-target): get /api/orders?page=1\nhost: {authority}\n(created): {now}");
    let value = format!(
        r#"Signature keyId="{id}",algorithm="hs2019",created={now},headers="(request-target) host (created)",signature="{}""#,
        mac(secret, &base)
    );
    site.allowed(&site.get().header("Authorization", &value));
    site.refused(&Request::get(&site.gateway.url("/api/orders?page=2")).header("Authorization", &value), 401);
}

fn body_digest(gate: Gate) {
    let site = Site::of(gate, &[]);
    let made = site.credential(&json!({ "kind": "hmac" }));
    let sign = |body: &str| {
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&jiff::Timestamp::now()).expect("a date");
        let digest = format!("SHA-256={}", BASE64.encode(&Sha256::digest(body)));
        let signed = format!("date: {date}\ndigest: {digest}\nPOST /api/orders HTTP/1.1");
        let signature = mac(text(&made, "secret"), &signed);
        let username = text(&made, "public_id");
        Request::post(&site.gateway.url("/api/orders")).header("Date", &date).header("Digest", &digest).header(
            "Authorization",
            &format!(r#"hmac username="{username}", algorithm="hmac-sha256", headers="date digest request-line", signature="{signature}""#),
        )
    };
    let (body, other) = (r#"{"order":1}"#, r#"{"order":2}"#);
    site.allowed(&sign(body).body(body));
    let told = format!("sha-256=:{}:", BASE64.encode(&Sha256::digest(body)));
    assert_eq!(site.api.last().headers(IDENTITY[6]), [told.as_str()]);
    assert_eq!(site.api.last().body, body.as_bytes());
    if gate.carries_bodies {
        site.refused(&sign(body).body(other), 401);
    } else {
        // the API is told what the body must be, and compares
        site.allowed(&sign(body).body(other));
        assert_eq!(site.api.last().headers(IDENTITY[6]), [told.as_str()]);
    }
}
