//! Deliveries to subscriptions that a message may be kept from: by the permissions of their connection, or by the observer of the bus.

use super::context::{Context, DelayPoint};
use super::deferred::Deferred;
use super::deliver::{deliver, deliver_to_sink, is_own_echo, try_deliver};
use crate::account::Subscription;
use crate::delivery::{DropReason, Envelope, Refused};
use crate::message::Message;
use crate::observe::{DeliveryAction, PublishContext};
use std::sync::Arc;

/// Delivers a copy to a plain subscription, if it may have it.
#[cold]
pub(super) fn deliver_filtered(
    cx: Context<'_>,
    subscription: &Arc<Subscription>,
    envelope: &Envelope<'_>,
    deferred: &mut Deferred,
    message: &Option<Message>,
) -> usize {
    let Some(message) = message else { return 0 };
    match decide(cx, subscription, message, envelope) {
        DeliveryAction::Hide => return 0,
        DeliveryAction::Lose => return 1,
        DeliveryAction::Delay => {
            deferred.delayed();
            return 1;
        }
        DeliveryAction::Full => {
            deferred.full(subscription, subscription.copy_of(message));
            return 0;
        }
        DeliveryAction::Pass => {}
    }
    hand_over(cx, subscription, message, envelope, deferred)
}

/// To a filtered subscription that may have it. Gives back how many accepted it: 1, or 0.
pub(super) fn hand_over(
    cx: Context<'_>,
    subscription: &Arc<Subscription>,
    message: &Message,
    envelope: &Envelope<'_>,
    deferred: &mut Deferred,
) -> usize {
    let copy = || subscription.copy_of(message);
    let accepted = match subscription.target.sink() {
        Some(sink) => deliver_to_sink(subscription, sink, envelope, deferred, message, copy),
        None => deliver(cx, subscription, envelope, deferred, copy),
    };
    if accepted > 0 {
        note_accepted(cx, subscription, message, deferred);
    }
    accepted
}

/// For a member of a queue group.
#[cold]
pub(super) fn try_deliver_filtered(
    cx: Context<'_>,
    subscription: &Arc<Subscription>,
    envelope: &Envelope<'_>,
    deferred: &mut Deferred,
    message: &Message,
) -> Result<(), Refused> {
    match decide(cx, subscription, message, envelope) {
        DeliveryAction::Hide => return Err(Refused::Gone),
        DeliveryAction::Lose => return Ok(()),
        DeliveryAction::Delay => {
            deferred.delayed();
            return Ok(());
        }
        DeliveryAction::Full => return Err(Refused::Full),
        DeliveryAction::Pass => {}
    }
    try_deliver(subscription, envelope, deferred, || subscription.copy_of(message), message)?;
    note_accepted(cx, subscription, message, deferred);
    Ok(())
}

/// A filtered subscription has the message.
fn note_accepted(cx: Context<'_>, subscription: &Subscription, message: &Message, deferred: &mut Deferred) {
    if let Some(trace) = message.trace() {
        deferred.accepted(subscription);
        subscription.emit_handed_over(&cx.services().probe, trace.id());
    }
}

/// The decision of the receiving connection's permissions, and then of the bus's observer. A withheld copy is not for
/// that subscription.
fn decide(
    cx: Context<'_>,
    subscription: &Arc<Subscription>,
    message: &Message,
    envelope: &Envelope<'_>,
) -> DeliveryAction {
    // P5: as in nats-server, a deny entry holds for the subject that the receiver would see.
    let (subject, reply) = (message.subject().as_str(), message.reply());
    if is_own_echo(cx, subscription) || !subscription.lets_in(subject, reply, || cx.services().timers.now()) {
        return DeliveryAction::Hide;
    }
    match ask_observer(cx, subscription, message, envelope.routed) {
        DeliveryAction::Lose if subscription.target.queue().count_drop(DropReason::Fault).is_err() => {
            DeliveryAction::Hide
        }
        decided => decided,
    }
}

fn ask_observer(cx: Context<'_>, subscription: &Arc<Subscription>, message: &Message, routed: &str) -> DeliveryAction {
    let Some(trace) = message.trace() else { return DeliveryAction::Pass };
    let point = DelayPoint { cx, routed, to: Some(subscription) };
    let publish = PublishContext::new(cx.publisher().info(), message, routed, false, &point);
    cx.services().probe.ask_delivery(trace.id(), &publish, || subscription.info())
}
