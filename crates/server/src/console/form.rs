//! The form that creates a credential, and the one that changes it: built from the rules of the account's kind, read back into a wish.
use std::{collections::BTreeMap, time::Duration};

use claviger_domain::{
    access::{Access, Level},
    base62,
    catalogue::Catalogue,
    credential::{Credential, Edit, Kind, Wish},
    invalid::Invalid,
    kind::{Label, Part, Rules},
    secret::Plain,
    time::Timestamp,
};

use super::{
    Sent,
    credentials::names,
    desk::{Desk, capital},
    view::{Choice, CredentialForm, Expiry, Hidden, KindChoice, Networks, ScopeChoice, ScopeGroup, Scopes, TextField},
};
use crate::{app::catalogue, problem::Problem};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a credential lives: the choices.
const SPANS: [(&str, &str); 4] = [("30", "30 days"), ("90", "90 days"), ("180", "180 days"), ("365", "One year")];

/// What was typed, as it was typed. Never a password.
#[derive(Clone, Debug, Default)]
pub(super) struct Typed {
    once: String,
    pub(super) kind: String,
    label: String,
    description: String,
    username: String,
    access: String,
    scopes: Vec<String>,
    roles: Vec<String>,
    expires: String,
    expires_on: String,
    networks: String,
    replays: bool,
}

/// The level of access with its scopes, and the roles.
type Wanted = (Option<(Level, Option<Vec<String>>)>, Option<Vec<String>>);

impl Typed {
    /// Of a credential that does not exist yet.
    pub(super) fn nothing(desk: &Desk, kind: Option<String>) -> Self {
        let once = base62::random(22, &*desk.app().chance);
        Self { once, kind: kind.unwrap_or_default(), expires: "never".into(), ..Self::default() }
    }

    pub(super) fn read(sent: &Sent) -> Self {
        let mut scopes = sent.all("scopes");
        scopes.extend(sent.text("scope_lines").split_ascii_whitespace().map(str::to_owned));
        Self {
            once: sent.text("once"),
            kind: sent.text("kind"),
            label: if sent.one("email").is_some() { sent.text("email") } else { sent.text("name") },
            description: sent.text("description"),
            username: sent.text("username"),
            access: sent.text("access"),
            scopes,
            roles: sent.all("roles"),
            expires: sent.text("expires"),
            expires_on: sent.text("expires_on"),
            networks: sent.text("networks"),
            replays: sent.one("replays").is_some(),
        }
    }

    /// What can be changed about a credential, as it is.
    pub(super) fn of(credential: &Credential) -> Self {
        let (scopes, roles) = match &credential.access {
            Access::Full => (Vec::new(), Vec::new()),
            Access::FineGrained(scopes) => (scopes.iter().map(ToString::to_string).collect(), Vec::new()),
            Access::Roles(roles) => (Vec::new(), roles.iter().cloned().collect()),
        };
        Self {
            kind: credential.kind.to_string(),
            label: credential.label.clone(),
            description: credential.description.clone().unwrap_or_default(),
            access: level_name(credential.access.level()).into(),
            scopes,
            roles,
            expires: if credential.expires_at.is_some() { "on".into() } else { "never".into() },
            expires_on: credential.expires_at.map(|at| at.to_string().chars().take(16).collect()).unwrap_or_default(),
            networks: credential.allowed_networks.iter().map(|network| format!("{network}\n")).collect(),
            ..Self::default()
        }
    }

    pub(super) fn once(&self) -> &str {
        &self.once
    }

    fn level(&self) -> Option<Level> {
        [Level::Full, Level::FineGrained, Level::Roles].into_iter().find(|level| level_name(*level) == self.access)
    }

    /// The access chosen; the only one there is need not be chosen.
    fn wanted(&self, rules: &Rules) -> Wanted {
        let level = match rules.access.as_slice() {
            [only] => Some(*only),
            _ => self.level(),
        };
        match level {
            Some(Level::FineGrained) => (Some((Level::FineGrained, Some(self.scopes.clone()))), None),
            Some(Level::Roles) => (Some((Level::Roles, None)), Some(self.roles.clone())),
            Some(Level::Full) => (Some((Level::Full, None)), None),
            None => (None, None),
        }
    }

    fn expires_at(&self, now: Timestamp) -> Result<Option<Timestamp>, Invalid> {
        match self.expires.as_str() {
            "" | "never" => Ok(None),
            "on" => {
                let given = self.expires_on.trim();
                let at = if given.len() == 10 { format!("{given}T00:00:00Z") } else { format!("{given}:00Z") };
                let wrong = |_| Invalid::new("expires_at", "expiry_invalid", "Give the day and the time, such as 2027-01-31T12:00.");
                at.parse().map(Some).map_err(wrong)
            }
            days => match SPANS.iter().find(|(span, _)| *span == days).and_then(|(span, _)| span.parse::<u32>().ok()) {
                Some(days) => Ok(Some(now + DAY * days)),
                None => Err(Invalid::new("expires_at", "expiry_invalid", "Choose one of these.")),
            },
        }
    }

    /// None, from anywhere, when nothing was typed.
    fn networks(&self) -> Option<Vec<String>> {
        let lines: Vec<_> = self.networks.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
        (!lines.is_empty()).then_some(lines)
    }

    /// What is wished for. Fields that what was chosen does not have are left out, whatever stands in them.
    pub(super) fn wish(&self, rules: &Rules, password: Plain, now: Timestamp) -> Result<Wish, Problem> {
        let kind = match rules.kinds.as_slice() {
            [only] => Some(*only),
            _ => self.kind.parse().ok(),
        };
        let (access, roles) = self.wanted(rules);
        let (login, email) = (kind == Some(Kind::Legacy), matches!(rules.label, Label::Email | Label::Owner));
        Ok(Wish {
            kind,
            email: email.then(|| self.label.clone()),
            name: (!email && !login).then(|| self.label.clone()),
            description: (rules.label == Label::Owner).then(|| self.description.clone()),
            username: login.then(|| self.username.clone()),
            password: login.then_some(password),
            roles,
            access,
            expires_at: if rules.expiry { self.expires_at(now)? } else { None },
            allowed_networks: if rules.networks { self.networks() } else { None },
            refuse_replays: (kind == Some(Kind::Hmac)).then_some(self.replays),
        })
    }

    /// What is to change.
    pub(super) fn edit(&self, rules: &Rules, credential: &Credential, now: Timestamp) -> Result<Edit, Problem> {
        let may = |part| rules.edit.contains(&part);
        let email = matches!(rules.label, Label::Email | Label::Owner);
        let labelled = may(Part::Label) && credential.kind != Kind::Legacy;
        let (access, roles) = if may(Part::Access) { self.wanted(rules) } else { (None, None) };
        if may(Part::Access) && access.is_none() {
            return Err(Invalid::new("access", "access_required", "Say what the credential may do.").into());
        }
        let unchanged = Self::of(credential);
        let same_expiry = self.expires == unchanged.expires && self.expires_on == unchanged.expires_on;
        Ok(Edit {
            email: (labelled && email).then(|| self.label.clone()),
            name: (labelled && !email).then(|| self.label.clone()),
            description: may(Part::Description).then(|| self.description.clone()),
            roles,
            access,
            expires_at: if may(Part::Expiry) && !same_expiry { Some(self.expires_at(now)?) } else { None },
            allowed_networks: may(Part::Networks).then(|| self.networks()),
        })
    }
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Full => "full",
        Level::FineGrained => "fine_grained",
        Level::Roles => "roles",
    }
}

fn error_at(problem: Option<&Problem>, fields: &[&str]) -> Option<String> {
    let mut errors = problem?.errors.iter();
    errors.find(|error| fields.iter().any(|field| error.pointer.strip_prefix("#/") == Some(*field))).map(|error| error.detail.clone())
}

/// What is wrong with no field in particular.
fn form_error(problem: Option<&Problem>) -> Option<String> {
    problem.filter(|problem| problem.errors.is_empty()).map(|problem| problem.detail.clone())
}

fn text(name: &'static str, form: &'static str, label: &str, hint: &str, value: &str, error: Option<String>) -> TextField {
    TextField { name, form, label: label.into(), hint: hint.into(), value: value.into(), optional: false, error }
}

/// The form that creates.
pub(super) async fn to_create(desk: &Desk, typed: &Typed, problem: Option<&Problem>) -> Result<CredentialForm, Problem> {
    let (rules, console) = (&desk.kind.credentials, &desk.kind.console);
    let chosen = match rules.kinds.as_slice() {
        [only] => Some(*only),
        kinds => typed.kind.parse::<Kind>().ok().filter(|kind| kinds.contains(kind)),
    };
    // in sections the button that was used says which kind it is
    let settled = chosen.filter(|_| console.sections || rules.kinds.len() == 1);
    let offered: Vec<Kind> = settled.map_or_else(|| rules.kinds.clone(), |kind| vec![kind]);
    let choice = |kind: &Kind| {
        let names = names(console, *kind);
        let choice = Choice { value: kind.to_string(), label: names.kind, hint: names.hint, selected: chosen == Some(*kind) };
        KindChoice { choice, login: *kind == Kind::Legacy, signs: *kind == Kind::Hmac }
    };
    let login = offered.iter().find(|kind| **kind == Kind::Legacy);
    let mut hidden = vec![Hidden { name: "once", value: typed.once.clone() }];
    hidden.extend(settled.map(|kind| Hidden { name: "kind", value: kind.to_string() }));
    let words = login.map(|kind| names(console, *kind));
    let mut form = CredentialForm {
        action: desk.href.clone(),
        cancel_href: desk.href.clone(),
        heading: settled
            .filter(|_| console.sections)
            .map_or_else(|| console.create.clone(), |kind| format!("{}: {}", console.create, names(console, kind).kind)),
        submit: console.submit.clone(),
        warning: console.warning.clone(),
        error: form_error(problem),
        hidden,
        kinds: if settled.is_some() { Vec::new() } else { offered.iter().map(choice).collect() },
        kind_error: error_at(problem, &["kind"]),
        texts: if offered == [Kind::Legacy] { Vec::new() } else { label_fields(desk, typed, problem, true) },
        username: words.as_ref().map(|words| {
            let hint = "5 to 255 lower-case letters, a to z. It is yours alone: no other account can have the same.";
            text("username", "text", &words.public_id, hint, &typed.username, error_at(problem, &["username"]))
        }),
        password: words.map(|words| password_field(&words.secret, problem)),
        replays: offered.contains(&Kind::Hmac).then_some(typed.replays),
        ..CredentialForm::default()
    };
    add_access(desk, &mut form, typed, problem).await?;
    if rules.expiry {
        form.expiry = Some(expiry(typed, problem));
    }
    if rules.networks {
        form.networks = Some(networks(desk, typed, problem));
    }
    Ok(form)
}

/// The form that changes a credential, of what can be changed.
pub(super) async fn to_edit(desk: &Desk, credential: &Credential, typed: &Typed, problem: Option<&Problem>) -> Result<CredentialForm, Problem> {
    let (rules, href) = (&desk.kind.credentials, format!("{}/{}", desk.href, credential.id));
    let may = |part| rules.edit.contains(&part);
    let mut form = CredentialForm {
        action: format!("{href}/edit"),
        cancel_href: href,
        heading: format!("Edit this {}", desk.kind.console.noun),
        submit: "Save".into(),
        what: Some(credential.public_id.clone()),
        error: form_error(problem),
        ..CredentialForm::default()
    };
    form.texts = label_fields(desk, typed, problem, may(Part::Description));
    if !may(Part::Label) || credential.kind == Kind::Legacy {
        form.texts.retain(|field| !["email", "name"].contains(&field.name));
    }
    if may(Part::Access) {
        add_access(desk, &mut form, typed, problem).await?;
    }
    if may(Part::Expiry) {
        form.expiry = Some(expiry(typed, problem));
    }
    if may(Part::Networks) {
        form.networks = Some(networks(desk, typed, problem));
    }
    Ok(form)
}

/// The form that changes a chosen password.
pub(super) fn to_change_password(desk: &Desk, credential: &Credential, problem: Option<&Problem>) -> CredentialForm {
    let href = format!("{}/{}", desk.href, credential.id);
    let secret = names(&desk.kind.console, credential.kind).secret;
    CredentialForm {
        action: format!("{href}/password"),
        cancel_href: href,
        heading: format!("Change {}", secret.to_lowercase()),
        submit: format!("Change {}", secret.to_lowercase()),
        what: Some(credential.public_id.clone()),
        error: form_error(problem),
        password: Some(password_field(&format!("New {}", secret.to_lowercase()), problem)),
        ..CredentialForm::default()
    }
}

fn password_field(label: &str, problem: Option<&Problem>) -> TextField {
    let hint = "6 to 50 letters and digits, at least one upper-case and one lower-case letter among them. We cannot show it to you later.";
    text("password", "password", label, hint, "", error_at(problem, &["password"]))
}

fn label_fields(desk: &Desk, typed: &Typed, problem: Option<&Problem>, describable: bool) -> Vec<TextField> {
    let (rules, console) = (&desk.kind.credentials, &desk.kind.console);
    let (name, form) = if matches!(rules.label, Label::Email | Label::Owner) { ("email", "email") } else { ("name", "text") };
    let mut fields = vec![text(name, form, &console.label, &console.label_hint, &typed.label, error_at(problem, &["email", "name"]))];
    if describable && rules.label == Label::Owner {
        let hint = "What it is used for, if there is more to say.";
        let field = text("description", "text", "Description", hint, &typed.description, error_at(problem, &["description"]));
        fields.push(TextField { optional: true, ..field });
    }
    fields
}

async fn add_access(desk: &Desk, form: &mut CredentialForm, typed: &Typed, problem: Option<&Problem>) -> Result<(), Problem> {
    let rules = &desk.kind.credentials;
    let choice = |level: &Level| {
        let (label, hint) = match level {
            Level::Full => ("Full", "Trusted internal integrations. Every operation, later ones included."),
            Level::FineGrained => ("Fine grained", "Pick what it may do. Recommended where security matters; never grows by itself."),
            Level::Roles => ("By roles", "What its roles may do, together."),
        };
        Choice { value: level_name(*level).into(), label: label.into(), hint: hint.into(), selected: typed.access == level_name(*level) }
    };
    if rules.access.len() > 1 {
        form.access = rules.access.iter().map(choice).collect();
    }
    let unpicked = problem.is_some_and(|problem| problem.errors.iter().any(|error| error.code == "scopes_required"));
    let (about_access, about_scopes) = (error_at(problem, &["access"]), error_at(problem, &["scopes"]));
    form.access_error = about_access.clone().filter(|_| !unpicked);
    if rules.access.contains(&Level::FineGrained) {
        let catalogue = catalogue::current(desk.app()).await?;
        form.scopes = Some(scopes(catalogue.as_deref(), typed, about_scopes.or_else(|| about_access.filter(|_| unpicked))));
    }
    if rules.access.contains(&Level::Roles) {
        let choice = |role: &claviger_domain::kind::KeyRole| Choice {
            value: role.id.clone(),
            label: role.name.clone(),
            hint: role.hint.clone(),
            selected: typed.roles.contains(&role.id),
        };
        form.roles = rules.roles.iter().map(choice).collect();
        form.roles_error = error_at(problem, &["roles"]);
    }
    Ok(())
}

/// The scopes of the catalogue by resource; a scope that was given and is no longer in it stays to be seen and taken away.
fn scopes(catalogue: Option<&Catalogue>, typed: &Typed, error: Option<String>) -> Scopes {
    let mut groups: BTreeMap<String, Vec<ScopeChoice>> = BTreeMap::new();
    let mut add = |scope: &str, sentence: String, reads| {
        let resource = scope.split(':').next().unwrap_or_default().to_owned();
        let choice =
            Choice { value: scope.to_owned(), label: scope.to_owned(), hint: sentence, selected: typed.scopes.iter().any(|held| held == scope) };
        groups.entry(resource).or_default().push(ScopeChoice { choice, reads });
    };
    let known: Vec<_> = catalogue.into_iter().flat_map(Catalogue::scopes).collect();
    for (scope, entry) in &known {
        add(scope.as_str(), entry.sentence.clone(), entry.reads);
    }
    if !known.is_empty() {
        for held in typed.scopes.iter().filter(|held| !known.iter().any(|(scope, _)| scope.as_str() == held.as_str())) {
            add(held, "No operation asks for it at present.".into(), false);
        }
    }
    let groups = groups.into_iter().map(|(resource, scopes)| ScopeGroup { resource: capital(&resource), scopes }).collect();
    Scopes { groups, text: typed.scopes.join("\n"), error }
}

fn expiry(typed: &Typed, problem: Option<&Problem>) -> Expiry {
    let choice =
        |value: &str, label: &str| Choice { value: value.into(), label: label.into(), hint: String::new(), selected: typed.expires == value };
    let mut choices = vec![choice("never", "Never")];
    choices.extend(SPANS.iter().map(|(value, label)| choice(value, label)));
    choices.push(choice("on", "On a day"));
    Expiry { choices, date: typed.expires_on.clone(), error: error_at(problem, &["expires_at"]) }
}

fn networks(desk: &Desk, typed: &Typed, problem: Option<&Problem>) -> Networks {
    let own = desk.member.context.source.map(|address| address.to_string());
    Networks { text: typed.networks.clone(), error: error_at(problem, &["allowed_networks"]), own }
}
