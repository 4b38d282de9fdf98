//! The observer: numbers the messages, asks chaos what is to become of them, and has the journal write it all down.

use super::chaos::Chaos;
use super::journal::Journal;
use crate::{CloseReason, Delivery, DropReason, HeldMessage, Observer, Publish, SubscriptionInfo, Verdict};
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) struct Book {
    next: AtomicU64,
    pub(super) journal: Journal,
    pub(super) chaos: Chaos,
}

impl Book {
    pub(super) fn new(seed: u64) -> Self {
        Book { next: AtomicU64::new(1), journal: Journal, chaos: Chaos::new(seed) }
    }

    /// The number of a message. ORDERING: Relaxed; only has to be unique, the journal has an order of its own.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

impl Observer for Book {
    fn publish(&self, publish: &Publish<'_>) -> Verdict {
        let verdict = self.chaos.publish(publish, || self.number());
        self.journal.published(publish, &verdict);
        verdict
    }

    fn routed(&self, id: u64, accepted: &[u64]) {
        self.journal.routed(id, accepted);
    }

    fn deliver(&self, id: u64, to: &SubscriptionInfo) -> Delivery {
        let delivery = self.chaos.deliver(id, to);
        if delivery == Delivery::Lose {
            self.journal.lost(id, to, DropReason::Fault);
        }
        delivery
    }

    fn lost(&self, id: u64, by: &SubscriptionInfo, reason: DropReason) {
        self.journal.lost(id, by, reason);
    }

    fn hold(&self, held: HeldMessage) {
        self.chaos.hold(held);
    }

    fn subscribed(&self, subscription: &SubscriptionInfo) {
        self.journal.subscribed(subscription);
        self.chaos.subscribed(subscription);
    }

    fn ended(&self, subscription: &SubscriptionInfo, reason: CloseReason) {
        self.journal.ended(subscription, reason);
        self.chaos.ended(subscription);
    }
}
