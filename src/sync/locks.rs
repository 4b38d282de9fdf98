//! The crate's locks. In debug builds each thread knows how many of them it holds, so that code of a user's that is run under one is
//! noticed (G4): see [`user_code`](crate::user_code). In release builds they are parking_lot's and nothing else.

#[cfg(not(postroom_shuttle))]
use parking_lot as raw;
#[cfg(postroom_shuttle)]
use shuttle::sync as raw;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A lock for one at a time; parking_lot's, and not poisoned by a panic. Code of a user's must not be run while it is held.
#[derive(Default)]
pub struct Mutex<T: ?Sized>(raw::Mutex<T>);

/// A lock for several readers or one writer; else as [`Mutex`].
#[derive(Default)]
pub struct RwLock<T: ?Sized>(raw::RwLock<T>);

/// A lock that one thread owns and others only visit, or that is held for a few instructions: lock and unlock cost one atomic
/// read-modify-write together when nobody else comes (unlocking is a plain store), half of what a lock that can park costs.
///
/// A thread that waits for it spins and yields, so nothing that can block or run user code may happen under it.
#[cfg(not(postroom_shuttle))]
#[derive(Debug, Default)]
pub(crate) struct OwnerLock<T>(spin::mutex::SpinMutex<T>);

#[cfg(postroom_shuttle)]
#[derive(Debug, Default)]
pub(crate) struct OwnerLock<T>(raw::Mutex<T>);

macro_rules! guard {
    ($(#[$about:meta])* $visible:vis $name:ident, $raw:ty, $($mutable:ident)?) => {
        $(#[$about])*
        #[must_use = "the lock is released when it is dropped"]
        $visible struct $name<'a, T: ?Sized> {
            // Before `held`: a lock counts as held until it is released.
            guard: $raw,
            _held: Held,
        }

        impl<T: ?Sized> Deref for $name<'_, T> {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                &self.guard
            }
        }

        $(impl<T: ?Sized> DerefMut for $name<'_, T> {
            #[inline]
            fn deref_mut(&mut self) -> &$mutable T {
                &mut self.guard
            }
        })?

        impl<T: ?Sized + fmt::Debug> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

guard!(
    /// A [`Mutex`] that is held.
    pub MutexGuard, raw::MutexGuard<'a, T>, mut
);
guard!(
    /// A [`RwLock`] that is held for reading.
    pub RwLockReadGuard, raw::RwLockReadGuard<'a, T>,
);
guard!(
    /// A [`RwLock`] that is held for writing.
    pub RwLockWriteGuard, raw::RwLockWriteGuard<'a, T>, mut
);
#[cfg(not(postroom_shuttle))]
guard!(pub(crate) OwnerGuard, spin::mutex::SpinMutexGuard<'a, T>, mut);
#[cfg(postroom_shuttle)]
guard!(pub(crate) OwnerGuard, raw::MutexGuard<'a, T>, mut);

#[cfg(not(postroom_shuttle))]
impl<T> Mutex<T> {
    /// A lock around `value`.
    pub const fn new(value: T) -> Self {
        Mutex(raw::Mutex::new(value))
    }
}

#[cfg(not(postroom_shuttle))]
impl<T> RwLock<T> {
    /// A lock around `value`.
    pub const fn new(value: T) -> Self {
        RwLock(raw::RwLock::new(value))
    }
}

#[cfg(not(postroom_shuttle))]
impl<T> OwnerLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        OwnerLock(spin::mutex::SpinMutex::new(value))
    }

    /// The owner's way in; `None` when it is already inside further up its stack, or a visitor is.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<OwnerGuard<'_, T>> {
        Some(OwnerGuard { guard: self.0.try_lock()?, _held: Held::begin() })
    }
}

#[cfg(postroom_shuttle)]
impl<T> Mutex<T> {
    /// A lock around `value`.
    pub fn new(value: T) -> Self {
        Mutex(raw::Mutex::new(value))
    }
}

#[cfg(postroom_shuttle)]
impl<T> RwLock<T> {
    /// A lock around `value`.
    pub fn new(value: T) -> Self {
        RwLock(raw::RwLock::new(value))
    }
}

#[cfg(postroom_shuttle)]
impl<T> OwnerLock<T> {
    pub(crate) fn new(value: T) -> Self {
        OwnerLock(raw::Mutex::new(value))
    }

    pub(crate) fn try_lock(&self) -> Option<OwnerGuard<'_, T>> {
        Some(OwnerGuard { guard: self.0.try_lock().ok()?, _held: Held::begin() })
    }
}

/// The guards of shuttle's locks come wrapped in the result of poisoning.
#[cfg(postroom_shuttle)]
fn locked<G>(result: Result<G, std::sync::PoisonError<G>>) -> G {
    result.unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(not(postroom_shuttle))]
#[inline(always)]
fn locked<G>(guard: G) -> G {
    guard
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { guard: locked(self.0.lock()), _held: Held::begin() }
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits for the lock, to read.
    #[inline]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard { guard: locked(self.0.read()), _held: Held::begin() }
    }

    /// Waits for the lock, to write.
    #[inline]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard { guard: locked(self.0.write()), _held: Held::begin() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Waits, without the lock, for what happens under a [`Mutex`].
#[cfg(not(postroom_shuttle))]
#[derive(Debug, Default)]
pub struct Condvar(raw::Condvar);

#[cfg(not(postroom_shuttle))]
impl Condvar {
    /// One that nobody waits for.
    pub const fn new() -> Self {
        Condvar(raw::Condvar::new())
    }

    /// Waits until it is notified; false if `timeout` was up first, in real time.
    pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, timeout: std::time::Duration) -> bool {
        !self.0.wait_for(&mut guard.guard, timeout).timed_out()
    }

    /// Waits until it is notified.
    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        self.0.wait(&mut guard.guard);
    }

    /// Wakes all that wait.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// Counts one lock as held by this thread, in debug builds.
#[derive(Debug)]
struct Held {
    /// A lock that counts for this thread is released by it.
    _on_this_thread: std::marker::PhantomData<*const ()>,
}

impl Held {
    #[inline(always)]
    fn begin() -> Self {
        #[cfg(debug_assertions)]
        count::change(|held| held + 1);
        Held { _on_this_thread: std::marker::PhantomData }
    }
}

#[cfg(debug_assertions)]
impl Drop for Held {
    fn drop(&mut self) {
        count::change(|held| held.saturating_sub(1));
    }
}

#[cfg(debug_assertions)]
mod count {
    use std::cell::Cell;

    // Without a destructor, so that it also counts while the thread ends.
    #[cfg(not(postroom_shuttle))]
    thread_local! {
        static HELD: Cell<usize> = const { Cell::new(0) };
    }

    #[cfg(postroom_shuttle)]
    shuttle::thread_local! {
        static HELD: Cell<usize> = Cell::new(0);
    }

    pub(super) fn change(to: impl FnOnce(usize) -> usize) {
        // `Err` only in a model, once its thread has ended.
        let _ = HELD.try_with(|held| {
            held.set(to(held.get()));
            crate::steps::holds(held.get());
        });
    }

    pub(super) fn held() -> usize {
        HELD.try_with(Cell::get).unwrap_or_default()
    }
}

/// How many locks of the crate this thread holds; 0 where that is not counted.
#[inline(always)]
pub(crate) fn locks_held() -> usize {
    #[cfg(debug_assertions)]
    return count::held();
    #[cfg(not(debug_assertions))]
    0
}
