//! Wake-ups of connections' writers: one for all that a read brought them, and before anything that may block.

use super::workers;
use crate::blocking;
use std::cell::RefCell;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::task::block_in_place;

thread_local! {
    /// Writers that are to be woken at the end of this thread's batch; `None` where there is no batch.
    static TO_WAKE: RefCell<Option<Vec<Arc<Notify>>>> = const { RefCell::new(None) };
}

/// `None` where the thread ends and its storage is gone: there is no batch then.
fn with_to_wake<R>(f: impl FnOnce(&mut Option<Vec<Arc<Notify>>>) -> R) -> Option<R> {
    TO_WAKE.try_with(|to_wake| f(&mut to_wake.borrow_mut())).ok()
}

/// While it lives, writers that this thread has work for are not woken at once but when it is dropped: one wake-up for all that a
/// read brought them, and one write.
#[derive(Debug)]
pub(super) struct Batch {
    /// False within another one.
    outer: bool,
}

impl Batch {
    pub(super) fn begin() -> Self {
        let begin = |to_wake: &mut Option<Vec<_>>| {
            let outer = to_wake.is_none();
            to_wake.get_or_insert_default();
            outer
        };
        Batch { outer: with_to_wake(begin).unwrap_or_default() }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if self.outer {
            for writer in with_to_wake(Option::take).flatten().into_iter().flatten() {
                writer.notify_one();
            }
        }
    }
}

/// Wakes a writer now, or at the end of this thread's batch.
pub(super) fn wake(writer: &Arc<Notify>) {
    let later = |to_wake: &mut Option<Vec<_>>| to_wake.as_mut().map(|to_wake| to_wake.push(writer.clone()));
    if with_to_wake(later).flatten().is_none() {
        writer.notify_one();
    }
}

/// Wakes the writers that wait for the end of this thread's batch. True if there were some.
fn wake_all() -> bool {
    let to_wake = with_to_wake(|to_wake| to_wake.as_mut().map(std::mem::take)).flatten().unwrap_or_default();
    to_wake.iter().for_each(|writer| writer.notify_one());
    !to_wake.is_empty()
}

/// The hooks of a reader's thread around calls that may block: before such a call, its deliveries to others are sent on
/// their way, and while it sleeps another thread takes its place in the runtime.
pub(super) static HOOKS: ReaderHooks = ReaderHooks;

#[derive(Debug)]
pub(super) struct ReaderHooks;

impl blocking::Hooks for ReaderHooks {
    fn call(&self, call: &mut dyn FnMut()) {
        if !wake_all() {
            return call();
        }
        match workers::count() {
            0 => call(),
            // No other thread would write.
            1 => block_in_place(call),
            _ => {
                // The task that was woken last runs next on this very thread, and is never taken over by another one: so that is one
                // that has nothing to do.
                tokio::spawn(async {});
                call();
            }
        }
    }

    fn wait(&self, wait: &mut dyn FnMut()) {
        wake_all();
        if workers::count() > 0 { block_in_place(wait) } else { wait() }
    }
}
