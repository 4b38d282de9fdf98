//! The common part of [`Subject`](super::Subject) and [`Pattern`](super::Pattern): checked texts.

/// Implements the text side of a checked newtype over `SmolStr`: its parts, comparisons, conversions, formatting.
///
/// `$check` is the grammar, `$example` a valid text and `$tokens` its tokens, for the documentation. Equality, order and hash are left to `derive`, which forwards to the text's own, as
/// `Borrow<str>` demands.
macro_rules! checked_text {
    ($name:ident, $check:path, $example:literal, $tokens:literal) => {
        #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
        impl $name {
            /// The text, exactly as it was given.
            ///
            /// # Example
            ///
            /// ```
            #[doc = concat!("# use postroom::{", stringify!($name), ", error::SubjectError};")]
            #[doc = concat!("assert_eq!(", stringify!($name), "::new(\"", $example, "\")?.as_str(), \"", $example, "\");")]
            /// # Ok::<(), SubjectError>(())
            /// ```
            #[must_use]
            #[inline]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The length of the text in bytes, dots included; at least 1.
            ///
            /// # Example
            ///
            /// ```
            #[doc = concat!("# use postroom::{", stringify!($name), ", error::SubjectError};")]
            #[doc = concat!("assert_eq!(", stringify!($name), "::new(\"", $example, "\")?.len(), \"", $example, "\".len());")]
            /// # Ok::<(), SubjectError>(())
            /// ```
            #[must_use]
            #[inline]
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// The tokens from left to right, wildcards included: at least one. None is empty in a text that obeys the grammar.
            ///
            /// # Example
            ///
            /// ```
            #[doc = concat!("# use postroom::{", stringify!($name), ", error::SubjectError};")]
            #[doc = concat!("let text = ", stringify!($name), "::new(\"", $example, "\")?;")]
            #[doc = concat!("assert_eq!(text.tokens().collect::<Vec<_>>(), ", $tokens, ");")]
            /// # Ok::<(), SubjectError>(())
            /// ```
            #[must_use]
            #[inline]
            pub fn tokens(&self) -> $crate::subject::Tokens<'_> {
                $crate::subject::Tokens::new(self.as_str())
            }

            /// Wraps a text that is already known to be valid.
            #[inline]
            pub(crate) fn from_smol(text: smol_str::SmolStr) -> Self {
                debug_assert_eq!($check(&text), Ok(()), "unchecked text {text:?}");
                Self(text)
            }

            /// The text in its shared form, for a clone that copies at most 23 bytes.
            #[inline]
            pub(crate) fn as_smol(&self) -> &smol_str::SmolStr {
                &self.0
            }

            /// The text in its shared form, without a clone.
            #[inline]
            pub(crate) fn into_smol(self) -> smol_str::SmolStr {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self.as_str(), f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl AsRef<str> for $name {
            #[inline]
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            #[inline]
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::subject::SubjectError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::subject::SubjectError;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::subject::SubjectError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                $check(&text)?;
                Ok(Self::from_smol(text.into()))
            }
        }

        impl PartialEq<str> for $name {
            #[inline]
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            #[inline]
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl PartialEq<String> for $name {
            #[inline]
            fn eq(&self, other: &String) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl PartialEq<$name> for str {
            #[inline]
            fn eq(&self, other: &$name) -> bool {
                self == other.as_str()
            }
        }

        impl PartialEq<$name> for &str {
            #[inline]
            fn eq(&self, other: &$name) -> bool {
                *self == other.as_str()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.as_str().to_owned()
            }
        }
    };
}

pub(super) use checked_text;
