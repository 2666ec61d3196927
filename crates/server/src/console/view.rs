//! What each console page shows: plain data, rendered by the templates in `templates/console`. Nothing is decided here.
//!
//! All words that depend on an account kind arrive as data. Every `*_href` is a GET; every `action` is a POST whose
//! field names stand beside it. Values are escaped by the templates.

use askama::Template;
use claviger_domain::secret::Plain;

// --- around every page -------------------------------------------------------

/// The frame of every page: title, assets, who is signed in, where one can go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chrome {
    pub(crate) title: String,
    pub(crate) css_href: String,
    pub(crate) js_href: String,
    pub(crate) icon_href: String,
    /// Nobody is signed in when absent: no navigation, no menu.
    pub(crate) person: Option<Person>,
    /// The account's name at the top; an operator's session has none and shows "Operator".
    pub(crate) account: Option<String>,
    /// Opened from the account's name. "Sign out" is added by the template (`POST /sign-out`).
    pub(crate) menu: Vec<Link>,
    /// The left-hand navigation; with one entry or none it is still drawn, so that pages do not jump.
    pub(crate) nav: Vec<Link>,
    /// What just happened. It takes the focus, unless a dialog is open.
    pub(crate) notice: Option<Notice>,
}

/// Who is signed in.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) email: String,
    pub(crate) name: Option<String>,
    pub(crate) role_label: String,
}

/// A place to go; `current` marks the one we are at.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) label: String,
    pub(crate) href: String,
    pub(crate) current: bool,
}

/// One sentence above the page's content.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

/// How loudly a notice speaks: politely, or at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Calm,
    Error,
}

/// A moment: for machines, for reading ("3 days ago"), and exactly, with its zone, on hover.
#[derive(Debug, Clone)]
pub(crate) struct When {
    pub(crate) iso: String,
    pub(crate) relative: String,
    pub(crate) exact: String,
}

/// One cell of a table whose columns come from data. `Code` gets a copy button; `Shown` is shown, with one, when asked for.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Code(String),
    Shown(String),
    Text(String),
    Time(When),
    /// When, and from where.
    Used(When, Option<String>),
    /// A word, and the class of its dot.
    Status(&'static str, &'static str),
    Lines(Vec<String>),
}

/// One of several values of a field.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
    /// One line that says when to choose it; may be empty.
    pub(crate) hint: String,
    pub(crate) selected: bool,
}

/// A field that is sent but not seen.
#[derive(Debug, Clone)]
pub(crate) struct Hidden {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// A sentence, and in it a name that somebody chose: set apart, so that its direction turns nothing of what stands around it.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) before: String,
    pub(crate) name: Option<String>,
    pub(crate) after: String,
}

impl Said {
    pub(crate) fn of(before: &str, name: &str, after: &str) -> Self {
        Self { before: before.to_owned(), name: Some(name.to_owned()), after: after.to_owned() }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.before.is_empty() && self.name.is_none() && self.after.is_empty()
    }
}

impl<T: Into<String>> From<T> for Said {
    fn from(text: T) -> Self {
        Self { before: text.into(), name: None, after: String::new() }
    }
}

/// Asks before something ends. Focus starts on Cancel.
#[derive(Debug, Clone)]
pub(crate) struct ConfirmDelete {
    pub(crate) action: String,
    pub(crate) cancel_href: String,
    /// "Delete this API key?"
    pub(crate) heading: String,
    pub(crate) text: String,
    /// The public id, email or name of what ends.
    pub(crate) what: String,
    /// What stops, and when: shown in its own box. May be empty.
    pub(crate) effect: String,
    /// The verb with its object: "Delete key".
    pub(crate) button: String,
    pub(crate) fields: Vec<Hidden>,
}

// --- signed out, signing in, errors --------------------------------------------

/// Not signed in, signed out, or a sign-in link that was used or has expired.
#[derive(Debug, Template)]
#[template(path = "console/signed_out.html")]
pub(crate) struct SignedOut {
    pub(crate) chrome: Chrome,
    pub(crate) heading: String,
    pub(crate) text: String,
}

/// What a sign-in link shows. Sends nothing, to the link itself.
#[derive(Debug, Template)]
#[template(path = "console/signing_in.html")]
pub(crate) struct SigningIn {
    pub(crate) chrome: Chrome,
    /// Whom it signs in.
    pub(crate) person: String,
    /// To what: their account's name.
    pub(crate) whose: String,
}

/// A request that was not answered with what was asked for.
#[derive(Debug, Template)]
#[template(path = "console/error.html")]
pub(crate) struct ErrorPage {
    pub(crate) chrome: Chrome,
    pub(crate) status: u16,
    pub(crate) heading: String,
    pub(crate) text: String,
    pub(crate) request_id: Option<String>,
}

impl ErrorPage {
    /// Whether the same request may go well in a moment.
    fn passing(&self) -> bool {
        matches!(self.status, 429 | 500..=599)
    }
}

// --- an account's own pages -----------------------------------------------------

/// The account, seen by one of its members.
#[derive(Debug, Template)]
#[template(path = "console/account.html")]
pub(crate) struct AccountPage {
    pub(crate) chrome: Chrome,
    pub(crate) name: String,
    pub(crate) kind_label: String,
    pub(crate) account_id: String,
    pub(crate) status: Cell,
    pub(crate) suspended: bool,
    pub(crate) role_label: String,
    pub(crate) created: When,
}

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

/// What those see who may not manage credentials, or not yet.
#[derive(Debug, Template)]
#[template(path = "console/whom_to_ask.html")]
pub(crate) struct WhomToAskPage {
    pub(crate) chrome: Chrome,
    pub(crate) heading: String,
    pub(crate) text: String,
    pub(crate) people_heading: String,
    /// Address and name.
    pub(crate) people: Vec<(String, Option<String>)>,
    /// Where to ask the operator: a POST without fields.
    pub(crate) ask_action: Option<String>,
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

/// The accounts directly below one.
#[derive(Debug, Template)]
#[template(path = "console/clients.html")]
pub(crate) struct ClientsPage {
    pub(crate) chrome: Chrome,
    pub(crate) heading: Said,
    pub(crate) back: Option<Link>,
    pub(crate) intro: String,
    pub(crate) rows: Vec<ClientRow>,
    pub(crate) linked: bool,
    pub(crate) empty_title: String,
    pub(crate) empty_text: String,
    pub(crate) newer_href: Option<String>,
    pub(crate) older_href: Option<String>,
}

/// One client account.
#[derive(Debug, Clone)]
pub(crate) struct ClientRow {
    pub(crate) name: String,
    pub(crate) account_id: String,
    pub(crate) status: Cell,
    /// Its credentials' page, the accounts below it: as far as one may.
    pub(crate) links: Vec<Link>,
}

/// The people of an account.
#[derive(Debug, Template)]
#[template(path = "console/members.html")]
pub(crate) struct MembersPage {
    pub(crate) chrome: Chrome,
    pub(crate) can_edit: bool,
    pub(crate) rows: Vec<MemberRow>,
    pub(crate) invite_href: String,
    pub(crate) dialog: Option<MemberDialog>,
}

/// One person. What is absent cannot be done: a last owner has no `remove_href`.
#[derive(Debug, Clone)]
pub(crate) struct MemberRow {
    pub(crate) email: String,
    pub(crate) name: Option<String>,
    pub(crate) role_label: String,
    pub(crate) added: When,
    pub(crate) edit_href: Option<String>,
    pub(crate) remove_href: Option<String>,
    /// Where their sessions are.
    pub(crate) sessions_href: String,
    /// Where an operator asks for a sign-in link; absent in an account's own console. Sends nothing.
    pub(crate) sign_in_action: Option<String>,
}

/// The sessions of one person.
#[derive(Debug, Template)]
#[template(path = "console/sessions.html")]
pub(crate) struct SessionsPage {
    pub(crate) chrome: Chrome,
    pub(crate) back: Option<Link>,
    pub(crate) intro: Said,
    pub(crate) rows: Vec<SessionRow>,
    /// Ends several at once: its button, and where it sends nothing to.
    pub(crate) end_several: Option<(&'static str, String)>,
}

/// One session. `end_action` sends nothing; absent for the one that looks, which signs out instead.
#[derive(Debug, Clone)]
pub(crate) struct SessionRow {
    pub(crate) begun: When,
    pub(crate) seen: When,
    pub(crate) end_action: Option<String>,
}

/// What is open in front of the members.
#[derive(Debug, Clone)]
pub(crate) enum MemberDialog {
    Add(AddMember),
    ChangeRole(ChangeRole),
    Remove(ConfirmDelete),
}

/// Sends `email`, `name`, `role`.
#[derive(Debug, Clone)]
pub(crate) struct AddMember {
    pub(crate) action: String,
    pub(crate) cancel_href: String,
    pub(crate) email_value: String,
    pub(crate) name_value: String,
    pub(crate) roles: Vec<Choice>,
    pub(crate) error: Option<String>,
    pub(crate) email_error: Option<String>,
    pub(crate) name_error: Option<String>,
    pub(crate) role_error: Option<String>,
}

/// Sends `role`.
#[derive(Debug, Clone)]
pub(crate) struct ChangeRole {
    pub(crate) action: String,
    pub(crate) cancel_href: String,
    pub(crate) email: String,
    pub(crate) roles: Vec<Choice>,
    pub(crate) error: Option<String>,
}

// --- the operator's pages ---------------------------------------------------------

/// All accounts. The search sends `q` to the page's own address by GET.
#[derive(Debug, Template)]
#[template(path = "console/accounts.html")]
pub(crate) struct AccountsPage {
    pub(crate) chrome: Chrome,
    pub(crate) rows: Vec<AccountRow>,
    /// Where the search is sent, and where clearing it leads.
    pub(crate) search_href: String,
    pub(crate) query: String,
    pub(crate) newer_href: Option<String>,
    pub(crate) older_href: Option<String>,
    pub(crate) create_href: String,
    pub(crate) dialog: Option<CreateAccount>,
}

/// One account.
#[derive(Debug, Clone)]
pub(crate) struct AccountRow {
    pub(crate) name: String,
    pub(crate) href: String,
    pub(crate) kind_label: String,
    pub(crate) parent_name: Option<String>,
    pub(crate) access_label: String,
    pub(crate) access_on: bool,
    pub(crate) status: Cell,
    pub(crate) created: When,
}

/// Sends `once`, `name`, `kind`, `parent_id`, `external_id`.
#[derive(Debug, Clone)]
pub(crate) struct CreateAccount {
    pub(crate) action: String,
    pub(crate) cancel_href: String,
    pub(crate) once: String,
    pub(crate) kinds: Vec<Choice>,
    pub(crate) name_value: String,
    pub(crate) parent_value: String,
    pub(crate) external_id_value: String,
    pub(crate) error: Option<String>,
    pub(crate) name_error: Option<String>,
    pub(crate) kind_error: Option<String>,
    pub(crate) parent_error: Option<String>,
    pub(crate) external_id_error: Option<String>,
}

/// One account, seen by the operator.
#[derive(Debug, Template)]
#[template(path = "console/operator_account.html")]
pub(crate) struct OperatorAccountPage {
    pub(crate) chrome: Chrome,
    pub(crate) accounts_href: String,
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) kind_label: String,
    pub(crate) parent: Option<Link>,
    pub(crate) external_id: Option<String>,
    pub(crate) created: When,
    /// What is not true on every node yet, and for how long at most.
    pub(crate) settling: Option<String>,
    pub(crate) status: Cell,
    pub(crate) suspended: bool,
    /// Sends `status=active`; shown while suspended.
    pub(crate) status_action: String,
    /// Opens the confirmation that suspends; shown while active.
    pub(crate) suspend_href: String,
    pub(crate) gate: Option<Gate>,
    pub(crate) members: Vec<MemberRow>,
    pub(crate) add_member_href: String,
    /// "API keys"
    pub(crate) credentials_heading: String,
    pub(crate) credential_columns: Vec<String>,
    pub(crate) credentials: Vec<CredentialRow>,
    /// Where keys sign.
    pub(crate) refused: Option<RefusedPart>,
    pub(crate) events: Vec<EventRow>,
    pub(crate) older_events_href: Option<String>,
    pub(crate) dialog: Option<OperatorAccountDialog>,
}

/// What the operator grants per account.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    /// "API access"
    pub(crate) label: String,
    pub(crate) text: String,
    pub(crate) granted: bool,
    /// Sends `api_access=true`; shown while not granted.
    pub(crate) action: String,
    /// Opens the confirmation that withdraws; shown while granted.
    pub(crate) withdraw_href: String,
    /// Who of the account asked for it; shown while not granted.
    pub(crate) asked_by: Option<String>,
}

/// One line of the audit trail.
#[derive(Debug, Clone)]
pub(crate) struct EventRow {
    pub(crate) when: When,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) target: String,
}

/// What is open in front of the account.
#[derive(Debug, Clone)]
pub(crate) enum OperatorAccountDialog {
    Member(MemberDialog),
    /// The sign-in link, shown once, as a [`SecretValue`].
    SignInLink(CreatedSecret),
    /// Suspending, or withdrawing the gate.
    Confirm(ConfirmDelete),
}

/// The operator's own keys for the management API.
#[derive(Debug, Template)]
#[template(path = "console/operator_keys.html")]
pub(crate) struct OperatorKeysPage {
    pub(crate) chrome: Chrome,
    pub(crate) rows: Vec<OperatorKeyRow>,
    pub(crate) create_href: String,
    pub(crate) dialog: Option<OperatorKeyDialog>,
}

/// One operator key; the hint is its public beginning.
#[derive(Debug, Clone)]
pub(crate) struct OperatorKeyRow {
    pub(crate) name: String,
    pub(crate) hint: String,
    pub(crate) created: When,
    pub(crate) delete_href: Option<String>,
}

/// What is open in front of the operator keys.
#[derive(Debug, Clone)]
pub(crate) enum OperatorKeyDialog {
    Create(CreateOperatorKey),
    Created(CreatedSecret),
    ConfirmDelete(ConfirmDelete),
}

/// Sends `once`, `name`.
#[derive(Debug, Clone)]
pub(crate) struct CreateOperatorKey {
    pub(crate) action: String,
    pub(crate) cancel_href: String,
    pub(crate) once: String,
    pub(crate) name_value: String,
    pub(crate) name_error: Option<String>,
    pub(crate) form_error: Option<String>,
}
