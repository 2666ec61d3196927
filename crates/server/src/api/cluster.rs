//! `/v1/cluster`: the nodes, what each has applied, and how long the last changes took to be true on all of them.
use serde::Serialize;
use utoipa::ToSchema;

use super::Operator;
use crate::{
    app::cluster::{self, Facts, Health, Member},
    cluster::Change,
    problem::Problem,
};

/// The cluster, as the node that answers sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClusterView {
    /// The length of every lease, in seconds.
    lease_seconds: f64,
    /// After which a change is true even if a node is silent, in seconds.
    longest_wait_seconds: f64,
    /// The revision of now.
    revision: i64,
    /// The revision that every node has applied; what was revoked up to it is revoked everywhere.
    safe_revision: i64,
    /// False for a while after another database server was promoted: until then every change waits as long as it may.
    primary_is_settled: bool,
    nodes: Vec<NodeView>,
    /// The last change on the node that answers.
    last_change: Option<ChangeView>,
    /// The last changes on the node that answers, latest first; 20 at most.
    changes: Vec<ChangeView>,
    /// The median of what they took, in seconds.
    p50_seconds: Option<f64>,
    /// What 99 of 100 took at most, in seconds.
    p99_seconds: Option<f64>,
    /// What makes the promise less than it is, in sentences; empty when nothing does.
    weaknesses: Vec<String>,
}

#[derive(Serialize, ToSchema)]
struct NodeView {
    id: String,
    address: String,
    version: String,
    /// RFC 3339, UTC.
    joined_at: String,
    /// The revision up to which it has applied changes.
    acknowledged: i64,
    /// How long nothing was heard of it, in seconds, as far as the node that answers has seen.
    unheard_seconds: Option<f64>,
    state: Health,
    /// Whether it is the one that answers.
    answering: bool,
}

#[derive(Serialize, ToSchema)]
struct ChangeView {
    revision: i64,
    /// RFC 3339, UTC.
    effective_at: String,
    nodes: usize,
    /// Whether leases had to be waited out, since not every node confirmed it.
    outlasted_a_lease: bool,
    after_seconds: f64,
}

impl From<&Member> for NodeView {
    fn from(node: &Member) -> Self {
        Self {
            id: node.id.clone(),
            address: node.address.clone(),
            version: node.version.clone(),
            joined_at: node.began_at.to_string(),
            acknowledged: node.acked,
            unheard_seconds: node.unheard.map(|time| time.as_secs_f64()),
            state: node.health,
            answering: node.is_answering,
        }
    }
}

impl From<&Change> for ChangeView {
    fn from(Change { position, settled }: &Change) -> Self {
        Self {
            revision: position.rev,
            effective_at: settled.effective_at.to_string(),
            nodes: settled.nodes,
            outlasted_a_lease: settled.outlasted,
            after_seconds: settled.took.as_secs_f64(),
        }
    }
}

/// Shows the nodes, their leases and revisions, the last changes, and what weakens the promise.
#[utoipa::path(get, operation_id = "show_cluster", path = "/v1/cluster", tag = "cluster", responses((status = 200, body = ClusterView)))]
pub(crate) async fn show(operator: Operator) -> Result<axum::Json<ClusterView>, Problem> {
    let Facts { lease, longest_wait, rev, safe_rev, primary_is_settled, nodes, changes, weaknesses } =
        cluster::look(&operator.app, &operator.grant).await?;
    let percentiles = cluster::percentiles(changes.iter().map(|change| change.settled.took));
    Ok(axum::Json(ClusterView {
        lease_seconds: lease.as_secs_f64(),
        longest_wait_seconds: longest_wait.as_secs_f64(),
        revision: rev,
        safe_revision: safe_rev,
        primary_is_settled,
        nodes: nodes.iter().map(NodeView::from).collect(),
        last_change: changes.first().map(ChangeView::from),
        changes: changes.iter().map(ChangeView::from).collect(),
        p50_seconds: percentiles.map(|(median, _)| median.as_secs_f64()),
        p99_seconds: percentiles.map(|(_, most)| most.as_secs_f64()),
        weaknesses,
    }))
}
