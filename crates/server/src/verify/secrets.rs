//! Credentials that are proven by showing the secret itself: API keys, Basic pairs, client secrets, passwords.
//!
//! What was found in memory is compared at once. Only what was not found, or does not match, is checked for form and tag: of a right one both
//! follow from the rest, and of the others it keeps the store from being asked for junk, in the same time for all of them.
use std::{hint::black_box, net::IpAddr};

use claviger_domain::{
    credential::Kind,
    id::SecretId,
    judge::Refusal,
    schemes::{basic::Pair, legacy::rule},
    secret::Plain,
    time::Timestamp,
    token::{Purpose, secret_part},
};

use super::{CannotSay, Entry, Kept, Moment, No, Proven, is_living, living, note_secret, passwords, silence};
use crate::app::App;

/// The credential of `kind` called `public_id`, and which of its secrets `presented` is; the same work for unknown, wrong and ended.
/// `is_ours`: whether the name and the secret can have been made here.
async fn prove(
    app: &App,
    (kind, public_id): (Kind, &str),
    in_memory: Option<Kept<Entry>>,
    presented: &str,
    is_ours: impl Fn() -> bool,
    now: Timestamp,
) -> Result<(Kept<Entry>, SecretId), No> {
    let was_found = in_memory.is_some();
    let entry = match in_memory {
        Some(entry) => Some(entry),
        None if !is_ours() || app.index.is_known_to_be_absent(public_id) => None,
        None => Box::pin(app.index.credential(public_id)).await?,
    };
    let entry = entry.filter(|entry| entry.kind == kind);
    let digest = app.keys.pepper.digest(presented.as_bytes());
    if let (Some(secret), Some(entry)) = (Entry::find_secret(entry.as_deref(), &digest, &app.dummy_digest, now), entry) {
        return Ok((entry, secret));
    }
    if was_found {
        // what was not found has been asked this already
        black_box(is_ours() && app.index.is_known_to_be_absent(public_id));
    }
    Err(Refusal::Unauthenticated.into())
}

/// What a wrong secret costs, for one that is right and whose credential has ended.
pub(super) fn look_up_for_nobody(app: &App, entry: &Entry) {
    let public_id = entry.public_id();
    black_box(app.format.is_public_id(Purpose::Basic, public_id) || app.format.is_public_id(Purpose::ApiKey, public_id));
    black_box(app.index.is_known_to_be_absent(public_id));
}

/// The key that `text` is, of those made for this purpose.
pub(super) async fn key(app: &App, purpose: Purpose, text: &str, moment: Moment) -> Result<(Kept<Entry>, SecretId), No> {
    let public_id = app.format.public_part(purpose, text).ok_or(Refusal::Unauthenticated)?;
    let in_memory = app.index.in_memory(public_id, moment.reading)?;
    let is_ours = || app.format.parse_key(purpose, text).is_some();
    prove(app, (Kind::ApiKey, public_id), in_memory, secret_part(text), is_ours, moment.now).await
}

/// A pair is a Basic key and its secret, a legacy username and password, or a whole API key in one half. A signing key presented so is refused:
/// its secret must not travel.
pub(super) async fn pair(app: &App, pair: &Pair, client_ip: Option<IpAddr>, moment: Moment) -> Result<Proven<'static>, No> {
    let (user, secret) = (pair.user(), pair.password());
    // before any name is looked for: that somebody is called so must not show in the time
    if let Some(text) = key_in(app, user, secret) {
        return key(app, Purpose::ApiKey, text, moment).await.map(Proven::from);
    }
    let in_memory = app.index.in_memory(user, moment.reading)?;
    let (was_found, has_own_name) = (in_memory.is_some(), || app.format.is_public_id(Purpose::Basic, user));
    if in_memory.as_ref().map_or_else(has_own_name, |entry| entry.kind == Kind::Basic) {
        let is_ours = || (!was_found || has_own_name()) && app.format.is_secret(secret);
        return prove(app, (Kind::Basic, user), in_memory, secret, is_ours, moment.now).await.map(Proven::from);
    }
    Box::pin(password(app, user, &Plain::new(secret.to_owned()), client_ip)).await.map(Proven::from)
}

/// The API key that stands in a pair, as clients send it that know only pairs: as the user without a password, or as the password of whomever.
fn key_in<'a>(app: &App, user: &'a str, secret: &'a str) -> Option<&'a str> {
    let is_key = |text| app.format.public_part(Purpose::ApiKey, text).is_some();
    match (is_key(user), is_key(secret)) {
        (false, true) => Some(secret),
        (true, false) if secret.is_empty() => Some(user),
        _ => None,
    }
}

/// A legacy username and password of a living credential. What was right before is known by its fast hash; everything else, the right password
/// of one that has ended or whose account is suspended too, costs a guess and Argon2id.
pub(crate) async fn password(app: &App, username: &str, password: &Plain, client_ip: Option<IpAddr>) -> Result<Kept<Entry>, No> {
    // nobody is called so; and a whole key may stand there by mistake, which is neither asked for in the database nor remembered
    if rule::check_username(username).is_err() {
        return Err(Refusal::Unauthenticated.into());
    }
    let now = app.clock.now();
    let entry = app.index.credential(username).await?.filter(|entry| entry.kind == Kind::Legacy);
    let fast = app.fast.digest(format!("{}:{}", username, password.expose()).as_bytes());
    let lives = match &entry {
        Some(entry) => living(app, entry, client_ip, now).await?.is_some(),
        None => false,
    };
    if let Some(entry) = entry.as_ref().filter(|entry| lives && entry.knows_password(&fast)) {
        return Ok(entry.clone());
    }
    if !app.passwords.may_try(username, client_ip, now) {
        return Err(Refusal::TooManyFailures.into());
    }
    match (app.passwords.check(entry.as_deref().and_then(Entry::password), password).await, entry) {
        (passwords::Answer::Right, Some(entry)) if lives => {
            entry.remember_password(fast);
            app.passwords.note_success(username, client_ip, now);
            Ok(entry)
        }
        (passwords::Answer::Busy, _) => {
            silence::note(|| "more passwords are to be checked than can be");
            Err(No::CannotSay)
        }
        _ => {
            app.passwords.note_failure(username, client_ip, now);
            Err(Refusal::Unauthenticated.into())
        }
    }
}

/// The living API key that `text` is; None when it is none of ours, or has ended.
pub(crate) async fn authenticate_key(app: &App, text: &str, client_ip: Option<IpAddr>) -> Result<Option<Kept<Entry>>, CannotSay> {
    match key(app, Purpose::ApiKey, text, Moment::now(app)).await {
        Ok((entry, _)) => Ok(is_living(app, &entry, client_ip).await?.then_some(entry)),
        Err(No::CannotSay) => Err(CannotSay),
        Err(_) => Ok(None),
    }
}

/// The living client credential with this id and secret, and which of its secrets that is; None for unknown, wrong, ended and suspended alike, after the same work.
pub(crate) async fn authenticate_client(
    app: &App,
    id: &str,
    presented: &Plain,
    client_ip: Option<IpAddr>,
) -> Result<Option<(Kept<Entry>, SecretId)>, CannotSay> {
    let moment = Moment::now(app);
    let is_ours = || app.format.is_public_id(Purpose::Client, id) && app.format.is_secret(presented.expose());
    let in_memory = app.index.in_memory(id, moment.reading)?;
    match prove(app, (Kind::Client, id), in_memory, presented.expose(), is_ours, moment.now).await {
        Ok((entry, secret)) => {
            if living(app, &entry, client_ip, moment.now).await?.is_none() {
                return Ok(None);
            }
            note_secret(app, &entry, Some(secret), client_ip, moment.now);
            Ok(Some((entry, secret)))
        }
        Err(No::CannotSay) => Err(CannotSay),
        Err(_) => Ok(None),
    }
}
