//! What each console page shows: plain data, rendered by the templates in `templates/console`. Nothing is decided here.
//!
//! All words that depend on an account kind arrive as data. Every `*_href` is a GET; every `action` is a POST whose
//! field names stand beside it. Values are escaped by the templates.

use askama::Template;

mod account;
mod credentials;
mod operator;

pub(crate) use account::*;
pub(crate) use credentials::*;
pub(crate) use operator::*;

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
