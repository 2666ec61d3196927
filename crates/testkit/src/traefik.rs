//! A stand-in for Traefik's ForwardAuth (v3.5, `pkg/middlewares/auth/forward.go`), obeying `deploy/traefik/claviger.yaml`.
//!
//! What is imitated is what the recipe uses: which fields the check has, what its body is, what of the answer reaches the API, and what a
//! refused or unanswered check becomes. Nothing else of Traefik.

use std::net::SocketAddr;
use std::time::Duration;

use crate::http::{Connection, Request};
use crate::repository;
use crate::stub::{Reply, Seen, Stub};

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
            "authResponseHeadersRegex: \"(?i)^x[-_]claviger[-_]\"",
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
    let mut question = Request::get(check).header("Connection", "close");
    for (name, value) in &request.fields {
        let lower = name.to_ascii_lowercase();
        // `trustForwardHeader: false` deletes the client's own X-Forwarded-*; Host and Content-Length are the check's
        if !HOP_BY_HOP.contains(&lower.as_str()) && !lower.starts_with("x-forwarded-") && lower != "host" && lower != "content-length" {
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
    let ours = |name: &str| {
        let name = name.to_ascii_lowercase().replace('_', "-");
        name.starts_with("x-claviger-")
    };
    let gone = |name: &str| ["authorization", "proxy-authorization", "x-api-key", "apikey"].iter().any(|gone| name.eq_ignore_ascii_case(gone));
    let mut passed = Request::new(&request.method, &format!("http://{api}{}", request.target));
    for (name, value) in request.fields.iter().filter(|(name, _)| !ours(name) && !gone(name) && !name.eq_ignore_ascii_case("content-length")) {
        passed = passed.header(name, value);
    }
    for (name, value) in answer.fields.iter().filter(|(name, _)| ours(name)) {
        passed = passed.header(name, value);
    }
    if !request.body.is_empty() {
        passed = passed.body(request.body.clone());
    }
    match passed.try_send() {
        Ok(answer) => Reply::status(answer.status).body(answer.body),
        Err(_) => Reply::status(502),
    }
}
