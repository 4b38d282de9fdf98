//! G5, the ledger: at any quiet moment `matched = delivered + dropped + queued`, for each subscription and in sum.
//!
//! Goal: nothing is lost without a counter, for each reason there is. Method: one test for each reason that names what must be
//! counted where, and checks after every step that both sides of the bus (`routed`, `matched`) agree.

use crate::common::{Count, FOREVER, POLICIES, bus, buses};
use postroom::request::RequestManyOptions;
use postroom::stats::{DropReason, Ledger};
use postroom::{Bus, Client, ConnectOptions, Limits, OverflowPolicy, SubscribeOptions};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Waker};
use std::time::Duration;

/// Asserts the equations that hold at a quiet moment. Gives back the bus's ledger.
#[track_caller]
fn quiet(bus: &Bus) -> Ledger {
    let stats = bus.stats();
    assert!(stats.ledger.balances(), "{stats:?}");
    assert_eq!(stats.traffic.routed, stats.ledger.matched, "{stats:?}");
    stats.ledger
}

/// `matched`, `delivered`, dropped for `reason` and nothing else, `queued`.
#[track_caller]
fn assert_ledger(ledger: Ledger, reason: DropReason, wanted: [u64; 4]) {
    assert!(ledger.balances());
    let dropped = ledger.dropped.of(reason);
    assert_eq!([ledger.matched, ledger.delivered, dropped, ledger.queued], wanted, "{ledger:?}");
    assert_eq!(ledger.dropped.total(), dropped, "{ledger:?}");
}

fn small(capacity: usize, overflow: OverflowPolicy) -> SubscribeOptions {
    SubscribeOptions::new().capacity(capacity).overflow(overflow)
}

fn publish(client: &Client, messages: usize) {
    for _ in 0..messages {
        client.publish("a", "12345").unwrap();
    }
}

#[test]
fn queue_full() {
    for bus in buses() {
        let client = bus.connect();
        let subscriber = client.subscribe_with("a", small(3, OverflowPolicy::DropNewest)).unwrap();
        publish(&client, 5);
        assert_ledger(subscriber.ledger(), DropReason::QueueFull, [5, 0, 2, 3]);
        assert_eq!(subscriber.ledger().queued_bytes, 15);
        subscriber.recv().unwrap();
        publish(&client, 1);
        assert_ledger(subscriber.ledger(), DropReason::QueueFull, [6, 1, 2, 3]);
        assert_eq!((quiet(&bus), client.stats().ledger), (subscriber.ledger(), subscriber.ledger()));
        drop(subscriber);
        let past = quiet(&bus);
        assert_eq!((past.matched, past.delivered, past.queued, past.queued_bytes), (6, 1, 0, 0));
        assert_eq!((past.dropped.of(DropReason::QueueFull), past.dropped.of(DropReason::Discarded)), (2, 3));
        drop(client);
        assert_eq!(quiet(&bus), past, "what is gone stays counted");
    }
}

#[test]
fn oldest() {
    for bus in buses() {
        let client = bus.connect();
        let subscriber = client.subscribe_with("a", small(3, OverflowPolicy::DropOldest)).unwrap();
        publish(&client, 5);
        assert_ledger(subscriber.ledger(), DropReason::Oldest, [5, 0, 2, 3]);
        assert_eq!(subscriber.try_iter().count(), 3);
        assert_ledger(subscriber.ledger(), DropReason::Oldest, [5, 3, 2, 0]);
        quiet(&bus);
    }
}

#[test]
fn block_timeout() {
    let clock = postroom::Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let client = bus.connect();
    let subscriber = client.subscribe_with("a", small(1, OverflowPolicy::Block(Duration::from_secs(5)))).unwrap();
    publish(&client, 1);
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(client.publish("a", "late").unwrap(), 0));
        clock.wait_for_timers(1);
        let ledger = bus.stats().ledger;
        assert_eq!((ledger.matched, ledger.queued), (1, 1), "it is not decided yet");
        clock.advance(Duration::from_secs(5));
    });
    assert_ledger(subscriber.ledger(), DropReason::BlockTimeout, [2, 0, 1, 1]);
    quiet(&bus);
}

#[test]
fn slow_consumer_closed() {
    for bus in buses() {
        let client = bus.connect();
        let subscriber = client.subscribe_with("a", small(2, OverflowPolicy::Close)).unwrap();
        publish(&client, 5);
        assert_ledger(subscriber.ledger(), DropReason::SlowConsumer, [3, 0, 1, 2]);
        assert_eq!(subscriber.iter().count(), 2, "what was queued can still be taken, and then it ends");
        assert_ledger(subscriber.ledger(), DropReason::SlowConsumer, [3, 2, 1, 0]);
        assert_eq!(bus.stats().traffic.unmatched, 2);
        quiet(&bus);
    }
}

#[test]
fn disconnected() {
    for bus in buses() {
        for (remembered, options) in
            [(0, SubscribeOptions::new()), (3, SubscribeOptions::new()), (3, SubscribeOptions::new().queue("g"))]
        {
            let client = bus.connect();
            let (tx, rx) = crossbeam_channel::unbounded();
            let guard = client.subscribe_channel_with("a", options, tx).unwrap();
            publish(&client, remembered);
            drop(rx);
            publish(&client, 2);
            assert_ledger(guard.ledger(), DropReason::Disconnected, [remembered as u64 + 1, remembered as u64, 1, 0]);
            assert_eq!(guard.close_reason(), Some(postroom::error::CloseReason::Disconnected));
            assert!(!bus.has_interest("a"), "the bus lets go of it");
            assert_eq!((client.stats().subscriptions, bus.stats().subscriptions), (0, 0));
            quiet(&bus);
            drop(guard);
            quiet(&bus);
        }
    }
}

/// Q4: a member whose receiver is gone is passed over, and the message is not lost.
#[test]
fn a_disconnected_member_is_passed_over() {
    for bus in buses() {
        let client = bus.connect();
        let (tx, rx) = crossbeam_channel::unbounded();
        let gone = client.subscribe_channel_with("a", SubscribeOptions::new().queue("g"), tx).unwrap();
        let steady = client.queue_subscribe("a", "g").unwrap();
        drop(rx);
        publish(&client, 20);
        assert_eq!(steady.len(), 20);
        assert_eq!(gone.ledger(), Ledger::default());
        assert_eq!(quiet(&bus).matched, 20);
    }
}

#[test]
fn a_users_channel() {
    for bus in buses() {
        let client = bus.connect();
        for policy in [OverflowPolicy::DropNewest, OverflowPolicy::Block(Duration::ZERO), OverflowPolicy::Close] {
            let reason = match policy {
                OverflowPolicy::DropNewest => DropReason::QueueFull,
                OverflowPolicy::Close => DropReason::SlowConsumer,
                _ => DropReason::BlockTimeout,
            };
            let (tx, rx) = crossbeam_channel::bounded(2);
            let guard = client.subscribe_channel_with("a", SubscribeOptions::new().overflow(policy), tx).unwrap();
            publish(&client, 3);
            assert_ledger(guard.ledger(), reason, [3, 2, 1, 0]);
            rx.recv().unwrap();
            publish(&client, 1);
            let more = if policy == OverflowPolicy::Close { 0 } else { 1 };
            assert_ledger(guard.ledger(), reason, [3 + more, 2 + more, 1, 0]);
            quiet(&bus);
        }
    }
}

#[test]
fn discarded_and_cancelled() {
    for bus in buses() {
        let client = bus.connect();
        let subscriber = client.subscribe_with("a", small(2, OverflowPolicy::Block(FOREVER))).unwrap();
        publish(&client, 2);
        let waiting = client.publish_async("a", "1");
        drop(waiting);
        assert_ledger(subscriber.ledger(), DropReason::Cancelled, [3, 0, 1, 2]);
        quiet(&bus);
        let polled = {
            let mut waiting = pin!(client.publish_async("a", "1"));
            waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        assert!(polled.is_pending());
        assert_ledger(subscriber.ledger(), DropReason::Cancelled, [4, 0, 2, 2]);
        drop(subscriber);
        assert_eq!(quiet(&bus).dropped.of(DropReason::Discarded), 2);
    }
}

/// A message that waits for room when the subscription goes was not for it: counted on neither
/// side.
#[test]
fn a_publish_that_waits_when_the_subscription_goes() {
    for bus in buses() {
        let client = bus.connect();
        for poll in [true, false] {
            let subscriber = client.subscribe_with("a", small(1, OverflowPolicy::Block(FOREVER))).unwrap();
            publish(&client, 1);
            let mut waiting = Box::pin(client.publish_async("a", "1"));
            drop(subscriber);
            if poll {
                let polled = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(matches!(polled, std::task::Poll::Ready(Ok(0))));
            }
            drop(waiting);
            quiet(&bus);
        }
    }
}

#[test]
fn callbacks_count_as_queued_while_they_run() {
    let bus = bus(16, 1024);
    let client = bus.connect();
    let (seen, within) = (Count::default(), bus.clone());
    let count = seen.clone();
    let guard = client.subscribe_fn("a", move |_| {
        let ledger = within.stats().ledger;
        assert!(ledger.balances());
        assert_eq!((ledger.queued, ledger.queued_bytes), (1, 5));
        count.add();
    });
    publish(&client, 3);
    let ledger = guard.unwrap().ledger();
    assert_eq!((seen.get(), ledger.delivered, ledger.queued), (3, 3, 0), "no assertion failed inside");
    assert_eq!(bus.stats().traffic.panics, 0);
}

#[test]
fn publishes_and_requests_are_counted_once() {
    let mut limits = Limits::default();
    limits.request_many_capacity = 2;
    let bus = Bus::builder().limits(limits).build();
    let (client, silent) = (bus.connect(), bus.connect_with(ConnectOptions::new().no_echo(true)));
    let own = silent.subscribe("a").unwrap();
    let three = bus.connect();
    let _service = three.subscribe_fn("svc", |question| {
        (0..3).for_each(|_| assert!(question.respond("12").is_ok()));
    });
    assert_eq!(silent.publish("a", "123").unwrap(), 0);
    assert_eq!(client.publish("a", "123").unwrap(), 1);
    assert_eq!(client.publish("b", "123").unwrap(), 0);
    assert!(client.publish("b.*", "123").is_err());
    client.request("svc", "").unwrap();
    assert!(client.request("nobody", "").is_err());
    let many = client.request_many("svc", "", RequestManyOptions::new().max(2)).unwrap();
    assert_eq!(many.into_iter().count(), 2);
    let stats = client.stats();
    // Two of three answers to the request come too late, and one of those to the other finds no room.
    assert_eq!(
        (stats.traffic.published, stats.traffic.published_bytes, stats.traffic.requests, stats.traffic.late_replies),
        (5, 6, 3, 3)
    );
    assert_eq!((stats.traffic.unmatched, stats.traffic.routed), (2, 3), "b and nobody; a and svc twice");
    let all = bus.stats();
    assert_eq!((all.traffic.published, all.traffic.published_bytes), (5 + 6 + 1, 6 + 12 + 3));
    // Responses that no subscription takes count as unmatched.
    assert_eq!((all.traffic.unmatched, all.traffic.routed), (2 + 1 + 3, 3 + 3));
    assert_eq!((all.traffic.requests, all.traffic.late_replies), (3, 3));
    quiet(&bus);
    drop((client, own, silent));
    assert_eq!(bus.stats().traffic.late_replies, 3);
    quiet(&bus);
}

/// A publish that waits for room has found its subscription: it is not "unmatched".
#[test]
fn waiting_for_room_is_no_lack_of_interest() {
    let bus = bus(16, 1024);
    let client = bus.connect();
    let subscriber = client.subscribe_with("a", small(1, OverflowPolicy::Block(FOREVER))).unwrap();
    publish(&client, 1);
    let waiting = client.publish_async("a", "1");
    assert_eq!(bus.stats().traffic.unmatched, 0);
    subscriber.recv().unwrap();
    let mut waiting = pin!(waiting);
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!(bus.stats().traffic.unmatched, 0);
    quiet(&bus);
}

/// Subscriptions go while others publish into them: at the end both sides agree to the message.
#[test]
fn both_sides_agree_when_subscriptions_go_under_way() {
    for policy in POLICIES {
        let bus = bus(1, 1024);
        let policy = if matches!(policy, OverflowPolicy::Block(_)) {
            OverflowPolicy::Block(Duration::from_micros(1))
        } else {
            policy
        };
        let (ready, done) = (Barrier::new(3), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let client = bus.connect();
                    ready.wait();
                    while !done.load(Ordering::SeqCst) {
                        publish(&client, 10);
                    }
                });
            }
            let client = bus.connect();
            ready.wait();
            for round in 0..500 {
                let subscriber = client.subscribe_with("a", small(1 + round % 3, policy)).unwrap();
                while subscriber.is_empty() {
                    std::thread::yield_now();
                }
                drop(subscriber);
            }
            done.store(true, Ordering::SeqCst);
        });
        let ledger = quiet(&bus);
        assert_eq!((ledger.queued, ledger.queued_bytes), (0, 0));
    }
}

/// A subscription whose handle was given up stays in force, and its counts outlive it and its
/// client.
#[test]
fn a_detached_subscription_is_in_the_ledger_to_its_end() {
    for ends_first in [false, true] {
        let bus = Bus::new();
        let (client, calls) = (bus.connect(), Arc::new(AtomicUsize::new(0)));
        let count = calls.clone();
        let guard = client
            .subscribe_fn("a", move |_| {
                count.fetch_add(1, Ordering::Relaxed);
            })
            .unwrap();
        let publisher = bus.connect();
        publisher.publish("a", "1").unwrap();
        if ends_first {
            guard.unsubscribe();
        }
        guard.detach();
        publisher.publish("a", "2").unwrap();
        let wanted = if ends_first { 1 } else { 2 };
        assert_eq!((calls.load(Ordering::Relaxed), quiet(&bus).delivered), (wanted as usize, wanted));
        assert_eq!(client.stats().subscriptions, usize::from(!ends_first));
        drop(client);
        assert_eq!(publisher.publish("a", "3"), Ok(0), "it has ended with its client");
        assert_eq!((quiet(&bus).delivered, Arc::strong_count(&calls)), (wanted, 1));
    }
}
