//! Ring, spill and back: order, completeness and bounds. (In models the ring holds two messages; see `src/delivery/queue.rs`.)

use crate::{assert_in_order, assert_settled, bus, model, numbered};
use postroom::error::{CloseReason, TryRecvError};
use postroom::stats::DropReason;
use postroom::{Bus, Event, Message, SubscribeOptions, Subscriber};
use shuttle::thread::{self, JoinHandle};
use std::sync::Arc;

/// Two threads that publish `count` numbered messages each, and say how many were accepted.
fn two_publishers(bus: &Bus, count: u8) -> [JoinHandle<usize>; 2] {
    [0, 1].map(|publisher| {
        let client = bus.connect();
        thread::spawn(move || (0..count).map(|number| client.publish("a", numbered(publisher, number)).unwrap()).sum())
    })
}

fn sum(threads: [JoinHandle<usize>; 2]) -> usize {
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}

// Goal: each publisher's messages come in its order, and all of them, through the spill and back into the ring (G3, G5). Method:
// two publishers, and a receiver that keeps up at times.
#[test]
fn one_receiver_gets_all_in_order() {
    model(3_000, || {
        let bus = bus();
        let subscriber = bus.connect().subscribe("a").unwrap();
        let publishing = two_publishers(&bus, 4);
        let mut received: Vec<Message> = (0..8).map(|_| subscriber.recv().unwrap()).collect();
        assert_eq!(sum(publishing), 8);
        // The queue is empty, so that the next ones use the ring again.
        let client = bus.connect();
        (4..7).for_each(|number| assert_eq!(client.publish("a", numbered(0, number)), Ok(1)));
        received.extend(subscriber.try_iter());
        assert_eq!(assert_in_order(&received), 11);
        assert_settled(&bus);
    });
}

// Goal: the same order for each of two receivers, which between them get everything (G3, G5). Method: two publishers, two
// threads that receive until the end.
#[test]
fn two_receivers_share_all_in_order() {
    model(3_000, || {
        let bus = bus();
        let subscriber = Arc::new(bus.connect().subscribe("a").unwrap());
        let receiving = [0, 1].map(|_| {
            let subscriber = subscriber.clone();
            thread::spawn(move || assert_in_order(&subscriber.iter().collect::<Vec<_>>()))
        });
        assert_eq!(sum(two_publishers(&bus, 4)), 8);
        subscriber.unsubscribe();
        assert_eq!(sum(receiving), 8);
        assert_settled(&bus);
    });
}

// Goal: a message that was accepted can be taken at once by the thread that published it (G5). Method: two threads publish and take
// in turn; each must find one, since it put one in before.
#[test]
fn what_was_put_in_is_found() {
    model(3_000, || {
        let bus = bus();
        let subscriber = Arc::new(bus.connect().subscribe("a").unwrap());
        let threads = [0, 1].map(|publisher| {
            let (subscriber, client) = (subscriber.clone(), bus.connect());
            thread::spawn(move || {
                for number in 0..4 {
                    assert_eq!(client.publish("a", numbered(publisher, number)), Ok(1));
                }
                (0..4).filter(|_| subscriber.recv().is_ok()).count()
            })
        });
        assert_eq!(sum(threads), 8);
        assert!(subscriber.is_empty());
        assert_settled(&bus);
    });
}

fn watch_bounds(subscriber: &Subscriber, capacity: usize, bytes: usize) {
    let now = subscriber.ledger();
    assert!(now.queued as usize <= capacity, "{now:?}");
    assert!(now.queued_bytes as usize <= bytes, "{now:?}");
}

// Goal: neither bound is ever exceeded, and what is refused is counted (G5, G6). Method: two publishers against a capacity of three
// messages, then of five bytes, while the receiver looks at the counts between takes.
#[test]
fn bounds_are_kept() {
    for (capacity, bytes) in [(3, 100), (100, 5)] {
        model(2_000, move || {
            let bus = bus();
            let options = SubscribeOptions::new().capacity(capacity).capacity_bytes(bytes);
            let subscriber = bus.connect().subscribe_with("a", options).unwrap();
            let publishing = two_publishers(&bus, 4);
            let mut received = Vec::new();
            for _ in 0..4 {
                watch_bounds(&subscriber, capacity, bytes);
                received.extend(subscriber.try_recv());
            }
            let accepted = sum(publishing);
            watch_bounds(&subscriber, capacity, bytes);
            received.extend(subscriber.try_iter());
            assert_eq!(assert_in_order(&received), accepted);
            assert_eq!(subscriber.ledger().dropped.of(DropReason::QueueFull), 8 - accepted as u64);
            assert_settled(&bus);
        });
    }
}

// Goal: `unsubscribe_after(n)` lets exactly n in (D2), whichever threads publish. Method: two publishers, the limit set before or
// while they run.
#[test]
fn a_limit_is_exact() {
    for before in [true, false] {
        model(2_500, move || {
            let bus = bus();
            let subscriber = bus.connect().subscribe("a").unwrap();
            if before {
                subscriber.unsubscribe_after(3);
            }
            let publishing = two_publishers(&bus, 3);
            if !before {
                // Messages that have come already count, and may be more.
                subscriber.unsubscribe_after(3);
            }
            let accepted = sum(publishing);
            assert!(if before { accepted == 3 } else { (3..=6).contains(&accepted) }, "{accepted}");
            assert_eq!(subscriber.close_reason(), Some(CloseReason::LimitReached));
            let received: Vec<_> = subscriber.try_iter().collect();
            assert_eq!(assert_in_order(&received), accepted);
            assert_eq!(subscriber.try_recv().unwrap_err(), TryRecvError::Closed(CloseReason::LimitReached));
            assert!(!bus.has_interest("a"));
            assert_settled(&bus);
        });
    }
}

// Goal: a limit that is set while messages come is kept from then on, and ends the subscription once (D2). Method: as above, and a
// limit of more than comes: then it stays open.
#[test]
fn a_limit_beyond_what_comes_leaves_it_open() {
    model(2_000, || {
        let bus = bus();
        let subscriber = bus.connect().subscribe("a").unwrap();
        let publishing = two_publishers(&bus, 2);
        subscriber.unsubscribe_after(5);
        assert_eq!(sum(publishing), 4);
        assert_eq!(subscriber.close_reason(), None);
        assert_eq!(bus.connect().publish("a", "last"), Ok(1));
        assert_eq!(subscriber.close_reason(), Some(CloseReason::LimitReached));
        assert_eq!(subscriber.iter().count(), 5);
        assert_settled(&bus);
    });
}

// Goal: one slow-consumer episode, however many lose at once, and its count is that of the ledger (G5). Method: two publishers against
// a full queue; the events are read at the end.
#[test]
fn an_episode_counts_every_loss() {
    model(2_000, || {
        let bus = bus();
        let events = bus.events();
        let subscriber = bus.connect().subscribe_with("a", SubscribeOptions::new().capacity(1)).unwrap();
        let accepted = sum(two_publishers(&bus, 2));
        assert_eq!(accepted, 1);
        let told = std::iter::from_fn(|| events.try_recv()).filter_map(|event| match event {
            Event::SlowConsumer(episode) => Some((episode.dropped, episode.ended)),
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), [(3, false)]);
        drop(subscriber);
        assert_settled(&bus);
    });
}
