//! One copy of a message to one receiver.

use super::context::Context;
use super::deferred::Deferred;
use crate::account::Subscription;
use crate::delivery::{BoundedQueue, Envelope, FollowUp, Offered, Refused, Sink};
use crate::message::Message;
use std::sync::Arc;

/// A message that is made when it is let in.
pub(super) trait Make {
    fn make(self) -> Message;
}

impl<F: FnOnce() -> Message> Make for F {
    #[inline(always)]
    fn make(self) -> Message {
        self()
    }
}

/// Gives back how many accepted it: 1, or 0. The message is made only once it is let in.
#[inline]
pub(super) fn deliver(
    cx: Context<'_>,
    subscription: &Arc<Subscription>,
    envelope: &Envelope<'_>,
    deferred: &mut Deferred,
    make: impl Make,
) -> usize {
    if is_own_echo(cx, subscription) {
        return 0;
    }
    if let Some(queue) = subscription.target.own_queue() {
        match enqueue(subscription, queue, envelope.weight, deferred, make) {
            Ok(()) => return 1,
            Err((make, Refused::Full)) => deferred.full(subscription, make.make()),
            Err((_, Refused::Gone | Refused::Disconnected)) => {}
        }
        return 0;
    }
    match deliver_to_other(subscription, make.make(), envelope, deferred) {
        Ok(()) => 1,
        Err((message, Refused::Full)) => {
            deferred.full(subscription, message);
            0
        }
        Err((message, Refused::Gone)) => {
            deferred.drop(message);
            0
        }
        Err((message, Refused::Disconnected)) => {
            deferred.disconnected(subscription, Some(message));
            0
        }
    }
}

/// For a member of a queue group: it says why it could not take the message, which another member gets then.
#[inline]
pub(super) fn try_deliver(
    subscription: &Arc<Subscription>,
    envelope: &Envelope<'_>,
    deferred: &mut Deferred,
    copy: impl Fn() -> Message,
    message: &Message,
) -> Result<(), Refused> {
    if let Some(sink) = subscription.target.sink() {
        return try_deliver_to_sink(subscription, sink, envelope, deferred, message);
    }
    let Some(queue) = subscription.target.own_queue() else {
        return deliver_to_other(subscription, copy(), envelope, deferred).map_err(|(message, refused)| {
            deferred.drop(message);
            refused
        });
    };
    enqueue(subscription, queue, envelope.weight, deferred, copy).map_err(|(_, refused)| refused)
}

/// To a sink, which leaves the message where it is. If it has no room, the overflow policy is applied later. Gives back how many accepted
/// it so far: 1, or 0.
#[inline]
pub(super) fn deliver_to_sink(
    subscription: &Arc<Subscription>,
    sink: &Sink,
    envelope: &Envelope<'_>,
    deferred: &mut Deferred,
    message: &Message,
    copy: impl FnOnce() -> Message,
) -> usize {
    match try_deliver_to_sink(subscription, sink, envelope, deferred, message) {
        Ok(()) => return 1,
        Err(Refused::Full) => deferred.full(subscription, copy()),
        Err(Refused::Gone | Refused::Disconnected) => {}
    }
    0
}

#[inline]
fn try_deliver_to_sink(
    subscription: &Arc<Subscription>,
    sink: &Sink,
    envelope: &Envelope<'_>,
    deferred: &mut Deferred,
    message: &Message,
) -> Result<(), Refused> {
    let mut panic = None;
    let taken = subscription.target.deliver_to_sink(sink, message, envelope, &mut panic);
    if let Some(panic) = panic {
        deferred.panicked(subscription, panic);
    }
    match taken {
        Ok(after) => {
            if after.is_something() {
                deferred.follow_up(subscription, after);
            }
            Ok(())
        }
        Err(refused) => {
            let after = FollowUp { wake_senders: subscription.target.is_awaited(), ..FollowUp::default() };
            deferred.follow_up(subscription, after);
            Err(refused)
        }
    }
}

/// To a receiver that is not a queue of ours. There the message must know its receiving connection; a queued message
/// learns it when it is taken.
fn deliver_to_other(
    subscription: &Arc<Subscription>,
    mut message: Message,
    envelope: &Envelope<'_>,
    deferred: &mut Deferred,
) -> Result<(), (Message, Refused)> {
    message.received_by(|| Some(subscription.connection()?.responder()));
    match subscription.target.offer(message, envelope) {
        Offered::Taken(after) => deferred.follow_up(subscription, after),
        Offered::Run(message, after) => {
            deferred.follow_up(subscription, after);
            deferred.run(subscription, message);
        }
        Offered::Refused(message, refused) => {
            if subscription.target.is_awaited() {
                deferred.follow_up(subscription, FollowUp { wake_senders: true, ..FollowUp::default() });
            }
            return Err((message, refused));
        }
    }
    Ok(())
}

/// Into a queue of ours: the message is made only once it is let in; else `make` is given back.
#[inline(always)]
fn enqueue<M: Make>(
    subscription: &Arc<Subscription>,
    queue: &BoundedQueue,
    weight: usize,
    deferred: &mut Deferred,
    make: M,
) -> Result<(), (M, Refused)> {
    match subscription.target.admit(queue, weight) {
        Ok(admitted) => {
            let after = queue.put(make.make(), admitted);
            if after.is_something() {
                deferred.follow_up(subscription, after);
            }
            Ok(())
        }
        Err(refused) => Err((make, refused)),
    }
}

#[inline]
pub(super) fn is_own_echo(cx: Context<'_>, subscription: &Subscription) -> bool {
    let publisher = cx.publisher();
    publisher.options.no_echo && subscription.access.id == publisher.id
}
