//! `GET /verify/nginx` for a hot token beside the same stack answering a bare 200: requests per second, latency, and the server's CPU time.
//!
//! The server runs on the first CPU and the load generator on the last, so that neither takes the other's time; where there is one CPU
//! only, the numbers mean little. Requests per CPU-second count what the server itself used, and are the steadiest of the numbers.
use anyhow::Context;

use crate::{
    numbers::Pairs,
    report::{self, Goal, Number},
    served::{CONNECTIONS, Served, itself},
};

const ROUNDS: usize = 10;
const SECONDS: u32 = 1;
/// What is asked.
const PATH: &str = "/verify/nginx";

pub(crate) fn measure() -> anyhow::Result<Vec<Number>> {
    let verifying = Served::start(itself(&["serve", "verifying"])?)?;
    let mut numbers = Vec::new();
    for (scheme, names) in [
        ("hmac", ["verify_hmac_rate", "verify_hmac_per_cpu_second", "verify_hmac_latency_p99"]),
        ("api_key", ["verify_api_key_rate", "verify_api_key_per_cpu_second", "verify_api_key_latency_p99"]),
        ("basic", ["verify_basic_rate", "verify_basic_per_cpu_second", "verify_basic_latency_p99"]),
        ("token", ["verify_token_rate", "verify_token_per_cpu_second", "verify_token_latency_p99"]),
    ] {
        numbers.extend(beside_a_bare_200(&verifying, scheme, names)?);
    }
    numbers.push(junk_beside_a_hot_key(&verifying)?);
    Ok(numbers)
}

fn beside_a_bare_200(verifying: &Served, scheme: &str, names: [&'static str; 3]) -> anyhow::Result<Vec<Number>> {
    let request = verifying.headers.get(scheme).context("a scheme that the server to measure knows")?;
    let answer = verifying.answer(PATH, request)?;
    let mut bare = itself(&["serve", "bare"])?;
    bare.env("CLAVIGER_BENCH_ANSWER", serde_json::to_string(&answer.fields)?);
    let bare = Served::start(bare)?;
    let same = bare.answer(PATH, request)?;
    anyhow::ensure!(answer.bytes.len() == same.bytes.len(), "the two answers differ in size: {} and {} bytes", answer.bytes.len(), same.bytes.len());
    report::say(&format!(
        "{scheme}: {ROUNDS} rounds of {SECONDS} s each in turns, {CONNECTIONS} connections kept alive; an answer has {} bytes and {} fields",
        answer.bytes.len(),
        answer.fields.len() + 2
    ));
    let (mut rate, mut p99, mut cpu) = (Pairs::default(), Pairs::default(), Pairs::default());
    for server in [verifying, &bare] {
        server.load(PATH, request, 1)?.all_allowed()?;
    }
    for _ in 0..ROUNDS {
        let ours = verifying.load(PATH, request, SECONDS)?.all_allowed()?;
        let reference = bare.load(PATH, request, SECONDS)?.all_allowed()?;
        rate.push(ours.rate(), reference.rate());
        p99.push(ours.p99, reference.p99);
        cpu.push(ours.per_cpu_second(), reference.per_cpu_second());
    }
    let beside = "the same stack, a bare 200";
    Ok(vec![
        Number::new(names[0], "requests/s", beside, &rate, Goal::AtLeast(0.90)),
        Number::new(names[1], "requests", beside, &cpu, Goal::AtLeast(0.90)),
        Number::new(names[2], "us", beside, &p99, Goal::AtMost(1.25)),
    ])
}

/// A key with a wrong checksum, refused; and a hot one, allowed: the same server, the same connections.
fn junk_beside_a_hot_key(verifying: &Served) -> anyhow::Result<Number> {
    let hot = verifying.headers.get("api_key").context("a scheme that the server to measure knows")?;
    let mut junk = hot.clone();
    for (_, key) in junk.iter_mut().filter(|(name, _)| name == "X-API-Key") {
        let last = if key.ends_with('0') { "1" } else { "0" };
        key.replace_range(key.len() - 1.., last);
    }
    let mut rate = Pairs::default();
    for _ in 0..ROUNDS {
        let refused = verifying.load(PATH, &junk, SECONDS)?;
        anyhow::ensure!(refused.refused as f64 >= refused.requests && refused.broken == 0, "junk was allowed");
        rate.push(refused.rate(), verifying.load(PATH, hot, SECONDS)?.all_allowed()?.rate());
    }
    Ok(Number::new("verify_junk_rate", "requests/s", "a hot API key", &rate, Goal::AtLeast(1.0)))
}
