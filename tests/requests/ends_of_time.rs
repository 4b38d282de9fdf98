//! Every time that a client can give, at zero and at `Duration::MAX`; and clocks at the end of all time.

use crate::executor::{SECOND, Task};
use postroom::error::RecvTimeoutError;
use postroom::{Bus, Clock, Limits, ManualClock, OverflowPolicy, SubscribeOptions};
use std::task::Poll;
use std::time::{Duration, UNIX_EPOCH};

fn bus() -> (Bus, ManualClock) {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    // So that zero plus the longest is past all time.
    clock.advance(SECOND);
    (bus, clock)
}

#[test]
fn requests_may_have_no_time_or_all_of_it() {
    let (bus, clock) = bus();
    let client = bus.connect();
    let _answers = client.subscribe_fn("svc", |request| drop(request.respond("42"))).unwrap();
    let _silent = client.subscribe("silent").unwrap();
    for time in [Duration::ZERO, Duration::MAX] {
        assert_eq!(client.request_timeout("svc", "", time).unwrap().payload(), b"42");
        let task = Task::new();
        let mut asking = Box::pin(client.request_timeout_async("silent", "", time));
        let polled = task.poll(&mut asking);
        match time.is_zero() {
            true => assert!(matches!(polled, Poll::Ready(Err(error)) if error.is_timeout())),
            false => assert!(polled.is_pending()),
        }
    }
    assert!(client.request_timeout("silent", "", Duration::ZERO).unwrap_err().is_timeout());
    assert_eq!(clock.timers(), 0, "what never ends has no timer");
    for time in [Duration::ZERO, Duration::MAX] {
        let mut limits = Limits::default();
        limits.request_timeout = time;
        let client = Bus::builder().limits(limits).build().connect();
        let _answers = client.subscribe_fn("svc", |request| drop(request.respond("42"))).unwrap();
        assert_eq!(client.request("svc", "").unwrap().payload(), b"42");
    }
}

#[test]
fn receivers_may_wait_for_no_time_or_for_all_of_it() {
    for bus in [Bus::new(), bus().0] {
        let client = bus.connect();
        let sub = client.subscribe("a").unwrap();
        assert_eq!(sub.recv_timeout(Duration::ZERO).unwrap_err(), RecvTimeoutError::Timeout);
        let sender = std::thread::spawn(move || client.publish("a", "1").unwrap());
        assert_eq!(sub.recv_timeout(Duration::MAX).unwrap().payload(), b"1");
        sender.join().unwrap();
    }
}

#[test]
fn publishers_may_be_blocked_for_no_time_or_for_all_of_it() {
    for bus in [Bus::new(), bus().0] {
        let client = bus.connect();
        let block = |time| SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(time));
        let (tx, _rx) = crossbeam_channel::bounded(1);
        let _channel = client.subscribe_channel_with("zero", block(Duration::ZERO), tx).unwrap();
        let _queue = client.subscribe_with("zero", block(Duration::ZERO)).unwrap();
        assert_eq!(client.publish("zero", ""), Ok(2));
        assert_eq!(client.publish("zero", ""), Ok(0), "both are full, and wait for nothing");

        let queue = client.subscribe_with("never", block(Duration::MAX)).unwrap();
        let publisher = client.clone();
        let sending =
            std::thread::spawn(move || (0..3).map(|_| publisher.publish("never", "").unwrap()).sum::<usize>());
        (0..3).for_each(|_| drop(queue.recv().unwrap()));
        assert_eq!(sending.join().unwrap(), 3);
        assert!(bus.stats().ledger.balances());
    }
}

#[test]
fn a_manual_clock_stops_at_the_end_of_all_time() {
    let (bus, clock) = bus();
    let last = UNIX_EPOCH + Duration::from_secs(253_402_207_200);
    let task = Task::new();
    let mut sleep = bus.sleep(SECOND);
    assert!(task.poll(&mut sleep).is_pending());
    clock.advance(Duration::MAX);
    assert!(task.poll(&mut sleep).is_ready());
    for by in [Duration::ZERO, SECOND, Duration::MAX] {
        clock.advance(by);
        assert_eq!((clock.now(), Clock::from(&clock).wall_time()), (Duration::MAX, last));
    }
    // A wait that would end later never ends by time.
    let mut never = bus.sleep(SECOND);
    assert!(task.poll(&mut never).is_pending());
    let client = bus.connect();
    let sub = client.subscribe("a").unwrap();
    client.publish("a", "1").unwrap();
    assert_eq!(sub.recv_timeout(SECOND).unwrap().payload(), b"1");
    assert!(task.poll(&mut bus.sleep_until(Duration::MAX)).is_ready());
}

/// Room in a channel of the user's is made by its reader, in real time; only the end of the wait is the bus's.
#[test]
fn a_blocked_publisher_goes_on_without_a_move_of_a_manual_clock() {
    let (bus, clock) = bus();
    let client = bus.connect();
    let (tx, rx) = crossbeam_channel::bounded(1);
    let block = SubscribeOptions::new().overflow(OverflowPolicy::Block(SECOND));
    let _guard = client.subscribe_channel_with("a", block, tx).unwrap();
    let publisher = client.clone();
    let sending = std::thread::spawn(move || (0..10).map(|_| publisher.publish("a", "").unwrap()).sum::<usize>());
    for _ in 0..10 {
        rx.recv_timeout(Duration::from_secs(30)).unwrap();
    }
    assert_eq!((sending.join().unwrap(), clock.timers()), (10, 0));
    // The queue is not read: the wait ends when the clock says so.
    assert_eq!(client.publish("a", ""), Ok(1));
    let sending = std::thread::spawn(move || client.publish("a", "").unwrap());
    clock.wait_for_timers(1);
    assert_eq!(clock.next_timer(), Some(SECOND * 2));
    clock.advance(SECOND);
    assert_eq!(sending.join().unwrap(), 0);
    assert!(bus.stats().ledger.balances());
}
