//! Errors in the text of a subject or pattern.

/// Why a text is not a [`Subject`](super::Subject) or not a [`Pattern`](super::Pattern).
///
/// A text with several faults is reported by the leftmost one; its length is looked at before its content.
/// Positions are byte offsets into the refused text, from 0 to its length inclusive (an empty last token starts
/// where the text ends).
///
/// # Example
///
/// ```
/// use postroom::Subject;
/// use postroom::error::SubjectError;
///
/// let error = Subject::new("orders.*").unwrap_err();
/// assert_eq!(error, SubjectError::Wildcard { position: 7 });
/// assert_eq!(error.to_string(), "wildcard token at byte 7 where a literal subject is needed");
/// ```
///
/// Source: S1, S2, S4, S13.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// The text has no bytes at all.
    #[error("subject is empty, at least 1 byte is needed")]
    Empty,

    /// The text is longer than [`Subject::MAX_LEN`](super::Subject::MAX_LEN).
    #[error("subject is {len} bytes long, at most {max} are allowed")]
    TooLong {
        /// Length of the refused text in bytes.
        len: usize,
        /// The longest length allowed, in bytes.
        max: usize,
    },

    /// Two dots in a row, or a dot at either end (S4).
    #[error("empty token at byte {position}")]
    EmptyToken {
        /// Byte offset at which the missing token would start.
        position: usize,
    },

    /// A space, tab, carriage return or line feed (S1, S13).
    #[error("whitespace {found:?} at byte {position}")]
    Whitespace {
        /// Byte offset of the character.
        position: usize,
        /// The character: `' '`, `'\t'`, `'\r'` or `'\n'`.
        found: char,
    },

    /// A token that is exactly `*` or `>` in a text that must be literal (S2). Texts of patterns never yield this.
    #[error("wildcard token at byte {position} where a literal subject is needed")]
    Wildcard {
        /// Byte offset of the wildcard.
        position: usize,
    },

    /// Something follows a `>` token (S4). Subjects never yield this: there the `>` itself is the fault.
    #[error("token at byte {position} follows `>`, which must be the last token")]
    AfterTail {
        /// Byte offset at which the token after the `>` starts; that token may be empty.
        position: usize,
    },
}

impl SubjectError {
    /// The byte offset of the fault, or `None` where the text as a whole is at fault (`Empty`, `TooLong`).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::{Pattern, Subject};
    ///
    /// assert_eq!(Pattern::new("a.>.b").unwrap_err().position(), Some(4));
    /// assert_eq!(Subject::new("").unwrap_err().position(), None);
    /// ```
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        match *self {
            Self::Empty | Self::TooLong { .. } => None,
            Self::EmptyToken { position }
            | Self::Whitespace { position, .. }
            | Self::Wildcard { position }
            | Self::AfterTail { position } => Some(position),
        }
    }
}
