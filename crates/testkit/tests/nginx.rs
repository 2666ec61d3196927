//! The files of `deploy/nginx/` under the real nginx: who the API believes to be asking, and what each refusal looks like.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use claviger_testkit::http::{Connection, Request, Response};
use claviger_testkit::nginx::{Nginx, Surroundings};
use claviger_testkit::soon::assert_soon;
use claviger_testkit::stub::{Reply, Seen, Stub};
use serde_json::json;

/// How long nginx waits for a verifier, and for a connection to one, unless the recipe says otherwise.
const BY_ITSELF: Duration = Duration::from_secs(60);

/// Longer than nginx waits by itself, and than any client here: who hears an answer heard nginx giving up.
const FOR_EVER: Reply = Reply::Hang(Duration::from_secs(600));

const PROBLEM: &str = r#"{"type":"about:blank","title":"Words","code":"of_claviger","request_id":"r1"}"#;

/// What a verifier that allows sends, and its values.
const IDENTITY: [(&str, &str); 6] = [
    ("X-Claviger-Account", "acc_1"),
    ("X-Claviger-Acting-Account", "acc_2"),
    ("X-Claviger-Credential", "cred_1"),
    ("X-Claviger-Kind", "api_key"),
    ("X-Claviger-Scopes", "orders:read orders:write"),
    ("X-Claviger-Request-Id", "req_1"),
];

struct Site {
    nginx: Nginx,
    verifier: Stub,
    api: Stub,
}

impl Site {
    fn start(verifier: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_in(&Surroundings::default(), verifier)
    }

    fn start_in(surroundings: &Surroundings, verifier: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let verifier = Stub::start(verifier);
        let api = Stub::start(|_| Reply::status(200).body("from the API"));
        let nginx = Nginx::start_in(surroundings, verifier.address(), api.address());
        Self { nginx, verifier, api }
    }

    fn get(&self, path: &str) -> Request {
        Request::get(&self.nginx.url(path)).bearer("cvk_secret")
    }

    /// What a client reads when the verifier answers so. The API must not be asked.
    fn refusal(verdict: Reply) -> Response {
        let site = Self::start(move |_| verdict.clone());
        let response = site.get("/api/orders").send();
        assert!(site.api.seen().is_empty(), "the API was asked");
        response
    }
}

fn allowed() -> Reply {
    IDENTITY.iter().fold(Reply::status(200), |reply, (name, value)| reply.header(name, value))
}

fn refused(status: u16) -> Reply {
    Reply::status(status).header("X-Claviger-Problem", PROBLEM)
}

#[track_caller]
fn assert_problem(response: &Response, status: u16, code: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    let types = response.headers("content-type");
    assert_eq!(types, ["application/problem+json"], "{}", response.text());
    assert_eq!(response.json()["code"], code);
    assert!(response.json()["request_id"].is_string());
}

#[test]
fn the_api_learns_who_asks_and_not_with_what() {
    let site = Site::start(|_| allowed());
    let response = site
        .get("/api/orders?a=%2F1")
        .header("X-API-Key", "cvk_secret")
        .header("apikey", "cvk_secret")
        .header("Proxy-Authorization", "Bearer cvk_secret")
        .header("AccountId", "acc_2")
        .header("Cookie", "of=the application")
        .header("X-Forwarded-Proto", "https")
        .header("X-Claviger-Require", "nothing")
        .header("X-Real-IP", "10.0.0.1")
        .header("X-Forwarded-For", "10.0.0.1")
        .header("X-Forwarded-Proto", "https")
        .send()
        .expect(200);
    assert_eq!(response.text(), "from the API");
    let seen = site.api.last();
    assert_eq!(seen.target, "/api/orders?a=%2F1");
    for (name, value) in IDENTITY {
        assert_eq!(seen.headers(name), [value], "{name}");
    }
    for name in ["Authorization", "X-API-Key", "apikey", "Proxy-Authorization"] {
        assert!(seen.headers(name).is_empty(), "{name}");
    }
    assert!(!format!("{seen:?}").contains("cvk_secret"));
    for (name, value) in [
        ("AccountId", "acc_2"),
        ("Cookie", "of=the application"),
        ("Host", "127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("X-Forwarded-For", "10.0.0.1, 127.0.0.1"),
        ("X-Forwarded-Proto", "http"),
    ] {
        assert_eq!(seen.headers(name), [value], "{name}");
    }
    assert!(!site.nginx.logs().contains("cvk_secret"));
}

#[test]
fn no_spelling_of_an_identity_field_gets_past_nginx() {
    let site = Site::start(|_| allowed());
    let mut request = site.get("/api/orders");
    for (name, _) in IDENTITY {
        let spellings = [
            name.to_owned(),
            name.to_owned(),
            name.to_lowercase(),
            name.to_uppercase(),
            name.replace('-', "_"),
            name.replace('-', "."),
            name.replacen("-C", "_C", 1),
        ];
        for spelling in spellings {
            request = request.header(&spelling, "spoofed");
        }
    }
    // Naming them in Connection asks a proxy to drop them, which must not drop the true ones either.
    let request = request.header("Connection", "X-Claviger-Account, X-Claviger-Scopes");
    request.send().expect(200);
    let seen = site.api.last();
    assert!(!format!("{seen:?}").contains("spoofed"), "{seen:#?}");
    for (name, value) in IDENTITY {
        assert_eq!(seen.headers(name), [value], "{name}");
    }
}

#[test]
fn an_identity_field_is_overwritten_in_each_spelling_alone() {
    let site = Site::start(|_| allowed());
    for (name, value) in IDENTITY {
        for spelling in [name.to_owned(), name.to_lowercase(), name.to_uppercase(), name.replace('-', "_"), name.replace('-', ".")] {
            let request = site.get("/api/orders");
            let request = request.header(&spelling, "spoofed");
            request.header(&spelling, "spoofed").send().expect(200);
            let seen = site.api.last();
            assert!(!format!("{seen:?}").contains("spoofed"), "{spelling}: {seen:#?}");
            assert_eq!(seen.headers(name), [value], "{spelling}");
        }
    }
}

#[test]
fn a_field_that_the_verifier_left_out_cannot_be_filled_in_by_the_client() {
    let site = Site::start(|_| Reply::status(200));
    let request = site.get("/api/orders");
    request.header("X-Claviger-Account", "spoofed").send().expect(200);
    assert!(site.api.last().headers("X-Claviger-Account").is_empty());
}

#[test]
fn the_verifier_is_told_what_was_asked_and_by_whom() {
    let site = Site::start(|_| allowed());
    Request::new("PATCH", &site.nginx.url("/api/a%20b/..//c%2Fd?x=%2F1&y=a+b"))
        .header("Host", "Api.Example.COM:8443")
        .bearer("cvk_secret")
        .header("AccountId", "acc_2")
        .header("X-Original-Method", "GET")
        .header("X-Original-URI", "/api/harmless")
        .header("X-Original-Host", "other.example.com")
        .header("X-Real-IP", "10.0.0.1")
        .header("X-Request-Id", "chosen by the client")
        .header("Cookie", "of=the application")
        .send()
        .expect(200);
    let asked = site.verifier.last();
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/verify/nginx"));
    let uri = "/api/a%20b/..//c%2Fd?x=%2F1&y=a+b";
    for (name, value) in [
        ("X-Original-Method", "PATCH"),
        ("X-Original-URI", uri),
        ("X-Original-Host", "Api.Example.COM:8443"),
        ("X-Forwarded-Proto", "http"),
        ("X-Real-IP", "127.0.0.1"),
        ("Authorization", "Bearer cvk_secret"),
        ("AccountId", "acc_2"),
    ] {
        assert_eq!(asked.headers(name), [value], "{name}");
    }
    assert!(asked.headers("Cookie").is_empty() && asked.headers("X-Claviger-Require").is_empty());
    let [request_id] = asked.headers("X-Request-Id")[..] else {
        panic!("{asked:#?}");
    };
    assert_ne!(request_id, "chosen by the client");
    let seen = site.api.last();
    assert_eq!(seen.headers("X-Request-Id"), [request_id]);
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("PATCH", uri));
}

#[test]
fn two_credentials_in_one_request_both_reach_the_verifier() {
    let site = Site::start(|_| refused(403).header("X-Claviger-Status", "400"));
    let response = site.get("/api/orders").header("Authorization", "Bearer other").send();
    // From nginx 1.23 on, nginx itself refuses a repeated Authorization, with 400 as well.
    assert_eq!(response.status, 400);
    if let Some(asked) = site.verifier.seen().pop() {
        assert_eq!(asked.headers("Authorization").len(), 2);
    }
}

#[test]
fn the_check_itself_cannot_be_asked_for_from_outside() {
    let site = Site::start(|_| allowed());
    assert_eq!(site.get("/_claviger").send().status, 404);
    assert!(site.verifier.seen().is_empty());
}

#[test]
fn a_401_keeps_its_challenges() {
    let challenges = r#"Bearer realm="claviger", error="invalid_token", Basic realm="claviger""#;
    let response = Site::refusal(refused(401).header("WWW-Authenticate", challenges));
    assert_problem(&response, 401, "of_claviger");
    assert_eq!(response.headers("WWW-Authenticate"), [challenges]);
}

#[test]
fn a_403_is_a_403() {
    let challenge = r#"Bearer error="insufficient_scope""#;
    let verdict = refused(403).header("X-Claviger-Status", "403").header("WWW-Authenticate", challenge).header("X-Claviger-Request-Id", "req_1");
    let response = Site::refusal(verdict);
    assert_problem(&response, 403, "of_claviger");
    assert_eq!(response.text(), PROBLEM);
    assert_eq!(response.headers("WWW-Authenticate"), [challenge]);
    assert_eq!(response.headers("X-Claviger-Request-Id"), ["req_1"]);
}

#[test]
fn a_400_arrives_as_a_400() {
    let response = Site::refusal(refused(403).header("X-Claviger-Status", "400"));
    assert_problem(&response, 400, "of_claviger");
}

#[test]
fn a_429_arrives_with_the_time_to_wait() {
    let verdict = refused(403).header("X-Claviger-Status", "429").header("Retry-After", "17");
    let response = Site::refusal(verdict);
    assert_problem(&response, 429, "of_claviger");
    assert_eq!(response.headers("Retry-After"), ["17"]);
}

#[test]
fn cannot_say_is_a_503_with_the_verifiers_words() {
    let response = Site::refusal(refused(503).header("Retry-After", "5"));
    assert_problem(&response, 503, "of_claviger");
    assert_eq!(response.headers("Retry-After"), ["5"]);
}

#[test]
fn a_verifier_that_is_down_is_a_503() {
    let verifier = Stub::start(|_| allowed());
    let address = verifier.address();
    drop(verifier);
    let api = Stub::start(|_| Reply::status(200));
    let nginx = Nginx::start(address, api.address());
    let response = Request::get(&nginx.url("/api/orders")).send();
    assert_problem(&response, 503, "verifier_unavailable");
    assert_eq!(response.headers("Retry-After"), ["1"]);
    assert!(api.seen().is_empty());
}

#[test]
fn a_verifier_that_hangs_is_a_503_after_two_seconds() {
    let begun = Instant::now();
    let response = Site::refusal(FOR_EVER);
    assert_problem(&response, 503, "verifier_unavailable");
    let taken = begun.elapsed();
    assert!(taken >= Duration::from_secs(2) && taken < BY_ITSELF, "{taken:?}");
}

#[test]
fn a_verifier_that_closes_without_a_word_is_a_503() {
    let response = Site::refusal(Reply::Hang(Duration::ZERO));
    assert_problem(&response, 503, "verifier_unavailable");
}

#[test]
fn answers_that_are_no_verdict_let_nothing_through() {
    for status in [204, 302, 400, 404, 429, 500, 502] {
        let site = Site::start(move |_| Reply::status(status));
        let response = site.get("/api/orders").send();
        if status == 204 {
            // nginx takes every 2xx for a yes; the API still sees no identity, and no spoofed one.
            assert_eq!(response.status, 200);
            continue;
        }
        assert_problem(&response, 503, "verifier_unavailable");
        assert!(site.api.seen().is_empty(), "{status}");
    }
}

#[test]
fn a_head_that_is_too_long_for_the_verifier_is_the_clients_fault() {
    let response = Site::refusal(Reply::status(431));
    assert_problem(&response, 431, "header_too_large");
}

#[test]
fn a_refusal_is_json_whatever_the_path_ends_in_and_for_every_method() {
    for (says, status) in [("401", 401), ("403", 403), ("429", 429), ("503", 503)] {
        let verdict = refused(if status == 429 { 403 } else { status });
        let site = Site::start(move |_| verdict.clone().header("X-Claviger-Status", says));
        for path in ["/api/page.html", "/api/photo.png", "/api/"] {
            assert_problem(&site.get(path).send(), status, "of_claviger");
        }
    }
    let site = Site::start(|_| refused(401).header("WWW-Authenticate", "Bearer"));
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PURGE"] {
        let request = Request::new(method, &site.nginx.url("/api/orders")).body("x");
        assert_problem(&request.send(), 401, "of_claviger");
    }
    let head = Request::new("HEAD", &site.nginx.url("/api/orders")).send();
    assert_eq!((head.status, head.body.len()), (401, 0));
}

#[test]
fn the_apis_own_refusals_stay_its_own() {
    for status in [400, 401, 403, 404, 429, 500, 503] {
        let verifier = Stub::start(|_| allowed());
        let api = Stub::start(move |_| {
            let reply = Reply::status(status).header("Content-Type", "text/plain");
            reply.body("the API's own words")
        });
        let nginx = Nginx::start(verifier.address(), api.address());
        let response = Request::get(&nginx.url("/api/orders")).send();
        assert_eq!(response.status, status);
        assert_eq!(response.text(), "the API's own words");
    }
}

#[test]
fn bodies_reach_the_api_whole_and_the_verifier_not_at_all() {
    let site = Site::start(|_| allowed());
    let url = site.nginx.url("/api/upload");
    let large: Vec<u8> = (0..10 * 1024 * 1024_u32).map(|n| (n % 251) as u8).collect();
    let post = || Request::post(&url).bearer("cvk_secret");
    for request in [
        post().json(&json!({"n": 1})),
        post().form(&[("a", "1")]),
        post().body(large.clone()),
        post().chunked(large.clone()),
        post().chunked("short"),
        post().body(""),
        post().body("continued").header("Expect", "100-continue"),
    ] {
        request.send().expect(200);
        let asked = site.verifier.last();
        assert!(asked.body.is_empty());
        for name in ["Content-Length", "Transfer-Encoding", "Expect"] {
            assert!(asked.headers(name).is_empty(), "{name}");
        }
    }
    let sizes: Vec<usize> = site.api.seen().iter().map(|seen| seen.body.len()).collect();
    assert_eq!(sizes, [7, 3, large.len(), large.len(), 5, 0, 9]);
    assert!(site.api.seen()[2].body == large && site.api.seen()[3].body == large);
}

#[test]
fn a_refused_upload_never_reaches_the_api() {
    let site = Site::start(|_| refused(403));
    let body = vec![b'x'; 1024 * 1024];
    for request in [Request::post(&site.nginx.url("/api/upload")).body(body.clone()), Request::post(&site.nginx.url("/api/upload")).chunked(body)] {
        assert_problem(&request.send(), 403, "of_claviger");
    }
    assert!(site.api.seen().is_empty());
    assert_eq!(site.api.connections(), 0);
}

#[test]
fn every_request_is_checked_on_connections_that_stay_open() {
    let site = Site::start(|seen| match seen.header("Authorization") {
        Some("Bearer cvk_secret") => allowed(),
        _ => refused(401),
    });
    let mut client = Connection::open(&site.nginx.url("/"));
    let good = site.get("/api/orders");
    let bad = Request::get(&site.nginx.url("/api/orders")).bearer("other");
    for _ in 0..20 {
        assert_eq!(client.send(&good).status, 200);
        assert_eq!(client.send(&bad).status, 401);
    }
    assert_eq!(site.verifier.seen().len(), 40, "nothing is cached");
    assert_eq!(site.verifier.connections(), 1);
    assert_eq!(site.api.connections(), 1);
}

#[test]
fn a_verifier_that_was_restarted_is_asked_on_a_new_connection() {
    let site = Site::start(|seen| match seen.header("AccountId") {
        // Closes the kept connection, as a restart does.
        Some("close") => Reply::Hang(Duration::ZERO),
        _ => allowed(),
    });
    site.get("/api/orders").send().expect(200);
    assert_eq!(site.get("/api/orders").header("AccountId", "close").send().status, 503);
    site.get("/api/orders").send().expect(200);
}

#[test]
fn slow_and_broken_clients_hurt_nobody_else() {
    let site = Site::start(|_| allowed());
    let url = site.nginx.url("/");
    let mut slow = Connection::open(&url);
    slow.write("GET /api/orders HTTP/1.1\r\nHost: x\r\n").expect("it is up");
    let mut half = Connection::open(&url);
    half.write("POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhal").expect("it is up");
    half.finish_writing().expect("it is up");
    let long = "x".repeat(40_000);
    let response = site.get("/api/orders").header("X-Long", &long).send();
    assert_eq!(response.status, 400);
    site.get("/api/orders").send().expect(200);
    slow.drip("A: b\r\n\r\n", Duration::from_millis(5)).expect("it is up");
    assert_eq!(slow.read_response().expect("it is answered").status, 200);
}

#[test]
fn very_many_scopes_fit() {
    let scopes = "orders:read ".repeat(1000);
    let scopes = scopes.trim_end().to_owned();
    let sent = scopes.clone();
    let site = Site::start(move |_| Reply::status(200).header("X-Claviger-Scopes", &sent));
    site.get("/api/orders").send().expect(200);
    assert_eq!(site.api.last().header("X-Claviger-Scopes"), Some(scopes.as_str()));
}

#[test]
fn an_upload_streams_to_the_api_while_it_is_being_sent() {
    let site = Site::start(|_| allowed());
    let mut client = Connection::open(&site.nginx.url("/"));
    client.write("POST /api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello").expect("it is up");
    // Half of it is still with us: an nginx that collected it first would not have called the API.
    assert_soon("the API is called", || site.api.connections() > 0);
    client.write("world").expect("it is up");
    assert_eq!(client.read_response().expect("it is answered").status, 200);
    assert_eq!(site.api.last().body, b"helloworld");
}

#[test]
fn one_verifier_of_two_is_enough() {
    let down = Stub::start(|_| allowed());
    let surroundings = Surroundings { more_clavigers: vec![down.address().to_string()], ..Surroundings::default() };
    drop(down);
    let site = Site::start_in(&surroundings, |_| allowed());
    for _ in 0..10 {
        site.get("/api/orders").send().expect(200);
    }
}

#[test]
fn of_three_verifiers_that_hang_no_more_than_two_are_waited_for() {
    let hang = |_: &Seen| FOR_EVER;
    let others = [Stub::start(hang), Stub::start(hang)];
    let surroundings = Surroundings { more_clavigers: others.iter().map(|stub| stub.address().to_string()).collect(), ..Surroundings::default() };
    let site = Site::start_in(&surroundings, hang);
    assert_problem(&site.get("/api/orders").send(), 503, "verifier_unavailable");
    let asked: usize = [&others[0], &others[1], &site.verifier].iter().map(|verifier| verifier.seen().len()).sum();
    assert!((1..=2).contains(&asked), "{asked}");
}

#[test]
fn a_verifier_whose_machine_does_not_answer_is_a_503_after_a_second() {
    // A listener that nobody accepts from: once its queue is full, the kernel drops what comes.
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    rustix::net::listen(&listener, 0).expect("it listens already");
    let address = listener.local_addr().expect("it is bound");
    let waiting: Vec<TcpStream> = std::iter::from_fn(|| TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok()).collect();
    let api = Stub::start(|_| Reply::status(200));
    let nginx = Nginx::start(address, api.address());
    let begun = Instant::now();
    let response = Request::get(&nginx.url("/api/orders")).send();
    assert_problem(&response, 503, "verifier_unavailable");
    let taken = begun.elapsed();
    assert!(taken < BY_ITSELF, "{taken:?}");
    drop(waiting);
}

/// All that an operator may have set for good reasons of their own, and that must not open or bend anything here.
fn hostile() -> Surroundings {
    Surroundings {
        http: "
            underscores_in_headers on;
            ignore_invalid_headers off;
            satisfy any;
            auth_basic_user_file users;
            allow all;
            proxy_intercept_errors on;
            proxy_cache_path cache keys_zone=all:1m;
            proxy_cache all;
            proxy_cache_valid any 10m;
            proxy_set_header X-Claviger-Account $http_x_claviger_account;
            proxy_set_header Authorization $http_authorization;
            add_header X-From surroundings always;
        "
        .to_owned(),
        server: "
            error_page 400 401 403 404 429 =200 /sorry.html;
            error_page 500 502 503 504 =200 /maintenance.html;
            location = /sorry.html { return 200 sorry; }
            location = /maintenance.html { return 200 maintenance; }
        "
        .to_owned(),
        ..Surroundings::default()
    }
}

#[test]
fn an_operators_settings_around_it_open_nothing() {
    for (status, says) in [(401, 401), (403, 400), (403, 403), (403, 429), (503, 503)] {
        let text = says.to_string();
        let site = Site::start_in(&hostile(), move |_| refused(status).header("X-Claviger-Status", &text));
        assert_problem(&site.get("/api/orders").send(), says, "of_claviger");
        assert!(site.api.seen().is_empty());
    }
    for verdict in [Reply::Hang(Duration::ZERO), Reply::status(502), Reply::status(404)] {
        let site = Site::start_in(&hostile(), move |_| verdict.clone());
        let response = site.get("/api/orders").send();
        assert_problem(&response, 503, "verifier_unavailable");
        assert!(site.api.seen().is_empty());
    }
    let verifier = Stub::start(|_| allowed());
    let (address, api) = (verifier.address(), Stub::start(|_| allowed()));
    drop(verifier);
    let nginx = Nginx::start_in(&hostile(), address, api.address());
    let response = Request::get(&nginx.url("/api/orders")).send();
    assert_problem(&response, 503, "verifier_unavailable");
}

#[test]
fn an_operators_cache_around_it_keeps_no_verdict() {
    let calls = AtomicUsize::new(0);
    let site = Site::start_in(&hostile(), move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => allowed().header("Cache-Control", "max-age=600"),
        _ => refused(401),
    });
    site.get("/api/orders").send().expect(200);
    assert_problem(&site.get("/api/orders").send(), 401, "of_claviger");
}

#[test]
fn an_operators_looser_reading_of_fields_lets_no_spelling_past() {
    let site = Site::start_in(&hostile(), |_| allowed());
    for (name, value) in IDENTITY {
        for spelling in [name.replace('-', "_"), name.replace('-', "."), name.to_owned()] {
            let request = site.get(&format!("/api/{spelling}"));
            request.header(&spelling, "spoofed").send().expect(200);
            let seen = site.api.last();
            assert!(!format!("{seen:?}").contains("spoofed"), "{seen:#?}");
            assert_eq!(seen.headers(name), [value]);
        }
    }
}

#[test]
fn an_apis_own_refusals_stay_its_own_whatever_is_around() {
    let verifier = Stub::start(|_| allowed());
    let api = Stub::start(|_| Reply::status(403).body("the API's own words"));
    let nginx = Nginx::start_in(&hostile(), verifier.address(), api.address());
    let response = Request::get(&nginx.url("/api/orders")).send().expect(403);
    assert_eq!(response.text(), "the API's own words");
}

#[test]
fn nginxs_own_refusals_in_a_protected_location_have_words_too() {
    let surroundings = Surroundings {
        server: "
            location /closed/ { deny all; include claviger/protect.conf; proxy_pass http://api; }
            location /locked/ {
                auth_basic locked;
                auth_basic_user_file users;
                include claviger/protect.conf;
                proxy_pass http://api;
            }
            location /collected/ { include claviger/protect.conf; proxy_pass http://api; }
        "
        .to_owned(),
        ..Surroundings::default()
    };
    let site = Site::start_in(&surroundings, |_| allowed());
    assert_problem(&site.get("/closed/x.png").send(), 403, "forbidden");
    let locked = site.get("/locked/x.png").send();
    assert_problem(&locked, 401, "unauthorized");
    assert_eq!(locked.headers("WWW-Authenticate"), ["Basic realm=\"locked\""]);
    // An upload that is collected on a disk that fails: the check said yes, so it is not Claviger that cannot say.
    std::fs::remove_dir_all(site.nginx.folder().join("body")).expect("nginx made it");
    let upload = Request::post(&site.nginx.url("/collected/x.png")).body(vec![0; 1024 * 1024]);
    assert_problem(&upload.send(), 500, "gateway_error");
    assert!(site.api.seen().is_empty());
}
