//! What changes with the number of credentials: a verification that misses memory, the time to start, and the memory itself.
use std::{fs, hint::black_box, path::Path, process::Command, time::Instant};

use anyhow::Context;
use claviger_server::cluster::Membership;
use hyper::{HeaderMap, header::HeaderValue};
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tokio::runtime::{Builder, Runtime};

use crate::{
    decision::{decide_many, key_headers, nanos_each},
    fixture::{self, Fixture},
    numbers::Pairs,
    report::{self, Goal, Number},
};

/// In a round.
const MANY: u64 = 1_000;
/// Keys in use, and of its reference.
const HOT: u64 = 100_000;
const FEW: u64 = 1_000;
/// Every how manieth credential is asked for; coprime to all sizes, so that the whole range is walked.
const STRIDE: u64 = 7_919;

/// With `credentials` API keys in SQLite and none of them in memory.
pub(crate) fn measure(credentials: u64, rounds: u64) -> anyhow::Result<Vec<Number>> {
    let folder = tempfile::tempdir()?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let fixture = runtime.block_on(Fixture::make(folder.path()))?;
    runtime.block_on(fixture.add_keys(0..credentials))?;
    let reads_before = fixture.app.index.store_reads();
    let direct = Connection::open_with_flags(folder.path().join("claviger.db"), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    direct.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    let mut statement = direct.prepare(
        "SELECT c.id, c.account_id, c.kind, c.state, c.expires_at, c.access_level, s.id, s.material FROM credential c \
         JOIN credential_secret s ON s.credential_id = c.id WHERE c.public_id = ?1",
    )?;
    let mut misses = Pairs::default();
    for round in 0..rounds {
        // an odd one misses, and an even one is read beside it: neither finds the other's pages warm
        let at = |k: u64| ((round * MANY + k) * STRIDE) % (credentials / 2) * 2;
        let asked = (0..MANY).map(|k| key_headers(&fixture, at(k) + 1)).collect::<anyhow::Result<Vec<_>>>()?;
        let read: Vec<String> = (0..MANY).map(|k| fixture.key(at(k)).0).collect();
        let miss = nanos_each(MANY as usize, || decide_many(&runtime, &fixture.app, &asked, 1))?;
        let reference = nanos_each(MANY as usize, || {
            for public_id in &read {
                let mut rows = statement.query([public_id])?;
                let row = rows.next()?.context("a credential that was added")?;
                for column in 0..8 {
                    black_box(row.get::<_, rusqlite::types::Value>(column)?);
                }
            }
            Ok(())
        })?;
        misses.push(miss, reference);
    }
    let reads = fixture.app.index.store_reads() - reads_before;
    anyhow::ensure!(reads >= rounds * MANY, "only {reads} of them missed");
    drop(statement);
    let hot = hot_set(&runtime, &fixture, credentials, rounds)?;
    let started = Instant::now();
    let opened = runtime.block_on(fixture::open(folder.path()))?;
    report::say(&format!("{credentials} credentials: opened in {} ms, {} of them in memory", started.elapsed().as_millis(), opened.index.len()));
    let miss = Number::new("decision_miss", "ns", "one SQLite point read of the same rows", &misses, Goal::AtMost(1.5));
    Ok(vec![miss, Number::new("decision_hot_set", "ns", "a thousand hot keys", &hot, Goal::AtMost(1.1))])
}

/// Decisions over a hundred thousand keys in use, beside a thousand. The request is made anew each time, so that only what verification itself
/// keeps is cold; what making it takes is taken off.
fn hot_set(runtime: &Runtime, fixture: &Fixture, credentials: u64, rounds: u64) -> anyhow::Result<Pairs> {
    let walk = |keys: u64, round: u64, decides: bool| {
        nanos_each(MANY as usize, || {
            for k in 0..MANY {
                let number = ((round * MANY + k) * STRIDE) % keys.min(credentials) * (credentials / keys).max(1);
                let asked = [key_headers(fixture, number)?];
                if decides {
                    decide_many(runtime, &fixture.app, &asked, 1)?;
                } else {
                    black_box(runtime.block_on(async { black_box(&asked).len() }));
                }
            }
            Ok(())
        })
    };
    let mut pairs = Pairs::default();
    for keys in [HOT, FEW] {
        for round in 0..keys / MANY {
            walk(keys, round, true)?;
        }
    }
    for round in 0..rounds {
        let [hot, few] = [HOT, FEW].map(|keys| anyhow::Ok(walk(keys, round, true)? - walk(keys, round, false)?));
        pairs.push(hot?, few?);
    }
    Ok(pairs)
}

/// Bytes of memory for each of `credentials` API keys in the index: the growth of the resident set of a process that has done nothing else.
pub(crate) fn memory(credentials: u64) -> anyhow::Result<Vec<Number>> {
    let folder = tempfile::tempdir()?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let fixture = runtime.block_on(Fixture::make(folder.path()))?;
    runtime.block_on(fixture.add_keys(0..credentials))?;
    let output = Command::new(std::env::current_exe()?).arg("fill").arg(folder.path()).arg(credentials.to_string()).output()?;
    let said = String::from_utf8(output.stdout)?;
    let (grown, kept) = said.trim().split_once(' ').context("what the filling process said")?;
    let (grown, kept): (f64, f64) = (grown.parse()?, kept.parse()?);
    let mut bytes = Pairs::default();
    bytes.push(grown / kept, 1.0);
    report::say(&format!("{kept} credentials in memory: {:.0} MB more resident", grown / 1e6));
    Ok(vec![Number::new("index_bytes_per_credential", "bytes", "nothing", &bytes, Goal::AtMost(300.0))])
}

/// Prints by how many bytes this process has grown when `credentials` of those in `folder` were asked for, and how many it keeps.
pub(crate) fn fill(folder: &Path, credentials: u64) -> anyhow::Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let app = runtime.block_on(fixture::open(folder))?;
    let _membership = runtime.block_on(Membership::begin(app.clone(), "bench".to_owned(), None))?;
    let request = |number| {
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", HeaderValue::try_from(fixture::key(&app, number).1)?);
        Ok::<_, anyhow::Error>([headers])
    };
    decide_many(&runtime, &app, &request(0)?, 1)?;
    let before = resident()?;
    for number in 0..credentials {
        decide_many(&runtime, &app, &request(number)?, 1)?;
        if number % 10_000 == 0 {
            // as a server does every few seconds: what waits to be written is no part of the index
            runtime.block_on(app.flush_uses())?;
        }
    }
    // as many as it keeps are not evenly spread over its parts
    anyhow::ensure!(app.index.len() as u64 >= credentials / 100 * 97, "only {} are in memory", app.index.len());
    report::say(&format!("{:.0} {}", resident()? - before, app.index.len()));
    Ok(())
}

fn resident() -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
}
