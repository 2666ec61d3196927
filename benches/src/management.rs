//! Creating, listing and deleting in an account with ten thousand credentials, beside an account with ten: what the server takes for an answer,
//! through the router, its database on the disk of the temporary folder. By the clock on the wall, since most of a write is waiting for the disk.
use std::time::Instant;

use anyhow::Context;
use claviger_domain::{
    chance::Chance,
    id::{CredentialId, SecretId},
};
use claviger_server::clock::OsChance;
use hyper::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    fixture::{Api, Fixture, text},
    numbers::Pairs,
    report::{Goal, Number},
};

const MANY: usize = 10_000;
const FEW: usize = 10;
/// How often in a round: so many that the hundredth slowest is one of some.
const TIMES: usize = 200;
/// The p99 that was promised.
const GOAL: f64 = 20.0;

pub(crate) fn measure(rounds: usize) -> anyhow::Result<Vec<Number>> {
    Runtime::new()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let fixture = Fixture::make(folder.path()).await?;
        let (large, small) = (fill(&fixture, MANY).await?, fill(&fixture, FEW).await?);
        let (mut create, mut list, mut delete) = (Pairs::default(), Pairs::default(), Pairs::default());
        for _ in 0..rounds {
            let (large, small) = (p99s(&fixture.api, &large).await?, p99s(&fixture.api, &small).await?);
            create.push(large[0], small[0]);
            list.push(large[1], small[1]);
            delete.push(large[2], small[2]);
        }
        let beside = "an account with 10";
        Ok(vec![
            Number::new("create_among_10000_p99", "ms", beside, &create, Goal::Under(GOAL)),
            Number::new("list_50_of_10000_p99", "ms", beside, &list, Goal::Under(GOAL)),
            Number::new("delete_among_10000_p99", "ms", beside, &delete, Goal::Under(GOAL)),
        ])
    })
}

/// The path of the credentials of a new account with so many of them.
async fn fill(fixture: &Fixture, count: usize) -> anyhow::Result<String> {
    let account = fixture.api.send(Method::POST, "/v1/accounts", json!({ "kind": "tenant", "name": "Bench" })).await?;
    let path = format!("/v1/accounts/{}/credentials", text(&account, "id")?);
    let first = fixture.api.send(Method::POST, &path, wish()).await?;
    let public_id = text(&first, "public_id")?;
    let store = &fixture.app.store;
    let loaded = store.reader().await?.load_credential(&public_id).await?.0.context("it was just made")?;
    let secret = loaded.secrets.first().context("it has one")?;
    let mut tx = store.begin().await?;
    for at in 1..count {
        let (mut credential, mut secret, now) = (loaded.credential.clone(), secret.clone(), fixture.app.clock.now());
        credential.id = CredentialId::new(now, &OsChance as &dyn Chance);
        credential.public_id = format!("{public_id}{at}");
        secret.view.id = SecretId::new(now, &OsChance as &dyn Chance);
        tx.insert_credential(&credential, &secret, "bench").await?;
    }
    tx.commit_housekeeping().await?;
    fixture.app.index.catch_up().await?;
    Ok(path)
}

fn wish() -> Value {
    json!({ "kind": "api_key", "email": "bench@example.com", "roles": [] })
}

/// Milliseconds of creating, of listing a page of 50 (all pages in turn), and of deleting what was created.
async fn p99s(api: &Api, path: &str) -> anyhow::Result<[f64; 3]> {
    let (mut create, mut list, mut delete, mut made) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let begun = Instant::now();
        made.push(text(&api.send(Method::POST, path, wish()).await?, "id")?);
        create.push(begun.elapsed());
    }
    let mut cursor = String::new();
    for _ in 0..TIMES {
        let begun = Instant::now();
        let page = api.send(Method::GET, &format!("{path}?limit=50{cursor}"), Value::Null).await?;
        list.push(begun.elapsed());
        cursor = page["next_cursor"].as_str().map_or_else(String::new, |next| format!("&cursor={next}"));
    }
    for id in made {
        let begun = Instant::now();
        api.send(Method::DELETE, &format!("{path}/{id}"), Value::Null).await?;
        delete.push(begun.elapsed());
    }
    Ok([create, list, delete].map(|mut times| {
        times.sort_unstable();
        times[times.len() * 99 / 100].as_secs_f64() * 1e3
    }))
}
