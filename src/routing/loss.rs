//! Copies that find no room: lost and counted, or let in at the cost of older ones.

use super::deferred::Action;
use super::follow_up::follow_up;
use crate::account::{Account, Subscription, lifecycle};
use crate::delivery::{DropReason, DroppedMessage, Envelope, FollowUp, Frozen, Offered, Refused};
use crate::error::CloseReason;
use crate::message::Message;
use crate::services::Services;
use crate::sync::yield_now;
use std::sync::Arc;

/// What became of a copy that found no room at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    Lost,
    /// The subscription has ended: the message was not for it.
    Gone,
}

/// Loses a copy of a slow subscription.
pub(super) fn lose(
    services: &Services,
    subscription: &Arc<Subscription>,
    message: Message,
    reason: DropReason,
) -> Outcome {
    match count_loss(services, subscription, &message, reason) {
        Ok(()) => {
            subscription.emit_lost(&services.probe, &message, reason);
            Outcome::Lost
        }
        Err(Frozen) => Outcome::Gone,
    }
}

/// Ends a subscription whose channel has no receiving end any more.
pub(super) fn disconnected(
    account: &Account,
    services: &Services,
    subscription: &Arc<Subscription>,
    message: Option<Message>,
) -> Outcome {
    // One that has ended already had no use for the message.
    let open = subscription.target.close_reason().is_none();
    let counted = message
        .as_ref()
        .is_some_and(|_| open && subscription.target.queue().count_drop(DropReason::Disconnected).is_ok());
    if let (true, Some(message)) = (counted, &message) {
        subscription.emit_lost(&services.probe, message, DropReason::Disconnected);
    }
    lifecycle::end(account, services, subscription, CloseReason::Disconnected);
    if counted { Outcome::Lost } else { Outcome::Gone }
}

fn count_loss(
    services: &Services,
    subscription: &Arc<Subscription>,
    message: &Message,
    reason: DropReason,
) -> Result<(), Frozen> {
    debug_assert!(reason.is_slow());
    let (subject, size, at) = (message.subject().clone(), message.size(), services.timers.now());
    if let Some(episode) = subscription.target.queue().lose(DroppedMessage { subject, size, reason, at })? {
        services.emit_episode(subscription.info(), &episode);
    }
    Ok(())
}

/// Lets a message in by dropping the oldest ones. A callback that has room then is left in `calls`.
pub(super) fn drop_oldest(
    account: &Account,
    services: &Services,
    subscription: &Arc<Subscription>,
    mut message: Message,
    envelope: &Envelope<'_>,
    calls: &mut Vec<Action>,
) -> Outcome {
    if !subscription.target.could_hold(envelope.weight) {
        // It would not fit an empty queue: queued messages are not dropped for nothing.
        return lose(services, subscription, message, DropReason::QueueFull);
    }
    let queue = subscription.target.queue();
    let after = loop {
        if let Some(oldest) = queue.evict() {
            subscription.emit_lost(&services.probe, &oldest, DropReason::Oldest);
            // Counted already; frozen or not, the offer below tells how it stands.
            let _ = count_loss(services, subscription, &oldest, DropReason::Oldest);
        } else {
            // The messages that fill the queue are still on their way into it, and their sender may need
            // this core for that.
            yield_now();
        }
        message = match subscription.target.offer(message, envelope) {
            Offered::Taken(after) => break after,
            Offered::Run(message, after) => {
                calls.push(Action::Run(subscription.clone(), message));
                break after;
            }
            Offered::Refused(_, Refused::Gone | Refused::Disconnected) => return Outcome::Gone,
            Offered::Refused(message, Refused::Full) => message,
        };
    };
    // Room that was made by eviction does not mean that the subscriber has recovered.
    follow_up(account, services, subscription, FollowUp { recovered: false, ..after });
    Outcome::Accepted
}
