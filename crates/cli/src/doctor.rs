//! `claviger doctor`: what would weaken the promise that a revocation is true everywhere when it returns.
use std::{collections::BTreeSet, time::Duration};

use claviger_server::{
    app::{App, cluster::weaknesses},
    cluster::{LeaseClock, Mode, agreement},
};
use claviger_store::lease::{About, Cluster, Node, differing};

use crate::{check, print, serve, settings};

/// Beyond this the times at which credentials end are noticeably off.
const NOTICEABLE: Duration = Duration::from_secs(1);
const TOO_MUCH: Duration = Duration::from_secs(5);

/// What the kernel says of the clock that it reads; not there on other systems.
const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// One finding.
enum Finding {
    /// As it should be.
    Well(String),
    /// Worth knowing; the promise holds all the same.
    Note(String),
    /// It would weaken the promise.
    Weak(String),
}

use Finding::{Note, Weak, Well};

impl Finding {
    fn of(well: bool, text: String) -> Self {
        if well { Well(text) } else { Weak(text) }
    }
}

/// Looks at everything it knows of, says what it found, and fails if something is not well.
pub(crate) async fn run(flags: &settings::Flags) -> anyhow::Result<()> {
    print::start_log("warn");
    let mut settings = flags.resolve()?;
    // to open with a wish would be to fulfil it
    let wished = settings.lease.take();
    let mut findings = Vec::new();
    let on_postgres = settings.database.is_some();
    let examined = async {
        let app = serve::open_beside(settings).await?;
        if on_postgres {
            // or it could not have been opened
            findings.push(Well("each connection has a session of the server to itself".to_owned()));
        }
        examine(&app, wished, &mut findings).await
    };
    let examined = examined.await;
    for finding in &findings {
        print::line(&match finding {
            Well(text) => format!("ok     {text}"),
            Note(text) => format!("note   {text}"),
            Weak(text) => format!("WEAK   {text}"),
        });
    }
    examined?;
    let weak = findings.iter().filter(|finding| matches!(finding, Weak(_))).count();
    anyhow::ensure!(weak == 0, "{weak} of {} would weaken the promise; see docs/revocation.md", findings.len());
    Ok(())
}

async fn examine(app: &App, wished: Option<u32>, found: &mut Vec<Finding>) -> anyhow::Result<()> {
    let mut reader = app.store.reader().await?;
    let (asked, about, answered) = (app.clock.now(), reader.about().await?, app.clock.now());
    let cluster = reader.cluster().await?;
    drop(reader);
    found.push(Well(format!("database: {}, revision {}", app.store.engine_name(), cluster.position.rev)));
    if let Some(damage) = app.store.find_damage().await? {
        found.push(Weak(format!("the database's file is damaged: {damage}; restore the newest good backup")));
    }
    found.extend(of_the_database(&about, &cluster, app.store.is_shared()));
    if let Some(now) = about.now {
        // it was read some time between the two: at which end of that time the difference is greatest
        let skew = answered.since(now).max(now.since(asked));
        let text = format!("the database's clock differs from this machine's by {} ms or less", skew.as_millis());
        found.push(match skew {
            _ if skew < NOTICEABLE => Well(text),
            _ if skew < TOO_MUCH => Note(format!("{text}: expiry is off by as much")),
            _ => Weak(format!("{text}: expiry is off by as much")),
        });
    }
    if app.settings.revocation.unwrap_or_default() == Mode::Lease {
        found.extend(of_the_lease(&cluster, wished));
    }
    for node in &cluster.nodes {
        found.extend(of_a_node(node, &cluster).await);
    }
    found.extend(of_the_settings(app, &cluster.nodes));
    found.push(Note("not looked at: a gateway that remembers answers; `claviger cluster check --through URL` does".to_owned()));
    Ok(())
}

/// `is_shared`: whether it is reached over a connection.
fn of_the_database(about: &About, cluster: &Cluster, is_shared: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    if is_shared {
        // openly is only ever spoken to this machine, or when the URL says so
        found.push(Well(format!("the connection is {}encrypted", if about.encrypted { "" } else { "not " })));
    }
    if about.waits_for_the_disk() && about.syncs {
        found.push(Well(format!("a commit waits for: {}", about.waits_for)));
    }
    match about.standbys {
        0 => found.push(Well("no standby follows the database".to_owned())),
        _ if about.may_lose_on_failover() => {}
        standbys => found.push(Well(format!("standbys: {standbys}, and commits wait for as many (synchronous_standby_names)"))),
    }
    if cluster.settled {
        found.push(Well("the primary is settled".to_owned()));
    }
    found.extend(weaknesses(about, cluster).into_iter().map(Weak));
    found
}

fn of_the_lease(cluster: &Cluster, wished: Option<u32>) -> Vec<Finding> {
    let length = Duration::from_millis(cluster.lease_ms.unsigned_abs());
    let mut found = vec![Well(format!("leases are {} s long", length.as_secs_f64()))];
    if let Some(wished) = wished.filter(|wished| Duration::from_secs((*wished).into()) != length) {
        // it can be changed while no node runs
        let text =
            format!("this node is set to leases of {wished} s, and would {}", if cluster.nodes.is_empty() { "make them so" } else { "not start" });
        found.push(Finding::of(cluster.nodes.is_empty(), text));
    }
    // what no clock is read from shows the lowest number there is
    let runs = LeaseClock::System.read().boot > 0;
    found.push(Finding::of(runs, format!("this machine {} a clock of time since boot that counts suspension", if runs { "has" } else { "lacks" })));
    if let Ok(source) = std::fs::read_to_string(CLOCK_SOURCE) {
        let source = source.trim();
        // these count interrupts: time stands still while interrupts are held back
        found.push(Finding::of(!source.contains("jiffies"), format!("this machine's clock source is {source}")));
    }
    found
}

/// Whether the nodes are set alike, and as we were told. What must be the same is, or they would not have joined.
fn of_the_settings(app: &App, nodes: &[Node]) -> Vec<Finding> {
    let Some((first, others)) = nodes.split_first() else { return Vec::new() };
    let names = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
    let among = names(others.iter().flat_map(|node| differing(&first.agreement.should, &node.agreement.should)).collect());
    let own = agreement::of(app);
    let ours = names(nodes.iter().flat_map(|node| differing(&own.should, &node.agreement.should)).collect());
    let mut found = Vec::new();
    found.push(match among.as_str() {
        _ if others.is_empty() => Note("one node has a lease here; nodes without leases tell nothing of their settings".to_owned()),
        "" => Well("the nodes with leases are set alike".to_owned()),
        among => Weak(format!("the nodes differ in a setting: {among}")),
    });
    if !ours.is_empty() {
        found.push(Note(format!("this command was given other settings than a node: {ours}; what it says of those holds for itself alone")));
    }
    found
}

async fn of_a_node(node: &Node, cluster: &Cluster) -> [Finding; 2] {
    let behind = cluster.position.rev - node.acked;
    let text = format!("node {} at {}, version {}: {behind} revisions behind", node.id, node.address, node.version);
    let there = match check::who_is_at(&node.address).await {
        Some(found) if found == node.id => Well(format!("node {} answers there", node.id)),
        Some(_) => Note(format!("node {}: another one answers there, so that no canary can ask it; see --advertise", node.id)),
        None => Note(format!("node {} does not answer there, as far as can be seen from here; see --advertise", node.id)),
    };
    [Finding::of(node.version == env!("CARGO_PKG_VERSION"), text), there]
}
