//! Credentials: making, showing, changing, replacing the secrets of, and ending them.
use std::time::Duration;

use claviger_domain::{
    access::Access,
    account::Account,
    credential::{CannotIssue, Credential, Edit, End, Kind, Reason, SecretView, State, Wish, may_issue},
    event::Action,
    id::{CredentialId, SecretId},
    invalid::Invalid,
    kind::{self, Part},
    policy::{Actor, Grant, ManageCredentials},
    schemes::legacy::rule,
    secret::Plain,
    time::Timestamp,
    token::{Purpose, hint, secret_part},
};
use claviger_store::{
    StoreError, Tx,
    credential::{Filter, Listed, ListedSecret, Material, StoredSecret},
    page::{Page, PageRequest},
};
use serde_json::json;

pub use shown::{AccessView, CredentialView, EndView, SecretShown, SecretUseView, UseView};

use super::{App, accounts, ending, once::Once, standing};
use crate::{
    problem::{Code, Problem},
    request::Context,
    verify::{Entry, hash_password, seal_context},
};

mod shown;

/// How long an ended credential can be brought back.
const RESTORABLE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The longest that two secrets of a credential live side by side.
pub(crate) const LONGEST_OVERLAP: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A new secret: what is shown of it once, and what is stored.
async fn new_secret(app: &App, kind: Kind, public_id: &str, chosen: Option<Plain>) -> Result<(Option<Plain>, StoredSecret), Problem> {
    let now = app.clock.now();
    let id = SecretId::new(now, &*app.chance);
    let digest = |secret: &str| Material::Digest(app.keys.pepper.digest(secret.as_bytes()));
    let (shown, material) = match kind {
        Kind::Client | Kind::Basic => {
            let secret = app.format.secret(&*app.chance);
            let material = digest(secret.expose());
            (Some(secret), material)
        }
        Kind::ApiKey => {
            let key = app.format.key(public_id, &*app.chance);
            let material = digest(secret_part(key.expose()));
            (Some(key), material)
        }
        Kind::Hmac => {
            let secret = app.format.secret(&*app.chance);
            let sealed = app.keys.seal(&seal_context(id), secret.expose().as_bytes().to_vec());
            (Some(secret), Material::Sealed(sealed.ok_or_else(|| Problem::internal("a secret could not be sealed"))?))
        }
        Kind::Legacy => {
            let password = chosen.ok_or_else(|| Problem::internal("a legacy credential without a password"))?;
            let chance = app.chance.clone();
            let phc = tokio::task::spawn_blocking(move || hash_password(&password, &*chance)).await.ok().flatten();
            (None, Material::Password(phc.ok_or_else(|| Problem::internal("a password could not be hashed"))?))
        }
    };
    let hint = shown.as_ref().map_or_else(String::new, |secret| hint(secret.expose()));
    Ok((shown, StoredSecret { view: SecretView { id, hint, created_at: now, expires_at: None }, material }))
}

fn kind_of<'a>(app: &'a App, account: &Account) -> Result<&'a kind::Kind, Problem> {
    app.kinds.find(&account.kind).ok_or_else(Problem::not_found)
}

/// How many active credentials the account has, where that matters: counting ten thousand takes its time.
async fn count_if_limited(tx: &mut Tx, kind: &kind::Kind, account: &Account) -> Result<u32, StoreError> {
    if kind.credentials.active_limit.is_some() { tx.count_credentials(account.id).await } else { Ok(0) }
}

/// Makes a credential. Its secret is in the answer, and never anywhere again.
pub(crate) async fn create(
    app: &App,
    context: &Context,
    grant: &Grant<ManageCredentials>,
    wish: Wish,
    once: Option<&Once>,
) -> Result<CredentialView, Problem> {
    let kind = kind_of(app, grant.account())?;
    let now = app.clock.now();
    let specification = wish.check(&kind.credentials, now)?;
    let (public_id, chosen) = match (specification.kind, specification.chosen) {
        (_, Some((username, password))) => (username, Some(password)),
        (Kind::Client, None) => (app.format.public_id(Purpose::Client, &*app.chance), None),
        (Kind::Basic, None) => (app.format.public_id(Purpose::Basic, &*app.chance), None),
        (Kind::Hmac, None) => (app.format.public_id(Purpose::Hmac, &*app.chance), None),
        (Kind::ApiKey | Kind::Legacy, None) => (app.format.public_id(Purpose::ApiKey, &*app.chance), None),
    };
    if accounts::is_any_above_suspended(app, grant.account()).await? {
        return Err(CannotIssue::Suspended.into());
    }
    // before the transaction: Argon2id takes its time, and nobody else should wait for it
    let (secret, stored) = new_secret(app, specification.kind, &public_id, chosen).await?;
    let mut tx = app.store.begin().await?;
    let account = tx.find_account_for_update(grant.account().id).await?.ok_or_else(Problem::not_found)?;
    may_issue(&account, kind, count_if_limited(&mut tx, kind, &account).await?)?;
    let credential = Credential {
        id: CredentialId::new(now, &*app.chance),
        account_id: account.id,
        kind: specification.kind,
        public_id,
        label: specification.label,
        description: specification.description,
        access: specification.access,
        state: State::Active,
        expires_at: specification.expires_at,
        allowed_networks: specification.allowed_networks,
        refuse_replays: specification.refuse_replays,
        created_at: now,
        end: None,
    };
    tx.insert_credential(&credential, &stored, &grant.actor().as_text()).await.map_err(|error| match error {
        StoreError::Duplicate => Invalid::new("username", "username_taken", "This username is taken. Choose another.").into(),
        other => Problem::from(other),
    })?;
    let view = CredentialView { secret, ..CredentialView::from(&credential) };
    if let Some(once) = once {
        once.remember(app, &mut tx, &view).await?;
    }
    let detail = json!({
        "kind": credential.kind,
        "label": credential.label,
        "description": credential.description,
        "access": credential.access.words(),
        "expires_at": credential.expires_at,
        "allowed_networks": view.allowed_networks,
        "refuse_replays": credential.refuse_replays,
    });
    record(app, context, grant, tx, Action::CredentialCreated, &credential, detail).await?;
    Ok(view)
}

/// The credentials that are listed, newest first.
pub(crate) async fn list(app: &App, grant: &Grant<ManageCredentials>, filter: &Filter, page: &PageRequest) -> Result<Page<Listed>, Problem> {
    let safe = app.cluster.safe().await?;
    let page = app.store.reader().await?.list_credentials(grant.account().id, filter, page, safe).await?;
    Ok(Page { items: standing::settled(app, page.items).await?, ..page })
}

/// As [`list`], with those of every account below it.
pub(crate) async fn list_below(app: &App, grant: &Grant<ManageCredentials>, page: &PageRequest) -> Result<Page<Listed>, Problem> {
    let safe = app.cluster.safe().await?;
    let page = app.store.reader().await?.list_credentials_below(grant.account().id, &Filter::default(), page, safe).await?;
    Ok(Page { items: standing::settled(app, page.items).await?, ..page })
}

async fn find_listed(app: &App, grant: &Grant<ManageCredentials>, id: CredentialId) -> Result<Option<Listed>, Problem> {
    let safe = app.cluster.safe().await?;
    let found = app.store.reader().await?.find_credential(grant.account().id, id, safe).await?;
    Ok(standing::settled(app, found.into_iter().collect()).await?.pop())
}

/// A listed credential, with what may be seen of its secrets.
pub(crate) async fn find(app: &App, grant: &Grant<ManageCredentials>, id: CredentialId) -> Result<(Listed, Vec<ListedSecret>), Problem> {
    let listed = find_listed(app, grant, id).await?.ok_or_else(Problem::not_found)?;
    let secrets = app.store.reader().await?.list_secrets(id).await?;
    Ok((listed, secrets))
}

/// The listed credential whose whole key, or whose secret or public part, is `pasted`. Matched by its digest; written nowhere.
pub(crate) async fn find_pasted(app: &App, grant: &Grant<ManageCredentials>, pasted: &Plain) -> Result<Option<Listed>, Problem> {
    let text = pasted.expose().trim();
    if text.is_empty() {
        return Ok(None);
    }
    let is_key = app.format.public_part(Purpose::ApiKey, text).is_some();
    let digest = app.keys.pepper.digest(if is_key { secret_part(text) } else { text }.as_bytes());
    let safe = app.cluster.safe().await?;
    let found = app.store.reader().await?.find_credential_by_digest(grant.account().id, &digest, safe).await?;
    if let Some(found) = standing::settled(app, found.into_iter().collect()).await?.pop() {
        return Ok(Some(found));
    }
    let (loaded, _) = app.store.reader().await?.load_credential(text).await?;
    match loaded {
        Some(loaded) if loaded.credential.account_id == grant.account().id => find_listed(app, grant, loaded.credential.id).await,
        _ => Ok(None),
    }
}

/// A credential about to be changed, kept from other writers.
async fn for_update(app: &App, grant: &Grant<ManageCredentials>, id: CredentialId) -> Result<(Tx, Credential), Problem> {
    let mut tx = app.store.begin().await?;
    let credential = tx.find_credential_for_update(grant.account().id, id).await?.ok_or_else(Problem::not_found)?;
    Ok((tx, credential))
}

fn assure_alive(credential: &Credential) -> Result<(), Problem> {
    if credential.state.is_ended() { Err(Problem::new(Code::Ended, "This credential has ended. Create a new one.")) } else { Ok(()) }
}

fn assure(has: bool) -> Result<(), Problem> {
    if has { Ok(()) } else { Err(Problem::new(Code::NotOfThisKind, "Credentials of this account do not have that.")) }
}

/// The fields in which a credential differs from what it was, each with both values.
fn differences(before: &Credential, after: &Credential) -> serde_json::Map<String, serde_json::Value> {
    let networks = |credential: &Credential| CredentialView::from(credential).allowed_networks;
    let fields = [
        ("label", json!(before.label), json!(after.label)),
        ("description", json!(before.description), json!(after.description)),
        ("access", json!(before.access.words()), json!(after.access.words())),
        ("expires_at", json!(before.expires_at), json!(after.expires_at)),
        ("allowed_networks", json!(networks(before)), json!(networks(after))),
        ("state", json!(before.state), json!(after.state)),
    ];
    let differing = fields.into_iter().filter(|(_, from, to)| from != to);
    differing.map(|(field, from, to)| (field.to_owned(), json!({ "from": from, "to": to }))).collect()
}

/// Writes a credential as it is to be, with an event that tells what differs. Where nothing does there is no event; but whoever made it so may
/// not have waited until it was true everywhere.
async fn change(
    app: &App,
    context: &Context,
    grant: &Grant<ManageCredentials>,
    mut tx: Tx,
    action: Action,
    before: &Credential,
    after: &Credential,
) -> Result<CredentialView, Problem> {
    let detail = differences(before, after);
    if detail.is_empty() {
        app.make_sure_instead(tx).await?;
    } else {
        tx.update_credential(after).await?;
        record(app, context, grant, tx, action, after, detail.into()).await?;
    }
    Ok(CredentialView::changed(after))
}

async fn record(
    app: &App,
    context: &Context,
    grant: &Grant<ManageCredentials>,
    mut tx: Tx,
    action: Action,
    credential: &Credential,
    detail: serde_json::Value,
) -> Result<(), Problem> {
    let event = app.event(context, grant.actor(), action, Some(grant.account().id), &credential.public_id, detail);
    let recorded = tx.record(&event).await?;
    Ok(app.commit(tx, recorded).await?)
}

/// Changes what may be changed. What is taken away is refused from the next request on.
pub(crate) async fn edit(
    app: &App,
    context: &Context,
    grant: &Grant<ManageCredentials>,
    id: CredentialId,
    edit: Edit,
) -> Result<CredentialView, Problem> {
    let rules = &kind_of(app, grant.account())?.credentials;
    let (tx, before) = for_update(app, grant, id).await?;
    assure_alive(&before)?;
    let after = edit.apply(&before, rules, app.clock.now())?;
    change(app, context, grant, tx, Action::CredentialUpdated, &before, &after).await
}

/// Gives a role to a key, or takes it: it counts on the next request.
pub(crate) async fn set_role(
    app: &App,
    context: &Context,
    grant: &Grant<ManageCredentials>,
    id: CredentialId,
    role: &str,
    held: bool,
) -> Result<CredentialView, Problem> {
    let rules = &kind_of(app, grant.account())?.credentials;
    rules.find_role(role).ok_or_else(Problem::not_found)?;
    let (tx, before) = for_update(app, grant, id).await?;
    assure_alive(&before)?;
    let mut after = before.clone();
    let Access::Roles(roles) = &mut after.access else { return Err(Problem::not_found()) };
    if held {
        roles.insert(role.to_owned());
    } else {
        roles.remove(role);
    }
    change(app, context, grant, tx, Action::CredentialUpdated, &before, &after).await
}

/// Replaces the secret. The old one ends at once, or lives on for `overlap`, at most seven days; of two that live already the older one ends at
/// once in any case. The new one is in the answer only.
pub(crate) async fn rotate(
    app: &App,
    context: &Context,
    grant: &Grant<ManageCredentials>,
    id: CredentialId,
    overlap: Duration,
    once: Option<&Once>,
) -> Result<CredentialView, Problem> {
    assure(kind_of(app, grant.account())?.credentials.rotate)?;
    if overlap > LONGEST_OVERLAP {
        return Err(Invalid::new("overlap_seconds", "overlap_too_long", "Two secrets live side by side for seven days at most.").into());
    }
    let (mut tx, credential) = for_update(app, grant, id).await?;
    assure_alive(&credential)?;
    assure(credential.kind != Kind::Legacy)?;
    let (now, mut ended) = (app.clock.now(), Vec::new());
    for secret in tx.list_secrets(id).await? {
        // a third secret would be one too many to keep apart: only the newest one overlaps
        if overlap.is_zero() || secret.view.expires_at.is_some() {
            tx.delete_secret(secret.view.id).await?;
            if secret.view.expires_at.is_none_or(|end| now < end) {
                ended.push(secret.view.hint);
            }
        } else {
            tx.set_secret_expiry(secret.view.id, Some(now + overlap)).await?;
        }
    }
    let (shown, stored) = new_secret(app, credential.kind, &credential.public_id, None).await?;
    tx.insert_secret(id, &stored).await?;
    let view = CredentialView { secret: shown, ..CredentialView::from(&credential) };
    if let Some(once) = once {
        once.remember(app, &mut tx, &view).await?;
    }
    let detail = json!({ "overlap_seconds": overlap.as_secs(), "ended": ended });
    record(app, context, grant, tx, Action::CredentialRotated, &credential, detail).await?;
    Ok(view)
}

/// Ends an overlap before its time: the new secret stays, or (`keep_old`) the old one. What was settled so already is made sure of.
pub(crate) async fn settle(app: &App, context: &Context, grant: &Grant<ManageCredentials>, id: CredentialId, keep_old: bool) -> Result<(), Problem> {
    assure(kind_of(app, grant.account())?.credentials.rotate)?;
    let (mut tx, credential) = for_update(app, grant, id).await?;
    assure_alive(&credential)?;
    let (now, secrets) = (app.clock.now(), tx.list_secrets(id).await?);
    let is_old = |secret: &StoredSecret| secret.view.expires_at.is_some();
    let was_kept = tx.has_kept_secret(id).await?;
    if !keep_old && was_kept {
        return Err(Problem::new(Code::Conflict, "The old secret was kept. Replace it again instead."));
    }
    let is_settled = if keep_old { was_kept } else { !secrets.iter().any(is_old) };
    if is_settled {
        return Ok(app.make_sure_instead(tx).await?);
    }
    if keep_old && !secrets.iter().any(|secret| secret.view.expires_at.is_some_and(|end| now < end)) {
        return Err(Problem::new(Code::Conflict, "There is no old secret any more. Replace the secret again instead."));
    }
    for secret in &secrets {
        match (keep_old, is_old(secret)) {
            (true, true) => tx.keep_secret(secret.view.id).await?,
            (true, false) | (false, true) => tx.delete_secret(secret.view.id).await?,
            (false, false) => {}
        }
    }
    let detail = json!({ "kept": if keep_old { "old" } else { "new" } });
    record(app, context, grant, tx, Action::CredentialRotated, &credential, detail).await
}

/// Pauses a credential, or resumes it.
pub(crate) async fn pause(
    app: &App,
    context: &Context,
    grant: &Grant<ManageCredentials>,
    id: CredentialId,
    paused: bool,
) -> Result<CredentialView, Problem> {
    assure(kind_of(app, grant.account())?.credentials.pause)?;
    let (tx, before) = for_update(app, grant, id).await?;
    assure_alive(&before)?;
    let (state, action) = if paused { (State::Paused, Action::CredentialPaused) } else { (State::Active, Action::CredentialResumed) };
    let after = Credential { state, ..before.clone() };
    change(app, context, grant, tx, action, &before, &after).await
}

/// Ends a credential, as its account's kind ends them. When this returns, no request of it is accepted. Ending an ended one is done again in
/// full: the caller of the first time may never have heard the answer.
pub(crate) async fn end(
    app: &App,
    context: &Context,
    grant: &Grant<ManageCredentials>,
    id: CredentialId,
    reason: Option<Reason>,
) -> Result<Credential, Problem> {
    let mut ended = end_all(app, context, grant, &[id], reason).await?;
    ended.pop().ok_or_else(Problem::not_found)
}

/// Ends several credentials: all of them, or none with the reason.
pub(crate) async fn end_all(
    app: &App,
    context: &Context,
    grant: &Grant<ManageCredentials>,
    ids: &[CredentialId],
    reason: Option<Reason>,
) -> Result<Vec<Credential>, Problem> {
    let rules = &kind_of(app, grant.account())?.credentials;
    ending::end(app, context, grant, rules, ids, reason).await
}

/// Brings a revoked credential back within 30 days, unless it leaked: as it was, so paused if it was paused.
pub(crate) async fn restore(app: &App, context: &Context, grant: &Grant<ManageCredentials>, id: CredentialId) -> Result<CredentialView, Problem> {
    let kind = kind_of(app, grant.account())?;
    assure(kind.credentials.restore)?;
    let (mut tx, mut credential) = for_update(app, grant, id).await?;
    let account = tx.find_account_for_update(grant.account().id).await?.ok_or_else(Problem::not_found)?;
    may_issue(&account, kind, count_if_limited(&mut tx, kind, &account).await?)?;
    let now = app.clock.now();
    let was_paused = match credential.end.take() {
        Some(end) if credential.state == State::Revoked && end.reason != Some(Reason::Leaked) && now.since(end.at) < RESTORABLE => end.was_paused,
        _ => return Err(Problem::new(Code::NotRestorable, "Only what was revoked within 30 days, and did not leak, can be restored.")),
    };
    credential.state = if was_paused { State::Paused } else { State::Active };
    tx.update_credential(&credential).await?;
    record(app, context, grant, tx, Action::CredentialRestored, &credential, json!({})).await?;
    Ok(CredentialView::changed(&credential))
}

/// Whether a credential could be brought back at `now`.
pub(crate) fn is_restorable(credential: &Credential, rules: &kind::Rules, now: Timestamp) -> bool {
    let recent = |end: &End| end.reason != Some(Reason::Leaked) && now.since(end.at) < RESTORABLE;
    rules.restore && credential.state == State::Revoked && credential.end.as_ref().is_some_and(recent)
}

/// Changes a chosen password. The old one is refused from the next request on.
pub(crate) async fn change_password(
    app: &App,
    context: &Context,
    grant: &Grant<ManageCredentials>,
    id: CredentialId,
    password: Plain,
) -> Result<(), Problem> {
    assure(kind_of(app, grant.account())?.credentials.edit.contains(&Part::Password))?;
    rule::check_password(password.expose())?;
    let (_, stored) = new_secret(app, Kind::Legacy, "", Some(password)).await?;
    let (mut tx, credential) = for_update(app, grant, id).await?;
    assure_alive(&credential)?;
    assure(credential.kind == Kind::Legacy)?;
    tx.delete_secrets(id).await?;
    tx.insert_secret(id, &stored).await?;
    record(app, context, grant, tx, Action::CredentialPasswordChanged, &credential, json!({})).await
}

/// Changes the password of a legacy login that has just proven the old one.
pub(crate) async fn change_own_password(app: &App, context: &Context, proven: &Entry, password: Plain) -> Result<(), Problem> {
    let (_, stored) = new_secret(app, Kind::Legacy, "", Some(password)).await?;
    let mut tx = app.store.begin().await?;
    let credential = tx.find_credential_for_update(proven.account_id, proven.id).await?.ok_or_else(Problem::not_found)?;
    assure_alive(&credential)?;
    tx.delete_secrets(credential.id).await?;
    tx.insert_secret(credential.id, &stored).await?;
    let actor = Actor::Key { account: credential.account_id, kind: String::new(), public_id: credential.public_id.clone(), manages_keys: false };
    let event = app.event(context, &actor, Action::CredentialPasswordChanged, Some(credential.account_id), &credential.public_id, json!({}));
    let recorded = tx.record(&event).await?;
    Ok(app.commit(tx, recorded).await?)
}
