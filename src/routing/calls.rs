//! Callbacks that are due: run now, or when the one that runs on this thread has returned.

use super::context::{Context, KeptContext};
use super::deferred::Action;
use super::follow_up::finish_end;
use super::retry::report_panic;
use crate::account::Subscription;
use crate::blocking;
use crate::delivery::callbacks;
use crate::message::Message;
use crate::observe::Handled;
use std::cell::RefCell;
use std::iter::Chain;
use std::rc::Rc;
use std::sync::Arc;
use std::{option, vec};

/// Runs callbacks one after the other.
pub(super) fn call_all(cx: Context<'_>, first: Option<Action>, more: Vec<Action>) {
    let actions = RefCell::new(first.into_iter().chain(more));
    callbacks::run_all(Rc::new(Calls { kept: cx.keep(), actions }));
}

/// The common case: one callback, and nothing else to do.
pub(super) fn call_soon(cx: Context<'_>, subscription: Arc<Subscription>, message: Message) {
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
    callbacks::run_one(now, later);
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
    if let Err(panic) = blocking::call(|| subscription.target.run(message)) {
        report_panic(cx, subscription, handled.as_ref(), panic);
    }
    if subscription.target.close_reason().is_some() {
        finish_end(cx.account(), subscription);
    }
}

/// The callbacks of one publish.
struct Calls {
    kept: KeptContext,
    actions: RefCell<Chain<option::IntoIter<Action>, vec::IntoIter<Action>>>,
}

impl callbacks::Tasks for Calls {
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
