//! The words of refusals that several checks share, and the rule for names.

use crate::jetstream::engine::error::{ApiError, codes};

/// A rule without a code of its own.
pub(super) fn invalid(text: impl AsRef<str>) -> ApiError {
    codes::STREAM_INVALID_CONFIG.with(text)
}

/// A value that only a request without `pedantic` may have.
pub(super) fn pedantic(text: &str) -> ApiError {
    codes::PEDANTIC.with(text)
}

/// Refuses if it holds.
pub(super) fn refuse(holds: bool, text: &str) -> Result<(), ApiError> {
    if holds { Err(invalid(text)) } else { Ok(()) }
}

pub(super) fn is_stream_name(name: &str) -> bool {
    let forbidden = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n' | '\x0C' | '.' | '*' | '>' | '/' | '\\');
    !name.is_empty() && !name.contains(forbidden)
}
