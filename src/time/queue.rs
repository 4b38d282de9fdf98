//! Timers in the order of their deadlines.

use crate::steps;
use crate::user_code::UserWaker;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A thing that happens at a time.
pub(super) enum Timer {
    /// A waker is woken.
    Wake(UserWaker),
    /// Anything else, and what counts as activity from its time on.
    Fire(Arc<dyn Fire>),
}

pub(super) trait Fire: Send + Sync {
    /// Its time has come: counts as activity from now on. Called under the lock of the queue, so that there is no moment at which the timer
    /// is neither set nor counted.
    fn begin(&self);

    /// Called once, with no lock held.
    fn fire(self: Arc<Self>);
}

impl Timer {
    fn begin(&self) {
        if let Timer::Fire(timer) = self {
            timer.begin();
        }
    }

    pub(super) fn fire(self) {
        match self {
            Timer::Wake(waker) => waker.wake(),
            Timer::Fire(timer) => timer.fire(),
        }
    }
}

/// Names a timer that is set. Ordered by deadline, then by the order of setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    deadline: Duration,
    number: u64,
    /// Whether it runs in real time, on a bus whose clock is a manual one.
    pub(super) is_real: bool,
}

#[derive(Default)]
pub(super) struct TimerQueue {
    timers: BTreeMap<TimerKey, Timer>,
    set_so_far: u64,
    /// Its timers run in real time; see [`TimerKey`].
    is_real: bool,
}

impl TimerQueue {
    /// The queue of the timers that run in real time, on a bus whose clock is a manual one.
    pub(super) fn real() -> Self {
        TimerQueue { is_real: true, ..TimerQueue::default() }
    }

    pub(super) fn set(&mut self, deadline: Duration, timer: Timer) -> TimerKey {
        steps::count(1);
        self.set_so_far += 1;
        let key = TimerKey { deadline, number: self.set_so_far, is_real: self.is_real };
        self.timers.insert(key, timer);
        key
    }

    /// To be dropped with no lock held.
    pub(super) fn remove(&mut self, key: TimerKey) -> Option<Timer> {
        self.timers.remove(&key)
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.timers.first_key_value().map(|(key, _)| key.deadline)
    }

    /// The first timer, if its time has come.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<(Duration, Timer)> {
        let first = self.timers.first_entry()?;
        if first.key().deadline > now {
            return None;
        }
        steps::count(1);
        let (key, timer) = first.remove_entry();
        timer.begin();
        Some((key.deadline, timer))
    }

    pub(super) fn len(&self) -> usize {
        self.timers.len()
    }
}
