//! G3 where a queue changes its form: the ring takes 64 messages, more go to the spill until all are taken.
//!
//! Goal: no message overtakes another at any of the changes, in whatever rhythm they come and go. Method: on one thread every
//! pattern of filling and taking around the edge, on two threads a publisher and a receiver that keep the queue near the edge.

use crate::common::{FOREVER, POLICIES, bus, number};
use postroom::{OverflowPolicy, SubscribeOptions};
use proptest::prelude::*;
use std::collections::VecDeque;

/// Fills by one list, takes by the other, and compares with a plain queue.
fn rhythm(policy: OverflowPolicy, capacity: usize, steps: &[(usize, usize)]) {
    let client = bus(1, 0).connect();
    let options = SubscribeOptions::new().capacity(capacity).overflow(policy);
    let subscriber = client.subscribe_with("a", options).unwrap();
    let (mut model, mut next) = (VecDeque::new(), 0u64);
    for &(fill, take) in steps {
        for _ in 0..fill {
            let accepted = client.publish("a", next.to_string()).unwrap();
            match policy {
                OverflowPolicy::DropOldest => {
                    model.truncate(capacity);
                    if model.len() == capacity {
                        model.pop_front();
                    }
                    assert_eq!(accepted, 1);
                    model.push_back(next);
                }
                _ if model.len() < capacity => {
                    assert_eq!(accepted, 1);
                    model.push_back(next);
                }
                _ => assert_eq!(accepted, 0),
            }
            next += 1;
        }
        for _ in 0..take {
            assert_eq!(subscriber.try_recv().ok().map(|message| number(&message)), model.pop_front());
        }
        assert_eq!(subscriber.len(), model.len());
        assert!(subscriber.ledger().balances());
    }
    let rest: Vec<u64> = subscriber.try_iter().map(|message| number(&message)).collect();
    assert_eq!(rest, Vec::from(model));
}

#[test]
fn every_edge_of_the_ring() {
    for policy in
        [OverflowPolicy::DropNewest, OverflowPolicy::DropOldest, OverflowPolicy::Block(std::time::Duration::ZERO)]
    {
        for capacity in [63, 64, 65, 127, 128, 129, 300] {
            for fill in [63, 64, 65, 66, 130] {
                for take in [1, 63, 64, 65, 66, 130] {
                    rhythm(policy, capacity, &[(fill, take), (1, 1), (fill, take), (2, 0), (fill, take), (65, 70)]);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_rhythm(
        capacity in prop_oneof![1usize..10, 60usize..70, 120usize..140, Just(1000)],
        oldest in any::<bool>(),
        steps in prop::collection::vec((0usize..150, 0usize..150), 1..30),
    ) {
        rhythm(if oldest { OverflowPolicy::DropOldest } else { OverflowPolicy::DropNewest }, capacity, &steps);
    }
}

/// The receiver lets the queue run over the ring's edge and empties it again, all the time.
#[test]
fn a_receiver_near_the_edge_sees_every_publisher_in_order() {
    const MESSAGES: u64 = 20_000;
    for policy in POLICIES {
        let bus = bus(16, 1024);
        let client = bus.connect();
        let options = SubscribeOptions::new().capacity(96).overflow(policy);
        let subscriber = client.subscribe_with("a", options).unwrap();
        std::thread::scope(|scope| {
            let publishers: Vec<_> = (0..2u64)
                .map(|publisher| {
                    let bus = &bus;
                    scope.spawn(move || {
                        let client = bus.connect();
                        for n in 0..MESSAGES {
                            client.publish("a", (n * 2 + publisher).to_string()).unwrap();
                        }
                    })
                })
                .collect();
            let receiver = scope.spawn(|| {
                let mut last = [None; 2];
                let mut waves = [70, 3, 64, 90, 1].into_iter().cycle();
                let mut see = |n: u64| {
                    let before = last[(n % 2) as usize].replace(n);
                    assert!(before.is_none_or(|before| before < n), "{n} after {before:?}");
                };
                while subscriber.close_reason().is_none() {
                    let wave = waves.next().expect("endless");
                    while subscriber.len() < wave && subscriber.close_reason().is_none() {
                        std::thread::yield_now();
                    }
                    subscriber.try_iter().for_each(|message| see(number(&message)));
                }
                std::iter::from_fn(|| subscriber.recv_timeout(FOREVER).ok()).for_each(|message| see(number(&message)));
            });
            publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
            subscriber.unsubscribe();
            receiver.join().unwrap();
        });
        let ledger = subscriber.ledger();
        assert!(ledger.balances() && ledger.queued == 0, "{policy:?} {ledger:?}");
        if let OverflowPolicy::Block(_) = policy {
            assert_eq!(ledger.delivered, 2 * MESSAGES);
        }
    }
}
