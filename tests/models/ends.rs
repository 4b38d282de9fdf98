//! Ends against publishing: last drop, close, drain, and members that leave.

use crate::{assert_in_order, assert_settled, bus, model, numbered, owned};
use postroom::error::CloseReason;
use postroom::{OverflowPolicy, SubscribeError, SubscribeOptions, Subscriber};
use shuttle::sync::atomic::{AtomicBool, Ordering::SeqCst};
use shuttle::thread;
use std::sync::Arc;
use std::time::Duration;

// Goal: a subscriber that is dropped while another thread publishes leaves a ledger that balances, and nothing behind (G5, G6).
// Method: a queue with room for one, under each policy that loses messages, and payloads that are watched.
fn last_drop(overflow: OverflowPolicy) {
    model(3_000, move || {
        let bus = bus();
        let (payload, watch) = owned();
        let options = SubscribeOptions::new().capacity(1).overflow(overflow);
        let subscriber = bus.connect().subscribe_with("a", options).unwrap();
        let client = bus.connect();
        let publishing = thread::spawn(move || {
            (0..3).for_each(|_| drop(client.publish("a", payload.clone()).unwrap()));
            client
        });
        drop(subscriber);
        let client = publishing.join().unwrap();
        assert_settled(&bus);
        assert!(watch.upgrade().is_none(), "a payload is still held");
        assert_eq!((bus.stats().subscriptions, bus.stats().ledger.queued), (0, 0));
        drop(client);
        assert_settled(&bus);
        assert_eq!(bus.stats().clients, 0);
    });
}

#[test]
fn last_drop_with_drop_newest() {
    last_drop(OverflowPolicy::DropNewest);
}

#[test]
fn last_drop_with_drop_oldest() {
    last_drop(OverflowPolicy::DropOldest);
}

#[test]
fn last_drop_with_close() {
    last_drop(OverflowPolicy::Close);
}

#[test]
fn last_drop_with_block() {
    last_drop(OverflowPolicy::Block(Duration::from_secs(3600)));
}

// Goal: the same for a queue that is only just made when it is closed (G5). Method: two threads publish the first messages of a
// subscriber that is dropped.
#[test]
fn last_drop_of_a_new_queue() {
    model(5_000, || {
        let bus = bus();
        let (payload, watch) = owned();
        let subscriber = bus.connect().subscribe("a").unwrap();
        let publishing = [0, 1].map(|_| {
            let (client, payload) = (bus.connect(), payload.clone());
            thread::spawn(move || client.publish("a", payload).unwrap())
        });
        drop((payload, subscriber));
        publishing.into_iter().for_each(|thread| assert!(thread.join().unwrap() <= 1));
        assert_settled(&bus);
        assert!(watch.upgrade().is_none(), "a payload is still held");
        assert_eq!((bus.stats().subscriptions, bus.stats().ledger.queued), (0, 0));
    });
}

// Goal: a subscription made while its client is closed either fails or ends (G2, D8). Method: both at once; and the same for the bus.
#[test]
fn close_against_subscribe() {
    for whole_bus in [false, true] {
        model(2_500, move || {
            let bus = bus();
            let client = bus.connect();
            let subscribing = {
                let client = client.clone();
                thread::spawn(move || client.subscribe("a"))
            };
            let publishing = {
                let client = bus.connect();
                thread::spawn(move || client.publish("a", "x").is_ok())
            };
            if whole_bus {
                bus.close()
            } else {
                client.close()
            }
            assert!(matches!(client.publish("a", "late"), Err(postroom::PublishError::Closed)));
            let reason = if whole_bus { CloseReason::BusClosed } else { CloseReason::ClientClosed };
            match subscribing.join().unwrap() {
                Ok(subscriber) => {
                    assert_eq!(subscriber.close_reason(), Some(reason));
                    publishing.join().unwrap();
                    assert!(subscriber.iter().count() <= 1);
                }
                Err(error) => {
                    assert!(matches!(error, SubscribeError::Closed), "{error}");
                    publishing.join().unwrap();
                }
            }
            assert!(!bus.has_interest("a"));
            assert_settled(&bus);
            assert_eq!(bus.stats().subscriptions, 0);
        });
    }
}

// Goal: a client made while its bus is closed is closed (D8). Method: both at once.
#[test]
fn close_against_connect() {
    model(2_500, || {
        let bus = bus();
        let connecting = {
            let bus = bus.clone();
            thread::spawn(move || bus.connect())
        };
        bus.close();
        let client = connecting.join().unwrap();
        assert!(client.is_closed());
        assert!(client.subscribe("a").is_err());
    });
}

// Goal: a drain ends when all that was let in has been received, and lets nothing more in (D7). Method: a publisher, a receiver and a
// drain at once.
#[test]
fn drain_of_a_subscriber_against_publish() {
    model(3_000, || {
        let bus = bus();
        let subscriber = Arc::new(bus.connect().subscribe("a").unwrap());
        let publishing = {
            let client = bus.connect();
            thread::spawn(move || (0..3).map(|n| client.publish("a", numbered(0, n)).unwrap()).sum::<usize>())
        };
        let receiving = {
            let subscriber = subscriber.clone();
            thread::spawn(move || subscriber.iter().count())
        };
        subscriber.drain().wait();
        assert!(subscriber.is_empty(), "the drain has ended, and something is queued");
        assert_eq!(bus.connect().publish("a", "late"), Ok(0));
        assert_eq!(publishing.join().unwrap(), receiving.join().unwrap());
        assert_settled(&bus);
    });
}

// Goal: all waiters of a drain are woken by its end. Method: two threads and a task wait, one receives.
#[test]
fn all_who_wait_for_a_drain_are_woken() {
    model(3_000, || {
        let bus = bus();
        let client = bus.connect();
        let subscriber = Arc::new(client.subscribe("a").unwrap());
        (0..2).for_each(|_| assert_eq!(client.publish("a", "x"), Ok(1)));
        let (one, two) = (subscriber.drain(), subscriber.drain());
        let three = subscriber.drain();
        let waiting = [
            thread::spawn(move || one.wait()),
            thread::spawn(move || two.wait()),
            thread::spawn(move || crate::block_on(three.into_future())),
        ];
        assert_eq!(subscriber.try_iter().count(), 2);
        waiting.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

// Goal: a client's drain ends when all its subscribers have got what was let in, also when one of them leaves meanwhile; the client is
// closed then (D8). Method: one subscriber receives to the end, one is dropped, and a thread publishes.
#[test]
fn drain_of_a_client_against_drop_and_publish() {
    model(3_000, || {
        let bus = bus();
        let client = bus.connect();
        let kept = Arc::new(client.subscribe("a").unwrap());
        let left = client.subscribe("a").unwrap();
        let publishing = {
            let client = bus.connect();
            thread::spawn(move || (0..2).for_each(|_| drop(client.publish("a", "x").unwrap())))
        };
        let leaving = thread::spawn(move || drop(left));
        let receiving = {
            let kept = kept.clone();
            thread::spawn(move || kept.iter().count())
        };
        client.drain().wait();
        assert!(client.is_closed());
        assert!(kept.is_empty(), "the drain has ended, and something is queued");
        [publishing, leaving].into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(receiving.join().unwrap() as u64, kept.ledger().matched);
        assert_settled(&bus);
    });
}

// Goal: two drains of one client both wait for the end (D8). Method: both at once, with a receiver and a publisher.
#[test]
fn two_drains_of_a_client() {
    model(3_000, || {
        let bus = bus();
        let client = bus.connect();
        let subscriber = Arc::new(client.subscribe("a").unwrap());
        let publisher = bus.connect();
        let publishing = thread::spawn(move || drop(publisher.publish("a", "x").unwrap()));
        let receiving = {
            let subscriber = subscriber.clone();
            thread::spawn(move || subscriber.iter().count())
        };
        let draining = [0, 1].map(|_| {
            let (client, subscriber) = (client.clone(), subscriber.clone());
            thread::spawn(move || {
                client.drain().wait();
                assert!(client.is_closed());
                assert!(subscriber.is_empty(), "the drain has ended, and something is queued");
            })
        });
        draining.into_iter().chain([publishing]).for_each(|thread| thread.join().unwrap());
        assert_eq!(receiving.join().unwrap() as u64, subscriber.ledger().matched);
        assert_settled(&bus);
    });
}

// Goal: a message for a queue group reaches exactly one member while one of them leaves, and none only when none is left (Q1, Q4).
// Method: one member is unsubscribed or dropped, then the other, while a thread publishes.
#[test]
fn a_member_leaves_its_group() {
    for dropped in [false, true] {
        model(2_500, move || {
            let bus = bus();
            let client = bus.connect();
            let one = client.queue_subscribe("a", "workers").unwrap();
            let two = client.queue_subscribe("*", "workers").unwrap();
            let alone = Arc::new(AtomicBool::new(true));
            let publishing = {
                let (client, alone) = (bus.connect(), alone.clone());
                thread::spawn(move || {
                    for n in 0..4 {
                        let reached = client.publish("a", numbered(0, n)).unwrap();
                        assert!(reached == 1 || !alone.load(SeqCst), "a member was there, and {reached} were reached");
                    }
                })
            };
            if dropped {
                drop(one);
                alone.store(false, SeqCst);
                drop(two);
            } else {
                one.unsubscribe();
                alone.store(false, SeqCst);
                two.unsubscribe();
            }
            publishing.join().unwrap();
            assert_settled(&bus);
            assert!(bus.stats().ledger.matched <= 4);
            assert_eq!(bus.stats().matcher.entries, 0);
        });
    }
}

// Goal: a member that comes last gets what others leave to it, and nothing is lost or given twice while they come and go (Q1, Q6). Method: the
// only other member leaves, or comes, while a thread publishes; both keep what they got.
#[test]
fn a_fallback_member_stands_in() {
    for comes in [false, true] {
        model(2_500, move || {
            let bus = bus();
            let client = bus.connect();
            let member = |pattern, options| client.subscribe_with(pattern, options).unwrap();
            let usual = SubscribeOptions::new().queue("workers");
            let last = member("*", usual.clone().fallback(true));
            let before = (!comes).then(|| member("a", usual.clone()));
            let publishing = {
                let client = bus.connect();
                thread::spawn(move || {
                    (0..4).for_each(|n| assert_eq!(client.publish("a", numbered(0, n)), Ok(1)));
                })
            };
            let other = before.inspect(Subscriber::unsubscribe).unwrap_or_else(|| member("a", usual));
            let had = last.len();
            assert_eq!(bus.connect().publish("a", numbered(1, 0)), Ok(1));
            assert!(comes || last.len() > had, "the other had left");
            publishing.join().unwrap();
            assert_eq!(last.len() + other.len(), 5);
            assert!(!comes || other.len() >= 1, "the last of these came when it was there");
            let received: Vec<_> = last.try_iter().collect();
            assert_in_order(&received);
            assert_settled(&bus);
        });
    }
}

// Goal: handles may be dropped in any order, on any thread, while others publish (G4, G5). Method: subscriber, client and publisher
// of one connection are dropped on three threads.
#[test]
fn handles_go_in_any_order() {
    model(2_500, || {
        let bus = bus();
        let client = bus.connect();
        let subscriber = client.subscribe("a").unwrap();
        let publisher = client.publisher("a").unwrap();
        let other = bus.connect();
        let threads = [
            thread::spawn(move || drop(subscriber)),
            thread::spawn(move || drop(client)),
            thread::spawn(move || {
                assert!(publisher.publish("x").is_ok());
                drop(publisher);
            }),
        ];
        (0..2).for_each(|_| drop(other.publish("a", "x").unwrap()));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_settled(&bus);
        assert_eq!((bus.stats().clients, bus.stats().matcher.entries), (1, 0));
    });
}
