//! Scheduled tasks: closures that run at a time of the bus's clock.

use postroom::observe::{Observer, PublishAction, PublishContext};
use postroom::time::ScheduledTask;
use postroom::{Bus, Clock, Event, ManualClock};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Weak};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn manual() -> (ManualClock, Bus) {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).seed(7).build();
    (clock, bus)
}

/// A task that tells its name.
fn task(bus: &Bus, at: Duration, name: &'static str, to: &Sender<&'static str>) -> ScheduledTask {
    let to = to.clone();
    bus.schedule_at(at, move || to.send(name).unwrap())
}

fn told(names: &Receiver<&'static str>) -> Vec<&'static str> {
    names.try_iter().collect()
}

/// A thing that a closure captures, and a way to see whether it is still there.
fn captured() -> (Arc<()>, Weak<()>) {
    let there = Arc::new(());
    let seen = Arc::downgrade(&there);
    (there, seen)
}

struct Tell(&'static str, Sender<&'static str>);

impl Wake for Tell {
    fn wake(self: Arc<Self>) {
        self.1.send(self.0).unwrap();
    }
}

/// G7: by time, then by the order of scheduling, among all other timers.
#[test]
fn tasks_run_in_the_order_of_their_times_and_then_of_scheduling() {
    let (clock, bus) = manual();
    let (to, names) = mpsc::channel();
    let late = task(&bus, SECOND * 3, "late", &to);
    let first = task(&bus, SECOND, "first", &to);
    let mut sleep = Box::pin(bus.sleep(SECOND));
    let waker = Waker::from(Arc::new(Tell("a sleep", to.clone())));
    assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let second = task(&bus, SECOND, "second", &to);
    let between = task(&bus, SECOND * 2, "between", &to);
    assert_eq!((clock.timers(), clock.next_timer(), late.at()), (5, Some(SECOND), SECOND * 3));
    clock.advance(SECOND * 2);
    assert_eq!(told(&names), ["first", "a sleep", "second", "between"]);
    assert_eq!([first, second, between].map(ScheduledTask::cancel), [false; 3]);
    assert!(late.cancel());
    assert_eq!(clock.timers(), 0);
}

#[test]
fn a_task_runs_when_the_clock_shows_its_time_and_never_before_schedule_at_returns() {
    let (clock, bus) = manual();
    let (to, times) = mpsc::channel();
    clock.advance(SECOND * 5);
    for at in [SECOND, SECOND * 5] {
        let (to, clock) = (to.clone(), clock.clone());
        bus.schedule_at(at, move || to.send(clock.now()).unwrap()).detach();
    }
    assert!(times.try_recv().is_err(), "both are due, and wait for an advance");
    clock.advance(Duration::ZERO);
    assert_eq!(times.try_iter().collect::<Vec<_>>(), [SECOND * 5, SECOND * 5]);
    let at = clock.clone();
    bus.schedule_at(SECOND * 7, move || to.send(at.now()).unwrap()).detach();
    clock.advance(SECOND * 10);
    assert_eq!((times.try_recv(), clock.now()), (Ok(SECOND * 7), SECOND * 15));
}

/// G4: a task may use the bus as it likes.
#[test]
fn a_task_may_publish_and_schedule_the_next() {
    fn beat(bus: Bus) {
        let next = bus.clock().now() + SECOND;
        let again = bus.clone();
        let run = move || {
            again.connect().publish("beat", "").unwrap();
            beat(again);
        };
        bus.schedule_at(next, run).detach();
    }
    let (clock, bus) = manual();
    let (beats, count) = (bus.connect(), Arc::new(()));
    let inner = count.clone();
    let guard = beats.subscribe_fn("beat", move |_| std::mem::forget(inner.clone())).unwrap();
    beat(bus.clone());
    clock.advance(SECOND * 100);
    assert_eq!((Arc::strong_count(&count), clock.timers()), (102, 1));
    drop(guard);
    bus.close();
    assert_eq!(clock.timers(), 0);
}

/// G6: what is cancelled goes at once.
#[test]
fn a_cancelled_task_never_runs_and_its_closure_goes_at_once() {
    let (clock, bus) = manual();
    let never = |there: Arc<()>| move || unreachable!("{there:?} is cancelled");
    let (there, seen) = captured();
    assert!(bus.schedule_at(SECOND, never(there)).cancel());
    assert!(seen.upgrade().is_none());
    let (there, seen) = captured();
    drop(bus.schedule_at(SECOND, never(there)));
    assert!(seen.upgrade().is_none());
    assert_eq!(clock.timers(), 0);
    clock.advance(SECOND * 2);
    assert_eq!(bus.stats().traffic.panics, 0);
}

#[test]
fn a_task_that_cancels_itself_is_too_late() {
    let (clock, bus) = manual();
    let (to, own) = mpsc::channel::<ScheduledTask>();
    let (said, in_time) = mpsc::channel();
    let task = bus.schedule_at(SECOND, move || said.send(own.recv().unwrap().cancel()).unwrap());
    to.send(task).unwrap();
    clock.advance(SECOND);
    assert_eq!(in_time.try_recv(), Ok(false));
}

/// G9: a panic of a task, or of the destructor of what it has captured.
#[test]
fn a_panic_is_reported_and_the_next_task_runs() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in the destructor");
        }
    }

    let (clock, bus) = manual();
    let events = bus.events();
    let (to, names) = mpsc::channel();
    bus.schedule_at(SECOND, || panic!("in the task")).detach();
    task(&bus, SECOND, "next", &to).detach();
    let bomb = Bomb;
    assert!(bus.schedule_at(SECOND, move || drop(bomb)).cancel());
    clock.advance(SECOND);
    assert_eq!((told(&names), bus.stats().traffic.panics), (vec!["next"], 2));
    let messages: Vec<_> = std::iter::from_fn(|| events.try_recv())
        .map(|event| match event {
            Event::UserCodePanicked { code, message } => format!("{code} {message}"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(messages, ["a destructor in the destructor", "a closure in the task"]);
}

#[test]
fn no_task_is_begun_on_a_closed_bus() {
    let (clock, bus) = manual();
    let (to, names) = mpsc::channel();
    let closing = bus.clone();
    bus.schedule_at(SECOND, move || closing.close()).detach();
    let after = task(&bus, SECOND, "after", &to);
    let (there, seen) = captured();
    bus.schedule_at(SECOND * 2, move || drop(there)).detach();
    clock.advance(SECOND);
    assert_eq!((clock.timers(), seen.upgrade()), (0, None), "the close has dropped what was to come");
    assert!(!after.cancel(), "it was not this that cancelled it");
    let (there, seen) = captured();
    let late = bus.schedule_at(SECOND * 2, move || drop(there));
    assert_eq!((clock.timers(), seen.upgrade()), (0, None));
    clock.advance(SECOND * 5);
    assert!(!late.cancel());
    assert_eq!(told(&names), [""; 0]);
}

/// Tasks end with the bus, even if its timers are still in use.
#[test]
fn a_task_does_not_keep_the_bus_alive() {
    let (clock, bus) = manual();
    let sleep = bus.sleep(SECOND);
    let (there, seen) = captured();
    bus.schedule_at(SECOND, move || unreachable!("{there:?} goes with the bus")).detach();
    drop(bus);
    assert_eq!((clock.timers(), seen.upgrade()), (0, None));
    clock.advance(SECOND);
    assert!(sleep.is_elapsed());
}

#[test]
fn a_task_may_drop_the_last_handle_of_the_bus() {
    for (clock, bus) in [(Some(Clock::manual()), None), (None, Some(Bus::new()))] {
        let bus = bus.unwrap_or_else(|| Bus::builder().clock(clock.as_ref().unwrap()).build());
        let (done, dropped) = mpsc::channel();
        let (there, seen) = captured();
        let (go, gone) = mpsc::channel::<Bus>();
        let now = bus.clock().now();
        let run = move || {
            drop(gone.recv());
            done.send(()).unwrap();
        };
        bus.schedule_at(now, run).detach();
        bus.schedule_at(now + SECOND * 3600, move || drop(there)).detach();
        go.send(bus).unwrap();
        if let Some(clock) = clock {
            clock.advance(Duration::ZERO);
        }
        dropped.recv().unwrap();
        assert!(seen.upgrade().is_none());
    }
}

/// G8: one thread, which starts with the first timer.
#[test]
fn on_the_systems_clock_the_timer_thread_runs_them() {
    let bus = Bus::new();
    let (to, threads) = mpsc::channel();
    let now = bus.clock().now();
    for (at, name) in [(2, "second"), (1, "first")] {
        let to = to.clone();
        let thread = move || std::thread::current().name().map(str::to_owned);
        bus.schedule_at(now + Duration::from_millis(at), move || to.send((name, thread())).unwrap()).detach();
    }
    let thread = Some("postroom-timer".to_owned());
    assert_eq!(threads.recv(), Ok(("first", thread.clone())));
    assert_eq!(threads.recv(), Ok(("second", thread)));
}

/// Lets all pass; the bus counts its activity for its sake.
struct Pass;

impl Observer for Pass {
    fn publish(&self, _: &PublishContext<'_>) -> PublishAction {
        PublishAction::Route { id: postroom::id::MessageId::new(1), times: 1 }
    }
}

#[test]
fn a_task_counts_as_activity_from_its_time_to_its_end() {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).observer(Arc::new(Pass)).build();
    let activity = bus.activity().unwrap().clone();
    let (app, inner) = (bus.connect(), activity.clone());
    let input = app.subscribe("a").unwrap();
    let (to, held) = mpsc::channel();
    let run = move || {
        app.publish("a", "").unwrap();
        drop(input.try_recv().unwrap());
        to.send(inner.held()).unwrap();
    };
    bus.schedule_at(SECOND, run).detach();
    assert!(activity.is_quiet(), "it is to come");
    clock.advance(SECOND);
    let held = held.recv().unwrap();
    assert!(held[0].to_string().contains("scheduled for 1s"), "{held:?}");
    assert!(activity.is_quiet(), "the thread that advanced the clock was given nothing itself: {activity:?}");
}

/// G6: neither setting, firing nor cancelling looks at the others; a square would take 10^10 steps.
#[test]
fn a_hundred_thousand_tasks() {
    let (clock, bus) = manual();
    let ran = Arc::new(());
    let tasks: Vec<_> = (0..100_000_u64)
        .map(|n| {
            let ran = ran.clone();
            bus.schedule_at(Duration::from_micros(n * 7_919 % 100_000), move || std::mem::forget(ran))
        })
        .collect();
    assert_eq!(clock.timers(), 100_000);
    for (n, task) in tasks.into_iter().enumerate() {
        // Dropped, or cancelled.
        assert!(n % 2 == 0 || task.cancel());
    }
    assert_eq!((clock.timers(), Arc::strong_count(&ran)), (0, 1), "the others were dropped");
    for n in 0..100_000_u64 {
        let ran = ran.clone();
        bus.schedule_at(Duration::from_micros(n * 7_919 % 100_000), move || std::mem::forget(ran)).detach();
    }
    clock.advance(SECOND);
    assert_eq!((clock.timers(), Arc::strong_count(&ran)), (0, 100_001));
}

/// Whatever clock the bus has.
#[test]
fn a_real_sleep_ends_while_a_manual_clock_stands_still() {
    let (clock, bus) = manual();
    let (to, woken) = mpsc::channel();
    let waker = Waker::from(Arc::new(Tell("woken", to)));
    let mut sleep = Box::pin(bus.sleep_real(Duration::from_millis(2)));
    if sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        assert_eq!(woken.recv(), Ok("woken"));
    }
    assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    assert_eq!((clock.now(), clock.timers()), (Duration::ZERO, 0));
    let mut hour = Box::pin(bus.sleep_real(SECOND * 3600));
    clock.advance(SECOND * 7200);
    assert!(hour.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
}
