//! Cancelled futures, and the end of a drain (D7, D8).
//!
//! Goal: dropping a future leaves no timer, no place and no waiter behind; a drain ends exactly when the last message is taken and the
//! last request answered. Method: futures dropped at every stage, drains observed from threads, tasks and not at all.

use crate::executor::{SECOND, Task, block_on, tokio_on};
use postroom::error::DrainTimeoutError;
use postroom::request::RequestManyOptions;
use postroom::{Bus, Client, Clock, ManualClock, OverflowPolicy, RequestError, SubscribeOptions};
use std::task::Poll;

fn room() -> (Bus, ManualClock, Client) {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let client = bus.connect();
    (bus, clock, client)
}

#[test]
fn a_dropped_request_leaves_nothing_behind() {
    let (bus, clock, client) = room();
    let service = bus.connect().subscribe("svc").unwrap();
    drop(client.request_async("svc", "never polled"));
    let task = Task::new();
    let mut polled = client.request_async("svc", "polled");
    assert!(task.poll(&mut polled).is_pending());
    drop(polled);
    assert_eq!(clock.timers(), 0);
    let answered = client.request_async("svc", "answered and not taken");
    let questions: Vec<_> = service.try_iter().collect();
    assert_eq!(questions.len(), 3);
    assert_eq!(questions[2].respond("").unwrap(), 1);
    drop(answered);
    assert_eq!((questions[0].respond("").unwrap(), questions[1].respond("").unwrap()), (0, 0));
    assert_eq!(bus.stats().traffic.late_replies, 3);
    drop(client.request_many("svc", "", RequestManyOptions::new()).unwrap());
    // Nothing waits: a drain ends at once.
    client.drain().wait();
    assert!(client.is_closed());
}

/// The request's own copy waits for room while another subscriber answers already, or none ever does.
#[test]
fn a_request_whose_copy_waits_for_room() {
    let (bus, clock, client) = room();
    let options = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(SECOND * 100));
    let full = bus.connect().subscribe_with("svc", options).unwrap();
    client.publish("svc", "").unwrap();
    let task = Task::new();
    let mut request = client.request_timeout_async("svc", "", SECOND);
    assert!(task.poll(&mut request).is_pending());
    clock.advance(SECOND);
    assert!(matches!(task.poll(&mut request), Poll::Ready(Err(RequestError::Timeout { .. }))));
    drop(request);
    assert_eq!(clock.timers(), 0);
    let quick = bus.connect().subscribe_fn("svc", |question| assert!(question.respond("quick").is_ok())).unwrap();
    let mut request = client.request_async("svc", "");
    let Poll::Ready(Ok(answer)) = task.poll(&mut request) else { panic!("answered") };
    assert_eq!(answer.payload(), b"quick");
    drop((request, quick));
    let mut request = client.request_async("svc", "");
    assert!(task.poll(&mut request).is_pending());
    drop(full);
    let Poll::Ready(Err(error)) = task.poll(&mut request) else { panic!("nobody is left") };
    assert!(error.is_no_responders());
    drop(request);
    let stats = bus.stats();
    assert!(stats.ledger.balances());
    assert_eq!((stats.traffic.routed, clock.timers()), (stats.ledger.matched, 0));
}

#[test]
fn closing_ends_requests_under_way() {
    let (bus, clock, client) = room();
    let _service = bus.connect().subscribe("svc").unwrap();
    let task = Task::new();
    let mut request = client.request_async("svc", "");
    assert!(task.poll(&mut request).is_pending());
    std::thread::scope(|scope| {
        let blocking = scope.spawn(|| client.request("svc", ""));
        clock.wait_for_timers(2);
        bus.close();
        assert_eq!(blocking.join().unwrap().unwrap_err(), RequestError::Closed);
    });
    assert_eq!(task.woken(), 1);
    assert!(matches!(task.poll(&mut request), Poll::Ready(Err(RequestError::Closed))));
    drop(request);
    assert_eq!(clock.timers(), 0);
}

#[test]
fn a_drain_of_a_subscription_waits_for_its_last_message() {
    let (_, clock, client) = room();
    let subscriber = client.subscribe("a").unwrap();
    client.publish("a", "1").unwrap();
    client.publish("a", "2").unwrap();
    let task = Task::new();
    let mut ended = subscriber.drain().into_future();
    assert!(task.poll(&mut ended).is_pending());
    subscriber.recv().unwrap();
    assert!(task.poll(&mut ended).is_pending());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| subscriber.drain().wait_timeout(SECOND));
        clock.wait_for_timers(1);
        clock.advance(SECOND);
        let DrainTimeoutError { after, pending, .. } = waiting.join().unwrap().unwrap_err();
        assert_eq!((after, pending), (SECOND, 1));
        let waiting = scope.spawn(|| subscriber.drain().wait_timeout(SECOND));
        clock.wait_for_timers(1);
        subscriber.recv().unwrap();
        assert_eq!(waiting.join().unwrap(), Ok(()));
    });
    assert!(task.poll(&mut ended).is_ready());
    assert!(!client.is_closed());
    block_on(subscriber.drain().into_future());
    tokio_on(async { subscriber.drain().await });
}

/// D8: the request under way can still be answered; the client is closed at the end, whether or not the drain is waited
/// for.
#[test]
fn a_drain_of_a_client_waits_for_its_requests() {
    for observed in [true, false] {
        let (bus, clock, client) = room();
        let service = bus.connect().subscribe("svc").unwrap();
        let task = Task::new();
        let mut request = client.request_async("svc", "");
        assert!(task.poll(&mut request).is_pending());
        let mut drain = client.drain().into_future();
        assert_eq!(client.request("svc", "").unwrap_err(), RequestError::Closed);
        if observed {
            assert!(task.poll(&mut drain).is_pending());
        } else {
            drop(drain);
            drain = client.drain().into_future();
        }
        assert!(!client.is_closed());
        assert_eq!(service.recv().unwrap().respond("in time").unwrap(), 1);
        let Poll::Ready(Ok(answer)) = task.poll(&mut request) else { panic!("answered") };
        assert_eq!(answer.payload(), b"in time");
        drop(request);
        if observed {
            assert!(task.poll(&mut drain).is_ready());
        }
        assert!(client.is_closed(), "observed: {observed}");
        assert_eq!(clock.timers(), 0);
    }
}

#[test]
fn a_drain_that_nobody_waits_for_ends_with_the_last_message() {
    let (bus, _, client) = room();
    let subscriber = client.subscribe("a").unwrap();
    let _guard = client.subscribe_fn("b", |_| {}).unwrap();
    client.publish("a", "1").unwrap();
    let _ = client.drain();
    assert!(!client.is_closed());
    assert!(client.publish("b", "").is_ok(), "publishing goes on (D8)");
    assert_eq!(subscriber.iter().count(), 1);
    assert!(client.is_closed());
    // The same for the bus.
    let client = bus.connect();
    let subscriber = client.subscribe("a").unwrap();
    client.publish("a", "1").unwrap();
    let _ = bus.drain();
    assert!(!bus.is_closed());
    assert_eq!(subscriber.iter().count(), 1);
    assert!(client.is_closed() && bus.is_closed());
}

#[test]
fn a_drain_of_the_bus_drains_everybody() {
    let (bus, clock, client) = room();
    let other = bus.connect();
    let (a, b) = (client.subscribe("x").unwrap(), other.subscribe("x").unwrap());
    client.publish("x", "").unwrap();
    let drain = bus.drain();
    assert_eq!(other.publish("x", "").unwrap(), 0);
    assert!(bus.connect().subscribe("x").is_err());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| drain.wait_timeout(SECOND));
        clock.wait_for_timers(1);
        a.recv().unwrap();
        clock.wait_for_timers(1);
        assert!(!bus.is_closed());
        b.recv().unwrap();
        assert_eq!(waiting.join().unwrap(), Ok(()));
    });
    assert!(bus.is_closed() && client.is_closed() && other.is_closed());
    assert!(other.publish("x", "").is_err());
}
