//! Messages that found no room: the subscription's overflow policy, and waiting for room, in threads and in tasks.

use super::{Awaited, Connection, Shared};
use crate::account::{Ledger, Subscription, Totals};
use crate::blocking;
use crate::delivery::{
    After, DropReason, DroppedMessage, Envelope, Offered, OverflowPolicy, Place, Refused, Sealed, Sink, runner,
};
use crate::error::CloseReason;
use crate::message::{Message, Trace};
use crate::sync::{park_timeout, thread_waker, yield_now};
use crate::time::TimerKey;
use crossbeam_channel::{SendTimeoutError, Sender, TrySendError};
use smol_str::SmolStr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The real time between two tries at a full channel of the user's where no wake-up tells of room: in tasks, and in threads on a
/// bus with a manual clock.
const CHANNEL_RETRY: Duration = Duration::from_millis(1);

/// The time after which a thread that waits for room in a user's channel looks whether the subscription is
/// still open.
const CHANNEL_SLICE: Duration = Duration::from_millis(10);

/// A copy of a message that waits for room.
#[derive(Debug)]
pub(crate) struct Waiting {
    subscription: Arc<Subscription>,
    message: Option<Message>,
    /// The subject that the message is routed by, if that is another than its own.
    routed: Option<SmolStr>,
    weight: usize,
    deadline: Option<Duration>,
    place: Place,
    /// The end of the wait, on the bus's clock.
    timer: Option<TimerKey>,
    /// The next look at a channel of the user's, in real time: its reader is outside of the bus.
    retry: Option<TimerKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    Lost,
    /// The subscription has ended: the message was not for it.
    Gone,
}

impl Connection {
    /// Applies the overflow policy of a subscription without room.
    pub(super) fn find_room(
        &self,
        subscription: Arc<Subscription>,
        message: Message,
        routed: &str,
        waiting: Option<&mut Vec<Waiting>>,
    ) -> Outcome {
        let trace = message.trace().cloned();
        let outcome = self.find_room_for(&subscription, message, routed, waiting);
        if let (Outcome::Accepted, Some(trace)) = (outcome, trace) {
            self.shared.tell_accepted(trace.id(), &subscription);
        }
        outcome
    }

    fn find_room_for(
        &self,
        subscription: &Arc<Subscription>,
        message: Message,
        routed: &str,
        waiting: Option<&mut Vec<Waiting>>,
    ) -> Outcome {
        match subscription.outlet.overflow() {
            OverflowPolicy::DropNewest => self.shared.lose(subscription, message, DropReason::QueueFull),
            // The messages in a sink are not ours to drop.
            OverflowPolicy::DropOldest if subscription.outlet.sink().is_some() => {
                self.shared.lose(subscription, message, DropReason::QueueFull)
            }
            OverflowPolicy::DropOldest => {
                let envelope = self.envelope(routed, message.weight());
                self.shared.push_out(subscription, message, &envelope)
            }
            OverflowPolicy::Close => {
                let outcome = self.shared.lose(subscription, message, DropReason::SlowConsumer);
                self.shared.end(subscription, CloseReason::SlowConsumer);
                outcome
            }
            OverflowPolicy::Block(limit) => {
                let deadline = self.shared.timers.deadline(limit);
                match waiting {
                    None => {
                        self.shared.timers.in_passing(|| self.wait_for_room(subscription, message, routed, deadline))
                    }
                    Some(waiting) => {
                        waiting.push(Waiting::new(subscription.clone(), message, routed, deadline));
                        // Counted when it is known what became of it.
                        Outcome::Gone
                    }
                }
            }
        }
    }

    fn wait_for_room(
        &self,
        subscription: &Arc<Subscription>,
        message: Message,
        routed: &str,
        deadline: Option<Duration>,
    ) -> Outcome {
        let shared = &self.shared;
        if let Some(channel) = subscription.outlet.channel() {
            return shared.wait_for_channel(subscription, channel, message, deadline);
        }
        let envelope = self.envelope(routed, message.weight());
        let mut held = Some(message);
        let offered = subscription.outlet.mailbox().room.block(&shared.timers, deadline, || {
            match self.offer_again(subscription, held.take()?, &envelope) {
                Offered::Taken(after) | Offered::Run(_, after) => Some(Some(after)),
                Offered::Refused(_, Refused::Gone | Refused::Disconnected) => Some(None),
                Offered::Refused(message, Refused::Full) => {
                    held = Some(message);
                    None
                }
            }
        });
        match (offered, held) {
            (Some(Some(after)), _) => {
                shared.do_after(subscription, after);
                Outcome::Accepted
            }
            (None, Some(message)) => shared.lose(subscription, message, DropReason::BlockTimeout),
            (Some(None), _) | (None, None) => Outcome::Gone,
        }
    }

    /// Offers a message whose sender waits for room, and may have been woken in the place of one that would fit.
    fn offer_again(&self, subscription: &Subscription, message: Message, envelope: &Envelope<'_>) -> Offered {
        if let Some(sink) = subscription.outlet.sink() {
            return self.show_again(subscription, sink, message, envelope);
        }
        let mailbox = subscription.outlet.mailbox();
        let before = mailbox.is_uneven();
        let offered = subscription.outlet.offer(message, envelope);
        if matches!(offered, Offered::Refused(_, Refused::Full)) && !before && mailbox.is_uneven() {
            mailbox.room.wake_all();
        }
        offered
    }

    /// Shows a sink once more a message that it had no room for.
    fn show_again(
        &self,
        subscription: &Subscription,
        sink: &Sink,
        message: Message,
        envelope: &Envelope<'_>,
    ) -> Offered {
        let mut panic = None;
        let shown = subscription.outlet.deliver_to_sink(sink, &message, envelope, &mut panic);
        if let Some(panic) = panic {
            self.report(subscription, None, panic);
        }
        match shown {
            Ok(after) => Offered::Taken(after),
            Err(refused) => Offered::Refused(message, refused),
        }
    }
}

impl Shared {
    fn lose(&self, subscription: &Arc<Subscription>, message: Message, reason: DropReason) -> Outcome {
        match self.note_loss(subscription, &message, reason) {
            Ok(()) => {
                self.tell_lost(subscription, &message, reason);
                Outcome::Lost
            }
            Err(Sealed) => Outcome::Gone,
        }
    }

    pub(super) fn disconnected(&self, subscription: &Arc<Subscription>, message: Option<Message>) -> Outcome {
        // One that has ended already had no use for the message.
        let open = subscription.outlet.close_reason().is_none();
        let counted = message
            .as_ref()
            .is_some_and(|_| open && subscription.outlet.mailbox().count_drop(DropReason::Disconnected).is_ok());
        if let (true, Some(message)) = (counted, &message) {
            self.tell_lost(subscription, message, DropReason::Disconnected);
        }
        self.end(subscription, CloseReason::Disconnected);
        if counted { Outcome::Lost } else { Outcome::Gone }
    }

    fn note_loss(&self, subscription: &Arc<Subscription>, message: &Message, reason: DropReason) -> Result<(), Sealed> {
        debug_assert!(reason.is_slow());
        let lost =
            DroppedMessage { subject: message.subject().clone(), size: message.size(), reason, at: self.timers.now() };
        if let Some(episode) = subscription.outlet.mailbox().lose(lost)? {
            self.hub.tell_episode(subscription.info(), &episode);
        }
        Ok(())
    }

    fn push_out(&self, subscription: &Arc<Subscription>, mut message: Message, envelope: &Envelope<'_>) -> Outcome {
        if !subscription.outlet.could_hold(envelope.weight) {
            // It would not fit an empty queue: queued messages are not dropped for nothing.
            return self.lose(subscription, message, DropReason::QueueFull);
        }
        let mailbox = subscription.outlet.mailbox();
        loop {
            if let Some(oldest) = mailbox.evict() {
                self.tell_lost(subscription, &oldest, DropReason::Oldest);
                // Counted already; sealed or not, the offer below tells how it stands.
                let _ = self.note_loss(subscription, &oldest, DropReason::Oldest);
            } else {
                // The messages that fill the queue are still on their way into it, and their sender may need
                // this core for that.
                yield_now();
            }
            message = match subscription.outlet.offer(message, envelope) {
                Offered::Taken(after) | Offered::Run(_, after) => {
                    // Room that was made by eviction does not mean that the subscriber has
                    // recovered.
                    self.do_after(subscription, After { recovered: false, ..after });
                    return Outcome::Accepted;
                }
                Offered::Refused(_, Refused::Gone | Refused::Disconnected) => return Outcome::Gone,
                Offered::Refused(message, Refused::Full) => message,
            };
        }
    }

    /// A channel of the user's wakes a blocked sender itself, but knows only the system's clock.
    ///
    /// On a manual clock only the end of the wait is a timer. Whether there is room is asked in real time: the reader is not of the bus,
    /// and takes a message without any move of the clock.
    fn wait_for_channel(
        &self,
        subscription: &Arc<Subscription>,
        channel: &Sender<Message>,
        message: Message,
        deadline: Option<Duration>,
    ) -> Outcome {
        if !self.timers.is_manual() {
            return self.bring_to_channel(subscription, channel, message, deadline);
        }
        let timer = deadline.and_then(|deadline| self.timers.set(deadline, &thread_waker()));
        let outcome = self.bring_to_channel(subscription, channel, message, deadline);
        // Before the timer is taken back: one of the two always counts.
        self.timers.mark_busy();
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
        outcome
    }

    fn bring_to_channel(
        &self,
        subscription: &Arc<Subscription>,
        channel: &Sender<Message>,
        mut message: Message,
        deadline: Option<Duration>,
    ) -> Outcome {
        loop {
            runner::run_waiting();
            let now = self.timers.now();
            if subscription.outlet.close_reason().is_some() {
                return Outcome::Gone;
            }
            let sent = if self.timers.is_manual() {
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
                    match subscription.outlet.count_delivered() {
                        Ok(false) => {}
                        Ok(true) => drop(self.end(subscription, CloseReason::LimitReached)),
                        // Its guard is gone and its counts are in the past already: this one goes there directly.
                        Err(Sealed) => {
                            let ledger = Ledger { matched: 1, delivered: 1, ..Ledger::default() };
                            self.account.past.lock().enter(None, Totals { ledger, ..Totals::default() });
                        }
                    }
                    if subscription.outlet.close_reason().is_some() {
                        // The drop of the guard may have found it just being counted.
                        self.after_the_end(subscription);
                    }
                    return Outcome::Accepted;
                }
                Err(SendTimeoutError::Disconnected(message)) => return self.disconnected(subscription, Some(message)),
                Err(SendTimeoutError::Timeout(message))
                    if deadline.is_some_and(|deadline| self.timers.now() >= deadline) =>
                {
                    return self.lose(subscription, message, DropReason::BlockTimeout);
                }
                Err(SendTimeoutError::Timeout(message)) => message,
            };
            if self.timers.is_manual() {
                self.timers.mark_idle();
                blocking::wait(|| park_timeout(CHANNEL_RETRY));
            }
        }
    }
}

impl Waiting {
    fn new(subscription: Arc<Subscription>, message: Message, routed: &str, deadline: Option<Duration>) -> Self {
        Waiting {
            subscription,
            routed: (message.subject().as_str() != routed).then(|| SmolStr::new(routed)),
            weight: message.weight(),
            message: Some(message),
            deadline,
            place: Place::default(),
            timer: None,
            retry: None,
        }
    }

    /// Tries again; leaves the task's waker where room is announced and with the clock.
    fn poll(&mut self, connection: &Connection, cx: &mut Context<'_>) -> Poll<Outcome> {
        let shared = &*connection.shared;
        let subscription = self.subscription.clone();
        let is_channel = subscription.outlet.channel().is_some();
        if !is_channel {
            let watchdog = || shared.watchdog(&subscription, Awaited::Room);
            let room = &subscription.outlet.mailbox().room;
            room.register_watched(&mut self.place, cx.waker(), shared.reporter(), watchdog);
        }
        let message = self.message.take().expect("polled after completion");
        let id = message.trace().map(Trace::id);
        let own = message.subject().clone();
        let routed = self.routed.as_deref().unwrap_or(own.as_str());
        let envelope = connection.envelope(routed, self.weight);
        let outcome = match connection.offer_again(&subscription, message, &envelope) {
            Offered::Taken(after) | Offered::Run(_, after) => {
                shared.do_after(&subscription, after);
                if let Some(id) = id {
                    shared.tell_accepted(id, &subscription);
                }
                Outcome::Accepted
            }
            Offered::Refused(_, Refused::Gone) => Outcome::Gone,
            Offered::Refused(message, Refused::Disconnected) => shared.disconnected(&subscription, Some(message)),
            Offered::Refused(message, Refused::Full) => {
                let now = shared.timers.now();
                if self.deadline.is_some_and(|deadline| now >= deadline) {
                    shared.lose(&subscription, message, DropReason::BlockTimeout)
                } else {
                    self.message = Some(message);
                    if is_channel && subscription.outlet.is_awaited() {
                        subscription.outlet.mailbox().announce_room();
                    }
                    // Before the old ones are taken back: a clock that moves on meanwhile finds the end of the wait.
                    let timer = self.deadline.and_then(|at| shared.timers.set(at, cx.waker()));
                    let retry = if is_channel { shared.timers.set_real(CHANNEL_RETRY, cx.waker()) } else { None };
                    self.cancel_timers(shared);
                    (self.timer, self.retry) = (timer, retry);
                    return Poll::Pending;
                }
            }
        };
        self.cancel_timers(shared);
        self.leave();
        Poll::Ready(outcome)
    }

    /// As [`Waiting::poll`], with the publisher's counters: ready with whether the subscriber accepted, and whether the message was
    /// still for it.
    pub(crate) fn poll_counted(&mut self, connection: &Connection, cx: &mut Context<'_>) -> Poll<(bool, bool)> {
        self.poll(connection, cx).map(|outcome| {
            connection.desk().count_more_routed((outcome != Outcome::Gone) as u64, false);
            (outcome == Outcome::Accepted, outcome != Outcome::Gone)
        })
    }

    /// For a future that is dropped: the copy is lost, and counted.
    pub(crate) fn cancel(mut self, connection: &Connection) {
        self.cancel_timers(&connection.shared);
        self.leave();
        if let Some(message) = self.message.take() {
            let counted = self.subscription.outlet.mailbox().count_drop(DropReason::Cancelled).is_ok();
            if counted {
                connection.shared.tell_lost(&self.subscription, &message, DropReason::Cancelled);
            }
            connection.desk().count_more_routed(counted as u64, false);
        }
    }

    fn cancel_timers(&mut self, shared: &Shared) {
        if let Some(timer) = self.timer.take() {
            shared.timers.cancel(timer);
        }
        if let Some(retry) = self.retry.take() {
            shared.timers.cancel(retry);
        }
    }

    /// Gives up the place in the list; a wake-up that may have been for another is passed on.
    fn leave(&mut self) {
        if let Some(mailbox) = self.subscription.outlet.mailbox_if_any()
            && mailbox.room.leave(&mut self.place)
            && !mailbox.room.is_idle()
        {
            mailbox.room.wake_one();
        }
    }
}
