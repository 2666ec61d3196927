//! `claviger doctor`: what would weaken the promise that a revocation is true everywhere when it returns.
use std::time::Duration;

use claviger_server::{app::App, cluster::Mode};

use crate::{print, serve, settings};

/// Beyond this the times at which credentials end are noticeably off.
const NOTICEABLE: Duration = Duration::from_secs(1);
const TOO_MUCH: Duration = Duration::from_secs(5);

/// One finding: whether it is well, and what was found.
struct Finding(bool, String);

/// Looks at everything it knows of, says what it found, and fails if something is not well.
pub(crate) async fn run(flags: &settings::Flags) -> anyhow::Result<()> {
    let app = serve::beside(flags).await?;
    let findings = examine(&app).await?;
    for Finding(well, text) in &findings {
        print::line(&format!("{} {text}", if *well { "ok    " } else { "WEAK  " }));
    }
    let weak = findings.iter().filter(|Finding(well, _)| !well).count();
    anyhow::ensure!(weak == 0, "{weak} of {} would weaken the promise; see docs/revocation.md", findings.len());
    Ok(())
}

async fn examine(app: &App) -> anyhow::Result<Vec<Finding>> {
    let mut reader = app.store.reader().await?;
    let (asked, about, cluster) = (app.clock.now(), reader.about().await?, reader.cluster().await?);
    let answered = app.clock.now();
    let mut found = vec![
        Finding(true, format!("database: {}, revision {}", app.store.engine_name(), cluster.rev)),
        // openly is only ever spoken to this machine, or when the URL says so
        Finding(true, format!("the connection is {}encrypted", if about.encrypted { "" } else { "not " })),
        Finding(about.waits_for != "off" && about.waits_for != "local", format!("a commit waits for: {}", about.waits_for)),
        match (about.standbys, about.has_synchronous_standby) {
            (0, _) => Finding(true, "no standby follows the database".to_owned()),
            (standbys, true) => Finding(true, format!("{standbys} standbys, and commits wait for those in synchronous_standby_names")),
            (standbys, false) => Finding(
                false,
                format!("{standbys} standbys, and no commit waits for one: a failover may lose revocations (synchronous_standby_names)"),
            ),
        },
        match cluster.settled {
            true => Finding(true, "the primary is settled".to_owned()),
            false => Finding(
                false,
                "another primary was promoted: until a node has seen it for long enough every change waits as long as it may".to_owned(),
            ),
        },
    ];
    if let Some(now) = about.now {
        // the reply came some time between the two
        let skew = now.since(answered).max(asked.since(now));
        let text = format!("the database's clock differs from this machine's by {} ms or less", skew.as_millis());
        found.push(Finding(skew < TOO_MUCH, if skew < NOTICEABLE { text } else { format!("{text}: expiry is off by as much") }));
    }
    for node in &cluster.nodes {
        let behind = cluster.rev - node.acked;
        let text = format!("node {} at {}, version {}: {behind} revisions behind", node.id, node.address, node.version);
        found.push(Finding(node.version == env!("CARGO_PKG_VERSION"), text));
    }
    if app.settings.revocation.unwrap_or_default() == Mode::Lease {
        found.push(Finding(true, format!("leases are {} s long", Duration::from_millis(cluster.lease_ms.unsigned_abs()).as_secs_f64())));
    }
    Ok(found)
}
