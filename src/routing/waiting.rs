//! Publishers in tasks that wait for room.

use super::context::Context;
use super::deferred::Action;
use super::follow_up::{emit_accepted, follow_up};
use super::loss::{Outcome, disconnected, lose};
use super::retry::offer_again;
use crate::account::{Awaited, Subscription, watchdog};
use crate::delivery::{DropReason, FollowUp, Offered, Refused, WaiterKey};
use crate::message::{Message, Trace};
use crate::services::Services;
use crate::subject::Subject;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
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
    key: WaiterKey,
    /// The end of the wait, on the bus's clock.
    timer: Option<TimerKey>,
    /// The next look at a channel of the user's, in real time: its reader is outside of the bus.
    retry: Option<TimerKey>,
    /// Shared by all copies of a message, if none of its subscriptions has one yet.
    open_match: Option<Arc<OpenMatch>>,
}

/// A message of which all copies wait: if every one of their subscriptions ends first, it has matched none.
#[derive(Debug)]
struct OpenMatch {
    /// Copies that still wait. ORDERING: SeqCst, as of `matched`; one future owns all copies, and nothing here is fast.
    waiting: AtomicUsize,
    matched: AtomicBool,
    routed: SmolStr,
    reply: Option<Subject>,
}

/// A message that matched no subscription after all.
#[derive(Debug)]
pub(super) struct Unmatched {
    pub(super) routed: SmolStr,
    pub(super) reply: Option<Subject>,
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
            key: WaiterKey::default(),
            timer: None,
            retry: None,
            open_match: None,
        }
    }

    /// For all waiting copies of a message that no subscription has yet.
    pub(super) fn leave_match_open(copies: &mut [WaitingPublisher]) {
        let Some(WaitingPublisher { message: Some(message), routed, .. }) = copies.first() else { return };
        let open = Arc::new(OpenMatch {
            waiting: AtomicUsize::new(copies.len()),
            matched: AtomicBool::new(false),
            routed: routed.clone().unwrap_or_else(|| message.subject().as_smol().clone()),
            reply: message.reply().cloned(),
        });
        copies.iter_mut().for_each(|copy| copy.open_match = Some(open.clone()));
    }

    /// Notes what became of this copy. Gives back the message if it was the last one and matched no subscription.
    fn close_match(&mut self, matched: bool) -> Option<Unmatched> {
        let open = self.open_match.take()?;
        if matched {
            open.matched.store(true, SeqCst);
        }
        let is_last = open.waiting.fetch_sub(1, SeqCst) == 1;
        let is_unmatched = is_last && !open.matched.load(SeqCst);
        is_unmatched.then(|| Unmatched { routed: open.routed.clone(), reply: open.reply.clone() })
    }

    /// Tries again; leaves the task's waker where room is announced and with the clock. A callback that has room is left in `calls`.
    fn poll(&mut self, cx: Context<'_>, task: &mut std::task::Context<'_>, calls: &mut Vec<Action>) -> Poll<Outcome> {
        let (account, services) = (cx.account(), cx.services());
        let subscription = self.subscription.clone();
        let is_channel = subscription.target.channel().is_some();
        if !is_channel {
            let watchdog = || watchdog(&services.timers, &subscription, Awaited::Room);
            let senders = &subscription.target.queue().senders;
            senders.register_watched(&mut self.key, task.waker(), services.reporter(), watchdog);
        }
        let message = self.message.take().expect("polled after completion");
        let id = message.trace().map(Trace::id);
        let own = message.subject().clone();
        let envelope = cx.envelope(self.routed.as_deref().unwrap_or(own.as_str()), self.weight);
        let accepted = |after: FollowUp| {
            follow_up(account, services, &subscription, after);
            if let Some(id) = id {
                emit_accepted(&services.probe, id, &subscription);
            }
            Outcome::Accepted
        };
        let outcome = match offer_again(cx, &subscription, message, &envelope) {
            Offered::Taken(after) => accepted(after),
            Offered::Run(message, after) => {
                calls.push(Action::Run(subscription.clone(), message));
                accepted(after)
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
                    if is_channel && subscription.target.is_awaited() {
                        subscription.target.queue().notify_senders();
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

    /// As [`WaitingPublisher::poll`], with the publisher's counters.
    pub(super) fn poll_counted(
        &mut self,
        cx: Context<'_>,
        task: &mut std::task::Context<'_>,
        calls: &mut Vec<Action>,
    ) -> Poll<(Outcome, Option<Unmatched>)> {
        self.poll(cx, task, calls).map(|outcome| (outcome, self.count(cx, outcome != Outcome::Gone)))
    }

    /// Counts on the publisher's side; `matched` if the message was still for the subscription.
    fn count(&mut self, cx: Context<'_>, matched: bool) -> Option<Unmatched> {
        let (counters, unmatched) = (cx.publisher().counters(), self.close_match(matched));
        counters.count_more_routed(matched as u64, false);
        if unmatched.is_some() {
            counters.count_unmatched();
        }
        unmatched
    }

    /// For a future that is dropped: the copy is lost, and counted. A message that turns out to have matched no subscription is counted, and
    /// its publisher, which has given it up, gets no notice.
    pub(crate) fn cancel(mut self, cx: Context<'_>) {
        self.cancel_timers(cx.services());
        self.leave();
        if let Some(message) = self.message.take() {
            let counted = self.subscription.target.queue().count_drop(DropReason::Cancelled).is_ok();
            if counted {
                self.subscription.emit_lost(&cx.services().probe, &message, DropReason::Cancelled);
            }
            self.count(cx, counted);
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
        if let Some(queue) = self.subscription.target.queue_if_any()
            && queue.senders.leave(&mut self.key)
            && !queue.senders.is_idle()
        {
            queue.senders.wake_one();
        }
    }
}
