//! Signing in: one-time links that the operator's own application hands to its signed-in user, and the sessions they begin.
use std::time::Duration;

use claviger_domain::{
    base62,
    email::Email,
    event::Action,
    id::AccountId,
    policy::{Actor, Grant, OperatorGrant, SeeAccount},
    secret::{Digest, Plain},
    time::Timestamp,
};
use claviger_store::session::{Origin, Person, Session};
use serde::{Serialize, Serializer};
use serde_json::json;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{App, once::Once, operator_keys};
use crate::{
    problem::{Code, Problem},
    request::Context,
    verify::sweep_rates,
};

const LINK_LIVES: Duration = Duration::from_secs(5 * 60);
/// The operator's first link is read from a terminal, perhaps after a coffee.
const FIRST_LINK_LIVES: Duration = Duration::from_secs(60 * 60);
const IDLE: Duration = Duration::from_secs(60 * 60);
const ABSOLUTE: Duration = Duration::from_secs(24 * 60 * 60);
/// 256 bits, at 5.95 bits a character.
const TOKEN: usize = 43;

/// A one-time sign-in link.
#[derive(Serialize, ToSchema)]
#[schema(as = LinkView)]
pub struct Link {
    /// Signs in whoever opens it first.
    #[serde(serialize_with = "expose")]
    #[schema(value_type = String)]
    pub url: Plain,
    /// RFC 3339, UTC.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
}

fn expose<S: Serializer>(url: &Plain, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.expose())
}

/// Makes a link for a member of an account.
pub(crate) async fn create_link(
    app: &App,
    context: &Context,
    grant: &Grant<SeeAccount>,
    by: &OperatorGrant,
    email: &str,
    once: Option<&Once>,
) -> Result<Link, Problem> {
    let folded = Email::parse(email)?.folded();
    let member = app.store.reader().await?.find_member(grant.account().id, &folded).await?;
    let member = member
        .ok_or_else(|| claviger_domain::invalid::Invalid::new("email", "not_a_member", "Nobody with this address is a member of this account."))?;
    let person = Person { account_id: Some(grant.account().id), name: folded };
    link(app, context, by, person, &member.email, LINK_LIVES, once).await
}

/// Makes the first operator's link, for whoever started the server.
///
/// # Errors
/// When the database is not available.
pub async fn create_operator_link(app: &App) -> Result<Link, Problem> {
    let grant = operator_keys::command_line()?;
    link(app, &operator_keys::on_command_line(), &grant, operator(), "operator", FIRST_LINK_LIVES, None).await
}

/// Makes a link for a member from the command line: what a demonstration prints.
///
/// # Errors
/// When nobody with that address is a member, or the database is not available.
pub async fn create_member_link(app: &App, account: AccountId, email: &str) -> Result<Link, Problem> {
    let context = operator_keys::on_command_line();
    let by = operator_keys::command_line()?;
    let grant = app.permit::<SeeAccount>(&context, by.actor(), account).await?;
    create_link(app, &context, &grant, &by, email, None).await
}

async fn link(
    app: &App,
    context: &Context,
    by: &OperatorGrant,
    person: Person,
    target: &str,
    lives: Duration,
    once: Option<&Once>,
) -> Result<Link, Problem> {
    let token = Zeroizing::new(base62::random(TOKEN, &*app.chance));
    let expires_at = app.clock.now() + lives;
    let mut tx = app.store.begin().await?;
    tx.insert_sign_in_link(&digest(app, "link", &token), &person, expires_at).await?;
    let link = Link { url: Plain::new(format!("{}/sign-in/{}", app.public_url(), *token)), expires_at };
    if let Some(once) = once {
        once.remember(app, &mut tx, &link).await?;
    }
    let event = app.event(context, by.actor(), Action::SignInLinkCreated, person.account_id, target, json!({ "expires_at": expires_at }));
    let recorded = tx.record(&event).await?;
    app.commit(tx, recorded).await?;
    Ok(link)
}

/// Whoever signs in to the operator's console: who of its staff it is nobody knows.
pub(super) fn operator() -> Person {
    Person { account_id: None, name: "operator".into() }
}

fn spent() -> Problem {
    Problem::new(Code::LinkSpent, "Each link signs in once, within a few minutes. Ask for a new one where you got this one.")
}

/// What a link is stored under, if it can be one.
fn link_digest(app: &App, token: &str) -> Result<Digest, Problem> {
    if token.len() == TOKEN && base62::is(token) { Ok(digest(app, "link", token)) } else { Err(spent()) }
}

/// Whom a link signs in, without using it up.
pub(crate) async fn find_link(app: &App, token: &str) -> Result<Person, Problem> {
    let found = app.store.reader().await?.find_sign_in_link(&link_digest(app, token)?).await?;
    found.filter(|(_, expires_at)| app.clock.now() < *expires_at).map(|(person, _)| person).ok_or_else(spent)
}

/// Uses a link up and begins a session in this browser. The answer is the session's token, for the cookie.
pub(crate) async fn use_link(app: &App, context: &Context, token: &str, browser: Option<String>) -> Result<(Plain, Person), Problem> {
    let (link, now) = (link_digest(app, token)?, app.clock.now());
    let mut tx = app.store.begin().await?;
    let Some(person) = tx.take_sign_in_link(&link, now).await? else { return Err(spent()) };
    let session = base62::random(TOKEN, &*app.chance);
    let origin = Origin { source: context.source.map(|ip| ip.to_string()), browser };
    tx.insert_session(&digest(app, "session", &session), &person, &origin, now).await?;
    let event = app.event(context, &actor_of(&person, String::new()), Action::SessionStarted, person.account_id, &person.name, json!({}));
    let recorded = tx.record(&event).await?;
    app.commit(tx, recorded).await?;
    Ok((Plain::new(session), person))
}

/// Who is signed in with this token: their session, still valid, and the role they have now. None when nobody.
pub(crate) async fn authenticate(app: &App, token: &str) -> Result<Option<SignedIn>, Problem> {
    if token.len() != TOKEN || !base62::is(token) {
        return Ok(None);
    }
    let (digest, now) = (digest(app, "session", token), app.clock.now());
    let mut reader = app.store.reader().await?;
    let Some(session) = reader.find_session(&digest).await? else { return Ok(None) };
    if !is_valid(&session, now) {
        return Ok(None);
    }
    let person = session.person;
    let signed_in = match person.account_id {
        None => SignedIn { actor: actor_of(&person, String::new()), name: None, person, session: digest },
        Some(account) => {
            let Some(member) = reader.find_member(account, &person.name).await? else { return Ok(None) };
            let Some(found) = reader.find_account(account).await? else { return Ok(None) };
            let actor = Actor::Member { account, kind: found.kind, email: member.email, role: member.role };
            SignedIn { actor, name: member.name, person, session: digest }
        }
    };
    drop(reader);
    if now.since(session.seen_at) >= Duration::from_secs(60) {
        let mut tx = app.store.begin().await?;
        tx.touch_session(&digest, now).await?;
        tx.commit_housekeeping().await?;
    }
    Ok(Some(signed_in))
}

/// A person with a session.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub(crate) actor: Actor,
    pub(crate) name: Option<String>,
    /// They themselves, and the account they are a member of; none for the operator.
    pub(crate) person: Person,
    /// The digest of this session's token.
    pub(crate) session: Digest,
}

/// Ends a session; or makes sure that it has ended. No node has sessions in memory, so nobody else is waited for.
pub(crate) async fn sign_out(app: &App, context: &Context, token: &str) -> Result<(), Problem> {
    let Some(signed_in) = authenticate(app, token).await? else { return Ok(app.confirm().await?) };
    let mut tx = app.store.begin().await?;
    tx.delete_session(&digest(app, "session", token)).await?;
    let event = app.event(context, &signed_in.actor, Action::SessionEnded, signed_in.person.account_id, signed_in.actor.as_text(), json!({}));
    let recorded = tx.record(&event).await?;
    Ok(app.commit(tx, recorded).await?)
}

/// Drops what is past its time.
///
/// # Errors
/// When the database is not available.
pub async fn sweep(app: &App) -> Result<(), Problem> {
    let now = app.clock.now();
    let mut tx = app.store.begin().await?;
    tx.sweep(now, now - ABSOLUTE, now - IDLE).await?;
    tx.forget_expired_tokens(now).await?;
    tx.commit_housekeeping().await?;
    app.index.forget_expired_tokens(now);
    app.replays.sweep(now);
    Ok(sweep_rates(app).await?)
}

pub(super) fn is_valid(session: &Session, now: Timestamp) -> bool {
    now.since(session.created_at) < ABSOLUTE && now.since(session.seen_at) < IDLE
}

fn actor_of(person: &Person, role: String) -> Actor {
    match person.account_id {
        None => Actor::Operator { name: person.name.clone(), key: None },
        Some(account) => Actor::Member { account, kind: String::new(), email: person.name.clone(), role },
    }
}

fn digest(app: &App, purpose: &str, token: &str) -> Digest {
    app.keys.session.digest(format!("{purpose}:{token}").as_bytes())
}
