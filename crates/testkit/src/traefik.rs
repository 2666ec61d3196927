//! A stand-in for Traefik's ForwardAuth (v3.5, `pkg/middlewares/auth/forward.go`), obeying `deploy/traefik/claviger.yaml`.
//!
//! What is imitated is what the recipe uses: which fields the check has, what its body is, what of the answer reaches the API, and what a
//! refused or unanswered check becomes. And that a proxy takes away what `Connection` names, from the check and from what goes to the API
//! (Go's `httputil.ReverseProxy`, which lets an upgrade through). Nothing else of Traefik.

use std::net::SocketAddr;
use std::time::Duration;

use crate::http::{Connection, Request};
use crate::repository;
use crate::stub::{Reply, Seen, Stub};

/// Taken away by the middleware before the check, and by the one behind it.
const BEFORE: [&str; 4] = ["connection", "upgrade", "http2-settings", "x-request-id"];
const BEHIND: [&str; 4] = ["authorization", "proxy-authorization", "x-api-key", "apikey"];
const HOP_BY_HOP: [&str; 6] = ["connection", "keep-alive", "te", "trailers", "transfer-encoding", "upgrade"];

/// How long the imitated check may take. Traefik's own is 30 seconds and cannot be set; a test does not wait for that.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The running stand-in.
pub struct Traefik(Stub);

impl Traefik {
    /// In front of `api`, asking `claviger`.
    pub fn start(claviger: &str, api: SocketAddr) -> Self {
        let recipe = std::fs::read_to_string(repository().join("deploy/traefik/claviger.yaml")).expect("the recipe is there");
        for line in [
            "address: \"http://127.0.0.1:8081/verify/forward\"",
            "trustForwardHeader: false",
            "Connection: \"\"",
            "Upgrade: \"\"",
            "HTTP2-Settings: \"\"",
            "X-Request-Id: \"\"",
            "middlewares: [without-connection, claviger, without-credential]",
            "authResponseHeadersRegex: \"(?i)^x-claviger-|_\"",
            "forwardBody: true",
            "maxBodySize: 1048576",
            "Authorization: \"\"",
            "Proxy-Authorization: \"\"",
            "X-API-Key: \"\"",
            "apikey: \"\"",
        ] {
            assert!(recipe.lines().any(|written| written.trim() == line), "the stand-in obeys `{line}`, which the recipe no longer says");
        }
        let check = format!("http://{claviger}/verify/forward");
        Self(Stub::start(move |request| forward(&check, api, request)))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }
}

fn forward(check: &str, api: SocketAddr, request: &Seen) -> Reply {
    // `maxBodySize`: a larger one is a 401
    if request.body.len() > 1_048_576 {
        return Reply::status(401);
    }
    let is_one_of = |names: &[&str], name: &str| names.iter().any(|one| name.eq_ignore_ascii_case(one));
    let fields: Vec<&(String, String)> = request.fields.iter().filter(|(name, _)| !is_one_of(&BEFORE, name)).collect();
    let connection: Vec<&str> =
        fields.iter().filter(|(name, _)| is_one_of(&["connection"], name)).flat_map(|(_, value)| value.split(',')).map(str::trim).collect();
    let ends_here = |name: &str| is_one_of(&HOP_BY_HOP, name) || is_one_of(&connection, name);
    let mut question = Request::get(check).header("Connection", "close");
    for (name, value) in &fields {
        // `trustForwardHeader: false` deletes the client's own X-Forwarded-*; Host and Content-Length are the check's
        if !ends_here(name) && !name.to_ascii_lowercase().starts_with("x-forwarded-") && !is_one_of(&["host", "content-length"], name) {
            question = question.header(name, value);
        }
    }
    let host = request.header("host").unwrap_or_default();
    question = question
        .header("X-Forwarded-For", "127.0.0.1")
        .header("X-Forwarded-Method", &request.method)
        .header("X-Forwarded-Proto", "http")
        .header("X-Forwarded-Host", host)
        .header("X-Forwarded-Uri", &request.target);
    if !request.body.is_empty() {
        question = question.body(request.body.clone());
    }
    let Ok(answer) = Connection::try_open(check).and_then(|connection| connection.within(TIMEOUT)?.try_send(&question)) else {
        return Reply::status(500);
    };
    if !(200..300).contains(&answer.status) {
        let passed = answer
            .fields
            .iter()
            .filter(|(name, _)| !HOP_BY_HOP.contains(&name.to_ascii_lowercase().as_str()) && !name.eq_ignore_ascii_case("content-length"));
        let reply = Reply::status(answer.status).body(answer.body.clone());
        return passed.fold(reply, |reply, (name, value)| reply.header(name, value));
    }
    let matches = |name: &str| name.to_ascii_lowercase().starts_with("x-claviger-") || name.contains('_');
    let own = fields.into_iter().filter(|(name, _)| !matches(name) && !is_one_of(&BEHIND, name));
    let theirs = answer.fields.iter().filter(|(name, _)| matches(name));
    let upgrades = is_one_of(&connection, "upgrade");
    let mut passed = Request::new(&request.method, &format!("http://{api}{}", request.target));
    for (name, value) in own.chain(theirs) {
        if !is_one_of(&["content-length"], name) && (!ends_here(name) || upgrades && is_one_of(&["upgrade"], name)) {
            passed = passed.header(name, value);
        }
    }
    if !request.body.is_empty() {
        passed = passed.body(request.body.clone());
    }
    match passed.try_send() {
        Ok(answer) => Reply::status(answer.status).body(answer.body),
        Err(_) => Reply::status(502),
    }
}
