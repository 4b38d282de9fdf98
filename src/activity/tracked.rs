//! Tasks that count from the moment they are woken until they wait again.

use super::{Activity, ActivityGuard};
use crate::sync::Mutex;
use crate::user_code::UserWaker;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// A future that counts; made by [`Activity::task`].
///
/// # Cancel safety
///
/// The activity of the inner future; it ends when the task is dropped.
#[must_use = "futures do nothing unless they are polled; this one counts as going on until it is"]
pub struct Tracked<F> {
    future: Pin<Box<F>>,
    waker: Arc<TrackedWaker>,
}

/// The waker that the future sees.
struct TrackedWaker {
    activity: Activity,
    state: Mutex<State>,
}

struct State {
    name: String,
    phase: Phase,
    /// Shared, since under the lock nothing of a user's may be cloned.
    outer: Option<Arc<UserWaker>>,
}

enum Phase {
    Waits,
    /// Woken, and not polled since.
    Woken(ActivityGuard),
    Over,
}

impl<F: Future> Tracked<F> {
    pub(super) fn new(activity: Activity, future: F) -> Self {
        let name = format!("task `{}`", std::any::type_name::<F>());
        let phase = Phase::Woken(activity.hold(name.clone()));
        Tracked {
            future: Box::pin(future),
            waker: Arc::new(TrackedWaker { activity, state: Mutex::new(State { name, phase, outer: None }) }),
        }
    }

    /// Its name in the list of activity.
    pub fn named(self, name: &str) -> Self {
        let name = format!("task `{name}`");
        // The new one counts before the old one stops.
        let fresh = self.waker.activity.hold(name.clone());
        let mut state = self.waker.state.lock();
        state.name = name;
        let old = std::mem::replace(&mut state.phase, Phase::Woken(fresh));
        drop(state);
        drop(old);
        self
    }
}

impl<F: Future> Tracked<F> {
    /// Polls it if it was woken since the last time; else only remembers whom to wake. For who is woken for other things too, and must not
    /// make it count for them.
    pub fn poll_if_woken(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let is_woken = matches!(self.waker.state.lock().phase, Phase::Woken(_));
        if is_woken {
            return self.as_mut().poll(cx);
        }
        let outer = UserWaker::new(cx.waker(), self.waker.activity.reporter);
        let before = self.waker.state.lock().outer.replace(Arc::new(outer));
        drop(before);
        // Woken in between, it would have woken somebody else.
        let is_woken = matches!(self.waker.state.lock().phase, Phase::Woken(_));
        if is_woken { self.poll(cx) } else { Poll::Pending }
    }
}

impl TrackedWaker {
    /// Counts from now on, unless it does already or is over.
    fn mark_woken(&self) -> Option<Arc<UserWaker>> {
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

impl Wake for TrackedWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(outer) = self.mark_woken() {
            outer.pass_on();
        }
    }
}

impl<F: Future> Future for Tracked<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Cloned before the lock, and what it replaces dropped after: wakers are a user's code.
        let outer = UserWaker::new(cx.waker(), self.waker.activity.reporter);
        let mut state = self.waker.state.lock();
        let before = state.outer.replace(Arc::new(outer));
        let running = match std::mem::replace(&mut state.phase, Phase::Waits) {
            Phase::Woken(hold) => hold,
            // Polled though nothing woke it: as part of something that was.
            Phase::Waits | Phase::Over => self.waker.activity.hold(state.name.clone()),
        };
        drop(state);
        drop(before);
        let waker = Waker::from(self.waker.clone());
        let polled = self.future.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            self.waker.end();
        }
        // A wake-up that came meanwhile has left a hold of its own.
        drop(running);
        polled
    }
}

impl<F> Drop for Tracked<F> {
    fn drop(&mut self) {
        self.waker.end();
    }
}

impl<F> fmt::Debug for Tracked<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").field("name", &self.waker.state.lock().name).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use super::*;
    use std::sync::Weak;

    type Shared = std::sync::Mutex<Pin<Box<Tracked<std::future::Pending<()>>>>>;

    /// A waker whose task is polled at once, by another thread and with another waker.
    struct Replaced(Weak<Shared>);

    impl Wake for Replaced {
        fn wake(self: Arc<Self>) {
            let task = self.0.upgrade().expect("the task lives");
            let poll = move || task.lock().unwrap().as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
            assert!(std::thread::spawn(poll).join().expect("no panic"));
        }
    }

    /// A sink wakes the task of a connection's writer while the bus routes.
    #[test]
    fn a_waker_that_is_replaced_while_it_wakes_may_go_under_a_lock() {
        let activity = Activity::default();
        let task: Arc<Shared> = Arc::new(std::sync::Mutex::new(Box::pin(activity.task(std::future::pending()))));
        let tracked = Waker::from(task.lock().unwrap().waker.clone());
        let outer = Waker::from(Arc::new(Replaced(Arc::downgrade(&task))));
        assert!(task.lock().unwrap().as_mut().poll(&mut Context::from_waker(&outer)).is_pending());
        drop(outer);
        let routing = Mutex::new(());
        let held = routing.lock();
        tracked.wake_by_ref();
        drop(held);
    }
}
