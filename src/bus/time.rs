//! Waits and tasks by the bus's clock.

use super::Bus;
use crate::time::{ScheduledTask, Sleep};
use std::time::Duration;

impl Bus {
    /// Waits for `time` to pass on the bus's clock without blocking a thread; counted from this call.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes the timer back.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::{Bus, Clock};
    /// use std::task::{Context, Poll, Waker};
    /// use std::time::Duration;
    ///
    /// let clock = Clock::manual();
    /// let bus = Bus::builder().clock(&clock).build();
    /// let mut hour = std::pin::pin!(bus.sleep(Duration::from_secs(3600)));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(hour.as_mut().poll(&mut cx), Poll::Pending);
    /// clock.advance(Duration::from_secs(3600));
    /// assert_eq!(hour.as_mut().poll(&mut cx), Poll::Ready(()));
    /// ```
    pub fn sleep(&self, time: Duration) -> Sleep {
        Sleep::new(self.broker.services.timers.clone(), self.broker.services.timers.deadline(time))
    }

    /// Waits until the bus's clock shows `at` without blocking a thread; else as [`Bus::sleep`].
    pub fn sleep_until(&self, at: Duration) -> Sleep {
        Sleep::new(self.broker.services.timers.clone(), Some(at))
    }

    /// Waits for `time` to pass in real time without blocking a thread, whatever clock the bus has: for the operating system and for peers,
    /// which no manual clock hurries. Counted from this call. It does not count as [activity](Bus::activity).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes the timer back.
    pub fn sleep_real(&self, time: Duration) -> Sleep {
        Sleep::real(self.broker.services.timers.clone(), time)
    }

    /// Runs `run` once, when the bus's clock shows `at`; not before this returns. Dropping the handle [cancels](ScheduledTask::cancel) it;
    /// [`ScheduledTask::detach`] lets it run without one.
    ///
    /// | clock | runs |
    /// |---|---|
    /// | manual | on the thread that advances the clock, before [`ManualClock::advance`](crate::ManualClock::advance) returns, when the clock shows `at`; if `at` is past, in the next advance, be it by zero |
    /// | system | on the bus's timer thread, at `at` or soon after |
    ///
    /// Tasks run in the order of their times, those of one time in the order of scheduling, one after the other; on a manual clock that
    /// order includes all other timers (G7). On the system clock no other timer of the bus fires while a task runs: it is to block only
    /// briefly. On a manual clock it must not wait for time to pass, for the thread that would move the clock runs the task. If the
    /// operating system has no thread for timers (system clock), tasks wait until it has one.
    ///
    /// A task runs with no lock held (G4) and may use the bus as it likes: publish, schedule the next task, close and drop the bus. A panic
    /// is caught, counted and reported (G9). From `at` to its end it counts as [activity](Bus::activity); before, it does not.
    ///
    /// A task does not keep the bus alive, unless the closure holds a handle of the bus. Once the bus is closed, or has ended with its last
    /// handle, no task is begun: the closures are dropped, on the thread that closes. One whose turn has come on another thread at that
    /// moment runs to its end, after [`Bus::close`] has returned if need be. A task that is scheduled on a closed bus is dropped at once.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::{Bus, Clock};
    /// use std::time::Duration;
    ///
    /// fn beat(bus: Bus, every: Duration) {
    ///     let next = bus.clock().now() + every;
    ///     let again = bus.clone();
    ///     let task = bus.schedule_at(next, move || {
    ///         let _ = again.connect().publish("beat", "");
    ///         beat(again, every);
    ///     });
    ///     task.detach();
    /// }
    ///
    /// let clock = Clock::manual();
    /// let bus = Bus::builder().clock(&clock).build();
    /// let beats = bus.connect().subscribe("beat")?;
    /// beat(bus.clone(), Duration::from_secs(1));
    /// clock.advance(Duration::from_secs(3));
    /// assert_eq!(beats.len(), 3);
    /// bus.close(); // the next one never runs
    /// assert_eq!(clock.timers(), 0);
    /// # Ok::<_, postroom::SubscribeError>(())
    /// ```
    pub fn schedule_at(&self, at: Duration, run: impl FnOnce() + Send + 'static) -> ScheduledTask {
        self.broker.services.schedule.at(at, Box::new(run))
    }
}
