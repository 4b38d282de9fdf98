//! Requests against answers, timeouts, cancellation and close (R1 to R9, on a clock that stands still until it is moved).

use crate::{SECOND, assert_settled, block_on, bus, bus_on, model};
use postroom::request::RequestManyOptions;
use postroom::{Bus, Clock, RequestError, SubscriptionGuard};
use shuttle::thread::{self, JoinHandle};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

/// A thread that answers one question, and says how many took the answer.
fn answering(bus: &Bus) -> JoinHandle<usize> {
    let subscriber = bus.connect().subscribe("double").unwrap();
    thread::spawn(move || subscriber.recv().unwrap().respond("42").unwrap_or(0))
}

// Goal: a thread that waits for an answer is woken by it (R1). Method: one asks, one answers.
#[test]
fn an_answer_wakes_who_asked() {
    model(4_000, || {
        let bus = bus();
        let answering = answering(&bus);
        assert_eq!(bus.connect().request("double", "21").unwrap().payload(), b"42");
        assert_eq!(answering.join().unwrap(), 1);
        assert_settled(&bus);
    });
}

// Goal: a task that waits for an answer is woken by it. Method: as above, polled until it is ready.
#[test]
fn an_answer_wakes_the_task_that_asked() {
    model(4_000, || {
        let bus = bus();
        let answering = answering(&bus);
        let client = bus.connect();
        assert_eq!(block_on(client.request_async("double", "21")).unwrap().payload(), b"42");
        assert_eq!(answering.join().unwrap(), 1);
        assert_settled(&bus);
    });
}

// Goal: a request ends with its answer or with its time, and an answer that comes after that is counted as late, never as the answer to
// another (R7). Method: a clock that is moved on while the answer is under way; then the same slot is used again.
fn answer_against_timeout(ask: fn(&postroom::Client) -> Result<postroom::Message, RequestError>) {
    model(3_000, move || {
        let clock = Clock::manual();
        let bus = bus_on(&clock);
        let answering = answering(&bus);
        let advancing = {
            let clock = clock.clone();
            thread::spawn(move || clock.advance(SECOND))
        };
        let client = bus.connect();
        let first = ask(&client);
        advancing.join().unwrap();
        match first {
            Ok(answer) => assert_eq!(answer.payload(), b"42"),
            Err(error) => {
                assert!(matches!(error, RequestError::Timeout { .. } | RequestError::NoResponders { .. }), "{error}");
                let _echo = client.subscribe_fn("echo", |question| drop(question.respond("other").unwrap())).unwrap();
                assert_eq!(client.request("echo", "").unwrap().payload(), b"other");
            }
        }
        let taken = answering.join().unwrap();
        assert_settled(&bus);
        let stats = bus.stats();
        assert_eq!(stats.ledger.delivered, 1 + taken as u64 + 2 * (stats.traffic.requests - 1), "{stats:?}");
        assert!(stats.traffic.late_replies <= 1, "{stats:?}");
        assert_eq!(clock.timers(), 0);
    });
}

#[test]
fn an_answer_against_the_timeout_of_a_thread() {
    answer_against_timeout(|client| client.request_timeout("double", "21", SECOND));
}

#[test]
fn an_answer_against_the_timeout_of_a_task() {
    answer_against_timeout(|client| block_on(client.request_timeout_async("double", "21", SECOND)));
}

// Goal: a request that is given up leaves nothing, whether or not its answer was there (R7). Method: a future polled once and dropped beside
// the answer.
#[test]
fn an_answer_against_a_cancelled_request() {
    model(3_000, || {
        let bus = bus();
        let answering = answering(&bus);
        let client = bus.connect();
        let asked = pin!(client.request_async("double", "21")).poll(&mut Context::from_waker(Waker::noop())).is_ready();
        let taken = answering.join().unwrap();
        assert_settled(&bus);
        assert!(taken == 1 || !asked);
        assert_eq!(bus.stats().traffic.late_replies, !asked as u64);
        client.drain().wait();
        assert!(client.is_closed());
    });
}

// Goal: closing the client ends its requests (D8). Method: a request without a limit and without an answer, and a close; by the
// client and by the bus.
#[test]
fn close_against_a_request() {
    for whole_bus in [false, true] {
        model(2_500, move || {
            let bus = bus();
            let silent = bus.connect().subscribe("double").unwrap();
            let client = bus.connect();
            let asking = {
                let client = client.clone();
                thread::spawn(move || client.request("double", "21"))
            };
            if whole_bus {
                bus.close()
            } else {
                client.close()
            }
            // A bus that closes may end the silent one's subscription before the client.
            match asking.join().unwrap().unwrap_err() {
                RequestError::Closed => {}
                RequestError::NoResponders { .. } if whole_bus => {}
                error => panic!("{error}"),
            }
            drop(silent);
            assert_settled(&bus);
        });
    }
}

// Goal: a drain waits for the answers to requests under way, and then closes (D8). Method: a request, its answer and a drain of the client
// that asks.
#[test]
fn drain_against_a_request() {
    model(3_000, || {
        let bus = bus();
        let answering = answering(&bus);
        let client = bus.connect();
        let asking = {
            let client = client.clone();
            thread::spawn(move || client.request("double", "21"))
        };
        client.drain().wait();
        assert!(client.is_closed());
        match asking.join().unwrap() {
            Ok(answer) => assert_eq!(answer.payload(), b"42"),
            Err(error) => {
                assert!(matches!(error, RequestError::Closed), "{error}");
                bus.connect().publish("double", "").unwrap();
            }
        }
        answering.join().unwrap();
        assert_settled(&bus);
    });
}

fn answer_inline(client: &postroom::Client) -> SubscriptionGuard {
    client.subscribe_fn("double", |question| drop(question.respond("42"))).unwrap()
}

// Goal: threads that ask first at the same time share one inbox, and each gets its own answer (R7). Method: two threads of one client.
#[test]
fn first_requests_share_an_inbox() {
    model(3_000, || {
        let bus = bus();
        let responder = bus.connect();
        let _echo =
            responder.subscribe_fn("echo", |question| drop(question.respond(question.payload_bytes()))).unwrap();
        let client = bus.connect();
        let asking = ["one", "two"].map(|text| {
            let client = client.clone();
            thread::spawn(move || assert_eq!(client.request("echo", text).unwrap().payload(), text.as_bytes()))
        });
        asking.into_iter().for_each(|thread| thread.join().unwrap());
        assert_settled(&bus);
        assert_eq!((bus.stats().subscriptions, bus.stats().matcher.entries), (2, 2));
    });
}

// Goal: a request to a responder that leaves is answered, or told at once that there are no responders (R2). Method: both
// at once.
#[test]
fn a_responder_leaves() {
    model(3_000, || {
        let bus = bus();
        let responder = bus.connect();
        let guard = answer_inline(&responder);
        let client = bus.connect();
        let asking = thread::spawn(move || client.request("double", "21"));
        drop(guard);
        match asking.join().unwrap() {
            Ok(answer) => assert_eq!(answer.payload(), b"42"),
            Err(error) => assert!(matches!(error, RequestError::NoResponders { .. }), "{error}"),
        }
        assert_settled(&bus);
    });
}

// Goal: each of several answers is given once, in any order (R9). Method: two responders on two threads, a count of two.
#[test]
fn several_answers_are_all_given() {
    model(2_500, || {
        let bus = bus();
        let answering = [answering(&bus), answering(&bus)];
        let client = bus.connect();
        let answers = client.request_many("double", "21", RequestManyOptions::new().max(2)).unwrap();
        assert_eq!(answers.into_iter().count(), 2);
        assert_eq!(answering.map(|thread| thread.join().unwrap()), [1, 1]);
        assert_settled(&bus);
    });
}
