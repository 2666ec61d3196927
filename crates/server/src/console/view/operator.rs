//! The operator's pages.
use askama::Template;

use super::*;

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
