//! `POST /v1/canary`: whether this node accepts a key of another node's canary. No other question accepts one, and this one accepts no other.
use axum::extract::State;
use claviger_domain::{id::AccountId, secret::Plain, token::Purpose};
use serde::{Deserialize, Serialize};

use super::{CannotSay, Moment, No, secrets};
use crate::{app::App, body::Json, problem::Problem};

/// Where it is asked, on the gateway listener.
pub(crate) const PATH: &str = "/v1/canary";

/// What a canary asks another node.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CanaryQuestion {
    key: Plain,
}

/// What the other node answers.
#[derive(Serialize, Deserialize)]
pub(crate) struct CanaryAnswer {
    /// The id of the row of who answers, while it has one: an address may lead elsewhere than it is believed to.
    pub(crate) node: Option<String>,
    pub(crate) accepted: bool,
}

/// Says yes or no, or 503: cannot say.
pub(crate) async fn answer(State(app): State<App>, question: Json<CanaryQuestion>) -> Result<axum::Json<CanaryAnswer>, Problem> {
    let accepted = accepts_canary(&app, question.value.key.expose()).await.map_err(|_| Problem::cannot_say())?;
    Ok(axum::Json(CanaryAnswer { node: app.cluster.own(), accepted }))
}

/// Whether the canary's key `text` is accepted here: looked up, proven and found alive as any credential is, from the same memory.
pub(crate) async fn accepts_canary(app: &App, text: &str) -> Result<bool, CannotSay> {
    let moment = Moment::now(app);
    let entry = match secrets::key(app, Purpose::Canary, text, moment).await {
        Ok((entry, _)) => entry,
        Err(No::CannotSay) => return Err(CannotSay),
        Err(_) => return Ok(false),
    };
    let is_canary = entry.account_id == AccountId::CANARY && entry.life().is_alive(moment.now, None);
    Ok(is_canary && app.index.account(entry.account_id).await?.is_some())
}
