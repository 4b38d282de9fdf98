//! Subscriptions without room: their overflow policy, and threads that wait.

use super::context::Context;
use super::deferred::Action;
use super::follow_up::{emit_accepted, finish_end, follow_up};
use super::loss::{Outcome, disconnected, drop_oldest, lose};
use super::retry::offer_again;
use super::waiting::{CHANNEL_RETRY, WaitingPublisher};
use crate::account::{Ledger, Subscription, Totals, lifecycle};
use crate::blocking;
use crate::delivery::{DropReason, Frozen, Offered, OverflowPolicy, Refused, callbacks};
use crate::error::CloseReason;
use crate::message::Message;
use crate::sync::{park_timeout, thread_waker};
use crossbeam_channel::{SendTimeoutError, Sender, TrySendError};
use std::sync::Arc;
use std::time::Duration;

/// The time after which a thread that waits for room in a user's channel looks whether the subscription is
/// still open.
const CHANNEL_SLICE: Duration = Duration::from_millis(10);

/// Applies the overflow policy of a subscription without room. A callback that has room then is left in `calls`.
pub(super) fn apply_overflow(
    cx: Context<'_>,
    subscription: Arc<Subscription>,
    message: Message,
    routed: &str,
    waiting: Option<&mut Vec<WaitingPublisher>>,
    calls: &mut Vec<Action>,
) -> Outcome {
    let trace = message.trace().cloned();
    let outcome = apply_policy(cx, &subscription, message, routed, waiting, calls);
    if let (Outcome::Accepted, Some(trace)) = (outcome, trace) {
        emit_accepted(&cx.services().probe, trace.id(), &subscription);
    }
    outcome
}

fn apply_policy(
    cx: Context<'_>,
    subscription: &Arc<Subscription>,
    message: Message,
    routed: &str,
    waiting: Option<&mut Vec<WaitingPublisher>>,
    calls: &mut Vec<Action>,
) -> Outcome {
    let (account, services) = (cx.account(), cx.services());
    match subscription.target.overflow() {
        OverflowPolicy::DropNewest => lose(services, subscription, message, DropReason::QueueFull),
        // The messages in a sink are not ours to drop.
        OverflowPolicy::DropOldest if subscription.target.sink().is_some() => {
            lose(services, subscription, message, DropReason::QueueFull)
        }
        OverflowPolicy::DropOldest => {
            let envelope = cx.envelope(routed, message.weight());
            drop_oldest(account, services, subscription, message, &envelope, calls)
        }
        OverflowPolicy::Close => {
            let outcome = lose(services, subscription, message, DropReason::SlowConsumer);
            lifecycle::end(account, services, subscription, CloseReason::SlowConsumer);
            outcome
        }
        OverflowPolicy::Block(limit) => {
            let deadline = services.timers.deadline(limit);
            match waiting {
                None => {
                    (services.timers).in_passing(|| wait_for_room(cx, subscription, message, routed, deadline, calls))
                }
                Some(waiting) => {
                    waiting.push(WaitingPublisher::new(subscription.clone(), message, routed, deadline));
                    // Counted when it is known what became of it.
                    Outcome::Gone
                }
            }
        }
    }
}

fn wait_for_room(
    cx: Context<'_>,
    subscription: &Arc<Subscription>,
    message: Message,
    routed: &str,
    deadline: Option<Duration>,
    calls: &mut Vec<Action>,
) -> Outcome {
    let services = cx.services();
    if let Some(channel) = subscription.target.channel() {
        return wait_for_channel(cx, subscription, channel, message, deadline);
    }
    let envelope = cx.envelope(routed, message.weight());
    let mut unsent = Some(message);
    let offered = subscription.target.queue().senders.block(&services.timers, deadline, || {
        match offer_again(cx, subscription, unsent.take()?, &envelope) {
            Offered::Taken(after) => Some(Some(after)),
            Offered::Run(message, after) => {
                calls.push(Action::Run(subscription.clone(), message));
                Some(Some(after))
            }
            Offered::Refused(_, Refused::Gone | Refused::Disconnected) => Some(None),
            Offered::Refused(message, Refused::Full) => {
                unsent = Some(message);
                None
            }
        }
    });
    match (offered, unsent) {
        (Some(Some(after)), _) => {
            follow_up(cx.account(), services, subscription, after);
            Outcome::Accepted
        }
        (None, Some(message)) => lose(services, subscription, message, DropReason::BlockTimeout),
        (Some(None), _) | (None, None) => Outcome::Gone,
    }
}

/// A channel of the user's wakes a blocked sender itself, but knows only the system's clock.
///
/// On a manual clock only the end of the wait is a timer. Whether there is room is asked in real time: the reader is not of the bus,
/// and takes a message without any move of the clock.
fn wait_for_channel(
    cx: Context<'_>,
    subscription: &Arc<Subscription>,
    channel: &Sender<Message>,
    message: Message,
    deadline: Option<Duration>,
) -> Outcome {
    let timers = &cx.services().timers;
    if !timers.is_manual() {
        return send_to_channel(cx, subscription, channel, message, deadline);
    }
    let timer = deadline.and_then(|deadline| timers.set(deadline, &thread_waker()));
    let outcome = send_to_channel(cx, subscription, channel, message, deadline);
    // Before the timer is taken back: one of the two always counts.
    timers.mark_busy();
    if let Some(timer) = timer {
        timers.cancel(timer);
    }
    outcome
}

fn send_to_channel(
    cx: Context<'_>,
    subscription: &Arc<Subscription>,
    channel: &Sender<Message>,
    mut message: Message,
    deadline: Option<Duration>,
) -> Outcome {
    let (account, services) = (cx.account(), cx.services());
    let timers = &services.timers;
    loop {
        callbacks::run_waiting();
        let now = timers.now();
        if subscription.target.close_reason().is_some() {
            return Outcome::Gone;
        }
        let sent = if timers.is_manual() {
            channel.try_send(message).map_err(|unsent| match unsent {
                TrySendError::Full(message) => SendTimeoutError::Timeout(message),
                TrySendError::Disconnected(message) => SendTimeoutError::Disconnected(message),
            })
        } else {
            // Room is announced by the channel, the end of the subscription is not: hence in slices.
            let left = deadline.map_or(CHANNEL_SLICE, |deadline| deadline.saturating_sub(now));
            blocking::wait(|| channel.send_timeout(message, left.min(CHANNEL_SLICE)))
        };
        message = match sent {
            Ok(()) => {
                match subscription.target.count_delivered() {
                    Ok(false) => {}
                    Ok(true) => {
                        lifecycle::end(account, services, subscription, CloseReason::LimitReached);
                    }
                    // Its guard is gone and its counts are entered already: this one goes there directly.
                    Err(Frozen) => {
                        let ledger = Ledger { matched: 1, delivered: 1, ..Ledger::default() };
                        account.retired.lock().enter(None, Totals { ledger, ..Totals::default() });
                    }
                }
                if subscription.target.close_reason().is_some() {
                    // The drop of the guard may have found it just being counted.
                    finish_end(account, subscription);
                }
                return Outcome::Accepted;
            }
            Err(SendTimeoutError::Disconnected(message)) => {
                return disconnected(account, services, subscription, Some(message));
            }
            Err(SendTimeoutError::Timeout(message)) if deadline.is_some_and(|deadline| timers.now() >= deadline) => {
                return lose(services, subscription, message, DropReason::BlockTimeout);
            }
            Err(SendTimeoutError::Timeout(message)) => message,
        };
        if timers.is_manual() {
            timers.mark_idle();
            blocking::wait(|| park_timeout(CHANNEL_RETRY));
        }
    }
}
