//! One after the other: what starts, ends and changes a server.

use crate::sync::{Condvar, Mutex};
use std::thread::{ThreadId, current};

/// The thread that has its turn. Not a lock: loggers, wakers and observers of users run meanwhile, and may do the same to the
/// same server.
#[derive(Debug, Default)]
pub(super) struct Control {
    owner: Mutex<Option<ThreadId>>,
    free: Condvar,
}

/// A turn, until it is dropped.
#[must_use = "the turn ends when it is dropped"]
pub(super) struct Turn<'a>(Option<&'a Control>);

impl Control {
    /// Waits for the turns of other threads. A thread that has one already does not wait.
    pub(super) fn enter(&self) -> Turn<'_> {
        let me = current().id();
        let mut owner = self.owner.lock();
        if *owner == Some(me) {
            return Turn(None);
        }
        while owner.is_some() {
            self.free.wait(&mut owner);
        }
        *owner = Some(me);
        Turn(Some(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(control) = self.0 {
            *control.owner.lock() = None;
            control.free.notify_all();
        }
    }
}
