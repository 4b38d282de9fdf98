//! Tasks that always find something.
//!
//! Goal: a task that takes from a full source gives its executor the thread back after a while, and is woken again at once. Method:
//! one poll of a loop over more than it may take; how much it took, and how often it was woken.

use crate::executor::{Task, next};
use postroom::request::{RequestManyOptions, ResponsesEnd};
use postroom::{Bus, OverflowPolicy, SubscribeOptions};
use std::cell::Cell;
use std::task::Poll;

/// Results in a row, as the documentation has them.
const BUDGET: usize = 128;

/// Polls a loop until it is through. `left` is how much of `count` is still there.
fn takes_turns(count: usize, left: impl Fn() -> usize, work: impl Future<Output = ()>) {
    let (task, mut work) = (Task::new(), Box::pin(work));
    let mut turns = 0;
    while task.poll(&mut work).is_pending() {
        turns += 1;
        assert_eq!((task.woken(), count - left()), (turns, turns * BUDGET));
    }
    assert_eq!((turns, left()), (count / BUDGET, 0));
}

#[test]
fn a_receiver_yields() {
    let client = Bus::new().connect();
    let options = SubscribeOptions::new().capacity(1_000);
    let mut subscriber = client.subscribe_with("a", options).unwrap();
    let fill = || {
        for _ in 0..1_000 {
            client.publish("a", "").unwrap();
        }
    };
    fill();
    let work = async {
        while !subscriber.is_empty() {
            subscriber.recv_async().await.unwrap();
        }
    };
    takes_turns(1_000, || subscriber.len(), work);
    fill();
    let (task, taken) = (Task::new(), Cell::new(0));
    let mut work = Box::pin(async {
        while taken.get() < 1_000 {
            next(&mut subscriber).await.unwrap();
            taken.set(taken.get() + 1);
        }
    });
    // The rest of the last budget comes first.
    let first = BUDGET - 1_000 % BUDGET;
    assert!(task.poll(&mut work).is_pending());
    assert_eq!((task.woken(), taken.get()), (1, first));
    assert!(task.poll(&mut work).is_pending());
    assert_eq!((task.woken(), taken.get()), (2, first + BUDGET));
}

/// A receiver that found nothing has its whole budget again.
#[test]
fn a_wait_renews_the_budget() {
    let client = Bus::new().connect();
    let subscriber = client.subscribe("a").unwrap();
    let task = Task::new();
    let take = || task.poll(&mut Box::pin(subscriber.recv_async()));
    for _ in 0..3 {
        assert!(take().is_pending());
        for _ in 0..BUDGET {
            client.publish("a", "").unwrap();
        }
        assert!((0..BUDGET - 1).all(|_| matches!(take(), Poll::Ready(Ok(_)))));
        assert!(subscriber.try_recv().is_ok());
    }
    assert_eq!(task.woken(), 0);
}

#[test]
fn events_and_answers_yield() {
    let bus = Bus::new();
    let mut events = bus.events();
    let client = bus.connect();
    for _ in 0..150 {
        // Two events: that it is slow, and that it is closed for that.
        let options = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Close);
        let slow = client.subscribe_with("slow", options).unwrap();
        client.publish("slow", "").unwrap();
        client.publish("slow", "").unwrap();
        drop(slow);
    }
    let (task, taken) = (Task::new(), Cell::new(0));
    let mut work = Box::pin(async {
        while next(&mut events).await.is_some() {
            taken.set(taken.get() + 1);
        }
    });
    assert!(task.poll(&mut work).is_pending());
    assert_eq!((task.woken(), taken.get()), (1, BUDGET));

    let _service = client.subscribe_fn("many", |request| {
        for _ in 0..300 {
            request.respond("").unwrap();
        }
    });
    let mut answers = client.request_many("many", "", RequestManyOptions::new().max(300)).unwrap();
    let (task, taken) = (Task::new(), Cell::new(0));
    let mut work = Box::pin(async {
        while next(&mut answers).await.is_some() {
            taken.set(taken.get() + 1);
        }
    });
    for turn in 1..=2 {
        assert!(task.poll(&mut work).is_pending());
        assert_eq!((task.woken(), taken.get()), (turn, turn * BUDGET));
    }
    assert!(task.poll(&mut work).is_ready());
    drop(work);
    assert_eq!(answers.end(), Some(ResponsesEnd::Max));
}
