//! The error of a status code.

/// A number or a text is not a [`StatusCode`](crate::StatusCode): it has not exactly three digits, or is below 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number from 100 to 999")]
#[non_exhaustive]
pub struct StatusCodeError;
