//! Futures that wait for a time.

use super::queue::TimerKey;
use super::timers::Timers;
use crate::user_code::UserWaker;
use futures_core::future::FusedFuture;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Ready when a clock shows a time; made by [`Bus::sleep`](crate::Bus::sleep), [`Bus::sleep_until`](crate::Bus::sleep_until) and
/// [`Bus::sleep_real`](crate::Bus::sleep_real).
///
/// It can be polled from any task, and again after it was ready. It keeps the bus's timer thread alive, and nothing else of the bus.
///
/// # Cancel safety
///
/// Dropping it takes the timer back; nothing is lost.
#[must_use = "time passes for those who wait for it"]
pub struct Sleep {
    timers: Arc<Timers>,
    /// `None` if that is past all time.
    deadline: Option<Duration>,
    /// It goes by real time, and not by the bus's clock.
    is_real: bool,
    set: Option<(TimerKey, UserWaker)>,
    /// It was ready once.
    is_done: bool,
}

impl Sleep {
    pub(crate) fn new(timers: Arc<Timers>, deadline: Option<Duration>) -> Self {
        Sleep { timers, deadline, is_real: false, set: None, is_done: false }
    }

    pub(crate) fn real(timers: Arc<Timers>, wait: Duration) -> Self {
        let deadline = timers.real_now().checked_add(wait);
        Sleep { timers, deadline, is_real: true, set: None, is_done: false }
    }

    /// Whether the time has come.
    pub fn is_elapsed(&self) -> bool {
        self.deadline.is_some_and(|deadline| self.now() >= deadline)
    }

    fn now(&self) -> Duration {
        if self.is_real { self.timers.real_now() } else { self.timers.now() }
    }

    fn set(&self, deadline: Duration, waker: &Waker) -> Option<TimerKey> {
        match self.is_real {
            true => self.timers.set_real(deadline.saturating_sub(self.now()), waker),
            false => self.timers.set(deadline, waker),
        }
    }

    fn done(&mut self) -> Poll<()> {
        self.is_done = true;
        self.cancel();
        Poll::Ready(())
    }

    fn cancel(&mut self) {
        if let Some((timer, _)) = self.set.take() {
            self.timers.cancel(timer);
        }
    }

    fn poll_once(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_elapsed() {
            return self.done();
        }
        let Some(deadline) = self.deadline else { return Poll::Pending };
        if !self.set.as_ref().is_some_and(|(_, waker)| waker.will_wake(cx.waker())) {
            self.cancel();
            let waker = UserWaker::new(cx.waker(), self.timers.reporter());
            self.set = self.set(deadline, cx.waker()).map(|key| (key, waker));
            // A manual clock that has come there since the look above fires nothing before it is moved again.
            if self.is_elapsed() {
                return self.done();
            }
        }
        Poll::Pending
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let polled = self.poll_once(cx);
            // Polled inside a callback, a task waits through the bus as much as a thread that blocks there.
            if polled.is_ready() || !self.timers.before_wait() {
                return polled;
            }
        }
    }
}

impl FusedFuture for Sleep {
    fn is_terminated(&self) -> bool {
        self.is_done
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("until", &self.deadline).field("is_elapsed", &self.is_elapsed()).finish()
    }
}
