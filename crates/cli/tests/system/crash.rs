//! `kill -9` at any moment loses nothing that was acknowledged.
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use claviger_testkit::{
    http::Request,
    process::{Claviger, Server},
};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use crate::back_office::{BackOffice, Made, made};

/// 200 rounds take minutes; `./test --long` runs them all.
fn rounds() -> usize {
    if std::env::var_os("CLAVIGER_LONG").is_some() { 200 } else { 12 }
}

#[derive(Default)]
struct Acknowledged {
    created: Mutex<Vec<Made>>,
    deleted: Mutex<Vec<Made>>,
}

#[test]
fn every_acknowledged_create_verifies_and_every_acknowledged_delete_is_refused_after_kill_9() {
    let mut server = Server::start(&[]);
    let office = Arc::new(BackOffice::of(&server));
    for round in 0..rounds() {
        let accounts: Vec<String> = (0..4).map(|at| office.corporate(&format!("Round {round}, writer {at}"))).collect();
        let (acknowledged, stop) = (Arc::new(Acknowledged::default()), Arc::new(AtomicBool::new(false)));
        let writers: Vec<_> = accounts
            .into_iter()
            .map(|account| {
                let (office, acknowledged, stop) = (office.clone(), acknowledged.clone(), stop.clone());
                thread::spawn(move || write_until(&office, &account, &acknowledged, &stop))
            })
            .collect();
        // somewhere else in the writers' work in every round, and never by chance alone
        thread::sleep(Duration::from_millis(30 + (round as u64 * 37) % 170));
        server.kill9();
        stop.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.join().expect("a writer ends");
        }
        server.restart();
        check(&office, &acknowledged, round);
        assert_eq!(integrity(&server), "ok", "round {round}");
    }
}

fn write_until(office: &BackOffice, account: &str, acknowledged: &Acknowledged, stop: &AtomicBool) {
    let mut own: Vec<Made> = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        match office.try_create(account) {
            Ok(response) if response.status == 201 => own.push(made(&response)),
            Ok(response) => panic!("{}", response.text()),
            Err(_) => break,
        }
        if own.len() > 3 {
            let oldest = own.remove(0);
            let path = format!("/v1/accounts/{}/credentials/{}", oldest.account, oldest.id);
            match office.request("DELETE", &path).try_send() {
                Ok(response) => {
                    response.expect(204);
                    acknowledged.deleted.lock().expect("no panic").push(oldest);
                }
                // not acknowledged: either outcome is right
                Err(_) => break,
            }
        }
    }
    acknowledged.created.lock().expect("no panic").extend(own);
}

fn check(office: &BackOffice, acknowledged: &Acknowledged, round: usize) {
    for made in acknowledged.created.lock().expect("no panic").iter() {
        let response = office.exchange(made);
        assert_eq!(response.status, 200, "round {round}: an acknowledged create is lost: {}", response.text());
    }
    for made in acknowledged.deleted.lock().expect("no panic").iter() {
        assert_eq!(office.exchange(made).status, 401, "round {round}: an acknowledged delete is lost");
    }
}

fn integrity(server: &Server) -> String {
    let database = rusqlite::Connection::open(server.data().join("claviger.db")).expect("a database");
    database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("an answer")
}

#[test]
fn a_signature_that_was_used_is_refused_after_kill_9_even_when_it_is_dated_ahead() {
    let mut server = Server::start(&[]);
    let office = BackOffice::of(&server);
    let account = office.request("POST", "/v1/accounts").json(&json!({ "kind": "business", "name": "Northwind" })).send().expect(201).json();
    let account = account["id"].as_str().expect("an id");
    let wish = json!({ "kind": "hmac", "name": "Import", "refuse_replays": true, "access": { "level": "full" } });
    let made = made(&office.request("POST", &format!("/v1/accounts/{account}/credentials")).json(&wish).send().expect(201));
    let date = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(200)).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(made.secret.as_bytes()).expect("any length");
    mac.update(format!("Date: {date}\nGET / HTTP/1.1").as_bytes());
    let signature = BASE64.encode(&mac.finalize().into_bytes());
    let authorization =
        format!(r#"hmac username="{}", algorithm="hmac-sha256", headers="Date request-line", signature="{signature}""#, made.client_id);
    let asked = |server: &Server| {
        let check = Request::get(&server.gateway("/verify/nginx")).header("X-Original-Method", "GET").header("X-Original-URI", "/");
        check.header("Date", &date).header("Authorization", &authorization).send()
    };
    asked(&server).expect(200);
    server.kill9();
    server.restart();
    assert!(asked(&server).expect(401).header("x-claviger-problem").is_some_and(|problem| problem.contains("request_replayed")));
}

#[test]
fn twenty_parallel_creates_from_nine_leave_exactly_ten() {
    let server = Server::start(&[]);
    let office = Arc::new(BackOffice::of(&server));
    let account = office.corporate("Northwind");
    for _ in 0..9 {
        office.create(&account);
    }
    let creators: Vec<_> = (0..20)
        .map(|_| {
            let (office, account) = (office.clone(), account.clone());
            thread::spawn(move || office.try_create(&account).expect("an answer").status)
        })
        .collect();
    let statuses: Vec<u16> = creators.into_iter().map(|creator| creator.join().expect("it ends")).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 201 | 409)), "{statuses:?}");
    let listed = office.request("GET", &format!("/v1/accounts/{account}/credentials")).send().expect(200).json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(10));
}

#[test]
fn sigterm_finishes_what_is_being_answered() {
    let mut server = Server::start(&[]);
    Request::get(&server.gateway("/healthz")).send().expect(200);
    assert!(server.terminate().success());
}

/// A log that was left beside it would be read into whatever is put in its place.
#[test]
fn a_server_that_stops_leaves_one_file_and_another_can_be_put_in_its_place() {
    let mut server = Server::start(&[]);
    let office = BackOffice::of(&server);
    office.corporate("Northwind");
    assert!(server.terminate().success());
    let (database, log) = (server.data().join("claviger.db"), server.data().join("claviger.db-wal"));
    let assert_alone = || assert!(std::fs::metadata(&log).map_or(true, |log| log.len() == 0), "a log is left");
    assert_alone();
    let backup = std::fs::read(&database).expect("a database");
    server.restart();
    let office = BackOffice::of(&server);
    office.corporate("Southwind");
    assert!(server.terminate().success());
    assert_alone();
    std::fs::write(&database, backup).expect("restored");
    server.restart();
    let office = BackOffice::of(&server);
    let listed = office.request("GET", "/v1/accounts").send().expect(200).text();
    assert!(listed.contains("Northwind") && !listed.contains("Southwind"), "{listed}");
}

#[test]
fn the_doctor_finds_a_page_that_was_damaged() {
    let mut server = Server::start(&[]);
    let office = BackOffice::of(&server);
    for at in 0..50 {
        office.corporate(&format!("Northwind {at}"));
    }
    assert!(server.terminate().success());
    let data = server.data().to_str().expect("text").to_owned();
    let doctor = || Claviger::run(&["doctor", "--data", &data]);
    assert!(doctor().status.success());
    let database = server.data().join("claviger.db");
    let mut bytes = std::fs::read(&database).expect("a database");
    // the pages after the first ones, of 4 KiB, that hold the schema
    for page in bytes.chunks_mut(4096).skip(20) {
        page[..64].fill(0xff);
    }
    std::fs::write(&database, bytes).expect("damaged");
    let said = doctor();
    assert!(!said.status.success(), "{said:?}");
    let told = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert!(told.contains("damaged") || told.contains("malformed"), "{told}");
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let server = Server::start(&[]);
    let data = server.data().to_str().expect("text");
    let second = Claviger::run(&["serve", "--data", data, "--public", "127.0.0.1:0", "--gateway", "127.0.0.1:0"]);
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("another Claviger"), "{second:?}");
}

#[test]
fn a_taken_port_is_named_with_the_flag_that_changes_it() {
    let server = Server::start(&[]);
    let folder = claviger_testkit::folder::temporary("data");
    let address = server.public("").trim_start_matches("http://").to_owned();
    let data = folder.path().to_str().expect("text");
    let second = Claviger::run(&["serve", "--data", data, "--public", &address, "--gateway", "127.0.0.1:0"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("--public") && said.contains(&address), "{said}");
}
