//! Code that is not the bus's own, as the bus runs it: while no lock is held (G4), and so that a panic goes no further than that call (G9).
//!
//! Callbacks, wakers, destructors of payloads, observers, hooks and loggers are written by the users of a bus. Each is called
//! through a [`Reporter`], which catches a panic, counts it in [`Traffic::panics`](crate::stats::Traffic::panics) and tells it as an
//! [`Event`](crate::Event). The work after the call is done all the same. A program that calls others' code on behalf of a bus does
//! the same with [`Bus::reporter`](crate::Bus::reporter).
//!
//! In debug builds such a call panics, and that panic is not caught, if the thread holds a lock of this crate ([`sync`](crate::sync)): a lock
//! that is held while others' code runs is a deadlock that waits for the code that takes it again.

mod waker_set;

pub(crate) use waker_set::WakerSet;

use crate::sync::locks_held;
use bytes::Bytes;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Waker;

/// Which code of a user's panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UserCode {
    /// A waker: of an executor, or of a future that wraps one of the bus's.
    Waker,
    /// A destructor: of a payload's bytes, or of what a callback has captured.
    Destructor,
    /// A method of the bus's [`Observer`](crate::observe::Observer).
    Observer,
    /// The hook that was given to [`ConnectOptions::on_kick`](crate::ConnectOptions::on_kick).
    KickHook,
    /// A [logger](crate#features) of a server.
    Logger,
    /// A [scheduled task](crate::Bus::schedule_at), or a closure that was given to a part of the program other than the bus.
    Closure,
}

impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UserCode::Waker => "a waker",
            UserCode::Destructor => "a destructor",
            UserCode::Observer => "the observer",
            UserCode::KickHook => "the hook for a kick",
            UserCode::Logger => "a logger",
            UserCode::Closure => "a closure",
        })
    }
}

/// The payload of a panic in code of a user's.
pub(crate) type Panic = Box<dyn Any + Send>;

/// Runs others' code on behalf of one bus; given out by [`Bus::reporter`](crate::Bus::reporter). Copies are the same.
///
/// It names the bus and does not keep it alive. A panic after the end of the bus is caught all the same, and only the panic hook
/// hears of it.
///
/// # Example
///
/// ```
/// use postroom::user_code::UserCode;
/// use postroom::{Bus, Event};
///
/// let bus = Bus::new();
/// let (reporter, events) = (bus.reporter(), bus.events());
/// assert_eq!(reporter.contain(UserCode::Closure, || 7), Some(7));
/// assert_eq!(reporter.contain(UserCode::Closure, || panic!("out of paper")), None::<()>);
/// assert_eq!(bus.stats().traffic.panics, 1);
/// let told = Event::UserCodePanicked { code: UserCode::Closure, message: "out of paper".into() };
/// assert_eq!(events.try_recv(), Some(told));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reporter(u32);

/// A bus that counts and tells panics.
pub(crate) trait Witness: Send + Sync {
    fn panicked(&self, code: UserCode, message: String);
}

/// The buses that there are, by the numbers of their reporters. Asked only when something has panicked. Not one of the crate's locks: models
/// do not look at it, and nothing of a user's is done under it.
static WITNESSES: Mutex<BTreeMap<u32, Weak<dyn Witness>>> = Mutex::new(BTreeMap::new());

/// A debug build has found code of a user's under a lock: the one panic that is not contained.
struct LockHeld;

impl Reporter {
    /// One for a bus that is about to be made.
    pub(crate) fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        // Zero stands for no bus. ORDERING: Relaxed; only uniqueness counts.
        loop {
            let number = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            if number != 0 {
                return Reporter(number);
            }
        }
    }

    /// From now on the bus is told.
    pub(crate) fn register(self, witness: Weak<dyn Witness>) {
        WITNESSES.lock().unwrap_or_else(PoisonError::into_inner).insert(self.0, witness);
    }

    /// For the end of the bus.
    pub(crate) fn unregister(self) {
        let gone = WITNESSES.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        drop(gone);
    }

    /// Runs `call`, which is code of a user's. `None` if it panicked; that is counted and told then.
    ///
    /// # Panics
    ///
    /// In debug builds, if this thread holds a lock of this crate.
    #[inline]
    pub fn contain<R>(self, code: UserCode, call: impl FnOnce() -> R) -> Option<R> {
        assert_no_lock_is_held(&code);
        self.contain_while_routing(code, call)
    }

    /// The same for the few calls that are documented to come while the bus routes.
    #[inline]
    pub(crate) fn contain_while_routing<R>(self, code: UserCode, call: impl FnOnce() -> R) -> Option<R> {
        match catch(call) {
            Ok(result) => Some(result),
            Err(panic) => {
                self.report(code, panic);
                None
            }
        }
    }

    #[cold]
    fn report(self, code: UserCode, panic: Panic) {
        let message = text_of(panic);
        let witness = WITNESSES.lock().unwrap_or_else(PoisonError::into_inner).get(&self.0).and_then(Weak::upgrade);
        if let Some(witness) = witness {
            witness.panicked(code, message);
        }
    }
}

/// Runs code of a user's and gives back the payload of a panic. State that it leaves half done is its own: the code touches
/// only what it has brought with it.
#[inline]
pub(crate) fn catch<R>(call: impl FnOnce() -> R) -> Result<R, Panic> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|panic| if panic.is::<LockHeld>() { resume_unwind(panic) } else { panic })
}

/// The text of a panic, empty if it carries none.
pub(crate) fn text_of(panic: Panic) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    // Dropping what a panic carries may panic again, and so may dropping what that one carries.
    if let Err(again) = catch(|| drop(panic)) {
        std::mem::forget(again);
    }
    text
}

/// In debug builds, panics if this thread holds a lock of the crate's: code of a user's is about to be run.
#[inline(always)]
pub(crate) fn assert_no_lock_is_held(code: &dyn fmt::Display) {
    // While a panic unwinds, locks are released on its way, and another panic would end the process.
    if cfg!(debug_assertions) && locks_held() > 0 && !std::thread::panicking() {
        found_under_a_lock(code);
    }
}

#[cold]
#[track_caller]
fn found_under_a_lock(code: &dyn fmt::Display) {
    let backtrace = std::backtrace::Backtrace::capture();
    eprintln!("postroom: {code} is run while {} locks are held (G4)\n{backtrace}", locks_held());
    std::panic::panic_any(LockHeld);
}

/// A waker of a user's; panics of its clone, wake and drop are contained. To be made, woken and dropped where no lock is held.
#[derive(Debug)]
pub struct UserWaker {
    /// `None` only while it is dropped.
    waker: Option<Waker>,
    reporter: Reporter,
}

impl UserWaker {
    /// A clone of `waker`; its panics are told to the bus of `reporter`. A waker that can't be cloned
    /// is replaced by one that does nothing.
    pub fn new(waker: &Waker, reporter: Reporter) -> Self {
        let clone = reporter.contain(UserCode::Waker, || waker.clone());
        UserWaker { waker: Some(clone.unwrap_or_else(|| Waker::noop().clone())), reporter }
    }

    /// As [`Waker::will_wake`].
    pub fn will_wake(&self, other: &Waker) -> bool {
        self.waker.as_ref().is_some_and(|waker| waker.will_wake(other))
    }

    /// The same of another clone.
    pub fn wakes_the_same(&self, other: &UserWaker) -> bool {
        other.waker.as_ref().is_some_and(|waker| self.will_wake(waker))
    }

    /// Equal for wakers that wake the same, as far as [`Waker::will_wake`] can tell.
    pub(crate) fn identity(&self) -> (usize, usize) {
        let waker = self.waker.as_ref();
        waker.map_or((0, 0), |waker| (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr()))
    }

    /// As [`Waker::wake`].
    pub fn wake(mut self) {
        if let Some(waker) = self.waker.take() {
            self.reporter.contain(UserCode::Waker, || waker.wake());
        }
    }

    /// As [`Waker::wake_by_ref`].
    pub fn wake_by_ref(&self) {
        if let Some(waker) = &self.waker {
            self.reporter.contain(UserCode::Waker, || waker.wake_by_ref());
        }
    }
}

impl UserWaker {
    /// For a waker of ours around it, which is called where nothing is locked, or by a sink that knows that it may be. The woken task may
    /// have put another waker in its place meanwhile; then this one is the last, and its drop is part of the call.
    pub(crate) fn pass_on(self: Arc<Self>) {
        let reporter = self.reporter;
        if let Some(waker) = &self.waker {
            reporter.contain_while_routing(UserCode::Waker, || waker.wake_by_ref());
        }
        if let Some(waker) = Arc::into_inner(self).and_then(|mut last| last.waker.take()) {
            reporter.contain_while_routing(UserCode::Waker, || drop(waker));
        }
    }
}

impl Drop for UserWaker {
    fn drop(&mut self) {
        if let Some(waker) = self.waker.take() {
            self.reporter.contain(UserCode::Waker, || drop(waker));
        }
    }
}

/// Releases bytes whose owner may be a user's, and leaves `bytes` empty.
#[inline]
pub(crate) fn release(bytes: &mut Bytes, reporter: Reporter) {
    let bytes = std::mem::take(bytes);
    reporter.contain(UserCode::Destructor, || drop(bytes));
}

/// Bytes whose owner may be a user's; a panic of its destructor is contained.
#[derive(Clone, Debug)]
pub(crate) struct UserBytes {
    pub(crate) bytes: Bytes,
    pub(crate) reporter: Reporter,
}

impl Drop for UserBytes {
    fn drop(&mut self) {
        release(&mut self.bytes, self.reporter);
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use super::*;

    #[test]
    #[cfg(debug_assertions)]
    fn a_call_under_a_lock_panics_and_that_is_not_contained() {
        let lock = crate::sync::Mutex::new(());
        let reporter = Reporter::new();
        let called = catch_unwind(AssertUnwindSafe(|| {
            reporter.contain(UserCode::Closure, || {
                let _held = lock.lock();
                reporter.contain(UserCode::Closure, || ());
            });
        }));
        assert!(called.unwrap_err().is::<LockHeld>());
        assert_eq!(locks_held(), 0, "the lock was released");
        assert_eq!(reporter.contain(UserCode::Closure, || ()), Some(()));
    }

    #[test]
    fn a_panic_is_caught_whatever_it_carries() {
        struct Bomb(u32);
        impl Drop for Bomb {
            fn drop(&mut self) {
                if self.0 > 0 {
                    std::panic::panic_any(Bomb(self.0 - 1));
                }
            }
        }
        assert_eq!(Reporter::default().contain(UserCode::Closure, || std::panic::panic_any(Bomb(3))), None::<()>);
    }
}
