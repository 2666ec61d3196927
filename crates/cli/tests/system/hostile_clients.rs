//! A slow client, a silent one, one that vanishes and one with an endless header hurt nobody else.
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use claviger_testkit::{
    http::{Connection, Request},
    process::Server,
    soon::DEADLINE,
};
use serde_json::json;

use crate::back_office::BackOffice;

#[test]
fn slow_silent_and_vanishing_clients_hurt_nobody_else() {
    let server = Server::start(&[]);
    let address = server.gateway_address().to_owned();
    let mut slow: Vec<Connection> = (0..50)
        .map(|_| {
            let mut connection = Connection::open(&address);
            connection.write("GET /verify/nginx HTTP/1.1\r\nHost: x\r\nX-Slow: ").expect("written");
            connection
        })
        .collect();
    let silent: Vec<Connection> = (0..50).map(|_| Connection::open(&address)).collect();
    for _ in 0..50 {
        let mut vanishing = Connection::open(&address);
        vanishing.write("POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{").expect("written");
        drop(vanishing);
    }
    Request::get(&server.gateway("/healthz")).send().expect(200);
    Request::get(&server.gateway("/verify/nginx")).send().expect(401);
    slow[0].drip("y", Duration::from_millis(1)).expect("still open");
    Request::get(&server.gateway("/healthz")).send().expect(200);
    drop(silent);
}

#[test]
fn who_never_finishes_is_cut_off() {
    let server = Server::start(&[]);
    let half_a_body = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{");
    let ask = |url: String, beginning: String| {
        let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("it listens");
        stream.write_all(beginning.as_bytes()).expect("written");
        stream.set_read_timeout(Some(DEADLINE)).expect("a socket");
        stream
    };
    let connections = [
        ask(server.gateway(""), String::new()),
        ask(server.gateway(""), "PRI * HTTP/2.0\r\n".to_owned()),
        ask(server.gateway(""), half_a_body("/v1/verify")),
        ask(server.gateway(""), half_a_body("/verify/forward")),
        ask(server.public(""), "P".to_owned()),
        ask(server.public(""), half_a_body("/auth/token")),
    ];
    for mut stream in connections {
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("an end, in time");
        assert!(!said.starts_with("HTTP/1.1 2"), "{said}");
    }
}

/// A client that speaks HTTP/2 frame by frame (RFC 9113), and answers every ping.
struct Frames(TcpStream);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

impl Frames {
    /// Says how much of each answer may come before it grants more, which it never does.
    fn open(url: &str, window: u32) -> Self {
        let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("it listens");
        stream.set_read_timeout(Some(2 * DEADLINE)).expect("a socket");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("written");
        let mut frames = Self(stream);
        frames.write(SETTINGS, 0, 0, &[&[0, 4], &window.to_be_bytes()[..]].concat());
        frames
    }

    fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        self.0.write_all(&frame).expect("written");
    }

    /// GET, on the stream of this number.
    fn ask(&mut self, number: u32, path: &str) {
        let length = u8::try_from(path.len()).expect("short");
        // HPACK: GET, http, and a path and an authority in full
        let fields = [&[0x82, 0x86, 0x04, length], path.as_bytes(), &[0x01, 1, b'x']].concat();
        self.write(HEADERS, 0x05, 2 * number + 1, &fields);
    }

    /// Until the connection ends: how many frames of each kind came, and how many bytes of answers.
    fn until_the_end(mut self) -> ([usize; 10], usize) {
        let (mut kinds, mut bytes) = ([0; 10], 0);
        loop {
            let mut head = [0; 9];
            match self.0.read_exact(&mut head) {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset) => {
                    return (kinds, bytes);
                }
                Err(error) => panic!("no end: {error}; {kinds:?}"),
            }
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.0.read_exact(&mut payload).expect("a whole frame");
            kinds[usize::from(head[3])] += 1;
            match (head[3], head[4]) {
                (DATA, _) => bytes += payload.len(),
                (PING, 0) => self.write(PING, 1, 0, &payload),
                _ => {}
            }
        }
    }
}

#[test]
fn over_http_2_who_takes_no_answers_and_who_asks_nothing_is_cut_off_however_many_pings_it_answers() {
    let server = Server::start(&[]);
    let begun = Instant::now();
    let asking = |url: String, window, path: &str, count| {
        let mut frames = Frames::open(&url, window);
        (0..count).for_each(|number| frames.ask(number, path));
        thread::spawn(move || frames.until_the_end())
    };
    let untaken = [
        asking(server.public(""), 0, "/openapi.json", 40),
        asking(server.public(""), 1, "/openapi.json", 32),
        asking(server.gateway(""), 1, "/metrics", 32),
    ];
    let taken = [asking(server.public(""), 1 << 20, "/.well-known/jwks.json", 2), asking(server.gateway(""), 1 << 20, "/healthz", 2)];
    let asks_nothing = asking(server.gateway(""), 0, "", 0);

    let [(at_zero, no_bytes), (at_one, bytes), (at_gateway, _)] = untaken.map(|thread| thread.join().expect("an end"));
    assert!(!asks_nothing.is_finished(), "by the answers' time, and not by that of an idle connection");
    assert_eq!((at_zero[usize::from(HEADERS)], at_zero[usize::from(RST_STREAM)], no_bytes), (32, 8, 0), "{at_zero:?}");
    assert_eq!((at_one[usize::from(HEADERS)], bytes), (32, 32), "{at_one:?}");
    assert_eq!(at_gateway[usize::from(HEADERS)], 32, "{at_gateway:?}");
    for (thread, answers) in taken.into_iter().map(|thread| (thread, 2)).chain([(asks_nothing, 0)]) {
        let (kinds, _) = thread.join().expect("an end");
        assert!(begun.elapsed() >= Duration::from_secs(75), "it took what it asked for, and may be idle for a while");
        assert_eq!(kinds[usize::from(HEADERS)], answers, "{kinds:?}");
        assert!(kinds[usize::from(GOAWAY)] > 0 && kinds[usize::from(PING)] > 0, "{kinds:?}");
    }
}

/// All that is answered to these bytes, until the server closes.
fn answers(url: &str, said: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a socket");
    stream.write_all(said.as_bytes()).expect("written");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("an end, in time");
    answers
}

#[test]
fn what_a_proxy_in_front_may_have_read_otherwise_ends_the_connection() {
    let server = Server::start(&[]);
    let smuggled = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
    for (url, head) in [
        (server.public(""), "GET /openapi.json HTTP/1.1\r\n"),
        (server.public(""), "GET /openapi.json HTTP/1.1\r\nHost: x\r\nHost: y\r\n"),
        (server.public(""), "GET /openapi.json HTTP/1.1\r\nHost: x\r\nHost: x\r\n"),
        (server.public(""), "GET /openapi.json HTTP/1.0\r\nHost: x\r\nHost: y\r\n"),
        (server.gateway(""), "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n"),
    ] {
        let answers = answers(&url, &format!("{head}\r\n{smuggled}"));
        assert!(answers.starts_with("HTTP/1.") && answers.contains(" 400 ") && answers.matches("HTTP/1.").count() == 1, "{head}{answers}");
    }
    let without = answers(&server.public(""), "GET /.well-known/jwks.json HTTP/1.0\r\n\r\n");
    assert!(without.contains(" 200 "), "HTTP/1.0 knows no Host: {without}");
    // two lengths: read as chunked, and nothing that follows is a request
    let (length, chunked) = ("Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n");
    for lengths in [[length, chunked], [chunked, length]].map(|both| both.concat()) {
        let head = format!("POST /auth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{lengths}\r\n");
        let answers = answers(&server.public(""), &format!("{head}0\r\n\r\n{smuggled}"));
        assert!(answers.starts_with("HTTP/1.1 4") && answers.matches("HTTP/1.1 ").count() == 1, "{head}{answers}");
    }
}

#[test]
fn a_client_s_address_comes_from_trusted_proxies_and_from_nobody_else() {
    for (trusted, source) in [
        (&["--trusted-proxies", "127.0.0.0/8, 10.0.0.0/8"][..], "203.0.113.9"),
        (&["--trusted-proxies", "10.0.0.0/8"], "127.0.0.1"),
        (&[], "127.0.0.1"),
    ] {
        let server = Server::start(trusted);
        let office = BackOffice::of(&server);
        let account = office.corporate("Acme");
        let wish = json!({ "kind": "client", "email": "dev@example.com" });
        let create = office.request("POST", &format!("/v1/accounts/{account}/credentials")).json(&wish);
        create.header("X-Forwarded-For", "198.51.100.1, 203.0.113.9").header("X-Forwarded-For", "10.0.0.2").send().expect(201);
        let events = office.request("GET", &format!("/v1/accounts/{account}/events")).send().expect(200).json();
        assert_eq!(events["items"][0]["source"], source, "{trusted:?}: {events}");
    }
}

#[test]
fn an_endless_header_is_refused() {
    let server = Server::start(&[]);
    for address in [server.gateway_address().to_owned(), server.public("").trim_start_matches("http://").to_owned()] {
        let mut connection = Connection::open(&address);
        connection.write(format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(64 * 1024))).ok();
        let status = connection.read_response().map(|response| response.status).unwrap_or(431);
        assert_eq!(status, 431);
    }
    Request::get(&server.gateway("/healthz")).send().expect(200);
}

#[test]
fn a_body_that_nginx_announces_and_never_sends_is_not_waited_for() {
    let server = Server::start(&[]);
    let mut connection = Connection::open(server.gateway_address());
    connection.write("GET /verify/nginx HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n").expect("written");
    assert_eq!(connection.read_response().expect("an answer").status, 401);
}
