//! The cluster as the operator sees it: the nodes, how far each is, how long changes took, and what weakens the promise.
use std::time::Duration;

use claviger_domain::{policy::OperatorGrant, time::Timestamp};
use claviger_store::lease::{About, Cluster, Node};

use super::App;
use crate::{
    cluster::{Change, is_silence},
    problem::Problem,
    verify,
};

/// What is known of the cluster, as the node that answers sees it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The length of every lease.
    pub lease: Duration,
    /// After which a change is true though a node is silent.
    pub longest_wait: Duration,
    /// The revision of now.
    pub rev: i64,
    /// The revision up to which everything is true on every node.
    pub safe_rev: i64,
    /// False for a while after another database server was promoted.
    pub primary_is_settled: bool,
    /// The nodes, by id.
    pub nodes: Vec<Member>,
    /// The last changes on the node that answers, latest first.
    pub changes: Vec<Change>,
    /// What makes the promise less than it is, in sentences.
    pub weaknesses: Vec<String>,
}

/// A node.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its id in this life.
    pub id: String,
    /// How it is reached, for people.
    pub address: String,
    /// What runs there.
    pub version: String,
    /// When it joined.
    pub began_at: Timestamp,
    /// The revision up to which it has applied changes.
    pub acked: i64,
    /// How long ago its lease was renewed at least, as far as the one that answers has seen; None while that has none itself.
    pub unheard: Option<Duration>,
    /// Whether it is the one that answers.
    pub is_answering: bool,
    /// How it does.
    pub health: Health,
}

/// How a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It has applied every change.
    Current,
    /// It has not applied every change yet.
    Behind,
    /// It missed a heartbeat. Changes wait until its lease is over.
    Silent,
}

/// Looks at the cluster.
pub(crate) async fn look(app: &App, _: &OperatorGrant) -> Result<Facts, Problem> {
    let look = app.cluster.look().await?;
    let about = app.store.reader().await?.about().await?;
    let (own, terms, seen) = (app.cluster.own(), app.cluster.gate.held.terms(), &look.cluster);
    let own_age = app.cluster.gate.lease_age();
    let member = |node: &Node| {
        let is_answering = Some(&node.id) == own.as_ref();
        let unheard = if is_answering { own_age } else { look.unheard.get(&node.id).copied() };
        // what this one knows of itself need not wait for its next heartbeat
        let acked = if is_answering { app.index.applied() } else { node.acked };
        let is_silent = unheard.is_some_and(|time| is_silence(time, terms));
        Member {
            id: node.id.clone(),
            address: node.address.clone(),
            version: node.version.clone(),
            began_at: node.began_at,
            acked,
            unheard,
            is_answering,
            health: match (is_silent, acked < seen.position.rev) {
                (true, _) => Health::Silent,
                (false, true) => Health::Behind,
                (false, false) => Health::Current,
            },
        }
    };
    let mut weaknesses = weaknesses(&about, seen);
    // it may know before it could say so to the database
    if app.index.has_lost() && !seen.has_lost {
        weaknesses.push(verify::HAS_LOST.into());
    }
    Ok(Facts {
        lease: terms.lease(),
        longest_wait: terms.wait(),
        rev: seen.position.rev,
        safe_rev: app.cluster.safe().await?.min(seen.position.rev),
        primary_is_settled: seen.settled,
        nodes: seen.nodes.iter().map(member).collect(),
        changes: app.cluster.changes(),
        weaknesses,
    })
}

/// What makes the promise less than it is, as far as the database knows, in sentences.
#[must_use]
pub fn weaknesses(about: &About, cluster: &Cluster) -> Vec<String> {
    let mut found = Vec::new();
    if cluster.has_lost {
        found.push(verify::HAS_LOST.to_owned());
    }
    if !cluster.settled {
        found.push(
            "Another database server was promoted a moment ago: until every older lease is over, each change waits as long as it may.".to_owned(),
        );
    }
    if about.may_lose_on_failover() {
        found.push(match about.standbys_waited_for {
            0 => "No commit waits for a standby: a failover may lose revocations (synchronous_standby_names).".to_owned(),
            count => format!(
                "A commit waits for {count} of the {} standbys that follow: a failover to another may lose revocations (synchronous_standby_names).",
                about.standbys
            ),
        });
    }
    if !about.syncs {
        found.push("The database server does not wait for its disk: a crash of its machine may lose revocations (fsync is off).".to_owned());
    }
    if !about.waits_for_the_disk() {
        found.push(format!("A commit does not wait for the disk (synchronous_commit is {}).", about.waits_for));
    }
    found
}

/// The median of what the changes took, and what 99 of 100 took at most.
#[must_use]
pub fn percentiles(took: impl IntoIterator<Item = Duration>) -> Option<(Duration, Duration)> {
    let mut took: Vec<Duration> = took.into_iter().collect();
    took.sort_unstable();
    let at = |share: usize| took.get((took.len() * share).div_ceil(100).saturating_sub(1)).copied();
    at(50).zip(at(99))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_all_changes_in_whatever_order() {
        let millis = |range: std::ops::RangeInclusive<u64>| range.rev().map(Duration::from_millis);
        assert_eq!(percentiles(millis(1..=100)), Some((Duration::from_millis(50), Duration::from_millis(99))));
        assert_eq!(percentiles(millis(7..=7)), Some((Duration::from_millis(7), Duration::from_millis(7))));
        assert_eq!(percentiles([]), None);
    }
}
