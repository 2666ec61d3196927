//! What each console page shows: plain data, rendered by the templates in `templates/console`. Nothing is decided here.
//!
//! All words that depend on an account kind arrive as data. Every `*_href` is a GET; every `action` is a POST whose
//! field names stand beside it. Values are escaped by the templates.

use askama::Template;

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

/// One cell of a table whose columns come from data. `Code` gets a copy button.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Code(String),
    Text(String),
    Time(When),
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

/// A step between the sign-in link and the first page; `next` must be a path of ours.
#[derive(Debug, Template)]
#[template(path = "console/signing_in.html")]
pub(crate) struct SigningIn {
    pub(crate) chrome: Chrome,
    pub(crate) next: String,
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
    pub(crate) status_label: String,
    pub(crate) suspended: bool,
    pub(crate) role_label: String,
    pub(crate) created: When,
}

/// The list of credentials, and the dialogs that create and end one.
#[derive(Debug, Template)]
#[template(path = "console/credentials.html")]
pub(crate) struct CredentialsPage {
    pub(crate) chrome: Chrome,
    pub(crate) words: CredentialWords,
    pub(crate) rows: Vec<CredentialRow>,
    pub(crate) newer_href: Option<String>,
    pub(crate) older_href: Option<String>,
    /// "37 API keys".
    pub(crate) total_label: Option<String>,
    pub(crate) limit: Option<LimitNote>,
    pub(crate) create_href: String,
    pub(crate) dialog: Option<CredentialDialog>,
}

/// What this account kind calls its credentials.
#[derive(Debug, Clone)]
pub(crate) struct CredentialWords {
    /// "API keys"
    pub(crate) heading: String,
    pub(crate) intro: String,
    /// "Create API key"
    pub(crate) create: String,
    /// "Submit"
    pub(crate) submit: String,
    /// "API key"
    pub(crate) noun: String,
    /// "Delete"
    pub(crate) delete: String,
    /// "Client ID", "Email", "Created"
    pub(crate) columns: Vec<String>,
    pub(crate) empty_title: String,
    pub(crate) empty_text: String,
}

/// One credential; `cells` in the order of the columns. `id` must be fit for an HTML id.
#[derive(Debug, Clone)]
pub(crate) struct CredentialRow {
    pub(crate) id: String,
    pub(crate) cells: Vec<Cell>,
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

/// What is open in front of the list.
#[derive(Debug, Clone)]
pub(crate) enum CredentialDialog {
    Create(CreateForm),
    Created(CreatedSecret),
    ConfirmDelete(ConfirmDelete),
    LimitReached { cancel_href: String, text: String },
}

/// The create form. Sends `once`, `email`.
#[derive(Debug, Clone)]
pub(crate) struct CreateForm {
    pub(crate) action: String,
    pub(crate) cancel_href: String,
    /// Makes a second sending of the same form harmless.
    pub(crate) once: String,
    /// "Email"
    pub(crate) email_label: String,
    /// "A person responsible for this integration. They need not be a member."
    pub(crate) email_hint: String,
    pub(crate) email_value: String,
    pub(crate) email_error: Option<String>,
    pub(crate) form_error: Option<String>,
}

/// The only time a secret is seen. Esc does not close it; Done does.
#[derive(Debug, Clone)]
pub(crate) struct CreatedSecret {
    pub(crate) heading: String,
    pub(crate) text: String,
    pub(crate) values: Vec<SecretValue>,
    /// A command to paste. Name the secret as a shell variable here, never its value.
    pub(crate) curl: Option<String>,
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

/// A partner's client accounts.
#[derive(Debug, Template)]
#[template(path = "console/clients.html")]
pub(crate) struct ClientsPage {
    pub(crate) chrome: Chrome,
    pub(crate) heading: String,
    pub(crate) intro: String,
    pub(crate) rows: Vec<ClientRow>,
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
    pub(crate) status_label: String,
    pub(crate) suspended: bool,
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
    /// Where an operator asks for a sign-in link; absent in an account's own console. Sends nothing.
    pub(crate) sign_in_action: Option<String>,
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
    pub(crate) status_label: String,
    pub(crate) suspended: bool,
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
    pub(crate) status_label: String,
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
