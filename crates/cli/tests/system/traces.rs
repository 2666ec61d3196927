//! Traces, as an OpenTelemetry collector gets them: read by the field numbers of opentelemetry-proto, not by our own types.
use std::collections::BTreeMap;

use claviger_testkit::{
    http::Request,
    process::{Claviger, Server},
    secrets::assert_absent_from,
    stub::{Reply, Stub},
};
use serde_json::json;

use crate::back_office::BackOffice;

/// The fields of a protocol-buffers message by number: the bytes of each, or its number as eight bytes.
fn fields(mut message: &[u8]) -> BTreeMap<u64, Vec<Vec<u8>>> {
    fn varint(message: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (byte, rest) = message.split_first().expect("a whole number");
            *message = rest;
            value |= u64::from(byte & 127) << shift;
            if byte & 128 == 0 {
                break;
            }
        }
        value
    }
    let mut found = BTreeMap::<_, Vec<_>>::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let value = match key & 7 {
            0 => varint(&mut message).to_le_bytes().to_vec(),
            wire => {
                let length = if wire == 2 { usize::try_from(varint(&mut message)).expect("a length") } else { 8 };
                assert!(wire <= 2, "wire type {wire}");
                let (value, rest) = message.split_at(length);
                message = rest;
                value.to_vec()
            }
        };
        found.entry(key >> 3).or_default().push(value);
    }
    found
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

/// `KeyValue`s, each value as text.
fn attributes(all: &[Vec<u8>]) -> BTreeMap<String, String> {
    let one = |pair: &Vec<u8>| {
        let pair = fields(pair);
        let value = fields(&pair[&2][0]);
        (text(&pair[&1][0]), value.get(&1).map_or_else(|| number(&value[&3][0]).to_string(), |value| text(&value[0])))
    };
    all.iter().map(one).collect()
}

struct Span {
    name: String,
    trace: Vec<u8>,
    parent: Option<Vec<u8>>,
    nanos: (u64, u64),
    attributes: BTreeMap<String, String>,
}

/// The spans of an `ExportTraceServiceRequest`.
fn spans(body: &[u8]) -> Vec<Span> {
    let mut found = Vec::new();
    for resource in &fields(body)[&1] {
        let resource = fields(resource);
        assert_eq!(attributes(&fields(&resource[&1][0])[&1])["service.name"], "claviger");
        for span in resource[&2].iter().flat_map(|scope| fields(scope)[&2].clone()) {
            let span = fields(&span);
            assert_eq!((span[&1][0].len(), span[&2][0].len(), number(&span[&6][0])), (16, 8, 2), "ids, and a server's span");
            found.push(Span {
                name: text(&span[&5][0]),
                trace: span[&1][0].clone(),
                parent: span.get(&4).map(|id| id[0].clone()),
                nanos: (number(&span[&7][0]), number(&span[&8][0])),
                attributes: attributes(&span[&9]),
            });
        }
    }
    found
}

#[test]
fn a_collector_gets_management_requests_and_verifications_and_no_credential() {
    let collector = Stub::start(|_| Reply::status(200));
    let endpoint = format!("http://{}", collector.address());
    let mut server = Server::start(&["--otlp-endpoint", &endpoint, "--trace-sample", "1"]);
    let office = BackOffice::of(&server);
    let account = office.corporate("Northwind");
    let made = office.create(&account);
    let token = office.token(&made);
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let check = |token: &str, id: &str| {
        let check = Request::get(&server.gateway("/verify/nginx")).bearer(token).header("AccountId", &account).header("X-Request-Id", id);
        check.header("traceparent", &format!("00-{trace}-{parent}-01")).send()
    };
    check(&token, "yes").expect(200);
    check(&format!("{token}x"), "no").expect(401);
    let unknown = json!({ "method": "GET", "path": "/orders", "headers": { "authorization": format!("Bearer {token}") } });
    Request::post(&server.gateway("/v1/verify")).json(&unknown).header("X-Request-Id", "json").send().expect(200);
    assert!(server.terminate().success());

    let seen = collector.seen();
    let mut all = Vec::new();
    for request in &seen {
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v1/traces"));
        assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
        assert_absent_from("a trace", &request.body, &[&made.secret, &token, &office.key, &made.client_id]);
        all.extend(spans(&request.body));
    }
    let find = |name: &str, id: &str| {
        let found = all.iter().find(|span| span.name == name && (id.is_empty() || span.attributes["claviger.request_id"] == id));
        found.unwrap_or_else(|| panic!("no {name} {id} among {:?}", all.iter().map(|span| (&span.name, &span.attributes)).collect::<Vec<_>>()))
    };
    let created = find("POST /v1/accounts/{id}/credentials", "");
    assert_eq!(
        (created.attributes["http.response.status_code"].as_str(), created.attributes["claviger.account"].as_str()),
        ("201", account.as_str())
    );
    assert_eq!(created.attributes["http.request.method"], "POST");
    assert!(created.parent.is_none() && created.nanos.0 < created.nanos.1, "{:?}", created.nanos);
    let yes = find("verify", "yes");
    assert_eq!((yes.attributes["claviger.verdict"].as_str(), yes.attributes["claviger.account"].as_str()), ("allowed", account.as_str()));
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    assert_eq!((hex(&yes.trace).as_str(), yes.parent.as_deref().map(hex).as_deref()), (trace, Some(parent)), "the caller's trace goes on");
    let no = find("verify", "no");
    assert_eq!((no.attributes["claviger.verdict"].as_str(), no.attributes["claviger.reason"].as_str()), ("refused", "credential_invalid"));
    assert!(!no.attributes.contains_key("claviger.account"), "{:?}", no.attributes);
    assert!(all.iter().all(|span| span.name != "POST /v1/verify"), "a verification is one span");
    assert_eq!(find("verify", "json").attributes["claviger.reason"], "account_required");
}

#[test]
fn a_collector_that_is_down_changes_no_answer_and_stops_no_stopping() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let mut server = Server::start(&["--otlp-endpoint", &format!("http://{gone}"), "--trace-sample", "1"]);
    let office = BackOffice::of(&server);
    office.corporate("Northwind");
    Request::get(&server.gateway("/verify/nginx")).send().expect(401);
    assert!(server.terminate().success());
    assert!(server.output().contains("traces could not be sent"), "{}", server.output());
}

#[test]
fn an_endpoint_or_a_share_that_cannot_be_is_refused_at_the_start() {
    for arguments in
        [["--otlp-endpoint", "https://collector"], ["--otlp-endpoint", "http://u:p@collector"], ["--trace-sample", "1.1"], ["--trace-sample", "NaN"]]
    {
        let output = Claviger::run(&[&["config"][..], &arguments].concat());
        assert!(!output.status.success(), "{arguments:?}");
    }
}
