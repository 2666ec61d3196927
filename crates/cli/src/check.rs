//! `claviger cluster check`: the experiment of the promise, on live nodes. What it saw and what that shows is said by `check/report.rs`.
use std::{
    collections::BTreeSet,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use hyper::Method;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::timeout};

use crate::{client::Client, headers, print, sample_data};

mod place;
mod report;

use place::{Place, Said};
use report::Report;

/// How long a node may take to accept a new credential.
const ACCEPTANCE: Duration = Duration::from_secs(5);
/// Between one question of a verifier and its next.
const PAUSE: Duration = Duration::from_millis(1);
/// How long the nodes go on being asked after a deletion.
const AFTERWARDS: Duration = Duration::from_millis(300);
/// Longer than the longest wait for the longest lease: so long a deletion is tried, on one node or several.
const DELETION: Duration = Duration::from_secs(90);
/// How long the management API may take for anything else.
const PATIENCE: Duration = Duration::from_secs(10);
/// Not everything that was asked for could be shown. As clap's own status for what it does not understand.
const NOT_ALL_SHOWN: u8 = 2;

/// Whom to ask, and how much.
#[derive(clap::Args)]
pub(crate) struct Check {
    /// The public address of a node, such as http://10.0.0.5:8080; of several, each deletes in turn
    #[arg(required = true, value_name = "URL")]
    nodes: Vec<String>,
    /// A file that holds the operator's key, so that it does not stand in the process list; - is standard input
    #[arg(long, value_name = "FILE")]
    key_file: Option<String>,
    /// The gateway address of a node, such as http://10.0.0.5:8081, in place of those that the cluster tells. Repeatable
    #[arg(long, value_name = "URL")]
    gateway: Vec<String>,
    /// A route of your API behind its gateway, which then must refuse too: one that remembers answers is found by it. Repeatable
    #[arg(long, value_name = "URL")]
    through: Vec<String>,
    /// How many credentials are deleted
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,
    /// How many ask each node at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    verifiers: u16,
}

/// Exit status 0: held, 1: broken, 2: not everything asked for could be shown.
pub(crate) async fn run(check: &Check) -> ExitCode {
    match experiment(check).await {
        Ok(report) => {
            report.print();
            match (report.is_broken(), report.shows_all()) {
                (true, _) => ExitCode::FAILURE,
                (false, true) => ExitCode::SUCCESS,
                (false, false) => ExitCode::from(NOT_ALL_SHOWN),
            }
        }
        Err(error) => {
            print::failure(&error);
            ExitCode::from(NOT_ALL_SHOWN)
        }
    }
}

/// A credential of the experiment.
struct Subject {
    account: String,
    id: String,
    token: String,
    /// Whether the answer to its deletion has been received.
    deleted: AtomicBool,
}

async fn experiment(check: &Check) -> anyhow::Result<Report> {
    let key = check.operator_key()?;
    let nodes = check.nodes.iter().map(|url| Ok(Client::new(base(url)?, Some(&key)))).collect::<anyhow::Result<Vec<_>>>()?;
    let places = places(check, &nodes).await?;
    let mut report = Report::of(&places);
    let new = json!({ "kind": "corporate", "name": "Cluster check", "external_id": "claviger-cluster-check" });
    let account = timeout(PATIENCE, sample_data::account(&nodes[0], new)).await.context("no account was made in time")??;
    timeout(DELETION, tidy(&nodes[0], &account)).await.context("what an earlier check left was not deleted in time")??;
    let mut subjects = Vec::new();
    for at in 0..check.rounds as usize {
        match round(&nodes, at, &places, &account, check.verifiers, &mut report).await {
            Ok(subject) => subjects.push(subject),
            // what was seen before counts all the same
            Err(error) => {
                report.broke_off(&error);
                break;
            }
        }
    }
    // what a node was told late, or forgot, may come up later
    for subject in subjects {
        for (place, node) in places.iter().enumerate().filter(|(_, place)| place.is_asked()) {
            report.afterwards(place, node.ask(&subject).await);
        }
    }
    Ok(report)
}

/// Ends what a check that was broken off has left in the account: it would count against the account's limit.
async fn tidy(api: &Client, account: &str) -> anyhow::Result<()> {
    let path = format!("/v1/accounts/{account}/credentials");
    let listed = api.expect(Method::GET, &format!("{path}?limit=200"), &Value::Null).await?;
    for left in listed["items"].as_array().into_iter().flatten().filter_map(|left| left["id"].as_str()) {
        api.expect(Method::DELETE, &format!("{path}/{left}"), &Value::Null).await?;
    }
    Ok(())
}

/// Makes a credential, has every place asked for it all the time, deletes it meanwhile.
async fn round(
    nodes: &[Client],
    at: usize,
    places: &Arc<[Place]>,
    account: &str,
    verifiers: u16,
    report: &mut Report,
) -> anyhow::Result<Arc<Subject>> {
    let subject = Arc::new(Subject::make(&nodes[at % nodes.len()], account).await?);
    let accepting = accepting(places, &subject).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut asking = JoinSet::new();
    for place in 0..places.len() {
        for _ in 0..verifiers {
            asking.spawn(hammer(places.clone(), place, subject.clone(), stop.clone()));
        }
    }
    let took = delete(nodes, at, &subject).await;
    tokio::time::sleep(AFTERWARDS).await;
    stop.store(true, Ordering::SeqCst);
    let said: Vec<(usize, Said)> = asking.join_all().await.into_iter().flatten().collect();
    report.round(&accepting, &said);
    report.deleted(took?);
    Ok(subject)
}

/// The id of the node at this gateway address; None when none answers.
pub(crate) async fn who_is_at(address: &str) -> Option<String> {
    place::who_answers(&Client::new(&format!("http://{address}"), None)).await
}

impl Check {
    fn operator_key(&self) -> anyhow::Result<String> {
        let key = match &self.key_file {
            Some(file) => String::from_utf8(headers::read(file)?).map_err(|_| anyhow::anyhow!("{file} is not UTF-8"))?,
            None => std::env::var("CLAVIGER_OPERATOR_KEY").context("an operator's key is needed: CLAVIGER_OPERATOR_KEY, or --key-file")?,
        };
        let key = key.trim();
        ensure!(!key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()), "that is no operator's key");
        Ok(key.to_owned())
    }
}

/// An address without its trailing slash.
fn base(url: &str) -> anyhow::Result<&str> {
    let url = url.trim_end_matches('/');
    ensure!(
        url.strip_prefix("http://").is_some_and(|rest| !rest.is_empty() && !rest.contains('@')),
        "{url} must begin with http:// and name no user"
    );
    Ok(url)
}

/// Every place that must refuse: the nodes there are or that were named, and the routes behind gateways.
async fn places(check: &Check, nodes: &[Client]) -> anyhow::Result<Arc<[Place]>> {
    let mut places = Vec::new();
    for url in &check.gateway {
        places.push(Place::node(base(url)?, None).await);
    }
    let (mut first, mut known) = (None, BTreeSet::new());
    for (url, api) in check.nodes.iter().zip(nodes) {
        let asked = timeout(PATIENCE, api.expect(Method::GET, "/v1/cluster", &Value::Null)).await;
        let cluster = asked.with_context(|| format!("the node at {url} does not answer"))?.with_context(|| format!("of the node at {url}"))?;
        let told = cluster["nodes"].as_array().context("that node does not tell of a cluster")?;
        if check.gateway.is_empty() {
            for node in told {
                let (id, address) = (node["id"].as_str().unwrap_or_default(), node["address"].as_str().unwrap_or_default());
                if known.insert(id.to_owned()) {
                    places.push(Place::node(&format!("http://{address}"), Some(id)).await);
                }
            }
            // in another mode than `lease` it has no row
            if !told.iter().any(|node| node["answering"] == true) {
                places.push(Place::unknown(url));
            }
        }
        first.get_or_insert(cluster);
    }
    let cluster = first.context("no node was named")?;
    for url in &check.through {
        places.push(Place::through(base(url)?));
    }
    let nodes = cluster["nodes"].as_array().map_or(0, Vec::len);
    let lease = cluster["lease_seconds"].as_f64().unwrap_or_default();
    print::line(&format!("nodes: {nodes}, with leases of {lease} s; revision {}", cluster["revision"]));
    Ok(places.into())
}

impl Subject {
    async fn make(api: &Client, account: &str) -> anyhow::Result<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let making = async {
            let path = format!("/v1/accounts/{account}/credentials");
            let made = api.expect(Method::POST, &path, &json!({ "kind": "client", "email": "cluster-check@example.com" })).await?;
            let exchange = json!({ "clientId": made["public_id"], "clientSecret": made["secret"] });
            let token = api.expect(Method::POST, "/auth/token", &exchange).await?;
            anyhow::Ok(Self {
                account: account.to_owned(),
                id: text(&made["id"]),
                token: text(&token["access_token"]),
                deleted: AtomicBool::new(false),
            })
        };
        timeout(PATIENCE, making).await.context("no credential was made in time")?
    }
}

/// Which places accept the credential, as all should.
async fn accepting(places: &Arc<[Place]>, subject: &Arc<Subject>) -> Vec<bool> {
    let mut asking = JoinSet::new();
    for place in 0..places.len() {
        let (places, subject) = (places.clone(), subject.clone());
        asking.spawn(async move {
            let until = async {
                while places[place].ask(&subject).await != Said::Accepted {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            (place, places[place].is_asked() && timeout(ACCEPTANCE, until).await.is_ok())
        });
    }
    let mut accepting = vec![false; places.len()];
    for (place, accepts) in asking.join_all().await {
        accepting[place] = accepts;
    }
    accepting
}

/// Asks one place again and again until told to stop; gives what it said to what was sent after the deletion had returned.
async fn hammer(places: Arc<[Place]>, place: usize, subject: Arc<Subject>, stop: Arc<AtomicBool>) -> Vec<(usize, Said)> {
    let mut said = Vec::new();
    while places[place].is_asked() {
        let last = stop.load(Ordering::SeqCst);
        // the order of the two makes it sure that what counts was sent afterwards
        let is_deleted = subject.deleted.load(Ordering::SeqCst);
        let answer = places[place].ask(&subject).await;
        if is_deleted {
            said.push((place, answer));
        }
        if last {
            break;
        }
        // often enough to notice, and no load that the deletions would be slower for
        tokio::time::sleep(if answer == Said::NoAnswer { 20 * PAUSE } else { PAUSE }).await;
    }
    said
}

/// Deletes the credential through one node, and through the next when that one cannot say. Gives how long it took.
async fn delete(nodes: &[Client], first: usize, subject: &Subject) -> anyhow::Result<Duration> {
    let (path, begun) = (format!("/v1/accounts/{}/credentials/{}", subject.account, subject.id), Instant::now());
    for attempt in 0.. {
        let left = DELETION.saturating_sub(begun.elapsed());
        let answer = timeout(left, nodes[(first + attempt) % nodes.len()].send(Method::DELETE, &path, &Value::Null)).await;
        match answer {
            Ok(Ok((204, _))) => {
                subject.deleted.store(true, Ordering::SeqCst);
                return Ok(begun.elapsed());
            }
            // not known, or not true everywhere yet: it is asked for again until it is
            Ok(Ok((202 | 503, _)) | Err(_)) | Err(_) if begun.elapsed() < DELETION => tokio::time::sleep(Duration::from_millis(50)).await,
            Ok(Ok((status, answer))) => anyhow::bail!("a deletion was answered {status}: {answer}"),
            Ok(Err(error)) => return Err(error),
            Err(_) => break,
        }
    }
    anyhow::bail!("a deletion did not return within {} s", DELETION.as_secs())
}
