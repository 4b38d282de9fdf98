//! A bound on how much a task does without letting others run.

use crate::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

/// Results that are handed out in a row.
const MAX: u32 = 128;

/// The budget of one source that a task takes from. After some results in a row the task is asked to come again, so that an
/// executor gets its thread back from a task which always finds something; tokio does the same with its own channels.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    // ORDERING: Relaxed; several tasks that count in one another's way yield a little sooner or later.
    given: AtomicU32,
}

impl Budget {
    /// Polls, unless the budget is spent: then the task is woken and has to wait for its next turn.
    pub(crate) fn poll<T>(&self, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let given = self.given.load(Ordering::Relaxed);
        if given >= MAX {
            self.given.store(0, Ordering::Relaxed);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let found = poll(cx);
        self.given.store(if found.is_ready() { given + 1 } else { 0 }, Ordering::Relaxed);
        found
    }
}
