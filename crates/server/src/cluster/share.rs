//! A node's share of rate limits, from when it joins until every other node knows that it is there: see `verify/rate/share.rs`.
use claviger_store::StoreError;

use crate::{app::App, verify::rate_moment};

/// Gives this life of the node its share as soon as no other node counts without it. It goes the way of every change: who has acknowledged a revision
/// that came after our row, in a transaction or with a lease of later, has counted that row.
pub(super) async fn claim(app: App, life: u64) {
    let mut failing = false;
    while app.rates.share.is_awaited(life) {
        match wait_for_others(&app).await {
            // where the database counts, what is in these buckets is for when it cannot
            Ok(()) => app.rates.share.give(life, app.rates.is_exact(), rate_moment(app.clock.now())),
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "whether every node knows of this one cannot be said; until it can, it has no share of rate limits");
                }
                tokio::time::sleep(app.cluster.gate.held.terms().heartbeat()).await;
            }
        }
    }
}

async fn wait_for_others(app: &App) -> Result<(), StoreError> {
    let mut tx = app.store.begin().await?;
    let timeline = tx.timeline()?;
    app.meet(timeline).await?;
    tx.take_revision().await?;
    tx.commit_housekeeping().await?;
    app.cluster.until_true(&app.index, timeline).await
}
