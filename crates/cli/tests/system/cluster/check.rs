//! `claviger cluster check` against real nodes: what it says when the promise is kept, when it is broken, and when there is nobody to ask.
use std::{
    io::{Read, Write},
    process::Output,
    time::Duration,
};

use claviger_testkit::{postgres::Cluster, process::Claviger, soon::soon};
use serde_json::json;

use super::{LONG_LEASE, link::Weather, nodes::Nodes};

fn check(nodes: &Nodes, arguments: &[&str]) -> (Option<i32>, String) {
    let urls: Vec<String> = nodes.servers.iter().map(|server| server.public("")).collect();
    let all: Vec<&str> = ["cluster", "check"].into_iter().chain(urls.iter().map(String::as_str)).chain(arguments.iter().copied()).collect();
    said(Claviger::command(&all).env("CLAVIGER_OPERATOR_KEY", &nodes.operator_key).output().expect("it runs"))
}

fn said(output: Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_check_of_three_nodes_on_postgres_finds_that_the_promise_holds() {
    let nodes = Nodes::start(Cluster::shared(), 3, LONG_LEASE, "lease", None);
    let (status, text) = check(&nodes, &["--rounds", "4"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("nodes: 3, with leases of 60 s") && text.contains("on 3 of 3 nodes"), "{text}");
    assert!(text.matches("could not say 0, no answer 0, ACCEPTED 0").count() == 3 && text.contains("deletions: 4 returned"), "{text}");
    assert!(text.contains("Not shown: that your gateway does not remember answers"), "{text}");
    assert!(!text.contains(&nodes.operator_key), "{text}");
    // its account is used again, and what a check that was broken off has left there goes
    let account = nodes.request(0, "GET", "/v1/accounts").send().expect(200).json()["items"][0]["id"].as_str().expect("an id").to_owned();
    let credentials = format!("/v1/accounts/{account}/credentials");
    for _ in 0..10 {
        nodes.request(0, "POST", &credentials).json(&json!({ "kind": "client", "email": "left@example.com" })).send().expect(201);
    }
    assert_eq!(check(&nodes, &["--rounds", "1"]).0, Some(0));
    assert_eq!(nodes.request(0, "GET", &credentials).send().expect(200).json()["items"], json!([]));
    let accounts = nodes.request(0, "GET", "/v1/accounts").send().expect(200).json();
    assert_eq!(accounts["items"].as_array().map(Vec::len), Some(1), "{accounts}");
}

#[test]
fn a_check_finds_what_nodes_without_the_barrier_accept_late_on_postgres() {
    // one node hears of every change late, with a lease that it can keep all the same
    let nodes = Nodes::start(Cluster::shared(), 3, LONG_LEASE, "lease", Some("barrier"));
    nodes.links[2].set(Weather { delay: Duration::from_millis(150), ..Weather::FAIR });
    soon("it finds something", || match check(&nodes, &["--rounds", "2"]) {
        (Some(1), text) if text.contains("BROKEN.") => Ok(()),
        (status, text) => Err(format!("{status:?} {text}")),
    });
}

#[test]
fn a_check_says_which_node_it_has_no_answer_of_on_postgres() {
    let nodes = Nodes::start_with(Cluster::shared(), 1, LONG_LEASE, "lease", None, &["--advertise", "127.0.0.1:1"]);
    let (status, text) = check(&nodes, &["--rounds", "1"]);
    assert!(
        status == Some(2) && text.contains("NOTHING WAS SHOWN") && text.contains("at http://127.0.0.1:1: it never accepted"),
        "{status:?} {text}"
    );
    // told where it is, it finds it
    let gateway = nodes.servers[0].gateway("");
    let (status, text) = check(&nodes, &["--rounds", "1", "--gateway", &gateway]);
    assert!(status == Some(0) && text.contains("on 1 of 1 nodes"), "{status:?} {text}");
    // what it could not show is no success, though nothing was broken
    let (status, text) = check(&nodes, &["--rounds", "1", "--gateway", &gateway, "--gateway", "http://127.0.0.1:1"]);
    assert!(status == Some(2) && text.contains("HELD.") && text.contains("NOT SHOWN: node at http://127.0.0.1:1"), "{status:?} {text}");
}

#[test]
fn a_check_shows_nothing_of_a_node_on_postgres_that_tells_nobody_where_it_verifies_and_says_so() {
    let mut nodes = Nodes::start(Cluster::shared(), 1, LONG_LEASE, "lease", None);
    nodes.add_that_keeps_current_by("read_index");
    let (status, text) = check(&nodes, &["--rounds", "2"]);
    let unknown = format!("NOT SHOWN: the node at {}, which tells no gateway address; name it with --gateway", nodes.servers[1].public(""));
    assert!(status == Some(2) && text.contains("on 1 of 2 nodes") && text.contains(&unknown), "{status:?} {text}");
    let [first, second] = [0, 1].map(|node| nodes.servers[node].gateway(""));
    let (status, text) = check(&nodes, &["--rounds", "2", "--gateway", &first, "--gateway", &second]);
    assert!(status == Some(0) && text.contains("on 2 of 2 nodes"), "{status:?} {text}");
}

#[test]
fn a_check_without_a_node_or_a_key_shows_nothing_and_says_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let url = format!("http://{free}");
    let (status, text) = said(Claviger::command(&["cluster", "check", &url]).env("CLAVIGER_OPERATOR_KEY", "none").output().expect("it runs"));
    assert!(status == Some(2) && text.contains("does not answer"), "{status:?} {text}");
    let (status, text) = said(Claviger::run(&["cluster", "check", &url]));
    assert!(status == Some(2) && text.contains("CLAVIGER_OPERATOR_KEY"), "{status:?} {text}");
}

/// A gateway that lets through whatever it is asked, as one does that has seen the credential accepted before.
#[test]
fn a_check_through_a_gateway_that_remembers_answers_names_it_on_postgres() {
    let nodes = Nodes::start(Cluster::shared(), 1, LONG_LEASE, "lease", None);
    let gateway = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/orders", gateway.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in gateway.incoming().flatten() {
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while matches!(stream.read(&mut bytes), Ok(1..)) {
                    if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                        break;
                    }
                }
            });
        }
    });
    let (status, text) = check(&nodes, &["--rounds", "1", "--through", &url]);
    assert!(status == Some(1) && text.contains("BROKEN BY A GATEWAY") && text.contains("HELD."), "{status:?} {text}");
}
