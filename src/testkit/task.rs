//! Tasks that count from the moment they are woken until they wait again.

use super::TestKit;
use crate::{Activity, Hold};
use parking_lot::Mutex;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

impl TestKit {
    /// Makes a task count as going on from when it is made or woken until it waits: whatever woke it, on whatever executor. With all
    /// tasks of an application wrapped so, [`TestKit::settle`] is exact for them.
    ///
    /// It is known by the name of its type until it is [named](Task::named).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::testkit::TestKit;
    ///
    /// let kit = TestKit::new();
    /// let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    /// let (tell, mut told) = tokio::sync::mpsc::channel::<String>(1);
    /// let (app, test) = (kit.bus().connect(), kit.client());
    /// let results = test.subscribe("results")?;
    /// runtime.spawn(kit.task(async move {
    ///     while let Some(text) = told.recv().await { // the bus knows nothing of this channel,
    ///         app.publish("results", text).unwrap();
    ///     }
    /// }));
    /// tell.blocking_send("hello".into())?;
    /// kit.settle(); // but waits for the task
    /// assert_eq!(results.try_recv()?.payload(), b"hello");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn task<F: Future>(&self, future: F) -> Task<F> {
        Task::new(self.activity().clone(), future)
    }
}

/// A future that counts; made by [`TestKit::task`].
///
/// # Cancel safety
///
/// That of the future in it; it stops counting when it is dropped.
#[must_use = "futures do nothing unless they are polled; this one counts as going on until it is"]
pub struct Task<F> {
    future: Pin<Box<F>>,
    bell: Arc<Bell>,
}

/// The waker that the future sees.
struct Bell {
    activity: Activity,
    state: Mutex<State>,
}

struct State {
    name: String,
    phase: Phase,
    outer: Option<Waker>,
}

enum Phase {
    Waits,
    /// Woken, and not polled since.
    Woken(Hold),
    Over,
}

impl<F: Future> Task<F> {
    fn new(activity: Activity, future: F) -> Self {
        let name = format!("task `{}`", std::any::type_name::<F>());
        let phase = Phase::Woken(activity.hold(name.clone()));
        Task {
            future: Box::pin(future),
            bell: Arc::new(Bell { activity, state: Mutex::new(State { name, phase, outer: None }) }),
        }
    }

    /// What it is called when it keeps the kit from settling.
    pub fn named(self, name: &str) -> Self {
        let name = format!("task `{name}`");
        // The new one counts before the old one stops.
        let fresh = self.bell.activity.hold(name.clone());
        let mut state = self.bell.state.lock();
        state.name = name;
        let old = std::mem::replace(&mut state.phase, Phase::Woken(fresh));
        drop(state);
        drop(old);
        self
    }
}

impl<F: Future> Task<F> {
    /// Polls it if it was woken since; else only remembers whom to wake.
    pub(super) fn poll_if_woken(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let is_woken = matches!(self.bell.state.lock().phase, Phase::Woken(_));
        if is_woken {
            return self.as_mut().poll(cx);
        }
        let outer = cx.waker().clone();
        let before = self.bell.state.lock().outer.replace(outer);
        drop(before);
        // Woken in between, it would have woken somebody else.
        let is_woken = matches!(self.bell.state.lock().phase, Phase::Woken(_));
        if is_woken { self.poll(cx) } else { Poll::Pending }
    }
}

impl Bell {
    /// Counts from now on, unless it does already or is over.
    fn ring(&self) -> Option<Waker> {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Waits) {
            state.phase = Phase::Woken(self.activity.hold(state.name.clone()));
        }
        state.outer.clone()
    }

    fn end(&self) {
        let mut state = self.state.lock();
        let old = (std::mem::replace(&mut state.phase, Phase::Over), state.outer.take());
        drop(state);
        drop(old);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(outer) = self.ring() {
            outer.wake();
        }
    }
}

impl<F: Future> Future for Task<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Cloned before the lock, and what it replaces dropped after: wakers are a user's code.
        let outer = cx.waker().clone();
        let mut state = self.bell.state.lock();
        let before = state.outer.replace(outer);
        let running = match std::mem::replace(&mut state.phase, Phase::Waits) {
            Phase::Woken(hold) => hold,
            // Polled though nothing woke it: as part of something that was.
            Phase::Waits | Phase::Over => self.bell.activity.hold(state.name.clone()),
        };
        drop(state);
        drop(before);
        let waker = Waker::from(self.bell.clone());
        let polled = self.future.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            self.bell.end();
        }
        // What woke it meanwhile has left a hold of its own.
        drop(running);
        polled
    }
}

impl<F> Drop for Task<F> {
    fn drop(&mut self) {
        self.bell.end();
    }
}

impl<F> fmt::Debug for Task<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("name", &self.bell.state.lock().name).finish_non_exhaustive()
    }
}
