//! The kit as a test holds it: waiting until all is quiet, and moving time.

use super::advance::AutoAdvance;
use super::kit::TestKit;
use super::report::OrPanic;
use super::settle::SettleTimeout;
use crate::activity::{ActivityGuard, Tracked};
use std::future::Future;
use std::time::Duration;

impl TestKit {
    /// Blocks until all activity that the bus set going has ended: nothing is queued, no received message is still being handled,
    /// no callback runs, and no timer is due. After it, a message that was not published was not going to be. The [module](super)
    /// says what counts.
    ///
    /// This thread is taken to have come back to the bus, and to be done with what it was given. But a message of a tracked
    /// connection that it still has in its hands counts; the test's own, of [`TestKit::client`], does not.
    ///
    /// In a task, use [`TestKit::settle_async`]: on an executor with a single thread this would keep the others from getting on.
    ///
    /// # Panics
    ///
    /// If that takes longer than the [limit](super::TestKitBuilder::settle_limit), in real time; the message lists the activities
    /// that remain. If a callback has panicked, with the text of that panic, unless the test has [asked for
    /// it](TestKit::take_panics).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::TestKit;
    ///
    /// let kit = TestKit::new();
    /// let (app, test) = (kit.bus().connect(), kit.client());
    /// let (jobs, results) = (app.subscribe("jobs")?, test.subscribe("results")?);
    /// std::thread::spawn(move || {
    ///     for job in &jobs {
    ///         app.publish("results", job.payload().to_ascii_uppercase()).unwrap();
    ///     }
    /// });
    /// test.publish("jobs", "a")?;
    /// kit.settle();
    /// assert_eq!(results.try_recv()?.payload(), b"A"); // no waiting: it is there
    /// assert!(results.is_empty()); // and no more will come
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn settle(&self) {
        self.0.fail_on_faults();
        let settled = self.0.settler.wait(self.0.settler.limit);
        // The panic of a callback is the reason why the rest does not end.
        self.0.fail_on_faults();
        settled.or_panic();
    }

    /// As [`TestKit::settle`], with a limit of its own, in real time.
    ///
    /// # Errors
    ///
    /// [`SettleTimeout`] if something still went on when the time was up: it says what.
    pub fn try_settle(&self, limit: Duration) -> Result<(), SettleTimeout> {
        self.0.settler.wait(limit)
    }

    /// As [`TestKit::settle`], for tasks. It lets the other tasks of the executor have turns, so that on an executor with one thread those
    /// that were woken by other means than the bus (channels, joins) have run as well, through a few such steps. On one with
    /// several threads that is not certain: wrap tasks in [`TestKit::task`].
    ///
    /// # Panics
    ///
    /// As [`TestKit::settle`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn settle_async(&self) {
        self.0.fail_on_faults();
        let settled = self.0.settler.wait_async(self.0.settler.limit).await;
        self.0.fail_on_faults();
        settled.or_panic();
    }

    /// As [`TestKit::settle_async`], with a limit of its own, in real time.
    ///
    /// # Errors
    ///
    /// As [`TestKit::try_settle`].
    pub async fn try_settle_async(&self, limit: Duration) -> Result<(), SettleTimeout> {
        self.0.settler.wait_async(limit).await
    }

    /// Says that a part of the application is busy in a way that the bus can't see, until the hold is dropped: it passed something on
    /// through a channel, or waits for a file.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::TestKit;
    /// use std::time::Duration;
    ///
    /// let kit = TestKit::new();
    /// let upload = kit.busy("upload");
    /// let unsettled = kit.try_settle(Duration::from_millis(1)).unwrap_err();
    /// assert!(unsettled.to_string().contains("upload is busy"));
    /// drop(upload);
    /// kit.settle();
    /// ```
    pub fn busy(&self, name: impl Into<String>) -> ActivityGuard {
        self.0.settler.activity().hold(name)
    }

    /// Makes a task count as going on from when it is made or woken until it waits: whatever woke it, on whatever executor. With all
    /// tasks of an application wrapped so, [`TestKit::settle`] is exact for them.
    ///
    /// It is known by the name of its type until it is [named](Tracked::named).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::TestKit;
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
    pub fn task<F: Future>(&self, future: F) -> Tracked<F> {
        self.0.settler.activity().task(future)
    }

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
    /// use postroom::error::RecvTimeoutError;
    /// use postroom::TestKit;
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
        self.0.settler.try_advance(by).or_panic();
        self.0.fail_on_stream_faults();
    }

    /// As [`TestKit::advance`].
    ///
    /// # Errors
    ///
    /// [`SettleTimeout`] if something went on for longer than the limit; the clock stands at the step before it.
    ///
    /// # Panics
    ///
    /// As [`TestKit::advance`], but for that.
    #[track_caller]
    pub fn try_advance(&self, by: Duration) -> Result<(), SettleTimeout> {
        self.0.settler.try_advance(by)
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
        self.0.settler.try_advance_async(by).await.or_panic();
        self.0.fail_on_stream_faults();
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
    pub async fn try_advance_async(&self, by: Duration) -> Result<(), SettleTimeout> {
        self.0.settler.try_advance_async(by).await
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
    /// use postroom::TestKit;
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
    pub fn run_until(&self, done: impl FnMut() -> bool) -> Duration {
        self.0.settler.run_until(done)
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
    pub async fn run_until_async(&self, done: impl FnMut() -> bool) -> Duration {
        self.0.settler.run_until_async(done).await
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
    /// use postroom::TestKit;
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
        self.0.settler.run_async(future).await
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
    /// use postroom::TestKit;
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
        AutoAdvance::new(&self.0.settler)
    }
}
