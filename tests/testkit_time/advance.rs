//! Moving time with threads: one deadline after the other, each step settled.

use crate::{HOUR, SECOND};
use postroom::TestKit;
use postroom::activity::ActivityKind;
use postroom::error::RecvTimeoutError;
use postroom::stats::DropReason;
use postroom::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Publishes on `subject` whenever `period` has passed, until the bus is closed.
fn beat(kit: &TestKit, subject: &'static str, period: Duration) -> thread::JoinHandle<()> {
    let app = kit.bus().connect();
    let never = app.subscribe("never").unwrap();
    thread::spawn(move || {
        while matches!(never.recv_timeout(period), Err(RecvTimeoutError::Timeout)) {
            app.publish(subject, "").unwrap();
        }
    })
}

#[test]
fn what_two_threads_do_in_their_time_comes_in_the_order_of_time() {
    let kit = TestKit::new();
    let beats = kit.client().subscribe("beat.*").unwrap();
    let threads = [beat(&kit, "beat.two", SECOND * 2), beat(&kit, "beat.five", SECOND * 5)];
    kit.clock().wait_for_timers(2);
    kit.advance(SECOND * 9);
    let order: Vec<_> = beats.try_iter().map(|beat| beat.subject().to_string()).collect();
    assert_eq!(order, ["beat.two", "beat.two", "beat.five", "beat.two", "beat.two"]);
    assert_eq!(kit.clock().now(), SECOND * 9);
    kit.bus().close();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn an_hour_of_timeouts_with_threads() {
    const ASKING: usize = 4;
    let kit = TestKit::new();
    let app = kit.bus().connect();
    let silent = app.subscribe_with("ask", SubscribeOptions::new().overflow(OverflowPolicy::DropNewest)).unwrap();
    let failures = kit.client().subscribe("failed").unwrap();
    let threads: Vec<_> = (0..ASKING)
        .map(|_| {
            let app = kit.bus().connect();
            thread::spawn(move || {
                while let Err(RequestError::Timeout { .. }) = app.request_timeout("ask", "", SECOND * 10) {
                    app.publish("failed", "").unwrap();
                }
            })
        })
        .collect();
    let taking = thread::spawn(move || silent.iter().for_each(drop));
    kit.clock().wait_for_timers(ASKING);
    for minute in 1..=60 {
        kit.advance(SECOND * 60);
        assert_eq!(failures.len(), ASKING * 6 * minute);
    }
    assert_eq!(kit.clock().now(), HOUR);
    kit.bus().close();
    threads.into_iter().chain([taking]).for_each(|thread| thread.join().unwrap());
}

#[test]
fn an_hour_of_timeouts_in_the_tests_own_thread() {
    let kit = TestKit::new();
    let app = kit.bus().connect();
    let silent = kit.client().subscribe("ask").unwrap();
    let beats = kit.client().subscribe("beat").unwrap();
    let heart = beat(&kit, "beat", SECOND * 60);
    kit.clock().wait_for_timers(1);
    let auto = kit.auto_advance();
    for _ in 0..360 {
        assert!(app.request_timeout("ask", "", SECOND * 10).unwrap_err().is_timeout());
        assert_eq!(silent.recv().unwrap().payload(), b"");
    }
    drop(auto);
    kit.settle();
    assert_eq!(kit.clock().now(), HOUR);
    assert_eq!(beats.len(), 60);
    // Time stands still again.
    let asking = thread::spawn(move || app.request_timeout("ask", "", SECOND));
    kit.clock().wait_for_timers(2);
    kit.settle();
    assert_eq!(kit.clock().now(), HOUR);
    kit.bus().close();
    assert!(asking.join().unwrap().is_err());
    heart.join().unwrap();
}

#[test]
fn time_runs_until_something_is_so_and_no_further() {
    let kit = TestKit::new();
    let beats = kit.client().subscribe("beat").unwrap();
    let heart = beat(&kit, "beat", SECOND);
    kit.clock().wait_for_timers(1);
    assert_eq!(kit.run_until(|| beats.len() == 7), SECOND * 7);
    assert_eq!(kit.run_until(|| true), Duration::ZERO);
    kit.bus().close();
    heart.join().unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| kit.run_until(|| false))).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("no timer is set"));
}

#[test]
fn a_step_that_does_not_settle_stops_time() {
    const LIMIT: Duration = Duration::from_millis(200);
    let kit = TestKit::builder().settle_limit(LIMIT).build();
    let (app, busy) = (kit.bus().connect(), Arc::new(Mutex::new(None)));
    let (inner, kept) = (kit.clone(), busy.clone());
    let begin = move |_| *kept.lock().unwrap() = Some(inner.busy("the importer"));
    let importer = app.subscribe_fn("beat", begin).unwrap();
    let heart = beat(&kit, "beat", SECOND);
    kit.clock().wait_for_timers(1);
    let unsettled = kit.try_advance(HOUR).unwrap_err();
    assert_eq!(unsettled.held, [ActivityKind::Part("the importer".into())]);
    assert_eq!((unsettled.now, kit.clock().now()), (SECOND, SECOND));
    assert_eq!((unsettled.limit, unsettled.next_timer), (LIMIT, Some(SECOND * 2)));
    drop(importer);
    busy.lock().unwrap().take();
    kit.advance(SECOND);
    kit.bus().close();
    heart.join().unwrap();
}

#[test]
fn who_waits_for_the_time_with_a_message_in_its_hands_is_no_hindrance() {
    let kit = TestKit::new();
    let app = kit.bus().connect();
    let _silent = kit.client().subscribe("backend").unwrap();
    let _front = {
        let app = app.clone();
        app.clone()
            .subscribe_fn("front", move |question| {
                let failed = app.request_timeout("backend", "", SECOND * 30).unwrap_err();
                question.respond(failed.is_timeout().to_string()).unwrap();
            })
            .unwrap()
    };
    let test = kit.client();
    let asking = thread::spawn(move || test.request_timeout("front", "", HOUR).unwrap());
    kit.clock().wait_for_timers(1);
    kit.advance(SECOND * 29);
    assert!(!asking.is_finished());
    kit.advance(SECOND);
    assert_eq!(asking.join().unwrap().payload(), b"true");
    assert_eq!(kit.clock().now(), SECOND * 30);
}

#[test]
fn a_drain_that_nobody_empties_ends_with_its_limit() {
    let kit = TestKit::new();
    let app = kit.bus().connect_with(ConnectOptions::new().untracked(true));
    let kept = app.subscribe("a").unwrap();
    app.publish("a", "").unwrap();
    let drain = app.drain();
    let waiting = thread::spawn(move || drain.wait_timeout(SECOND * 30));
    kit.clock().wait_for_timers(1);
    kit.advance(SECOND * 29);
    assert!(!waiting.is_finished());
    kit.advance(SECOND);
    assert!(waiting.join().unwrap().is_err());
    drop(kept);
}

#[test]
fn a_stalled_publisher_gives_up_in_its_time() {
    let kit = TestKit::new();
    let test = kit.client();
    let full = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(SECOND * 3));
    let narrow = test.subscribe_with("narrow", full).unwrap();
    let app = kit.bus().connect();
    let publishing = thread::spawn(move || (0..2).map(|_| app.publish("narrow", "").unwrap()).sum::<usize>());
    kit.clock().wait_for_timers(1);
    kit.advance(SECOND * 3);
    assert_eq!(publishing.join().unwrap(), 1);
    assert_eq!(narrow.ledger().dropped.of(DropReason::BlockTimeout), 1);
}

#[test]
fn time_that_moves_by_itself_waits_for_who_started_it() {
    let kit = TestKit::new();
    let beats = kit.client().subscribe("beat").unwrap();
    let heart = beat(&kit, "beat", SECOND);
    kit.clock().wait_for_timers(1);
    let auto = kit.auto_advance();
    // Real time passes, and this thread has something else to do than to wait on the bus.
    let elsewhere = Bus::new().connect().subscribe("never").unwrap();
    thread::spawn(move || elsewhere.recv_timeout(crate::SHORT * 6)).join().unwrap().unwrap_err();
    assert_eq!((kit.clock().now(), beats.len()), (Duration::ZERO, 0));
    beats.recv().unwrap();
    drop(auto);
    kit.bus().close();
    heart.join().unwrap();
}
