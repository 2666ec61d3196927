//! `Idempotency-Key`: the same answer again for ten minutes, its secret included, sealed at rest. A lost response loses no secret.
use std::time::Duration;

use axum::{body::Bytes, http::HeaderMap};
use claviger_domain::{policy::Actor, secret::Digest};
use claviger_store::{StoreError, Tx};
use serde::Serialize;

use super::App;
use crate::problem::{Code, Problem};

const REMEMBERED: Duration = Duration::from_secs(600);

/// One caller's idempotency key, with the request it came with.
pub struct Once {
    caller_and_key: Digest,
    request: Digest,
}

impl Once {
    /// The request's idempotency key, if it has one. `place` and `body` say which request it is.
    ///
    /// # Errors
    /// When the header is repeated, or not 1 to 255 visible ASCII characters.
    pub(crate) fn of(app: &App, actor: &Actor, headers: &HeaderMap, place: &str, body: &[u8]) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else { return Ok(None) };
        let key = value.as_bytes();
        if values.next().is_some() || !(1..=255).contains(&key.len()) || !key.iter().all(u8::is_ascii_graphic) {
            return Err(Problem::new(Code::HeaderInvalid, "Send one Idempotency-Key, of 1 to 255 visible ASCII characters."));
        }
        Ok(Some(Self::new(app, actor, key, &[place.as_bytes(), body])))
    }

    /// A console form's own nonce: sending the same form again does nothing again.
    pub(crate) fn of_form(app: &App, actor: &Actor, place: &str, nonce: &str) -> Self {
        Self::new(app, actor, nonce.as_bytes(), &[place.as_bytes()])
    }

    fn new(app: &App, actor: &Actor, key: &[u8], request: &[&[u8]]) -> Self {
        // lengths first, so that no two lists of parts give one message
        let digest = |parts: &[&[u8]]| {
            let mut message = b"idempotency".to_vec();
            for part in parts {
                message.extend_from_slice(&(part.len() as u64).to_be_bytes());
                message.extend_from_slice(part);
            }
            app.keys.session.digest(&message)
        };
        Self { caller_and_key: digest(&[actor.identity().as_bytes(), key]), request: digest(request) }
    }

    /// Remembers `answer` in the transaction that made it.
    pub(crate) async fn remember(&self, app: &App, tx: &mut Tx, answer: &impl Serialize) -> Result<(), Problem> {
        let plain = serde_json::to_vec(answer).map_err(|_| Problem::internal("an answer could not be written"))?;
        let sealed = app.keys.seal(self.caller_and_key.as_bytes(), plain).ok_or_else(|| Problem::internal("an answer could not be sealed"))?;
        let now = app.clock.now();
        match tx.remember(&self.caller_and_key, &self.request, sealed, now, now + REMEMBERED).await {
            Err(StoreError::Duplicate) => Err(Problem::new(Code::Conflict, "A request with this Idempotency-Key is being answered. Try again.")),
            other => Ok(other?),
        }
    }

    /// The answer remembered for this very request, when what it tells is true everywhere: whoever was given it first may not have waited so long.
    ///
    /// # Errors
    /// When the key was used for another request, or it is not known whether it is true everywhere.
    pub(crate) async fn remembered(&self, app: &App) -> Result<Option<Bytes>, Problem> {
        let mut reader = app.store.reader().await?;
        let Some(found) = reader.find_remembered(&self.caller_and_key, app.clock.now()).await? else { return Ok(None) };
        let timeline = reader.timeline()?;
        drop(reader);
        if found.request != self.request.as_bytes() {
            return Err(Problem::new(Code::IdempotencyKeyReused, "Use a new Idempotency-Key for a new request."));
        }
        let answer = app.keys.unseal(self.caller_and_key.as_bytes(), &found.answer);
        let answer = answer.ok_or_else(|| Problem::internal("a remembered answer could not be opened"))?;
        app.make_sure(timeline).await?;
        Ok(Some(Bytes::copy_from_slice(&answer)))
    }
}
