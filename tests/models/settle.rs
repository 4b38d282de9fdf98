//! Quiet: when `Activity::wait_quiet` returns, nothing is queued, being handled, or about to be published because of it.

use crate::{SECOND, assert_settled, block_on, model};
use postroom::id::MessageId;
use postroom::observe::{Observer, PublishAction, PublishContext};
use postroom::{Bus, Clock, ConnectOptions, Limits, ManualClock, Subscriber};
use shuttle::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lets all pass; the bus keeps account for its sake.
#[derive(Default)]
struct Numbers(AtomicU64);

impl Observer for Numbers {
    fn publish(&self, _: &PublishContext<'_>) -> PublishAction {
        PublishAction::Route { id: MessageId::new(self.0.fetch_add(1, Ordering::Relaxed)), times: 1 }
    }
}

fn observed(clock: &ManualClock) -> Bus {
    let mut limits = Limits::default();
    limits.route_cache_entries = 2;
    Bus::builder().seed(7).shards(1).clock(clock).limits(limits).observer(Arc::<Numbers>::default()).build()
}

/// A subscription of the test's own, which is not waited for.
fn watch(bus: &Bus, subject: &str) -> Subscriber {
    bus.connect_with(ConnectOptions::new().untracked(true)).subscribe(subject).unwrap()
}

fn assert_quiet(bus: &Bus, watched: &Subscriber, expected: usize) {
    assert_eq!(watched.len(), expected, "all that follows from what was published has been published");
    assert_eq!(bus.stats().ledger.queued, expected as u64, "only the test's own is queued");
    assert_settled(bus);
}

// Goal: a consumer that publishes what it got on is waited for up to its last publish. Method: one thread takes two messages and
// publishes each on after it has dropped it; another waits for quiet after it has published both.
#[test]
fn a_thread_that_passes_on_is_waited_for() {
    model(3_000, || {
        let bus = observed(&Clock::manual());
        let (app, end) = (bus.connect(), watch(&bus, "b"));
        let input = app.subscribe("a").unwrap();
        let passing = thread::spawn(move || {
            while let Ok(message) = input.recv() {
                let payload = message.payload().to_vec();
                drop(message);
                app.publish("b", payload).unwrap();
            }
        });
        let test = bus.connect();
        for round in 1..=2 {
            assert_eq!(test.publish("a", "x"), Ok(1));
            bus.activity().unwrap().wait_quiet();
            assert_quiet(&bus, &end, round);
        }
        bus.close();
        passing.join().unwrap();
    });
}

// Goal: the same through two threads and a callback. Method: a thread passes to a callback, which passes to a thread.
#[test]
fn a_chain_of_threads_and_callbacks_is_waited_for() {
    model(2_000, || {
        let bus = observed(&Clock::manual());
        let end = watch(&bus, "d");
        let app = bus.connect();
        let publisher = app.clone();
        let _callback = app.subscribe_fn("b", move |_| drop(publisher.publish("c", "x"))).unwrap();
        let threads = [("a", "b"), ("c", "d")].map(|(from, to)| {
            let (app, input) = (bus.connect(), app.subscribe(from).unwrap());
            thread::spawn(move || {
                while let Ok(message) = input.recv() {
                    drop(message);
                    app.publish(to, "x").unwrap();
                }
            })
        });
        bus.connect().publish("a", "x").unwrap();
        bus.activity().unwrap().wait_quiet();
        assert_quiet(&bus, &end, 1);
        bus.close();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

// Goal: a task counts from its message until it asks for the next. Method: as with the thread, on an executor of one task.
#[test]
fn a_task_that_passes_on_is_waited_for() {
    model(3_000, || {
        let bus = observed(&Clock::manual());
        let (app, end) = (bus.connect(), watch(&bus, "b"));
        let input = app.subscribe("a").unwrap();
        let passing = thread::spawn(move || {
            block_on(async {
                while let Ok(message) = input.recv_async().await {
                    drop(message);
                    app.publish("b", "x").unwrap();
                }
            });
        });
        bus.connect().publish("a", "x").unwrap();
        bus.activity().unwrap().wait_quiet();
        assert_quiet(&bus, &end, 1);
        bus.close();
        passing.join().unwrap();
    });
}

// Goal: quiet comes though the message is never received, and a waiter does not miss it. Method: the subscriber is dropped with the
// message in its queue, or before it comes, while another thread waits.
#[test]
fn a_message_that_is_thrown_away_is_waited_for_no_longer() {
    model(3_000, || {
        let bus = observed(&Clock::manual());
        let input = bus.connect().subscribe("a").unwrap();
        let publisher = bus.connect();
        let publishing = thread::spawn(move || drop(publisher.publish("a", "x")));
        let waiting = {
            let bus = bus.clone();
            thread::spawn(move || bus.activity().unwrap().wait_quiet())
        };
        drop(input);
        publishing.join().unwrap();
        waiting.join().unwrap();
        bus.activity().unwrap().wait_quiet();
        assert_eq!(bus.stats().ledger.queued, 0);
        assert_settled(&bus);
    });
}

// Goal: two waiters are both woken, whichever hold ends last. Method: two holds end on two threads, two threads
// wait.
#[test]
fn all_who_wait_for_quiet_are_woken() {
    model(4_000, || {
        let bus = observed(&Clock::manual());
        let activity = bus.activity().unwrap().clone();
        let hold = activity.hold("a");
        let ending = thread::spawn(move || drop(hold));
        let waiting = {
            let activity = activity.clone();
            thread::spawn(move || activity.wait_quiet())
        };
        activity.wait_quiet();
        [ending, waiting].into_iter().for_each(|thread| thread.join().unwrap());
        assert!(activity.is_quiet());
    });
}

// Goal: a clock that is moved to the next timer, as read while all was quiet and stayed so, passes no timer: a thread that was
// woken by the last step waits again, with its timer set. Method: a thread ticks each second; another moves the clock so, as the
// test kit does.
#[test]
fn time_moves_only_when_who_it_woke_waits_again() {
    model(2_000, || {
        let clock = Clock::manual();
        let bus = observed(&clock);
        let (app, ticks) = (bus.connect(), watch(&bus, "tick"));
        let never = app.subscribe("never").unwrap();
        let ticking = thread::spawn(move || {
            while never.recv_timeout(SECOND).is_err_and(|error| error == postroom::error::RecvTimeoutError::Timeout) {
                app.publish("tick", "x").unwrap();
            }
        });
        clock.wait_for_timers(1);
        for round in 1..=2 {
            let activity = bus.activity().unwrap();
            let next = loop {
                let changes = activity.changes();
                activity.wait_quiet();
                let next = clock.next_timer();
                if changes == activity.changes() {
                    break next;
                }
            };
            assert_eq!(next, Some(SECOND * round), "the next one is set already");
            clock.advance(SECOND);
            bus.activity().unwrap().wait_quiet();
            assert_eq!(ticks.len(), round as usize);
        }
        bus.close();
        ticking.join().unwrap();
    });
}

// Goal: an answer that is under way counts, and so does the requester that got it. Method: one thread asks and says so; a
// callback answers.
#[test]
fn who_got_an_answer_is_waited_for() {
    model(2_000, || {
        let bus = observed(&Clock::manual());
        let (app, told) = (bus.connect(), watch(&bus, "told"));
        let input = app.subscribe("go").unwrap();
        let _answering = bus.connect().subscribe_fn("ask", |question| drop(question.respond("x"))).unwrap();
        let asking = thread::spawn(move || {
            while input.recv().is_ok() {
                assert_eq!(app.request("ask", "").unwrap().payload(), b"x");
                app.publish("told", "x").unwrap();
            }
        });
        bus.connect().publish("go", "").unwrap();
        bus.activity().unwrap().wait_quiet();
        assert_eq!(told.len(), 1);
        assert_settled(&bus);
        bus.close();
        asking.join().unwrap();
    });
}
