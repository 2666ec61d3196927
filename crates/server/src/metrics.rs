//! What is counted, in OpenMetrics. Names are a public contract, snapshot-tested.
use std::sync::atomic::AtomicU64;

use claviger_domain::judge::Refusal;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{
    cluster::Cluster,
    verify::{Index, Verdict},
};

/// The counters of a process.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    allowed: Counter,
    cannot_say: Counter,
    refused: [Counter; Refusal::ALL.len()],
    cached: Gauge,
    applied: Gauge,
    store_reads: Gauge,
    lease_age: Gauge<f64, AtomicU64>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    verdict: &'static str,
    reason: &'static str,
}

impl Metrics {
    pub(crate) fn new(settling: Histogram) -> Self {
        let mut registry = Registry::with_prefix("claviger");
        let verifications = Family::<Labels, Counter>::default();
        registry.register("verifications", "Verifications, by verdict and reason", verifications.clone());
        let count = |verdict, reason| verifications.get_or_create(&Labels { verdict, reason }).clone();
        let gauge = |registry: &mut Registry, name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        registry.register("revocation_seconds", "How long changes waited after their commit until they were true on every node", settling);
        let lease_age = Gauge::default();
        registry.register(
            "lease_age_seconds",
            "Time since the beginning of the last renewal; not a number while there is no lease",
            lease_age.clone(),
        );
        Self {
            lease_age,
            allowed: count("allowed", ""),
            cannot_say: count("cannot_say", ""),
            refused: Refusal::ALL.map(|refusal| count("refused", refusal.code())),
            cached: gauge(&mut registry, "index_credentials", "Credentials in memory"),
            applied: gauge(&mut registry, "index_revision", "Revision up to which changes are applied"),
            store_reads: gauge(&mut registry, "index_store_reads", "Point reads that the store answered for verification"),
            registry,
        }
    }

    pub(crate) fn count(&self, verdict: &Verdict) {
        match verdict {
            Verdict::Allowed(_) => self.allowed.inc(),
            Verdict::CannotSay => self.cannot_say.inc(),
            Verdict::Refused(refusal, _) => self.refused[*refusal as usize].inc(),
        };
    }

    pub(crate) fn render(&self, index: &Index, cluster: &Cluster) -> String {
        self.lease_age.set(cluster.gate.lease_age().map_or(f64::NAN, |age| age.as_secs_f64()));
        self.cached.set(i64::try_from(index.len()).unwrap_or(i64::MAX));
        self.applied.set(index.applied());
        self.store_reads.set(i64::try_from(index.store_reads()).unwrap_or(i64::MAX));
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}
