//! One decision in process: what verification itself costs, without HTTP, beside the cryptography it cannot do without.
//!
//! In CPU time of this thread, not by the clock on the wall: on a machine that others use, only the former is a property of the code.
use std::hint::black_box;

use claviger_domain::{
    keyed::Keyed,
    schemes::{Fields, Request, signing::Body},
};
use claviger_server::{
    app::App,
    verify::{Question, Verdict, verify},
};
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

use crate::{
    fixture::Fixture,
    numbers::Pairs,
    report::{Goal, Number},
};

/// How often in a round: cheap things, and signatures.
const MANY: usize = 4_000;
const FEW: usize = 64;

pub(crate) fn measure(rounds: usize) -> anyhow::Result<Vec<Number>> {
    let folder = tempfile::tempdir()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let fixture = runtime.block_on(Fixture::make(folder.path()))?;
    let (app, token) = (&fixture.app, fixture.token.as_str());
    let hot = headers(&fixture, token)?;
    let fresh = (0..rounds * FEW).map(|at| another(&fixture, at)).collect::<anyhow::Result<Vec<_>>>()?;
    let fresh_headers = fresh.iter().map(|token| headers(&fixture, token)).collect::<anyhow::Result<Vec<_>>>()?;
    let keyed = Keyed::new(&[7; 32]);
    let (mut seen_and_digest, mut seen_and_signature, mut new_and_signature) = (Pairs::default(), Pairs::default(), Pairs::default());
    decide_many(&runtime, app, &hot, MANY)?;
    for (fresh, fresh_headers) in fresh.chunks(FEW).zip(fresh_headers.chunks(FEW)) {
        let seen = nanos_each(MANY, || decide_many(&runtime, app, &hot, MANY))?;
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
        let new = nanos_each(FEW, || fresh_headers.iter().try_for_each(|headers| decide_many(&runtime, app, headers, 1)))?;
        seen_and_digest.push(seen, digest);
        seen_and_signature.push(seen, signature);
        new_and_signature.push(new, signature);
    }
    let (digest, signature) = ("one keyed digest of the token", "the check of its signature");
    Ok(vec![
        Number::new("decision_seen_token", "ns", digest, &seen_and_digest, Goal::AtMost(2.5)),
        Number::new("decision_seen_token_per_signature", "ns", signature, &seen_and_signature, Goal::None),
        Number::new("decision_new_token", "ns", signature, &new_and_signature, Goal::AtMost(1.2)),
    ])
}

/// Only decisions on a hot token, in great number: for profilers.
pub(crate) fn only(count: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let fixture = runtime.block_on(Fixture::make(folder.path()))?;
    let hot = headers(&fixture, &fixture.token)?;
    decide_many(&runtime, &fixture.app, &hot, count)
}

struct HeaderFields<'a>(&'a HeaderMap);

impl Fields for HeaderFields<'_> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

fn decide_many(runtime: &Runtime, app: &App, headers: &HeaderMap, count: usize) -> anyhow::Result<()> {
    let fields = HeaderFields(headers);
    let request = Request { method: "GET", target: "/api/orders?limit=20", fields: &fields, client_ip: None };
    let question = Question { request, body: Body::NotSeen, require: "", secure: true, request_id: "bench" };
    runtime.block_on(async {
        for _ in 0..count {
            let verdict = verify(app, black_box(&question)).await;
            anyhow::ensure!(matches!(black_box(&verdict), Verdict::Allowed(_)), "not allowed: {verdict:?}");
        }
        Ok(())
    })
}

fn headers(fixture: &Fixture, token: &str) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in fixture.headers() {
        headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}"))?);
    Ok(headers)
}

/// A token that the app has not seen.
fn another(fixture: &Fixture, at: usize) -> anyhow::Result<String> {
    let app = &fixture.app;
    let token = app.tokens.issue(&fixture.public_id, "*".to_owned(), format!("bench-{at:08}"), app.clock.now());
    token.ok_or_else(|| anyhow::anyhow!("a token could not be signed"))
}

fn nanos_each(count: usize, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let begun = cpu_nanos();
    work()?;
    Ok((cpu_nanos() - begun) as f64 / count as f64)
}

fn cpu_nanos() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
