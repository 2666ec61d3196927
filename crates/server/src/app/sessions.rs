//! The sessions of a person: what they, and those who manage members, see of them, and how they end before their time.
use claviger_domain::{
    email::Email,
    event::Action,
    policy::{Actor, Grant, ManageMembers},
    secret::Digest,
    time::Timestamp,
};
use claviger_store::{
    Tx,
    session::{Origin, Person, Session},
};
use serde_json::json;

use super::{
    App, operator_keys,
    sign_in::{SignedIn, is_valid, operator},
};
use crate::{problem::Problem, request::Context};

/// What may be seen of a session.
pub(crate) struct SessionView {
    /// Names it among its person's; it signs nobody in.
    pub(crate) id: String,
    /// From where it was begun.
    pub(crate) origin: Origin,
    pub(crate) created_at: Timestamp,
    /// When it was last used, to the minute.
    pub(crate) seen_at: Timestamp,
    /// Whether it is the one that asks.
    pub(crate) is_this: bool,
}

/// One's own sessions, the last used first.
pub(crate) async fn list_own(app: &App, who: &SignedIn) -> Result<Vec<SessionView>, Problem> {
    list(app, &who.person, &who.session).await
}

/// Ends one of one's own sessions. It may have ended already.
pub(crate) async fn end_own(app: &App, context: &Context, who: &SignedIn, id: &str) -> Result<(), Problem> {
    end_one(app, context, &who.actor, &who.person, id).await
}

/// Ends all of one's own sessions but this one, and the links that would begin others.
pub(crate) async fn end_own_others(app: &App, context: &Context, who: &SignedIn) -> Result<(), Problem> {
    end_all(app, context, &who.actor, &who.person, Some(&who.session)).await.map(drop)
}

/// A member's sessions, the last used first.
pub(crate) async fn list_of_member(app: &App, who: &SignedIn, grant: &Grant<ManageMembers>, email: &str) -> Result<Vec<SessionView>, Problem> {
    list(app, &member(app, grant, email).await?, &who.session).await
}

/// Ends one of a member's sessions. It may have ended already.
pub(crate) async fn end_of_member(app: &App, context: &Context, grant: &Grant<ManageMembers>, email: &str, id: &str) -> Result<(), Problem> {
    end_one(app, context, grant.actor(), &member(app, grant, email).await?, id).await
}

/// Ends all of a member's sessions, and the links that would begin others.
pub(crate) async fn end_all_of_member(app: &App, context: &Context, grant: &Grant<ManageMembers>, email: &str) -> Result<(), Problem> {
    let person = member(app, grant, email).await?;
    end_all(app, context, grant.actor(), &person, None).await.map(drop)
}

/// Ends every session of the operator's console, and every sign-in link to it, from the command line. How many sessions ended.
///
/// # Errors
/// When the database is not available.
pub async fn end_all_of_operator(app: &App) -> Result<u64, Problem> {
    let (grant, context) = (operator_keys::command_line()?, operator_keys::on_command_line());
    end_all(app, &context, grant.actor(), &operator(), None).await
}

async fn member(app: &App, grant: &Grant<ManageMembers>, email: &str) -> Result<Person, Problem> {
    let (account, folded) = (grant.account().id, Email::parse(email).map_err(|_| Problem::not_found())?.folded());
    let found = app.store.reader().await?.find_member(account, &folded).await?.ok_or_else(Problem::not_found)?;
    Ok(Person { account_id: Some(account), name: found.folded })
}

async fn list(app: &App, person: &Person, this: &Digest) -> Result<Vec<SessionView>, Problem> {
    let (now, all) = (app.clock.now(), app.store.reader().await?.list_sessions(person).await?);
    let view = |(digest, session): &(Digest, Session)| SessionView {
        id: id(digest),
        origin: session.origin.clone(),
        created_at: session.created_at,
        seen_at: session.seen_at,
        is_this: digest.matches(this).into(),
    };
    Ok(all.iter().filter(|(_, session)| is_valid(session, now)).map(view).collect())
}

/// Links may go where no session does: that is told too.
async fn end_all(app: &App, context: &Context, actor: &Actor, person: &Person, but: Option<&Digest>) -> Result<u64, Problem> {
    let mut tx = app.store.begin().await?;
    let ended = tx.delete_sessions(person, but).await?;
    record(app, context, tx, actor, person, ended).await?;
    Ok(ended)
}

async fn end_one(app: &App, context: &Context, actor: &Actor, person: &Person, wanted: &str) -> Result<(), Problem> {
    let all = app.store.reader().await?.list_sessions(person).await?;
    let Some((digest, _)) = all.iter().find(|(digest, _)| id(digest) == wanted) else { return Ok(app.confirm().await?) };
    let mut tx = app.store.begin().await?;
    if tx.delete_session(digest).await? == 0 {
        drop(tx);
        // whoever ended it may not have been told that it is so
        return Ok(app.confirm().await?);
    }
    record(app, context, tx, actor, person, 1).await
}

async fn record(app: &App, context: &Context, mut tx: Tx, actor: &Actor, person: &Person, ended: u64) -> Result<(), Problem> {
    let event = app.event(context, actor, Action::SessionEnded, person.account_id, &person.name, json!({ "sessions": ended }));
    let recorded = tx.record(&event).await?;
    Ok(app.commit(tx, recorded).await?)
}

fn id(digest: &Digest) -> String {
    data_encoding::HEXLOWER.encode(&digest.as_bytes()[..8])
}
