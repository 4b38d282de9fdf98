//! G6, the bounds: no queue ever holds more than its bound in messages and in bytes.
//!
//! Goal: exact bounds under any number of publishers and every policy. Method: publishers that never pause, while another thread
//! watches the numbers; then what is left is counted by hand. Also the bounds of everything that is asked for.

use crate::common::{POLICIES, bus};
use postroom::error::BuildError;
use postroom::request::RequestManyOptions;
use postroom::{Bus, Limits, OverflowPolicy, RequestError, SubscribeError, SubscribeOptions};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn many_publishers_never_exceed_either_bound() {
    for policy in POLICIES {
        let policy =
            if matches!(policy, OverflowPolicy::Block(_)) { OverflowPolicy::Block(Duration::ZERO) } else { policy };
        // The messages bound first, then the bytes.
        for (capacity, capacity_bytes) in [(10, 1 << 20), (70, 1 << 20), (1 << 20, 100), (1 << 20, 1000)] {
            let bus = bus(16, 1024);
            let options = SubscribeOptions::new().capacity(capacity).capacity_bytes(capacity_bytes).overflow(policy);
            let subscriber = bus.connect().subscribe_with("a", options).unwrap();
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let publishers: Vec<_> = (1..=4usize)
                    .map(|size| {
                        let bus = &bus;
                        scope.spawn(move || {
                            let client = bus.connect();
                            for _ in 0..2_000 {
                                client.publish("a", &b"1234567"[..size]).unwrap();
                            }
                        })
                    })
                    .collect();
                let watcher = scope.spawn(|| {
                    while !done.load(Ordering::SeqCst) {
                        let ledger = subscriber.ledger();
                        assert!(ledger.queued <= capacity as u64, "{policy:?}: {ledger:?}");
                        assert!(ledger.queued_bytes <= capacity_bytes as u64, "{policy:?}: {ledger:?}");
                        assert!(subscriber.len() <= capacity);
                        if policy == OverflowPolicy::DropNewest {
                            let _ = subscriber.try_recv();
                        }
                    }
                });
                publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
                done.store(true, Ordering::SeqCst);
                watcher.join().unwrap();
            });
            let ledger = subscriber.ledger();
            assert!(ledger.balances());
            let left: Vec<usize> = subscriber.try_iter().map(|message| message.size()).collect();
            assert_eq!((ledger.queued, ledger.queued_bytes), (left.len() as u64, left.iter().sum::<usize>() as u64));
            if !matches!(policy, OverflowPolicy::DropNewest) {
                // As full as can be: not one more of the largest would have fitted.
                assert!(
                    left.len() == capacity || left.iter().sum::<usize>() + 4 > capacity_bytes,
                    "{policy:?}: {ledger:?}"
                );
            }
        }
    }
}

#[test]
fn a_bound_is_reached_to_the_message_and_to_the_byte() {
    let client = bus(1, 0).connect();
    for capacity in [1, 2, 63, 64, 65, 200] {
        let subscriber = client.subscribe_with("a", SubscribeOptions::new().capacity(capacity)).unwrap();
        let accepted: usize = (0..300).map(|_| client.publish("a", "").unwrap()).sum();
        assert_eq!((accepted, subscriber.len()), (capacity, capacity));
    }
    for bytes in [1, 10, 1000] {
        let subscriber = client.subscribe_with("a", SubscribeOptions::new().capacity_bytes(bytes)).unwrap();
        assert_eq!(client.publish("a", vec![0; bytes + 1]).unwrap(), 0, "it never fits");
        assert_eq!(client.publish("a", vec![0; bytes]).unwrap(), 1);
        assert_eq!(client.publish("a", "1").unwrap(), 0);
        assert_eq!(client.publish("a", "").unwrap(), 1, "nothing always fits");
        subscriber.recv().unwrap();
        assert_eq!(client.publish("a", "1").unwrap(), 1);
    }
}

/// `DropOldest` makes room for what fits, and does not empty the queue for what never can.
#[test]
fn drop_oldest_evicts_as_much_as_is_needed() {
    let client = bus(1, 0).connect();
    let options = SubscribeOptions::new().capacity_bytes(10).overflow(OverflowPolicy::DropOldest);
    let subscriber = client.subscribe_with("a", options).unwrap();
    for size in [4, 3, 3] {
        assert_eq!(client.publish("a", vec![size as u8; size]).unwrap(), 1);
    }
    assert_eq!(client.publish("a", vec![6; 6]).unwrap(), 1);
    let sizes: Vec<usize> = subscriber.try_iter().map(|message| message.size()).collect();
    assert_eq!(sizes, [3, 6]);
    for size in [4, 3] {
        assert_eq!(client.publish("a", vec![0; size]).unwrap(), 1);
    }
    assert_eq!(client.publish("a", vec![0; 11]).unwrap(), 0);
    assert_eq!(subscriber.len(), 2, "what was queued is not lost for nothing");
}

#[test]
fn limits_are_checked_when_a_bus_is_built() {
    type Set = fn(&mut Limits, usize);
    let fields: [(&str, Set, &[usize], &[usize]); 7] = [
        ("max_subject_len", |limits, n| limits.max_subject_len = n, &[28, 16 << 20], &[0, 27, (16 << 20) + 1]),
        ("max_payload", |limits, n| limits.max_payload = n, &[0, 1 << 36], &[(1 << 36) + 1]),
        ("subscription_capacity", |limits, n| limits.subscription_capacity = n, &[1, 1 << 20], &[0, (1 << 20) + 1]),
        (
            "subscription_capacity_bytes",
            |limits, n| limits.subscription_capacity_bytes = n,
            &[1, 1 << 36],
            &[0, (1 << 36) + 1],
        ),
        ("max_requests", |limits, n| limits.max_requests = n, &[1, 1_000_000], &[0, 1_000_001]),
        ("route_cache_entries", |limits, n| limits.route_cache_entries = n, &[0, 65_536], &[65_537]),
        ("events_capacity", |limits, n| limits.events_capacity = n, &[1, 1 << 20], &[0, (1 << 20) + 1]),
    ];
    for (name, set, good, bad) in fields {
        for (&value, is_good) in good.iter().map(|n| (n, true)).chain(bad.iter().map(|n| (n, false))) {
            let mut limits = Limits::default();
            set(&mut limits, value);
            match Bus::builder().limits(limits).try_build() {
                Ok(_) => assert!(is_good, "{name} {value}"),
                Err(BuildError::Limits(error)) => assert_eq!((error.name, error.value, is_good), (name, value, false)),
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn capacities_and_names_are_checked_when_they_are_asked_for() {
    let client = bus(1, 0).connect();
    let refused = |options| client.subscribe_with("a", options).map(drop).unwrap_err();
    let (messages, bytes) = (Limits::CAPACITY_MAX, Limits::CAPACITY_BYTES_MAX);
    for value in [0, messages + 1] {
        let error = SubscribeError::InvalidCapacity { value, max: messages };
        assert_eq!(refused(SubscribeOptions::new().capacity(value)), error);
    }
    for value in [0, bytes + 1] {
        let error = SubscribeError::InvalidCapacity { value, max: bytes };
        assert_eq!(refused(SubscribeOptions::new().capacity_bytes(value)), error);
    }
    for name in ["", "a b", "a\t", "\r", "\n"] {
        assert_eq!(refused(SubscribeOptions::new().queue(name)), SubscribeError::InvalidQueue { name: name.into() });
    }
    assert_eq!(refused(SubscribeOptions::new().fallback(true)), SubscribeError::FallbackWithoutQueue);
    let (tx, _rx) = crossbeam_channel::bounded(1);
    let oldest = SubscribeOptions::new().overflow(OverflowPolicy::DropOldest);
    assert_eq!(
        client.subscribe_channel_with("a", oldest, tx).map(drop).unwrap_err(),
        SubscribeError::UnsupportedOverflow
    );
    assert_eq!(client.stats().subscriptions, 0);
    assert!(!client.has_interest("a"));
}

/// S11, C21 and the numbers of requests.
#[test]
fn tokens_lengths_and_requests_are_bounded() {
    let mut limits = Limits::default();
    (limits.max_subscription_tokens, limits.max_subject_len, limits.max_requests) = (3, 30, 2);
    limits.request_many_capacity = 2;
    let client = Bus::builder().limits(limits).build().connect();
    assert!(client.subscribe("a.b.>").is_ok());
    assert_eq!(client.subscribe("a.b.c.d").unwrap_err(), SubscribeError::TooManyTokens { tokens: 4, max: 3 });
    assert_eq!(client.subscribe("a".repeat(31)).unwrap_err(), SubscribeError::PatternTooLong { len: 31, max: 30 });
    assert!(
        client.publish("a.b.c.d.".repeat(4)[..29].to_owned() + "x", "").is_ok(),
        "tokens of subjects are not bounded (S11)"
    );
    for _ in 0..3 {
        // The subjects of questions are remembered; a long one must not come in by that way.
        assert!(!client.has_interest("a".repeat(31)));
        assert!(client.publish("a".repeat(31), "").is_err());
    }
    assert!(client.publisher("a".repeat(31)).is_err());
    let _silent = client.subscribe("svc").unwrap();
    let waiting: Vec<_> = (0..2).map(|_| client.request_async("svc", "")).collect();
    assert_eq!(client.request("svc", "").unwrap_err(), RequestError::TooManyRequests { max: 2 });
    drop(waiting);
    let _chatty = client.subscribe_fn("many", |question| {
        (0..5).for_each(|_| assert!(question.respond("").is_ok()));
    });
    let answers = client.request_many("many", "", RequestManyOptions::new().deadline(Duration::ZERO)).unwrap();
    assert_eq!((answers.into_iter().count(), client.stats().traffic.late_replies), (2, 3));
}

/// L5: the inbox of a connection is one of its subscriptions; where there is no place for it, a request fails with that
/// reason.
#[test]
fn a_request_says_when_there_is_no_place_for_its_inbox() {
    let mut limits = Limits::default();
    limits.max_subscriptions = 1;
    let client = Bus::builder().limits(limits).build().connect();
    let only = client.subscribe("a").unwrap();
    assert_eq!(client.request("a", "").unwrap_err(), RequestError::MaxSubscriptionsExceeded { max: 1 });
    drop(only);
    assert!(client.request("a", "").unwrap_err().is_no_responders());
}

/// Block on a user's channel waits for room no longer than the subscription lasts. Goal: it does not wait out its time, which would count
/// the message as lost. Method: the
/// publisher is known to wait from its own count, then the subscription ends.
#[test]
fn a_wait_for_a_users_channel_ends_with_its_subscription() {
    let bus = Bus::new();
    let (tx, rx) = crossbeam_channel::bounded(1);
    let options = SubscribeOptions::new().overflow(OverflowPolicy::Block(Duration::from_secs(20)));
    let guard = bus.connect().subscribe_channel_with("a", options, tx).unwrap();
    let client = bus.connect();
    assert_eq!(client.publish("a", "fills it").unwrap(), 1);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.publish("a", "waits").unwrap());
        while client.stats().traffic.published < 2 {
            std::thread::yield_now();
        }
        guard.unsubscribe();
        assert_eq!(waiting.join().unwrap(), 0);
    });
    assert_eq!(rx.len(), 1);
    drop(guard);
    let stats = bus.stats();
    assert_eq!((stats.traffic.routed, stats.ledger.matched, stats.ledger.delivered), (1, 1, 1));
}
