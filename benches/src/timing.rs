//! The rule that who cannot prove a living credential learns nothing about it, for time: unknown, wrong, ended and suspended take alike.
//!
//! Each round asks once in every class, in random order, and what counts is the difference within the round (`paired`). That the test
//! would see a leak is shown by two that were written here on purpose. Run by `./bench timing` and `./test --long`.
use std::{cell::RefCell, collections::HashMap, future::Future, hint::black_box, time::Instant};

use axum::{Router, body::Body};
use claviger_domain::{
    chance::Chance,
    judge::Refusal,
    schemes::{Request, signing::Body as Handed},
    secret::Digest,
    token::Purpose,
};
use claviger_server::{
    app::App,
    clock::OsChance,
    public,
    verify::{Demand, HeaderFields, Question, Verdict, verify},
};
use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use crate::{
    decision::headers,
    fixture::{Fixture, TARGET, asked_with, basic, sign, text},
    paired::{Differences, Interval},
    report,
};

const ROUNDS: usize = 20_000;
/// Each costs an Argon2id in every class; and of one name only fifty guesses are let through.
const PASSWORD_ROUNDS: usize = 40;
/// Asked before anything is measured: the first time reads the store.
const WARM_UP: usize = 200;
/// Of a lookup by its public part, in nanoseconds: less than the HMAC that an early answer would leave out.
const TOLERANCE: f64 = 150.0;
/// Of a signed request and of the token endpoint, where more is done: what no network shows.
const WIDE_TOLERANCE: f64 = 2_000.0;
/// Of the time that the hash takes.
const PASSWORD_TOLERANCE: f64 = 0.01;
/// Of one comparison of digests, in nanoseconds; and how many make a sample.
const COMPARISON_TOLERANCE: f64 = 1.0;
const COMPARISONS: usize = 256;

/// The four ways not to prove a living credential. All are compared with the first.
const CLASSES: [&str; 4] = ["wrong secret", "unknown id", "ended", "suspended account"];

/// Measures, prints, and fails when a class can be told from another, or when a leak made on purpose is not found.
pub(crate) fn measure() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let fixture = runtime.block_on(Fixture::make(folder.path()))?;
    let bench = Bench { runtime, app: fixture.app.clone(), router: public(fixture.app.clone()) };
    let mut bad = 0;
    for (kind, tolerance) in [("api_key", TOLERANCE), ("basic", TOLERANCE), ("hmac", WIDE_TOLERANCE), ("client", WIDE_TOLERANCE)] {
        let made = bench.runtime.block_on(Classes::make(&fixture, kind))?;
        let asked = made.all(&fixture)?;
        let found = compare(ROUNDS, WARM_UP, &asked, |presented| bench.ask(kind, presented))?;
        bad += usize::from(!conclude(kind, &found, tolerance));
    }
    let passwords = bench.runtime.block_on(Classes::make(&fixture, "legacy"))?.all(&fixture)?;
    let hash = RefCell::new(Vec::new());
    let found = compare(PASSWORD_ROUNDS, 1, &passwords, |presented| bench.ask("legacy", presented).inspect(|nanos| hash.borrow_mut().push(*nanos)))?;
    bad += usize::from(!conclude("legacy", &found, PASSWORD_TOLERANCE * middle(hash.into_inner())));
    bad += comparisons()?;
    bad += usize::from(!early_answers_are_found(&fixture)?);
    anyhow::ensure!(bad == 0, "{bad} of the comparisons above came out as they must not");
    Ok(())
}

/// Prints what was found of each class beside the first; true when none stands out.
fn conclude(kind: &str, found: &[(&'static str, Interval)], tolerance: f64) -> bool {
    let mut good = true;
    for (class, interval) in found {
        let alike = interval.is_none_within(tolerance);
        let word = if alike { "alike" } else { "CAN BE TOLD" };
        report::say(&format!("{kind:<10} {class:<18} beside {}: {interval}; 0 or within {tolerance:.0} ns: {word}", CLASSES[0]));
        good &= alike;
    }
    good
}

/// Asks every class once a round, in random order; the differences of each from the first.
fn compare<T>(
    rounds: usize,
    warm_up: usize,
    asked: &[(&'static str, T)],
    ask: impl Fn(&T) -> anyhow::Result<f64>,
) -> anyhow::Result<Vec<(&'static str, Interval)>> {
    let mut differences: Vec<Differences> = asked.iter().map(|_| Differences::default()).collect();
    let (mut order, mut took): (Vec<usize>, Vec<f64>) = ((0..asked.len()).collect(), vec![0.0; asked.len()]);
    for round in 0..warm_up + rounds {
        shuffle(&mut order);
        for &class in &order {
            took[class] = ask(&asked[class].1)?;
        }
        if round >= warm_up {
            differences.iter_mut().zip(&took).for_each(|(differences, class)| differences.push(*class, took[0]));
        }
    }
    Ok(asked.iter().zip(differences).skip(1).map(|((class, _), differences)| (*class, differences.interval())).collect())
}

fn shuffle(order: &mut [usize]) {
    for at in (1..order.len()).rev() {
        let mut byte = [0];
        OsChance.fill(&mut byte);
        order.swap(at, usize::from(byte[0]) % (at + 1));
    }
}

/// A public part and a secret for each class.
struct Classes {
    kind: &'static str,
    pairs: Vec<(String, String)>,
}

impl Classes {
    async fn make(fixture: &Fixture, kind: &'static str) -> anyhow::Result<Self> {
        let api = &fixture.api;
        let account = async || {
            let made = api.send(Method::POST, "/v1/accounts", json!({ "kind": "business", "name": "Timing" })).await?;
            let id = text(&made, "id")?;
            Ok::<_, anyhow::Error>(id)
        };
        let (acme, suspended) = (account().await?, account().await?);
        let create = async |account: &str, number: usize| {
            let wish = match kind {
                "legacy" => json!({ "kind": kind, "username": USERNAMES[number], "password": PASSWORDS[0], "access": { "level": "full" } }),
                _ => json!({ "kind": kind, "name": "Timing", "access": { "level": "full" } }),
            };
            api.send(Method::POST, &format!("/v1/accounts/{account}/credentials"), wish).await
        };
        let (living, ended, paused) = (create(&acme, 0).await?, create(&acme, 1).await?, create(&suspended, 2).await?);
        if kind == "legacy" {
            // a password that was right is remembered, which must not help it later
            for made in [&ended, &paused] {
                let asked = headers(&asked_with(vec![("Authorization", basic(&text(made, "public_id")?, PASSWORDS[0]))]))?;
                let verdict = verdict(&fixture.app, &asked).await;
                anyhow::ensure!(matches!(verdict, Verdict::Allowed(_)), "a right password was refused: {verdict:?}");
            }
        }
        api.send(Method::DELETE, &format!("/v1/accounts/{acme}/credentials/{}", text(&ended, "id")?), Value::Null).await?;
        api.send(Method::PATCH, &format!("/v1/accounts/{suspended}"), json!({ "status": "suspended" })).await?;
        let pair = |made: &Value| {
            let secret = if kind == "legacy" { Ok(PASSWORDS[0].to_owned()) } else { text(made, "secret") };
            Ok::<_, anyhow::Error>((text(made, "public_id")?, secret?))
        };
        let public_id = pair(&living)?.0;
        let format = &fixture.app.format;
        let unknown = |purpose| format.public_id(purpose, &OsChance);
        let secret = || format.secret(&OsChance).expose().to_owned();
        let key = |public_id: &str| format.key(public_id, &OsChance).expose().to_owned();
        let (wrong, unknown) = match kind {
            "api_key" => {
                let unknown = unknown(Purpose::ApiKey);
                (key(&public_id), (unknown.clone(), key(&unknown)))
            }
            "basic" => (secret(), (unknown(Purpose::Basic), secret())),
            "hmac" => (secret(), (unknown(Purpose::Hmac), secret())),
            "client" => (secret(), (unknown(Purpose::Client), secret())),
            _ => (PASSWORDS[1].to_owned(), (USERNAMES[3].to_owned(), PASSWORDS[0].to_owned())),
        };
        Ok(Self { kind, pairs: vec![(public_id, wrong), unknown, pair(&ended)?, pair(&paused)?] })
    }

    /// What is sent in each class: header fields, or a form.
    fn all(&self, fixture: &Fixture) -> anyhow::Result<Vec<(&'static str, Presented)>> {
        let now = fixture.app.clock.now();
        let presented = self.pairs.iter().map(|(id, secret)| {
            let fields = match self.kind {
                "api_key" => vec![("X-API-Key", secret.clone())],
                "hmac" => sign(id, secret, now)?,
                _ => vec![("Authorization", basic(id, secret))],
            };
            headers(&asked_with(fields)).map(Presented)
        });
        CLASSES.into_iter().zip(presented).map(|(class, presented)| Ok((class, presented?))).collect()
    }
}

/// The last is nobody's.
const USERNAMES: [&str; 4] = ["timing", "timinga", "timingb", "timingc"];
/// As long as each other.
const PASSWORDS: [&str; 2] = ["Right1Password", "Wrong1Password"];

struct Presented(HeaderMap);

async fn verdict(app: &App, headers: &HeaderMap) -> Verdict {
    let fields = HeaderFields::new(headers);
    let request = Request { method: "GET", target: TARGET, fields: &fields, client_ip: None };
    let question = Question { request, body: Handed::NotSeen, require: Demand::default(), secure: true, request_id: "bench" };
    verify(app, black_box(&question)).await
}

struct Bench {
    runtime: Runtime,
    app: App,
    router: Router,
}

impl Bench {
    /// Nanoseconds until the refusal.
    fn ask(&self, kind: &str, presented: &Presented) -> anyhow::Result<f64> {
        if kind == "client" { self.ask_for_a_token(presented) } else { self.verify(presented) }
    }

    fn verify(&self, Presented(headers): &Presented) -> anyhow::Result<f64> {
        let (verdict, nanos) = self.timed(verdict(&self.app, headers));
        anyhow::ensure!(matches!(verdict, Verdict::Refused(Refusal::Unauthenticated, None)), "not refused as it must be: {verdict:?}");
        Ok(nanos)
    }

    fn ask_for_a_token(&self, Presented(headers): &Presented) -> anyhow::Result<f64> {
        let mut request = hyper::Request::post("/oauth2/token").body(Body::from("grant_type=client_credentials"))?;
        request.headers_mut().clone_from(headers);
        request.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse()?);
        let (answer, nanos) = self.timed(self.router.clone().oneshot(request));
        let status = answer?.status();
        anyhow::ensure!(status == StatusCode::UNAUTHORIZED, "answered {status}");
        Ok(nanos)
    }

    fn timed<T>(&self, work: impl Future<Output = T>) -> (T, f64) {
        self.runtime.block_on(async {
            let begun = Instant::now();
            let done = work.await;
            (done, begun.elapsed().as_nanos() as f64)
        })
    }
}

/// The comparison itself, of digests that differ in their first byte and of such as differ in their last: ours, and one that ends early.
fn comparisons() -> anyhow::Result<usize> {
    let stored = [7; 32];
    let (mut first, mut last) = (stored, stored);
    (first[0], last[31]) = (8, 8);
    let asked = [("differs at the end", last), ("differs at once", first)];
    let ours = compare(ROUNDS, WARM_UP, &asked, |presented| {
        let (stored, presented) = (Digest::from(stored), Digest::from(*presented));
        Ok(many(|| bool::from(black_box(&stored).matches(black_box(&presented)))))
    })?;
    let early = compare(ROUNDS, WARM_UP, &asked, |presented| {
        Ok(many(|| black_box(&stored).iter().zip(black_box(presented)).all(|(one, other)| black_box(*one) == *other)))
    })?;
    let (good, seen) = (ours[0].1.is_none_within(COMPARISON_TOLERANCE), !early[0].1.is_none_within(COMPARISON_TOLERANCE));
    let (ours, early) = (ours[0].1, early[0].1);
    report::say(&format!("comparison that differs at once, beside one that does at the end: {ours}; {}", if good { "alike" } else { "CAN BE TOLD" }));
    report::say(&format!("the same with an early return, on purpose: {early}; {}", if seen { "found" } else { "NOT FOUND" }));
    Ok(usize::from(!good) + usize::from(!seen))
}

/// Nanoseconds of one, of a great number.
fn many(compare: impl Fn() -> bool) -> f64 {
    let begun = Instant::now();
    for _ in 0..COMPARISONS {
        black_box(compare());
    }
    begun.elapsed().as_nanos() as f64 / COMPARISONS as f64
}

/// A lookup that answers "unknown" before it hashes what was presented, on purpose.
fn early_answers_are_found(fixture: &Fixture) -> anyhow::Result<bool> {
    let pepper = &fixture.app.keys.pepper;
    let (_, secret) = fixture.key(0);
    let stored: HashMap<&str, Digest> = HashMap::from([("known", pepper.digest(b"another secret"))]);
    let asked = [("known", "known"), ("unknown", "unknown")];
    let found = compare(ROUNDS, WARM_UP, &asked, |name| {
        let begun = Instant::now();
        let proven = stored.get(black_box(*name)).is_some_and(|stored| stored.matches(&pepper.digest(black_box(secret.as_bytes()))).into());
        black_box(proven);
        Ok(begun.elapsed().as_nanos() as f64)
    })?;
    let seen = !found[0].1.is_none_within(TOLERANCE);
    report::say(&format!("unknown answered before hashing, on purpose: {}; {}", found[0].1, if seen { "found" } else { "NOT FOUND" }));
    Ok(seen)
}

fn middle(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}
