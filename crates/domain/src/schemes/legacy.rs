//! Usernames and passwords in a request's body, as the messaging kind's oldest transports send them. No answer and no error quotes them.
use crate::secret::Plain;

pub mod rule;
pub mod text;
pub mod xml;

/// The largest body that is read: 1 MiB.
pub const LARGEST_BODY: usize = 1 << 20;
/// The longest username or password that is read, in bytes. Older ones break today's rule, but not this.
const LONGEST: usize = 256;

/// What a body presents.
#[derive(Debug)]
pub struct Login {
    /// The username.
    pub username: String,
    /// The password.
    pub password: Plain,
}

/// Why a body holds no login. Says nothing of what was in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// More than 1 MiB.
    #[error("Send less than 1 MiB at a time.")]
    TooLarge,
    /// Not UTF-8.
    #[error("Send UTF-8.")]
    NotUtf8,
    /// A document type definition.
    #[error("Leave out the document type definition.")]
    Doctype,
    /// A reference to an entity that XML does not predefine, or to a character that XML does not have.
    #[error("Use no entities but lt, gt, amp, quot and apos.")]
    Entity,
    /// A processing instruction.
    #[error("Leave out processing instructions.")]
    Instruction,
    /// More than 32 elements within each other.
    #[error("Nest at most 32 elements.")]
    TooDeep,
    /// A second operation, login, username or password, wherever it stands: two readers could take different ones.
    #[error("Send one operation, with one username and one password.")]
    Repeated,
    /// No username or no password where it belongs.
    #[error("Send a username and a password.")]
    LoginMissing,
    /// Not what this transport looks like.
    #[error("Send the request as its documentation shows.")]
    Malformed,
}
