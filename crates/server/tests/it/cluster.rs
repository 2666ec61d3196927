//! A node and its lease: without one it cannot say, and every change tells since when it is true.
use std::{pin::Pin, time::Duration};

use axum::http::Method;
use claviger_server::{cluster::Mode, config::Partial};
use claviger_store::lease::Node;
use claviger_testkit::{
    postgres::{Cluster, Fsync},
    soon::assert_soon_async,
};
use serde_json::json;
use tokio::sync::Notify;

use crate::common::{Answer, World};

#[tokio::test]
async fn without_a_lease_a_node_cannot_say_and_is_not_ready() {
    let mut world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let made = world.credential(&acme).await;
    let bearer = format!("Bearer {}", world.token(&made).await);
    let question = json!({ "method": "GET", "path": "/", "headers": { "Authorization": bearer, "AccountId": [made.account] } });
    assert_eq!(world.ask(question.clone()).await.json()["verdict"], "allowed");
    world.leave().await;
    let answer = world.ask(question).await;
    assert_eq!(answer.status, 503, "memory answered without a lease: {answer:?}");
    let ready = world.at_gateway(axum::http::Request::get("/readyz").body(axum::body::Body::empty()).expect("a request")).await;
    ready.assert_problem(503, "unavailable");
    assert!(ready.text().contains("This node has no lease"), "it says why: {ready:?}");
    let nginx = world.nginx(&[("authorization", bearer.as_bytes()), ("AccountId", made.account.as_bytes())]).await;
    assert_eq!(nginx.status, 503, "{nginx:?}");
}

#[tokio::test]
async fn every_change_tells_since_when_it_is_true_on_how_many_nodes() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let made = world.credential(&acme).await;
    let path = format!("/v1/accounts/{}/credentials/{}", made.account, made.id);
    let shown = world.operator().get(&path).await;
    assert_eq!(shown.headers.get("effective-at"), None, "nothing was changed");
    for time in ["once", "again"] {
        let deleted = world.operator().delete(&path).await;
        assert_eq!((deleted.status, deleted.header("effective-nodes")), (204, "1"), "{time}: {deleted:?}");
        assert!(!deleted.header("effective-at").is_empty() && deleted.header("effective-after-ms").parse::<u64>().is_ok(), "{time}: {deleted:?}");
    }
    let cluster = world.operator().get("/v1/cluster").await.json();
    assert_eq!((cluster["nodes"].as_array().map(Vec::len), &cluster["nodes"][0]["answering"]), (Some(1), &json!(true)), "{cluster}");
    assert_eq!(cluster["last_change"]["nodes"], 1, "{cluster}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_finds_revisions_missing_cannot_say_until_another_epoch_is_begun() {
    let world = World::postgres().await;
    let acme = world.account("corporate", "Acme").await;
    let made = world.credential(&acme).await;
    let token = world.token(&made).await;
    let verify = async |world: &World| world.use_token(&token, &made.account).await.status;
    let ready = async |world: &World| {
        let request = axum::http::Request::get("/readyz").body(axum::body::Body::empty()).expect("a request");
        world.at_gateway(request).await
    };
    assert_eq!((verify(&world).await, ready(&world).await.status), (200, 200));
    let database = world.database.clone().expect("PostgreSQL");
    database.run("UPDATE revision SET rev = rev - 1");
    world.app.index.catch_up().await.expect("the database is there");
    assert_eq!(verify(&world).await, 503, "a revocation may be among what is missing");
    // what comes after does not make up for it: not here, not for a process that starts now
    world.account("corporate", "Later").await;
    world.account("corporate", "Later still").await;
    assert_eq!(verify(&world).await, 503);
    let told = async || world.app.store.reader().await.expect("a reader").cluster().await.expect("a look").has_lost;
    assert_soon_async("the database is told", told).await;
    let fresh = world.beside(claviger_server::config::Partial::default()).await;
    assert_eq!(verify(&fresh).await, 503, "a process that starts knows of it");
    let not_ready = ready(&fresh).await;
    not_ready.assert_problem(503, "unavailable");
    assert!(not_ready.text().contains("revision.epoch"), "it says what to do: {not_ready:?}");
    let metrics = axum::http::Request::get("/metrics").body(axum::body::Body::empty()).expect("a request");
    assert!(fresh.at_gateway(metrics).await.text().contains("claviger_history_lost 1"));
    database.run("UPDATE revision SET epoch = epoch + 1");
    for node in [&world, &fresh] {
        node.app.index.catch_up().await.expect("the database is there");
        assert_eq!((verify(node).await, ready(node).await.status), (200, 200));
    }
}

/// Who compares an import with what it remembers tells the operator that nothing widens, and widens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalogue_is_shown_and_compared_as_the_database_has_it_whichever_node_put_it_there() {
    let world = World::postgres().await;
    let account = world.account("business", "Acme").await;
    let wish = json!({ "kind": "api_key", "name": "x", "access": { "level": "fine_grained", "scopes": ["orders:read"] } });
    assert_eq!(world.operator().post(&format!("/v1/accounts/{account}/credentials"), wish).await.status, 201);
    // it asks the database for each verification, and hears of nothing in between
    let other = world.beside(Partial { revocation: Some(Mode::Direct), ..Partial::default() }).await;
    let needing = |scope: &str| {
        format!(
            "openapi: 3.1.0\ninfo: {{ title: Orders, version: '1' }}\npaths:\n  /orders:\n    delete: {{ security: [{{ oauth: ['{scope}'] }}], responses: {{}} }}\n\
             components: {{ securitySchemes: {{ oauth: {{ type: oauth2, flows: {{ clientCredentials: {{ tokenUrl: /t, scopes: {{ '{scope}': x }} }} }} }} }} }}"
        )
    };
    let (wide, narrow) = (needing("orders:read"), needing("admin:all"));
    let import = async |at: &World, query: &str, document: &str| {
        at.operator().send(Method::PUT, &format!("/v1/catalogue{query}"), Some("application/yaml"), document.into()).await.status
    };
    let scopes = async |at: &World| at.operator().get("/v1/catalogue").await.json()["operations"][0]["scopes"].clone();
    for round in 0..8 {
        assert_eq!(import(&world, "?accept=true", &wide).await, 200);
        assert_eq!(scopes(&other).await, json!([["orders:read"]]));
        if round == 0 {
            assert_eq!(import(&world, "", &narrow).await, 200);
            assert_eq!(import(&other, "", &wide).await, 409, "it would widen");
        } else {
            let both = tokio::join!(import(&world, "", &narrow), import(&other, "", &wide));
            assert!(both.0 == 200 && [200, 409].contains(&both.1), "{both:?}");
        }
        assert_eq!(scopes(&other).await, json!([["admin:all"]]), "what narrows is in force, whatever came first");
    }
}

/// Has another node join that has acknowledged `rev`.
async fn register_other(world: &World, rev: i64) {
    let other = Node {
        id: "other".into(),
        acked: rev,
        beat: 0,
        address: "127.0.0.1:1".into(),
        version: "test".into(),
        began_at: world.app.clock.now(),
        agreement: Default::default(),
    };
    world.app.store.register(&other, 10_000).await.expect("registered");
}

/// Another node that has acknowledged `rev`, as far as its row says.
async fn acknowledge(world: &World, id: &str, rev: i64) {
    let mut tx = world.app.store.begin_renewal().await.expect("begun");
    assert!(tx.renew(id, rev).await.expect("written").is_some(), "its row is gone");
    tx.commit_housekeeping().await.expect("committed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_through_does_not_show_a_later_one_as_done() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let [first, second] = [world.credential(&acme).await, world.credential(&acme).await];
    let [first, second] = [first, second].map(|made| format!("/v1/accounts/{}/credentials/{}", made.account, made.id));
    let rev = async || world.app.store.reader().await.expect("a reader").position().await.expect("a position").rev;
    let later_than = async |before: i64| {
        assert_soon_async("another change is applied", async || world.app.index.applied() > before).await;
        world.app.index.applied()
    };
    let before = rev().await;
    register_other(&world, before).await;
    let (first_is_committed, first_is_through) = (Notify::new(), Notify::new());
    let deleting_first = async {
        let deleted = world.operator().delete(&first).await;
        first_is_through.notify_one();
        deleted
    };
    let deleting_second = async {
        first_is_committed.notified().await;
        world.operator().delete(&second).await
    };
    let other_node = async {
        let of_first = later_than(before).await;
        first_is_committed.notify_one();
        let of_second = later_than(of_first).await;
        acknowledge(&world, "other", of_first).await;
        first_is_through.notified().await;
        assert_eq!(world.operator().get(&first).await.status, 404);
        let shown = world.operator().get(&second).await;
        assert_eq!((shown.status, shown.json()["state"].as_str()), (200, Some("revoking")), "the other node may accept it yet: {shown:?}");
        acknowledge(&world, "other", of_second).await;
    };
    let (first_deleted, second_deleted, ()) = tokio::join!(deleting_first, deleting_second, other_node);
    assert_eq!((first_deleted.status, second_deleted.status), (204, 204));
    assert_eq!(world.operator().get(&second).await.status, 404);
}

/// What is read for the first deletion tells of the second only by luck: whoever commits in the middle of a reading has the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_comes_in_while_the_log_is_read_for_another_is_waited_out_too() {
    let mut world = World::postgres().await;
    let acme = world.account("corporate", "Acme").await;
    let [first, second] = [world.credential(&acme).await, world.credential(&acme).await];
    let [first, second] = [first, second].map(|made| format!("/v1/accounts/{}/credentials/{}", made.account, made.id));
    // without a lease nothing but deletions reads the log
    world.leave().await;
    let rev = async || world.app.store.reader().await.expect("a reader").position().await.expect("a position").rev;
    let before = rev().await;
    register_other(&world, before).await;
    let database = world.database.clone().expect("PostgreSQL");
    let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.expect("connected");
    tokio::spawn(connection);
    client.batch_execute("BEGIN; LOCK TABLE cluster IN ACCESS EXCLUSIVE MODE").await.expect("nobody reads where the log stands");
    let first_is_read = async || {
        let waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'cluster'::regclass";
        assert_soon_async("it waits", async || !client.query(waiting, &[]).await.expect("answered").is_empty()).await;
    };
    let deleting = async |path: &str| world.operator().delete(path).await.status;
    let reading = async {
        first_is_read().await;
        let meanwhile = async {
            assert_soon_async("the second is committed", async || rev().await >= before + 2).await;
            client.batch_execute("COMMIT").await.expect("read on");
            acknowledge(&world, "other", before + 1).await;
            // each of these is a look at the leases, and between them the deletions have theirs
            for _ in 0..50 {
                world.operator().get("/v1/cluster").await;
            }
            let shown = world.operator().get(&second).await;
            assert_eq!((shown.status, shown.json()["state"].as_str()), (200, Some("revoking")), "{shown:?}");
            acknowledge(&world, "other", before + 2).await;
        };
        tokio::select! {
            biased;
            () = meanwhile => {}
            status = deleting(&second) => panic!("{status}, before the other node knew of it"),
        }
    };
    let (status, ()) = tokio::join!(deleting(&first), reading);
    assert_eq!(status, 204);
    assert_eq!(world.operator().delete(&second).await.status, 204);
}

/// What a standby that does not answer may not have is not said to be done: not by a repetition either, of whatever takes something away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_already_is_answered_when_a_commit_would_be_postgres() {
    let cluster = Cluster::start_with(Fsync::Off);
    let settings = Partial { lease: Some(60), ..Partial::default() };
    let world = World::with(settings, Some(cluster.fresh_database()), claviger_domain::kind::Kinds::built_in().expect("sound")).await;
    let (acme, firm) = (world.account("corporate", "Acme").await, world.account("organisation", "Firm").await);
    let suspended = world.account("corporate", "Suspended").await;
    let deleted = world.credential(&acme).await;
    let token = world.token(&deleted).await;
    let path = format!("/v1/accounts/{firm}/credentials");
    let made = async |name: &str| {
        let wish = json!({ "email": name, "access": { "level": "full" } });
        let made = world.operator().post(&path, wish).await.json();
        format!("{path}/{}", made["id"].as_str().expect("an id"))
    };
    let (rotated, settled) = (made("a@example.com").await, made("b@example.com").await);
    world.save_member(&acme, "ann@example.com", "viewer").await;
    let (staff, leaving) = (world.operator_person().await, world.new_member(&acme, "owner").await);
    claviger_server::app::operator_keys::create_from_command_line(&world.app, "old").await.expect("a key");
    let keys = world.app.store.reader().await.expect("a reader").list_operator_keys().await.expect("keys");
    let key = keys.iter().find(|key| key.name == "old").expect("it was made").id;
    let rotate_to_settle = world.operator().post(&format!("{settled}/rotate"), json!({ "overlap_seconds": 3600 })).await;
    assert_eq!(rotate_to_settle.status, 201, "{rotate_to_settle:?}");
    type Asked<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;
    let requests = || {
        let operator = world.operator();
        let (acme, suspended, token, rotated, settled) = (acme.clone(), suspended.clone(), token.clone(), rotated.clone(), settled.clone());
        let (deleted, staff, leaving) = (format!("/v1/accounts/{acme}/credentials/{}", deleted.id), staff.clone(), leaving.clone());
        let keyed = operator.clone().with("idempotency-key", "one");
        let (o1, o2, o3, o4, o5) = (operator.clone(), operator.clone(), operator.clone(), operator.clone(), operator);
        let all: [(&str, Asked<'_>); 8] = [
            ("a deletion", Box::pin(async move { o1.delete(&deleted).await })),
            ("a rotation", Box::pin(async move { keyed.post(&format!("{rotated}/rotate"), json!({})).await })),
            ("an overlap's end", Box::pin(async move { o2.post(&format!("{settled}/settle"), json!({ "keep": "old" })).await })),
            ("a removal", Box::pin(async move { o3.delete(&format!("/v1/accounts/{acme}/members/ann@example.com")).await })),
            ("a suspension", Box::pin(async move { o4.patch(&format!("/v1/accounts/{suspended}"), json!({ "status": "suspended" })).await })),
            ("a token's revocation", Box::pin(async move { o5.form("/oauth2/revoke", &[("token", token.as_str())]).await })),
            ("an operator key's end", Box::pin(async move { staff.form(&format!("/operator/keys/{key}/delete"), &[]).await })),
            ("a sign-out", Box::pin(async move { leaving.form("/sign-out", &[]).await })),
        ];
        all
    };
    for (what, request) in requests() {
        let answer = request.await;
        assert!(answer.status < 400, "{what}: {answer:?}");
    }
    let actions = world.actions(&suspended).await;
    cluster.commit_waits_for("nobody");
    let waits = async || tokio::time::timeout(Duration::from_millis(200), world.app.store.confirm()).await.is_err();
    assert_soon_async("a commit waits", waits).await;
    let mut waiting = Vec::new();
    for (what, mut request) in requests() {
        let answer = tokio::time::timeout(Duration::from_millis(300), &mut request).await;
        assert!(answer.is_err(), "{what} again: {answer:?}");
        waiting.push((what, request));
    }
    cluster.commit_waits_for("");
    for (what, request) in waiting {
        let answer = request.await;
        let gone = matches!(what, "a removal" | "an operator key's end");
        assert_eq!(answer.status == 404, gone, "{what} again: {answer:?}");
        assert!(answer.status < 400 || gone, "{what} again: {answer:?}");
        assert_eq!(answer.headers.contains_key("effective-nodes"), what != "a sign-out", "{what} again: {answer:?}");
    }
    assert_eq!(world.actions(&suspended).await, actions, "nothing happened that could be written down");
}
