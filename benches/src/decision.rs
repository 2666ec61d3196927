//! One decision in process: what verification itself costs, without HTTP, beside the cryptography it cannot do without.
//!
//! In CPU time of this thread, while another renews the lease; not by the clock on the wall: on a machine that others use, only the former is a property of the code.
use std::hint::black_box;

use claviger_domain::{
    keyed::Keyed,
    schemes::{Request, signing::Body},
};
use claviger_server::{
    app::App,
    verify::{Demand, HeaderFields, Question, Verdict, verify},
};
use hmac::{Hmac, KeyInit, Mac};
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use rustix::time::{ClockId, clock_gettime};
use sha2::Sha256;
use tokio::runtime::{Builder, Runtime};

use crate::{
    fixture::{Fixture, TARGET},
    numbers::Pairs,
    report::{Goal, Number},
};

/// How often in a round: cheap things, and signatures.
const MANY: usize = 4_096;
const FEW: usize = 64;
/// Credentials in memory.
const CREDENTIALS: u64 = 100_000;

pub(crate) fn measure(rounds: usize) -> anyhow::Result<Vec<Number>> {
    let folder = tempfile::tempdir()?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let fixture = runtime.block_on(Fixture::make(folder.path()))?;
    runtime.block_on(fixture.add_keys(0..CREDENTIALS))?;
    let app = &fixture.app;
    for number in 0..CREDENTIALS {
        decide_many(&runtime, app, &[key_headers(&fixture, number)?], 1)?;
    }
    let secrets = keys_and_pairs(&runtime, &fixture, rounds)?;
    let signed = signed_requests(&runtime, &fixture, rounds)?;
    Ok([secrets, signed, tokens(&runtime, &fixture, rounds)?].concat())
}

/// One API key, API keys spread over all that are in memory, and a Basic pair; beside one HMAC-SHA-256 of 32 bytes, its key prepared.
fn keys_and_pairs(runtime: &Runtime, fixture: &Fixture, rounds: usize) -> anyhow::Result<Vec<Number>> {
    let app = &fixture.app;
    let [api_key, basic] = [headers(&fixture.headers("api_key")?)?, headers(&fixture.headers("basic")?)?].map(|one| [one]);
    let keyed = Keyed::new(&[7; 32]);
    let (mut keys, mut spread, mut pairs) = (Pairs::default(), Pairs::default(), Pairs::default());
    for _ in 0..rounds {
        let key = nanos_each(MANY, || decide_many(runtime, app, &api_key, MANY))?;
        let spread_out = spread_over_all(runtime, fixture)?;
        let pair = nanos_each(MANY, || decide_many(runtime, app, &basic, MANY))?;
        let reference = nanos_each(MANY, || {
            for _ in 0..MANY {
                black_box(keyed.digest(black_box(&[9; 32])));
            }
            Ok(())
        })?;
        keys.push(key, reference);
        spread.push(spread_out, reference);
        pairs.push(pair, reference);
    }
    let beside = "one HMAC-SHA-256 of 32 bytes";
    Ok(vec![
        Number::new("decision_api_key", "ns", beside, &keys, Goal::AtMost(4.0)),
        Number::new("decision_api_key_of_4096", "ns", beside, &spread, Goal::AtMost(4.0)),
        Number::new("decision_basic", "ns", beside, &pairs, Goal::AtMost(4.0)),
    ])
}

/// Nanoseconds for an API key, of 4,096 that lie apart. A few requests at a time are made and then judged: a server has just read the fields of
/// the request that it judges, and what it knows of the credential is what may be cold.
fn spread_over_all(runtime: &Runtime, fixture: &Fixture) -> anyhow::Result<f64> {
    let mut nanos = 0.0;
    for some in (0..MANY as u64).collect::<Vec<_>>().chunks(FEW) {
        let requests = some.iter().map(|at| key_headers(fixture, at * CREDENTIALS / MANY as u64)).collect::<anyhow::Result<Vec<_>>>()?;
        nanos += nanos_each(MANY, || decide_many(runtime, &fixture.app, &requests, 1))?;
    }
    Ok(nanos)
}

/// Signed requests, beside the HMAC of the same text, its key prepared.
fn signed_requests(runtime: &Runtime, fixture: &Fixture, rounds: usize) -> anyhow::Result<Vec<Number>> {
    let signed = fixture.signed()?;
    let prepared = Hmac::<Sha256>::new_from_slice(b"of no matter")?;
    let mut pairs = Pairs::default();
    for _ in 0..rounds {
        // signed anew: a signature is good for five minutes
        let request = [headers(&fixture.headers("hmac")?)?];
        let decision = nanos_each(MANY, || decide_many(runtime, &fixture.app, &request, MANY))?;
        let reference = nanos_each(MANY, || {
            for _ in 0..MANY {
                let mut mac = prepared.clone();
                mac.update(black_box(signed.as_bytes()));
                black_box(mac.finalize());
            }
            Ok(())
        })?;
        pairs.push(decision, reference);
    }
    Ok(vec![Number::new("decision_hmac", "ns", "its HMAC-SHA-256 alone", &pairs, Goal::AtMost(5.0))])
}

fn tokens(runtime: &Runtime, fixture: &Fixture, rounds: usize) -> anyhow::Result<Vec<Number>> {
    let (app, token) = (&fixture.app, fixture.token.as_str());
    let hot = [headers(&fixture.headers("token")?)?];
    let fresh = (0..rounds * FEW).map(|at| another(fixture, at)).collect::<anyhow::Result<Vec<_>>>()?;
    let fresh_headers = fresh.iter().map(|token| with_token(fixture, token)).collect::<anyhow::Result<Vec<_>>>()?;
    let keyed = Keyed::new(&[7; 32]);
    let (mut seen_and_digest, mut new_and_signature) = (Pairs::default(), Pairs::default());
    for (fresh, fresh_headers) in fresh.chunks(FEW).zip(fresh_headers.chunks(FEW)) {
        let seen = nanos_each(MANY, || decide_many(runtime, app, &hot, MANY))?;
        let digest = nanos_each(MANY, || {
            for _ in 0..MANY {
                black_box(keyed.digest(black_box(token.as_bytes())));
            }
            Ok(())
        })?;
        let signature = nanos_each(FEW, || {
            anyhow::ensure!(fresh.iter().all(|token| app.tokens.has_good_signature(token)), "a good signature was refused");
            Ok(())
        })?;
        let new = nanos_each(FEW, || decide_many(runtime, app, fresh_headers, 1))?;
        seen_and_digest.push(seen, digest);
        new_and_signature.push(new, signature);
    }
    Ok(vec![
        Number::new("decision_seen_token", "ns", "one keyed digest of the token", &seen_and_digest, Goal::AtMost(2.5)),
        Number::new("decision_new_token", "ns", "the check of its signature", &new_and_signature, Goal::AtMost(1.2)),
    ])
}

/// Only decisions, in great number: for profilers.
pub(crate) fn only(scheme: &str, count: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let fixture = runtime.block_on(Fixture::make(folder.path()))?;
    decide_many(&runtime, &fixture.app, &[headers(&fixture.headers(scheme)?)?], count)
}

/// Each of these requests, `times` times.
pub(crate) fn decide_many(runtime: &Runtime, app: &App, requests: &[HeaderMap], times: usize) -> anyhow::Result<()> {
    runtime.block_on(async {
        for headers in requests {
            let fields = HeaderFields::new(headers);
            let request = Request { method: "GET", target: TARGET, fields: &fields, client_ip: None };
            let question = Question { request, body: Body::NotSeen, require: Demand::default(), secure: true, request_id: "bench" };
            for _ in 0..times {
                let verdict = verify(app, black_box(&question)).await;
                anyhow::ensure!(matches!(black_box(&verdict), Verdict::Allowed(_)), "not allowed: {verdict:?}");
            }
        }
        Ok(())
    })
}

pub(crate) fn headers(fields: &[(&str, String)]) -> anyhow::Result<HeaderMap> {
    fields.iter().map(|(name, value)| Ok((HeaderName::try_from(*name)?, HeaderValue::try_from(value)?))).collect()
}

fn with_token(fixture: &Fixture, token: &str) -> anyhow::Result<HeaderMap> {
    let mut headers = headers(&fixture.headers("token")?)?;
    headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}"))?);
    Ok(headers)
}

/// A request with added key `number`.
pub(crate) fn key_headers(fixture: &Fixture, number: u64) -> anyhow::Result<HeaderMap> {
    let mut headers = headers(&fixture.headers("api_key")?)?;
    headers.insert("x-api-key", HeaderValue::try_from(fixture.key(number).1)?);
    Ok(headers)
}

/// A token that the app has not seen.
fn another(fixture: &Fixture, at: usize) -> anyhow::Result<String> {
    let app = &fixture.app;
    let token = app.tokens.issue(&fixture.public_id, fixture.secret, "*".to_owned(), format!("bench-{at:08}"), app.clock.now(), 3600);
    token.ok_or_else(|| anyhow::anyhow!("a token could not be signed"))
}

pub(crate) fn nanos_each(count: usize, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let begun = cpu_nanos();
    work()?;
    Ok((cpu_nanos() - begun) as f64 / count as f64)
}

fn cpu_nanos() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
