//! The things that an activity counts, from when and until when: each row of its table, where `observe` does not show it
//! with the rest.

use crate::common::FOREVER;
use postroom::activity::{Activity, ActivityKind};
use postroom::error::RespondError;
use postroom::id::MessageId;
use postroom::observe::{Observer, PublishAction, PublishContext};
use postroom::request::RequestManyOptions;
use postroom::*;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Lets everything pass.
struct Plain;

impl Observer for Plain {
    fn publish(&self, _: &PublishContext<'_>) -> PublishAction {
        PublishAction::Route { id: MessageId::new(1), times: 1 }
    }
}

fn bus() -> (Bus, Activity, ManualClock) {
    let clock = Clock::manual();
    let bus = Bus::builder().observer(Arc::new(Plain)).clock(&clock).build();
    let activity = bus.activity().unwrap().clone();
    (bus, activity, clock)
}

/// A copy that is kept neither counts as activity nor keeps the connection that received it.
#[test]
fn a_stored_copy_holds_nothing() {
    let (bus, activity, _clock) = bus();
    let client = bus.connect();
    let sub = client.subscribe("kept").unwrap();
    bus.connect().publish_with_reply("kept", "answers", "1").unwrap();
    let received = sub.recv().unwrap();
    let messages = || activity.held().iter().filter(|held| matches!(held, ActivityKind::Message { .. })).count();
    let kept = (received.clone(), received.to_stored());
    drop((received, sub, client));
    assert_eq!((messages(), bus.stats().clients), (1, 1), "a message that can be responded to");
    let (received, stored) = kept;
    drop(received);
    assert_eq!((messages(), bus.stats().clients), (0, 0));
    assert_eq!((stored.subject().as_str(), stored.payload()), ("kept", &b"1"[..]));
    assert_eq!(stored.respond("2").unwrap_err(), RespondError::NoReply);
}

fn threads(activity: &Activity) -> usize {
    activity.held().iter().filter(|held| matches!(held, ActivityKind::Thread(_))).count()
}

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs `wait` on a thread, which waits with a limit when `then` is called; and looks at the activity when it has come back, before
/// the thread comes to its end.
fn after(
    activity: &Activity,
    clock: &ManualClock,
    wait: impl FnOnce() + Send,
    then: impl FnOnce(),
) -> Vec<ActivityKind> {
    std::thread::scope(|scope| {
        let (go, end) = mpsc::channel::<()>();
        let (came, comes) = mpsc::channel();
        scope.spawn(move || {
            wait();
            came.send(()).unwrap();
            let _ = end.recv();
        });
        clock.wait_for_timers(1);
        then();
        comes.recv_timeout(FOREVER).unwrap();
        let held = activity.held();
        drop(go);
        held
    })
}

#[test]
fn a_thread_that_was_given_an_answer_counts() {
    let (bus, activity, _) = bus();
    let (client, service) = (bus.connect(), bus.connect());
    let _service = service.subscribe_fn("ask", |question| drop(question.respond("42"))).unwrap();
    drop(client.request("ask", "").unwrap());
    assert_eq!(threads(&activity), 1);
    activity.wait_quiet();
    let mut answers = client.request_many("ask", "", RequestManyOptions::new().max(1)).unwrap();
    assert_eq!(threads(&activity), 0);
    drop(answers.recv().unwrap());
    assert_eq!(threads(&activity), 1);
    activity.mark_idle();
    assert!(activity.is_quiet(), "{activity:?}");
}

#[test]
fn a_thread_that_learns_of_an_end_was_given_nothing() {
    let (bus, activity, _) = bus();
    let client = bus.connect();
    let queue = client.subscribe("a").unwrap();
    client.publish("a", "").unwrap();
    drop(queue.recv().unwrap());
    assert_eq!(threads(&activity), 1);
    queue.unsubscribe();
    assert!(queue.recv().is_err());
    assert!(activity.is_quiet(), "{activity:?}");
}

#[test]
fn a_subscriber_counts_until_it_is_asked_again_or_dropped() {
    let (bus, activity, _) = bus();
    let client = bus.connect();
    let queue = client.subscribe("a").unwrap();
    for _ in 0..3 {
        client.publish("a", "").unwrap();
    }
    for _ in 0..2 {
        assert!(matches!(poll(queue.recv_async()), Poll::Ready(Ok(_))));
    }
    let subscriber = |held: &&ActivityKind| matches!(held, ActivityKind::Subscriber { .. });
    assert_eq!(activity.held().iter().filter(subscriber).count(), 1, "{activity:?}");
    drop(queue);
    assert!(activity.is_quiet(), "{activity:?}");
}

/// It does not matter whether the thread had to wait, which makes it count where anything else comes of it.
#[test]
fn what_an_untracked_connection_receives_does_not_count_however_it_came() {
    let (bus, activity, clock) = bus();
    let (app, test) = (bus.connect(), bus.connect_with(ConnectOptions::new().untracked(true)));
    let _service = app.subscribe_fn("ask", |question| drop(question.respond("42"))).unwrap();
    let questions = app.subscribe("ask.later").unwrap();
    let queue = test.subscribe("a").unwrap();

    app.publish("a", "").unwrap();
    let kept = queue.recv().unwrap();
    assert!(activity.is_quiet(), "{activity:?}");
    let held = after(
        &activity,
        &clock,
        || drop(queue.recv_timeout(HOUR).unwrap()),
        || assert_eq!(app.publish("a", ""), Ok(1)),
    );
    assert_eq!(held, []);
    app.publish("a", "").unwrap();
    assert!(matches!(poll(queue.recv_async()), Poll::Ready(Ok(_))));
    assert!(activity.is_quiet(), "{activity:?}");

    let answer = test.request("ask", "").unwrap();
    assert!(activity.is_quiet(), "{activity:?}");
    let held = after(
        &activity,
        &clock,
        || drop(test.request_timeout("ask.later", "", HOUR).unwrap()),
        || {
            questions.recv().unwrap().respond("").unwrap();
            activity.mark_idle();
        },
    );
    assert_eq!(held, []);
    drop((kept, answer));
}
