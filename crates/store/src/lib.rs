//! SQLite and PostgreSQL behind one concrete type. SQL lives here and nowhere else; one SQL text serves both engines.
#![warn(missing_docs)]

mod connection;
mod doorbell;
mod engine;
mod migrate;
mod postgres;
mod sqlite;
mod tls;
mod value;

pub mod account;
pub mod api_request;
pub mod canary;
pub mod catalogue;
pub mod credential;
pub mod ending;
pub mod event;
pub mod idempotency;
pub mod installation;
pub mod lease;
pub mod member;
pub mod operator_key;
pub mod page;
pub mod rate;
pub mod revision;
pub mod revoked_token;
pub mod session;

pub use doorbell::Doorbell;
pub use engine::{Reader, Recorded, Store, Tx};

/// What can go wrong between us and a database.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or did not answer; nothing was changed. Trying again is right.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The connection was lost while committing: the change may have been made or not. Trying again is right.
    #[error("the outcome of the change is not known: {0}")]
    Unknown(String),
    /// A row with the same unique value exists already.
    #[error("a row with that value exists already")]
    Duplicate,
    /// The database is not one of ours, is of a later version, or holds what we cannot read.
    #[error("the database cannot be used: {0}")]
    Unusable(String),
}

impl StoreError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Unknown(_))
    }
}
