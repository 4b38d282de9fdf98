//! G2: effective on return.
//!
//! Goal: a publish that starts after `subscribe` returned reaches it, one that starts after `unsubscribe` returned does not, on any
//! thread and whatever routes are remembered. Method: publishers that have the route hot, and a subscriber that comes and goes;
//! "started after" is established by publishing on the very thread, or by a message through a channel to another one.

use crate::common::{Count, buses, number};
use postroom::{Limits, Publisher, SubscribeOptions, Subscriber};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};

const PATTERNS: [&str; 5] = ["a.b", "a.*", "*.b", "a.>", ">"];

/// On one thread, with the route remembered and prepared before.
#[test]
fn a_remembered_route_learns_of_every_change() {
    for bus in buses() {
        let client = bus.connect();
        let prepared = client.publisher("a.b").unwrap();
        let publish = |wanted: usize| {
            assert_eq!(client.publish("a.b", "").unwrap(), wanted);
            assert_eq!(prepared.publish("").unwrap(), wanted);
        };
        for pattern in PATTERNS {
            (0..3).for_each(|_| publish(0));
            let first = client.subscribe(pattern).unwrap();
            publish(1);
            let member = client.queue_subscribe(pattern, "g").unwrap();
            publish(2);
            first.unsubscribe();
            publish(1);
            drop(member);
            publish(0);
            let limited = client.subscribe(pattern).unwrap();
            limited.unsubscribe_after(1);
            assert_eq!(prepared.publish("").unwrap(), 1);
            publish(0);
            let called = Count::default();
            let guard = client
                .subscribe_fn(pattern, {
                    let called = called.clone();
                    move |_| {
                        let _ = called.add();
                    }
                })
                .unwrap();
            publish(1);
            drop(guard);
            publish(0);
            assert_eq!(called.get(), 2);
            let drained = client.subscribe(pattern).unwrap();
            publish(1);
            let _ = drained.drain();
            publish(0);
        }
        let of_another = bus.connect();
        let kept = of_another.subscribe("a.b").unwrap();
        publish(1);
        of_another.close();
        publish(0);
        drop(kept);
    }
}

/// Another thread has the route hot, and hears of each change through a channel.
#[test]
fn a_change_is_effective_for_threads_that_hear_of_it() {
    for bus in buses() {
        let client = bus.connect();
        let (ask, asked) = mpsc::channel::<usize>();
        let (answer, answered) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let client = bus.connect();
                let prepared = client.publisher("a.b").unwrap();
                for wanted in asked {
                    let got = (client.publish("a.b", "").unwrap(), prepared.publish("").unwrap());
                    answer.send((wanted, got)).unwrap();
                }
            });
            let check = |wanted| {
                ask.send(wanted).unwrap();
                let (wanted, got) = answered.recv().unwrap();
                assert_eq!(got, (wanted, wanted));
            };
            for round in 0..500 {
                let subscriber = client.subscribe(PATTERNS[round % PATTERNS.len()]).unwrap();
                check(1);
                subscriber.unsubscribe();
                check(0);
            }
            drop(ask);
        });
    }
}

/// Also when an assertion fails, so that no thread is left running.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Publishers run on without pause while a subscriber comes and goes. Each message published after `subscribe` returned must
/// come, and none published after `unsubscribe` returned may; a shared counter tells which numbers those are.
#[test]
fn no_message_is_missed_or_late_while_others_publish() {
    for bus in buses() {
        let stop = AtomicBool::new(false);
        let next = std::sync::atomic::AtomicU64::new(0);
        let ready = Barrier::new(3);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let client = bus.connect();
                    let prepared: Publisher = client.publisher("a.b").unwrap();
                    ready.wait();
                    while !stop.load(Ordering::SeqCst) {
                        // The number is taken right before the publish: a number above a bound was published after it.
                        client.publish("a.b", next.fetch_add(1, Ordering::SeqCst).to_string()).unwrap();
                        prepared.publish(next.fetch_add(1, Ordering::SeqCst).to_string()).unwrap();
                    }
                });
            }
            ready.wait();
            let _stop = SetOnDrop(&stop);
            let client = bus.connect();
            for round in 0..20 {
                // Room for all that two publishers send while this thread may be kept from running.
                let roomy = SubscribeOptions::new().capacity(Limits::CAPACITY_MAX);
                let subscriber: Subscriber = client.subscribe_with(PATTERNS[round % PATTERNS.len()], roomy).unwrap();
                let since = next.load(Ordering::SeqCst);
                while next.load(Ordering::SeqCst) < since + 20 {
                    std::thread::yield_now();
                }
                let until = next.load(Ordering::SeqCst);
                subscriber.unsubscribe();
                let after = next.load(Ordering::SeqCst);
                // Publishes under way when the interest ended may still be putting; each publisher has at most one. Two
                // messages more from each are published after.
                while next.load(Ordering::SeqCst) < after + 6 {
                    std::thread::yield_now();
                }
                let mut got: Vec<u64> = std::iter::from_fn(|| subscriber.recv().ok()).map(|m| number(&m)).collect();
                got.sort_unstable();
                assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "none twice");
                // A number below `until` was published before the end, unless its publisher has taken it only just: at most
                // one each.
                let missing: Vec<u64> = (since..until).filter(|n| got.binary_search(n).is_err()).collect();
                let some = &missing[..missing.len().min(10)];
                assert!(missing.len() <= 2, "since {since} until {until}: {} are missing, {some:?} …", missing.len());
                assert!(got.iter().all(|n| *n < after), "{:?} after {after}", got.last());
            }
        });
        let stats = bus.stats();
        assert!(stats.ledger.balances());
        assert_eq!(stats.traffic.routed, stats.ledger.matched);
    }
}

/// A prepared publisher shared by threads, one of which may be inside while the other publishes.
#[test]
fn a_shared_publisher_reaches_every_subscription() {
    for bus in buses() {
        let client = bus.connect();
        let prepared = Arc::new(client.publisher("a.b").unwrap());
        let subscribers = PATTERNS.map(|pattern| client.subscribe(pattern).unwrap());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        assert_eq!(prepared.publish("").unwrap(), PATTERNS.len());
                    }
                });
            }
        });
        assert!(subscribers.iter().all(|subscriber| subscriber.len() == 2000));
    }
}
