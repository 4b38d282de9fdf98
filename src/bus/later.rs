//! The work that a publish leaves for when no lock is held: wake-ups, callbacks, queues without room (see
//! `room`).

use super::event::Event;
use super::panicked::Handled;
use super::room::{Outcome, Waiting};
use super::{Connection, Shared};
use crate::account::Subscription;
use crate::blocking;
use crate::delivery::{After, Envelope, runner};
use crate::error::CloseReason;
use crate::id::SubscriptionId;
use crate::message::Message;
use crate::user_code::{self, Panic};
use std::cell::RefCell;
use std::iter::Chain;
use std::rc::Rc;
use std::sync::Arc;
use std::{option, vec};

/// Filled while routes are held, worked off after.
#[derive(Default)]
pub(super) struct Later {
    /// Apart, so that one step, the common case, needs no allocation.
    first: Option<Step>,
    more: Vec<Step>,
    /// Something else than callbacks.
    is_mixed: bool,
    /// Subscriptions that have the message, on a bus that is observed.
    accepted: Vec<SubscriptionId>,
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
    /// A copy counts as accepted, and comes later.
    Held,
}

/// The outcome of the work that was left to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Finished {
    /// Copies that were accepted in the end.
    pub(super) accepted: usize,
    /// Some copies were meant for a subscription and were lost.
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

    pub(super) fn held(&mut self) {
        self.push(Step::Held);
    }

    /// Notes that a watched subscription has the message.
    pub(super) fn accepted(&mut self, subscription: &Subscription) {
        self.accepted.push(subscription.id());
    }

    pub(super) fn take_accepted(&mut self) -> Vec<SubscriptionId> {
        std::mem::take(&mut self.accepted)
    }

    /// Drops a message when no lock is held: a payload may have a destructor of the user's.
    pub(super) fn drop(&mut self, message: Message) {
        self.push(Step::Drop(message));
    }
}

impl Connection {
    /// Does the work that was left to do, and gives back its outcome. Copies that are to wait for room are
    /// left in `waiting`, or waited for if that is `None`.
    ///
    /// Full queues come before callbacks: a callback may publish to the same subscriber, and must not overtake.
    #[cold]
    #[inline(never)]
    pub(super) fn finish(
        &self,
        mut later: Later,
        had: usize,
        envelope: &Envelope<'_>,
        mut waiting: Option<&mut Vec<Waiting>>,
    ) -> Finished {
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
        let (mut accepted, mut routed, mut held) = (0, 0, 0);
        for step in later.first.into_iter().chain(later.more) {
            match step {
                Step::After(subscription, after) => self.shared.do_after(&subscription, after),
                Step::Run(..) => calls.push(step),
                Step::Full(subscription, message) => full.push((subscription, message)),
                Step::Disconnected(subscription, message) => {
                    routed += (self.shared.disconnected(&subscription, message) != Outcome::Gone) as u64;
                }
                Step::Drop(message) => drop(message),
                Step::Panicked(subscription, panic) => self.report(&subscription, None, panic),
                Step::Held => held += 1,
            }
        }
        let had_waiting = waiting.as_ref().map_or(0, |waiting| waiting.len());
        for (subscription, message) in full {
            let outcome = self.find_room(subscription, message, envelope.routed, waiting.as_deref_mut());
            accepted += (outcome == Outcome::Accepted) as usize;
            routed += (outcome != Outcome::Gone) as u64;
        }
        let waits = waiting.map_or(0, |waiting| waiting.len()) > had_waiting;
        self.desk().count_more_routed(routed, had == 0 && (routed > 0 || waits));
        if held > 0 {
            self.desk().count_held(held);
        }
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

    /// Runs a callback, and does the work that follows from it.
    fn call(&self, subscription: &Arc<Subscription>, message: Message) {
        // The callback may be done with the message before it returns.
        let _busy =
            message.trace().filter(|trace| trace.counts()).and_then(|_| self.shared.hold_callback(subscription));
        if let Some(trace) = message.trace() {
            self.shared.tell_received(trace.id(), subscription);
        }
        let handled = self.shared.handled(&message);
        if let Err(panic) = blocking::call(|| subscription.outlet.run(message)) {
            self.report(subscription, handled.as_ref(), panic);
        }
        if subscription.outlet.close_reason().is_some() {
            self.shared.after_the_end(subscription);
        }
    }

    /// Counts and tells that code of a subscription's owner panicked (G9).
    #[cold]
    pub(super) fn report(&self, subscription: &Subscription, handled: Option<&Handled>, panic: Panic) {
        self.desk().count_panic();
        let message = user_code::text_of(panic);
        self.tell_panicked(subscription, handled, &message);
        self.shared.hub.tell(|| Event::CallbackPanicked { subscription: subscription.info(), message });
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

impl Shared {
    pub(super) fn do_after(&self, subscription: &Arc<Subscription>, after: After) {
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
    pub(super) fn after_the_end(&self, subscription: &Arc<Subscription>) {
        if subscription.outlet.is_ended() {
            if let Some(mailbox) = subscription.outlet.mailbox_if_any() {
                mailbox.room.wake_all();
            }
            self.retire(subscription);
            if let Some(connection) = subscription.connection() {
                connection.check_drain();
            }
        }
    }
}
