//! The canary of a node: it makes a credential now and then, revokes it, and asks every node whether it still accepts it. None may.
//!
//! Its credentials stand in the tables of all others, take revisions as they do, lie in the same memory, and are revoked through the same
//! barrier. They belong to no account that anyone has, are listed nowhere, and grant nothing: only `POST /v1/canary` knows them.
use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use claviger_domain::{
    access::Access,
    credential::{Credential, Kind, SecretView, State},
    id::{AccountId, CredentialId, SecretId},
    secret::Plain,
    token::{Purpose, hint, secret_part},
};
use claviger_store::{
    StoreError,
    credential::{Material, StoredSecret},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    app::App,
    verify::{self, CanaryAnswer},
};

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that is read, in bytes.
const LONGEST: usize = 4096;
/// After this a credential that its node has not lived to end is ended by any other.
const STALE: Duration = Duration::from_secs(60 * 60);

/// What a node answered when asked whether it accepts the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Accepted,
    Refused,
    CannotSay,
    /// No answer, or that of another node than the one that was asked.
    Unreachable,
}

impl Answer {
    pub(crate) const ALL: [Self; 4] = [Self::Accepted, Self::Refused, Self::CannotSay, Self::Unreachable];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::CannotSay => "cannot_say",
            Self::Unreachable => "unreachable",
        }
    }
}

/// What came of one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every node that had accepted the credential and answered afterwards refused it.
    Held,
    /// A node accepted it after its revocation had returned.
    Violated,
    /// No node both accepted it before and answered afterwards.
    Unproven,
    /// It could not be made or revoked.
    Failed,
}

impl Outcome {
    pub(crate) const ALL: [Self; 4] = [Self::Held, Self::Violated, Self::Unproven, Self::Failed];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Violated => "violated",
            Self::Unproven => "unproven",
            Self::Failed => "failed",
        }
    }
}

/// A node's canary.
#[derive(Debug)]
pub struct Canary {
    client: Client<HttpConnector, Full<Bytes>>,
    last: Option<Made>,
}

/// A credential of the canary: its public part, the revision after which it came, and whether its end is true on every node.
#[derive(Debug)]
struct Made {
    public_id: String,
    after: i64,
    has_ended: bool,
}

/// The nodes there are, by id, each with its address; None for this one.
type Nodes = BTreeMap<String, Option<String>>;

impl Default for Canary {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(PATIENCE));
        Self { client: Client::builder(TokioExecutor::new()).build(connector), last: None }
    }
}

impl Canary {
    /// Goes round again and again, as often as the settings say, for ever; returns at once when they say never.
    pub async fn keep(mut self, app: App) {
        let every = Duration::from_secs(app.settings.canary_every.unwrap_or_default().into());
        if every.is_zero() {
            return;
        }
        loop {
            tokio::time::sleep(every).await;
            self.round(&app).await;
        }
    }

    /// Makes a credential, asks every node for it, revokes it, asks every node again. What is found is counted, and said when it is bad.
    pub async fn round(&mut self, app: &App) -> Outcome {
        let outcome = match self.try_round(app).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(%error, "the canary could not go round");
                Outcome::Failed
            }
        };
        app.metrics.canary.count_round(outcome);
        outcome
    }

    async fn try_round(&mut self, app: &App) -> Result<Outcome, StoreError> {
        let key = self.make(app).await?;
        let mut nodes = nodes(app).await?;
        let before = self.ask_all(app, &nodes, &key).await;
        self.revoke(app).await?;
        // at once; and those too that were given up as dead meanwhile, which had better know it
        let mut after = self.ask_all(app, &nodes, &key).await;
        let mut joined = self::nodes(app).await.unwrap_or_default();
        joined.retain(|node, _| !nodes.contains_key(node));
        after.extend(self.ask_all(app, &joined, &key).await);
        nodes.extend(joined);
        app.metrics.canary.note_reach(!after.values().any(|answer| *answer == Answer::Unreachable));
        let mut outcome = Outcome::Unproven;
        for (node, answer) in after {
            let address = nodes.get(&node).and_then(Option::as_deref).unwrap_or_default();
            app.metrics.canary.count_answer(answer);
            match answer {
                Answer::Accepted => {
                    tracing::error!(node, address, "a node accepted a credential after its revocation had returned: the promise is broken");
                    app.metrics.canary.violations.inc();
                    outcome = Outcome::Violated;
                }
                Answer::Refused if outcome == Outcome::Unproven && before.get(&node) == Some(&Answer::Accepted) => outcome = Outcome::Held,
                Answer::Refused => {}
                Answer::CannotSay | Answer::Unreachable => {
                    tracing::warn!(node, address, answer = answer.as_str(), "the canary has no answer of a node")
                }
            }
        }
        Ok(outcome)
    }

    /// A fresh credential, known everywhere; and away with what is left of the last one.
    async fn make(&mut self, app: &App) -> Result<Plain, StoreError> {
        if self.last.as_ref().is_some_and(|last| !last.has_ended) {
            // only then has every node read the lines that are forgotten below
            self.revoke(app).await?;
        }
        let (now, chance) = (app.clock.now(), &*app.chance);
        let public_id = app.format.public_id(Purpose::Canary, chance);
        let key = app.format.key(&public_id, chance);
        let credential = Credential {
            id: CredentialId::new(now, chance),
            account_id: AccountId::CANARY,
            kind: Kind::ApiKey,
            public_id: public_id.clone(),
            label: "canary".to_owned(),
            description: None,
            access: Access::Roles(Default::default()),
            state: State::Active,
            expires_at: Some(now + STALE),
            allowed_networks: Vec::new(),
            refuse_replays: false,
            created_at: now,
            end: None,
        };
        let view = SecretView { id: SecretId::new(now, chance), hint: hint(key.expose()), created_at: now, expires_at: None };
        let secret = StoredSecret { view, material: Material::Digest(app.keys.pepper.digest(secret_part(key.expose()).as_bytes())) };
        let after = app.index.applied();
        let mut tx = app.store.begin().await?;
        if let Some(last) = &self.last {
            tx.forget_canary(&last.public_id, last.after, after).await?;
        }
        tx.insert_canary(&credential, &secret).await?;
        // before it is known whether it was committed: it must be ended in any case
        self.last = Some(Made { public_id, after, has_ended: false });
        let timeline = tx.timeline()?;
        app.meet(timeline).await?;
        tx.commit_housekeeping().await?;
        app.cluster.until_true(&app.index, timeline).await?;
        Ok(key)
    }

    /// Returns when it is true on every node, as a deletion does.
    async fn revoke(&mut self, app: &App) -> Result<(), StoreError> {
        let Some(last) = &mut self.last else { return Ok(()) };
        let mut tx = app.store.begin().await?;
        tx.end_canary(&last.public_id, app.clock.now() - STALE).await?;
        let timeline = tx.timeline()?;
        app.meet(timeline).await?;
        tx.commit_housekeeping().await?;
        app.cluster.until_true(&app.index, timeline).await?;
        last.has_ended = true;
        Ok(())
    }

    async fn ask_all(&self, app: &App, nodes: &Nodes, key: &Plain) -> BTreeMap<String, Answer> {
        let mut asking = JoinSet::new();
        for (node, address) in nodes.clone() {
            let (app, client, key) = (app.clone(), self.client.clone(), key.clone());
            asking.spawn(async move {
                let answer = match address {
                    None => verify::accepts_canary(&app, key.expose()).await.map_or(Answer::CannotSay, Answer::from),
                    Some(address) => timeout(PATIENCE, ask(&client, &node, &address, &key)).await.ok().flatten().unwrap_or(Answer::Unreachable),
                };
                (node, answer)
            });
        }
        asking.join_all().await.into_iter().collect()
    }
}

impl From<bool> for Answer {
    fn from(accepted: bool) -> Self {
        if accepted { Self::Accepted } else { Self::Refused }
    }
}

/// The nodes that have a row, and this one.
async fn nodes(app: &App) -> Result<Nodes, StoreError> {
    let own = app.cluster.own();
    let look = app.cluster.look().await?;
    let others = look.cluster.nodes.iter().filter(|node| Some(&node.id) != own.as_ref());
    let mut nodes: Nodes = others.map(|node| (node.id.clone(), Some(node.address.clone()))).collect();
    nodes.insert(own.unwrap_or_else(|| "this one".to_owned()), None);
    Ok(nodes)
}

/// None when there is no answer that can be read. An acceptance counts whoever gave it, a refusal only from whom it was asked.
async fn ask(client: &Client<HttpConnector, Full<Bytes>>, node: &str, address: &str, key: &Plain) -> Option<Answer> {
    let body = serde_json::to_vec(&serde_json::json!({ "key": key.expose() })).ok()?;
    let request = Request::post(format!("http://{address}{}", verify::CANARY)).header(header::CONTENT_TYPE, "application/json");
    let answer = client.request(request.body(Full::new(Bytes::from(body))).ok()?).await.ok()?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LONGEST).collect().await.ok()?.to_bytes();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return Some(Answer::CannotSay);
    }
    let answer: CanaryAnswer = serde_json::from_slice(&body).ok().filter(|_| status == StatusCode::OK)?;
    (answer.accepted || answer.node.as_deref() == Some(node)).then(|| Answer::from(answer.accepted))
}
