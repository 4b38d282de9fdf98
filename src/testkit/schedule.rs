//! Actions of the kit that are put off, and end with the kit.

use crate::sync::Mutex;
use crate::time::ScheduledTask;
use crate::user_code::UserCode;
use crate::{Bus, Clock};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The actions that the kit has put off, each a [scheduled task](Bus::schedule_at) of its bus. Cheap to clone; clones are the same.
#[derive(Clone, Default)]
pub(super) struct Schedule(Arc<Mutex<Tasks>>);

#[derive(Default)]
struct Tasks {
    /// `None` before the bus is there, and after the kit's end.
    bus: Option<Bus>,
    /// Those whose turn has not come; `None` for the moment until one is scheduled.
    tasks: BTreeMap<u64, Option<ScheduledTask>>,
    asked: u64,
}

impl Schedule {
    /// Goes by this bus's clock from now on. The bus lives at least until [`Schedule::close`].
    pub(super) fn start(&self, bus: &Bus) {
        self.0.lock().bus = Some(bus.clone());
    }

    /// Drops all actions that are to come, and all that are asked for from now on.
    pub(super) fn close(&self) {
        // Dropped with no lock held: messages are a user's.
        let state = std::mem::take(&mut *self.0.lock());
        drop(state);
    }

    /// Does `action` when the clock shows `at`: on a manual clock that shows it already, before this returns. Call it with no lock held.
    ///
    /// After [`Schedule::close`], or before [`Schedule::start`], the action is dropped.
    pub(super) fn at(&self, at: Duration, action: impl FnOnce() + Send + 'static) {
        let mut state = self.0.lock();
        let Some(bus) = state.bus.clone() else {
            drop(state);
            return drop(action);
        };
        if bus.clock().is_manual() && bus.clock().now() >= at {
            drop(state);
            let _ = bus.reporter().contain(UserCode::Closure, action);
            return;
        }
        state.asked += 1;
        let number = state.asked;
        state.tasks.insert(number, None);
        drop(state);
        let tasks = Arc::downgrade(&self.0);
        let task = bus.schedule_at(at, move || {
            let own = tasks.upgrade().and_then(|tasks| tasks.lock().tasks.remove(&number));
            drop(own);
            action();
        });
        let mut state = self.0.lock();
        // Not there if it has run meanwhile, or the kit has ended; then dropping the task cancels it.
        let unused = match state.tasks.get_mut(&number) {
            Some(place) => place.replace(task),
            None => Some(task),
        };
        drop(state);
        drop(unused);
    }

    /// Does `action` when `delay` has passed; see [`Schedule::at`]. At the end of all time, if it is past that.
    pub(super) fn after(&self, delay: Duration, action: impl FnOnce() + Send + 'static) {
        let clock = self.0.lock().bus.as_ref().map(|bus| bus.clock().clone());
        let now = clock.as_ref().map_or(Duration::ZERO, Clock::now);
        self.at(now.saturating_add(delay), action);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestKit;
    use std::sync::mpsc;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_action_whose_time_is_past_is_done_at_once() {
        let kit = TestKit::new();
        let (done, order) = mpsc::channel();
        kit.clock().advance(SECOND * 2);
        kit.0.observer.schedule.at(SECOND, move || done.send("at once").unwrap());
        assert_eq!((order.try_recv(), kit.clock().timers()), (Ok("at once"), 0));
    }

    #[test]
    fn an_action_may_put_off_another_and_counts_while_it_runs() {
        let kit = TestKit::new();
        let (done, order) = mpsc::channel();
        let inner = kit.clone();
        kit.0.observer.schedule.after(SECOND, move || {
            assert!(!inner.activity().is_quiet());
            let now = inner.clone();
            inner.0.observer.schedule.after(SECOND, move || done.send(now.clock().now()).unwrap());
        });
        assert!(kit.activity().is_quiet(), "an action to come does not count");
        kit.clock().advance(SECOND * 5);
        assert_eq!(order.recv(), Ok(SECOND * 2));
        assert!(kit.0.observer.schedule.0.lock().tasks.is_empty());
    }

    #[test]
    fn actions_to_come_end_with_the_kit() {
        let kit = TestKit::new();
        let clock = kit.clock().clone();
        let kept = Arc::new(());
        let gone = Arc::downgrade(&kept);
        let schedule = kit.0.observer.schedule.clone();
        let inside = kit.bus().clone();
        schedule.after(SECOND, move || drop((kept, inside)));
        drop(kit);
        assert!(gone.upgrade().is_none());
        assert_eq!(clock.timers(), 0);
        schedule.after(SECOND, || panic!("the kit has ended"));
        clock.advance(SECOND * 5);
    }

    #[test]
    fn on_the_systems_clock_the_timer_thread_does_them() {
        let kit = TestKit::builder().system_clock().build();
        let (done, order) = mpsc::channel();
        let now = kit.bus().clock().now();
        for (at, name) in [(2, "second"), (1, "first")] {
            let done = done.clone();
            kit.0.observer.schedule.at(now + Duration::from_millis(at), move || done.send(name).unwrap());
        }
        assert_eq!((order.recv(), order.recv()), (Ok("first"), Ok("second")));
        kit.activity().wait_quiet();
    }
}
