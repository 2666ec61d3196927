//! A place that answers whether a credential is accepted: a node, or a route behind a gateway.
use std::time::Duration;

use claviger_domain::judge::Refusal;
use hyper::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Subject;
use crate::client::Client;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) struct Place {
    /// What it is called in the report.
    pub(super) name: String,
    kind: Kind,
}

enum Kind {
    Node(Client),
    Through(Client),
    /// It is not asked, since what answers is somebody else, or where it would is not known.
    Astray,
}

/// What it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Accepted,
    Refused,
    CannotSay,
    NoAnswer,
}

impl Place {
    /// The gateway address of a node; `id` is the one it should have.
    pub(super) async fn node(url: &str, id: Option<&str>) -> Self {
        let client = Client::new(url, None);
        match (id, who_answers(&client).await) {
            (Some(id), Some(found)) if id != found => Self { name: format!("node {id} ({url} leads to node {found})"), kind: Kind::Astray },
            (id, found) => {
                let id = found.or(id.map(str::to_owned)).unwrap_or_default();
                Self { name: format!("node {id} at {url}").replace("  ", " "), kind: Kind::Node(client) }
            }
        }
    }

    /// A node of which nobody tells where it verifies.
    pub(super) fn unknown(url: &str) -> Self {
        Self {
            name: format!("the node at {url}, which tells no gateway address; name it with --gateway, and those of the others too"),
            kind: Kind::Astray,
        }
    }

    /// A route behind a gateway.
    pub(super) fn through(url: &str) -> Self {
        Self { name: format!("through {url}"), kind: Kind::Through(Client::new(url, None)) }
    }

    /// Whether there is anybody to ask.
    pub(super) fn is_asked(&self) -> bool {
        !matches!(self.kind, Kind::Astray)
    }

    pub(super) fn is_gateway(&self) -> bool {
        matches!(self.kind, Kind::Through(_))
    }

    pub(super) async fn ask(&self, subject: &Subject) -> Said {
        let asking = async {
            match &self.kind {
                Kind::Node(client) => {
                    let fields = json!({ "Authorization": format!("Bearer {}", subject.token), "AccountId": subject.account });
                    let question = json!({ "method": "GET", "path": "/", "headers": fields });
                    client.send(Method::POST, "/v1/verify", &question).await.map(|(status, answer)| judged(status, &answer))
                }
                Kind::Through(client) => client.get_with(&subject.token, &subject.account).await.map(passed_on),
                Kind::Astray => Ok(Said::NoAnswer),
            }
        };
        timeout(PATIENCE, asking).await.ok().and_then(Result::ok).unwrap_or(Said::NoAnswer)
    }
}

/// The id of the node that answers; None when none does.
pub(super) async fn who_answers(client: &Client) -> Option<String> {
    // what is no key is refused, and whoever refuses says who it is
    let asked = timeout(PATIENCE, client.send(Method::POST, "/v1/canary", &json!({ "key": "" }))).await;
    asked.ok()?.ok()?.1["node"].as_str().map(str::to_owned)
}

/// A refusal for another reason than that the credential is none says nothing of its deletion.
fn judged(status: u16, answer: &Value) -> Said {
    match (status, answer["verdict"].as_str(), answer["reason"].as_str()) {
        (200, Some("allowed"), _) => Said::Accepted,
        (200, Some("refused"), Some(reason)) if reason == Refusal::Unauthenticated.code() => Said::Refused,
        _ => Said::CannotSay,
    }
}

fn passed_on(status: u16) -> Said {
    match status {
        401 | 403 => Said::Refused,
        429 | 500.. => Said::CannotSay,
        _ => Said::Accepted,
    }
}
