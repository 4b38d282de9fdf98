//! Locks, atomics and per-thread storage: the real ones in life, shuttle's under `--cfg postroom_shuttle`.
//!
//! Every lock and every atomic of the crate comes from here, so that the models in `tests/models` run the shipped code
//! and not a copy of it. Crossbeam channels are not replaced: the crate only ever calls their non-blocking halves, which a
//! model may treat as one step: `step` stands before each, since shuttle changes threads only where it sees an operation.

mod locks;
#[cfg(not(postroom_shuttle))]
mod per_thread;

#[cfg(not(postroom_shuttle))]
pub use locks::Condvar;
pub use locks::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub(crate) use locks::{OwnerLock, locks_held};
#[cfg(not(postroom_shuttle))]
pub(crate) use per_thread::PerThread;

#[cfg(not(postroom_shuttle))]
mod imp {
    pub(crate) use std::sync::{OnceLock, atomic};
    pub(crate) use std::thread::{Thread, current, yield_now};

    pub(crate) fn park() {
        crate::blocking::wait(std::thread::park);
    }

    pub(crate) fn park_timeout(timeout: std::time::Duration) {
        crate::blocking::wait(|| std::thread::park_timeout(timeout));
    }

    /// See the shuttle one.
    #[inline(always)]
    pub(crate) fn step() {}

    /// Starts a thread that is not joined; `None` if the operating system has none.
    pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Option<Thread> {
        Some(std::thread::Builder::new().name(name.to_owned()).spawn(run).ok()?.thread().clone())
    }
}

#[cfg(postroom_shuttle)]
mod imp {
    use std::sync::Arc;

    pub(crate) use shuttle::sync::atomic;
    pub(crate) use shuttle::thread::yield_now;

    /// A model may change threads here: to stand before what it does not see into and takes as one step.
    pub(crate) fn step() {
        atomic::AtomicBool::new(false).load(atomic::Ordering::SeqCst);
    }

    /// Not shuttle's own thread: that one's `park` also returns for no reason, which the real one hardly ever does, and which
    /// would hide most lost wake-ups.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Thread(Arc<Token>);

    #[derive(Debug, Default)]
    struct Token {
        there: shuttle::sync::Mutex<bool>,
        came: shuttle::sync::Condvar,
    }

    shuttle::thread_local! {
        static CURRENT: std::sync::OnceLock<Thread> = std::sync::OnceLock::new();
    }

    impl Thread {
        pub(crate) fn unpark(&self) {
            *self.0.there.lock().unwrap() = true;
            self.0.came.notify_one();
        }
    }

    pub(crate) fn current() -> Thread {
        CURRENT.with(|thread| thread.get_or_init(Thread::default).clone())
    }

    pub(crate) fn park() {
        let Thread(token) = current();
        let mut there = token.came.wait_while(token.there.lock().unwrap(), |there| !*there).unwrap();
        *there = false;
    }

    /// Models have no time: a wait with a limit ends at once.
    pub(crate) fn park_timeout(_: std::time::Duration) {
        yield_now();
    }

    /// Starts a thread that is not joined.
    pub(crate) fn spawn(_: &str, run: impl FnOnce() + Send + 'static) -> Option<Thread> {
        let thread = Thread::default();
        let its_own = thread.clone();
        shuttle::thread::spawn(move || {
            CURRENT.with(|current| current.get_or_init(|| its_own).clone());
            run();
        });
        Some(thread)
    }

    /// One whose waiters wait as shuttle's threads do: the closure may do what models see.
    pub(crate) struct OnceLock<T> {
        once: shuttle::sync::Once,
        value: std::sync::OnceLock<T>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            OnceLock { once: shuttle::sync::Once::new(), value: std::sync::OnceLock::new() }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            step();
            self.value.get()
        }

        pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
            self.once.call_once(|| {
                let made = make();
                self.value.get_or_init(|| made);
            });
            self.value.get().expect("made once")
        }
    }

    impl<T> Default for OnceLock<T> {
        fn default() -> Self {
            OnceLock::new()
        }
    }

    impl<T: std::fmt::Debug> std::fmt::Debug for OnceLock<T> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.value.fmt(f)
        }
    }

    const THREADS_MAX: usize = 16;

    #[derive(Debug)]
    pub(crate) struct PerThread<T>(Vec<std::sync::OnceLock<(shuttle::thread::ThreadId, T)>>);

    impl<T> Default for PerThread<T> {
        fn default() -> Self {
            PerThread((0..THREADS_MAX).map(|_| std::sync::OnceLock::new()).collect())
        }
    }

    impl<T> PerThread<T> {
        pub(crate) fn get_or(&self, make: impl FnOnce(bool) -> T) -> &T {
            if let Some(found) = self.get() {
                return found;
            }
            let entry = (shuttle::thread::current().id(), make(false));
            let free = self.0.iter().find(|slot| slot.get().is_none());
            &free.expect("a model has few threads").get_or_init(|| entry).1
        }

        pub(crate) fn get(&self) -> Option<&T> {
            let me = shuttle::thread::current().id();
            self.iter_entries().find(|(id, _)| *id == me).map(|(_, value)| value)
        }

        pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
            self.iter_entries().map(|(_, value)| value)
        }

        fn iter_entries(&self) -> impl Iterator<Item = &(shuttle::thread::ThreadId, T)> {
            self.0.iter().filter_map(std::sync::OnceLock::get)
        }
    }
}

pub(crate) use imp::*;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// Blocks this thread until a future is done. It sleeps within the hooks of the thread, if it has [some](crate::blocking::with_hooks).
///
/// For parts of a program that have threads of their own. A blocking call of the bus does more while it waits: it runs the callbacks that
/// wait for their turn on this thread. So this is not for callbacks on the bus.
///
/// # Example
///
/// ```
/// use postroom::{Bus, sync};
///
/// let client = Bus::new().connect();
/// let orders = client.subscribe("orders")?;
/// client.publish("orders", "1")?;
/// assert_eq!(sync::block_on(orders.recv_async())?.payload(), b"1");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let (waker, mut future) = (thread_waker(), pin!(future));
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        park();
    }
}

/// A waker that unparks this thread: for loops that poll, and [park](std::thread::park) in between.
pub fn thread_waker() -> Waker {
    Arc::new(Unpark(current())).into()
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

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
