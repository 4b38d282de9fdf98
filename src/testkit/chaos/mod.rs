//! Faults.

use crate::{Delivery, HeldMessage, Publish, SubscriptionInfo, Verdict};

pub(super) struct Chaos {
    _seed: u64,
}

impl Chaos {
    pub(super) fn new(seed: u64) -> Self {
        Chaos { _seed: seed }
    }

    pub(super) fn publish(&self, _: &Publish<'_>, number: impl Fn() -> u64) -> Verdict {
        Verdict::Route { id: number(), times: 1 }
    }

    pub(super) fn deliver(&self, _: u64, _: &SubscriptionInfo) -> Delivery {
        Delivery::Pass
    }

    pub(super) fn hold(&self, held: HeldMessage) {
        drop(held);
    }

    pub(super) fn subscribed(&self, _: &SubscriptionInfo) {}

    pub(super) fn ended(&self, _: &SubscriptionInfo) {}
}
