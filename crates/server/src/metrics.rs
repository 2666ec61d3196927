//! What is counted, in OpenMetrics. Names are a public contract, snapshot-tested.
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use claviger_domain::{credential::Kind, judge::Refusal};
use prometheus_client::{
    encoding::{
        EncodeLabelSet,
        text::{encode, encode_registry},
    },
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use crate::{
    cluster::{Cluster, canary},
    sharded::{Counts, Durations},
    verify::{Index, Verdict},
};

/// Allowed, by the credential's kind; cannot say; and each refusal.
const VERDICTS: usize = CANNOT_SAY + 1 + Refusal::ALL.len();
const CANNOT_SAY: usize = Kind::ALL.len();

/// The counters of a process.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// What every program tells of itself, by the names that all use.
    of_process: Registry,
    verdicts: Counts<VERDICTS>,
    shown: [Counter; VERDICTS],
    durations: Durations,
    cached: Gauge,
    applied: Gauge,
    revision_age: Gauge<f64, AtomicU64>,
    store_reads: Counter,
    misses: Counter,
    requests: Family<Outcome, Counter>,
    lease_age: Gauge<f64, AtomicU64>,
    rate_fallbacks: Counter,
    pub(crate) canary: CanaryCounts,
    has_lost: Gauge,
}

/// What the canary has seen.
#[derive(Debug)]
pub(crate) struct CanaryCounts {
    pub(crate) violations: Counter,
    rounds: Family<Outcome, Counter>,
    answers: Family<Answer, Counter>,
    /// In seconds; 0: never.
    every: u32,
    /// When a round last held; before any, when this process began.
    held_at: Mutex<Instant>,
    unproven: Gauge<f64, AtomicU64>,
    missed_rounds: Gauge,
}

impl CanaryCounts {
    fn new(registry: &mut Registry, every: u32) -> Self {
        let (violations, rounds, answers) = (Counter::default(), Family::<Outcome, Counter>::default(), Family::<Answer, Counter>::default());
        registry.register(
            "revocation_violations",
            "Nodes that accepted the canary's credential after its revocation had returned",
            violations.clone(),
        );
        registry.register("canary_rounds", "Rounds of this node's canary, by what came of them", rounds.clone());
        registry.register("canary_answers", "Answers of nodes about the canary's revoked credential", answers.clone());
        for outcome in canary::Outcome::ALL {
            drop(rounds.get_or_create(&Outcome { outcome: outcome.as_str() }));
        }
        for answer in canary::Answer::ALL {
            drop(answers.get_or_create(&Answer { answer: answer.as_str() }));
        }
        let (interval, unproven, missed_rounds) = (Gauge::<i64>::default(), Gauge::default(), Gauge::default());
        interval.set(every.into());
        registry.register("canary_every_seconds", "Time between rounds of this node's canary; 0: it has none", interval);
        registry.register(
            "canary_unproven_seconds",
            "Time since a round of this node's canary held, or since it began; not a number where it has none",
            unproven.clone(),
        );
        registry.register(
            "canary_missed_rounds",
            "Rounds in a row, the last ones, in which this node's canary could not reach every node",
            missed_rounds.clone(),
        );
        Self { violations, rounds, answers, every, held_at: Mutex::new(Instant::now()), unproven, missed_rounds }
    }

    pub(crate) fn count_round(&self, outcome: canary::Outcome) {
        if outcome == canary::Outcome::Held {
            *self.held_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
        self.rounds.get_or_create(&Outcome { outcome: outcome.as_str() }).inc();
    }

    /// Whether it reached every node this time.
    pub(crate) fn note_reach(&self, all: bool) {
        if all {
            self.missed_rounds.set(0);
        } else {
            self.missed_rounds.inc();
        }
    }

    fn show_age(&self) {
        let since = self.held_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        self.unproven.set(if self.every == 0 { f64::NAN } else { since.as_secs_f64() });
    }

    pub(crate) fn count_answer(&self, answer: canary::Answer) {
        self.answers.get_or_create(&Answer { answer: answer.as_str() }).inc();
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    verdict: &'static str,
    reason: &'static str,
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    answer: &'static str,
}

/// What can become of a reported API request.
const OUTCOMES: [&str; 4] = ["written", "dropped", "unknown", "malformed"];

impl Metrics {
    /// `canary_every`: in seconds; 0: never.
    pub(crate) fn new(settling: Histogram, canary_every: u32) -> Self {
        let mut registry = Registry::with_prefix("claviger");
        let verifications = Family::<Labels, Counter>::default();
        registry.register(
            "verifications",
            "Verifications, by verdict and reason, and those allowed by the kind of their credential",
            verifications.clone(),
        );
        let count = |verdict, reason, kind| verifications.get_or_create(&Labels { verdict, reason, kind }).clone();
        let gauge = |registry: &mut Registry, name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let floating = |registry: &mut Registry, name: &str, help: &str| {
            let gauge = Gauge::<f64, AtomicU64>::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let counter = |registry: &mut Registry, name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        registry.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let mut of_process = Registry::default();
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        floating(&mut of_process, "process_start_time_seconds", "When this process began, in seconds of Unix time").set(started.as_secs_f64());
        let durations = Durations::default();
        registry.register_with_unit(
            "verification",
            "Time to answer a gateway, from its request's header fields to ours",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register("revocation_seconds", "How long changes waited after their commit until they were true on every node", settling);
        let lease_age = Gauge::default();
        registry.register(
            "lease_age_seconds",
            "Time since the beginning of the last renewal; not a number while there is no lease",
            lease_age.clone(),
        );
        let requests = Family::<Outcome, Counter>::default();
        registry.register("api_requests", "API requests reported for the audit log, by what became of them", requests.clone());
        for outcome in OUTCOMES {
            drop(requests.get_or_create(&Outcome { outcome }));
        }
        let rate_fallbacks = Counter::default();
        registry.register(
            "rate_limit_fallbacks",
            "Verifications counted by this node's share of a rate limit because the database did not count them in time",
            rate_fallbacks.clone(),
        );
        let canary = CanaryCounts::new(&mut registry, canary_every);
        Self {
            canary,
            shown: std::array::from_fn(|at| match at {
                CANNOT_SAY => count("cannot_say", "", ""),
                at => match Kind::ALL.get(at) {
                    Some(kind) => count("allowed", "", kind.as_str()),
                    None => count("refused", Refusal::ALL[at - CANNOT_SAY - 1].code(), ""),
                },
            }),
            verdicts: Counts::default(),
            durations,
            lease_age,
            rate_fallbacks,
            cached: gauge(&mut registry, "index_credentials", "Credentials in memory"),
            applied: gauge(&mut registry, "index_revision", "Revision up to which changes are applied"),
            has_lost: gauge(&mut registry, "history_lost", "1 while the database misses revisions that a node had applied: then nothing is verified"),
            revision_age: floating(&mut registry, "index_revision_age_seconds", "Time since every change committed so far was last applied"),
            misses: counter(&mut registry, "index_misses", "Questions for a credential or an account that was not in memory"),
            store_reads: counter(&mut registry, "index_store_reads", "Point reads that the store answered for verification"),
            requests,
            registry,
            of_process,
        }
    }

    pub(crate) fn count(&self, verdict: &Verdict) {
        let at = match verdict {
            Verdict::Allowed(allowed) => allowed.entry.kind as usize,
            Verdict::CannotSay => CANNOT_SAY,
            Verdict::Limited(_) => CANNOT_SAY + 1 + Refusal::RateLimited as usize,
            Verdict::Refused(refusal, _) => CANNOT_SAY + 1 + *refusal as usize,
        };
        self.verdicts.add(at, 1);
    }

    /// Counts an answer to a gateway, and how long it took.
    pub(crate) fn answered(&self, took: Duration) {
        self.durations.note(took);
    }

    pub(crate) fn count_rate_fallback(&self) {
        self.rate_fallbacks.inc();
    }

    /// `outcome` is one of [`OUTCOMES`].
    pub(crate) fn count_requests(&self, outcome: &'static str, count: usize) {
        debug_assert!(OUTCOMES.contains(&outcome));
        self.requests.get_or_create(&Outcome { outcome }).inc_by(count as u64);
    }

    pub(crate) fn render(&self, index: &Index, cluster: &Cluster) -> String {
        self.lease_age.set(cluster.gate.lease_age().map_or(f64::NAN, |age| age.as_secs_f64()));
        for (at, shown) in self.shown.iter().enumerate() {
            shown.inner().store(self.verdicts.total(at), Ordering::Relaxed);
        }
        self.canary.show_age();
        self.cached.set(i64::try_from(index.len()).unwrap_or(i64::MAX));
        self.applied.set(index.applied());
        self.has_lost.set(index.has_lost().into());
        self.revision_age.set(index.revision_age().as_secs_f64());
        self.store_reads.inner().store(index.store_reads(), Ordering::Relaxed);
        self.misses.inner().store(index.misses(), Ordering::Relaxed);
        let mut text = String::new();
        match encode_registry(&mut text, &self.of_process).and_then(|()| encode(&mut text, &self.registry)) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}
