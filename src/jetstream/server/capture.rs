//! The subscriptions by which a stream takes what is published (JS42).

use crate::{Client, Message, SubscribeOptions, SubscriptionGuard};
use std::collections::{BTreeMap, BTreeSet};

/// The subjects that are captured now.
#[derive(Debug, Default)]
pub(super) struct Captures(BTreeMap<String, SubscriptionGuard>);

impl Captures {
    /// Captures these subjects and no others: those that stay are not interrupted.
    pub(super) fn set(
        &mut self,
        client: &Client,
        subjects: Vec<String>,
        take: impl Fn(Message) + Clone + Send + Sync + 'static,
    ) {
        let subjects: BTreeSet<String> = subjects.into_iter().collect();
        for subject in &subjects {
            if self.0.contains_key(subject) {
                continue;
            }
            // Valid, as it was checked; a closed bus takes no more subscriptions, and publishes nothing either.
            if let Ok(guard) = client.subscribe_fn_with(subject, SubscribeOptions::new(), take.clone()) {
                self.0.insert(subject.clone(), guard);
            }
        }
        self.0.retain(|captured, _| subjects.contains(captured));
    }
}
