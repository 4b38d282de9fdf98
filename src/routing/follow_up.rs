//! The effects of a copy on its subscription, beyond the copy itself: wake-ups, events, its end.

use crate::account::{Account, Subscription, lifecycle};
use crate::delivery::FollowUp;
use crate::error::CloseReason;
use crate::id::MessageId;
use crate::services::{Probe, Services};
use std::sync::Arc;

pub(super) fn follow_up(account: &Account, services: &Services, subscription: &Arc<Subscription>, after: FollowUp) {
    if after.wake_receiver
        && let Some(queue) = subscription.target.queue_if_any()
    {
        queue.receivers.wake_one();
    }
    if after.wake_senders
        && let Some(queue) = subscription.target.queue_if_any()
    {
        queue.notify_senders();
    }
    if let Some(waker) = after.wake {
        waker.wake();
    }
    if after.recovered {
        lifecycle::end_episode(services, subscription);
    }
    if after.last {
        lifecycle::end(account, services, subscription, CloseReason::LimitReached);
    }
}

/// For a subscription that was closed while one of its callbacks still ran, or while a message was brought to its channel.
pub(super) fn finish_end(account: &Account, subscription: &Arc<Subscription>) {
    if subscription.target.is_ended() {
        if let Some(queue) = subscription.target.queue_if_any() {
            queue.senders.wake_all();
        }
        lifecycle::retire(account, subscription);
        if let Some(connection) = subscription.connection() {
            connection.check_drain();
        }
    }
}

/// A subscription that is told of separately has a copy now.
pub(super) fn emit_accepted(probe: &Probe, id: MessageId, subscription: &Subscription) {
    probe.emit_routed(id, &[subscription.id()]);
    subscription.emit_handed_over(probe, id);
}
