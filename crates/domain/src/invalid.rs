//! What is wrong with what was typed: the field, a stable code, and a sentence that says what to do.

/// One refused field. `Display` is the sentence; it never repeats what was typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// The field's name in the API, such as `email`.
    pub field: &'static str,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Invalid {
    /// Says that `field` is refused, and why.
    #[must_use]
    pub fn new(field: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { field, code, message: message.into() }
    }
}
