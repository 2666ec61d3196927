//! `/operator/cluster`: the nodes, how far each is, how long changes took to be true on all of them, and what weakens the promise.
use std::time::Duration;

use askama::Template;
use claviger_domain::time::Timestamp;

use crate::{
    app::cluster::{self, Facts, Health, Member},
    cluster::Change,
    console::{
        Page, desk,
        frame::{self, Place},
        page,
        session::OperatorPerson,
        told,
        view::{Cell, Chrome, Tone, When},
    },
    problem::Problem,
};

#[derive(Debug, Template)]
#[template(path = "console/operator_cluster.html")]
pub(in crate::console) struct ClusterPage {
    chrome: Chrome,
    weaknesses: Vec<String>,
    facts: Vec<(String, Cell)>,
    nodes: Vec<NodeRow>,
    /// How long the last changes took, in a sentence; None while there was none.
    summary: Option<String>,
    changes: Vec<ChangeRow>,
}

#[derive(Debug)]
struct NodeRow {
    address: String,
    id: String,
    is_answering: bool,
    state: Cell,
    version: String,
    since: When,
    acked: String,
    heard: String,
}

#[derive(Debug)]
struct ChangeRow {
    when: When,
    rev: String,
    nodes: usize,
    took: String,
    outlasted: bool,
}

pub(in crate::console) async fn show(operator: OperatorPerson) -> Result<Page<ClusterPage>, Problem> {
    let now = operator.app.clock.now();
    let facts = cluster::look(&operator.app, &operator.grant).await?;
    Ok(page(ClusterPage {
        chrome: frame::of_operator(&operator, "Cluster", Place::OperatorCluster),
        facts: listed(&facts),
        nodes: facts.nodes.iter().map(|node| node_row(node, now)).collect(),
        summary: summary(&facts.changes),
        changes: facts.changes.iter().map(|change| change_row(change, now)).collect(),
        weaknesses: facts.weaknesses,
    }))
}

fn listed(facts: &Facts) -> Vec<(String, Cell)> {
    let text = |text: String| Cell::Text(text);
    let behind = facts.rev - facts.safe_rev;
    let safe = if behind == 0 { "every change".to_owned() } else { format!("revision {}", grouped(facts.safe_rev)) };
    let status = match facts.weaknesses.is_empty() {
        true => Cell::Status("Kept: nothing that is known weakens it", "status active"),
        false => Cell::Status("Weakened", "status waiting"),
    };
    vec![
        ("Promise".to_owned(), status),
        ("True on every node".into(), text(desk::capital(&safe))),
        ("Revision".into(), text(grouped(facts.rev))),
        ("Lease".into(), text(format!("{}: so long a node answers without the database", told::seconds(facts.lease)))),
        ("Longest wait".into(), text(format!("{}: after it a change is true though a node is silent", told::at_most(facts.longest_wait)))),
        ("Primary".into(), text(if facts.primary_is_settled { "Settled" } else { "Not settled yet: each change takes the longest wait" }.into())),
    ]
}

fn node_row(node: &Member, now: Timestamp) -> NodeRow {
    NodeRow {
        address: node.address.clone(),
        id: node.id.clone(),
        is_answering: node.is_answering,
        state: match node.health {
            Health::Current => Cell::Status("Current", "status active"),
            Health::Behind => Cell::Status("Behind", "status waiting"),
            Health::Silent => Cell::Status("Silent", "status failing"),
        },
        version: node.version.clone(),
        since: frame::when(node.began_at, now),
        acked: grouped(node.acked),
        heard: node.unheard.map_or_else(|| "Not yet".into(), |time| format!("{} ago", told::seconds(time))),
    }
}

fn change_row(Change { position, settled }: &Change, now: Timestamp) -> ChangeRow {
    // seconds apart, "just now" would say nothing
    let when = frame::when(settled.effective_at, now);
    ChangeRow {
        when: When { relative: when.exact.clone(), ..when },
        rev: grouped(position.rev),
        nodes: settled.nodes,
        took: told::seconds(settled.took),
        outlasted: settled.outlasted,
    }
}

fn summary(changes: &[Change]) -> Option<String> {
    let (median, most): (Duration, Duration) = cluster::percentiles(changes.iter().map(|change| change.settled.took))?;
    Some(format!(
        "The last {} took {} in the median, and all but one in a hundred {} at most, to be true on every node.",
        changes.len(),
        told::seconds(median),
        told::seconds(most)
    ))
}

/// 1,204,331
fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
