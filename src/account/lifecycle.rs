//! The end of a subscription: of its interest, of its handle, and of its counts.

use super::{Account, Subscription, Totals};
use crate::delivery::DropReason;
use crate::error::CloseReason;
use crate::services::{Event, Services};

/// Ends a subscription's interest: nothing is let in any more. Queued messages stay. False if it had ended before. Not to be called
/// under a lock.
pub(crate) fn end(account: &Account, services: &Services, subscription: &Subscription, reason: CloseReason) -> bool {
    if reason == CloseReason::Drained && subscription.target.close_reason().is_none() {
        services.probe.emit_draining(|| subscription.info());
    }
    if !subscription.target.close(reason) {
        return false;
    }
    if let Some(connection) = subscription.connection() {
        connection.ended();
    }
    drop(account.matcher.remove(&subscription.pattern, subscription.entry));
    account.interest.ended(subscription);
    end_episode(services, subscription);
    services.probe.emit_ended(|| subscription.info(), reason);
    if matches!(reason, CloseReason::SlowConsumer | CloseReason::Disconnected | CloseReason::PermissionDenied) {
        services.events.emit(|| Event::SubscriptionClosed { subscription: subscription.info(), reason });
    }
    if subscription.is_detached() {
        // It was detached: there is no handle whose drop enters its counts.
        retire(account, subscription);
    }
    true
}

/// Ends the slow-consumer episode of a subscription, if one is under way.
pub(crate) fn end_episode(services: &Services, subscription: &Subscription) {
    if let Some(episode) = subscription.target.queue_if_any().and_then(|queue| queue.recover()) {
        services.emit_episode(subscription.info(), &episode);
    }
}

/// For the drop of a subscription's handle: ends it, discards its queued messages, and enters its counts into the
/// totals of what is retired.
pub(crate) fn release(account: &Account, services: &Services, subscription: &Subscription) {
    end(account, services, subscription, CloseReason::Unsubscribed);
    // A user's channel has no queue of ours to empty, but a publisher that was let in may be about to settle.
    if !subscription.target.is_callback() {
        let discarded = subscription.target.queue_if_any().map(|queue| queue.discard());
        for message in discarded.into_iter().flatten() {
            subscription.emit_lost(&services.probe, &message, DropReason::Discarded);
        }
    }
    detach(account, subscription);
}

/// For a handle that is given up while its subscription stays in force.
pub(crate) fn detach(account: &Account, subscription: &Subscription) {
    subscription.mark_detached();
    // It may have ended before, or just now.
    retire(account, subscription);
}

/// Enters the counts of a subscription into the retired, if nothing can change them any more.
pub(crate) fn retire(account: &Account, subscription: &Subscription) {
    let connection = subscription.connection();
    let mut retired = account.retired.lock();
    if subscription.may_retire() {
        let ledger = subscription.target.freeze().into();
        retired.enter(Some(subscription.place()), Totals { ledger, ..Totals::default() });
        if let Some(connection) = &connection {
            connection.released(subscription.slot);
        }
    }
    drop(retired);
}
