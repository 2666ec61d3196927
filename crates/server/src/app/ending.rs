//! Ending credentials, those that wait together in one transaction.
//!
//! A commit waits for the disk, and on PostgreSQL for the commit before it, whichever node made that: one for each would be a few hundred in a second.
//! So while one is being made, whoever comes waits, and all who waited share the next: one revision, one commit, one barrier. A lone one waits for nobody. Who
//! asks for what cannot be done is told so alone. Nobody waits for a credential that another keeps but who asked for that very one.
use std::collections::HashMap;

use claviger_domain::{
    access::Access,
    credential::{Credential, End, Reason, State},
    event::Action,
    id::{AccountId, CredentialId},
    kind,
    policy::{Grant, ManageCredentials},
};
use claviger_store::{StoreError, Tx, ending::Ended};
use serde_json::json;
use tokio::sync::{oneshot, watch};

use super::App;
use crate::{cluster::Progress, problem::Problem, request::Context};

/// What someone asks for: all of it, or none with the reason.
#[derive(Debug)]
pub(super) struct Asked {
    context: Context,
    grant: Grant<ManageCredentials>,
    ending: kind::Ending,
    restorable: bool,
    ids: Vec<CredentialId>,
    reason: Option<Reason>,
    answer: oneshot::Sender<Result<Answer, Problem>>,
}

/// The credentials as they are when the change is through.
#[derive(Debug)]
struct Answer {
    credentials: Vec<Credential>,
    progress: watch::Receiver<Progress>,
}

/// See [`super::credentials::end_all`].
pub(super) async fn end(
    app: &App,
    context: &Context,
    grant: &Grant<ManageCredentials>,
    rules: &kind::Rules,
    ids: &[CredentialId],
    reason: Option<Reason>,
) -> Result<Vec<Credential>, Problem> {
    let (answer, answered) = oneshot::channel();
    let asked =
        Asked { context: context.clone(), grant: grant.clone(), ending: rules.ending, restorable: rules.restore, ids: ids.to_vec(), reason, answer };
    app.endings.add(asked);
    let task = app.clone();
    tokio::spawn(async move { task.endings.take_turn(|together| end_together(&task, together)).await });
    let Answer { credentials, progress } = answered.await.map_err(|error| Problem::from(StoreError::Unknown(error.to_string())))??;
    app.wait_for(progress).await?;
    Ok(credentials)
}

/// Ends what nobody else keeps; whoever asked for anything else is given a transaction of their own, which waits.
async fn end_together(app: &App, together: Vec<Asked>) {
    let wanted: Vec<_> = together.iter().flat_map(Asked::wanted).collect();
    let taken = async {
        let mut tx = app.store.begin().await?;
        let taken = tx.take_free_credentials(&wanted).await?;
        Ok((tx, by_id(taken)))
    };
    match taken.await {
        Ok((tx, taken)) => {
            let (free, kept): (Vec<_>, Vec<_>) = together.into_iter().partition(|asked| asked.find(&taken).is_some());
            for asked in kept {
                tokio::spawn(end_alone(app.clone(), asked));
            }
            if !free.is_empty() {
                write(app, tx, taken, free).await;
            }
        }
        Err(error) => together.into_iter().for_each(|asked| asked.fail(StoreError::clone(&error).into())),
    }
}

async fn end_alone(app: App, asked: Asked) {
    let taken = async {
        let mut tx = app.store.begin().await?;
        let taken = tx.take_credentials(&asked.wanted().collect::<Vec<_>>()).await?;
        Ok((tx, by_id(taken)))
    };
    match taken.await {
        Ok((tx, taken)) if asked.find(&taken).is_some() => write(&app, tx, taken, vec![asked]).await,
        Ok(_) => asked.fail(Problem::not_found()),
        Err(error) => asked.fail(StoreError::into(error)),
    }
}

/// Writes and commits; that it is true everywhere is waited for elsewhere.
async fn write(app: &App, mut tx: Tx, mut taken: HashMap<CredentialId, Credential>, all: Vec<Asked>) {
    let (tells, progress) = watch::channel(Progress::default());
    let mut ended = Vec::new();
    for asked in all {
        ended.extend(asked.end(app, &mut taken));
        let credentials = asked.find(&taken).unwrap_or_default();
        // nobody there any more: then nobody need know
        let _gone = asked.answer.send(Ok(Answer { credentials, progress: progress.clone() }));
    }
    drop(progress);
    let timeline = tx.timeline();
    let committed = async {
        let timeline = timeline.clone()?;
        if ended.is_empty() {
            // whoever did it may not have waited until it was true everywhere
            drop(tx);
            return app.confirm().await;
        }
        app.meet(timeline).await?;
        let recorded = tx.end_credentials(&ended).await?;
        tx.commit(recorded).await
    };
    let (committed, app) = (committed.await, app.clone());
    tokio::spawn(async move { app.follow(timeline.unwrap_or_default(), committed, tells).await });
}

impl Asked {
    fn wanted(&self) -> impl Iterator<Item = (AccountId, CredentialId)> {
        self.ids.iter().map(|id| (self.grant.account().id, *id))
    }

    /// What was asked for, if all of it is there.
    fn find(&self, taken: &HashMap<CredentialId, Credential>) -> Option<Vec<Credential>> {
        let is_theirs = |credential: &&Credential| credential.account_id == self.grant.account().id;
        self.ids.iter().map(|id| taken.get(id).filter(is_theirs).cloned()).collect()
    }

    /// Ends what has not ended, as its account's kind ends it.
    fn end(&self, app: &App, taken: &mut HashMap<CredentialId, Credential>) -> Vec<Ended> {
        let mut ended = Vec::with_capacity(self.ids.len());
        for id in &self.ids {
            let Some(credential) = taken.get_mut(id) else { continue };
            let leaked = self.reason == Some(Reason::Leaked);
            // that it leaked can be said later too, and forbids to bring it back
            let says_more = credential.state == State::Revoked && leaked && credential.end.as_ref().is_some_and(|end| end.reason != self.reason);
            if credential.state.is_ended() && !says_more {
                continue;
            }
            let was_paused = credential.end.as_ref().map_or(credential.state == State::Paused, |end| end.was_paused);
            let action;
            (credential.state, action) = match self.ending {
                kind::Ending::Delete => (State::Deleted, Action::CredentialDeleted),
                kind::Ending::Revoke => (State::Revoked, Action::CredentialRevoked),
            };
            credential.end = Some(End { at: app.clock.now(), by: self.grant.actor().as_text(), reason: self.reason, was_paused });
            if let Access::Roles(roles) = &mut credential.access {
                roles.clear();
            }
            let detail = json!({ "kind": credential.kind, "label": credential.label, "reason": self.reason });
            let event = app.event(&self.context, self.grant.actor(), action, Some(credential.account_id), &credential.public_id, detail);
            ended.push(Ended { credential: credential.clone(), forgets: !self.restorable || leaked, event });
        }
        ended
    }

    fn fail(self, problem: Problem) {
        let _gone = self.answer.send(Err(problem));
    }
}

fn by_id(credentials: Vec<Credential>) -> HashMap<CredentialId, Credential> {
    credentials.into_iter().map(|credential| (credential.id, credential)).collect()
}
