//! Messages that are routed by another subject than receivers see.
//!
//! Goal: each part of the bus uses the right one of the two subjects. Method: one test for each part, with two subjects of which only the
//! right one gives the result; on buses that take different ways inside, and on observed ones.

use crate::common::buses;
use crate::sinks::assert_balanced;
use parking_lot::Mutex;
use postroom::id::MessageId;
use postroom::observe::{
    DelayedDelivery, DelayedMessage, DeliveryAction, Observer, PublishAction, PublishContext, RejectedPublish,
    SubscriptionInfo,
};
use postroom::receive::{SinkDelivery, SinkResult};
use postroom::request::RequestManyOptions;
use postroom::*;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

fn stored(payload: &str) -> Message {
    Message::new("orders.eu", payload).unwrap()
}

/// What a sink was shown: the routed subject, the message's, and whether a client published it.
type Shown = Arc<Mutex<Vec<(String, String, bool)>>>;

fn sink(shown: &Shown, answer: SinkResult) -> impl Fn(&SinkDelivery<'_>) -> SinkResult + Send + Sync + 'static {
    let shown = shown.clone();
    move |delivery| {
        let (routed, seen) = (delivery.routed_subject().to_owned(), delivery.message().subject().to_string());
        shown.lock().push((routed, seen, delivery.publisher().is_some()));
        answer
    }
}

#[test]
fn jc80_it_is_matched_by_the_routed_subject_and_seen_with_its_own() {
    for bus in buses() {
        let client = bus.connect();
        let routed = client.subscribe("deliver.*").unwrap();
        let own = client.subscribe("orders.>").unwrap();
        let member = client.queue_subscribe("deliver.7", "g").unwrap();
        let (channel, from_channel) = crossbeam_channel::bounded(9);
        let _channel = client.subscribe_channel("deliver.7", channel).unwrap();
        let called = Arc::new(Mutex::new(Vec::new()));
        let calls = called.clone();
        let _callback = client.subscribe_fn("deliver.7", move |message| calls.lock().push(message)).unwrap();
        for n in 0..4 {
            // By turns, so that a remembered route serves both kinds.
            assert_eq!(client.publish_message_to("deliver.7", &stored("x")).unwrap(), 4);
            assert_eq!(client.publish("deliver.7", "y").unwrap(), 4);
            for subject in ["orders.eu", "deliver.7"] {
                assert_eq!(routed.recv().unwrap().subject(), subject);
                assert_eq!(member.recv().unwrap().subject(), subject);
                assert_eq!(from_channel.recv().unwrap().subject(), subject);
            }
            let subjects: Vec<_> = called.lock().drain(..).map(|message| message.subject().to_string()).collect();
            assert_eq!(subjects, ["orders.eu", "deliver.7"], "{n}");
        }
        assert!(own.is_empty());
        assert_eq!(client.publish_message_to("deliver.none", &stored("x")).unwrap(), 1);
        assert_eq!(client.publish_message_to("orders.eu", &stored("x")).unwrap(), 1, "the same subject twice");
        assert_eq!(own.recv().unwrap(), stored("x"));
        assert_balanced(&bus);
    }
}

#[test]
fn jc80_all_other_parts_of_the_message_come_with_it() {
    for bus in buses() {
        let client = bus.connect();
        let deliveries = client.subscribe("deliver.7").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("Id", "7").unwrap();
        let message = stored("x").with_headers(headers).with_reply("$JS.ACK.1").unwrap();
        assert_eq!(client.publish_message_to("deliver.7", &message).unwrap(), 1);
        assert_eq!(deliveries.recv().unwrap(), message);
    }
}

#[test]
fn p3_permission_to_publish_is_asked_for_the_routed_subject() {
    for bus in buses() {
        let all = bus.connect().subscribe(">").unwrap();
        let rules = Permissions::new().allow_publish("deliver.>").unwrap();
        let client = bus.connect_with(ConnectOptions::new().permissions(rules));
        assert_eq!(client.publish_message_to("deliver.7", &stored("x")).unwrap(), 1);
        let error = client.publish_message_to("other.7", &Message::new("deliver.7", "").unwrap()).unwrap_err();
        assert_eq!(error, PublishError::PermissionDenied { subject: "other.7".into() });
        assert_eq!(all.len(), 1);
    }
}

#[test]
fn p5_a_deny_entry_of_a_receiver_holds_for_the_subject_that_it_would_see() {
    for bus in buses() {
        let rules = |deny: &str| Permissions::new().deny_subscribe(deny).unwrap();
        let client = |deny: &str| bus.connect_with(ConnectOptions::new().permissions(rules(deny)));
        let (seen, routed) = (client("orders.eu"), client("deliver.7"));
        // A deny entry that the pattern itself does not overlap concerns none of its messages by their routed subject.
        let withheld = [seen.subscribe(">").unwrap(), seen.queue_subscribe("*.*", "g").unwrap()];
        let let_in = [routed.subscribe(">").unwrap(), routed.queue_subscribe("*.*", "h").unwrap()];
        assert_eq!(bus.connect().publish_message_to("deliver.7", &stored("x")).unwrap(), 2);
        assert!(withheld.iter().all(|subscriber| subscriber.is_empty()));
        assert!(let_in.iter().all(|subscriber| subscriber.len() == 1));
        assert_eq!(bus.connect().publish("deliver.7", "x").unwrap(), 2, "to the other two");
        assert!(withheld.iter().all(|subscriber| subscriber.len() == 1));
        assert_balanced(&bus);
    }
}

#[test]
fn r2_no_responders_are_found_and_named_by_the_routed_subject() {
    for bus in buses() {
        let client = bus.connect();
        let _own = client.subscribe("orders.eu").unwrap();
        let answers = client.subscribe("answers").unwrap();
        let message = stored("x").with_reply("answers").unwrap();
        assert_eq!(client.publish_message_to("deliver.7", &message).unwrap(), 0);
        let notice = answers.try_recv().unwrap();
        assert_eq!(notice.status(), Some(StatusCode::NO_RESPONDERS));
        assert_eq!(notice.headers().get("Nats-Subject"), Some("deliver.7"));
        // With a subscription there, the message's own subject causes none.
        let _deliveries = client.subscribe("deliver.7").unwrap();
        assert_eq!(client.publish_message_to("deliver.7", &stored("x").with_reply("answers").unwrap()).unwrap(), 1);
        assert!(answers.try_recv().is_err());
    }
}

#[test]
fn r7_a_response_finds_its_request_by_the_routed_subject() {
    for bus in buses() {
        let (client, engine) = (bus.connect(), bus.connect());
        let speaks = engine.clone();
        let _engine = engine
            .subscribe_fn("next", move |request| {
                assert_eq!(speaks.publish_message_to(request.reply().unwrap(), &stored("1")).unwrap(), 1);
            })
            .unwrap();
        let got = client.request("next", "").unwrap();
        assert_eq!((got.subject().as_str(), got.payload()), ("orders.eu", &b"1"[..]));
        let many = client.request_many("next", "", RequestManyOptions::new().max(1)).unwrap();
        assert_eq!(many.into_iter().map(|response| response.subject().to_string()).collect::<Vec<_>>(), ["orders.eu"]);
        // The other way round it is not a response.
        let reply = Arc::new(Mutex::new(None));
        let keep = reply.clone();
        let _asked = engine.subscribe_fn("asked", move |request| *keep.lock() = request.reply().cloned()).unwrap();
        let mut request = pin!(client.request_async("asked", ""));
        let response = Message::new(reply.lock().clone().unwrap(), "1").unwrap();
        assert_eq!(engine.publish_message_to("elsewhere", &response).unwrap(), 0);
        assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(client.stats().traffic.late_replies, 0);
    }
}

#[test]
fn sinks_are_shown_both_subjects() {
    for bus in buses() {
        let client = bus.connect();
        let shown = Shown::default();
        let both = || ("deliver.7".to_owned(), "orders.eu".to_owned(), true);
        let _plain = client.subscribe_sink("deliver.*", sink(&shown, SinkResult::Taken)).unwrap();
        assert_eq!(client.publish_message_to("deliver.7", &stored("x")).unwrap(), 1);
        assert_eq!(std::mem::take(&mut *shown.lock()), [both()]);
        let member = SubscribeOptions::new().queue("g");
        let _second = client.subscribe_sink("deliver.7", sink(&shown, SinkResult::Refused)).unwrap();
        let _member = client.subscribe_sink_with("deliver.7", member, sink(&shown, SinkResult::Taken)).unwrap();
        assert_eq!(client.publish_message_to("deliver.7", &stored("x")).unwrap(), 2);
        assert_eq!(std::mem::take(&mut *shown.lock()), [both(), both(), both()]);
        client.publish("deliver.7", "").unwrap();
        assert!(shown.lock().iter().all(|(routed, seen, _)| routed == "deliver.7" && seen == "deliver.7"));
    }
}

#[test]
fn sinks_are_shown_both_subjects_when_there_is_room_again() {
    for bus in buses() {
        let client = bus.connect();
        let shown = Shown::default();
        let block = |time| SubscribeOptions::new().overflow(OverflowPolicy::Block(time));
        let guard =
            client.subscribe_sink_with("deliver.7", block(Duration::MAX), sink(&shown, SinkResult::Full)).unwrap();
        let looks = || std::mem::take(&mut *shown.lock());
        let both = ("deliver.7".to_owned(), "orders.eu".to_owned(), true);
        std::thread::scope(|scope| {
            let blocked = scope.spawn(|| bus.connect().publish_message_to("deliver.7", &stored("x")).unwrap());
            // Shown once while it was routed, and again before the publisher waits.
            while shown.lock().len() < 2 {
                std::thread::yield_now();
            }
            guard.unsubscribe();
            assert_eq!(blocked.join().unwrap(), 0);
        });
        let all = looks();
        assert!(all.iter().all(|shown| *shown == both), "{all:?}");
    }
}

#[test]
fn reports_of_losses_have_the_subject_of_the_message() {
    for bus in buses() {
        let (client, events) = (bus.connect(), bus.events());
        let one = SubscribeOptions::new().capacity(1);
        let _slow = client.subscribe_with("deliver.7", one).unwrap();
        for _ in 0..2 {
            client.publish_message_to("deliver.7", &stored("x")).unwrap();
        }
        let Some(Event::SlowConsumer(episode)) = events.try_recv() else { panic!("one was lost") };
        assert_eq!(episode.first.subject, "orders.eu");
        assert_balanced(&bus);
    }
}

#[test]
fn h1_long_subjects_of_a_message_count_toward_the_bounds_of_queues() {
    for bus in buses() {
        let client = bus.connect();
        let deliveries = client.subscribe("deliver.7").unwrap();
        let long = "x".repeat(100);
        client.publish_message_to("deliver.7", &Message::new(long.as_str(), "1").unwrap()).unwrap();
        assert_eq!(deliveries.ledger().queued_bytes, 101);
        let _ = deliveries.recv().unwrap();
        client.publish_message_to("deliver.7", &stored("1")).unwrap();
        assert_eq!(deliveries.ledger().queued_bytes, 1);
    }
}

#[test]
fn s4_both_subjects_are_checked() {
    let mut limits = Limits::default();
    limits.max_subject_len = 28;
    let bus = Bus::builder().limits(limits).build();
    let (client, lenient) = (bus.connect(), bus.connect_with(ConnectOptions::new().lenient(true)));
    let all = client.subscribe(">").unwrap();
    lenient.publish("a.*", "").unwrap();
    let odd = all.recv().unwrap();
    assert!(matches!(client.publish_message_to("a.*", &stored("x")), Err(PublishError::InvalidSubject(_))));
    assert!(matches!(client.publish_message_to("a", &odd), Err(PublishError::InvalidSubject(_))));
    assert_eq!(lenient.publish_message_to("a", &odd).unwrap(), 1);
    assert_eq!(all.recv().unwrap().subject(), "a.*");
    let long = Message::new("x".repeat(29), "").unwrap();
    for client in [&client, &lenient] {
        let too_long = PublishError::SubjectTooLong { len: 29, max: 28 };
        assert_eq!(client.publish_message_to("a", &long), Err(too_long.clone()));
        assert_eq!(client.publish_message_to("x".repeat(29), &stored("x")), Err(too_long));
    }
    assert!(all.is_empty());
}

/// Delays what is published to `later.*`, and copies for callbacks on `copy.*`.
#[derive(Default)]
struct Delays {
    seen: Mutex<Vec<(String, String)>>,
    refused: Mutex<Vec<(String, String)>>,
    reached: Mutex<Vec<usize>>,
    messages: Mutex<Vec<DelayedMessage>>,
    copies: Mutex<Vec<DelayedDelivery>>,
}

impl Observer for Delays {
    fn publish(&self, publish: &PublishContext<'_>) -> PublishAction {
        self.seen.lock().push((publish.routed_subject().to_owned(), publish.message.subject().to_string()));
        self.reached.lock().push(publish.reach());
        if publish.routed_subject().starts_with("later.") {
            self.messages.lock().push(publish.delay(MessageId::new(1)));
            return PublishAction::Delay { id: MessageId::new(1) };
        }
        PublishAction::Route { id: MessageId::new(1), times: 1 }
    }

    fn refused(&self, refused: &RejectedPublish<'_>) {
        self.refused.lock().push((refused.routed_subject.to_owned(), refused.message.subject().to_string()));
    }

    fn deliver(&self, _: MessageId, publish: &PublishContext<'_>, _: &SubscriptionInfo) -> DeliveryAction {
        self.seen.lock().push((publish.routed_subject().to_owned(), publish.message.subject().to_string()));
        if !publish.routed_subject().starts_with("copy.") {
            return DeliveryAction::Pass;
        }
        self.copies.lock().push(publish.delay_delivery().unwrap());
        DeliveryAction::Delay
    }
}

#[test]
fn an_observer_sees_both_subjects_and_delays_keep_both() {
    let delays = Arc::new(Delays::default());
    let bus = Bus::builder().observer(delays.clone()).build();
    let client = bus.connect();
    let shown = Shown::default();
    let _own = client.subscribe("orders.eu").unwrap();
    let _sinks = ["now.1", "later.1", "copy.1"].map(|at| client.subscribe_sink(at, sink(&shown, SinkResult::Taken)));
    for routed in ["now.1", "later.1", "copy.1"] {
        assert_eq!(client.publish_message_to(routed, &stored("x")).unwrap(), 1, "{routed}");
        let all = std::mem::take(&mut *delays.seen.lock());
        assert!(all.iter().all(|seen| *seen == (routed.to_owned(), "orders.eu".to_owned())), "{all:?}");
    }
    assert_eq!(*delays.reached.lock(), [1, 1, 1]);
    let messages = std::mem::take(&mut *delays.messages.lock());
    assert_eq!(messages.into_iter().map(DelayedMessage::release).collect::<Vec<_>>(), [1]);
    let copies = std::mem::take(&mut *delays.copies.lock());
    assert!(copies.into_iter().all(DelayedDelivery::release));
    let both = |routed: &str| (routed.to_owned(), "orders.eu".to_owned(), true);
    assert_eq!(*shown.lock(), [both("now.1"), both("later.1"), both("copy.1")]);
    client.publish_message_to("a.*", &stored("x")).unwrap_err();
    assert_eq!(*delays.refused.lock(), [("a.*".to_owned(), "orders.eu".to_owned())]);
    assert_balanced(&bus);
}

#[test]
fn a_delayed_response_finds_its_request_by_the_routed_subject() {
    let delays = Arc::new(Delays::default());
    let bus = Bus::builder().observer(delays.clone()).build();
    let client = bus.connect_with(ConnectOptions::new().inbox_prefix(Subject::new("later").unwrap()));
    let speaks = bus.connect();
    let _engine = speaks
        .clone()
        .subscribe_fn("next", move |request| {
            assert_eq!(speaks.publish_message_to(request.reply().unwrap(), &stored("1")).unwrap(), 1);
        })
        .unwrap();
    let mut request = pin!(client.request_async("next", ""));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(request.as_mut().poll(&mut cx).is_pending());
    let delayed = std::mem::take(&mut *delays.messages.lock());
    assert_eq!(delayed.into_iter().map(DelayedMessage::release).sum::<usize>(), 1);
    let Poll::Ready(Ok(got)) = request.as_mut().poll(&mut cx) else { panic!("it was answered") };
    assert_eq!(got.subject(), "orders.eu");
}
