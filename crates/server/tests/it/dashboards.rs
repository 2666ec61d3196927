//! The dashboard and the alert rules of `deploy/` ask for metrics, labels and values that there are.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::common::World;

/// Every sample there is, by name: its labels, each with its values.
struct Samples(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Samples {
    async fn of_a_server() -> Self {
        let world = World::sqlite().await;
        let request = axum::http::Request::get("/metrics").body(axum::body::Body::empty()).expect("a request");
        let text = world.at_gateway(request).await.text();
        let mut samples = BTreeMap::<_, BTreeMap<_, BTreeSet<_>>>::new();
        for sample in text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' ')).map(|(sample, _)| sample) {
            let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
            let found = samples.entry(name.to_owned()).or_default();
            for (label, value) in labels.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once('=')) {
                found.entry(label.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
            }
        }
        Self(samples)
    }

    /// Each metric of ours in an expression, with the labels chosen there.
    fn check(&self, place: &str, expression: &str) -> BTreeSet<String> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut used = BTreeSet::new();
        for (at, _) in ["claviger_", "process_"].iter().flat_map(|prefix| expression.match_indices(prefix)) {
            let rest = &expression[at..];
            let (name, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
            let labels = self.0.get(name).unwrap_or_else(|| panic!("{place}: there is no {name}"));
            used.insert(name.to_owned());
            let Some(chosen) = after.strip_prefix('{').and_then(|chosen| chosen.split_once('}')) else { continue };
            for (label, value) in chosen.0.split(',').filter_map(|pair| pair.split_once('=')) {
                if ["job", "instance"].contains(&label) {
                    continue;
                }
                let values = labels.get(label).unwrap_or_else(|| panic!("{place}: {name} has no label {label}"));
                assert!(values.contains(value.trim_matches('"')), "{place}: {name} has no {label} {value}: {values:?}");
            }
        }
        used
    }
}

#[tokio::test]
async fn the_dashboard_asks_for_metrics_that_there_are_and_shows_every_one() {
    let samples = Samples::of_a_server().await;
    let text = std::fs::read_to_string(claviger_testkit::repository().join("deploy/grafana/claviger.json")).expect("it is there");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let mut used = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        let title = panel["title"].as_str().expect("a title");
        for target in panel["targets"].as_array().unwrap_or_else(|| panic!("{title} asks for nothing")) {
            let found = samples.check(title, target["expr"].as_str().expect("an expression"));
            assert!(!found.is_empty(), "{title} asks for nothing of ours");
            used.extend(found);
        }
    }
    for variable in dashboard["templating"]["list"].as_array().expect("variables") {
        samples.check("a variable", variable["definition"].as_str().unwrap_or_default());
    }
    let unused: Vec<_> = samples.0.keys().filter(|name| !used.contains(*name)).collect();
    assert!(unused.is_empty(), "a panel is missing for {unused:?}");
}

#[tokio::test]
async fn the_alert_rules_ask_for_metrics_that_there_are() {
    let samples = Samples::of_a_server().await;
    let rules = std::fs::read_to_string(claviger_testkit::repository().join("deploy/prometheus/claviger.rules.yaml")).expect("it is there");
    let mut used = samples.check("the rules", &rules);
    assert!(used.remove("claviger_verifications_total") && used.remove("claviger_verification_seconds_bucket"), "{used:?}");
}
