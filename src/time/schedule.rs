//! Closures that run at a time.

use super::queue::{Fire, TimerKey};
use super::timers::Timers;
use crate::activity::{Activity, ActivityGuard, ActivityKind};
use crate::sync::Mutex;
use crate::user_code::UserCode;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

type Run = Box<dyn FnOnce() + Send>;

/// The scheduled tasks of one bus. Dropping it closes it.
pub(crate) struct Schedule(Arc<Inner>);

struct Inner {
    timers: Arc<Timers>,
    /// Held for a few instructions. LOCK ORDER: never with another.
    tasks: Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    /// Those whose turn has not come, in the order of scheduling.
    pending: BTreeMap<u64, Pending>,
    scheduled: u64,
    closed: bool,
}

struct Pending {
    run: Run,
    /// `None` for the moment until its timer is set.
    timer: Option<TimerKey>,
}

/// A closure that is to run at a time; made by [`Bus::schedule_at`](crate::Bus::schedule_at). Dropping the handle cancels it.
///
/// # Example
///
/// ```
/// use postroom::{Bus, Clock};
/// use std::time::Duration;
///
/// let clock = Clock::manual();
/// let bus = Bus::builder().clock(&clock).build();
/// let client = bus.connect();
/// let ticks = client.subscribe("tick")?;
/// let tick = bus.schedule_at(Duration::from_secs(5), move || drop(client.publish("tick", "")));
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(ticks.len(), 1);
/// assert!(!tick.cancel(), "it has run");
///
/// let never = bus.schedule_at(Duration::from_secs(9), || unreachable!());
/// assert!(never.cancel());
/// clock.advance(Duration::from_secs(9));
/// # Ok::<_, postroom::SubscribeError>(())
/// ```
#[must_use = "a scheduled task is cancelled when its handle is dropped; `detach` lets it run"]
pub struct ScheduledTask {
    schedule: Weak<Inner>,
    /// `None` once it is detached or cancelled.
    number: Option<u64>,
    at: Duration,
}

/// The timer of a task.
struct TaskTimer {
    /// Not kept alive: the clock, which may be shared, holds this.
    schedule: Weak<Inner>,
    number: u64,
    at: Duration,
    activity: Option<Activity>,
    guard: Mutex<Option<ActivityGuard>>,
}

impl Schedule {
    pub(crate) fn new(timers: Arc<Timers>) -> Self {
        Schedule(Arc::new(Inner { timers, tasks: Mutex::default() }))
    }

    /// See [`Bus::schedule_at`](crate::Bus::schedule_at).
    pub(crate) fn at(&self, at: Duration, run: Run) -> ScheduledTask {
        let inner = &self.0;
        let mut tasks = inner.tasks.lock();
        if tasks.closed {
            drop(tasks);
            inner.discard(run);
            return ScheduledTask { schedule: Weak::new(), number: None, at };
        }
        tasks.scheduled += 1;
        let number = tasks.scheduled;
        // Before its timer is set, which another thread may fire at once.
        tasks.pending.insert(number, Pending { run, timer: None });
        drop(tasks);
        let schedule = Arc::downgrade(inner);
        let activity = inner.timers.activity().cloned();
        let timer = TaskTimer { schedule: schedule.clone(), number, at, activity, guard: Mutex::default() };
        let key = inner.timers.set_to_fire(at, Arc::new(timer));
        let mut tasks = inner.tasks.lock();
        if let Some(pending) = tasks.pending.get_mut(&number) {
            pending.timer = Some(key);
        } else {
            // Its turn came meanwhile, or the bus was closed.
            drop(tasks);
            inner.timers.cancel(key);
        }
        ScheduledTask { schedule, number: Some(number), at }
    }

    /// Cancels all tasks, and those that are scheduled from now on.
    pub(crate) fn close(&self) {
        let pending = {
            let mut tasks = self.0.tasks.lock();
            tasks.closed = true;
            std::mem::take(&mut tasks.pending)
        };
        pending.into_values().for_each(|pending| self.0.cancel(pending));
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.close();
    }
}

impl Inner {
    fn take(&self, number: u64) -> Option<Pending> {
        self.tasks.lock().pending.remove(&number)
    }

    fn run(&self, number: u64) {
        let Some(Pending { run, .. }) = self.take(number) else { return };
        // A thread that fires timers does not wait on the bus.
        let _ = self.timers.in_passing(|| self.timers.reporter().contain(UserCode::Closure, run));
    }

    fn cancel(&self, pending: Pending) {
        if let Some(timer) = pending.timer {
            self.timers.cancel(timer);
        }
        self.discard(pending.run);
    }

    /// What a closure has captured is a user's: dropped with no lock held.
    fn discard(&self, run: Run) {
        let _ = self.timers.reporter().contain(UserCode::Destructor, || drop(run));
    }
}

impl Fire for TaskTimer {
    fn begin(&self) {
        let begin = |activity: &Activity| activity.begin(ActivityKind::ScheduledTask(self.at));
        *self.guard.lock() = self.activity.as_ref().map(begin);
    }

    fn fire(self: Arc<Self>) {
        if let Some(schedule) = self.schedule.upgrade() {
            schedule.run(self.number);
        }
        let guard = self.guard.lock().take();
        drop(guard);
    }
}

impl ScheduledTask {
    /// Cancels it. True if it was in time: the closure has been dropped, and never runs.
    ///
    /// False if its turn has come before, or the bus was closed. If it runs at this moment, on another thread or further down the
    /// stack of this one, this does not wait for it: the closure runs to its end.
    pub fn cancel(mut self) -> bool {
        self.cancel_now()
    }

    /// Lets it run without a handle. It does not keep the bus alive.
    pub fn detach(mut self) {
        self.number = None;
    }

    /// The time that it was scheduled for, on the bus's clock.
    pub fn at(&self) -> Duration {
        self.at
    }

    fn cancel_now(&mut self) -> bool {
        let Some(number) = self.number.take() else { return false };
        let Some(schedule) = self.schedule.upgrade() else { return false };
        let Some(pending) = schedule.take(number) else { return false };
        schedule.cancel(pending);
        true
    }
}

impl Drop for ScheduledTask {
    fn drop(&mut self) {
        self.cancel_now();
    }
}

impl fmt::Debug for ScheduledTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduledTask").field("at", &self.at).finish_non_exhaustive()
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule").field("pending", &self.0.tasks.lock().pending.len()).finish()
    }
}
