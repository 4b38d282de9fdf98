//! One value for each thread, also for threads that end.
//!
//! The crate `thread_local` gives each thread a number, takes it back in a destructor of thread-local storage, and panics when it is asked
//! after that; a panic there ends the process. But destructors of users run there too, and may publish. A thread
//! whose number is gone therefore shares one value with all others that are so far.

use super::Padded;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use thread_local::ThreadLocal;

/// One `T` for each thread that asks, kept until the whole is dropped and handed on when a thread has ended. Padded, since
/// those of several threads lie side by side.
#[derive(Debug)]
pub(crate) struct PerThread<T: Send> {
    own: ThreadLocal<Padded<T>>,
    /// The value of the threads that end.
    ending: OnceLock<Box<Padded<T>>>,
}

/// How far a thread is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It has never asked.
    New,
    Lives,
    /// Its number is gone, or will be at any moment.
    Ends,
}

/// Drops before the thread's number does, for it was made after.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        STAGE.set(Stage::Ends);
    }
}

thread_local! {
    // Without a destructor, so that it can be asked at any time.
    static STAGE: Cell<Stage> = const { Cell::new(Stage::New) };
    static END: End = const { End };
}

impl<T: Send> Default for PerThread<T> {
    fn default() -> Self {
        PerThread { own: ThreadLocal::new(), ending: OnceLock::new() }
    }
}

impl<T: Send + Sync> PerThread<T> {
    /// This thread's; `make` is told whether it is one that several threads share.
    #[inline]
    pub(crate) fn get_or(&self, make: impl FnOnce(bool) -> T) -> &T {
        match self.own.get() {
            Some(own) => &own.0,
            None => self.make(make),
        }
    }

    #[cold]
    fn make(&self, make: impl FnOnce(bool) -> T) -> &T {
        if !lives() {
            return &self.ending.get_or_init(|| Box::new(Padded(make(true)))).0;
        }
        &self.own.get_or(|| Padded(make(false))).0
    }

    /// This thread's own, if it has one.
    pub(crate) fn get(&self) -> Option<&T> {
        self.own.get().map(|padded| &padded.0)
    }

    /// Every thread's `T`.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let ending = self.ending.get().map(|padded| &padded.0);
        self.own.iter().map(|padded| &padded.0).chain(ending)
    }
}

/// Whether this thread has a number, or can have one.
fn lives() -> bool {
    static NUMBERS: ThreadLocal<()> = ThreadLocal::new();
    if STAGE.get() == Stage::New {
        // Fails only where somebody else's use of the same crate has come and gone.
        let is_numbered = catch_unwind(AssertUnwindSafe(|| *NUMBERS.get_or(|| ()))).is_ok();
        let is_noted = is_numbered && END.try_with(|_| STAGE.set(Stage::Lives)).is_ok();
        if !is_noted {
            STAGE.set(Stage::Ends);
        }
    }
    STAGE.get() == Stage::Lives
}
