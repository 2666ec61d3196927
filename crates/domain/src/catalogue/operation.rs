//! One operation: a method, a path template, what it demands, and whether it touches user information.
use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use super::{CatalogueError, Template};
use crate::access::Scope;

/// A method an OpenAPI path item can have. Written in upper case; no other spelling is the same method (RFC 9110, section 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "their names are all there is to say")]
pub enum Method {
    Get,
    Head,
    Options,
    Post,
    Put,
    Patch,
    Delete,
    Trace,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 8] = [Self::Get, Self::Head, Self::Options, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Trace];

    /// The method as sent on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Trace => "TRACE",
        }
    }

    /// The method written `text`.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    /// Whether it only reads. `TRACE` is safe by RFC 9110, but it echoes credentials: it counts as writing.
    #[must_use]
    pub const fn reads(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }

    const fn action(self) -> &'static str {
        match self {
            Self::Get | Self::Head | Self::Options => "read",
            Self::Post | Self::Put | Self::Patch | Self::Trace => "write",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The scopes an operation demands: any one of several sets, and of that set every scope. Never empty, nor is any set in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    any_of: Vec<BTreeSet<Scope>>,
    derived: bool,
}

impl Requirement {
    /// What a document names. Sets that contain another one are left out: they can never be the ones that decide.
    ///
    /// `None` when there is nothing to demand: no set, or one that is empty.
    #[must_use]
    pub fn any_of_these(sets: Vec<BTreeSet<Scope>>) -> Option<Self> {
        if sets.is_empty() || sets.iter().any(BTreeSet::is_empty) {
            return None;
        }
        let mut any_of: Vec<BTreeSet<Scope>> = Vec::new();
        let mut sets = sets;
        sets.sort_by_key(BTreeSet::len);
        for set in sets {
            if !any_of.iter().any(|smaller| smaller.is_subset(&set)) {
                any_of.push(set);
            }
        }
        any_of.sort();
        Some(Self { any_of, derived: false })
    }

    /// The scope of an operation that names none: the last fixed segment of its path, and what its method does.
    #[must_use]
    pub fn derived(method: Method, path: &Template) -> Option<Self> {
        let word = resource(path.last_fixed().unwrap_or("root"));
        let scope = format!("{word}:{}", method.action()).parse().ok()?;
        Some(Self { any_of: vec![BTreeSet::from([scope])], derived: true })
    }

    /// The sets, any one of which suffices.
    #[must_use]
    pub fn any_of(&self) -> &[BTreeSet<Scope>] {
        &self.any_of
    }

    /// Whether the document named none and this was made from path and method.
    #[must_use]
    pub const fn is_derived(&self) -> bool {
        self.derived
    }

    /// Whether `held` has all of one set.
    #[must_use]
    pub fn is_met_by(&self, held: &BTreeSet<Scope>) -> bool {
        self.any_of.iter().any(|set| set.is_subset(held))
    }

    /// What `held` lacks of the set it is nearest to; `None` when it lacks nothing.
    #[must_use]
    pub fn missing(&self, held: &BTreeSet<Scope>) -> Option<BTreeSet<Scope>> {
        let lacking = |set: &BTreeSet<Scope>| set.difference(held).cloned().collect::<BTreeSet<_>>();
        self.any_of.iter().map(lacking).min_by_key(BTreeSet::len).filter(|missing| !missing.is_empty())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, set) in self.any_of.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { " or " })?;
            for (j, scope) in set.iter().enumerate() {
                write!(f, "{}{scope}", if j == 0 { "" } else { " and " })?;
            }
        }
        f.write_str(if self.derived { " (derived)" } else { "" })
    }
}

/// One operation of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its path, the server's base path included.
    pub path: Template,
    /// What it demands.
    pub requirement: Requirement,
    /// Whether it touches user information.
    pub user_information: bool,
    /// What it does, on one line; may be empty.
    pub summary: String,
}

impl Operation {
    /// Whether it only reads.
    #[must_use]
    pub const fn reads(&self) -> bool {
        self.method.reads()
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// An operation as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    method: Method,
    path: String,
    any_of: Vec<Vec<String>>,
    derived: bool,
    user_information: bool,
    summary: String,
}

impl From<&Operation> for Row {
    fn from(operation: &Operation) -> Self {
        Self {
            method: operation.method,
            path: operation.path.to_string(),
            any_of: operation.requirement.any_of.iter().map(|set| set.iter().map(Scope::to_string).collect()).collect(),
            derived: operation.requirement.derived,
            user_information: operation.user_information,
            summary: operation.summary.clone(),
        }
    }
}

impl TryFrom<Row> for Operation {
    type Error = CatalogueError;

    fn try_from(row: Row) -> Result<Self, CatalogueError> {
        let place = format!("{} {}", row.method, row.path);
        let path = Template::parse(&row.path).map_err(|problem| CatalogueError::refused(&place, problem))?;
        let set = |set: Vec<String>| set.iter().map(|text| scope(text, &place)).collect();
        let sets = row.any_of.into_iter().map(set).collect::<Result<_, _>>()?;
        let named = Requirement::any_of_these(sets).ok_or_else(|| CatalogueError::refused(&place, "it demands no scope"))?;
        let requirement = Requirement { derived: row.derived, ..named };
        Ok(Self { method: row.method, path, requirement, user_information: row.user_information, summary: row.summary })
    }
}

/// The scope written `text`, or an error that says where it stands.
pub(super) fn scope(text: &str, place: &str) -> Result<Scope, CatalogueError> {
    let problem = || format!("the scope {text:?} is not written resource:action in a-z, 0-9, _ and -, such as orders:read");
    text.parse().map_err(|_| CatalogueError::refused(place, problem()))
}

/// The one line of `text` that can be shown anywhere, a terminal included.
pub(super) fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

/// A sentence for a scope whose document has none.
pub(super) fn sentence_of(operations: &[&Operation]) -> String {
    const NAMED: usize = 3;
    let name = |operation: &&Operation| match operation.summary.trim_end_matches('.') {
        "" => operation.to_string(),
        summary => summary.to_owned(),
    };
    let names = operations.iter().take(NAMED).map(name).collect::<Vec<_>>().join("; ");
    match operations.len() {
        0 => "No operation asks for it yet.".to_owned(),
        all if all > NAMED => format!("{names}; and {} more.", all - NAMED),
        _ => format!("{names}."),
    }
}

/// A fixed segment as the first word of a scope.
fn resource(segment: &str) -> String {
    let letter = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '_' | '-') => c,
        _ => '-',
    };
    let word: String = segment.chars().map(letter).collect();
    let word = word.trim_matches('-');
    let word = if word.starts_with(|c: char| c.is_ascii_lowercase()) { word.to_owned() } else { format!("r-{word}") };
    // 64 for the scope, less the colon and the longest action
    word.chars().take(64 - ":delete".len()).collect()
}
