//! Holds a publisher back where the system would rather drop than wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// How many messages may be under way.
pub(crate) const LIMIT: u64 = 20_000;

/// How often either side says or asks how far the receiver is.
const STRIDE: u64 = 64;

/// Counts what was received, for the publisher to look at.
#[derive(Default)]
pub(crate) struct Window {
    received: AtomicU64,
}

impl Window {
    /// To be called for every message received.
    // Relaxed in both: the number only slows the publisher down, no data is read on the strength of it.
    #[inline]
    pub(crate) fn received(&self, count: u64) {
        if count.is_multiple_of(STRIDE) {
            self.received.store(count, Ordering::Relaxed);
        }
    }

    /// Whether the publisher should wait before it sends message `number`.
    #[inline]
    pub(crate) fn is_full(&self, number: u64) -> bool {
        number.is_multiple_of(STRIDE) && number.saturating_sub(self.received.load(Ordering::Relaxed)) > LIMIT
    }

    /// Waits, letting others run.
    #[inline]
    pub(crate) fn wait(&self, number: u64) {
        while self.is_full(number) {
            thread::yield_now();
        }
    }
}
