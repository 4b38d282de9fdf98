//! What is written down of every message.

use crate::{CloseReason, DropReason, Publish, SubscriptionInfo, Verdict};

#[derive(Default)]
pub(super) struct Journal;

impl Journal {
    pub(super) fn published(&self, publish: &Publish<'_>, verdict: &Verdict) {
        let _ = (publish, verdict);
    }

    pub(super) fn routed(&self, id: u64, accepted: &[u64]) {
        let _ = (id, accepted);
    }

    pub(super) fn lost(&self, id: u64, by: &SubscriptionInfo, reason: DropReason) {
        let _ = (id, by, reason);
    }

    pub(super) fn subscribed(&self, subscription: &SubscriptionInfo) {
        let _ = subscription;
    }

    pub(super) fn ended(&self, subscription: &SubscriptionInfo, reason: CloseReason) {
        let _ = (subscription, reason);
    }
}
