//! Comparisons of passwords with hashes, which are made to be slow: a few at once, in the order in which they were asked for, on threads
//! of their own, and only while a connection waits for them.

use super::users::Secret;
use crate::activity::ActivityGuard;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use tokio::sync::{Semaphore, oneshot};

/// Comparisons at once, at most: half of the processors, so that others are left for what connections do.
const AT_ONCE_MAX: usize = 4;

/// Places for comparisons.
pub(super) fn places() -> Arc<Semaphore> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    Arc::new(Semaphore::new((processors / 2).clamp(1, AT_ONCE_MAX)))
}

/// A comparison that is to be made. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) hash: String,
    pub(super) shown: String,
}

/// A comparison that was made, and its outcome.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    check: Check,
    is_right: bool,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check(…)")
    }
}

impl Check {
    /// Compares, on this thread.
    pub(super) fn done(self) -> Checked {
        let is_right = bcrypt::verify(&self.shown, &self.hash).unwrap_or(false);
        Checked { check: self, is_right }
    }

    /// The outcome that is taken for granted until it is known.
    pub(super) fn assumed(self) -> Checked {
        Checked { check: self, is_right: true }
    }

    /// Compares while other work is done. Dropped before its turn, it costs nothing more.
    async fn outcome(self, places: Arc<Semaphore>) -> Checked {
        // Never closed.
        let place = places.acquire_owned().await;
        let (tell, told) = oneshot::channel();
        let theirs = self.clone();
        let compare = move || {
            let checked = theirs.done();
            drop(place);
            // The connection may have ended.
            let _ = tell.send(checked);
        };
        match thread::Builder::new().name("postroom-password".to_owned()).spawn(compare) {
            Ok(_) => told.await.unwrap_or(Checked { check: self, is_right: false }),
            // No thread is to be had: better late than never.
            Err(_) => self.done(),
        }
    }
}

impl Checked {
    pub(super) fn is_of(&self, check: &Check) -> bool {
        self.check == *check
    }

    /// Whether it shows that this is the password.
    pub(super) fn proves(&self, secret: &Secret, shown: &str) -> bool {
        self.is_right && self.check.hash == secret.0 && self.check.shown == shown
    }
}

/// The comparison that a connection's reader waits for, if there is one.
#[derive(Default)]
pub(super) struct Checking(Option<Pin<Box<dyn Future<Output = Checked> + Send>>>);

impl Checking {
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins a comparison. The hold tells the test kit that the comparison is under way.
    pub(super) fn begin(&mut self, check: Check, places: Arc<Semaphore>, hold: Option<ActivityGuard>) {
        self.0 = Some(Box::pin(async move {
            let checked = check.outcome(places).await;
            drop(hold);
            checked
        }));
    }

    /// Waits for the outcome, for ever if nothing is compared. Cancel-safe.
    pub(super) async fn outcome(&mut self) -> Checked {
        let Some(outcome) = &mut self.0 else { return std::future::pending().await };
        let checked = outcome.await;
        self.0 = None;
        checked
    }
}
