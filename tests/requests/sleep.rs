//! Waiting for nothing but time.

use crate::executor::{SECOND, Task, block_on};
use postroom::{Bus, Clock};
use std::task::Poll;
use std::time::Duration;

#[test]
fn it_ends_when_the_manual_clock_shows_its_time() {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    clock.advance(SECOND);
    let (mut sleep, task) = (bus.sleep(SECOND * 2), Task::new());
    assert_eq!(task.poll(&mut sleep), Poll::Pending);
    assert_eq!((clock.timers(), clock.next_timer()), (1, Some(SECOND * 3)));
    clock.advance(SECOND * 2 - Duration::from_nanos(1));
    assert_eq!((task.woken(), sleep.is_elapsed()), (0, false));
    clock.advance(Duration::from_nanos(1));
    assert_eq!((task.woken(), sleep.is_elapsed(), clock.timers()), (1, true, 0));
    assert_eq!(task.poll(&mut sleep), Poll::Ready(()));
    assert_eq!(task.poll(&mut sleep), Poll::Ready(()), "it stays over");
}

/// Also the case of a `select!` in a loop: one timer, however often it is polled, and for the task that polled last.
#[test]
fn it_holds_one_timer_and_takes_it_back() {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let (mut sleep, first, second) = (bus.sleep(SECOND), Task::new(), Task::new());
    for _ in 0..3 {
        assert_eq!(first.poll(&mut sleep), Poll::Pending);
    }
    assert_eq!(second.poll(&mut sleep), Poll::Pending);
    assert_eq!(clock.timers(), 1);
    clock.advance(SECOND);
    assert_eq!((first.woken(), second.woken()), (0, 1));
    let mut dropped = bus.sleep(SECOND);
    assert_eq!(first.poll(&mut dropped), Poll::Pending);
    drop(dropped);
    assert_eq!(clock.timers(), 0);
}

#[test]
fn no_time_passes_at_once_and_all_time_never() {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let task = Task::new();
    assert_eq!(task.poll(&mut bus.sleep(Duration::ZERO)), Poll::Ready(()));
    clock.advance(SECOND);
    let mut never = bus.sleep(Duration::MAX);
    assert_eq!((task.poll(&mut never), clock.timers()), (Poll::Pending, 0));
}

#[test]
fn it_runs_on_the_systems_clock_and_outlives_the_bus() {
    let bus = Bus::new();
    let before = bus.clock().now();
    block_on(bus.sleep(Duration::from_millis(2)));
    assert!(bus.clock().now() - before >= Duration::from_millis(2));
    let sleep = bus.sleep(Duration::from_millis(2));
    bus.close();
    drop(bus);
    block_on(sleep);
}
