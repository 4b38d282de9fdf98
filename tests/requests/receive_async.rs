//! Receiving from tasks: `recv_async` and `Stream` on any executor, several waiters, and waits that are given up.
//!
//! Goal: each message wakes one waiter, and a waiter that goes after it was woken wakes the next. Method: tasks polled by hand that count
//! how often they were woken, and the same code on two executors.

use crate::executor::{SECOND, Task, block_on, next, tokio_on};
use futures_core::stream::FusedStream;
use postroom::error::{CloseReason, RecvTimeoutError, TryRecvError};
use postroom::{Bus, Clock, Event};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

#[test]
fn a_message_wakes_one_and_the_end_wakes_all() {
    let client = Bus::new().connect();
    let subscriber = client.subscribe("a").unwrap();
    let mut waiters: Vec<_> = (0..3).map(|_| (Task::new(), Box::pin(subscriber.recv_async()))).collect();
    for (task, receive) in &mut waiters {
        assert!(task.poll(receive).is_pending() && task.poll(receive).is_pending());
    }
    for (n, (task, receive)) in waiters.iter_mut().enumerate().take(2) {
        client.publish("a", n.to_string()).unwrap();
        assert_eq!(task.woken(), 1);
        let Poll::Ready(Ok(message)) = task.poll(receive) else { panic!("the longest waiter gets it") };
        assert_eq!(message.payload_str().unwrap(), n.to_string());
    }
    subscriber.unsubscribe();
    let (task, receive) = &mut waiters[2];
    assert_eq!(task.woken(), 1);
    let Poll::Ready(Err(error)) = task.poll(receive) else { panic!("it has ended") };
    assert_eq!(error.reason, CloseReason::Unsubscribed);
}

/// The losing arm of a `select`: it was woken, and is dropped without having taken anything.
#[test]
fn a_dropped_wait_passes_its_wake_up_on_and_loses_nothing() {
    let client = Bus::new().connect();
    let subscriber = client.subscribe("a").unwrap();
    let (one, two) = (Task::new(), Task::new());
    let mut first = Box::pin(subscriber.recv_async());
    let mut second = Box::pin(subscriber.recv_async());
    assert!(one.poll(&mut first).is_pending() && two.poll(&mut second).is_pending());
    client.publish("a", "1").unwrap();
    assert_eq!(one.woken(), 1);
    drop(first);
    assert_eq!(two.woken(), 1);
    assert!(matches!(two.poll(&mut second), Poll::Ready(Ok(_))));
    // One that was never woken goes in silence.
    let mut third = Box::pin(subscriber.recv_async());
    assert!(one.poll(&mut third).is_pending());
    drop(third);
    client.publish("a", "2").unwrap();
    assert_eq!((one.woken(), two.woken(), subscriber.len()), (1, 1, 1));
}

/// The remains of a `select!` that another branch won: a future that is neither polled nor dropped. It was woken for the message,
/// and so must another be that waits behind it, on either clock.
#[test]
fn a_future_that_is_left_alone_keeps_no_thread_and_no_task_asleep() {
    for bus in [Bus::new(), Bus::builder().clock(Clock::manual()).build()] {
        let client = bus.connect();
        let subscriber = client.subscribe("a").unwrap();
        let left = Task::new();
        let mut waiters: Vec<_> = (0..3).map(|_| Box::pin(subscriber.recv_async())).collect();
        waiters.iter_mut().for_each(|waiter| assert!(left.poll(waiter).is_pending()));
        std::thread::scope(|scope| {
            let task = scope.spawn(|| block_on(subscriber.recv_async()).unwrap());
            let thread = scope.spawn(|| subscriber.recv().unwrap());
            client.publish("a", "1").unwrap();
            client.publish("a", "2").unwrap();
            let mut got = [task.join().unwrap(), thread.join().unwrap()].map(|m| m.payload_str().unwrap().to_owned());
            got.sort_unstable();
            assert_eq!(got, ["1", "2"]);
        });
        drop(waiters);
    }
}

#[test]
fn a_waiting_thread_is_woken_by_a_dropped_task() {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let client = bus.connect();
    let subscriber = client.subscribe("a").unwrap();
    let task = Task::new();
    let mut first = Box::pin(subscriber.recv_async());
    assert!(task.poll(&mut first).is_pending());
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| subscriber.recv_timeout(SECOND));
        clock.wait_for_timers(1);
        client.publish("a", "1").unwrap();
        assert_eq!(task.woken(), 1, "the task waited longer");
        drop(first);
        assert_eq!(thread.join().unwrap().unwrap().payload(), b"1");
    });
}

#[test]
fn a_stream_is_the_same_queue() {
    let client = Bus::new().connect();
    let mut subscriber = client.subscribe("a").unwrap();
    let task = Task::new();
    assert!(task.poll(&mut Box::pin(next(&mut subscriber))).is_pending());
    client.publish("a", "1").unwrap();
    client.publish("a", "2").unwrap();
    assert_eq!(task.woken(), 1);
    assert_eq!(block_on(next(&mut subscriber)).unwrap().payload(), b"1");
    assert_eq!(tokio_on(next(&mut subscriber)).unwrap().payload(), b"2");
    client.publish("a", "3").unwrap();
    subscriber.unsubscribe();
    assert_eq!(block_on(next(&mut subscriber)).unwrap().payload(), b"3");
    assert!(block_on(next(&mut subscriber)).is_none() && block_on(next(&mut subscriber)).is_none());
}

/// A stream that waits, is woken and dropped with its subscriber leaves no waiter that could be served.
#[test]
fn a_select_over_two_subscriptions_loses_nothing() {
    let bus = Bus::new();
    let client = bus.connect();
    let (a, b) = (client.subscribe("a").unwrap(), client.subscribe("b").unwrap());
    let select = || async {
        let (mut from_a, mut from_b) = (Box::pin(a.recv_async()), Box::pin(b.recv_async()));
        poll_fn(|cx| match Pin::new(&mut from_a).poll(cx) {
            Poll::Ready(message) => Poll::Ready(message),
            Poll::Pending => Pin::new(&mut from_b).poll(cx),
        })
        .await
    };
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            for n in 0..500 {
                client.publish(if n % 3 == 0 { "a" } else { "b" }, n.to_string()).unwrap();
            }
        });
        let mut got: Vec<u32> = (0..250)
            .flat_map(|_| [block_on(select()), tokio_on(select())])
            .map(|message| message.unwrap().payload_str().unwrap().parse().unwrap())
            .collect();
        publisher.join().unwrap();
        got.sort_unstable();
        assert_eq!(got, (0..500).collect::<Vec<_>>());
    });
    assert!(bus.stats().ledger.balances());
}

/// Threads and tasks on one subscriber: each message goes to one of them, and all of them see the end.
#[test]
fn threads_and_tasks_share_a_subscriber() {
    let bus = Bus::new();
    let client = bus.connect();
    let subscriber = client.subscribe("a").unwrap();
    std::thread::scope(|scope| {
        let receivers = [
            scope.spawn(|| subscriber.iter().count()),
            scope.spawn(|| {
                block_on(async {
                    let mut count = 0;
                    while subscriber.recv_async().await.is_ok() {
                        count += 1;
                    }
                    count
                })
            }),
            scope.spawn(|| {
                tokio_on(async {
                    let mut count = 0;
                    while subscriber.recv_async().await.is_ok() {
                        count += 1;
                    }
                    count
                })
            }),
        ];
        for _ in 0..3000 {
            client.publish("a", "").unwrap();
        }
        subscriber.unsubscribe();
        let total: usize = receivers.into_iter().map(|receiver| receiver.join().unwrap()).sum();
        assert_eq!(total, 3000);
    });
}

#[test]
fn blocking_waits_tell_time_and_end_apart() {
    let clock = Clock::manual();
    let client = Bus::builder().clock(&clock).build().connect();
    let subscriber = client.subscribe("a").unwrap();
    assert_eq!(subscriber.try_recv().unwrap_err(), TryRecvError::Empty);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| subscriber.recv_timeout(SECOND));
        clock.wait_for_timers(1);
        clock.advance(SECOND);
        assert_eq!(waiting.join().unwrap().unwrap_err(), RecvTimeoutError::Timeout);
        let waiting = scope.spawn(|| subscriber.recv_timeout(SECOND));
        clock.wait_for_timers(1);
        client.publish("a", "1").unwrap();
        assert_eq!(waiting.join().unwrap().unwrap().payload(), b"1");
        let waiting = scope.spawn(|| subscriber.recv_timeout(SECOND));
        clock.wait_for_timers(1);
        client.close();
        assert_eq!(waiting.join().unwrap().unwrap_err(), RecvTimeoutError::Closed(CloseReason::ClientClosed));
    });
    assert_eq!(subscriber.try_recv().unwrap_err(), TryRecvError::Closed(CloseReason::ClientClosed));
    assert_eq!(subscriber.recv().unwrap_err().reason, CloseReason::ClientClosed);
    assert_eq!(clock.timers(), 0);
    assert_eq!(subscriber.into_iter().count(), 0);
}

#[test]
fn a_wait_of_a_task_may_have_a_limit() {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let client = bus.connect();
    let subscriber = client.subscribe("a").unwrap();
    let task = Task::new();
    let mut receive = Box::pin(subscriber.recv_timeout_async(SECOND));
    assert!(task.poll(&mut receive).is_pending());
    clock.advance(SECOND / 2);
    assert_eq!((task.woken(), task.poll(&mut receive)), (0, Poll::Pending));
    clock.advance(SECOND / 2);
    assert_eq!((task.woken(), task.poll(&mut receive)), (1, Poll::Ready(Err(RecvTimeoutError::Timeout))));
    drop(receive);
    assert_eq!(clock.timers(), 0);
    // A message comes before the limit, and one that is there after it.
    let mut receive = Box::pin(subscriber.recv_timeout_async(SECOND));
    assert!(task.poll(&mut receive).is_pending());
    client.publish("a", "1").unwrap();
    assert!(matches!(task.poll(&mut receive), Poll::Ready(Ok(message)) if message.payload() == b"1"));
    drop(receive);
    client.publish("a", "2").unwrap();
    assert_eq!(block_on(subscriber.recv_timeout_async(Duration::ZERO)).unwrap().payload(), b"2");
    subscriber.unsubscribe();
    let ended = RecvTimeoutError::Closed(CloseReason::Unsubscribed);
    assert_eq!(block_on(subscriber.recv_timeout_async(SECOND)), Err(ended));
    assert_eq!(clock.timers(), 0);
}

/// Two streams of one subscriber share its messages; neither takes a wake-up from the other, and one that is dropped leaves nothing.
#[test]
fn a_stream_may_borrow_its_subscriber() {
    let client = Bus::new().connect();
    let subscriber = client.subscribe("a").unwrap();
    let (one, two) = (Task::new(), Task::new());
    let (mut first, mut second) = (subscriber.stream(), subscriber.stream());
    assert!(one.poll(&mut Box::pin(next(&mut first))).is_pending());
    assert!(two.poll(&mut Box::pin(next(&mut second))).is_pending());
    client.publish("a", "1").unwrap();
    assert_eq!((one.woken(), two.woken()), (1, 1));
    assert!(matches!(two.poll(&mut Box::pin(next(&mut second))), Poll::Ready(Some(_))));
    assert!(one.poll(&mut Box::pin(next(&mut first))).is_pending());
    let held = std::sync::Arc::strong_count(&one);
    drop(first);
    assert_eq!(std::sync::Arc::strong_count(&one), held - 1, "its waker is gone");
    assert!(!second.is_terminated());
    subscriber.unsubscribe();
    assert_eq!(block_on(next(&mut second)), None);
    assert!(second.is_terminated() && !subscriber.is_terminated(), "each stream knows its own end");
}

/// The receiving calls of the streams of events.
#[test]
fn events_are_received_as_messages_are() {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let events = bus.events();
    let (one, two) = (Task::new(), Task::new());
    let mut limited = Box::pin(events.recv_timeout_async(SECOND));
    assert!(one.poll(&mut limited).is_pending());
    clock.advance(SECOND);
    assert_eq!((one.woken(), one.poll(&mut limited)), (1, Poll::Ready(None)));
    drop(limited);
    // If two tasks wait, the first is not relied upon.
    let (mut first, mut second) = (Box::pin(events.recv_async()), Box::pin(events.recv_async()));
    assert!(one.poll(&mut first).is_pending() && two.poll(&mut second).is_pending());
    drop(bus.connect());
    assert_eq!((one.woken(), two.woken()), (2, 1));
    assert!(matches!(two.poll(&mut second), Poll::Ready(Some(Event::ClientClosed { .. }))));
    drop((first, second));
    bus.close();
    assert_eq!((block_on(events.recv_async()), block_on(events.recv_async())), (Some(Event::BusClosed), None));
    assert_eq!((events.recv(), events.try_recv(), events.recv_timeout(SECOND)), (None, None, None));
}
