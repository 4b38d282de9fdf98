//! G3: two messages from one publisher thread reach one subscriber in the order they were published.
//!
//! Goal: order for every kind of receiver and every policy, with several publishers at once. Method: publishers number their
//! messages, receivers check that each publisher's numbers only ever grow; also for what callbacks publish.

use crate::common::{FOREVER, POLICIES, bus, buses, number};
use postroom::{Client, OverflowPolicy, SubscribeOptions};
use std::collections::HashMap;
use std::sync::{Arc, Barrier, Mutex};

const PUBLISHERS: u64 = 3;
const MESSAGES: u64 = 3_000;

/// Each publisher's numbers grow; gives back how many there were of each.
fn check(got: impl IntoIterator<Item = (u64, u64)>) -> HashMap<u64, u64> {
    let (mut last, mut counts) = (HashMap::new(), HashMap::new());
    for (publisher, n) in got {
        *counts.entry(publisher).or_insert(0) += 1;
        if let Some(before) = last.insert(publisher, n) {
            assert!(before < n, "publisher {publisher}: {n} after {before}");
        }
    }
    counts
}

fn parse(text: &str) -> (u64, u64) {
    let (publisher, n) = text.split_once(':').expect("two numbers");
    (publisher.parse().unwrap(), n.parse().unwrap())
}

fn publish_all(client: &Client, publisher: u64) {
    let prepared = client.publisher("a.b").unwrap();
    for n in 0..MESSAGES {
        let text = format!("{publisher}:{n}");
        if n % 3 == 0 {
            prepared.publish(text).unwrap()
        } else {
            client.publish("a.b", text).unwrap()
        };
    }
}

#[test]
fn many_publishers_under_every_policy() {
    // Below, at and above what fits the ring before the spill.
    for (policy, capacity) in POLICIES.into_iter().flat_map(|policy| [(policy, 5), (policy, 64), (policy, 1000)]) {
        let bus = bus(16, 1024);
        let client = bus.connect();
        let options = SubscribeOptions::new().capacity(capacity).overflow(policy);
        let subscriber = client.subscribe_with("a.*", options).unwrap();
        let ready = Barrier::new(PUBLISHERS as usize);
        let got = std::thread::scope(|scope| {
            let publishers: Vec<_> = (0..PUBLISHERS)
                .map(|publisher| {
                    let (bus, ready) = (&bus, &ready);
                    scope.spawn(move || {
                        ready.wait();
                        publish_all(&bus.connect(), publisher);
                    })
                })
                .collect();
            let receiver = scope.spawn(|| {
                let got: Vec<_> = subscriber.iter().map(|message| parse(message.payload_str().unwrap())).collect();
                got
            });
            for publisher in publishers {
                publisher.join().unwrap();
            }
            subscriber.unsubscribe();
            receiver.join().unwrap()
        });
        let ledger = subscriber.ledger();
        assert!(ledger.balances(), "{policy:?} {ledger:?}");
        assert_eq!(ledger.delivered, got.len() as u64);
        let counts = check(got);
        match policy {
            OverflowPolicy::Block(_) => {
                assert!((0..PUBLISHERS).all(|publisher| counts[&publisher] == MESSAGES), "{counts:?}")
            }
            OverflowPolicy::Close => {}
            _ => assert_eq!(ledger.matched, PUBLISHERS * MESSAGES),
        }
    }
}

#[test]
fn several_receivers_share_a_queue_without_going_back() {
    for capacity in [5, 64, 1000] {
        let bus = bus(16, 1024);
        let client = bus.connect();
        let options = SubscribeOptions::new().capacity(capacity).overflow(OverflowPolicy::Block(FOREVER));
        let subscriber = client.subscribe_with("a.*", options).unwrap();
        std::thread::scope(|scope| {
            let receivers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let got = subscriber.iter().map(|message| parse(message.payload_str().unwrap()));
                        // Messages that one receiver takes one after the other were published one after
                        // the other.
                        check(got).values().sum::<u64>()
                    })
                })
                .collect();
            (0..PUBLISHERS)
                .map(|publisher| {
                    let bus = &bus;
                    scope.spawn(move || publish_all(&bus.connect(), publisher))
                })
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|publisher| publisher.join().unwrap());
            subscriber.unsubscribe();
            let total: u64 = receivers.into_iter().map(|receiver| receiver.join().unwrap()).sum();
            assert_eq!(total, PUBLISHERS * MESSAGES, "each message to one of them");
        });
    }
}

#[test]
fn channels_and_callbacks_keep_the_order_of_each_publisher() {
    for bus in buses() {
        let client = bus.connect();
        let (tx, rx) = crossbeam_channel::unbounded();
        let guard = client.subscribe_channel("a.*", tx).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let called = {
            let seen = seen.clone();
            client.subscribe_fn("a.b", move |message| seen.lock().unwrap().push(parse(message.payload_str().unwrap())))
        };
        std::thread::scope(|scope| {
            for publisher in 0..PUBLISHERS {
                let bus = &bus;
                scope.spawn(move || publish_all(&bus.connect(), publisher));
            }
        });
        drop(guard);
        let by_channel = check(rx.iter().map(|message| parse(message.payload_str().unwrap())));
        assert!((0..PUBLISHERS).all(|publisher| by_channel[&publisher] == MESSAGES));
        assert_eq!(check(seen.lock().unwrap().drain(..)), by_channel);
        drop(called);
    }
}

/// Members of a group get different messages; each member's own only ever grow.
#[test]
fn a_group_member_gets_its_share_in_order() {
    for bus in buses() {
        let client = bus.connect();
        let members = ["a.b", "a.*", ">"].map(|pattern| client.queue_subscribe(pattern, "g").unwrap());
        std::thread::scope(|scope| {
            for publisher in 0..PUBLISHERS {
                let bus = &bus;
                scope.spawn(move || publish_all(&bus.connect(), publisher));
            }
        });
        let total: u64 = members
            .iter()
            .map(|member| check(member.try_iter().map(|message| parse(message.payload_str().unwrap()))))
            .map(|counts| counts.values().sum::<u64>())
            .sum();
        assert_eq!(total, PUBLISHERS * MESSAGES);
    }
}

/// A callback publishes 2 while handling 1, and the thread then publishes 3: every subscriber sees 1, 2, 3, whichever is
/// called first.
#[test]
fn what_a_callback_publishes_comes_after_what_it_handles() {
    for bus in buses() {
        for chain_first in [true, false] {
            let client = bus.connect();
            let log = Arc::new(Mutex::new(Vec::new()));
            let listen = || {
                let log = log.clone();
                client.subscribe_fn("n", move |message| log.lock().unwrap().push(number(&message))).unwrap()
            };
            let before = (!chain_first).then(listen);
            let publisher = client.clone();
            let chain = client
                .subscribe_fn("n", move |message| {
                    // Up to 100, in steps of 1, from within the callback each time.
                    let n = number(&message);
                    if !n.is_multiple_of(100) {
                        publisher.publish("n", (n + 1).to_string()).unwrap();
                    }
                })
                .unwrap();
            let after = chain_first.then(listen);
            let queue = client.subscribe("n").unwrap();
            client.publish("n", "1").unwrap();
            client.publish("n", "101").unwrap();
            let wanted: Vec<u64> = (1..=200).collect();
            assert_eq!(*log.lock().unwrap(), wanted);
            assert_eq!(queue.try_iter().map(|message| number(&message)).collect::<Vec<_>>(), wanted);
            drop((before, chain, after));
        }
    }
}

/// Several publishes within one callback, to callbacks that publish themselves: breadth first, as a queue.
#[test]
fn nested_publishes_of_one_callback_keep_their_order() {
    let client = bus(16, 1024).connect();
    let log = Arc::new(Mutex::new(Vec::new()));
    let publisher = client.clone();
    let _tree = client.subscribe_fn("tree", move |message| {
        let n = number(&message);
        if n < 64 {
            publisher.publish("tree", (2 * n).to_string()).unwrap();
            publisher.publish("tree", (2 * n + 1).to_string()).unwrap();
        }
    });
    let _log = {
        let log = log.clone();
        client.subscribe_fn("tree", move |message| log.lock().unwrap().push(number(&message)))
    };
    client.publish("tree", "1").unwrap();
    assert_eq!(*log.lock().unwrap(), (1..128).collect::<Vec<u64>>());
}
