//! Full queues: waiting for room, pushing out the oldest, ending.

use crate::{SECOND, assert_in_order, assert_settled, block_on, bus, bus_on, model, numbered};
use postroom::error::CloseReason;
use postroom::stats::DropReason;
use postroom::{Bus, Clock, OverflowPolicy, SubscribeOptions, Subscriber};
use shuttle::thread;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

const NEVER: OverflowPolicy = OverflowPolicy::Block(std::time::Duration::from_secs(u64::MAX));

fn subscribed(bus: &Bus, options: SubscribeOptions) -> Arc<Subscriber> {
    Arc::new(bus.connect().subscribe_with("a", options).unwrap())
}

// Goal: a publisher that waits for room gets it from a receiver, in order and without loss (G3, G5). Method: two publishers against a
// queue of one.
#[test]
fn publishers_wait_for_room() {
    model(2_500, || {
        let bus = bus();
        let subscriber = subscribed(&bus, SubscribeOptions::new().capacity(1).overflow(NEVER));
        let publishing = [0, 1].map(|publisher| {
            let client = bus.connect();
            thread::spawn(move || {
                (0..3).for_each(|number| assert_eq!(client.publish("a", numbered(publisher, number)), Ok(1)))
            })
        });
        let received: Vec<_> = (0..6).map(|_| subscriber.recv().unwrap()).collect();
        assert_eq!(assert_in_order(&received), 6);
        publishing.into_iter().for_each(|thread| thread.join().unwrap());
        assert_settled(&bus);
    });
}

// Goal: a publisher that waits for room is let go by the end of the subscription (G2), and its message is not counted. Method: two
// publishers, one of which must wait, and an unsubscribe or a drop.
#[test]
fn the_end_lets_publishers_go() {
    for dropped in [false, true] {
        model(2_500, move || {
            let bus = bus();
            let subscriber =
                bus.connect().subscribe_with("a", SubscribeOptions::new().capacity(1).overflow(NEVER)).unwrap();
            let publishing = [0, 1].map(|_| {
                let client = bus.connect();
                thread::spawn(move || (0..2).map(|_| client.publish("a", "x").unwrap()).sum::<usize>())
            });
            if dropped {
                drop(subscriber);
            } else {
                subscriber.unsubscribe();
                assert!(subscriber.try_iter().count() <= 1);
            }
            let accepted: usize = publishing.into_iter().map(|thread| thread.join().unwrap()).sum();
            assert!(accepted <= 2, "{accepted} went through room for one, which was emptied at most once");
            assert_settled(&bus);
        });
    }
}

// Goal: one message that leaves may make room for several that wait (G6). Method: a queue of two bytes is full with one message; two
// publishers of one byte each wait; one take lets both in.
#[test]
fn room_for_two_wakes_two() {
    model(4_000, || {
        let bus = bus();
        let subscriber = subscribed(&bus, SubscribeOptions::new().capacity_bytes(2).overflow(NEVER));
        let client = bus.connect();
        assert_eq!(client.publish("a", "xx"), Ok(1));
        let publishing = [0, 1].map(|_| {
            let client = client.clone();
            thread::spawn(move || assert_eq!(client.publish("a", "x"), Ok(1)))
        });
        assert_eq!(subscriber.recv().unwrap().payload(), b"xx");
        publishing.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(subscriber.len(), 2);
        assert_settled(&bus);
    });
}

// Goal: one that waits and does not fit does not stand in the way of one that does. Method: as above, with one publisher of two bytes
// and one of one byte, and room for one.
#[test]
fn who_does_not_fit_lets_others_pass() {
    model(4_000, || {
        let bus = bus();
        let subscriber = subscribed(&bus, SubscribeOptions::new().capacity_bytes(2).overflow(NEVER));
        let client = bus.connect();
        (0..2).for_each(|_| assert_eq!(client.publish("a", "x"), Ok(1)));
        let large = {
            let client = client.clone();
            thread::spawn(move || assert_eq!(client.publish("a", "xx"), Ok(1)))
        };
        let small = {
            let client = client.clone();
            thread::spawn(move || assert_eq!(client.publish("a", "y"), Ok(1)))
        };
        assert_eq!(subscriber.recv().unwrap().payload(), b"x");
        small.join().unwrap();
        let rest: usize = (0..3).map(|_| subscriber.recv().unwrap().payload().len()).sum();
        assert_eq!(rest, 4);
        large.join().unwrap();
        assert_settled(&bus);
    });
}

// Goal: a task that waits for room is woken, and one that gives up passes the wake-up on and is counted (G5). Method: two tasks wait, one
// is dropped after one poll, while a receiver makes room once.
#[test]
fn a_cancelled_publish_passes_the_wake_up_on() {
    model(4_000, || {
        let bus = bus();
        let subscriber = subscribed(&bus, SubscribeOptions::new().capacity(1).overflow(NEVER));
        let client = bus.connect();
        assert_eq!(client.publish("a", "first"), Ok(1));
        let cancelling = {
            let client = client.clone();
            thread::spawn(move || {
                let mut publishing = pin!(client.publish_async("a", "cancelled"));
                publishing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
            })
        };
        let waiting = {
            let client = client.clone();
            thread::spawn(move || assert_eq!(block_on(client.publish_async("a", "waiting")), Ok(1)))
        };
        assert_eq!(subscriber.recv().unwrap().payload(), b"first");
        if cancelling.join().unwrap() {
            assert!(subscriber.recv().is_ok());
        } else {
            assert_eq!(subscriber.ledger().dropped.of(DropReason::Cancelled), 1);
        }
        waiting.join().unwrap();
        assert_settled(&bus);
    });
}

// Goal: when the time is up the message is in or counted, never both (G5). Method: a clock that is advanced while room comes up.
#[test]
fn waiting_for_room_ends_in_time() {
    model(3_000, || {
        let clock = Clock::manual();
        let bus = bus_on(&clock);
        let options = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(SECOND));
        let subscriber = subscribed(&bus, options);
        let client = bus.connect();
        assert_eq!(client.publish("a", "x"), Ok(1));
        let publishing = thread::spawn(move || client.publish("a", "x").unwrap());
        let advancing = thread::spawn(move || clock.advance(SECOND));
        let first = subscriber.recv();
        assert!(first.is_ok());
        advancing.join().unwrap();
        let accepted = publishing.join().unwrap();
        assert_eq!(subscriber.len(), accepted);
        assert_eq!(subscriber.ledger().dropped.of(DropReason::BlockTimeout), 1 - accepted as u64);
        assert_settled(&bus);
    });
}

// Goal: pushing out keeps the bound, the order and the newest message, and counts what it loses (G3, G5, G6). Method: two
// publishers against a queue of two, while a receiver takes.
#[test]
fn the_oldest_go_while_a_receiver_takes() {
    model(2_500, || {
        let bus = bus();
        let subscriber = subscribed(&bus, SubscribeOptions::new().capacity(2).overflow(OverflowPolicy::DropOldest));
        let publishing = [0, 1].map(|publisher| {
            let client = bus.connect();
            thread::spawn(move || {
                (0..3).for_each(|number| assert_eq!(client.publish("a", numbered(publisher, number)), Ok(1)))
            })
        });
        let mut received = Vec::new();
        for _ in 0..3 {
            received.extend(subscriber.try_recv());
            assert!(subscriber.len() <= 2);
        }
        publishing.into_iter().for_each(|thread| thread.join().unwrap());
        let kept: Vec<_> = subscriber.try_iter().collect();
        assert!(received.len() == 6 || !kept.is_empty() || received.last().is_some_and(|last| last.payload()[1] == 2));
        received.extend(kept);
        let taken = assert_in_order(&received);
        assert_eq!(subscriber.ledger().dropped.of(DropReason::Oldest), 6 - taken as u64);
        assert_settled(&bus);
    });
}

// Goal: a queue that ends by its policy ends once, keeps what it has, and tells (G5). Method: two publishers against a queue of one.
#[test]
fn a_slow_consumer_is_closed_once() {
    model(2_500, || {
        let bus = bus();
        let subscriber = subscribed(&bus, SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Close));
        let publishing = [0, 1].map(|_| {
            let client = bus.connect();
            thread::spawn(move || (0..2).map(|_| client.publish("a", "x").unwrap()).sum::<usize>())
        });
        let accepted: usize = publishing.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(accepted, 1);
        assert_eq!(subscriber.close_reason(), Some(CloseReason::SlowConsumer));
        assert_eq!(subscriber.iter().count(), 1);
        assert_eq!(bus.stats().subscriptions, 0);
        assert_settled(&bus);
    });
}

// Goal: a channel of the user's with a policy that waits gets the message or lets the publisher go, and the counts agree even when the guard
// is gone by then (G5). Method: a full channel, a thread that takes, one that drops the guard, and a clock that is moved on.
#[test]
fn waiting_for_a_channel_of_the_users() {
    model(2_500, || {
        let clock = Clock::manual();
        let bus = bus_on(&clock);
        let client = bus.connect();
        let (tx, rx) = crossbeam_channel::bounded(1);
        let options = SubscribeOptions::new().overflow(OverflowPolicy::Block(SECOND));
        let guard = client.subscribe_channel_with("a", options, tx).unwrap();
        assert_eq!(client.publish("a", "x"), Ok(1));
        let publishing = {
            let client = client.clone();
            thread::spawn(move || client.publish("a", "x").unwrap())
        };
        let leaving = thread::spawn(move || drop(guard));
        let taken = rx.try_recv().is_ok();
        clock.advance(SECOND);
        let accepted = publishing.join().unwrap();
        leaving.join().unwrap();
        assert!(taken);
        assert_eq!(rx.try_iter().count(), accepted);
        assert_settled(&bus);
    });
}
