//! `claviger verify` and `claviger bench`, against a running server, one that cannot say, and none.
use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use claviger_testkit::{
    http::Request,
    process::{Claviger, Server},
    secrets::assert_absent_from,
    stub::{Reply, Stub},
};
use serde_json::{Value, json};

use crate::back_office::{BackOffice, Made};

const ADDRESS: &str = "https://api.example.com/orders?limit=20";

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// What it printed, checked for the secrets of `made` and for its exit status.
#[track_caller]
fn expect(status: i32, output: &Output, secrets: &[&str]) -> String {
    for stream in [&output.stdout, &output.stderr] {
        assert_absent_from("the terminal", stream, secrets);
    }
    assert_eq!(output.status.code(), Some(status), "{}{}", text(&output.stdout), text(&output.stderr));
    text(if output.stdout.is_empty() { &output.stderr } else { &output.stdout })
}

fn verify(hub: &str, arguments: &[&str]) -> Output {
    Claviger::run(&[&["verify", "--hub", hub], arguments].concat())
}

/// As a shell would with `<<<`.
fn with_input(mut command: Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

struct Hub {
    server: Server,
    office: BackOffice,
}

impl Hub {
    fn start() -> Self {
        let server = Server::start(&[]);
        let office = BackOffice::of(&server);
        Self { server, office }
    }

    /// An account of the kind that has everything, and a credential in it.
    fn credential(&self, wish: &Value) -> Made {
        let account = self.office.request("POST", "/v1/accounts").json(&json!({ "kind": "business", "name": "Northwind" })).send().expect(201).json();
        let path = format!("/v1/accounts/{}/credentials", account["id"].as_str().expect("an id"));
        crate::back_office::made(&self.office.request("POST", &path).json(wish).send().expect(201))
    }
}

#[test]
fn verify_prints_the_verdict_and_why_and_its_exit_status_says_it_too() {
    let hub = Hub::start();
    let gateway = hub.server.gateway("");
    let made = hub.credential(&json!({
        "kind": "api_key", "name": "Till 7", "access": { "level": "fine_grained", "scopes": ["orders:read"] }, "allowed_networks": ["198.51.100.0/24"]
    }));
    let (field, secrets) = (format!("Authorization: Bearer {}", made.secret), [made.secret.as_str()]);
    let ask = |more: &[&str]| verify(&gateway, &[&["-H", &field, "--ip", "198.51.100.7", ADDRESS], more].concat());

    let allowed = expect(0, &ask(&["--require", "orders:read"]), &secrets);
    assert!(allowed.starts_with("Allowed.\n"), "{allowed}");
    for word in [&made.account, &made.id, &made.client_id, "api_key", "Till 7", "orders:read", "never"] {
        assert!(allowed.contains(word), "{word}: {allowed}");
    }
    let lacking = expect(1, &ask(&["-X", "POST", "-d", "{}", "--require", "orders:write", "--require", "orders:read"]), &secrets);
    assert!(lacking.starts_with("Refused: insufficient_scope. This credential lacks") && lacking.contains("missing     orders:write\n"), "{lacking}");
    let undescribed = expect(1, &ask(&[]), &secrets);
    assert!(undescribed.contains("no scope in particular"), "{undescribed}");
    let elsewhere = expect(1, &verify(&gateway, &["-H", &field, "--ip", "203.0.113.9", ADDRESS]), &secrets);
    assert!(elsewhere.starts_with("Refused: credential_invalid. ") && elsewhere.contains("status      401\n"), "{elsewhere}");
    let twice = expect(1, &ask(&["-H", "X-API-Key: hunter2-hunter2-hunter2"]), &["hunter2-hunter2-hunter2"]);
    assert!(twice.starts_with("Refused: several_credentials. "), "{twice}");
    assert!(expect(1, &verify(&gateway, &["/orders"]), &[]).starts_with("Refused: credential_required. "));

    let answer: Value = serde_json::from_str(&expect(0, &ask(&["--json", "--require", "orders:read"]), &secrets)).expect("JSON");
    assert_eq!((&answer["verdict"], &answer["principal"]["credential_id"]), (&json!("allowed"), &json!(made.id)));
    let answer: Value = serde_json::from_str(&expect(1, &ask(&["--json", "--require", "orders:write"]), &secrets)).expect("JSON");
    assert_eq!((&answer["verdict"], &answer["missing"]), (&json!("refused"), &json!(["orders:write"])));

    hub.office.delete(&made);
    assert!(expect(1, &ask(&["--require", "orders:read"]), &secrets).starts_with("Refused: credential_invalid. "));
}

#[test]
fn verify_takes_fields_from_a_file_or_standard_input_and_never_repeats_a_secret() {
    let hub = Hub::start();
    let gateway = hub.server.gateway("");
    let made = hub.credential(&json!({ "kind": "api_key", "name": "Till 7", "access": { "level": "full" } }));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("fields");
    let fields = format!("X-API-Key: {}\n\nUser-Agent: till\n", made.secret);
    std::fs::write(&file, &fields).expect("written");
    let file = file.to_str().expect("UTF-8");
    for arguments in [["-H", &format!("@{file}")], ["--header-file", file]] {
        expect(0, &verify(&gateway, &[&arguments[..], &[ADDRESS]].concat()), &[&made.secret]);
    }
    for arguments in [["-H", "@-"], ["--header-file", "-"]] {
        let mut command = Claviger::command(&["verify", ADDRESS]);
        command.args(arguments).env("CLAVIGER_HUB", &gateway);
        expect(0, &with_input(command, &fields), &[&made.secret]);
    }
    let field = format!("X-API-Key: {}", made.secret);
    for (arguments, said) in [
        (vec![ADDRESS, field.as_str()], "needs its own -H"),
        (vec![ADDRESS, "-H", &made.secret], "header field 1: a header field is written"),
        (vec![ADDRESS, "-H", "@/nowhere"], "cannot read /nowhere"),
        (vec![ADDRESS, "-d", "@/nowhere"], "cannot read /nowhere"),
        (vec!["orders"], "must begin with"),
        (vec!["ftp://api.example.com/"], "must begin with"),
        (vec![&format!("https://u:{}@api.example.com/", made.secret)], "user name"),
        (vec![ADDRESS, "-u", &made.secret], "-u takes a name and a password"),
    ] {
        let error = expect(2, &verify(&gateway, &arguments), &[&made.secret]);
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}

#[test]
fn verify_knows_cannot_say_from_no() {
    let unavailable = Stub::start(|_| Reply::status(503).body(r#"{"code":"unavailable","detail":"Nothing was decided; try again."}"#));
    let said = expect(2, &verify(&format!("http://{}", unavailable.address()), &[ADDRESS]), &[]);
    assert!(said.contains("cannot say: the hub answered 503. Nothing was decided; try again."), "{said}");
    let asked: Value = serde_json::from_slice(&unavailable.last().body).expect("JSON");
    assert_eq!(
        (&asked["method"], &asked["path"], &asked["scheme"], &asked["headers"]),
        (&json!("GET"), &json!("/orders?limit=20"), &json!("https"), &json!({ "host": ["api.example.com"] }))
    );
    // as curl would have sent it
    let written = ["-s", "-u", "clv:hunter2-hunter2-hunter2", "-d", "a=1", "--data-raw", "@b", "-H", "Accept;", ADDRESS];
    expect(2, &verify(&format!("http://{}", unavailable.address()), &written), &["hunter2-hunter2-hunter2"]);
    let asked: Value = serde_json::from_slice(&unavailable.last().body).expect("JSON");
    let fields = json!({
        "accept": [""], "authorization": ["Basic Y2x2Omh1bnRlcjItaHVudGVyMi1odW50ZXIy"], "content-type": ["application/x-www-form-urlencoded"], "host": ["api.example.com"]
    });
    assert_eq!((&asked["method"], &asked["body"], &asked["headers"]), (&json!("POST"), &json!("YT0xJkBi"), &fields));
    let limited = Stub::start(|_| Reply::status(200).body(r#"{"verdict":"refused","status":429,"reason":"rate_limited","retry_after":7}"#));
    let said = expect(1, &verify(&format!("http://{}", limited.address()), &[ADDRESS]), &[]);
    assert!(said.starts_with("Refused: rate_limited. ") && said.contains("try again   in 7 s\n"), "{said}");
    // what is no verdict is none, whatever its status
    for body in ["", "{}", r#"{"verdict":"maybe"}"#, "[\"allowed\"]"] {
        let stranger = Stub::start(move |_| Reply::status(200).body(body));
        expect(2, &verify(&format!("http://{}", stranger.address()), &[ADDRESS]), &[]);
    }
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let said = expect(2, &verify(&format!("http://{gone}"), &[ADDRESS]), &[]);
    assert!(said.contains("cannot say") && said.contains(&gone.to_string()), "{said}");
}

#[test]
fn bench_says_how_many_and_how_fast_and_refuses_a_mixture() {
    let hub = Hub::start();
    let made = hub.credential(&json!({ "kind": "api_key", "name": "Till 7", "access": { "level": "full" } }));
    let bench = |hub: &str, more: &[&str]| {
        let mut command = Claviger::command(&["bench", "--hub", hub, "--connections", "3", "--seconds", "1", "--header-file", "-"]);
        command.args(more);
        with_input(command, &format!("X-API-Key: {}\n", made.secret))
    };
    for path in ["/verify/nginx", "/verify/forward"] {
        let said = expect(0, &bench(&hub.server.gateway(""), &["--path", path]), &[&made.secret]);
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines[0].contains(" requests/s: ") && lines[0].ends_with(" on 3 connections"), "{said}");
        assert!(lines[1].starts_with("p50 ") && lines[1].contains(" µs, p99 ") && lines[1].contains(" µs, p99.9 "), "{said}");
        let count: u64 = lines[2].strip_prefix("status 200: ").and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{said}"));
        assert!(count > 0 && lines.len() == 3, "{said}");
    }
    let metrics = Request::get(&hub.server.gateway("/metrics")).send().expect(200).text();
    assert!(!metrics.contains("verdict=\"allowed\",reason=\"\"} 0\n"), "it was really asked: {metrics}");

    let asked = std::sync::atomic::AtomicUsize::new(0);
    let fickle =
        Stub::start(move |_| Reply::status(if asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst).is_multiple_of(2) { 200 } else { 503 }));
    let output = bench(&format!("http://{}", fickle.address()), &[]);
    let said = expect(1, &output, &[&made.secret]);
    assert!(said.contains("status 200: ") && said.contains("status 503: "), "{said}");
    assert!(text(&output.stderr).contains("not every answer had the same status"), "{}", text(&output.stderr));
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    assert!(expect(1, &bench(&format!("http://{gone}"), &[]), &[&made.secret]).contains("does not answer"));
    // connections to it stand, and nobody takes them
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    assert!(expect(1, &bench(&format!("http://{address}"), &[]), &[&made.secret]).contains("does not answer"));
}
