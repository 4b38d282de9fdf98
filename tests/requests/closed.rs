//! Waiting for the end of a bus.

use crate::executor::{Task, block_on};
use postroom::Bus;
use std::task::Poll;

#[test]
fn it_ends_when_the_bus_is_closed_for_each_who_waits() {
    let bus = Bus::new();
    let (mut one, mut two) = (bus.closed(), bus.closed());
    let (first, second) = (Task::new(), Task::new());
    for _ in 0..3 {
        assert_eq!(first.poll(&mut one), Poll::Pending);
    }
    assert_eq!(second.poll(&mut two), Poll::Pending);
    bus.close();
    assert_eq!((first.woken(), second.woken()), (1, 1));
    assert_eq!(first.poll(&mut one), Poll::Ready(()));
    assert_eq!(first.poll(&mut one), Poll::Ready(()), "it stays over");
    assert_eq!(second.poll(&mut two), Poll::Ready(()));
    block_on(bus.closed());
}

#[test]
fn it_ends_with_a_drain_too_and_dropping_it_leaves_nobody_to_wake() {
    let bus = Bus::new();
    let client = bus.connect();
    let jobs = client.subscribe("jobs").unwrap();
    client.publish("jobs", "last").unwrap();
    let (mut closed, mut dropped) = (bus.closed(), bus.closed());
    let (task, other) = (Task::new(), Task::new());
    assert_eq!(other.poll(&mut dropped), Poll::Pending);
    drop(dropped);
    let drain = bus.drain();
    assert_eq!(task.poll(&mut closed), Poll::Pending);
    jobs.recv().unwrap();
    drain.wait();
    assert_eq!((task.woken(), other.woken()), (1, 0));
    assert_eq!(task.poll(&mut closed), Poll::Ready(()));
}

#[test]
fn a_thread_that_waits_is_woken_by_another_that_closes() {
    let bus = Bus::new();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| block_on(bus.closed()));
        bus.close();
        waiting.join().unwrap();
    });
}
