//! Panics in code of users', counted (G9).

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::user_code::Reporter;

/// Panics that no publisher counts: all but those of callbacks and sinks.
#[derive(Debug)]
pub(crate) struct Panics {
    reporter: Reporter,
    // ORDERING: Relaxed; it only counts.
    count: AtomicU64,
}

impl Panics {
    pub(crate) fn new(reporter: Reporter) -> Self {
        Panics { reporter, count: AtomicU64::new(0) }
    }

    #[inline]
    pub(crate) fn reporter(&self) -> Reporter {
        self.reporter
    }

    pub(super) fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        self.reporter.unregister();
    }
}
