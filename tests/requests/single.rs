//! Requests with one answer, R rules: from threads and from tasks, answered, late, lost and many at once.

use crate::executor::{SECOND, Task, block_on, tokio_on};
use postroom::error::RespondError;
use postroom::{
    Bus, Client, Clock, ConnectOptions, HeaderMap, Limits, ManualClock, PublishError, RequestError, RequestOptions,
    Subject, SubscribeOptions,
};
use std::task::Poll;
use std::time::Duration;

fn manual() -> (Bus, ManualClock, Client) {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).seed(1).build();
    let client = bus.connect();
    (bus, clock, client)
}

fn is_timeout<T: std::fmt::Debug>(result: Result<T, RequestError>, after: Duration) -> bool {
    result.unwrap_err() == RequestError::Timeout { after }
}

#[test]
fn a_blocking_request_times_out_on_the_manual_clock() {
    let (bus, clock, client) = manual();
    let silent = client.subscribe("svc").unwrap();
    for (timeout, given) in [(Some(SECOND), SECOND), (None, bus.limits().request_timeout)] {
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| match timeout {
                Some(timeout) => client.request_timeout("svc", "", timeout),
                None => client.request("svc", ""),
            });
            clock.wait_for_timers(1);
            clock.advance(given - Duration::from_nanos(1));
            assert!(!asking.is_finished());
            clock.wait_for_timers(1);
            clock.advance(Duration::from_nanos(1));
            assert!(is_timeout(asking.join().unwrap(), given));
        });
        assert_eq!(clock.timers(), 0);
        // An answer that comes now is late: counted, and given to no request.
        assert_eq!(silent.recv().unwrap().respond("late").unwrap(), 0);
    }
    assert_eq!((bus.stats().traffic.late_replies, bus.stats().traffic.requests), (2, 2));
    assert!(bus.stats().ledger.balances());
}

#[test]
fn an_async_request_times_out_on_the_manual_clock() {
    let (bus, clock, client) = manual();
    let silent = client.subscribe("svc").unwrap();
    let task = Task::new();
    let mut request = client.request_timeout_async("svc", "", SECOND);
    assert!(task.poll(&mut request).is_pending() && task.poll(&mut request).is_pending());
    assert_eq!(clock.timers(), 1, "one for each wait, however often it is polled");
    clock.advance(SECOND / 2);
    assert_eq!(task.woken(), 0);
    clock.advance(SECOND / 2);
    assert_eq!((task.woken(), clock.timers()), (1, 0));
    let Poll::Ready(ended) = task.poll(&mut request) else { panic!("its time is up") };
    assert!(is_timeout(ended, SECOND));
    silent.recv().unwrap().respond("late").unwrap();
    drop(request);
    assert_eq!(bus.stats().traffic.late_replies, 1);
    for ended in [
        block_on(client.request_timeout_async("svc", "", Duration::ZERO)),
        tokio_on(client.request_timeout_async("svc", "", Duration::ZERO)),
    ] {
        assert!(is_timeout(ended, Duration::ZERO));
    }
}

#[test]
fn the_systems_clock_keeps_time_for_threads_and_tasks() {
    let client = Bus::new().connect();
    let _silent = client.subscribe("svc").unwrap();
    let soon = Duration::from_millis(1);
    assert!(is_timeout(client.request_timeout("svc", "", soon), soon));
    assert!(is_timeout(block_on(client.request_timeout_async("svc", "", soon)), soon));
    assert!(is_timeout(tokio_on(client.request_timeout_async("svc", "", soon)), soon));
}

#[test]
fn no_responders_is_known_at_once() {
    let (_, clock, client) = manual();
    let nobody = RequestError::NoResponders { subject: "svc".into() };
    assert_eq!(client.request("svc", "").unwrap_err(), nobody);
    assert_eq!(client.request_with("svc", "", RequestOptions::new()).unwrap_err(), nobody);
    let Poll::Ready(ended) = Task::new().poll(&mut client.request_async("svc", "")) else { panic!("known at once") };
    assert_eq!(ended.unwrap_err(), nobody);
    assert_eq!(clock.timers(), 0);
    // R2 (2): a client that did not ask for the news waits.
    let patient = client.bus().connect_with(ConnectOptions::new().no_responders(false));
    let mut request = patient.request_async("svc", "");
    let task = Task::new();
    assert!(task.poll(&mut request).is_pending());
    clock.advance(patient.bus().limits().request_timeout);
    assert!(matches!(task.poll(&mut request), Poll::Ready(Err(RequestError::Timeout { .. }))));
}

/// R8: a responder that passes the news on, as a bridge would; with a payload it is an answer.
#[test]
fn a_503_that_is_passed_on_is_no_answer() {
    let (bus, _, client) = manual();
    let relay = bus.connect();
    let answers = relay.clone();
    let _relay = relay.subscribe_fn("svc", move |question| {
        let answer = postroom::Message::new(question.reply().unwrap(), question.payload()).unwrap();
        let answer = answer.with_status(postroom::StatusCode::NO_RESPONDERS, "");
        answers.publish_message(&answer).unwrap();
    });
    assert!(client.request("svc", "").unwrap_err().is_no_responders());
    let answer = client.request("svc", "words").unwrap();
    assert_eq!((answer.payload(), answer.status().map(u16::from)), (&b"words"[..], Some(503)));
}

#[test]
fn answers_carry_headers_and_may_be_answered_themselves() {
    let (bus, _, client) = manual();
    let server = bus.connect();
    let steps = server.subscribe("step.*").unwrap();
    let publisher = server.clone();
    let _service = server.subscribe_fn("svc", move |question| {
        let mut headers = question.headers().clone();
        headers.append("Seen", "yes").unwrap();
        let answer = postroom::Message::new(question.reply().unwrap(), question.payload()).unwrap();
        publisher.publish_message(&answer.with_headers(headers).with_reply("step.2").unwrap()).unwrap();
    });
    let mut headers = HeaderMap::new();
    headers.insert("Id", "1").unwrap();
    let answer = client.request_with("svc", "x", RequestOptions::new().headers(headers)).unwrap();
    assert_eq!(answer.headers().iter().collect::<Vec<_>>(), [("Id", "1"), ("Seen", "yes")]);
    assert_eq!(answer.respond("next").unwrap(), 1);
    assert_eq!(steps.recv().unwrap().payload(), b"next");
}

#[test]
fn what_cannot_be_answered_says_so() {
    let (bus, _, client) = manual();
    let subscriber = client.subscribe("a").unwrap();
    client.publish("a", "").unwrap();
    assert_eq!(subscriber.recv().unwrap().respond("x").unwrap_err(), RespondError::NoReply);
    let by_hand = postroom::Message::new("a", "").unwrap().with_reply("b").unwrap();
    assert_eq!(by_hand.respond("x").unwrap_err(), RespondError::NoReply);
    bus.connect().publish_message(&by_hand).unwrap();
    let received = subscriber.recv().unwrap();
    assert_eq!(received.respond("x").unwrap(), 0);
    client.close();
    assert_eq!(received.respond("x").unwrap_err(), RespondError::Publish(PublishError::Closed));
    assert_eq!(client.request("a", "").unwrap_err(), RequestError::Closed);
    assert!(matches!(client.request_async("a", "").into_ready(), Err(RequestError::Closed)));
}

trait IntoReady: Future + Unpin + Sized {
    fn into_ready(mut self) -> Self::Output {
        match Task::new().poll(&mut self) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("not ready"),
        }
    }
}

impl<F: Future + Unpin> IntoReady for F {}

/// A forged, a stale and a broken token reach no request; the right one does.
#[test]
fn answers_find_their_own_request_only() {
    let (bus, _, client) = manual();
    let service = client.subscribe("svc").unwrap();
    let reply = |subject: Subject| move |payload: &str| bus.connect().publish(&subject, payload).unwrap();
    let mut first = client.request_async("svc", "");
    let to_first = service.recv().unwrap().reply().unwrap().clone();
    let mut second = client.request_async("svc", "");
    let to_second = service.recv().unwrap().reply().unwrap().clone();
    assert_ne!(to_first, to_second);
    let root = to_first.as_str().rsplit_once('.').unwrap().0.to_owned();
    let other = reply.clone();
    for token in ["x", "zzzzzzzzzzz", "-", "zzzzzzzzzzzzzzzz"] {
        assert_eq!(other.clone()(Subject::new(format!("{root}.{token}")).unwrap())("forged"), 0);
    }
    assert_eq!(other.clone()(to_second)("2"), 1);
    assert_eq!(other.clone()(to_first.clone())("1"), 1);
    assert_eq!(other.clone()(to_first.clone())("once more"), 0);
    let task = Task::new();
    let Poll::Ready(Ok(answer)) = task.poll(&mut first) else { panic!("answered") };
    assert_eq!(answer.payload(), b"1");
    let Poll::Ready(Ok(answer)) = task.poll(&mut second) else { panic!("answered") };
    assert_eq!(answer.payload(), b"2");
    drop(first);
    // The place in the inbox is used again, under another name.
    let third = client.request_async("svc", "");
    assert_eq!(other(to_first)("stale"), 0);
    drop(third);
    assert_eq!(client.stats().traffic.late_replies, 6);
}

#[test]
fn a_thousand_requests_wait_at_once() {
    let (bus, clock, client) = manual();
    let server = bus.connect();
    let questions = server.subscribe("svc").unwrap();
    let task = Task::new();
    let mut requests: Vec<_> = (0..1000).map(|n| client.request_async("svc", n.to_string())).collect();
    requests.iter_mut().for_each(|request| assert!(task.poll(request).is_pending()));
    assert_eq!((clock.timers(), questions.len(), bus.stats().subscriptions), (1000, 1000, 2), "one inbox for all");
    let mut asked: Vec<_> = questions.try_iter().collect();
    asked.reverse();
    asked.iter().for_each(|question| assert_eq!(question.respond(question.payload_bytes()).unwrap(), 1));
    assert_eq!(task.woken(), 1000);
    for (n, request) in requests.iter_mut().enumerate() {
        let Poll::Ready(Ok(answer)) = task.poll(request) else { panic!("answered") };
        assert_eq!(answer.payload_str().unwrap(), n.to_string());
    }
    assert_eq!((clock.timers(), bus.stats().traffic.late_replies), (0, 0));
}

#[test]
fn requests_of_many_threads_and_tasks_get_their_own_answers() {
    let bus = Bus::new();
    let server = bus.connect();
    let workers: Vec<_> = (0..2).map(|_| server.queue_subscribe("square", "workers").unwrap()).collect();
    let client = bus.connect();
    std::thread::scope(|scope| {
        for worker in &workers {
            scope.spawn(move || {
                for question in worker {
                    let n: u64 = question.payload_str().unwrap().parse().unwrap();
                    assert_eq!(question.respond((n * n).to_string()).unwrap(), 1);
                }
            });
        }
        let askers: Vec<_> = (0..2u64)
            .map(|asker| {
                let client = &client;
                scope.spawn(move || {
                    let check = |n: u64, answer: Result<postroom::Message, RequestError>| {
                        assert_eq!(answer.unwrap().payload_str().unwrap(), (n * n).to_string());
                    };
                    for n in (asker * 1000)..(asker * 1000 + 300) {
                        check(n, client.request("square", n.to_string()));
                        check(n, block_on(client.request_async("square", n.to_string())));
                    }
                    tokio_on(async {
                        for n in 0..300 {
                            check(n, client.request_async("square", n.to_string()).await);
                        }
                    });
                })
            })
            .collect();
        askers.into_iter().for_each(|asker| asker.join().unwrap());
        server.close();
    });
    let stats = bus.stats();
    assert_eq!((stats.traffic.requests, stats.traffic.late_replies), (1800, 0));
    assert!(stats.ledger.balances() && stats.traffic.routed == stats.ledger.matched);
}

#[test]
fn inboxes_lie_under_the_prefix_that_was_asked_for() {
    let mut limits = Limits::default();
    limits.max_requests = 10;
    let bus = Bus::builder().limits(limits).build();
    // R7: also one that is too long for the usual way.
    for prefix in ["BOB".to_owned(), "very.".repeat(20) + "long"] {
        let client = bus.connect_with(ConnectOptions::new().inbox_prefix(Subject::new(prefix.as_str()).unwrap()));
        let service = bus.connect().subscribe("svc").unwrap();
        let mut request = client.request_async("svc", "");
        let question = service.recv().unwrap();
        assert!(question.reply().unwrap().as_str().starts_with(&format!("{prefix}.")));
        question.respond("").unwrap();
        assert!(Task::new().poll(&mut request).is_ready());
        assert!(client.new_inbox().as_str().starts_with(&format!("{prefix}.")));
    }
}

/// Goal: a responder without room does not count as missing (R2: the message matched a subscription). Method: its queue is
/// full, and not read, so that the request waits its time on the manual clock instead of failing at once.
#[test]
fn a_responder_without_room_is_not_no_responders() {
    let (_bus, clock, client) = manual();
    let full = client.subscribe_with("svc", SubscribeOptions::new().capacity(1)).unwrap();
    client.publish("svc", "fills it").unwrap();
    let task = Task::new();
    let mut request = client.request_timeout_async("svc", "", SECOND);
    assert!(task.poll(&mut request).is_pending());
    clock.advance(SECOND);
    let Poll::Ready(ended) = task.poll(&mut request) else { panic!("its time is up") };
    assert!(is_timeout(ended, SECOND));
    assert_eq!(client.publish_with_reply("svc", "answers", "").unwrap(), 0);
    assert_eq!(full.ledger().dropped.total(), 2);
}

/// A received request responds through the connection that received it, and so keeps it, until the request is dropped; closing ends what it can do.
#[test]
fn a_request_that_is_kept_keeps_its_connection() {
    let (bus, _, client) = manual();
    let answers = client.subscribe("answers").unwrap();
    let receive = |is_closed: bool| {
        let service = bus.connect();
        let jobs = service.subscribe("jobs").unwrap();
        client.publish_with_reply("jobs", "answers", "1").unwrap();
        let request = jobs.recv().unwrap();
        if is_closed {
            service.close();
        }
        request
    };
    let request = receive(false);
    assert_eq!((bus.stats().clients, request.respond("")), (2, Ok(1)));
    drop(request);
    assert_eq!(bus.stats().clients, 1);
    let request = receive(true);
    assert_eq!((bus.stats().clients, request.respond("")), (2, Err(RespondError::Publish(PublishError::Closed))));
    drop(request);
    assert_eq!((bus.stats().clients, answers.len()), (1, 1));
}
