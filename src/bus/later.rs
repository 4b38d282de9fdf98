//! What a publish leaves for when no lock is held: wake-ups, callbacks, queues without room.

use super::event::Event;
use super::{Connection, Shared};
use crate::account::Subscription;
use crate::clock::TimerKey;
use crate::delivery::{After, CloseReason, DropReason, Lost, Offered, Overflow, Panic, Place, Refused, Sealed, runner};
use crate::message::{Message, Trace};
use crate::sync::{thread_waker, yield_now};
use crossbeam_channel::{SendTimeoutError, Sender, TrySendError};
use std::cell::RefCell;
use std::iter::Chain;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::{option, vec};

/// How often a full channel of the user's is tried again where nobody tells when it has room: by tasks, and on a manual clock.
const CHANNEL_RETRY: Duration = Duration::from_millis(1);

/// How often a thread that waits for room in a user's channel looks whether the subscription still wants it.
const CHANNEL_SLICE: Duration = Duration::from_millis(10);

/// Filled while routes are held, worked off after.
#[derive(Default)]
pub(super) struct Later {
    /// Apart, so that one step, the common case, needs no allocation.
    first: Option<Step>,
    more: Vec<Step>,
    /// Something else than callbacks.
    is_mixed: bool,
    /// Subscriptions that have the message, on a bus that is observed.
    accepted: Vec<u64>,
}

/// Steps beyond the first that are made room for at once.
const MORE: usize = 8;

enum Step {
    After(Arc<Subscription>, After),
    Run(Arc<Subscription>, Message),
    Full(Arc<Subscription>, Message),
    /// The receiving end of its channel is gone, and the message, if there is one, lost with it.
    Disconnected(Arc<Subscription>, Option<Message>),
    Drop(Message),
    /// A sink panicked.
    Panicked(Arc<Subscription>, Panic),
}

/// A copy of a message that waits for room.
#[derive(Debug)]
pub(crate) struct Waiting {
    subscription: Arc<Subscription>,
    message: Option<Message>,
    size: usize,
    deadline: Option<Duration>,
    place: Place,
    timer: Option<TimerKey>,
}

/// What has come of what was left to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Finished {
    /// Copies that were accepted in the end.
    pub(super) accepted: usize,
    /// Some were for somebody and were lost.
    pub(super) lost: bool,
    /// Some wait for room.
    pub(super) waits: bool,
}

impl Later {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    #[inline]
    fn push(&mut self, step: Step) {
        self.is_mixed |= !matches!(step, Step::Run(..));
        if self.first.is_none() {
            self.first = Some(step);
            return;
        }
        if self.more.capacity() == 0 {
            self.more.reserve(MORE);
        }
        self.more.push(step);
    }

    #[cold]
    pub(super) fn after(&mut self, subscription: &Arc<Subscription>, after: After) {
        if after.is_something() {
            self.push(Step::After(subscription.clone(), after));
        }
    }

    pub(super) fn run(&mut self, subscription: &Arc<Subscription>, message: Message) {
        self.push(Step::Run(subscription.clone(), message));
    }

    pub(super) fn full(&mut self, subscription: &Arc<Subscription>, message: Message) {
        self.push(Step::Full(subscription.clone(), message));
    }

    pub(super) fn disconnected(&mut self, subscription: &Arc<Subscription>, message: Option<Message>) {
        self.push(Step::Disconnected(subscription.clone(), message));
    }

    #[cold]
    pub(super) fn panicked(&mut self, subscription: &Arc<Subscription>, panic: Panic) {
        self.push(Step::Panicked(subscription.clone(), panic));
    }

    /// Notes that a watched subscription has the message.
    pub(super) fn accepted(&mut self, subscription: &Subscription) {
        self.accepted.push(subscription.entry.number());
    }

    pub(super) fn take_accepted(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.accepted)
    }

    /// Drops a message when no lock is held: a payload may have a destructor of the user's.
    pub(super) fn drop(&mut self, message: Message) {
        self.push(Step::Drop(message));
    }
}

impl Connection {
    /// Does what is left to do; gives back what has come of it. Copies that are to wait for room are left in
    /// `waiting`, or waited for if that is `None`.
    ///
    /// Full queues come before callbacks: a callback may publish to the same subscriber, and must not overtake.
    #[cold]
    #[inline(never)]
    pub(super) fn finish(&self, mut later: Later, had: usize, mut waiting: Option<&mut Vec<Waiting>>) -> Finished {
        if let (Some(Step::Run(..)), true) = (&later.first, later.more.is_empty()) {
            if let Some(Step::Run(subscription, message)) = later.first.take() {
                self.call_soon(subscription, message);
            }
            return Finished::default();
        }
        if !later.is_mixed {
            self.call_all(later.first, later.more);
            return Finished::default();
        }
        let (mut calls, mut full) = (Vec::new(), Vec::new());
        let (mut accepted, mut routed) = (0, 0);
        for step in later.first.into_iter().chain(later.more) {
            match step {
                Step::After(subscription, after) => self.shared.do_after(&subscription, after),
                Step::Run(..) => calls.push(step),
                Step::Full(subscription, message) => full.push((subscription, message)),
                Step::Disconnected(subscription, message) => {
                    routed += (self.shared.disconnected(&subscription, message) != Outcome::Gone) as u64;
                }
                Step::Drop(message) => drop(message),
                Step::Panicked(subscription, panic) => self.report(&subscription, panic),
            }
        }
        let had_waiting = waiting.as_ref().map_or(0, |waiting| waiting.len());
        for (subscription, message) in full {
            let outcome = self.find_room(subscription, message, waiting.as_deref_mut());
            accepted += (outcome == Outcome::Accepted) as usize;
            routed += (outcome != Outcome::Gone) as u64;
        }
        let waits = waiting.map_or(0, |waiting| waiting.len()) > had_waiting;
        self.desk().count_more_routed(routed, had == 0 && (routed > 0 || waits));
        if !calls.is_empty() {
            self.call_all(None, calls);
        }
        Finished { accepted, lost: routed > accepted as u64, waits }
    }

    /// Runs callbacks one after the other.
    fn call_all(&self, first: Option<Step>, more: Vec<Step>) {
        let steps = RefCell::new(first.into_iter().chain(more));
        runner::run_all(Rc::new(Calls { me: self.me(), steps }));
    }

    /// The common case: one callback, and nothing else to do.
    fn call_soon(&self, subscription: Arc<Subscription>, message: Message) {
        // Both forms of the task want it; only one of them runs.
        let task = std::cell::Cell::new(Some((subscription, message)));
        let take = || task.take().expect("one of the two runs");
        let now = || {
            let (subscription, message) = take();
            self.call(&subscription, message);
        };
        let later = || {
            let (me, (subscription, message)) = (self.me(), take());
            move || me.call(&subscription, message)
        };
        runner::run_one(now, later);
    }

    /// Runs a callback, and sees to what follows from it.
    fn call(&self, subscription: &Arc<Subscription>, message: Message) {
        // The callback may be done with the message before it returns.
        let _busy =
            message.trace().filter(|trace| trace.counts()).and_then(|_| self.shared.hold_callback(subscription));
        if let Some(trace) = message.trace() {
            self.shared.tell_received(trace.id(), subscription);
        }
        if let Err(panic) = subscription.outlet.run(message) {
            self.report(subscription, panic);
        }
        if subscription.outlet.close_reason().is_some() {
            self.shared.after_the_end(subscription);
        }
    }

    /// Counts and tells that code of a subscription's owner panicked (G9).
    #[cold]
    fn report(&self, subscription: &Subscription, panic: Panic) {
        self.desk().count_panic();
        let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
        let message = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        self.shared.hub.tell(|| Event::CallbackPanicked { subscription: subscription.info(), message });
        // Dropping what a panic carries may panic again; that, too, is the callback's fault and nobody else's.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(panic)));
    }

    /// What the policy of a subscription without room says.
    fn find_room(
        &self,
        subscription: Arc<Subscription>,
        message: Message,
        waiting: Option<&mut Vec<Waiting>>,
    ) -> Outcome {
        let trace = message.trace().cloned();
        let outcome = self.find_room_for(&subscription, message, waiting);
        if let (Outcome::Accepted, Some(trace)) = (outcome, trace) {
            self.shared.tell_accepted(trace.id(), &subscription);
        }
        outcome
    }

    fn find_room_for(
        &self,
        subscription: &Arc<Subscription>,
        message: Message,
        waiting: Option<&mut Vec<Waiting>>,
    ) -> Outcome {
        match subscription.outlet.overflow() {
            Overflow::DropNewest => self.shared.lose(subscription, message, DropReason::QueueFull),
            Overflow::DropOldest => self.shared.push_out(subscription, message),
            Overflow::Close => {
                let outcome = self.shared.lose(subscription, message, DropReason::SlowConsumer);
                self.shared.end(subscription, CloseReason::SlowConsumer);
                outcome
            }
            Overflow::Block(limit) => {
                let deadline = self.shared.timers.deadline(limit);
                match waiting {
                    None => {
                        self.shared.timers.in_passing(|| self.shared.wait_for_room(subscription, message, deadline))
                    }
                    Some(waiting) => {
                        waiting.push(Waiting::new(subscription.clone(), message, deadline));
                        // Counted when it is known what became of it.
                        Outcome::Gone
                    }
                }
            }
        }
    }
}

/// The callbacks of one publish.
struct Calls {
    me: Arc<Connection>,
    steps: RefCell<Chain<option::IntoIter<Step>, vec::IntoIter<Step>>>,
}

impl runner::Tasks for Calls {
    fn left(&self) -> usize {
        // Exact: it is that of two lists.
        self.steps.borrow().size_hint().0
    }

    fn run_next(&self) {
        let step = self.steps.borrow_mut().next();
        if let Some(Step::Run(subscription, message)) = step {
            self.me.call(&subscription, message);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Accepted,
    Lost,
    /// The subscription has ended: the message was not for it.
    Gone,
}

impl Shared {
    fn do_after(&self, subscription: &Arc<Subscription>, after: After) {
        if after.wake_receiver
            && let Some(mailbox) = subscription.outlet.mailbox_if_any()
        {
            mailbox.receivers.wake_one();
        }
        if after.wake_room
            && let Some(mailbox) = subscription.outlet.mailbox_if_any()
        {
            mailbox.announce_room();
        }
        if let Some(waker) = after.wake {
            waker.wake();
        }
        if after.recovered
            && let Some(episode) = subscription.outlet.mailbox_if_any().and_then(|mailbox| mailbox.recover())
        {
            self.hub.tell_episode(subscription.info(), &episode);
        }
        if after.last {
            self.end(subscription, CloseReason::LimitReached);
        }
    }

    /// For a subscription that was closed while one of its callbacks still ran, or while a message was brought to its channel.
    fn after_the_end(&self, subscription: &Arc<Subscription>) {
        if subscription.outlet.is_ended() {
            if let Some(mailbox) = subscription.outlet.mailbox_if_any() {
                mailbox.room.wake_all();
            }
            self.retire(subscription);
            if let Some(connection) = super::connection_of(subscription) {
                connection.finish_drain();
            }
        }
    }

    fn lose(&self, subscription: &Arc<Subscription>, message: Message, reason: DropReason) -> Outcome {
        match self.note_loss(subscription, &message, reason) {
            Ok(()) => Outcome::Lost,
            Err(Sealed) => Outcome::Gone,
        }
    }

    fn disconnected(&self, subscription: &Arc<Subscription>, message: Option<Message>) -> Outcome {
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
        self.tell_lost(subscription, message, reason);
        let lost = Lost { subject: message.subject().clone(), size: message.size(), reason, at: self.timers.now() };
        if let Some(episode) = subscription.outlet.mailbox().lose(lost)? {
            self.hub.tell_episode(subscription.info(), &episode);
        }
        Ok(())
    }

    fn push_out(&self, subscription: &Arc<Subscription>, mut message: Message) -> Outcome {
        let size = message.size();
        if !subscription.outlet.could_hold(size) {
            // No room that could be made would do: what is queued is not lost for nothing.
            return self.lose(subscription, message, DropReason::QueueFull);
        }
        let mailbox = subscription.outlet.mailbox();
        loop {
            if let Some(oldest) = mailbox.evict() {
                // Counted already; sealed or not, the offer below tells how it stands.
                let _ = self.note_loss(subscription, &oldest, DropReason::Oldest);
            } else {
                // What fills the queue is still on its way into it, and its sender may need this core for that.
                yield_now();
            }
            message = match subscription.outlet.offer(message, size) {
                Offered::Taken(after) | Offered::Run(_, after) => {
                    // Room that was made by force is no sign of recovery.
                    self.do_after(subscription, After { recovered: false, ..after });
                    return Outcome::Accepted;
                }
                Offered::Refused(_, Refused::Gone | Refused::Disconnected) => return Outcome::Gone,
                Offered::Refused(message, Refused::Full) => message,
            };
        }
    }

    fn wait_for_room(&self, subscription: &Arc<Subscription>, message: Message, deadline: Option<Duration>) -> Outcome {
        if let Some(channel) = subscription.outlet.channel() {
            return self.wait_for_channel(subscription, channel, message, deadline);
        }
        let size = message.size();
        let mut held = Some(message);
        let offered = subscription.outlet.mailbox().room.block(&self.timers, deadline, || {
            match offer_again(subscription, held.take()?, size) {
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
                self.do_after(subscription, after);
                Outcome::Accepted
            }
            (None, Some(message)) => self.lose(subscription, message, DropReason::BlockTimeout),
            (Some(None), _) | (None, None) => Outcome::Gone,
        }
    }

    /// A channel of the user's wakes a blocked sender itself, but knows only the system's clock.
    fn wait_for_channel(
        &self,
        subscription: &Arc<Subscription>,
        channel: &Sender<Message>,
        mut message: Message,
        deadline: Option<Duration>,
    ) -> Outcome {
        let waker = thread_waker();
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
                channel.send_timeout(message, left.min(CHANNEL_SLICE))
            };
            message = match sent {
                Ok(()) => {
                    match subscription.outlet.count_delivered() {
                        Ok(false) => {}
                        Ok(true) => drop(self.end(subscription, CloseReason::LimitReached)),
                        // Its guard is gone and its counts are in the past already: this one goes there directly.
                        Err(Sealed) => {
                            let mut past = self.account.past.lock();
                            past.ledger.matched += 1;
                            past.ledger.delivered += 1;
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
                let retry = now + CHANNEL_RETRY;
                self.timers.park(&waker, Some(deadline.map_or(retry, |deadline| deadline.min(retry))));
            }
        }
    }
}

/// Offers a message whose sender waits for room, and may have been woken in the place of one that would fit.
fn offer_again(subscription: &Subscription, message: Message, size: usize) -> Offered {
    let mailbox = subscription.outlet.mailbox();
    let before = mailbox.is_uneven();
    let offered = subscription.outlet.offer(message, size);
    if matches!(offered, Offered::Refused(_, Refused::Full)) && !before && mailbox.is_uneven() {
        mailbox.room.wake_all();
    }
    offered
}

impl Waiting {
    fn new(subscription: Arc<Subscription>, message: Message, deadline: Option<Duration>) -> Self {
        let size = message.size();
        Waiting { subscription, message: Some(message), size, deadline, place: Place::default(), timer: None }
    }

    /// Tries again; leaves the task's waker where room is announced and with the clock.
    fn poll(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.cancel_timer(shared);
        let subscription = self.subscription.clone();
        let is_channel = subscription.outlet.channel().is_some();
        if !is_channel {
            subscription.outlet.mailbox().room.register(&mut self.place, cx.waker());
        }
        let message = self.message.take().expect("polled after completion");
        let id = message.trace().map(Trace::id);
        let outcome = match offer_again(&subscription, message, self.size) {
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
                    let retry = is_channel.then(|| now + CHANNEL_RETRY);
                    self.set_timer(shared, retry.into_iter().chain(self.deadline).min(), cx.waker());
                    return Poll::Pending;
                }
            }
        };
        self.leave();
        Poll::Ready(outcome)
    }

    /// As [`Waiting::poll`], with the publisher's counters: ready with whether the subscriber accepted, and whether the message was
    /// still for it.
    pub(crate) fn poll_counted(&mut self, connection: &Connection, cx: &mut Context<'_>) -> Poll<(bool, bool)> {
        self.poll(&connection.shared, cx).map(|outcome| {
            connection.desk().count_more_routed((outcome != Outcome::Gone) as u64, false);
            (outcome == Outcome::Accepted, outcome != Outcome::Gone)
        })
    }

    /// For a future that is dropped: the copy is lost, and counted.
    pub(crate) fn cancel(mut self, connection: &Connection) {
        self.cancel_timer(&connection.shared);
        self.leave();
        if let Some(message) = self.message.take() {
            let counted = self.subscription.outlet.mailbox().count_drop(DropReason::Cancelled);
            connection.shared.tell_lost(&self.subscription, &message, DropReason::Cancelled);
            connection.desk().count_more_routed(counted.is_ok() as u64, false);
        }
    }

    fn set_timer(&mut self, shared: &Shared, at: Option<Duration>, waker: &Waker) {
        self.timer = at.map(|at| shared.timers.set(at, waker.clone()));
    }

    fn cancel_timer(&mut self, shared: &Shared) {
        if let Some(timer) = self.timer.take() {
            shared.timers.cancel(timer);
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
