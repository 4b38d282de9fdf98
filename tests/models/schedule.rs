//! Scheduled tasks: each runs once or never, whatever comes at the moment of its turn.

use crate::{SECOND, model};
use postroom::{Bus, Clock};
use shuttle::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn bus() -> (postroom::ManualClock, Bus) {
    let clock = Clock::manual();
    let bus = Bus::builder().seed(7).shards(1).clock(&clock).build();
    (clock, bus)
}

/// A closure that counts how often it ran, and two counts of it: runs, and handles that are there.
fn counted() -> (Arc<AtomicUsize>, impl FnOnce() + Send + 'static) {
    let runs = Arc::new(AtomicUsize::new(0));
    let inner = runs.clone();
    (runs, move || drop(inner.fetch_add(1, Ordering::SeqCst)))
}

// Goal: a cancel that says that it was in time is right, and so is one that says that it was not; the closure goes either way. Method: one
// thread advances the clock over a task while another cancels it.
#[test]
fn a_cancel_against_the_tasks_turn() {
    model(3_000, || {
        let (clock, bus) = bus();
        let (runs, run) = counted();
        let task = bus.schedule_at(SECOND, run);
        let cancelling = thread::spawn(move || task.cancel());
        clock.advance(SECOND);
        let in_time = cancelling.join().unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), usize::from(!in_time));
        assert_eq!((clock.timers(), Arc::strong_count(&runs)), (0, 1));
    });
}

// Goal: a close leaves no task and no timer behind, and nothing runs afterwards but a task whose turn had come. Method: one thread
// advances the clock over a task that schedules another, while this one closes the bus.
#[test]
fn a_close_against_a_tasks_turn() {
    model(3_000, || {
        let (clock, bus) = bus();
        let (first, run_first) = counted();
        let (second, run_second) = counted();
        let inner = bus.clone();
        let run = move || {
            run_first();
            let now = inner.clock().now();
            inner.schedule_at(now, run_second).detach();
        };
        bus.schedule_at(SECOND, run).detach();
        let advancing = {
            let clock = clock.clone();
            thread::spawn(move || clock.advance(SECOND))
        };
        bus.close();
        advancing.join().unwrap();
        let runs = (first.load(Ordering::SeqCst), second.load(Ordering::SeqCst));
        assert!(matches!(runs, (0, 0) | (1, 0) | (1, 1)), "{runs:?}");
        assert_eq!((clock.timers(), Arc::strong_count(&first), Arc::strong_count(&second)), (0, 1, 1));
        clock.advance(SECOND);
        assert_eq!((first.load(Ordering::SeqCst), second.load(Ordering::SeqCst)), runs);
    });
}

// Goal: two threads that advance the clock run a task once, and none passes it by. Method: as it says.
#[test]
fn two_advances_run_a_task_once() {
    model(3_000, || {
        let (clock, bus) = bus();
        let (runs, run) = counted();
        let scheduling = {
            let (clock, bus) = (clock.clone(), bus.clone());
            thread::spawn(move || {
                bus.schedule_at(SECOND, run).detach();
                clock.advance(SECOND);
            })
        };
        clock.advance(SECOND);
        scheduling.join().unwrap();
        assert_eq!((runs.load(Ordering::SeqCst), clock.timers(), Arc::strong_count(&runs)), (1, 0, 1));
    });
}
