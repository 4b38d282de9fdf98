//! Counts of calls.

use std::sync::atomic::AtomicU64;

/// The calls that were answered (JS15). ORDERING: Relaxed; only counts.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) total: AtomicU64,
    pub(super) errors: AtomicU64,
}
