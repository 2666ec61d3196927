//! The operator's API as operations, what each one demands, and which of them a request is. Says nothing about who is asking.
use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::access::Scope;

mod change;
mod document;
mod judging;
mod matching;
mod openapi;
mod operation;
mod target;
mod template;

pub use change::{Affected, Changed, Changes, Terms};
pub use judging::{Missing, RoleRule, RoleRules, permits};
pub use matching::Match;
pub use operation::{Method, Operation, Requirement};
pub use template::{Segment, Template};

/// The most operations one catalogue holds: a bound on what a document can make us build, far above any real API.
pub const MOST_OPERATIONS: usize = 20_000;

/// The operations of an API, prepared for matching, and the scopes they demand.
///
/// [`Catalogue::default`] is the empty one: every request is unknown to it.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    operations: Vec<Operation>,
    scopes: BTreeMap<Scope, ScopeEntry>,
    table: matching::Table,
    json: String,
    revision: String,
}

/// What a scope is, for those who pick from a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeEntry {
    /// A sentence: the document's own, else made from the operations that demand it.
    pub sentence: String,
    /// Whether no operation names it in the document: it was made from paths and methods.
    pub derived: bool,
    /// Whether there are operations that demand it, and all of them only read; for the "read only" preset.
    pub reads: bool,
}

/// Why a document cannot become a catalogue. Every sentence says where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// More than 16 MiB.
    #[error("the document is larger than 16 MiB")]
    TooLarge,
    /// Neither JSON nor YAML, a part of the wrong type, a name twice, or more depth and aliases than a person writes.
    #[error("the document cannot be read: {0}")]
    Unreadable(String),
    /// Not OpenAPI 3.0 or 3.1.
    #[error("this is not an OpenAPI 3.0 or 3.1 document: {0}")]
    Version(String),
    /// Readable, but it contradicts itself or asks for what we do not have.
    #[error("{place}: {problem}")]
    Refused {
        /// Where, such as `GET /v1/orders`.
        place: String,
        /// What is wrong there.
        problem: String,
    },
}

impl CatalogueError {
    fn refused(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Refused { place: place.into(), problem: problem.into() }
    }
}

/// The stored form. `format` says which, should there ever be another.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u8,
    operations: Vec<operation::Row>,
    scopes: BTreeMap<String, String>,
}

impl Catalogue {
    /// Reads an OpenAPI 3.0 or 3.1 document, JSON or YAML.
    ///
    /// - The path of the first server of the operation, else of the path item, else of the document, stands before every path,
    ///   unless it is empty.
    /// - An operation's `security` replaces the document's. Of several requirements any one suffices; inside one, the scopes of
    ///   all its schemes are needed. A requirement that names no scope (another way to authenticate, or none) demands nothing
    ///   we could check, so it is left out, and an operation with no other gets a derived scope: nothing empty means everything.
    /// - `x-claviger-user-information` counts on the operation, else on the path item, else on the document.
    /// - A derived scope is the last fixed path segment and `read`, `write` or `delete`, by method.
    ///
    /// # Errors
    /// When the document cannot be read, or an operation in it would be judged by a guess; see [`CatalogueError`].
    pub fn from_openapi(text: &str) -> Result<Self, CatalogueError> {
        let read = openapi::read(text)?;
        Self::build(read.operations, &read.sentences)
    }

    /// Reads what [`Catalogue::as_json`] wrote.
    ///
    /// # Errors
    /// When it is anything else. It is checked like a new document: the store is not trusted more than a stranger.
    pub fn from_json(text: &str) -> Result<Self, CatalogueError> {
        let stored: Stored = serde_json::from_str(text).map_err(|error| CatalogueError::Unreadable(error.to_string()))?;
        if stored.format != 1 {
            return Err(CatalogueError::Version(format!("stored format {}", stored.format)));
        }
        let operations = stored.operations.into_iter().map(Operation::try_from).collect::<Result<_, _>>()?;
        let sentences = stored.scopes.into_iter().map(|(scope, sentence)| Ok((operation::scope(&scope, "scopes")?, sentence)));
        Self::build(operations, &sentences.collect::<Result<_, CatalogueError>>()?)
    }

    /// The stored form: the same catalogue gives the same text, whatever order its document had. Empty for the empty catalogue.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.json
    }

    /// SHA-256 of [`Catalogue::as_json`] in hex; empty for the empty catalogue.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Every operation, by path and then by method.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Every scope an operation demands or the document describes, in alphabetical order: by resource, then by action.
    pub fn scopes(&self) -> impl Iterator<Item = (&Scope, &ScopeEntry)> {
        self.scopes.iter()
    }

    /// What `scope` is.
    #[must_use]
    pub fn find_scope(&self, scope: &Scope) -> Option<&ScopeEntry> {
        self.scopes.get(scope)
    }

    /// Which operation a request is: `target` is the path and query exactly as sent on the wire, `method` counts as written.
    ///
    /// `HEAD` is the `GET` operation's where `HEAD` is not defined (RFC 9110, section 9.3.2). A fixed segment beats a parameter;
    /// a parameter is exactly one segment and never empty. Whatever two servers could read as different operations is
    /// [`Match::Ambiguous`].
    #[must_use]
    pub fn find(&self, method: &str, target: impl AsRef<[u8]>) -> Match<'_> {
        match self.table.find(method, target.as_ref()) {
            matching::Found::Operation(index) => self.operations.get(index).map_or(Match::Unknown, Match::Operation),
            matching::Found::Unknown => Match::Unknown,
            matching::Found::Ambiguous => Match::Ambiguous,
        }
    }

    fn build(mut operations: Vec<Operation>, sentences: &BTreeMap<Scope, String>) -> Result<Self, CatalogueError> {
        if operations.is_empty() {
            return Err(CatalogueError::refused("paths", "the document names no operation"));
        }
        if operations.len() > MOST_OPERATIONS {
            return Err(CatalogueError::refused("paths", format!("there are more than {MOST_OPERATIONS} operations")));
        }
        operations.sort_by(|a, b| (a.path.as_str(), a.method).cmp(&(b.path.as_str(), b.method)));
        let table = matching::Table::prepare(&operations)?;
        let scopes = entries(&operations, sentences);
        let stored = Stored {
            format: 1,
            operations: operations.iter().map(operation::Row::from).collect(),
            scopes: scopes.iter().map(|(scope, entry)| (scope.to_string(), entry.sentence.clone())).collect(),
        };
        let json = serde_json::to_string(&stored).map_err(|error| CatalogueError::Unreadable(error.to_string()))?;
        let revision = HEXLOWER.encode(&Sha256::digest(json.as_bytes()));
        Ok(Self { operations, scopes, table, json, revision })
    }
}

fn entries(operations: &[Operation], sentences: &BTreeMap<Scope, String>) -> BTreeMap<Scope, ScopeEntry> {
    let mut demanding: BTreeMap<&Scope, Vec<&Operation>> = sentences.keys().map(|scope| (scope, Vec::new())).collect();
    for operation in operations {
        let scopes: BTreeSet<_> = operation.requirement.any_of().iter().flatten().collect();
        for scope in scopes {
            demanding.entry(scope).or_default().push(operation);
        }
    }
    let entry = |(scope, operations): (&Scope, Vec<&Operation>)| {
        let entry = ScopeEntry {
            sentence: sentences.get(scope).cloned().unwrap_or_else(|| operation::sentence_of(&operations)),
            derived: !operations.is_empty() && operations.iter().all(|operation| operation.requirement.is_derived()),
            reads: !operations.is_empty() && operations.iter().all(|operation| operation.reads()),
        };
        (scope.clone(), entry)
    };
    demanding.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests;
