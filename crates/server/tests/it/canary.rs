//! The canary: what it finds, that nobody sees it, and that its key opens nothing.
use std::sync::{Arc, Mutex};

use axum::{Router, routing::post};
use claviger_domain::{id::AccountId, kind::Kinds};
use claviger_server::{
    app::App,
    clock::{Clock, OsChance},
    cluster::{
        Membership,
        canary::{Canary, Outcome},
    },
    config::{Partial, Settings},
    gateway,
    keyring::KeyRing,
    serve,
};
use claviger_store::{
    Store,
    credential::Filter,
    lease::Node,
    page::PageRequest,
    revision::{Changed, Position},
};
use claviger_testkit::postgres::Cluster;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::common::{START, World, on_both_engines};

/// Serves `router` on a free port for as long as the test runs; gives its address.
async fn served(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(serve::public(listener, router, Default::default(), std::future::pending()));
    address
}

/// A row of another node, which has acknowledged whatever comes.
async fn join(world: &World, id: &str, address: String) {
    let node = Node { id: id.to_owned(), acked: i64::MAX, beat: 0, address, version: "0".to_owned(), began_at: START, agreement: Default::default() };
    world.app.store.register(&node, 10_000).await.expect("a row");
}

/// A node that answers `answer`, and writes down the keys that it is asked about.
async fn peer(answer: Value) -> (String, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    let handler = move |question: axum::Json<Value>| async move {
        noted.lock().expect("no panic").push(question["key"].as_str().expect("a key").to_owned());
        axum::Json(answer)
    };
    (served(Router::new().route("/v1/canary", post(handler))).await, asked)
}

async fn metric(world: &World, line: &str) -> u64 {
    let request = axum::http::Request::get("/metrics").body(axum::body::Body::empty()).expect("a request");
    let text = world.at_gateway(request).await.text();
    let value = text.lines().find_map(|found| found.strip_prefix(line)).unwrap_or_else(|| panic!("no {line} in {text}"));
    value.trim().parse().expect("a number")
}

/// How many credentials of canaries there are.
async fn left(world: &World) -> usize {
    let mut reader = world.app.store.reader().await.expect("a reader");
    let page = PageRequest { after: None, limit: 10 };
    reader.list_credentials(AccountId::CANARY, &Filter::default(), &page, i64::MAX).await.expect("a list").items.len()
}

on_both_engines! {
    async fn a_canary_of_a_node_alone_finds_that_it_keeps_its_promise(world) {
        let mut canary = Canary::default();
        for _ in 0..3 {
            assert_eq!(canary.round(&world.app).await, Outcome::Held);
        }
        assert_eq!(metric(&world, "claviger_revocation_violations_total").await, 0);
        assert_eq!(metric(&world, "claviger_canary_rounds_total{outcome=\"held\"}").await, 3);
        assert_eq!(metric(&world, "claviger_canary_answers_total{answer=\"refused\"}").await, 3);
    }

    async fn a_node_that_accepts_what_was_revoked_is_counted_and_one_that_cannot_be_asked_is_no_violation(world) {
        let gone = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("an address").to_string();
        join(&world, "gone", gone).await;
        // its address leads to somebody else: that one's refusal says nothing of it
        let (elsewhere, _) = peer(json!({ "node": "another", "accepted": false })).await;
        join(&world, "astray", elsewhere).await;
        assert_eq!(Canary::default().round(&world.app).await, Outcome::Held, "this node itself holds it");
        assert_eq!(metric(&world, "claviger_canary_answers_total{answer=\"unreachable\"}").await, 2);
        assert_eq!(metric(&world, "claviger_revocation_violations_total").await, 0);
        for (gone_are_there, missed) in [(true, 2), (false, 0)] {
            if !gone_are_there {
                for node in ["gone", "astray"] {
                    world.app.store.unregister(node, None).await.expect("its row goes");
                }
            }
            Canary::default().round(&world.app).await;
            assert_eq!(metric(&world, "claviger_canary_missed_rounds").await, missed, "in a row");
        }
        let (liar, _) = peer(json!({ "node": null, "accepted": true })).await;
        join(&world, "liar", liar).await;
        assert_eq!(Canary::default().round(&world.app).await, Outcome::Violated);
        assert_eq!(metric(&world, "claviger_revocation_violations_total").await, 1);
        assert_eq!(metric(&world, "claviger_canary_rounds_total{outcome=\"violated\"}").await, 1);
    }

    async fn nobody_sees_the_canary_and_its_key_opens_nothing(world) {
        // a node that dies in the middle of a round: its credential lives, and is heard by the peer that was being asked
        let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel::<String>();
        let handler = move |question: axum::Json<Value>| async move {
            let _ = sender.send(question["key"].as_str().expect("a key").to_owned());
            std::future::pending::<axum::Json<Value>>().await
        };
        let address = served(Router::new().route("/v1/canary", post(handler))).await;
        join(&world, "peer", address).await;
        let acme = world.account("business", "Acme").await;
        let app = world.app.clone();
        let round = tokio::spawn(async move { Canary::default().round(&app).await });
        let key = heard.recv().await.expect("a question");
        round.abort();
        let request = axum::http::Request::post("/v1/canary").header("content-type", "application/json");
        let alive = world.at_gateway(request.body(json!({ "key": key }).to_string().into()).expect("a request")).await;
        assert_eq!(alive.json()["accepted"], true, "it is not alive: nothing would be shown");
        let bearer = format!("Bearer {key}");
        let public_id = &key[..key.len() - 38];
        let pair = |user: &str, password: &str| format!("Basic {}", data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes()));
        let nobody = "00000000-0000-0000-0000-000000000000";
        for (name, value) in [
            ("authorization", bearer.clone()),
            ("x-api-key", key.clone()),
            ("authorization", key.clone()),
            ("authorization", pair(public_id, &key)),
            ("authorization", pair(&key, "")),
            ("authorization", pair(public_id, &key[key.len() - 38..])),
        ] {
            for account in [nobody, acme.as_str()] {
                let answer = world.nginx(&[(name, value.as_bytes()), ("accountid", account.as_bytes())]).await;
                assert_eq!(answer.status, 401, "{name}: {answer:?}");
                let question = json!({ "method": "GET", "path": "/", "headers": { name: value, "AccountId": account } });
                assert_eq!(world.ask(question).await.json()["verdict"], "refused", "{name}");
            }
        }
        for path in ["/keys", "/v1/accounts", "/v1/cluster"] {
            let answer = world.anyone().with("authorization", &bearer).get(path).await;
            assert!((401..=404).contains(&answer.status), "{path}: {answer:?}");
        }
        assert_eq!(world.exchange(public_id, &key).await.status, 401);
        // not even the operator sees it, or can do anything with it
        let accounts = world.operator().get("/v1/accounts").await.json();
        assert_eq!(accounts["items"].as_array().map(Vec::len), Some(1), "{accounts}");
        for path in ["", "/credentials", "/members", "/events"] {
            assert_eq!(world.operator().get(&format!("/v1/accounts/{nobody}{path}")).await.status, 404, "{path}");
        }
        assert_eq!(world.operator().patch(&format!("/v1/accounts/{nobody}"), json!({ "status": "active" })).await.status, 404);
        let events = world.operator().get("/v1/events").await.text();
        assert!(!events.contains("canary"), "{events}");
        // by then it has expired by itself, and whoever goes round next takes it away
        assert_eq!(left(&world).await, 1);
        world.advance(3601);
        assert_eq!(Canary::default().round(&world.app).await, Outcome::Held);
        assert_eq!(left(&world).await, 0);
    }

    async fn however_often_the_canary_goes_round_it_leaves_nothing_behind(world) {
        let mut canary = Canary::default();
        for _ in 0..5 {
            canary.round(&world.app).await;
        }
        assert_eq!(left(&world).await, 0);
        let mut reader = world.app.store.reader().await.expect("a reader");
        let log = reader.log_after(Position { epoch: 1, rev: 0, timeline: 0 }).await.expect("the log");
        // what the last round changed is taken away by the next one
        let lines = log.changed.iter().filter(|changed| matches!(changed, Changed::Credential(_))).count();
        let one_round = if world.database.is_some() { 2 } else { 4 };
        assert!(lines <= one_round, "{:?}", log.changed);
    }
}

/// A whole node, with the key ring in `keys` and a gateway listener.
async fn node(database: &str, keys: &std::path::Path) -> (App, Membership) {
    let keys = KeyRing::open_or_create(&keys.join("keyring.json"), &OsChance).expect("a key ring");
    let store = Store::open_postgres(database).await.expect("a database");
    let settings = Settings::resolve(&[&Partial::default()]);
    let kinds = Kinds::built_in().expect("sound");
    let app = App::open(settings, "http://claviger.test".into(), store, kinds, keys, Clock::frozen(START), Arc::new(OsChance)).await.expect("an app");
    let address = served(gateway(app.clone())).await;
    let membership = Membership::begin(app.clone(), address, None).await.expect("a lease");
    (app, membership)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_on_postgres_refuse_what_the_canary_of_the_other_revoked() {
    let (database, keys) = (Cluster::shared().fresh_database(), tempfile::tempdir().expect("a folder"));
    let (one, _membership) = node(database.url(), keys.path()).await;
    let (other, _other_membership) = node(database.url(), keys.path()).await;
    let (mut first, mut second) = (Canary::default(), Canary::default());
    for _ in 0..10 {
        assert_eq!(first.round(&one).await, Outcome::Held);
        assert_eq!(second.round(&other).await, Outcome::Held);
    }
    let request = axum::http::Request::get("/metrics").body(axum::body::Body::empty()).expect("a request");
    let text = crate::common::Answer::of(&gateway(one), request).await.text();
    for line in [
        "claviger_revocation_violations_total 0",
        "claviger_canary_rounds_total{outcome=\"held\"} 10",
        "claviger_canary_answers_total{answer=\"refused\"} 20",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in {text}");
    }
}

/// The alert rules divide by nothing and count no rounds: one expression is right for every setting.
#[tokio::test]
async fn how_long_nothing_was_proven_is_told_beside_how_often_something_should_be_and_of_no_canary_nothing() {
    let text = async |world: &World| {
        let request = axum::http::Request::get("/metrics").body(axum::body::Body::empty()).expect("a request");
        world.at_gateway(request).await.text()
    };
    let world = World::sqlite().await;
    let shown = text(&world).await;
    assert!(shown.contains("\nclaviger_canary_every_seconds 60\n"), "{shown}");
    let age = async || {
        let shown = text(&world).await;
        let value = shown.lines().find_map(|line| line.strip_prefix("claviger_canary_unproven_seconds ")).expect("an age").to_owned();
        value.parse::<f64>().expect("a number")
    };
    let (first, second) = (age().await, age().await);
    assert!(first < second, "it grows until a round holds");
    let before = std::time::Instant::now();
    assert_eq!(Canary::default().round(&world.app).await, Outcome::Held);
    assert!(age().await <= before.elapsed().as_secs_f64(), "the round that held is later than what came before it");
    let without = World::with(Partial { canary_every: Some(0), ..Partial::default() }, None, Kinds::built_in().expect("sound")).await;
    let shown = text(&without).await;
    assert!(shown.contains("\nclaviger_canary_every_seconds 0\n") && shown.contains("\nclaviger_canary_unproven_seconds NaN\n"), "{shown}");
}
