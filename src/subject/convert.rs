//! What may be passed where a subject or a pattern is asked for.

use super::{Pattern, Subject, SubjectError};

mod sealed {
    pub trait Sealed {}
}

/// Whatever may be given as the subject to publish on: a text, which is still to be checked, or a [`Subject`].
///
/// Sealed: implemented for `&str`, `String`, `&String`, `Subject` and `&Subject`, and for nothing outside this crate.
///
/// # Example
///
/// ```
/// use postroom::subject::{Subject, SubjectError, ToSubject};
///
/// fn publish_on(to: impl ToSubject) -> Result<Subject, SubjectError> {
///     to.into_subject()
/// }
///
/// let subject = publish_on("orders.eu")?; // checked here
/// assert_eq!(publish_on(&subject)?, subject); // not checked again
/// assert!(publish_on("orders.*").is_err());
/// # Ok::<(), SubjectError>(())
/// ```
pub trait ToSubject: sealed::Sealed {
    /// The text, valid or not.
    fn as_str(&self) -> &str;

    /// Whether the text is known to be valid, so that no check is needed: true of `Subject` and `&Subject` alone.
    fn is_checked(&self) -> bool;

    /// Turns the value into a subject; checks a text, and only moves or clones a `Subject`.
    ///
    /// # Errors
    ///
    /// Those of [`Subject::new`]. Never fails where [`is_checked`](Self::is_checked) is true.
    fn into_subject(self) -> Result<Subject, SubjectError>;
}

/// Whatever may be given as the pattern to subscribe to: a text, a [`Subject`] or a [`Pattern`].
///
/// Sealed: implemented for `&str`, `String`, `&String`, and for `Subject` and `Pattern` with and without `&`.
///
/// # Example
///
/// ```
/// use postroom::subject::{Pattern, Subject, SubjectError, ToPattern};
///
/// fn subscribe_to(what: impl ToPattern) -> Result<Pattern, SubjectError> {
///     what.into_pattern()
/// }
///
/// assert_eq!(subscribe_to("orders.*")?, "orders.*");
/// assert_eq!(subscribe_to(Subject::new("orders.eu")?)?, "orders.eu");
/// assert!(subscribe_to(">.orders").is_err());
/// # Ok::<(), SubjectError>(())
/// ```
pub trait ToPattern: sealed::Sealed {
    /// Turns the value into a pattern; checks a text, and only moves or clones what is already checked.
    ///
    /// # Errors
    ///
    /// Those of [`Pattern::new`]. Never fails for a `Subject` or `Pattern`.
    fn into_pattern(self) -> Result<Pattern, SubjectError>;
}

/// Implements both traits for texts that are still to be checked.
macro_rules! unchecked {
    ($($text:ty),*) => {$(
        impl sealed::Sealed for $text {}

        impl ToSubject for $text {
            #[inline]
            fn as_str(&self) -> &str {
                self
            }

            #[inline]
            fn is_checked(&self) -> bool {
                false
            }

            #[inline]
            fn into_subject(self) -> Result<Subject, SubjectError> {
                Subject::new(self)
            }
        }

        impl ToPattern for $text {
            #[inline]
            fn into_pattern(self) -> Result<Pattern, SubjectError> {
                Pattern::new(self)
            }
        }
    )*};
}

unchecked!(&str, String, &String);

impl sealed::Sealed for Subject {}
impl sealed::Sealed for &Subject {}
impl sealed::Sealed for Pattern {}
impl sealed::Sealed for &Pattern {}

impl ToSubject for Subject {
    #[inline]
    fn as_str(&self) -> &str {
        self.as_str()
    }

    #[inline]
    fn is_checked(&self) -> bool {
        true
    }

    #[inline]
    fn into_subject(self) -> Result<Subject, SubjectError> {
        Ok(self)
    }
}

impl ToSubject for &Subject {
    #[inline]
    fn as_str(&self) -> &str {
        (*self).as_str()
    }

    #[inline]
    fn is_checked(&self) -> bool {
        true
    }

    #[inline]
    fn into_subject(self) -> Result<Subject, SubjectError> {
        Ok(self.clone())
    }
}

/// Implements [`ToPattern`] for what is already checked.
macro_rules! checked {
    ($($text:ty),*) => {$(
        impl ToPattern for $text {
            #[inline]
            fn into_pattern(self) -> Result<Pattern, SubjectError> {
                Ok(self.into())
            }
        }
    )*};
}

checked!(Subject, &Subject, Pattern, &Pattern);
