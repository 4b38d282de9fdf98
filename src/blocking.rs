//! Threads that others need: what is done before a thread may be held up, and while it sleeps.
//!
//! Callbacks run on the thread that publishes, and a queue with [`OverflowPolicy::Block`](crate::OverflowPolicy::Block) holds that thread up. A
//! part of a program that publishes for others on threads that must not stop, as a server does on those of a runtime, says with
//! [`with_hooks`] what it wants done around both.
//!
//! # Example
//!
//! ```
//! use postroom::{Bus, blocking};
//! use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
//!
//! #[derive(Default)]
//! struct Count(AtomicUsize);
//!
//! impl blocking::Hooks for Count {
//!     fn call(&self, call: &mut dyn FnMut()) {
//!         self.0.fetch_add(1, Relaxed);
//!         call();
//!     }
//!     fn wait(&self, wait: &mut dyn FnMut()) {
//!         wait();
//!     }
//! }
//!
//! static COUNT: Count = Count(AtomicUsize::new(0));
//! let client = Bus::new().connect();
//! let guard = client.subscribe_fn("a", |_| {})?;
//! blocking::with_hooks(&COUNT, || client.publish("a", "").unwrap());
//! client.publish("a", "")?;
//! assert_eq!(COUNT.0.load(Relaxed), 1);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

use std::cell::Cell;

/// The actions of a thread around calls that may hold it up. Both must run the function they are
/// given, once.
pub trait Hooks: Sync {
    /// Runs a callback of a subscriber's, which may take any time.
    fn call(&self, call: &mut dyn FnMut());

    /// Runs a function in which the thread sleeps, until it is woken or a time has come. It may be called within
    /// [`call`](Hooks::call).
    fn wait(&self, wait: &mut dyn FnMut());
}

thread_local! {
    static HOOKS: Cell<Option<&'static dyn Hooks>> = const { Cell::new(None) };
}

/// Runs `work` on this thread, under these hooks.
pub fn with_hooks<R>(hooks: &'static dyn Hooks, work: impl FnOnce() -> R) -> R {
    /// Takes the hooks back also when `work` panics.
    struct Before(Option<&'static dyn Hooks>);

    impl Drop for Before {
        fn drop(&mut self) {
            HOOKS.set(self.0);
        }
    }

    let _before = Before(HOOKS.replace(Some(hooks)));
    work()
}

/// Runs `wait`, in which the thread sleeps, as the bus runs its own waits: within the hooks of this thread if there are some.
///
/// For a callback that waits for something that is not of the bus, and that may depend on wire clients.
pub fn wait<R>(wait: impl FnOnce() -> R) -> R {
    let Some(hooks) = HOOKS.get() else { return wait() };
    run(|wait| hooks.wait(wait), wait)
}

/// Runs a callback.
#[inline]
pub(crate) fn call<R>(call: impl FnOnce() -> R) -> R {
    let Some(hooks) = HOOKS.get() else { return call() };
    run(|call| hooks.call(call), call)
}

#[cold]
fn run<R>(hook: impl FnOnce(&mut dyn FnMut()), function: impl FnOnce() -> R) -> R {
    let (mut function, mut result) = (Some(function), None);
    hook(&mut || {
        if let Some(function) = function.take() {
            result = Some(function());
        }
    });
    result.expect("a hook runs what it is given")
}
