//! Ends the run when something hangs. The nats-server that the run started ends with it.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

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
                std::process::exit(1);
            }
        });
        Self { _done: done }
    }
}
