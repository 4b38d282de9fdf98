//! Ends the run when something hangs, and takes along the process that the run started.

use std::process::Child;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The processes this run started and has not ended.
static CHILDREN: Mutex<Vec<Child>> = Mutex::new(Vec::new());

fn children() -> MutexGuard<'static, Vec<Child>> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes charge of a process.
pub(crate) fn keep(child: Child) {
    children().push(child);
}

/// Ends one of the processes kept.
pub(crate) fn end(id: u32) {
    let mut children = children();
    if let Some(place) = children.iter().position(|child| child.id() == id) {
        let mut child = children.swap_remove(place);
        // It may have ended by itself; then there is nothing to kill and the wait returns at once.
        drop(child.kill());
        drop(child.wait());
    }
}

/// Ends the whole run unless dropped in time.
pub(crate) struct Watchdog {
    _done: Sender<()>,
}

impl Watchdog {
    /// Allows `what` to take `limit`.
    pub(crate) fn set(what: String, limit: Duration) -> Self {
        let (done, rx) = mpsc::channel::<()>();
        thread::spawn(move || {
            if rx.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{what} took longer than {limit:?}: a message was lost, or the machine is overloaded");
                let ids: Vec<_> = children().iter().map(Child::id).collect();
                ids.into_iter().for_each(end);
                std::process::exit(1);
            }
        });
        Self { _done: done }
    }
}
