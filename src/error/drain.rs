//! The error of a drain.

use std::time::Duration;

/// A drain did not come to its end in time; it continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pending} messages were still to be taken, or requests to be answered, after {after:?}")]
#[non_exhaustive]
pub struct DrainTimeoutError {
    /// How long it was waited for.
    pub after: Duration,
    /// Messages queued or being handled, and requests under way.
    pub pending: usize,
}
