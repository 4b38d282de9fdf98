//! Panics in code of users', counted and told (G9).

use super::Shared;
use super::event::Event;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::user_code::{Reporter, UserCode, Witness};

/// Panics that no publisher counts: all but those of callbacks and sinks.
#[derive(Debug)]
pub(super) struct Panics {
    reporter: Reporter,
    // ORDERING: Relaxed; it only counts.
    count: AtomicU64,
}

impl Panics {
    pub(super) fn new(reporter: Reporter) -> Self {
        Panics { reporter, count: AtomicU64::new(0) }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        self.reporter.unregister();
    }
}

impl Witness for Shared {
    fn panicked(&self, code: UserCode, message: String) {
        self.panics.count.fetch_add(1, Ordering::Relaxed);
        self.hub.tell(|| Event::UserCodePanicked { code, message });
    }
}

impl Shared {
    /// The reporter, which runs users' code on behalf of this bus.
    #[inline]
    pub(crate) fn reporter(&self) -> Reporter {
        self.panics.reporter
    }
}
