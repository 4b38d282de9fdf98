//! G9: a panic in a callback is caught, counted, told, and harms no other code.
//!
//! Goal: all but the callback that panicked work as if nothing had happened. Method: callbacks that panic in every way, among
//! others that do not; then what these got, what was counted and what was told.

use crate::common::{Count, buses, must_return, payload_that, quietly};
use postroom::{Bus, Clock, Event, RequestError};
use std::panic::panic_any;
use std::time::Duration;

fn panics(
    bus: &Bus,
    events: &postroom::event::EventStream<postroom::Event>,
) -> (u64, Vec<(postroom::id::SubscriptionId, String)>) {
    let told = std::iter::from_fn(|| events.try_recv())
        .map(|event| match event {
            Event::CallbackPanicked { subscription, message } => (subscription.id, message),
            other => panic!("{other:?}"),
        })
        .collect();
    (bus.stats().traffic.panics, told)
}

#[test]
fn the_others_get_theirs_and_the_publisher_goes_on() {
    quietly();
    for bus in buses() {
        let (client, events, calls) = (bus.connect(), bus.events(), Count::default());
        let count = |pattern| {
            let calls = calls.clone();
            client.subscribe_fn(pattern, move |_| assert!(calls.add() > 0)).unwrap()
        };
        let before = count("a");
        let bad = client.subscribe_fn("*", |message| panic!("on purpose: {}", message.payload_str().unwrap())).unwrap();
        let after = [count("a"), count("*"), count(">")];
        let queue = client.subscribe("a").unwrap();
        for n in 1..=3 {
            assert_eq!(client.publish("a", n.to_string()).unwrap(), 6);
            assert_eq!((calls.get(), queue.len()), (4 * n, n));
        }
        let wanted = (1..=3).map(|n| (bad.id(), format!("on purpose: {n}"))).collect();
        assert_eq!(panics(&bus, &events), (3, wanted));
        assert_eq!((bad.ledger().delivered, bad.ledger().queued, bad.close_reason()), (3, 0, None), "it goes on");
        assert_eq!(client.stats().traffic.panics, 3);
        let stats = bus.stats();
        assert!(stats.ledger.balances());
        assert_eq!((stats.traffic.routed, stats.ledger.matched), (18, 18));
        drop((before, bad, after));
    }
}

#[test]
fn whatever_a_panic_carries() {
    quietly();
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose: and another one");
        }
    }
    must_return(|| {
        let bus = Bus::new();
        let (client, events) = (bus.connect(), bus.events());
        let bad = client.subscribe_fn("a", |message| match message.payload() {
            b"str" => panic_any("on purpose"),
            b"string" => panic_any("on purpose".to_owned()),
            b"number" => panic_any(7),
            _ => panic_any(Bomb),
        });
        let bad = bad.unwrap();
        for payload in ["str", "string", "number", "bomb"] {
            assert_eq!(client.publish("a", payload).unwrap(), 1);
        }
        let texts = ["on purpose", "on purpose", "", ""].map(|text| (bad.id(), text.to_owned()));
        assert_eq!(panics(&bus, &events), (4, texts.to_vec()));
        assert_eq!(bad.ledger().delivered, 4);
    });
}

/// Callbacks that wait for their turn run although the one before them panicked, in nested publishes too.
#[test]
fn nested_publishes_go_on() {
    quietly();
    let bus = Bus::new();
    let (client, calls) = (bus.connect(), Count::default());
    let publisher = client.clone();
    let outer = client.subscribe_fn("outer", move |_| {
        publisher.publish("inner", "1").unwrap();
        publisher.publish("inner", "2").unwrap();
        panic!("on purpose");
    });
    let seen = calls.clone();
    let inner = client.subscribe_fn("inner", move |_| {
        seen.add();
        panic!("on purpose");
    });
    for n in 1..=3 {
        client.publish("outer", "").unwrap();
        assert_eq!(calls.get(), 2 * n);
    }
    assert_eq!(bus.stats().traffic.panics, 9);
    assert!(bus.stats().ledger.balances());
    drop((outer, inner));
}

/// The guard dropped, the client closed and the panic, all in one call.
#[test]
fn a_panic_while_everything_ends() {
    quietly();
    let bus = Bus::new();
    let client = bus.connect();
    let (within, events) = (client.clone(), bus.events());
    let guard = client.subscribe_fn("a", move |_| {
        within.close();
        panic!("on purpose");
    });
    assert_eq!(client.publish("a", "").unwrap(), 1);
    let told: Vec<_> = std::iter::from_fn(|| events.try_recv()).collect();
    assert!(matches!(told[..], [Event::ClientClosed { .. }, Event::CallbackPanicked { .. }]), "{told:?}");
    drop(guard);
    let stats = bus.stats();
    assert_eq!((stats.ledger.delivered, stats.ledger.queued, stats.subscriptions), (1, 0, 0));
}

/// A responder that panics is one that does not answer: the request ends by the clock, and the next one is answered.
#[test]
fn a_request_to_a_panicking_responder_ends_in_time() {
    quietly();
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let client = bus.connect();
    let service = client.subscribe_fn("svc", |question| {
        assert_ne!(question.payload(), b"bad", "on purpose");
        question.respond("good").unwrap();
    });
    let second = Duration::from_secs(1);
    std::thread::scope(|scope| {
        let bad = scope.spawn(|| client.request_timeout("svc", "bad", second));
        clock.wait_for_timers(1);
        clock.advance(second);
        assert_eq!(bad.join().unwrap().unwrap_err(), RequestError::Timeout { after: second });
    });
    assert_eq!(client.request("svc", "good").unwrap().payload(), b"good");
    assert_eq!(bus.stats().traffic.panics, 1);
    drop(service);
}

/// A panic in the destructor of the message that the callback was given is the callback's.
#[test]
fn a_payload_that_panics_when_the_callback_drops_it() {
    quietly();
    let bus = Bus::new();
    let client = bus.connect();
    let guard = client.subscribe_fn("a", drop).unwrap();
    let queue = client.subscribe("b").unwrap();
    assert_eq!(client.publish("a", payload_that(|| panic!("on purpose"))).unwrap(), 1);
    assert_eq!((bus.stats().traffic.panics, guard.ledger().delivered), (1, 1));
    assert_eq!(client.publish("b", "still here").unwrap(), 1);
    assert_eq!(queue.len(), 1);
}
