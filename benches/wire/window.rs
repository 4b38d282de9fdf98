//! Holds a publisher back, so that no server has to cut off a subscriber that is slower.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use tokio::sync::Notify;

/// How many messages may be under way to any one of several receivers.
pub(crate) struct Window {
    limit: u64,
    received: Vec<AtomicU64>,
    waiting: AtomicBool,
    moved: Notify,
}

impl Window {
    pub(crate) fn new(receivers: usize, limit: u64) -> Self {
        let received = (0..receivers).map(|_| AtomicU64::new(0)).collect();
        Window { limit, received, waiting: AtomicBool::new(false), moved: Notify::new() }
    }

    /// A window of so many bytes of messages of this size, and at least of two batches of a raw publisher.
    pub(crate) fn of_bytes(receivers: usize, bytes: usize, message: usize) -> Self {
        Self::new(receivers, (bytes / message).max(4) as u64)
    }

    /// To be called by a receiver, with all it has got so far.
    pub(crate) fn received(&self, receiver: usize, count: u64) {
        self.received[receiver].store(count, SeqCst);
        if self.waiting.swap(false, SeqCst) {
            self.moved.notify_one();
        }
    }

    fn has_room(&self, sent: u64) -> bool {
        let slowest = self.received.iter().map(|count| count.load(SeqCst)).min().unwrap_or(sent);
        sent.saturating_sub(slowest) <= self.limit
    }

    /// Waits until there is room behind the `sent` messages.
    pub(crate) async fn wait(&self, sent: u64) {
        while !self.has_room(sent) {
            self.waiting.store(true, SeqCst);
            if self.has_room(sent) {
                return;
            }
            self.moved.notified().await;
        }
    }
}
