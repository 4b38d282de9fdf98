//! [`Pattern`]: what a subscription asks for.

use smol_str::SmolStr;

use super::text::checked_text;
use super::token::MAX_LEN;
use super::{Subject, SubjectError, check_pattern, check_subject, relation};

/// A subject that may hold wildcards, such as `orders.*.new` or `orders.>`: checked when made, cheap to clone.
///
/// The [room's page](super) has the grammar. Every [`Subject`] is a pattern that matches itself alone.
///
/// # Sizes
///
/// As for [`Subject`]: 1 to [`MAX_LEN`](Self::MAX_LEN) bytes, up to 23 of them inline.
///
/// # Example
///
/// ```
/// use postroom::Pattern;
/// use postroom::error::SubjectError;
///
/// let pattern: Pattern = "orders.*.new".parse()?;
/// assert!(pattern.matches("orders.eu.new"));
/// assert!(!pattern.matches("orders.new"));
///
/// assert_eq!(Pattern::new("orders.>.new"), Err(SubjectError::AfterTail { position: 9 }));
/// # Ok::<(), SubjectError>(())
/// ```
///
/// Source: S2, S3, S4, S13.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(SmolStr);

checked_text!(Pattern, check_pattern, "orders.*.>", "[\"orders\", \"*\", \">\"]");

impl Pattern {
    /// The longest pattern, in bytes: that of a [`Subject`], 65 535.
    pub const MAX_LEN: usize = MAX_LEN;

    /// Checks `text` and keeps a copy of it.
    ///
    /// # Errors
    ///
    /// - [`SubjectError::Empty`] if `text` has no bytes;
    /// - [`SubjectError::TooLong`] if it has more than [`MAX_LEN`](Self::MAX_LEN) bytes;
    /// - [`SubjectError::EmptyToken`] if it starts or ends with a dot or holds two in a row;
    /// - [`SubjectError::Whitespace`] if it holds a space, tab, CR or LF;
    /// - [`SubjectError::AfterTail`] if anything, be it only a dot, follows a token that is exactly `>`.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::Pattern;
    /// use postroom::error::SubjectError;
    ///
    /// assert_eq!(Pattern::new("*.eu.>")?.as_str(), "*.eu.>");
    /// assert_eq!(Pattern::new(".eu"), Err(SubjectError::EmptyToken { position: 0 }));
    /// # Ok::<(), SubjectError>(())
    /// ```
    ///
    /// Source: S2, S4, S13. DIFFERENCE: async-nats checks neither the place of a `>` nor what follows it; the server
    /// then refuses the subscription. Here it is refused at once.
    pub fn new(text: impl AsRef<str>) -> Result<Self, SubjectError> {
        let text = text.as_ref();
        check_pattern(text)?;
        Ok(Self::from_smol(SmolStr::new(text)))
    }

    /// The first token, which may be `*` or `>`; never empty.
    ///
    /// # Example
    ///
    /// ```
    /// # use postroom::Pattern;
    /// # use postroom::error::SubjectError;
    /// assert_eq!(Pattern::new("orders.*")?.first_token(), "orders");
    /// assert_eq!(Pattern::new(">")?.first_token(), ">");
    /// # Ok::<(), SubjectError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn first_token(&self) -> &str {
        self.tokens().next().unwrap_or_default()
    }

    /// Whether no token is a wildcard, so that the pattern matches exactly one subject: its own text.
    ///
    /// # Example
    ///
    /// ```
    /// # use postroom::Pattern;
    /// # use postroom::error::SubjectError;
    /// assert!(Pattern::new("orders.e*")?.is_literal()); // `e*` is plain text (S2)
    /// assert!(!Pattern::new("orders.*")?.is_literal());
    /// # Ok::<(), SubjectError>(())
    /// ```
    ///
    /// Source: S2.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        relation::is_literal(self.as_str())
    }

    /// Whether a message published on `subject` reaches a subscription on this pattern.
    ///
    /// `subject` may be any text. A `*` or `>` token in it is plain text that only a wildcard matches (S7), and a
    /// text with an empty token is matched by nothing (S6).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::{Pattern, Subject};
    /// use postroom::error::SubjectError;
    ///
    /// let pattern = Pattern::new("orders.>")?;
    /// assert!(pattern.matches(Subject::new("orders.eu.new")?));
    /// assert!(pattern.matches("orders.*"));
    /// assert!(!pattern.matches("orders"));
    /// # Ok::<(), SubjectError>(())
    /// ```
    ///
    /// Source: S2, S3, S6, S7; see [`relation::matches`].
    #[must_use]
    pub fn matches(&self, subject: impl AsRef<str>) -> bool {
        relation::matches(self.as_str(), subject.as_ref())
    }

    /// Whether every subject that `other` matches is matched by this pattern too. A pattern includes itself.
    ///
    /// # Example
    ///
    /// ```
    /// # use postroom::Pattern;
    /// # use postroom::error::SubjectError;
    /// let all = Pattern::new("orders.>")?;
    /// let some = Pattern::new("orders.*.new")?;
    /// assert!(all.includes(&some));
    /// assert!(!some.includes(&all));
    /// # Ok::<(), SubjectError>(())
    /// ```
    ///
    /// Source: S12; see [`relation::includes`].
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        relation::includes(self.as_str(), other.as_str())
    }

    /// Whether there is a subject that both patterns match.
    ///
    /// # Example
    ///
    /// ```
    /// # use postroom::Pattern;
    /// # use postroom::error::SubjectError;
    /// let ours = Pattern::new("orders.*")?;
    /// assert!(ours.overlaps(&Pattern::new("*.eu")?));
    /// assert!(!ours.overlaps(&Pattern::new("*.eu.>")?));
    /// # Ok::<(), SubjectError>(())
    /// ```
    ///
    /// Source: S12, with the DIFFERENCE noted at [`relation::overlaps`].
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        relation::overlaps(self.as_str(), other.as_str())
    }
}

/// Takes a subject for the pattern that matches it alone.
///
/// # Errors
///
/// Those of [`Subject::new`], for a subject out of a message that a lenient connection sent; none for any other.
impl TryFrom<Subject> for Pattern {
    type Error = SubjectError;

    fn try_from(subject: Subject) -> Result<Self, SubjectError> {
        check_subject(subject.as_str())?;
        Ok(Self::from_smol(subject.into_smol()))
    }
}

/// As the conversion of an owned subject.
impl TryFrom<&Subject> for Pattern {
    type Error = SubjectError;

    fn try_from(subject: &Subject) -> Result<Self, SubjectError> {
        subject.clone().try_into()
    }
}

/// Takes a pattern without wildcards for the subject it is.
///
/// # Errors
///
/// [`SubjectError::Wildcard`] with the position of the first `*` or `>` token, if there is one.
impl TryFrom<Pattern> for Subject {
    type Error = SubjectError;

    fn try_from(pattern: Pattern) -> Result<Self, SubjectError> {
        check_subject(pattern.as_str())?;
        Ok(Self::from_smol(pattern.into_smol()))
    }
}

impl From<&Pattern> for Pattern {
    fn from(pattern: &Pattern) -> Self {
        Self::from_smol(pattern.as_smol().clone())
    }
}
