//! Publishers in tasks that wait for room.

use super::context::Context;
use super::follow_up::{emit_accepted, follow_up};
use super::loss::{Outcome, disconnected, lose};
use super::retry::offer_again;
use crate::account::{Awaited, Subscription, watchdog};
use crate::delivery::{DropReason, Offered, Place, Refused};
use crate::message::{Message, Trace};
use crate::services::Services;
use crate::time::TimerKey;
use smol_str::SmolStr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// The real time between two tries at a full channel of the user's where no wake-up tells of room: in tasks, and in threads on a
/// bus with a manual clock.
pub(super) const CHANNEL_RETRY: Duration = Duration::from_millis(1);

/// A copy of a message that waits for room.
#[derive(Debug)]
pub(crate) struct WaitingPublisher {
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

impl WaitingPublisher {
    pub(super) fn new(
        subscription: Arc<Subscription>,
        message: Message,
        routed: &str,
        deadline: Option<Duration>,
    ) -> Self {
        WaitingPublisher {
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
    fn poll(&mut self, cx: Context<'_>, task: &mut std::task::Context<'_>) -> Poll<Outcome> {
        let (account, services) = (cx.account(), cx.services());
        let subscription = self.subscription.clone();
        let is_channel = subscription.outlet.channel().is_some();
        if !is_channel {
            let watchdog = || watchdog(&services.timers, &subscription, Awaited::Room);
            let senders = &subscription.outlet.mailbox().room;
            senders.register_watched(&mut self.place, task.waker(), services.reporter(), watchdog);
        }
        let message = self.message.take().expect("polled after completion");
        let id = message.trace().map(Trace::id);
        let own = message.subject().clone();
        let envelope = cx.envelope(self.routed.as_deref().unwrap_or(own.as_str()), self.weight);
        let outcome = match offer_again(cx, &subscription, message, &envelope) {
            Offered::Taken(after) | Offered::Run(_, after) => {
                follow_up(account, services, &subscription, after);
                if let Some(id) = id {
                    emit_accepted(&services.probe, id, &subscription);
                }
                Outcome::Accepted
            }
            Offered::Refused(_, Refused::Gone) => Outcome::Gone,
            Offered::Refused(message, Refused::Disconnected) => {
                disconnected(account, services, &subscription, Some(message))
            }
            Offered::Refused(message, Refused::Full) => {
                let now = services.timers.now();
                if self.deadline.is_some_and(|deadline| now >= deadline) {
                    lose(services, &subscription, message, DropReason::BlockTimeout)
                } else {
                    self.message = Some(message);
                    if is_channel && subscription.outlet.is_awaited() {
                        subscription.outlet.mailbox().announce_room();
                    }
                    // Before the old ones are taken back: a clock that moves on meanwhile finds the end of the wait.
                    let timer = self.deadline.and_then(|at| services.timers.set(at, task.waker()));
                    let retry = if is_channel { services.timers.set_real(CHANNEL_RETRY, task.waker()) } else { None };
                    self.cancel_timers(services);
                    (self.timer, self.retry) = (timer, retry);
                    return Poll::Pending;
                }
            }
        };
        self.cancel_timers(services);
        self.leave();
        Poll::Ready(outcome)
    }

    /// As [`WaitingPublisher::poll`], with the publisher's counters: ready with whether the subscriber accepted, and whether the
    /// message was still for it.
    pub(crate) fn poll_counted(&mut self, cx: Context<'_>, task: &mut std::task::Context<'_>) -> Poll<(bool, bool)> {
        self.poll(cx, task).map(|outcome| {
            cx.publisher().counters().count_more_routed((outcome != Outcome::Gone) as u64, false);
            (outcome == Outcome::Accepted, outcome != Outcome::Gone)
        })
    }

    /// For a future that is dropped: the copy is lost, and counted.
    pub(crate) fn cancel(mut self, cx: Context<'_>) {
        self.cancel_timers(cx.services());
        self.leave();
        if let Some(message) = self.message.take() {
            let counted = self.subscription.outlet.mailbox().count_drop(DropReason::Cancelled).is_ok();
            if counted {
                self.subscription.emit_lost(&cx.services().probe, &message, DropReason::Cancelled);
            }
            cx.publisher().counters().count_more_routed(counted as u64, false);
        }
    }

    fn cancel_timers(&mut self, services: &Services) {
        if let Some(timer) = self.timer.take() {
            services.timers.cancel(timer);
        }
        if let Some(retry) = self.retry.take() {
            services.timers.cancel(retry);
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
