//! The time that streams go by: the bus's clock, as instants of the calendar, and one alarm for each stream.

use crate::jetstream::engine::Timestamp;
use crate::sync::Mutex;
use crate::time::ScheduledTask;
use crate::{Bus, Clock};
use std::sync::{Arc, Weak};
use std::time::{Duration, UNIX_EPOCH};

/// Tells the time as JetStream writes it.
#[derive(Clone, Debug)]
pub(super) struct Time {
    clock: Clock,
    /// The instant at which a manual clock showed zero. Its time of day ends some day, but its timers do not.
    origin: Duration,
}

impl Time {
    pub(super) fn new(clock: &Clock) -> Self {
        let origin = since_epoch(clock).saturating_sub(clock.now());
        Time { clock: clock.clone(), origin }
    }

    /// The present instant. On the system clock it may go back.
    pub(super) fn now(&self) -> Timestamp {
        let now = if self.clock.is_manual() {
            self.origin.saturating_add(self.clock.now())
        } else {
            since_epoch(&self.clock)
        };
        Timestamp::from_nanos(0).after(now)
    }

    /// The time on the bus's clock at which it is `at`, as far as one can tell now.
    fn on_clock(&self, at: Timestamp) -> Duration {
        self.clock.now().saturating_add(at.since(self.now()))
    }
}

fn since_epoch(clock: &Clock) -> Duration {
    clock.wall_time().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The work that an alarm is for.
pub(super) trait Alarmed: Send + Sync + 'static {
    /// An instant has come for which the alarm was set. Called with no lock held, on the thread that tells the time.
    fn on_alarm(&self);
}

/// Wakes one stream at the earliest of the instants that it was set to.
pub(super) struct Alarm {
    bus: Bus,
    time: Time,
    set: Arc<Mutex<Option<Set>>>,
}

struct Set {
    at: Timestamp,
    /// `None` for the moment until it is scheduled.
    task: Option<ScheduledTask>,
}

impl Alarm {
    pub(super) fn new(bus: &Bus, time: &Time) -> Self {
        Alarm { bus: bus.clone(), time: time.clone(), set: Arc::new(Mutex::new(None)) }
    }

    /// Calls `target` at this instant, unless it is set to an earlier one. Call it with no lock held.
    pub(super) fn set(&self, at: Timestamp, target: &Weak<impl Alarmed>) {
        let mut set = self.set.lock();
        if set.as_ref().is_some_and(|earlier| earlier.at <= at) {
            return;
        }
        let replaced = set.replace(Set { at, task: None });
        drop(set);
        drop(replaced);
        // Not kept alive: the bus holds the task, and the task's handle ends it.
        let (rung, target) = (Arc::downgrade(&self.set), target.clone());
        let task = self.bus.schedule_at(self.time.on_clock(at), move || {
            let Some(rung) = rung.upgrade() else { return };
            let mut set = rung.lock();
            // Another instant may have been set while this one fell due.
            let is_this = set.as_ref().is_some_and(|set| set.at == at);
            let fired = if is_this { set.take() } else { None };
            drop(set);
            if let (Some(_), Some(target)) = (&fired, target.upgrade()) {
                target.on_alarm();
            }
            drop(fired);
        });
        let mut set = self.set.lock();
        match set.as_mut().filter(|set| set.at == at && set.task.is_none()) {
            Some(set) => set.task = Some(task),
            // It has rung meanwhile, or an earlier instant is set.
            None => {
                drop(set);
                drop(task);
            }
        }
    }
}
