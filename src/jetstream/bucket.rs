//! Names and errors that key-value buckets and object stores share.

use std::fmt;

/// The name of a bucket is empty, or has a character other than `A` to `Z`, `a` to `z`, `0` to `9`, `_` and `-` (JK4). Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidBucketName(pub(super) String);

impl InvalidBucketName {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InvalidBucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid bucket name {:?}", self.0)
    }
}

impl std::error::Error for InvalidBucketName {}

/// The name of a bucket, if it is one.
pub(super) fn checked(name: &str) -> Result<&str, InvalidBucketName> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match !name.is_empty() && name.bytes().all(is_fine) {
        true => Ok(name),
        false => Err(InvalidBucketName(name.to_owned())),
    }
}

/// Errors of operations: an enum for each, whose variants hold the error of the step that failed, and one over all of them.
macro_rules! errors {
    ($(#[$any_doc:meta])* $any:ident as $over_all:ident;
    $(
        $(#[$doc:meta])*
        $name:ident as $in_any:ident {
            $( $(#[$variant_doc:meta])* $variant:ident($inner:ty), )*
        }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
            #[non_exhaustive]
            pub enum $name {
                $(
                    $(#[$variant_doc])*
                    #[error("{0}")]
                    $variant($inner),
                )*
            }

            $(
                impl From<$inner> for $name {
                    fn from(error: $inner) -> Self {
                        $name::$variant(error)
                    }
                }
            )*

            impl From<$name> for $any {
                fn from(error: $name) -> Self {
                    $any::$in_any(error)
                }
            }

            impl From<$name> for crate::Error {
                fn from(error: $name) -> Self {
                    crate::Error::$over_all(error.into())
                }
            }
        )*

        $(#[$any_doc])*
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum $any {
            $(
                $(#[$doc])*
                #[error("{0}")]
                $in_any($name),
            )*
        }
    };
}

pub(super) use errors;
