//! The types that may be passed as a subject or a pattern.

use super::{Pattern, Subject, SubjectError, check_subject, check_word};
use smol_str::SmolStr;
use std::borrow::Cow;
use std::sync::Arc;

mod sealed {
    use super::{Subject, SubjectError};

    pub trait Sealed {}

    pub trait AnyText: Sealed {
        /// The text, valid or not.
        fn text(&self) -> &str;
    }

    pub trait Address: Sealed + Sized {
        /// A subject that obeys the grammar, whatever the value was made from.
        fn into_strict(self) -> Result<Subject, SubjectError>;

        /// A subject that a lenient connection may use.
        fn into_lenient(self) -> Result<Subject, SubjectError>;
    }
}

/// Whatever may be given as the subject to publish on: a text, which is still to be checked, or a [`Subject`].
///
/// Sealed: implemented for `&str`, `&&str`, `Subject`, and `String`, `Box<str>`, `Arc<str>` and `Cow<str>`, with and without `&`; for
/// nothing outside this crate.
///
/// # Example
///
/// ```
/// use postroom::{Subject, ToSubject};
/// use postroom::error::SubjectError;
///
/// fn publish_on(to: impl ToSubject) -> Result<Subject, SubjectError> {
///     to.into_subject()
/// }
///
/// let subject = publish_on("orders.eu")?; // checked here
/// assert_eq!(publish_on(&subject)?, subject); // only cloned
/// assert!(publish_on("orders.*").is_err());
/// # Ok::<(), SubjectError>(())
/// ```
pub trait ToSubject: sealed::Address {
    /// The text, valid or not.
    fn as_str(&self) -> &str;

    /// Turns the value into a subject; checks a text, and only moves or clones a `Subject`.
    ///
    /// # Errors
    ///
    /// Those of [`Subject::new`]. Never fails for a `Subject`.
    fn into_subject(self) -> Result<Subject, SubjectError>;
}

/// Whatever may be given as the pattern to subscribe to: a text, a [`Subject`] or a [`Pattern`].
///
/// Sealed: implemented for all that [`ToSubject`] is, and for `Pattern` with and without `&`.
///
/// # Example
///
/// ```
/// use postroom::{Pattern, Subject, ToPattern};
/// use postroom::error::SubjectError;
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
pub trait ToPattern: sealed::AnyText {
    /// Turns the value into a pattern; checks a text and a subject, and only moves or clones a pattern.
    ///
    /// # Errors
    ///
    /// Those of [`Pattern::new`] for a text, those of [`Subject::new`] for a `Subject`, which fails only if it came in a message
    /// that a lenient connection sent. Never fails for a `Pattern`.
    fn into_pattern(self) -> Result<Pattern, SubjectError>;
}

/// Implements both traits for texts that are still to be checked.
macro_rules! unchecked {
    ($($text:ty),*) => {$(
        impl sealed::Sealed for $text {}

        impl sealed::AnyText for $text {
            #[inline]
            fn text(&self) -> &str {
                self.as_ref()
            }
        }

        impl sealed::Address for $text {
            #[inline]
            fn into_strict(self) -> Result<Subject, SubjectError> {
                Subject::new(self)
            }

            #[inline]
            fn into_lenient(self) -> Result<Subject, SubjectError> {
                let text: &str = self.as_ref();
                check_word(text)?;
                Ok(Subject::unchecked(SmolStr::new(text)))
            }
        }

        impl ToSubject for $text {
            #[inline]
            fn as_str(&self) -> &str {
                self
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

unchecked!(&str, &&str, String, &String, Box<str>, &Box<str>, Arc<str>, &Arc<str>, Cow<'_, str>, &Cow<'_, str>);

impl sealed::Sealed for Subject {}
impl sealed::Sealed for &Subject {}
impl sealed::Sealed for Pattern {}
impl sealed::Sealed for &Pattern {}

/// Implements the text of what has one.
macro_rules! any_text {
    ($($given:ty),*) => {$(
        impl sealed::AnyText for $given {
            #[inline]
            fn text(&self) -> &str {
                self.as_str()
            }
        }
    )*};
}

any_text!(Subject, &Subject, Pattern, &Pattern);

impl sealed::Address for Subject {
    #[inline]
    fn into_strict(self) -> Result<Subject, SubjectError> {
        check_subject(self.as_str())?;
        Ok(self)
    }

    #[inline]
    fn into_lenient(self) -> Result<Subject, SubjectError> {
        Ok(self)
    }
}

impl sealed::Address for &Subject {
    #[inline]
    fn into_strict(self) -> Result<Subject, SubjectError> {
        check_subject(self.as_str())?;
        Ok(self.clone())
    }

    #[inline]
    fn into_lenient(self) -> Result<Subject, SubjectError> {
        Ok(self.clone())
    }
}

impl ToSubject for Subject {
    #[inline]
    fn as_str(&self) -> &str {
        self.as_str()
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
    fn into_subject(self) -> Result<Subject, SubjectError> {
        Ok(self.clone())
    }
}

impl ToPattern for Subject {
    #[inline]
    fn into_pattern(self) -> Result<Pattern, SubjectError> {
        self.try_into()
    }
}

impl ToPattern for &Subject {
    #[inline]
    fn into_pattern(self) -> Result<Pattern, SubjectError> {
        self.try_into()
    }
}

impl ToPattern for Pattern {
    #[inline]
    fn into_pattern(self) -> Result<Pattern, SubjectError> {
        Ok(self)
    }
}

impl ToPattern for &Pattern {
    #[inline]
    fn into_pattern(self) -> Result<Pattern, SubjectError> {
        Ok(self.clone())
    }
}
