//! A slow client, a silent one, one that vanishes and one with an endless header hurt nobody else.
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use claviger_testkit::{
    http::{Connection, Request},
    process::Server,
    soon::DEADLINE,
};

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
