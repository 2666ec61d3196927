//! The settings that nodes on one database share. Each node tells digests of its own with its row, and who comes compares: nodes that are set
//! otherwise would contradict each other, and nobody would see why.
use std::{collections::BTreeMap, time::Duration};

use claviger_store::lease::{Agreement, Node, differing};

use super::driver::JoinError;
use crate::{app::App, config::Shown as _};

/// Between looks at nodes that are set otherwise and may be dead.
const PAUSE: Duration = Duration::from_millis(100);

/// What a node with these settings tells of them.
#[must_use]
pub fn of(app: &App) -> Agreement {
    let settings = &app.settings;
    let word = |(name, value): (&str, Option<String>)| {
        let told = format!("setting {name} {}", value.unwrap_or_default());
        let digest = data_encoding::HEXLOWER.encode(&app.keys.session.digest(told.as_bytes()).as_bytes()[..8]);
        format!("{name}={digest}")
    };
    let text = |value: toml::Value| value.to_string();
    let must = [("prefix", settings.prefix.clone()), ("kinds", Some(app.kinds.own().to_owned()))];
    let should = [
        ("public_url", Some(app.public_url().to_owned())),
        ("preflight", settings.preflight.map(|value| text(value.to_shown()))),
        ("rate_limit", settings.rate_limit.map(|value| text(value.to_shown()))),
        ("rate_limit_counting", settings.rate_limit_counting.map(|value| text(value.to_shown()))),
    ];
    Agreement { must: must.map(word).join(" "), should: should.map(word).join(" ") }
}

/// Returns when no node that lives is set otherwise where that must not be. A row that is left of a dead one goes when its lease is over, and is
/// waited for.
///
/// # Errors
/// [`JoinError::SetOtherwise`] as soon as one that is set otherwise shows that it lives.
pub(super) async fn assure(app: &App) -> Result<(), JoinError> {
    let own = of(app);
    let refused = |node: &Node, name: &str| JoinError::SetOtherwise { name: name.to_owned(), id: node.id.clone(), address: node.address.clone() };
    let terms = app.cluster.gate.held.terms();
    let deadline = tokio::time::Instant::now() + terms.wait() + terms.heartbeat();
    let mut beats = BTreeMap::new();
    loop {
        let look = app.cluster.look().await?;
        let mut waits = false;
        for node in &look.cluster.nodes {
            let Some(name) = differing(&own.must, &node.agreement.must).first().copied() else { continue };
            if *beats.entry(node.id.clone()).or_insert(node.beat) != node.beat || deadline <= tokio::time::Instant::now() {
                return Err(refused(node, name));
            }
            waits = true;
        }
        if !waits {
            warn(&own, &look.cluster.nodes);
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn warn(own: &Agreement, nodes: &[Node]) {
    for node in nodes {
        for setting in differing(&own.should, &node.agreement.should) {
            tracing::warn!(setting, node = node.id, address = node.address, "another node is set otherwise; set all nodes alike");
        }
    }
}
