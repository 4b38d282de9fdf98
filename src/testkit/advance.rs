//! Moving time: one deadline after the other, and only while the bus is quiet.

use super::report::OrPanic;
use super::settle::thread_waker;
use super::{TestKit, Unsettled};
use crate::Clock;
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

impl TestKit {
    /// Moves the clock on by `by`. All that falls due meanwhile (timeouts of requests and receives, drain limits, intervals of
    /// PING, stalls, delays of chaos, sleeps) does so in its order, each when the clock shows its time; before each step, and at
    /// the end, this [settles](TestKit::settle), so that the effects of one timer are done before the next fires.
    ///
    /// Where an application waits for the time with a message in its hands (a callback that asks another service, which does not answer),
    /// nothing can settle before time moves. So if nothing at all has happened for 10 milliseconds of real time, a timer is set, and only
    /// messages, callbacks and subscribers of tasks count as going on, these are taken to wait for it.
    ///
    /// A thread that has not begun to wait yet is not waited for: see [`wait_for_timers`](crate::ManualClock::wait_for_timers). On a clock that several buses share,
    /// all timers fire, but only this kit's bus is settled in between.
    ///
    /// # Panics
    ///
    /// As [`TestKit::settle`], and if the kit goes by the system's clock.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::RecvTimeoutError;
    /// use postroom::testkit::TestKit;
    /// use std::time::Duration;
    ///
    /// let kit = TestKit::new();
    /// let (app, test) = (kit.bus().connect(), kit.client());
    /// let beats = test.subscribe("beat")?;
    /// let (minute, never) = (Duration::from_secs(60), app.subscribe("never")?);
    /// let heart = std::thread::spawn(move || {
    ///     while matches!(never.recv_timeout(minute), Err(RecvTimeoutError::Timeout)) {
    ///         app.publish("beat", "").unwrap();
    ///     }
    /// });
    /// kit.clock().wait_for_timers(1); // the thread has come to its first wait
    /// kit.advance(60 * minute);
    /// assert_eq!(beats.len(), 60);
    /// kit.bus().close();
    /// heart.join().unwrap();
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn advance(&self, by: Duration) {
        self.try_advance(by).or_panic();
    }

    /// As [`TestKit::advance`].
    ///
    /// # Errors
    ///
    /// [`Unsettled`] if something went on for longer than the limit; the clock stands at the step before it.
    ///
    /// # Panics
    ///
    /// As [`TestKit::advance`], but for that.
    #[track_caller]
    pub fn try_advance(&self, by: Duration) -> Result<(), Unsettled> {
        let target = self.clock().now().saturating_add(by);
        loop {
            let rested = self.rest(self.settle_limit())?;
            if self.step(rested, Some(target)) == Step::Last {
                return self.rest(self.settle_limit()).map(drop);
            }
        }
    }

    /// As [`TestKit::advance`], for tasks.
    ///
    /// # Panics
    ///
    /// As [`TestKit::advance`].
    ///
    /// # Cancel safety
    ///
    /// When it is dropped, the clock stays where it is.
    pub async fn advance_async(&self, by: Duration) {
        self.try_advance_async(by).await.or_panic();
    }

    /// As [`TestKit::try_advance`], for tasks.
    ///
    /// # Errors
    ///
    /// As [`TestKit::try_advance`].
    ///
    /// # Panics
    ///
    /// If the kit goes by the system's clock.
    ///
    /// # Cancel safety
    ///
    /// As [`TestKit::advance_async`].
    pub async fn try_advance_async(&self, by: Duration) -> Result<(), Unsettled> {
        let target = self.clock().now().saturating_add(by);
        while self.step(self.rest_async().await?, Some(target)) != Step::Last {}
        self.rest_async().await.map(drop)
    }

    /// Moves the clock from timer to timer, settling each time, until `done` says true. Asked when all is quiet, first before anything
    /// moves. Gives back how much time has passed on the bus's clock.
    ///
    /// # Panics
    ///
    /// If nothing is left that could make it true, because no timer is set; if that takes longer than the
    /// [limit](super::TestKitBuilder::settle_limit) in real time; and as [`TestKit::advance`].
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::testkit::TestKit;
    /// use std::time::Duration;
    ///
    /// let kit = TestKit::new();
    /// let (app, test) = (kit.bus().connect(), kit.client());
    /// let _silent = test.subscribe("ask")?;
    /// let asking = std::thread::spawn(move || app.request_timeout("ask", "", Duration::from_secs(3600)));
    /// kit.clock().wait_for_timers(1);
    /// let passed = kit.run_until(|| asking.is_finished());
    /// assert_eq!(passed, Duration::from_secs(3600));
    /// assert!(asking.join().unwrap().unwrap_err().is_timeout());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn run_until(&self, mut done: impl FnMut() -> bool) -> Duration {
        let clock = self.clock();
        let (began, real) = (clock.now(), Clock::system());
        loop {
            let rested = self.rest(self.settle_limit()).or_panic();
            let passed = clock.now() - began;
            if done() {
                return passed;
            }
            self.go_on(rested, passed, real.now());
        }
    }

    /// As [`TestKit::run_until`], for tasks. Where a future says when it is done, [`TestKit::run_async`] needs no question.
    ///
    /// # Panics
    ///
    /// As [`TestKit::run_until`].
    ///
    /// # Cancel safety
    ///
    /// When it is dropped, the clock stays where it is.
    pub async fn run_until_async(&self, mut done: impl FnMut() -> bool) -> Duration {
        let clock = self.clock();
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
            took < self.settle_limit(),
            "what was waited for has not come to pass after {passed:?} on the bus's clock and {took:?} of real time"
        );
        assert!(
            self.step(rested, None) != Step::Last,
            "what was waited for can't come to pass: all is quiet after {passed:?} on the bus's clock, and no timer is set"
        );
    }

    /// Runs `future` in this task, and moves the clock to the next timer whenever the bus is quiet and neither the future nor
    /// another task of the executor has anything to do: an hour of timeouts takes as long as the work in it.
    ///
    /// On an executor with several threads, wrap its tasks in [`TestKit::task`]: others are not seen while they run.
    ///
    /// If no timer is set, it waits for what may come from elsewhere: a socket, another thread.
    ///
    /// # Panics
    ///
    /// If the kit goes by the system's clock.
    ///
    /// # Cancel safety
    ///
    /// Its cancel safety is that of the future; when it is dropped, the clock stays where it is.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::testkit::TestKit;
    /// use std::time::Duration;
    ///
    /// let kit = TestKit::new();
    /// let (app, test) = (kit.bus().connect(), kit.client());
    /// let _silent = test.subscribe("ask")?;
    /// let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// let failed = runtime.block_on(kit.run_async(async {
    ///     app.request_timeout_async("ask", "", Duration::from_secs(3600)).await.unwrap_err()
    /// }));
    /// assert!(failed.is_timeout());
    /// assert_eq!(kit.clock().now(), Duration::from_secs(3600));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub async fn run_async<F: Future>(&self, future: F) -> F::Output {
        let clock = self.clock();
        let mut future = pin!(self.task(future).named("run_async"));
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

    /// Moves the clock to the next timer whenever the bus is quiet, from a thread of its own, until the guard is dropped: for tests
    /// whose threads block on the bus.
    ///
    /// This thread counts as busy while it does not wait on the bus, so that time passes only while it does. A try that finds nothing
    /// counts as waiting; hold [`TestKit::busy`] where time must stand still nevertheless.
    ///
    /// # Panics
    ///
    /// If the kit goes by the system's clock, or the system has no room for a thread.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::testkit::TestKit;
    /// use std::time::Duration;
    ///
    /// let kit = TestKit::new();
    /// let (app, test) = (kit.bus().connect(), kit.client());
    /// let silent = test.subscribe("ask")?;
    /// let hour = Duration::from_secs(3600);
    /// let _auto = kit.auto_advance();
    /// for _ in 0..24 {
    ///     assert!(app.request_timeout("ask", "", hour).unwrap_err().is_timeout());
    ///     drop(silent.try_recv()?);
    /// }
    /// assert_eq!(kit.clock().now(), 24 * hour);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn auto_advance(&self) -> AutoAdvance {
        let (kit, clock) = (self.clone(), self.clock().clone());
        let ended = Arc::new(AtomicBool::new(false));
        let its_end = ended.clone();
        self.activity().mark_busy();
        let run = move || {
            let waker = thread_waker();
            let mut cx = Context::from_waker(&waker);
            // ORDERING: Acquire, with the Release of the guard's drop; the unpark orders them as well.
            while !its_end.load(Ordering::Acquire) {
                if clock.poll_timers(1, &mut cx).is_pending() {
                    park();
                } else if let Ok(rested) = kit.rest(PATIENCE)
                    && !its_end.load(Ordering::Acquire)
                {
                    kit.step(rested, None);
                }
            }
        };
        let builder = std::thread::Builder::new().name("postroom-advance".to_owned());
        // ERROR: like every spawn of the standard library, only fails when the system is out of threads.
        let thread = builder.spawn(run).expect("the system has room for a thread");
        AutoAdvance { ended, thread: Some(thread) }
    }
}

/// Moves the clock as long as it is there; made by [`TestKit::auto_advance`].
#[must_use = "time stands still when it is dropped"]
pub struct AutoAdvance {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
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

impl TestKit {
    /// Moves the clock to its next timer, if there is one up to `target` and nothing has changed since `rested`.
    ///
    /// The timer is only the next one if nothing has: a thread that was woken for nothing takes its own back for a moment. If that happens
    /// from here on, the thread finds the clock at this time, which is not past its own.
    fn step(&self, rested: u64, target: Option<Duration>) -> Step {
        let clock = self.clock();
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
