//! The observer: numbers the messages, asks chaos what is to become of them, and has the journal write it all down.

use super::chaos::Engine;
use super::journal::Journal;
use super::panics::Panics;
use super::schedule::Schedule;
#[cfg(feature = "jetstream")]
use super::streams::Keeper;
use crate::Pattern;
use crate::error::CloseReason;
use crate::id::{ClientId, MessageId, SubscriptionId};
#[cfg(feature = "jetstream")]
use crate::observe::StreamSteps;
use crate::observe::{
    CallbackPanic, ClientInfo, DeliveryAction, Observer, PublishAction, PublishContext, RejectedPublish,
    SubscriptionInfo,
};
use crate::stats::DropReason;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) struct KitObserver {
    next: AtomicU64,
    pub(super) journal: Journal,
    pub(super) chaos: Arc<Engine>,
    /// The actions that are put off; ends with the kit.
    pub(super) schedule: Schedule,
    pub(super) panics: Panics,
    #[cfg(feature = "jetstream")]
    pub(super) streams: Keeper,
}

impl KitObserver {
    pub(super) fn new(chaos: Arc<Engine>, schedule: Schedule, journal: Journal) -> Self {
        KitObserver {
            next: AtomicU64::new(1),
            #[cfg(feature = "jetstream")]
            streams: Keeper::new(journal.entries_max()),
            journal,
            chaos,
            schedule,
            panics: Panics::default(),
        }
    }

    /// Has the journal write from now on, if it does not; gives back the last number that was given out before.
    pub(super) fn begin(&self) -> u64 {
        self.journal.turn_on();
        self.last()
    }

    /// The last number that was given out.
    pub(super) fn last(&self) -> u64 {
        self.next.load(Ordering::Relaxed) - 1
    }

    /// The number of a message. ORDERING: Relaxed; only has to be unique; what happens before is lower, by coherence.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

impl Observer for KitObserver {
    fn publish(&self, publish: &PublishContext<'_>) -> PublishAction {
        // Drawn here, so that a message that is refused or comes later has one too.
        let number = self.number();
        let verdict = self.chaos.publish(publish, MessageId::new(number));
        self.journal.published(number, publish, &verdict);
        verdict
    }

    fn refused(&self, refused: &RejectedPublish<'_>) {
        self.journal.refused(self.number(), refused);
    }

    fn routed(&self, id: MessageId, accepted: &[SubscriptionId]) {
        self.journal.routed(id, accepted);
    }

    fn returned(&self, id: MessageId) {
        self.chaos.returned(id);
    }

    fn deliver(&self, id: MessageId, publish: &PublishContext<'_>, to: &SubscriptionInfo) -> DeliveryAction {
        let delivery = self.chaos.deliver(id, publish, to);
        match delivery {
            DeliveryAction::Lose => self.journal.lost(id, to, DropReason::Fault),
            DeliveryAction::Delay => self.journal.held(id, to),
            _ => {}
        }
        delivery
    }

    fn received(&self, id: MessageId, by: SubscriptionId) {
        self.journal.received(id, by);
    }

    fn lost(&self, id: MessageId, by: &SubscriptionInfo, reason: DropReason) {
        self.journal.lost(id, by, reason);
    }

    #[cfg(feature = "jetstream")]
    fn watches_streams(&self) -> bool {
        self.journal.is_on()
    }

    #[cfg(feature = "jetstream")]
    fn stream_steps(&self, steps: &StreamSteps<'_>) {
        self.streams.take(steps);
    }

    fn panicked(&self, panic: &CallbackPanic<'_>) {
        self.panics.add(panic);
    }

    fn connected(&self, client: &ClientInfo<'_>) {
        self.chaos.connected(client);
    }

    fn disconnected(&self, client: ClientId) {
        self.chaos.disconnected(client);
    }

    fn may_subscribe(&self, client: ClientId, pattern: &Pattern, queue: Option<&str>) -> bool {
        self.chaos.may_subscribe(client, pattern, queue)
    }

    fn subscribed(&self, subscription: &SubscriptionInfo) {
        self.journal.subscribed(subscription);
        self.chaos.subscribed(subscription);
    }

    fn draining(&self, subscription: &SubscriptionInfo) {
        self.chaos.draining(subscription);
    }

    fn ended(&self, subscription: &SubscriptionInfo, reason: CloseReason) {
        self.journal.ended(subscription, reason);
        self.chaos.ended(subscription);
    }
}
