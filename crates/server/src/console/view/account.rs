//! An account's own pages, but those of its credentials.
use askama::Template;

use super::*;

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
    pub(crate) edit_href: String,
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
    /// The browser and the address that it was begun from, where they are known.
    pub(crate) browser: Option<String>,
    pub(crate) source: Option<String>,
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
