//! `/account/{page}`: the credentials of an account, and the dialogs that create them and end several. Each dialog is an address of its own.
use axum::{
    extract::Query,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use claviger_domain::{
    access::Access,
    credential::{CannotIssue, Credential, Kind, State},
    id::CredentialId,
    kind::{self, Column, Console, Ending, Names, Shown},
    secret::Plain,
    time::Timestamp,
};
use claviger_store::{
    credential::{Filter, Listed},
    page::PageRequest,
};
use serde::Deserialize;

use super::{
    Page, Sent,
    desk::{Desk, capital},
    example,
    form::{self, Typed},
    frame, page, see,
    view::{
        Ask, Cell, Choice, CreatedSecret, CredentialDialog, CredentialRow, CredentialSection, CredentialWords, CredentialsPage, Filters, Hidden,
        LimitNote, Said, SecretValue,
    },
};
use crate::{
    app::{
        credentials::{self, CredentialView},
        once::Once,
        standing::Standing,
    },
    problem::{Code, Problem},
};

#[derive(Default, Deserialize)]
pub(super) struct At {
    after: Option<uuid::Uuid>,
    done: Option<String>,
    kind: Option<String>,
    state: Option<String>,
    q: Option<String>,
}

pub(super) async fn list(desk: Desk, Query(at): Query<At>) -> Result<Page<CredentialsPage>, Problem> {
    show(&desk, at, None).await.map(page)
}

pub(super) async fn new(desk: Desk, Query(at): Query<At>) -> Result<Page<CredentialsPage>, Problem> {
    let used = desk.app().store.reader().await?.count_credentials(desk.account().id).await?;
    let dialog = match desk.kind.credentials.active_limit {
        Some(limit) if used >= limit => limit_reached(&desk, limit),
        _ => CredentialDialog::Form(form::to_create(&desk, &Typed::nothing(&desk, at.kind), None).await?),
    };
    show(&desk, At::default(), Some(dialog)).await.map(page)
}

pub(super) async fn create(desk: Desk, sent: Sent) -> Result<Response, Problem> {
    sent.assure_ours()?;
    let (app, rules) = (desk.app(), &desk.kind.credentials);
    let (typed, password) = (Typed::read(&sent), Plain::new(sent.text("password")));
    let before = || see(&format!("{}?done=created-before", desk.href)).into_response();
    let once = Once::of_form(app, desk.member.actor(), "create credential", typed.once());
    if once.remembered(app).await?.is_some() {
        return Ok(before());
    }
    let made = match typed.wish(rules, password, app.clock.now()) {
        Ok(wish) => credentials::create(app, &desk.member.context, &desk.grant, wish, Some(&once)).await,
        Err(problem) => Err(problem),
    };
    let (status, dialog) = match made {
        Ok(created) if created.secret.is_none() => return Ok(see(&format!("{}?done=login-created", desk.href)).into_response()),
        Ok(created) => (StatusCode::OK, CredentialDialog::Created(shown_once(&desk, &created, &desk.href))),
        Err(problem) if problem.status == 422 => {
            (StatusCode::UNPROCESSABLE_ENTITY, CredentialDialog::Form(form::to_create(&desk, &typed, Some(&problem)).await?))
        }
        Err(problem) if problem.code == Code::LimitReached.as_str() => {
            (StatusCode::CONFLICT, limit_reached(&desk, rules.active_limit.unwrap_or_default()))
        }
        // the same form, sent twice at once: the other one made it
        Err(problem) if problem.status == 409 && once.remembered(app).await?.is_some() => return Ok(before()),
        Err(problem) => return Err(problem),
    };
    Ok(Page(status, show(&desk, At::default(), Some(dialog)).await?).into_response())
}

/// Leads to the credential whose key, secret or public part was pasted. The paste is in no address, and in no answer.
pub(super) async fn find_pasted(desk: Desk, sent: Sent) -> Result<Response, Problem> {
    if !is_searchable(&desk.kind.credentials) {
        return Err(Problem::not_found());
    }
    let pasted = Plain::new(sent.text("pasted"));
    let found = credentials::find_pasted(desk.app(), &desk.grant, &pasted).await?;
    Ok(match found {
        Some(found) => see(&format!("{}/{}?done=found", desk.href, found.credential.id)),
        None => see(&format!("{}?done=not-found", desk.href)),
    }
    .into_response())
}

pub(super) async fn confirm_deletion(desk: Desk, Query(ticked): Query<Vec<(String, String)>>) -> Result<Response, Problem> {
    let ids = ids(&desk, ticked.iter())?;
    if ids.is_empty() {
        return Ok(see(&format!("{}?done=none-ticked", desk.href)).into_response());
    }
    let dialog = ask_deletion(&desk, &ids, None).await?;
    Ok(page(show(&desk, At::default(), Some(dialog)).await?).into_response())
}

pub(super) async fn delete(desk: Desk, sent: Sent) -> Result<Response, Problem> {
    let ids = ids(&desk, sent.0.iter())?;
    match credentials::end_all(desk.app(), &desk.member.context, &desk.grant, &ids, None).await {
        Ok(_) => Ok(see(&format!("{}?done={}", desk.href, ended_word(&desk))).into_response()),
        Err(problem) if problem.status < 500 => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT);
            let text = format!("None of them was ended. {}", problem.detail);
            let dialog = ask_deletion(&desk, &ids, Some(text)).await?;
            Ok(Page(status, show(&desk, At::default(), Some(dialog)).await?).into_response())
        }
        Err(problem) => Err(problem),
    }
}

/// The credentials ticked, where they can be ticked.
fn ids<'a>(desk: &Desk, fields: impl Iterator<Item = &'a (String, String)>) -> Result<Vec<CredentialId>, Problem> {
    if !desk.kind.console.tick {
        return Err(Problem::not_found());
    }
    let mut ids: Vec<CredentialId> =
        fields.filter(|(name, _)| name == "id").map(|(_, id)| id.parse().map_err(|_| Problem::not_found())).collect::<Result<_, _>>()?;
    ids.dedup();
    if ids.len() > 200 { Err(Problem::not_found()) } else { Ok(ids) }
}

async fn ask_deletion(desk: &Desk, ids: &[CredentialId], error: Option<String>) -> Result<CredentialDialog, Problem> {
    let mut what = Vec::with_capacity(ids.len());
    for id in ids {
        match credentials::find(desk.app(), &desk.grant, *id).await {
            Ok((listed, _)) => what.push(called(&desk.kind.console, &listed.credential)),
            // gone meanwhile: sending says so
            Err(problem) if problem.status == 404 && error.is_some() => {}
            Err(problem) => return Err(problem),
        }
    }
    let (noun, verb) = (&desk.kind.console.noun, end_verb(&desk.kind.credentials));
    let count = if ids.len() == 1 { format!("this {noun}") } else { format!("these {} {noun}s", ids.len()) };
    Ok(CredentialDialog::Ask(Ask {
        action: format!("{}/delete", desk.href),
        cancel_href: desk.href.clone(),
        heading: format!("{verb} {count}?"),
        text: if ids.len() == 1 { "" } else { "All of them, or none if one of them cannot be ended." }.into(),
        what,
        effect: end_effect(&desk.kind.credentials).into(),
        choice: None,
        button: format!("{verb} {}", if ids.len() == 1 { noun.clone() } else { format!("{} {noun}s", ids.len()) }),
        danger: true,
        error,
        fields: ids.iter().map(|id| Hidden { name: "id", value: id.to_string() }).collect(),
    }))
}

/// A credential where several are named: what it is called, of which kind it is, its public part.
fn called(console: &Console, credential: &Credential) -> Said {
    let kind = names(console, credential.kind).kind;
    if credential.label == credential.public_id {
        format!("{} · {kind}", credential.public_id).into()
    } else {
        Said::of("", &credential.label, &format!(" · {kind} · {}", credential.public_id))
    }
}

/// What ending is called.
pub(super) const fn end_verb(rules: &kind::Rules) -> &'static str {
    match rules.ending {
        Ending::Delete => "Delete",
        Ending::Revoke => "Revoke",
    }
}

pub(super) const fn end_effect(rules: &kind::Rules) -> &'static str {
    if rules.restore {
        "Integrations that use it stop working at once, tokens they already hold included. It can be restored within 30 days, unless it leaked."
    } else {
        "Integrations that use it stop working at once, tokens they already hold included. This cannot be undone."
    }
}

/// The notice after it.
pub(super) const fn ended_word(desk: &Desk) -> &'static str {
    match desk.kind.credentials.ending {
        Ending::Delete => "deleted",
        Ending::Revoke => "revoked",
    }
}

fn limit_reached(desk: &Desk, limit: u32) -> CredentialDialog {
    let text = CannotIssue::LimitReached(limit).to_string();
    CredentialDialog::LimitReached { cancel_href: desk.href.clone(), text, back: desk.kind.console.tab().to_owned() }
}

/// The dialog that shows a secret, this once.
pub(super) fn shown_once(desk: &Desk, created: &CredentialView, done_href: &str) -> CreatedSecret {
    let console = &desk.kind.console;
    let names = names(console, created.kind);
    let value =
        |label: &str, value: &str, id: &str, secret| SecretValue { label: label.to_owned(), value: value.to_owned(), id: id.to_owned(), secret };
    let values = console.shown.iter().map(|shown| match shown {
        Shown::PublicId => value(&names.public_id, &created.public_id, "new-public-id", false),
        Shown::Secret => value(&names.secret, created.secret.as_ref().map_or("", |secret| secret.expose()), "new-secret", true),
        Shown::AccountId => value("Account ID", &created.account_id, "new-account-id", false),
    });
    let kept =
        if created.kind == Kind::Hmac { "we keep it sealed, and never show it again" } else { "we keep a fingerprint of it, not the secret itself" };
    CreatedSecret {
        heading: format!("{} created", capital(&console.noun)),
        text: format!("Copy the {} now. It is shown only now: {kept}.", names.secret).into(),
        values: values.collect(),
        curl: example::of(desk.app(), created),
        done: console.done.clone(),
        done_href: done_href.to_owned(),
    }
}

/// Whether there is enough to a credential's life that a list of them is searched.
const fn is_searchable(rules: &kind::Rules) -> bool {
    rules.rotate || rules.pause
}

/// Whether there is more to a credential than its row says.
fn has_details(rules: &kind::Rules) -> bool {
    rules.rotate || rules.pause || rules.expiry || !rules.edit.is_empty() || rules.ending == Ending::Revoke
}

async fn show(desk: &Desk, at: At, dialog: Option<CredentialDialog>) -> Result<CredentialsPage, Problem> {
    let (kind, console, rules, href) = (&desk.kind, &desk.kind.console, &desk.kind.credentials, &desk.href);
    let wanted_kind = at.kind.as_deref().and_then(|kind| kind.parse::<Kind>().ok()).filter(|kind| rules.kinds.contains(kind));
    let searchable = is_searchable(rules);
    let state = at.state.as_deref().and_then(|state| state.parse::<State>().ok()).filter(|_| searchable);
    let query = at.q.as_deref().map(str::trim).filter(|text| !text.is_empty() && searchable).map(str::to_owned);
    let narrowed = (searchable && wanted_kind.is_some()) || state.is_some() || query.is_some();
    let mut sections = Vec::new();
    if console.sections {
        for kind in rules.kinds.iter().filter(|kind| wanted_kind.is_none_or(|wanted| wanted == **kind)) {
            let filter = Filter { kind: Some(*kind), state, text: query.clone() };
            sections.push(section(desk, &filter, &at, Some(*kind)).await?);
        }
    } else {
        sections.push(section(desk, &Filter { kind: wanted_kind, state, text: query.clone() }, &at, None).await?);
    }
    let used = desk.app().store.reader().await?.count_credentials(desk.account().id).await?;
    let mut chrome = desk.chrome(console.tab());
    chrome.notice = frame::notice(at.done.as_deref());
    let choice =
        |value: &str, label: &str, wanted: &str| Choice { value: value.into(), label: label.into(), hint: String::new(), selected: value == wanted };
    let filters = searchable.then(|| {
        let kind_name = wanted_kind.map_or("", Kind::as_str);
        let mut kinds = vec![choice("", "Every kind", kind_name)];
        kinds.extend(rules.kinds.iter().map(|kind| choice(kind.as_str(), &names(console, *kind).kind, kind_name)));
        let state_name = state.map_or("", State::as_str);
        let mut states = vec![choice("", "Every status", state_name), choice("active", "Active", state_name)];
        if rules.pause {
            states.push(choice("paused", "Paused", state_name));
        }
        if rules.ending == Ending::Revoke {
            states.push(choice("revoked", "Revoked", state_name));
        }
        Filters {
            href: href.clone(),
            kinds: if rules.kinds.len() > 1 { kinds } else { Vec::new() },
            states,
            query: query.clone().unwrap_or_default(),
            narrowed,
            find_action: format!("{href}/find"),
        }
    });
    let listed: usize = sections.iter().map(|section| section.rows.len()).sum();
    Ok(CredentialsPage {
        chrome,
        back: desk.back(),
        words: words(kind),
        sectioned: console.sections,
        sections,
        tick_href: (console.tick && listed > 0).then(|| format!("{href}/delete")),
        filters: filters.filter(|filters| listed > 0 || filters.narrowed),
        total_label: (used > 0 && !console.sections && !narrowed).then(|| count(used, console, rules)),
        limit: rules.active_limit.map(|of| LimitNote { used, of, reached: used >= of }),
        dialog,
    })
}

/// "37 API keys"; where ended ones stay listed, the active ones are counted and called so.
fn count(used: u32, console: &Console, rules: &kind::Rules) -> String {
    // paused ones count, and revoked ones are listed too
    let which = if rules.ending == Ending::Revoke { " not revoked" } else { "" };
    format!("{used} {}{}{which}", console.noun, if used == 1 { "" } else { "s" })
}

async fn section(desk: &Desk, filter: &Filter, at: &At, of: Option<Kind>) -> Result<CredentialSection, Problem> {
    let (console, rules, href, now) = (&desk.kind.console, &desk.kind.credentials, &desk.href, desk.app().clock.now());
    let request = PageRequest { after: at.after.map(|id| id.to_string()), limit: 50 };
    let found = credentials::list(desk.app(), &desk.grant, filter, &request).await?;
    let mut narrowed = Vec::new();
    for (name, value) in [("kind", filter.kind.map(Kind::as_str)), ("state", filter.state.map(State::as_str)), ("q", filter.text.as_deref())] {
        narrowed.extend(value.map(|value| (name, value)));
    }
    let with = |more: Option<(&str, &str)>| {
        let pairs: Vec<_> = narrowed.iter().copied().chain(more).collect();
        let query = serde_urlencoded::to_string(&pairs).unwrap_or_default();
        if query.is_empty() { href.clone() } else { format!("{href}?{query}") }
    };
    let to_row = |listed: &Listed| {
        let (credential, ended) = (&listed.credential, listed.credential.state.is_ended());
        let one = format!("{href}/{}", credential.id);
        CredentialRow {
            tick: (console.tick && !ended).then(|| credential.id.to_string()),
            details_href: has_details(rules).then(|| one.clone()),
            delete_href: (!console.tick && !ended).then(|| format!("{one}/delete")),
            ..row(console, of, listed, now)
        }
    };
    let names = of.map(|kind| names(console, kind));
    Ok(CredentialSection {
        id: of.map_or("all", Kind::as_str).to_owned(),
        heading: names.as_ref().map(|names| names.kind.clone()).unwrap_or_default(),
        hint: names.map(|names| names.hint).unwrap_or_default(),
        create_href: of.map_or_else(|| format!("{href}/new"), |kind| format!("{href}/new?kind={kind}")),
        columns: columns(console, of),
        rows: found.items.iter().map(to_row).collect(),
        newer_href: request.after.is_some().then(|| with(None)),
        older_href: found.next.map(|next| with(Some(("after", &next)))),
    })
}

fn words(kind: &kind::Kind) -> CredentialWords {
    let console = &kind.console;
    CredentialWords {
        heading: console.tab().to_owned(),
        intro: console.intro.clone(),
        create: console.create.clone(),
        delete: end_verb(&kind.credentials).into(),
        empty_title: format!("No {}s yet", console.noun),
        empty_text: "Create one for each integration, so that each can be ended by itself.".into(),
    }
}

/// The columns of a list: of one kind of credential, or of all.
fn listed(console: &Console, of: Option<Kind>) -> impl Iterator<Item = Column> {
    // a login's label is its username
    console.list.iter().copied().filter(move |column| of != Some(Kind::Legacy) || *column != Column::Label)
}

pub(super) fn columns(console: &Console, of: Option<Kind>) -> Vec<String> {
    let only = if console.names.len() == 1 { console.names.keys().next().copied() } else { None };
    let name = |column: Column| match column {
        Column::PublicId => of.or(only).map_or_else(|| "ID".to_owned(), |kind| names(console, kind).public_id),
        Column::Label => console.label.clone(),
        Column::Created => "Created".to_owned(),
        Column::Kind => "Kind".to_owned(),
        Column::Access => "Access".to_owned(),
        Column::Status => "Status".to_owned(),
        Column::LastUsed => "Last used".to_owned(),
        Column::Expires => "Expires".to_owned(),
    };
    listed(console, of).map(name).collect()
}

/// What the parts of this kind of credential are called here.
pub(super) fn names(console: &Console, kind: Kind) -> Names {
    let unnamed = || Names { kind: kind.to_string(), hint: String::new(), public_id: "ID".into(), secret: "Secret".into() };
    console.names.get(&kind).cloned().unwrap_or_else(unnamed)
}

/// Where a credential stands, in a word, and how that is drawn.
pub(super) fn status(listed: &Listed, now: Timestamp) -> Cell {
    match Standing::of_listed(listed) {
        Standing::Active if listed.credential.expires_at.is_some_and(|end| end <= now) => Cell::Status("Expired", "status ended"),
        Standing::Active => Cell::Status("Active", "status active"),
        Standing::Pausing => Cell::Status("Pausing…", "status waiting"),
        Standing::Paused => Cell::Status("Paused", "status waiting"),
        Standing::Revoking => Cell::Status("Revoking…", "status waiting"),
        Standing::Revoked => Cell::Status("Revoked", "status ended"),
        Standing::Deleted => Cell::Status("Deleted", "status ended"),
    }
}

/// What a row says of one that is on its way out, where no column says it.
fn settling(console: &Console, listed_one: &Listed, now: Timestamp) -> Option<Cell> {
    let said = console.list.contains(&Column::Status);
    let settling = matches!(Standing::of_listed(listed_one), Standing::Pausing | Standing::Revoking);
    (settling && !said).then(|| status(listed_one, now))
}

fn access(console_roles: &Access) -> Cell {
    match console_roles {
        Access::Full => Cell::Text("Full".to_owned()),
        Access::FineGrained(scopes) => match scopes.len() {
            1..=2 => Cell::Lines(scopes.iter().map(ToString::to_string).collect()),
            many => Cell::Text(format!("{many} scopes")),
        },
        limited if limited.words().is_empty() => Cell::Text("None".to_owned()),
        limited => Cell::Text(limited.words().replace(' ', ", ")),
    }
}

/// A credential in the columns of its kind, without anything to do to it.
pub(super) fn row(console: &Console, of: Option<Kind>, listed_one: &Listed, now: Timestamp) -> CredentialRow {
    let Listed { credential, used, .. } = listed_one;
    let cell = |column: Column| match column {
        Column::Kind => Cell::Text(names(console, credential.kind).kind),
        Column::Access => access(&credential.access),
        Column::Status => status(listed_one, now),
        Column::LastUsed => {
            used.as_ref().map_or_else(|| Cell::Text("Never".into()), |used| Cell::Used(frame::when(used.at, now), used.source.clone()))
        }
        Column::Expires => credential.expires_at.map_or_else(|| Cell::Text("Never".into()), |at| Cell::Time(frame::when(at, now))),
        Column::PublicId if of.is_some_and(|kind| kind != Kind::Legacy) => Cell::Shown(credential.public_id.clone()),
        Column::PublicId => Cell::Code(credential.public_id.clone()),
        Column::Label => Cell::Text(credential.label.clone()),
        Column::Created => Cell::Time(frame::when(credential.created_at, now)),
    };
    CredentialRow {
        id: format!("c-{}", credential.id),
        name: if credential.label == credential.public_id || matches!(console.list.first(), Some(Column::PublicId)) {
            credential.public_id.clone()
        } else {
            credential.label.clone()
        },
        cells: listed(console, of).map(cell).collect(),
        settling: settling(console, listed_one, now),
        tick: None,
        details_href: None,
        delete_href: None,
        delete_label: credential.public_id.clone(),
    }
}
