//! The pages of credentials, and of what was refused.
use askama::Template;
use claviger_domain::secret::Plain;

use super::*;

/// The list of credentials, and the dialogs that stand in front of it.
#[derive(Debug, Template)]
#[template(path = "console/credentials.html")]
pub(crate) struct CredentialsPage {
    pub(crate) chrome: Chrome,
    /// Where one came from, and the account's name, when it is an account below one's own.
    pub(crate) back: Option<Link>,
    pub(crate) words: CredentialWords,
    /// Whether each kind of credential has a section of its own; else there is one section without a heading.
    pub(crate) sectioned: bool,
    pub(crate) sections: Vec<CredentialSection>,
    /// Where several can be ticked and ended together; takes `id`, several times, by GET.
    pub(crate) tick_href: Option<String>,
    pub(crate) filters: Option<Filters>,
    /// "37 API keys".
    pub(crate) total_label: Option<String>,
    pub(crate) limit: Option<LimitNote>,
    pub(crate) dialog: Option<CredentialDialog>,
}

/// One list.
#[derive(Debug, Clone)]
pub(crate) struct CredentialSection {
    /// Fit for an HTML id.
    pub(crate) id: String,
    pub(crate) heading: String,
    pub(crate) hint: String,
    pub(crate) create_href: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<CredentialRow>,
    pub(crate) newer_href: Option<String>,
    pub(crate) older_href: Option<String>,
}

/// What to look for. Sends `kind`, `state`, `q` to the page's own address by GET, and `pasted` to `find_action`.
#[derive(Debug, Clone)]
pub(crate) struct Filters {
    pub(crate) href: String,
    pub(crate) kinds: Vec<Choice>,
    pub(crate) states: Vec<Choice>,
    pub(crate) query: String,
    /// Whether anything is looked for.
    pub(crate) narrowed: bool,
    pub(crate) find_action: String,
}

/// What this account kind calls its credentials.
#[derive(Debug, Clone)]
pub(crate) struct CredentialWords {
    /// "API keys"
    pub(crate) heading: String,
    pub(crate) intro: String,
    /// "Create API key"
    pub(crate) create: String,
    /// "Delete"
    pub(crate) delete: String,
    pub(crate) empty_title: String,
    pub(crate) empty_text: String,
}

/// One credential; `cells` in the order of the columns. `id` must be fit for an HTML id.
#[derive(Debug, Clone)]
pub(crate) struct CredentialRow {
    pub(crate) id: String,
    /// What it is called where one of several is meant.
    pub(crate) name: String,
    pub(crate) cells: Vec<Cell>,
    /// What no column says: that it is on its way out.
    pub(crate) settling: Option<Cell>,
    /// The value of its tick, where it can be ticked.
    pub(crate) tick: Option<String>,
    pub(crate) details_href: Option<String>,
    pub(crate) delete_href: Option<String>,
    /// Begins with the visible word: "Delete acme_client_…".
    pub(crate) delete_label: String,
}

/// How many of the allowed credentials exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LimitNote {
    pub(crate) used: u32,
    pub(crate) of: u32,
    pub(crate) reached: bool,
}

/// What is open in front of the list, or of a credential.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one for each page, and never stored")]
pub(crate) enum CredentialDialog {
    Form(CredentialForm),
    Created(CreatedSecret),
    Ask(Ask),
    LimitReached { cancel_href: String, text: String, back: String },
}

/// Asks before something is done, perhaps with a choice. Focus starts on Cancel.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) action: String,
    pub(crate) cancel_href: String,
    pub(crate) heading: String,
    pub(crate) text: Said,
    /// What it is done to.
    pub(crate) what: Vec<Said>,
    /// What stops, and when. May be empty.
    pub(crate) effect: String,
    /// The field's name, its legend, its values.
    pub(crate) choice: Option<(&'static str, &'static str, Vec<Choice>)>,
    pub(crate) button: String,
    pub(crate) danger: bool,
    pub(crate) error: Option<String>,
    pub(crate) fields: Vec<Hidden>,
}

/// Creates a credential, or changes one. Sends those of the fields that are there.
#[derive(Debug, Clone, Default)]
pub(crate) struct CredentialForm {
    pub(crate) action: String,
    pub(crate) cancel_href: String,
    pub(crate) heading: String,
    pub(crate) submit: String,
    pub(crate) warning: Option<String>,
    /// What is changed; absent where one is created.
    pub(crate) what: Option<String>,
    pub(crate) error: Option<String>,
    /// `once` makes a second sending of the same form harmless; `kind` where there is nothing to choose.
    pub(crate) hidden: Vec<Hidden>,
    /// `kind`.
    pub(crate) kinds: Vec<KindChoice>,
    pub(crate) kind_error: Option<String>,
    /// `label`, `description`.
    pub(crate) texts: Vec<TextField>,
    /// `username`, where one is chosen.
    pub(crate) username: Option<TextField>,
    /// `password`, where one is chosen. Never filled in by us.
    pub(crate) password: Option<TextField>,
    /// `access`.
    pub(crate) access: Vec<Choice>,
    pub(crate) access_error: Option<String>,
    /// `scopes`, belonging to the choice `fine_grained`, or to none.
    pub(crate) scopes: Option<Scopes>,
    /// `roles`.
    pub(crate) roles: Vec<Choice>,
    pub(crate) roles_error: Option<String>,
    /// `expires`, `expires_on`.
    pub(crate) expiry: Option<Expiry>,
    /// `networks`, one a line.
    pub(crate) networks: Option<Networks>,
    /// `replays`; ticked or not.
    pub(crate) replays: Option<bool>,
}

/// A kind of credential to choose.
#[derive(Debug, Clone)]
pub(crate) struct KindChoice {
    pub(crate) choice: Choice,
    /// Whether a username and a password are chosen, instead of a label.
    pub(crate) login: bool,
    /// Whether it signs requests.
    pub(crate) signs: bool,
}

/// One line of text.
#[derive(Debug, Clone)]
pub(crate) struct TextField {
    pub(crate) name: &'static str,
    /// The input's type.
    pub(crate) form: &'static str,
    pub(crate) label: String,
    pub(crate) hint: String,
    pub(crate) value: String,
    pub(crate) optional: bool,
    pub(crate) error: Option<String>,
}

/// Scopes to pick from, or a place to write them.
#[derive(Debug, Clone)]
pub(crate) struct Scopes {
    pub(crate) groups: Vec<ScopeGroup>,
    /// What was written, where there is nothing to pick from.
    pub(crate) text: String,
    pub(crate) error: Option<String>,
}

/// The scopes of one resource.
#[derive(Debug, Clone)]
pub(crate) struct ScopeGroup {
    pub(crate) resource: String,
    pub(crate) scopes: Vec<ScopeChoice>,
}

/// One scope to pick.
#[derive(Debug, Clone)]
pub(crate) struct ScopeChoice {
    pub(crate) choice: Choice,
    pub(crate) reads: bool,
}

/// When it is to end by itself.
#[derive(Debug, Clone)]
pub(crate) struct Expiry {
    pub(crate) choices: Vec<Choice>,
    pub(crate) date: String,
    pub(crate) error: Option<String>,
}

/// From where it may be used.
#[derive(Debug, Clone)]
pub(crate) struct Networks {
    pub(crate) text: String,
    pub(crate) error: Option<String>,
    /// The address this page was asked from.
    pub(crate) own: Option<String>,
}

/// One credential: everything about it, and what can be done to it.
#[derive(Debug, Template)]
#[template(path = "console/credential.html")]
pub(crate) struct CredentialPage {
    pub(crate) chrome: Chrome,
    pub(crate) back: Link,
    pub(crate) heading: String,
    pub(crate) kind_label: String,
    pub(crate) facts: Vec<(String, Cell)>,
    pub(crate) actions: Vec<Link>,
    /// What ends it.
    pub(crate) end: Option<Link>,
    pub(crate) ended: Option<Ended>,
    /// While its last change is not true on every node: until when at the latest.
    pub(crate) settling: Option<String>,
    pub(crate) secrets_heading: String,
    pub(crate) secrets: Vec<SecretRow>,
    /// While two secrets are accepted: what finishes that, and what goes back.
    pub(crate) settle: Option<(String, String)>,
    /// Of a key that signs.
    pub(crate) refused: Option<RefusedPart>,
    pub(crate) dialog: Option<CredentialDialog>,
}

/// How it ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) word: String,
    pub(crate) when: When,
    pub(crate) by: String,
    pub(crate) reason: Option<String>,
}

/// Signed requests that were refused lately, on a page of something else or on their own.
#[derive(Debug, Clone)]
pub(crate) struct RefusedPart {
    /// Where all of them are; takes `request_id` by GET.
    pub(crate) search_href: String,
    pub(crate) rows: Vec<RefusalRow>,
}

/// One refused request.
#[derive(Debug, Clone)]
pub(crate) struct RefusalRow {
    pub(crate) when: When,
    pub(crate) href: String,
    pub(crate) request_id: String,
    pub(crate) public_id: String,
    /// What to do.
    pub(crate) why: String,
}

/// All of an account's refused requests that are remembered.
#[derive(Debug, Template)]
#[template(path = "console/refusals.html")]
pub(crate) struct RefusalsPage {
    pub(crate) chrome: Chrome,
    pub(crate) back: Link,
    /// What was looked for, and not found; may be empty.
    pub(crate) query: String,
    pub(crate) refusals: RefusedPart,
}

/// One refused request, as it looked to us.
#[derive(Debug, Template)]
#[template(path = "console/refusal.html")]
pub(crate) struct RefusalPage {
    pub(crate) chrome: Chrome,
    pub(crate) back: Link,
    pub(crate) row: RefusalRow,
    /// Stable, for programs.
    pub(crate) code: &'static str,
    pub(crate) clock: String,
    pub(crate) signing_string: String,
    pub(crate) headers: Vec<SeenHeader>,
}

/// A header as it reached us; without values it was missing.
#[derive(Debug, Clone)]
pub(crate) struct SeenHeader {
    pub(crate) name: String,
    pub(crate) values: Vec<String>,
}

/// A secret, without the secret.
#[derive(Debug, Clone)]
pub(crate) struct SecretRow {
    pub(crate) hint: String,
    pub(crate) created: When,
    pub(crate) until: Option<When>,
    pub(crate) used: Cell,
}

/// The only time a secret is seen. Esc does not close it; its one button does.
#[derive(Debug, Clone)]
pub(crate) struct CreatedSecret {
    pub(crate) heading: String,
    pub(crate) text: Said,
    pub(crate) values: Vec<SecretValue>,
    /// A command to paste, with the secret in place.
    pub(crate) curl: Option<Plain>,
    /// What closing it is called: "Done".
    pub(crate) done: String,
    pub(crate) done_href: String,
}

/// One value with its copy button; `id` must be fit for an HTML id.
#[derive(Clone)]
pub(crate) struct SecretValue {
    pub(crate) label: String,
    pub(crate) value: String,
    pub(crate) id: String,
    /// Marked "Shown only now".
    pub(crate) secret: bool,
}

/// Leaves the value out: a view that is logged must not log it.
impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretValue").field("label", &self.label).finish_non_exhaustive()
    }
}
