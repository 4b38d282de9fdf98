//! Moving time: one deadline after the other, and only while the bus is quiet.

use super::report::OrPanic;
use super::settle::{SettleTimeout, Settler};
use crate::sync::thread_waker;
use crate::{Clock, ManualClock};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread::{JoinHandle, park};
use std::time::Duration;

/// How long the thread that moves the clock waits for quiet before it looks whether it is to end, in real time.
const PATIENCE: Duration = Duration::from_millis(50);

impl Settler {
    /// # Panics
    ///
    /// If the kit goes by the system's clock.
    #[track_caller]
    pub(super) fn manual(&self) -> &ManualClock {
        self.clock.as_ref().expect("this kit goes by the system's clock, which no test moves")
    }

    /// See [`TestKit::try_advance`](super::TestKit::try_advance).
    #[track_caller]
    pub(super) fn try_advance(&self, by: Duration) -> Result<(), SettleTimeout> {
        let target = self.manual().now().saturating_add(by);
        loop {
            let rested = self.rest(self.limit)?;
            if self.step(rested, Some(target)) == Step::Last {
                return self.rest(self.limit).map(drop);
            }
        }
    }

    /// The same, for tasks.
    pub(super) async fn try_advance_async(&self, by: Duration) -> Result<(), SettleTimeout> {
        let target = self.manual().now().saturating_add(by);
        while self.step(self.rest_async().await?, Some(target)) != Step::Last {}
        self.rest_async().await.map(drop)
    }

    /// See [`TestKit::run_until`](super::TestKit::run_until).
    #[track_caller]
    pub(super) fn run_until(&self, mut done: impl FnMut() -> bool) -> Duration {
        let clock = self.manual();
        let (began, real) = (clock.now(), Clock::system());
        loop {
            let rested = self.rest(self.limit).or_panic();
            let passed = clock.now() - began;
            if done() {
                return passed;
            }
            self.go_on(rested, passed, real.now());
        }
    }

    /// The same, for tasks.
    pub(super) async fn run_until_async(&self, mut done: impl FnMut() -> bool) -> Duration {
        let clock = self.manual();
        let (began, real) = (clock.now(), Clock::system());
        loop {
            let rested = self.rest_async().await.or_panic();
            let passed = clock.now() - began;
            if done() {
                return passed;
            }
            self.go_on(rested, passed, real.now());
        }
    }

    /// Moves the clock for what has not come to pass yet.
    #[track_caller]
    fn go_on(&self, rested: u64, passed: Duration, took: Duration) {
        assert!(
            took < self.limit,
            "what was waited for has not come to pass after {passed:?} on the bus's clock and {took:?} of real time"
        );
        assert!(
            self.step(rested, None) != Step::Last,
            "what was waited for can't come to pass: all is quiet after {passed:?} on the bus's clock, and no timer is set"
        );
    }

    /// See [`TestKit::run_async`](super::TestKit::run_async).
    pub(super) async fn run_async<F: Future>(&self, future: F) -> F::Output {
        let clock = self.manual();
        let mut future = pin!(self.activity().task(future).named("run_async"));
        loop {
            // Ready with the output, or once there is a timer to go to and all is quiet, or stalled.
            let mut resting = pin!(async {
                poll_fn(|cx| clock.poll_timers(1, cx)).await;
                self.rest_async().await
            });
            let output = poll_fn(|cx| {
                if let Poll::Ready(output) = future.as_mut().poll_if_woken(cx) {
                    return Poll::Ready(Ok(output));
                }
                resting.as_mut().poll(cx).map(Err)
            });
            match output.await {
                Ok(output) => return output,
                Err(Ok(rested)) => {
                    self.step(rested, None);
                }
                // A thread or task is busy for long, in real time.
                Err(Err(_)) => {}
            }
        }
    }

    /// Moves the clock to its next timer, if there is one up to `target` and nothing has changed since `rested`.
    ///
    /// The timer is only the next one if nothing has: a thread that was woken for nothing takes its own back for a moment. If that happens
    /// from here on, the thread finds the clock at this time, which is not past its own.
    fn step(&self, rested: u64, target: Option<Duration>) -> Step {
        let clock = self.manual();
        let (now, next) = (clock.now(), clock.next_timer());
        if self.activity().changes() != rested {
            return Step::Restless;
        }
        match (next, target) {
            (Some(next), target) if target.is_none_or(|target| next <= target) => {
                clock.advance(next.saturating_sub(now));
                Step::Taken
            }
            (_, target) => {
                clock.advance(target.map_or(Duration::ZERO, |target| target.saturating_sub(now)));
                Step::Last
            }
        }
    }
}

/// Moves the clock as long as it is there; made by [`TestKit::auto_advance`](super::TestKit::auto_advance).
#[must_use = "time stands still when it is dropped"]
pub struct AutoAdvance {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl AutoAdvance {
    #[track_caller]
    pub(super) fn new(settler: &Settler) -> Self {
        let (settler, clock) = (settler.clone(), settler.manual().clone());
        settler.activity().mark_busy();
        let ended = Arc::new(AtomicBool::new(false));
        let its_end = ended.clone();
        let run = move || {
            let waker = thread_waker();
            let mut cx = Context::from_waker(&waker);
            // ORDERING: Acquire, with the Release of the guard's drop; the unpark orders them as well.
            while !its_end.load(Ordering::Acquire) {
                if clock.poll_timers(1, &mut cx).is_pending() {
                    park();
                } else if let Ok(rested) = settler.rest(PATIENCE)
                    && !its_end.load(Ordering::Acquire)
                {
                    settler.step(rested, None);
                }
            }
        };
        let builder = std::thread::Builder::new().name("postroom-advance".to_owned());
        // ERROR: like every spawn of the standard library, only fails when the system is out of threads.
        let thread = builder.spawn(run).expect("the system has room for a thread");
        AutoAdvance { ended, thread: Some(thread) }
    }
}

impl Drop for AutoAdvance {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return };
        thread.thread().unpark();
        // The panic hook has reported its panic.
        let failed = thread.join().is_err();
        assert!(!failed || std::thread::panicking(), "the thread that moves the clock has panicked");
    }
}

impl fmt::Debug for AutoAdvance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AutoAdvance").finish_non_exhaustive()
    }
}

#[derive(PartialEq, Eq)]
enum Step {
    /// Not taken: it is not quiet any more.
    Restless,
    Taken,
    /// There is no timer up to the target; the clock shows that now.
    Last,
}
