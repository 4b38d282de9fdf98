//! Publishing from tasks under `OverflowPolicy::Block`: the task waits, its thread does not.

use crate::executor::{SECOND, Task, block_on, tokio_on};
use futures_core::future::FusedFuture;
use postroom::error::RespondError;
use postroom::stats::DropReason;
use postroom::{Bus, Client, Clock, HeaderMap, ManualClock, Message, OverflowPolicy, SubscribeOptions, Subscriber};
use std::task::Poll;
use std::time::Duration;

fn room(capacity: usize) -> (Client, ManualClock, Subscriber) {
    let clock = Clock::manual();
    let client = Bus::builder().clock(&clock).build().connect();
    let options = SubscribeOptions::new().capacity(capacity).overflow(OverflowPolicy::Block(SECOND));
    let subscriber = client.subscribe_with("a", options).unwrap();
    (client, clock, subscriber)
}

#[test]
fn what_has_room_is_delivered_at_the_call() {
    let (client, clock, subscriber) = room(2);
    let other = client.subscribe(">").unwrap();
    let first = client.publish_async("a", "1");
    assert_eq!((subscriber.len(), other.len()), (1, 1));
    assert_eq!(block_on(first).unwrap(), 2);
    assert_eq!(block_on(client.publish_message_async(&Message::new("a", "2").unwrap())).unwrap(), 2);
    let full = client.publish_async("a", "3");
    assert_eq!((subscriber.len(), other.len(), clock.timers()), (2, 3, 0), "the others have it");
    subscriber.recv().unwrap();
    assert_eq!(block_on(full).unwrap(), 2);
    assert!(block_on(client.publish_async("a.*", "")).is_err());
    client.close();
    assert!(block_on(client.publisher("a").unwrap().publish_async("")).is_err());
}

#[test]
fn a_place_wakes_the_task_and_the_deadline_ends_it() {
    let (client, clock, subscriber) = room(1);
    client.publish("a", "1").unwrap();
    let (task, mut waiting) = (Task::new(), client.publish_async("a", "2"));
    assert!(task.poll(&mut waiting).is_pending());
    assert_eq!(clock.timers(), 1);
    assert_eq!(subscriber.recv().unwrap().payload(), b"1");
    assert_eq!(task.woken(), 1);
    assert!(matches!(task.poll(&mut waiting), Poll::Ready(Ok(1))));
    assert_eq!((clock.timers(), subscriber.len()), (0, 1));
    let mut late = client.publish_async("a", "3");
    assert!(task.poll(&mut late).is_pending());
    clock.advance(SECOND);
    assert_eq!(task.woken(), 2);
    assert!(matches!(task.poll(&mut late), Poll::Ready(Ok(0))));
    assert_eq!(subscriber.ledger().dropped.of(DropReason::BlockTimeout), 1);
}

/// One thread runs both ends: if the publisher blocked it, no receiver could make room.
#[test]
fn a_publisher_and_a_receiver_share_one_executor_thread() {
    let run = |on: fn(Client, Subscriber)| {
        let client = Bus::new().connect();
        let options = SubscribeOptions::new().capacity(2).overflow(OverflowPolicy::Block(Duration::MAX));
        let subscriber = client.subscribe_with("a", options).unwrap();
        on(client, subscriber);
    };
    run(|client, subscriber| {
        tokio_on(async {
            let publisher = tokio::task::spawn_local(async move {
                let prepared = client.publisher("a").unwrap();
                for n in 0..500 {
                    assert_eq!(client.publish_async("a", (2 * n).to_string()).await.unwrap(), 1);
                    assert_eq!(prepared.publish_async((2 * n + 1).to_string()).await.unwrap(), 1);
                }
            });
            for n in 0..1000 {
                assert_eq!(subscriber.recv_async().await.unwrap().payload_str().unwrap(), n.to_string());
            }
            publisher.await.unwrap();
        });
    });
}

#[test]
fn waiting_publishers_get_room_in_turn() {
    let (client, _, subscriber) = room(1);
    client.publish("a", "0").unwrap();
    let mut waiting: Vec<_> = (1..=3).map(|n| (Task::new(), client.publish_async("a", n.to_string()))).collect();
    for (task, publish) in &mut waiting {
        assert!(task.poll(publish).is_pending());
    }
    for (n, (task, publish)) in waiting.iter_mut().enumerate() {
        assert_eq!(subscriber.recv().unwrap().payload_str().unwrap(), n.to_string());
        assert_eq!(task.woken(), 1);
        assert!(matches!(task.poll(publish), Poll::Ready(Ok(1))));
    }
}

/// One that is woken and then dropped passes the place on.
#[test]
fn a_dropped_future_passes_its_wake_up_on() {
    let client = Bus::new().connect();
    let options = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(Duration::MAX));
    let subscriber = client.subscribe_with("a", options).unwrap();
    client.publish("a", "0").unwrap();
    let (one, two) = (Task::new(), Task::new());
    let mut first = client.publish_async("a", "1");
    let mut second = client.publish_async("a", "2");
    assert!(one.poll(&mut first).is_pending() && two.poll(&mut second).is_pending());
    subscriber.recv().unwrap();
    assert_eq!(one.woken(), 1);
    drop(first);
    assert_eq!(two.woken(), 1);
    assert!(matches!(two.poll(&mut second), Poll::Ready(Ok(1))));
    let ledger = subscriber.ledger();
    assert_eq!((ledger.dropped.of(DropReason::Cancelled), ledger.matched), (1, 3));
}

#[test]
fn the_end_of_the_subscription_ends_the_wait() {
    for end in [
        Subscriber::unsubscribe,
        |subscriber: &Subscriber| drop(subscriber.drain()),
        |subscriber: &Subscriber| subscriber.unsubscribe_after(1),
    ] {
        let (client, clock, subscriber) = room(1);
        client.publish("a", "0").unwrap();
        let (task, mut waiting) = (Task::new(), client.publish_async("a", "1"));
        assert!(task.poll(&mut waiting).is_pending());
        end(&subscriber);
        assert_eq!(task.woken(), 1);
        assert!(matches!(task.poll(&mut waiting), Poll::Ready(Ok(0))));
        assert_eq!((clock.timers(), subscriber.ledger().matched), (0, 1));
    }
}

/// A channel of the user's has no wake-up for room: the task looks again in real time, without a move of a manual clock. Only the end of the
/// wait is the clock's.
#[test]
fn a_users_channel_is_tried_again_in_real_time() {
    let (client, clock, _) = room(1);
    let (tx, rx) = crossbeam_channel::bounded(1);
    let _guard = client
        .subscribe_channel_with("b", SubscribeOptions::new().overflow(OverflowPolicy::Block(SECOND)), tx)
        .unwrap();
    client.publish("b", "1").unwrap();
    let publisher = client.clone();
    let publishing = std::thread::spawn(move || block_on(publisher.publish_async("b", "2")).unwrap());
    clock.wait_for_timers(1);
    for text in ["1", "2"] {
        let message = rx.recv_timeout(Duration::from_secs(30)).expect("published with no move of the clock");
        assert_eq!(message.payload_str().unwrap(), text);
    }
    assert_eq!((publishing.join().unwrap(), clock.timers()), (1, 0));
    // Nothing is read: the wait ends when the clock says so.
    client.publish("b", "3").unwrap();
    let (task, mut waiting) = (Task::new(), client.publish_async("b", "4"));
    assert!(task.poll(&mut waiting).is_pending());
    for times in 1..=3 {
        // Not polled meanwhile: each poll tries again at once, and begins the pause anew.
        while task.woken() < times {
            std::thread::yield_now();
        }
        assert!(task.poll(&mut waiting).is_pending());
    }
    assert_eq!((clock.timers(), clock.next_timer()), (1, Some(SECOND)));
    clock.advance(SECOND);
    assert_eq!(block_on(&mut waiting), Ok(0));
    // A future that is dropped takes its timers back.
    let mut dropped = client.publish_async("b", "5");
    assert!(task.poll(&mut dropped).is_pending());
    drop(dropped);
    assert_eq!(clock.timers(), 0);
}

/// A response waits for room as a publish does, and the task with it.
#[test]
fn a_response_may_wait_without_its_thread() {
    let (client, clock, full) = room(1);
    let service = client.subscribe("svc").unwrap();
    client.publish_with_reply("svc", "a", "").unwrap();
    let request = service.recv().unwrap();
    assert_eq!(block_on(request.respond_async("1")), Ok(1));
    let headers: HeaderMap = [("Id", "2")].try_into().unwrap();
    let (task, mut waiting) = (Task::new(), request.respond_with_headers_async(headers, "2"));
    assert!(task.poll(&mut waiting).is_pending() && !waiting.is_terminated());
    full.recv().unwrap();
    assert_eq!((task.woken(), task.poll(&mut waiting)), (1, Poll::Ready(Ok(1))));
    assert!(waiting.is_terminated());
    let mut late = request.respond_async("3");
    assert!(task.poll(&mut late).is_pending());
    clock.advance(SECOND);
    assert_eq!(task.poll(&mut late), Poll::Ready(Ok(0)));
    assert_eq!(full.recv().unwrap().headers().get("Id"), Some("2"));
    assert_eq!(full.ledger().dropped.of(DropReason::BlockTimeout), 1);
    let by_hand = Message::new("svc", "").unwrap().with_reply("a").unwrap();
    assert_eq!(block_on(by_hand.respond_async("")), Err(RespondError::NoReply));
}

/// A publish that waits for room, was woken for it and is neither polled nor dropped: the room is another's as well, on either clock.
#[test]
fn a_publish_that_is_left_alone_keeps_no_other_asleep() {
    for bus in [Bus::new(), Bus::builder().clock(Clock::manual()).build()] {
        let client = bus.connect();
        let options = || SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(Duration::MAX));
        let subscriber = client.subscribe_with("a", options()).unwrap();
        client.publish("a", "0").unwrap();
        let left = Task::new();
        let mut waiters: Vec<_> = (0..3).map(|_| client.publish_async("a", "left")).collect();
        waiters.iter_mut().for_each(|waiter| assert!(left.poll(waiter).is_pending()));
        let task = Task::new();
        let mut waits = client.publish_async("a", "1");
        assert!(task.poll(&mut waits).is_pending());
        assert_eq!(subscriber.recv().unwrap().payload(), b"0");
        // The first is woken at once, and of those behind it this one in the end.
        while task.woken() == 0 {
            std::thread::yield_now();
        }
        assert!(matches!(task.poll(&mut waits), Poll::Ready(Ok(1))));
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| client.publish("a", "2").unwrap());
            assert_eq!(subscriber.recv().unwrap().payload(), b"1");
            assert_eq!((thread.join().unwrap(), subscriber.recv().unwrap().payload()), (1, &b"2"[..]));
        });
        drop(waiters);
        assert_eq!(subscriber.ledger().dropped.of(DropReason::Cancelled), 3);
    }
}

/// All subscriptions with a copy end while it waits: then the message matched none, as for a publish that blocks its thread.
#[test]
fn a_publish_whose_subscriptions_end_while_it_waits_is_unmatched() {
    /// The count of unmatched messages and the statuses at the reply subject, after the only subscription has ended while `publish` waited.
    fn outcome(publish: impl FnOnce(&Client, &ManualClock, Subscriber, &Message) -> usize) -> (u64, Vec<u16>) {
        let (client, clock, full) = room(1);
        let notices = client.subscribe("answers").unwrap();
        client.publish("a", "1").unwrap();
        let message = Message::new("a", "2").unwrap().with_reply("answers").unwrap();
        assert_eq!(publish(&client, &clock, full, &message), 0);
        let stats = client.bus().stats();
        assert!(stats.ledger.balances(), "{stats:?}");
        let statuses = std::iter::from_fn(|| notices.try_recv().ok()).map(|notice| notice.status().unwrap().as_u16());
        (stats.traffic.unmatched, statuses.collect())
    }
    let blocking = outcome(|client, clock, full, message| {
        std::thread::scope(|scope| {
            let publishing = scope.spawn(|| client.publish_message(message).unwrap());
            clock.wait_for_timers(1);
            drop(full);
            publishing.join().unwrap()
        })
    });
    let in_a_task = outcome(|client, _, full, message| {
        let (task, mut waiting) = (Task::new(), client.publish_message_async(message));
        assert!(task.poll(&mut waiting).is_pending());
        assert_eq!(client.bus().stats().traffic.unmatched, 0, "not known yet");
        drop(full);
        block_on(waiting).unwrap()
    });
    assert_eq!(blocking, (1, vec![503]));
    assert_eq!(in_a_task, blocking);
    // One of two is enough for a match.
    let one_of_two = outcome(|client, clock, full, message| {
        let options = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(SECOND));
        let other = client.subscribe_with("*", options).unwrap();
        client.publish("b", "").unwrap();
        let (task, mut waiting) = (Task::new(), client.publish_message_async(message));
        assert!(task.poll(&mut waiting).is_pending());
        drop(full);
        assert!(task.poll(&mut waiting).is_pending());
        clock.advance(SECOND);
        let accepted = block_on(waiting).unwrap();
        drop(other);
        accepted
    });
    assert_eq!(one_of_two, (0, vec![]));
}
