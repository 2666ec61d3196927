//! Many deletions at once, which share transactions: each has its own answer and its own event, and none suffers for another.
use std::sync::Arc;

use claviger_domain::id::{AccountId, CredentialId};
use claviger_testkit::{postgres::run_sql, soon::assert_soon_async};
use tokio::task::JoinSet;

use crate::common::{Answer, Made, World, on_both_engines};

fn path(account: &str, id: &str) -> String {
    format!("/v1/accounts/{account}/credentials/{id}")
}

/// Sends all of them at once; gives the answers in their order.
async fn delete_all(world: &Arc<World>, paths: Vec<String>) -> Vec<Answer> {
    let mut asked = JoinSet::new();
    for (at, path) in paths.into_iter().enumerate() {
        let world = world.clone();
        asked.spawn(async move { (at, world.operator().delete(&path).await) });
    }
    let mut answers = asked.join_all().await;
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

async fn made(world: &World, account: &str, count: usize) -> Vec<(Made, String)> {
    let mut all = Vec::new();
    for _ in 0..count {
        let made = world.credential(account).await;
        let token = world.token(&made).await;
        assert_eq!(world.use_token(&token, account).await.status, 200);
        all.push((made, token));
    }
    all
}

/// As many as `counts` says, each number in an account of its own: ten are the most that one can have.
async fn made_in_accounts<const N: usize>(world: &World, counts: [usize; N]) -> Vec<(Made, String)> {
    let mut all = Vec::new();
    for count in counts {
        let account = world.account("corporate", "Acme").await;
        all.extend(made(world, &account, count).await);
    }
    all
}

/// That these are accepted no more, and that each was ended once.
async fn assert_ended(world: &World, all: &[(Made, String)]) {
    for (made, token) in all {
        assert_eq!(world.use_token(token, &made.account).await.status, 401, "accepted after its deletion returned");
        let events = world.operator().get(&format!("/v1/accounts/{}/events?limit=200", made.account)).await.json();
        let is_its = |event: &&serde_json::Value| event["action"] == "credential.deleted" && event["target"] == made.public_id.as_str();
        assert_eq!(events["items"].as_array().expect("items").iter().filter(is_its).count(), 1, "{events}");
    }
}

on_both_engines! {
    async fn each_of_many_deletions_at_once_has_its_own_answer(world) {
        let large = world.account("corporate", "Large").await;
        let gone = made(&world, &large, 1).await;
        world.delete(&gone[0].0).await;
        let stays = made(&world, &large, 1).await;
        let mut all = made(&world, &large, 9).await;
        all.extend(made_in_accounts(&world, [5, 1, 1, 9]).await);
        let other = all[9].0.account.clone();
        let world = Arc::new(world);
        let mut paths: Vec<_> = all.iter().map(|(made, _)| path(&made.account, &made.id)).collect();
        let expected = all.len();
        paths.push(path(&large, &gone[0].0.id));
        paths.push(path(&large, "01890000-0000-7000-8000-000000000000"));
        paths.push(path(&other, &stays[0].0.id));
        paths.push(path("01890000-0000-7000-8000-000000000000", &stays[0].0.id));
        let statuses: Vec<_> = delete_all(&world, paths).await.into_iter().map(|answer| answer.status).collect();
        assert!(statuses[..=expected].iter().all(|status| *status == 204), "{statuses:?}");
        assert_eq!(statuses[expected + 1..], [404, 404, 404], "an unknown one, another account's, an unknown account");
        assert_ended(&world, &all).await;
        assert_ended(&world, &gone).await;
        assert_eq!(world.use_token(&stays[0].1, &large).await.status, 200);
    }

    async fn a_credential_deleted_many_times_at_once_ends_once(world) {
        let acme = world.account("corporate", "Acme").await;
        let one = made(&world, &acme, 1).await;
        let world = Arc::new(world);
        let answers = delete_all(&world, vec![path(&acme, &one[0].0.id); 20]).await;
        assert!(answers.iter().all(|answer| answer.status == 204 && answer.header("effective-nodes") == "1"), "{answers:?}");
        assert_ended(&world, &one).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_ends_what_another_keeps_waits_alone() {
    let world = World::postgres().await;
    let acme = world.account("corporate", "Acme").await;
    let (kept, others) = (made(&world, &acme, 1).await, made(&world, &acme, 9).await);
    let world = Arc::new(world);
    let mut keeper = world.app.store.begin().await.expect("begun");
    let (account, id): (AccountId, CredentialId) = (acme.parse().expect("an id"), kept[0].0.id.parse().expect("an id"));
    assert!(keeper.find_credential_for_update(account, id).await.expect("read").is_some());
    let waits = tokio::spawn({
        let (world, path) = (world.clone(), path(&acme, &kept[0].0.id));
        async move { world.operator().delete(&path).await }
    });
    for answer in delete_all(&world, others.iter().map(|(made, _)| path(&acme, &made.id)).collect()).await {
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    assert_ended(&world, &others).await;
    assert!(!waits.is_finished());
    drop(keeper);
    assert_eq!(waits.await.expect("it ends").status, 204);
    assert_ended(&world, &kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_whose_commit_was_cut_is_told_that_nobody_knows_and_can_ask_again() {
    let world = World::postgres().await;
    let all = made_in_accounts(&world, [10, 10, 5, 1]).await;
    let world = Arc::new(world);
    let database = world.database.clone().expect("PostgreSQL");
    let url = database.url().to_owned();
    let sql = |sql: &'static str| {
        let url = url.clone();
        tokio::task::spawn_blocking(move || run_sql(&url, sql).is_ok())
    };
    // nobody can commit
    let keeper = sql("BEGIN; SELECT rev FROM revision FOR UPDATE; SELECT pg_sleep(600)");
    let keeps = "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep') \
                 THEN RAISE 'not yet'; END IF; END $$";
    assert_soon_async("nobody can commit", async || sql(keeps).await.expect("it ends")).await;
    let waiting = "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock') \
                   THEN RAISE 'not yet'; END IF; END $$";
    let asked = tokio::spawn({
        let (world, paths) = (world.clone(), all.iter().map(|(made, _)| path(&made.account, &made.id)).collect());
        async move { delete_all(&world, paths).await }
    });
    assert_soon_async("somebody waits to commit", async || sql(waiting).await.expect("it ends")).await;
    database.cut_connections();
    assert!(!keeper.await.expect("it ends"));
    let answers = asked.await.expect("they end");
    assert!(answers.iter().any(|answer| answer.status == 503), "nothing was cut: {answers:?}");
    for (answer, (made, token)) in answers.iter().zip(&all) {
        match answer.status {
            204 => assert_eq!(world.use_token(token, &made.account).await.status, 401),
            _ => answer.assert_problem(503, "unavailable"),
        }
    }
    for answer in delete_all(&world, all.iter().map(|(made, _)| path(&made.account, &made.id)).collect()).await {
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    assert_ended(&world, &all).await;
}
