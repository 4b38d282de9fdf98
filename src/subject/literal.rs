//! [`Subject`]: the literal address of a message.

use smol_str::SmolStr;

use super::text::checked_text;
use super::token::MAX_LEN;
use super::{SubjectError, check_subject};

/// A literal subject, such as `orders.eu.new`: checked when it was made, cheap to clone.
///
/// The [room's page](super) has the grammar. A `Subject` that a program makes obeys it, and holds no wildcard token; wildcards
/// need a [`Pattern`](super::Pattern).
///
/// One that comes out of a received message obeys it unless a lenient connection
/// ([`ConnectOptions::lenient`](crate::ConnectOptions::lenient)) sent the message: then it is any text without space, tab, CR and LF,
/// of at least one byte; its tokens may be empty, `*` or `>`, and are plain text (S5 to S7). Publishing to it through a connection
/// that is not lenient, or subscribing to it, is refused like that of a text; answering it
/// ([`Message::respond`](crate::Message::respond)) is not.
///
/// # Sizes
///
/// 1 to [`MAX_LEN`](Self::MAX_LEN) bytes, 1 or more tokens. The value itself takes 24 bytes; a text of up to 23 bytes
/// lies within them, a longer one in an allocation that all clones share.
///
/// # Example
///
/// ```
/// use std::collections::HashMap;
/// use postroom::Subject;
/// use postroom::error::SubjectError;
///
/// let subject = Subject::new("orders.eu")?;
/// assert_eq!(subject, "orders.eu");
///
/// let counts = HashMap::from([(subject, 3)]);
/// assert_eq!(counts.get("orders.eu"), Some(&3));
///
/// assert!(Subject::new("orders eu").is_err());
/// # Ok::<(), SubjectError>(())
/// ```
///
/// Source: S1, S2, S4, S13.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(SmolStr);

checked_text!(Subject, check_subject, "orders.eu.new", "[\"orders\", \"eu\", \"new\"]");

impl Subject {
    /// The longest subject, in bytes: 65 535. Patterns have the same bound.
    ///
    /// NATS bounds the whole protocol line instead, at 4096 bytes by default, so a subject near this bound cannot
    /// cross to a server with default settings.
    pub const MAX_LEN: usize = MAX_LEN;

    /// Checks `text` and keeps a copy of it.
    ///
    /// # Errors
    ///
    /// - [`SubjectError::Empty`] if `text` has no bytes;
    /// - [`SubjectError::TooLong`] if it has more than [`MAX_LEN`](Self::MAX_LEN) bytes;
    /// - [`SubjectError::EmptyToken`] if it starts or ends with a dot or holds two in a row;
    /// - [`SubjectError::Whitespace`] if it holds a space, tab, CR or LF;
    /// - [`SubjectError::Wildcard`] if a token is exactly `*` or exactly `>`.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::Subject;
    /// use postroom::error::SubjectError;
    ///
    /// assert_eq!(Subject::new("foo*.f>o")?.as_str(), "foo*.f>o"); // not wildcards: not whole tokens
    /// assert_eq!(Subject::new("foo.>"), Err(SubjectError::Wildcard { position: 4 }));
    /// # Ok::<(), SubjectError>(())
    /// ```
    ///
    /// Source: S2, S4, S13.
    pub fn new(text: impl AsRef<str>) -> Result<Self, SubjectError> {
        let text = text.as_ref();
        check_subject(text)?;
        Ok(Self::from_smol(SmolStr::new(text)))
    }

    /// Takes a text as it came in a message: checked by nothing but [`check_word`](super::check_word).
    #[inline]
    pub(crate) fn unchecked(text: SmolStr) -> Self {
        debug_assert_eq!(super::check_word(&text), Ok(()), "unchecked text {text:?}");
        Self(text)
    }
}
