//! `/v1/cluster`: the nodes, what each has applied, and how long the last change took to be true on all of them.
use serde::Serialize;
use utoipa::ToSchema;

use super::Operator;
use crate::problem::Problem;

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
    /// Whether it is the one that answers.
    answering: bool,
}

#[derive(Serialize, ToSchema)]
struct ChangeView {
    revision: i64,
    /// RFC 3339, UTC.
    effective_at: String,
    nodes: usize,
    /// Whether a node was silent, so that its lease had to be waited for.
    outlasted_a_lease: bool,
    after_seconds: f64,
}

/// Shows the nodes, their leases and revisions, and the last change.
#[utoipa::path(get, operation_id = "show_cluster", path = "/v1/cluster", tag = "cluster", responses((status = 200, body = ClusterView)))]
pub(crate) async fn show(operator: Operator) -> Result<axum::Json<ClusterView>, Problem> {
    let cluster = &operator.app.cluster;
    let look = cluster.look().await?;
    let (own, terms, seen) = (cluster.own(), cluster.gate.held.terms(), &look.cluster);
    let node = |node: &claviger_store::lease::Node| NodeView {
        id: node.id.clone(),
        address: node.address.clone(),
        version: node.version.clone(),
        joined_at: node.began_at.to_string(),
        acknowledged: node.acked,
        answering: Some(&node.id) == own.as_ref(),
    };
    let change = |settled: crate::cluster::Settled| ChangeView {
        revision: settled.rev,
        effective_at: settled.effective_at.to_string(),
        nodes: settled.nodes,
        outlasted_a_lease: settled.outlasted,
        after_seconds: settled.took.as_secs_f64(),
    };
    Ok(axum::Json(ClusterView {
        lease_seconds: terms.lease().as_secs_f64(),
        longest_wait_seconds: terms.wait().as_secs_f64(),
        revision: seen.rev,
        safe_revision: seen.nodes.iter().map(|node| node.acked).min().unwrap_or(seen.rev),
        primary_is_settled: seen.settled,
        nodes: seen.nodes.iter().map(node).collect(),
        last_change: cluster.last_settled().map(change),
    }))
}
