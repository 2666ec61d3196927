//! `/account/{page}/{id}`: everything about one credential, and what can be done to it. Each thing that can be done is an address of its own:
//! GET asks, POST does.
use std::time::Duration;

use axum::{
    extract::Query,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use claviger_domain::{
    access::Access,
    base62,
    credential::{Credential, Kind, Reason, State},
    kind::Part,
    secret::Plain,
};
use claviger_store::credential::{Listed, ListedSecret};
use serde::Deserialize;

use super::{
    Page, Sent,
    credentials::{end_effect, end_verb, ended_word, names, shown_once, status},
    desk::{Desk, by_whom, capital},
    form::{self, Typed},
    frame, page, refusals, see, told,
    view::{Ask, Cell, Choice, CredentialDialog, CredentialPage, Ended, Hidden, Link, Notice, Said, SecretRow, Tone},
};
use crate::{
    app::{
        credentials,
        once::Once,
        standing::{self, Standing},
    },
    problem::{Code, Problem},
};

/// How long the old secret lives on beside the new one: the choices.
const OVERLAPS: [(&str, &str, &str); 4] = [
    ("0", "At once", "The old secret is refused from the next request on."),
    ("3600", "After 1 hour", ""),
    ("86400", "After 24 hours", ""),
    ("604800", "After 7 days", ""),
];

#[derive(Default, Deserialize)]
pub(super) struct At {
    done: Option<String>,
}

/// What a page is made of.
struct Found {
    listed: Listed,
    secrets: Vec<ListedSecret>,
}

impl Found {
    fn credential(&self) -> &Credential {
        &self.listed.credential
    }
}

async fn find(desk: &Desk) -> Result<Found, Problem> {
    let (listed, secrets) = credentials::find(desk.app(), &desk.grant, desk.id()?).await?;
    Ok(Found { listed, secrets })
}

/// The credential, as long as `there_is` such a thing to do to it.
async fn find_if(desk: &Desk, there_is: impl Fn(&Credential) -> bool) -> Result<Found, Problem> {
    let found = find(desk).await?;
    if there_is(found.credential()) { Ok(found) } else { Err(Problem::not_found()) }
}

fn href(desk: &Desk, credential: &Credential) -> String {
    format!("{}/{}", desk.href, credential.id)
}

fn done(desk: &Desk, id: claviger_domain::id::CredentialId, word: &str) -> Response {
    see(&format!("{}/{id}?done={word}", desk.href)).into_response()
}

fn with_dialog(desk: &Desk, found: &Found, dialog: CredentialDialog) -> Page<CredentialPage> {
    page(view(desk, found, None, Some(dialog)))
}

/// What is refused for how the credential stands by now, not for what was sent, is said on its page, as long as it has one.
async fn refused(desk: &Desk, problem: Problem) -> Result<Response, Problem> {
    if problem.status != 409 {
        return Err(problem);
    }
    let found = match find(desk).await {
        Ok(found) => found,
        Err(gone) if gone.status == 404 => return Err(problem),
        Err(other) => return Err(other),
    };
    let mut page = view(desk, &found, None, None);
    page.chrome.notice = Some(Notice { text: problem.detail, tone: Tone::Error });
    Ok(Page(StatusCode::CONFLICT, page).into_response())
}

pub(super) async fn show(desk: Desk, Query(at): Query<At>) -> Result<Page<CredentialPage>, Problem> {
    let found = find(&desk).await?;
    Ok(page(view(&desk, &found, at.done.as_deref(), None)))
}

// --- ending ----------------------------------------------------------------------

pub(super) async fn confirm_end(desk: Desk) -> Result<Page<CredentialPage>, Problem> {
    let found = find_if(&desk, |credential| !credential.state.is_ended()).await?;
    let (rules, noun, href) = (&desk.kind.credentials, &desk.kind.console.noun, href(&desk, found.credential()));
    let verb = end_verb(rules);
    let reason = |(reason, label, hint): (Reason, &str, &str)| Choice {
        value: reason.as_str().into(),
        label: label.into(),
        hint: hint.into(),
        selected: reason == Reason::NotNeeded,
    };
    let leaked = if rules.restore { "Others may know its secret. It can never be restored." } else { "Others may know its secret." };
    let reasons = [
        (Reason::NotNeeded, "Not needed any more", ""),
        (Reason::Replaced, "Replaced by another", ""),
        (Reason::Leaked, "Leaked", leaked),
        (Reason::PersonLeft, "The person responsible has left", ""),
    ];
    let keeps_reason = rules.ending == claviger_domain::kind::Ending::Revoke;
    let dialog = Ask {
        action: format!("{href}/delete"),
        cancel_href: if keeps_reason { href } else { desk.href.clone() },
        heading: format!("{verb} this {noun}?"),
        text: Said::of("Created for ", &found.credential().label, "."),
        what: vec![found.credential().public_id.clone().into()],
        effect: end_effect(rules).into(),
        choice: keeps_reason.then(|| ("reason", "Why", reasons.into_iter().map(reason).collect())),
        button: format!("{verb} {noun}"),
        danger: true,
        error: None,
        fields: Vec::new(),
    };
    Ok(with_dialog(&desk, &found, CredentialDialog::Ask(dialog)))
}

pub(super) async fn end(desk: Desk, sent: Sent) -> Result<Response, Problem> {
    let reason = match sent.one("reason") {
        Some(text) => Some(text.parse::<Reason>().map_err(|()| Problem::new(Code::FormMalformed, "Go back and choose one of the reasons."))?),
        None => None,
    };
    match credentials::end(desk.app(), &desk.member.context, &desk.grant, desk.id()?, reason).await {
        Ok(ended) if ended.state == State::Revoked => Ok(done(&desk, ended.id, ended_word(&desk))),
        Ok(_) => Ok(see(&format!("{}?done={}", desk.href, ended_word(&desk))).into_response()),
        Err(problem) => refused(&desk, problem).await,
    }
}

pub(super) async fn confirm_restore(desk: Desk) -> Result<Page<CredentialPage>, Problem> {
    let now = desk.app().clock.now();
    let found = find_if(&desk, |credential| credentials::is_restorable(credential, &desk.kind.credentials, now)).await?;
    let was_paused = found.credential().end.as_ref().is_some_and(|end| end.was_paused);
    let text = if was_paused {
        "It is paused, as it was, until it is resumed. It keeps the secret it had."
    } else {
        "It is accepted again with the secret it had."
    };
    let dialog = ask(&desk, &found, "restore", "Restore", text);
    Ok(with_dialog(&desk, &found, dialog))
}

pub(super) async fn restore(desk: Desk, _: Sent) -> Result<Response, Problem> {
    let id = desk.id()?;
    match credentials::restore(desk.app(), &desk.member.context, &desk.grant, id).await {
        Ok(restored) => Ok(done(&desk, id, if restored.state == Standing::Active { "restored" } else { "restored-paused" })),
        Err(problem) => refused(&desk, problem).await,
    }
}

// --- pausing -----------------------------------------------------------------------

pub(super) async fn confirm_pause(desk: Desk) -> Result<Page<CredentialPage>, Problem> {
    let found = find_if(&desk, |credential| desk.kind.credentials.pause && credential.state == State::Active).await?;
    let text = "Integrations that use it are refused until you resume it, tokens they already hold included. Its secret stays as it is.";
    let dialog = ask(&desk, &found, "pause", "Pause", text);
    Ok(with_dialog(&desk, &found, dialog))
}

pub(super) async fn confirm_resume(desk: Desk) -> Result<Page<CredentialPage>, Problem> {
    let found = find_if(&desk, |credential| desk.kind.credentials.pause && credential.state == State::Paused).await?;
    let dialog = ask(&desk, &found, "resume", "Resume", "It is accepted again with the secret it has.");
    Ok(with_dialog(&desk, &found, dialog))
}

pub(super) async fn pause(desk: Desk, _: Sent) -> Result<Response, Problem> {
    set_paused(&desk, true).await
}

pub(super) async fn resume(desk: Desk, _: Sent) -> Result<Response, Problem> {
    set_paused(&desk, false).await
}

async fn set_paused(desk: &Desk, paused: bool) -> Result<Response, Problem> {
    let id = desk.id()?;
    match credentials::pause(desk.app(), &desk.member.context, &desk.grant, id, paused).await {
        Ok(_) => Ok(done(desk, id, if paused { "paused" } else { "resumed" })),
        Err(problem) => refused(desk, problem).await,
    }
}

// --- replacing the secret -------------------------------------------------------------

fn may_rotate(desk: &Desk, credential: &Credential) -> bool {
    desk.kind.credentials.rotate && credential.kind != Kind::Legacy && !credential.state.is_ended()
}

pub(super) async fn confirm_rotation(desk: Desk) -> Result<Page<CredentialPage>, Problem> {
    let found = find_if(&desk, |credential| may_rotate(&desk, credential)).await?;
    let (credential, href) = (found.credential(), href(&desk, found.credential()));
    let secret = names(&desk.kind.console, credential.kind).secret.to_lowercase();
    let overlaps =
        OVERLAPS.map(|(value, label, hint)| Choice { value: value.into(), label: label.into(), hint: hint.into(), selected: value == "0" });
    let dialog = Ask {
        action: format!("{href}/rotate"),
        cancel_href: href,
        heading: format!("Regenerate the {secret}?"),
        text: "A new one is made and shown once. Everything else stays as it is.".into(),
        what: vec![credential.public_id.clone().into()],
        effect: ending_secret(&desk, &found).map_or_else(String::new, |older| one_too_many(&desk, &found, older)),
        choice: Some(("overlap", "The old one ends", overlaps.into())),
        button: "Regenerate".into(),
        danger: false,
        error: None,
        fields: vec![Hidden { name: "once", value: base62::random(22, &*desk.app().chance) }],
    };
    Ok(with_dialog(&desk, &found, CredentialDialog::Ask(dialog)))
}

pub(super) async fn rotate(desk: Desk, sent: Sent) -> Result<Response, Problem> {
    let id = desk.id()?;
    let chosen = sent.text("overlap");
    let overlap = OVERLAPS.iter().find(|(value, ..)| *value == chosen).and_then(|(value, ..)| value.parse().ok()).map(Duration::from_secs);
    let overlap = overlap.ok_or_else(|| Problem::new(Code::FormMalformed, "Go back and choose when the old one ends."))?;
    let (app, before) = (desk.app(), || done(&desk, id, "created-before"));
    let once = Once::of_form(app, desk.member.actor(), &format!("replace the secret of {id}"), &sent.text("once"));
    if once.remembered(app).await?.is_some() {
        return Ok(before());
    }
    let made = match credentials::rotate(app, &desk.member.context, &desk.grant, id, overlap, Some(&once)).await {
        Ok(made) => made,
        Err(problem) if problem.status == 409 && once.remembered(app).await?.is_some() => return Ok(before()),
        Err(problem) => return refused(&desk, problem).await,
    };
    let found = find(&desk).await?;
    let mut shown = shown_once(&desk, &made, &format!("{}?done={}", href(&desk, found.credential()), told::word("regenerated")));
    shown.heading = format!("{} regenerated", capital(&names(&desk.kind.console, made.kind).secret.to_lowercase()));
    Ok(with_dialog(&desk, &found, CredentialDialog::Created(shown)).into_response())
}

/// What becomes of the secret that is about to end when a third one is made.
fn one_too_many(desk: &Desk, found: &Found, ListedSecret { view: older, used }: &ListedSecret) -> String {
    let now = desk.app().clock.now();
    let until = older.expires_at.map_or_else(String::new, |end| frame::when(end, now).exact);
    let used = used.as_ref().map_or_else(|| "was never used".into(), |used| format!("was last used {}", frame::when(used.at, now).relative));
    let newer = found.secrets.iter().map(|secret| &secret.view).find(|secret| secret.expires_at.is_none()).map_or("", |secret| &secret.hint);
    // a line may end after an ellipsis, but not within a hint
    let [older, newer] = [&older.hint, newer].map(|hint| hint.replace('…', "…\u{2060}"));
    format!(
        "Two are accepted now, the most there can be. The older one, {older}, ends at once. It was promised until {until}, and {used}. \
         The other, {newer}, ends when you choose."
    )
}

/// The secret that is about to end, if there is one.
fn ending_secret<'a>(desk: &Desk, found: &'a Found) -> Option<&'a ListedSecret> {
    let now = desk.app().clock.now();
    let overlapping = found.secrets.iter().any(|secret| secret.view.expires_at.is_none());
    let ending = |secret: &&ListedSecret| overlapping && secret.view.expires_at.is_some_and(|end| now < end);
    found.secrets.iter().find(ending).filter(|_| !found.credential().state.is_ended())
}

pub(super) async fn confirm_finish(desk: Desk) -> Result<Page<CredentialPage>, Problem> {
    let found = find(&desk).await?;
    let old = ending_secret(&desk, &found).ok_or_else(Problem::not_found)?;
    let text = format!("The old secret, ending in {}, is refused from now on. The new one stays.", old.view.hint);
    Ok(with_dialog(&desk, &found, ask(&desk, &found, "finish", "Finish now", &text)))
}

pub(super) async fn confirm_keep_old(desk: Desk) -> Result<Page<CredentialPage>, Problem> {
    let found = find(&desk).await?;
    let old = ending_secret(&desk, &found).ok_or_else(Problem::not_found)?;
    let text = format!("The new secret is refused from now on. The old one, ending in {}, stays and no longer ends by itself.", old.view.hint);
    Ok(with_dialog(&desk, &found, ask(&desk, &found, "keep-old", "Cancel and keep the old", &text)))
}

pub(super) async fn finish(desk: Desk, _: Sent) -> Result<Response, Problem> {
    settle(&desk, false).await
}

pub(super) async fn keep_old(desk: Desk, _: Sent) -> Result<Response, Problem> {
    settle(&desk, true).await
}

async fn settle(desk: &Desk, keep_old: bool) -> Result<Response, Problem> {
    let id = desk.id()?;
    match credentials::settle(desk.app(), &desk.member.context, &desk.grant, id, keep_old).await {
        Ok(()) => Ok(done(desk, id, "settled")),
        Err(problem) => refused(desk, problem).await,
    }
}

// --- changing ------------------------------------------------------------------------------

fn may_edit(desk: &Desk, credential: &Credential) -> bool {
    let can = |part: &Part| match part {
        Part::Password => false,
        Part::Label => credential.kind != Kind::Legacy,
        Part::Description | Part::Access | Part::Expiry | Part::Networks => true,
    };
    !credential.state.is_ended() && desk.kind.credentials.edit.iter().any(can)
}

pub(super) async fn edit_form(desk: Desk) -> Result<Page<CredentialPage>, Problem> {
    let found = find_if(&desk, |credential| may_edit(&desk, credential)).await?;
    let form = form::to_edit(&desk, found.credential(), &Typed::of(found.credential()), None).await?;
    Ok(with_dialog(&desk, &found, CredentialDialog::Form(form)))
}

pub(super) async fn edit(desk: Desk, sent: Sent) -> Result<Response, Problem> {
    let found = find(&desk).await?;
    let (app, typed, credential) = (desk.app(), Typed::read(&sent), found.credential());
    let edited = match typed.edit(&desk.kind.credentials, credential, app.clock.now()) {
        Ok(edit) => credentials::edit(app, &desk.member.context, &desk.grant, credential.id, edit).await,
        Err(problem) => Err(problem),
    };
    match edited {
        Ok(_) => Ok(done(&desk, credential.id, "saved")),
        Err(problem) if problem.status == 422 => {
            let dialog = CredentialDialog::Form(form::to_edit(&desk, credential, &typed, Some(&problem)).await?);
            Ok(Page(StatusCode::UNPROCESSABLE_ENTITY, view(&desk, &found, None, Some(dialog))).into_response())
        }
        Err(problem) => refused(&desk, problem).await,
    }
}

fn may_change_password(desk: &Desk, credential: &Credential) -> bool {
    credential.kind == Kind::Legacy && desk.kind.credentials.edit.contains(&Part::Password) && !credential.state.is_ended()
}

pub(super) async fn password_form(desk: Desk) -> Result<Page<CredentialPage>, Problem> {
    let found = find_if(&desk, |credential| may_change_password(&desk, credential)).await?;
    let form = form::to_change_password(&desk, found.credential(), None);
    Ok(with_dialog(&desk, &found, CredentialDialog::Form(form)))
}

pub(super) async fn change_password(desk: Desk, sent: Sent) -> Result<Response, Problem> {
    let found = find_if(&desk, |credential| may_change_password(&desk, credential)).await?;
    let (id, password) = (found.credential().id, Plain::new(sent.text("password")));
    match credentials::change_password(desk.app(), &desk.member.context, &desk.grant, id, password).await {
        Ok(()) => Ok(done(&desk, id, "password-changed")),
        Err(problem) if problem.status == 422 => {
            let dialog = CredentialDialog::Form(form::to_change_password(&desk, found.credential(), Some(&problem)));
            Ok(Page(StatusCode::UNPROCESSABLE_ENTITY, view(&desk, &found, None, Some(dialog))).into_response())
        }
        Err(problem) => refused(&desk, problem).await,
    }
}

// --- the page ----------------------------------------------------------------------------------

fn ask(desk: &Desk, found: &Found, verb: &str, button: &str, text: &str) -> CredentialDialog {
    let (credential, href) = (found.credential(), href(desk, found.credential()));
    CredentialDialog::Ask(Ask {
        action: format!("{href}/{verb}"),
        cancel_href: href,
        heading: if button.contains(' ') { format!("{button}?") } else { format!("{button} this {}?", desk.kind.console.noun) },
        text: text.into(),
        what: vec![credential.public_id.clone().into()],
        effect: String::new(),
        choice: None,
        button: button.to_owned(),
        danger: false,
        error: None,
        fields: Vec::new(),
    })
}

fn view(desk: &Desk, found: &Found, done: Option<&str>, dialog: Option<CredentialDialog>) -> CredentialPage {
    let (credential, now, rules, console) = (found.credential(), desk.app().clock.now(), &desk.kind.credentials, &desk.kind.console);
    let (names, href) = (names(console, credential.kind), href(desk, credential));
    let mut chrome = desk.chrome(&credential.label);
    chrome.notice = frame::notice(done);
    let link = |label: &str, verb: &str| Link { label: label.into(), href: format!("{href}/{verb}"), current: false };
    let mut actions = Vec::new();
    if may_edit(desk, credential) {
        actions.push(link("Edit", "edit"));
    }
    if may_change_password(desk, credential) {
        actions.push(link(&format!("Change {}", names.secret.to_lowercase()), "password"));
    }
    if may_rotate(desk, credential) {
        actions.push(link("Regenerate", "rotate"));
    }
    match credential.state {
        State::Active if rules.pause => actions.push(link("Pause", "pause")),
        State::Paused if rules.pause => actions.push(link("Resume", "resume")),
        _ => {}
    }
    if credentials::is_restorable(credential, rules, now) {
        actions.push(link("Restore", "restore"));
    }
    let secret = |ListedSecret { view: secret, used }: &ListedSecret| SecretRow {
        used: used.as_ref().map_or_else(|| Cell::Text("Never".into()), |used| Cell::Used(frame::when(used.at, now), used.source.clone())),
        hint: if secret.hint.is_empty() { "Chosen by you".into() } else { secret.hint.clone() },
        created: frame::when(secret.created_at, now),
        until: secret.expires_at.map(|at| frame::when(at, now)),
    };
    let reason = |reason: Reason| match reason {
        Reason::NotNeeded => "Not needed any more",
        Reason::Replaced => "Replaced by another",
        Reason::Leaked => "Leaked",
        Reason::PersonLeft => "The person responsible has left",
    };
    CredentialPage {
        chrome,
        back: Link {
            label: if desk.is_below() { format!("{} of {}", console.tab(), desk.account().name) } else { console.tab().into() },
            href: desk.href.clone(),
            current: false,
        },
        heading: credential.label.clone(),
        kind_label: names.kind.clone(),
        facts: facts(desk, found),
        actions,
        end: (!credential.state.is_ended()).then(|| link(end_verb(rules), "delete")),
        settling: settling(desk, &found.listed),
        ended: credential.end.as_ref().filter(|_| found.listed.unsettled.is_none()).map(|end| Ended {
            word: capital(credential.state.as_str()),
            when: frame::when(end.at, now),
            by: by_whom(&end.by),
            reason: end.reason.map(|why| reason(why).to_owned()),
        }),
        secrets_heading: names.secret,
        secrets: if credential.state.is_ended() { Vec::new() } else { found.secrets.iter().map(secret).collect() },
        settle: ending_secret(desk, found).map(|_| (format!("{href}/finish"), format!("{href}/keep-old"))),
        refused: (credential.kind == Kind::Hmac).then(|| refusals::part(desk.app(), desk.account().id, Some(&credential.public_id), &desk.href)),
        dialog,
    }
}

/// What is not true everywhere yet, and for how long that can be.
fn settling(desk: &Desk, listed: &Listed) -> Option<String> {
    let app = desk.app();
    let by = standing::settles_by(app, listed)?;
    let what = match Standing::of_listed(listed) {
        Standing::Revoking => "Revoking… Some node may still accept it",
        Standing::Pausing => "Pausing… Some node may still accept it",
        _ => "Saving… Some node may not know of its last change",
    };
    Some(format!("{what}, for {} at most.", told::at_most(by.since(app.clock.now()))))
}

fn facts(desk: &Desk, found: &Found) -> Vec<(String, Cell)> {
    let (credential, now, rules, console) = (found.credential(), desk.app().clock.now(), &desk.kind.credentials, &desk.kind.console);
    let lines = |lines: Vec<String>, none: &str| if lines.is_empty() { Cell::Text(none.into()) } else { Cell::Lines(lines) };
    let mut facts = vec![(names(console, credential.kind).public_id, Cell::Code(credential.public_id.clone()))];
    if credential.kind != Kind::Legacy {
        facts.push((console.label.clone(), Cell::Text(credential.label.clone())));
    }
    if let Some(text) = &credential.description {
        facts.push(("Description".into(), Cell::Text(text.clone())));
    }
    facts.push(("Status".into(), status(&found.listed, now)));
    let access = match &credential.access {
        Access::Full => Cell::Text("Full: every operation, later ones included".into()),
        Access::FineGrained(scopes) => Cell::Lines(scopes.iter().map(ToString::to_string).collect()),
        Access::Roles(roles) => {
            let name = |id: &String| rules.find_role(id).map_or_else(|| id.clone(), |role| format!("{}: {}", role.name, role.hint));
            lines(roles.iter().map(name).collect(), "No role: it may do nothing")
        }
    };
    facts.push((if matches!(credential.access, Access::Roles(_)) { "Roles" } else { "Access" }.into(), access));
    if rules.expiry {
        facts.push(("Expires".into(), credential.expires_at.map_or_else(|| Cell::Text("Never".into()), |at| Cell::Time(frame::when(at, now)))));
    }
    if rules.networks {
        facts.push(("Networks".into(), lines(credential.allowed_networks.iter().map(ToString::to_string).collect(), "From anywhere")));
    }
    if credential.kind == Kind::Hmac {
        facts.push(("Repeated signatures".into(), Cell::Text(if credential.refuse_replays { "Refused" } else { "Accepted" }.into())));
    }
    facts.push(("Created".into(), Cell::Time(frame::when(credential.created_at, now))));
    match &found.listed.used {
        Some(used) => {
            facts.push(("Last used".into(), Cell::Used(frame::when(used.at, now), used.source.clone())));
            facts.extend(used.route.clone().map(|route| ("Last request".into(), Cell::Text(route))));
            facts.extend(used.user_agent.clone().map(|agent| ("Last program".into(), Cell::Text(agent))));
        }
        None => facts.push(("Last used".into(), Cell::Text("Never".into()))),
    }
    facts
}
