//! Locks, atomics and per-thread storage: the real ones in life, shuttle's under `--cfg postroom_shuttle`.
//!
//! Every lock and every atomic of the crate comes from here, so that the models in `tests/models` run the shipped code
//! and not a copy of it. Crossbeam channels are not replaced: the crate only ever calls their non-blocking halves, which a
//! model may treat as one step.

#[cfg(not(postroom_shuttle))]
mod imp {
    pub(crate) use parking_lot::{Mutex, RwLock};
    pub(crate) use std::sync::atomic;
    pub(crate) use std::thread::{Thread, current, park, park_timeout, yield_now};

    /// A lock that one thread owns and others only visit, or that is held for a few instructions: lock and unlock cost one atomic
    /// read-modify-write together when nobody else comes (unlocking is a plain store), half of what a lock that can park costs.
    ///
    /// Whoever waits for it spins and yields, so nothing that can block or run user code may happen under it.
    #[derive(Debug, Default)]
    pub(crate) struct OwnerLock<T>(spin::mutex::SpinMutex<T>);

    impl<T> OwnerLock<T> {
        pub(crate) const fn new(value: T) -> Self {
            OwnerLock(spin::mutex::SpinMutex::new(value))
        }

        /// The owner's way in; `None` when it is already inside further up its stack, or a visitor is.
        #[inline]
        pub(crate) fn try_lock(&self) -> Option<spin::mutex::SpinMutexGuard<'_, T>> {
            self.0.try_lock()
        }
    }

    /// One `T` for each thread that asks, kept until the whole is dropped and handed on when a thread has ended. Padded, since
    /// those of several threads lie side by side.
    #[derive(Debug)]
    pub(crate) struct PerThread<T: Send>(thread_local::ThreadLocal<super::Padded<T>>);

    impl<T: Send> Default for PerThread<T> {
        fn default() -> Self {
            PerThread(thread_local::ThreadLocal::new())
        }
    }

    impl<T: Send + Sync> PerThread<T> {
        #[inline]
        pub(crate) fn get_or(&self, make: impl FnOnce() -> T) -> &T {
            &self.0.get_or(|| super::Padded(make())).0
        }

        pub(crate) fn get(&self) -> Option<&T> {
            self.0.get().map(|padded| &padded.0)
        }

        /// Every thread's `T`.
        pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
            self.0.iter().map(|padded| &padded.0)
        }
    }
}

#[cfg(postroom_shuttle)]
mod imp {
    use std::sync::OnceLock;

    pub(crate) use shuttle::sync::atomic;
    pub(crate) use shuttle::thread::{Thread, current, park, yield_now};

    /// Models have no time: a wait with a limit may end at once or not, and the scheduler decides by yielding.
    pub(crate) fn park_timeout(_: std::time::Duration) {
        yield_now();
    }

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
            self.0
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct RwLock<T>(shuttle::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn new(value: T) -> Self {
            RwLock(shuttle::sync::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> shuttle::sync::RwLockReadGuard<'_, T> {
            self.0
                .read()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
        }

        pub(crate) fn write(&self) -> shuttle::sync::RwLockWriteGuard<'_, T> {
            self.0
                .write()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct OwnerLock<T>(shuttle::sync::Mutex<T>);

    impl<T> OwnerLock<T> {
        pub(crate) fn new(value: T) -> Self {
            OwnerLock(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn try_lock(&self) -> Option<shuttle::sync::MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    const THREADS_MAX: usize = 16;

    #[derive(Debug)]
    pub(crate) struct PerThread<T>(Vec<OnceLock<(shuttle::thread::ThreadId, T)>>);

    impl<T> Default for PerThread<T> {
        fn default() -> Self {
            PerThread((0..THREADS_MAX).map(|_| OnceLock::new()).collect())
        }
    }

    impl<T> PerThread<T> {
        pub(crate) fn get_or(&self, make: impl FnOnce() -> T) -> &T {
            if let Some(found) = self.get() {
                return found;
            }
            let entry = (current().id(), make());
            let free = self.0.iter().find(|slot| slot.get().is_none());
            &free
                .expect("a model has few threads")
                .get_or_init(|| entry)
                .1
        }

        pub(crate) fn get(&self) -> Option<&T> {
            let me = current().id();
            self.iter_entries()
                .find(|(id, _)| *id == me)
                .map(|(_, value)| value)
        }

        pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
            self.iter_entries().map(|(_, value)| value)
        }

        fn iter_entries(&self) -> impl Iterator<Item = &(shuttle::thread::ThreadId, T)> {
            self.0.iter().filter_map(OnceLock::get)
        }
    }
}

pub(crate) use imp::*;

/// Keeps what one side writes off the cache lines of what the other side writes: adjacent-line prefetchers pull lines in
/// pairs, hence 128 bytes.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> std::ops::Deref for Padded<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}
