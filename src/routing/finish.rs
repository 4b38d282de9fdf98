//! Deferred actions, carried out once no lock is held: wake-ups, full queues, callbacks.

use super::backpressure::find_room;
use super::context::{Context, KeptContext};
use super::deferred::{Action, Deferred};
use super::follow_up::{finish_end, follow_up};
use super::loss::{Outcome, disconnected};
use super::retry::report_panic;
use super::waiting::WaitingPublisher;
use crate::account::Subscription;
use crate::blocking;
use crate::delivery::{Envelope, runner};
use crate::message::Message;
use crate::services::Handled;
use std::cell::RefCell;
use std::iter::Chain;
use std::rc::Rc;
use std::sync::Arc;
use std::{option, vec};

/// The outcome of the deferred actions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Finished {
    /// Copies that were accepted in the end.
    pub(super) accepted: usize,
    /// Some copies were meant for a subscription and were lost.
    pub(super) lost: bool,
    /// Some wait for room.
    pub(super) waits: bool,
}

/// Carries the actions out. Copies that are to wait for room are left in `waiting`, or waited for if that is `None`.
///
/// Full queues come before callbacks: a callback may publish to the same subscriber, and must not overtake.
#[cold]
#[inline(never)]
pub(super) fn finish(
    cx: Context<'_>,
    mut deferred: Deferred,
    had: usize,
    envelope: &Envelope<'_>,
    mut waiting: Option<&mut Vec<WaitingPublisher>>,
) -> Finished {
    if let (Some(Action::Run(..)), true) = (&deferred.first, deferred.more.is_empty()) {
        if let Some(Action::Run(subscription, message)) = deferred.first.take() {
            call_soon(cx, subscription, message);
        }
        return Finished::default();
    }
    if !deferred.is_mixed {
        call_all(cx, deferred.first, deferred.more);
        return Finished::default();
    }
    let (account, services) = (cx.account(), cx.services());
    let (mut calls, mut full) = (Vec::new(), Vec::new());
    let (mut accepted, mut routed, mut delayed) = (0, 0, 0);
    for action in deferred.first.into_iter().chain(deferred.more) {
        match action {
            Action::FollowUp(subscription, after) => follow_up(account, services, &subscription, after),
            Action::Run(..) => calls.push(action),
            Action::Full(subscription, message) => full.push((subscription, message)),
            Action::Disconnected(subscription, message) => {
                routed += (disconnected(account, services, &subscription, message) != Outcome::Gone) as u64;
            }
            Action::Drop(message) => drop(message),
            Action::Panicked(subscription, panic) => report_panic(cx, &subscription, None, panic),
            Action::Delayed => delayed += 1,
        }
    }
    let had_waiting = waiting.as_ref().map_or(0, |waiting| waiting.len());
    for (subscription, message) in full {
        let outcome = find_room(cx, subscription, message, envelope.routed, waiting.as_deref_mut());
        accepted += (outcome == Outcome::Accepted) as usize;
        routed += (outcome != Outcome::Gone) as u64;
    }
    let waits = waiting.map_or(0, |waiting| waiting.len()) > had_waiting;
    let counters = cx.publisher().counters();
    counters.count_more_routed(routed, had == 0 && (routed > 0 || waits));
    if delayed > 0 {
        counters.count_delayed(delayed);
    }
    if !calls.is_empty() {
        call_all(cx, None, calls);
    }
    Finished { accepted, lost: routed > accepted as u64, waits }
}

/// Runs callbacks one after the other.
fn call_all(cx: Context<'_>, first: Option<Action>, more: Vec<Action>) {
    let actions = RefCell::new(first.into_iter().chain(more));
    runner::run_all(Rc::new(Calls { kept: cx.keep(), actions }));
}

/// The common case: one callback, and nothing else to do.
fn call_soon(cx: Context<'_>, subscription: Arc<Subscription>, message: Message) {
    // Both forms of the task want it; only one of them runs.
    let task = std::cell::Cell::new(Some((subscription, message)));
    let take = || task.take().expect("one of the two runs");
    let now = || {
        let (subscription, message) = take();
        call(cx, &subscription, message);
    };
    let later = || {
        let (kept, (subscription, message)) = (cx.keep(), take());
        move || call(kept.context(), &subscription, message)
    };
    runner::run_one(now, later);
}

/// Runs a callback, and does the work that follows from it.
fn call(cx: Context<'_>, subscription: &Arc<Subscription>, message: Message) {
    let probe = &cx.services().probe;
    // The callback may be done with the message before it returns.
    let _busy = message
        .trace()
        .filter(|trace| trace.counts())
        .and_then(|_| probe.begin_callback(subscription.id(), &subscription.pattern));
    if let Some(trace) = message.trace() {
        probe.emit_received(trace.id(), subscription.id());
    }
    let handled = message.trace().filter(|_| probe.is_on()).map(|trace| Handled::of(trace.id(), &message));
    if let Err(panic) = blocking::call(|| subscription.outlet.run(message)) {
        report_panic(cx, subscription, handled.as_ref(), panic);
    }
    if subscription.outlet.close_reason().is_some() {
        finish_end(cx.account(), subscription);
    }
}

/// The callbacks of one publish.
struct Calls {
    kept: KeptContext,
    actions: RefCell<Chain<option::IntoIter<Action>, vec::IntoIter<Action>>>,
}

impl runner::Tasks for Calls {
    fn left(&self) -> usize {
        // Exact: it is that of two lists.
        self.actions.borrow().size_hint().0
    }

    fn run_next(&self) {
        let action = self.actions.borrow_mut().next();
        if let Some(Action::Run(subscription, message)) = action {
            call(self.kept.context(), &subscription, message);
        }
    }
}
