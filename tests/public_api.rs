//! Uses of the public types without a method call.
//!
//! Goal: handles go between threads and tasks, errors fit into `Box<dyn StdError + Send + Sync>`. Method: bounds that only compile where they
//! hold, and texts that say what went wrong.
#![allow(missing_docs)]

use futures_core::future::FusedFuture;
use futures_core::stream::FusedStream;
use postroom::error::{
    BuildError, CloseReason, DrainTimeoutError, HeaderError, LimitsError, RecvTimeoutError, RespondError,
    StatusCodeError, SubjectError, TryRecvError,
};
use postroom::event::{Denied, EventSender, EventStream, SlowConsumer};
use postroom::future::{Closed, DrainFuture, InterestChanged, PublishFuture, RequestFuture, RespondFuture};
use postroom::headers;
use postroom::interest::{InterestWatcher, PatternInterest};
use postroom::matcher::{EntryId, LinearMatcher, Matcher, MatcherStats, Matches, QueueGroup};
use postroom::observe::SubscriptionInfo;
use postroom::publish::RawMessage;
use postroom::receive::{IntoIter, Iter, SinkResult, SubscriberStream};
use postroom::request::{RequestManyOptions, Responses, ResponsesEnd, ResponsesIter};
use postroom::stats::{BusStats, ClientStats, DropCounts, DropReason, DroppedMessage, Ledger};
use postroom::time::{ScheduledTask, Sleep};
use postroom::*;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt::{Debug, Display};
use std::iter::FusedIterator;
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

fn handle<T: Send + Sync + Unpin + Debug + 'static>() {}

fn future<T: FusedFuture + Send + Unpin + Debug + 'static>() {}

fn stream<T: FusedStream + Send + Unpin + Debug + 'static>() {}

fn iterator<T: FusedIterator>() {}

fn error<T: StdError + Send + Sync + Clone + PartialEq + Unpin + 'static>() {}

fn value<T: Clone + PartialEq + Debug + Send + Sync + Unpin + 'static>() {}

#[test]
fn handles_go_anywhere() {
    handle::<Bus>();
    handle::<BusBuilder>();
    handle::<Client>();
    handle::<Publisher>();
    handle::<Subscriber>();
    handle::<SubscriptionGuard>();
    handle::<EventStream<Event>>();
    handle::<EventSender<Event>>();
    handle::<Message>();
    handle::<Payload<'static>>();
    handle::<Clock>();
    handle::<ManualClock>();
    handle::<Drain>();
    handle::<RequestManyOptions>();
    handle::<ConnectOptions>();
    handle::<RawMessage<'static>>();
    handle::<ScheduledTask>();
    handle::<Sleep>();
    handle::<InterestWatcher>();
    handle::<Matcher<String>>();
    handle::<Matches<String>>();
    handle::<QueueGroup<String>>();
    handle::<LinearMatcher<String>>();
    handle::<IntoIter>();
    handle::<Iter<'static>>();
    handle::<Responses>();
    handle::<ResponsesIter>();
    handle::<SubscriberStream<'static>>();
    handle::<headers::Iter<'static>>();
    handle::<headers::IntoIter>();
}

#[test]
fn what_is_awaited_goes_to_any_executor() {
    future::<RequestFuture>();
    future::<PublishFuture>();
    future::<RespondFuture>();
    future::<DrainFuture>();
    future::<Sleep>();
    future::<Closed>();
    future::<InterestChanged<'static>>();
    stream::<Subscriber>();
    stream::<SubscriberStream<'static>>();
    stream::<Responses>();
    stream::<EventStream<Event>>();
    fn is_future<F: IntoFuture<Output = ()>>() {}
    is_future::<Drain>();
    let subscriber = Bus::new().connect().subscribe("a").unwrap();
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    drop(is_send(subscriber.recv_async()));
}

#[test]
fn what_is_told_and_asked_for_is_a_value() {
    value::<Message>();
    value::<RequestOptions>();
    value::<Subject>();
    value::<Pattern>();
    value::<HeaderMap>();
    value::<StatusCode>();
    value::<Limits>();
    value::<Ledger>();
    value::<DropCounts>();
    value::<BusStats>();
    value::<ClientStats>();
    value::<MatcherStats>();
    value::<Event>();
    value::<SlowConsumer>();
    value::<DroppedMessage>();
    value::<SubscriptionInfo>();
    value::<PatternInterest>();
    value::<SubscribeOptions>();
    value::<OverflowPolicy>();
    value::<DropReason>();
    value::<SinkResult>();
    value::<CloseReason>();
    value::<ResponsesEnd>();
    value::<EntryId>();
    value::<Permissions>();
    value::<AllowResponses>();
    value::<Denied>();
}

#[test]
fn errors_are_errors() {
    error::<SubjectError>();
    error::<HeaderError>();
    error::<StatusCodeError>();
    error::<LimitsError>();
    error::<BuildError>();
    error::<PublishError>();
    error::<SubscribeError>();
    error::<RecvError>();
    error::<TryRecvError>();
    error::<RecvTimeoutError>();
    error::<RequestError>();
    error::<RespondError>();
    error::<DrainTimeoutError>();
}

/// Each text names what is at fault, with its numbers.
#[test]
fn errors_say_what_went_wrong() {
    let mut limits = Limits::default();
    (limits.max_payload, limits.max_subject_len, limits.max_subscriptions) = (4, 28, 1);
    let bus = Bus::builder().limits(limits).build();
    let client = bus.connect();
    let _only = client.subscribe("a").unwrap();
    let only_a = Permissions::new().allow_publish("a").unwrap().allow_subscribe("a").unwrap();
    let held = bus.connect_with(ConnectOptions::new().permissions(only_a));
    let wire = bus.connect_with(ConnectOptions::new().lenient(true));
    let block = RawMessage::new("a", "").headers(bytes::Bytes::from("x"));
    fn text<T, E: StdError + Send + Sync + 'static>(result: Result<T, E>) -> String {
        let error: Box<dyn StdError + Send + Sync> = match result {
            Ok(_) => panic!("it was to fail"),
            Err(error) => error.into(),
        };
        error.to_string()
    }
    let texts = [
        (text(client.publish("a..b", "")), "byte 2"),
        (text(client.publish("a.*", "")), "byte 2"),
        (text(client.publish("s".repeat(29), "")), "29 bytes"),
        (text(client.publish("a", "12345")), "5 bytes exceed the maximum of 4"),
        (text(client.subscribe("a.>.b")), "byte 4"),
        (text(client.subscribe("b")), "maximum of 1 subscriptions"),
        (text(client.queue_subscribe("b", "a b")), "\"a b\""),
        (text(client.subscribe_with("b", SubscribeOptions::new().capacity(0))), "capacity 0"),
        (text(client.subscribe_with("b", SubscribeOptions::new().fallback(true))), "needs a queue group"),
        (text(bus.connect().request("nobody", "")), "no responders on nobody"),
        (text(Message::new("a", "").unwrap().respond("")), "no answer"),
        (text(held.publish("b", "")), "publish to \"b\" denied"),
        (text(held.queue_subscribe("b", "q")), "subscribe to \"b\" in queue group \"q\" denied"),
        (text(held.subscribe("b")), "subscribe to \"b\" denied"),
        (text(held.request("a", "")), "subscribe to the inbox \"_INBOX."),
        (text(wire.publish_with_reply("a", "_R_.x", "")), "reply \"_R_.x\" denied"),
        (text(client.publish_raw(block)), "no NATS/1.0 version at byte 0"),
    ];
    for (text, wanted) in texts {
        assert!(text.contains(wanted), "{text:?} does not name {wanted:?}");
    }
}

/// Whatever is a text is a subject and a pattern, and whatever is bytes a payload.
#[test]
fn texts_and_bytes_of_all_kinds_are_taken() {
    let client = Bus::new().connect();
    let all = client.subscribe(">").unwrap();
    let (boxed, shared, cow): (Box<str>, Arc<str>, Cow<'_, str>) = ("a".into(), "a".into(), "a".into());
    for subject in &["a", "b"] {
        client.publish(subject, subject).unwrap();
    }
    client.publish(&boxed, boxed.clone()).unwrap();
    client.publish(boxed.clone(), Arc::<[u8]>::from(&b"a"[..])).unwrap();
    client.publish(&shared, shared.clone()).unwrap();
    client.publish(shared.clone(), bytes::BytesMut::from("a")).unwrap();
    client.publish(&cow, "a".to_owned()).unwrap();
    client.publish(cow.clone(), "a").unwrap();
    assert_eq!(all.len(), 8);
    assert!(
        all.try_iter().all(|message| message == Message::new(message.subject(), message.subject().as_str()).unwrap())
    );
    let (wild, word) = (&"a.*", &"a");
    for refused in [client.publish(wild, ""), client.publish(Arc::<str>::from("a.*"), "")] {
        assert!(matches!(refused, Err(PublishError::InvalidSubject(_))));
    }
    let patterns = [client.subscribe(boxed), client.subscribe(shared), client.subscribe(cow), client.subscribe(word)];
    assert!(patterns.iter().all(|subscriber| subscriber.as_ref().unwrap().pattern() == "a"));
    // Each subject that a program made is a pattern; one that came from a lenient connection may be none.
    assert_eq!(Pattern::try_from(Subject::new("a").unwrap()).unwrap(), "a");
}

/// Owned bytes are not copied, whatever owns them.
#[test]
fn shared_bytes_are_shared_with_receivers() {
    let client = Bus::new().connect();
    let all = client.subscribe("a").unwrap();
    let (bytes, text): (Arc<[u8]>, Arc<str>) = (vec![7; 100].into(), "7".repeat(100).into());
    client.publish("a", bytes.clone()).unwrap();
    client.publish("a", text.clone()).unwrap();
    assert_eq!(all.recv().unwrap().into_payload().as_ptr(), bytes.as_ptr());
    assert_eq!(all.recv().unwrap().payload().as_ptr(), text.as_ptr());
}

#[test]
fn headers_go_from_and_into_pairs() {
    let pairs = [("B", "1"), ("A", "2"), ("B", "3")];
    let headers = HeaderMap::try_from(pairs).unwrap();
    assert_eq!((&headers).into_iter().collect::<Vec<_>>(), pairs);
    assert_eq!(headers.iter().rev().len(), 3);
    assert_eq!(HeaderMap::try_from(pairs.to_vec()).unwrap(), headers);
    assert_eq!(HeaderMap::try_from_iter(BTreeMap::from([("A", "2")])).unwrap().get("A"), Some("2"));
    let owned: Vec<(String, String)> = headers.clone().into_iter().collect();
    let mut more = HeaderMap::try_from(owned).unwrap();
    assert_eq!(more, headers);
    assert_eq!(
        more.try_extend([("C", "4"), ("D:", "5"), ("E", "6")]),
        Err(HeaderError::NameChar { position: 1, found: ':' })
    );
    assert_eq!((more.len(), more.get("C")), (4, Some("4")), "those before the refused one are there");
    iterator::<headers::Iter<'_>>();
    iterator::<headers::IntoIter>();
}

#[test]
fn messages_are_equal_by_what_they_say() {
    let bus = Bus::new();
    let (client, wire) = (bus.connect(), bus.connect_with(ConnectOptions::new().lenient(true)));
    let all = client.subscribe(">").unwrap();
    let with = |value: &str| HeaderMap::try_from([("A", value)]).unwrap();
    let made = Message::new("a", "x").unwrap().with_reply("b").unwrap().with_headers(with("1"));
    let raw = |block: &'static str| RawMessage::new("a", "x").reply("b").headers(bytes::Bytes::from(block));
    let sent = |block| {
        wire.publish_raw(raw(block)).unwrap();
        all.recv().unwrap()
    };
    assert_eq!(sent("NATS/1.0\r\nA:   1\r\n\r\n"), made, "the form of the block and the receiver do not count");
    assert_eq!(made.clone().with_payload("y").with_payload("x"), made);
    assert_eq!(made.clone().with_subject("c").unwrap().with_subject("a").unwrap(), made);
    assert!(made.clone().with_subject("c.*").is_err());
    let plain = Message::new("a", "x").unwrap();
    let none = plain.clone().with_reply("b").unwrap();
    assert_eq!(sent("NATS/1.0\r\n\r\n"), none, "a block that says nothing is none");
    for other in [
        plain.clone(),
        none.clone(),
        made.clone().with_headers(with("2")),
        made.clone().with_payload("y"),
        made.clone().with_subject("c").unwrap(),
        made.clone().with_reply("c").unwrap(),
        made.clone().with_status(StatusCode::TIMEOUT, ""),
        sent("no block"),
    ] {
        assert_ne!(made, other);
    }
    assert_eq!(sent("no block"), sent("no block"));
    assert_ne!(sent("no block"), sent("another"));
    assert_ne!(sent("no block"), none);
}

#[test]
fn status_codes_come_from_numbers_and_texts() {
    assert_eq!("503".parse(), Ok(StatusCode::NO_RESPONDERS));
    assert_eq!(StatusCode::try_from(408), Ok(StatusCode::TIMEOUT));
    for text in ["", "99", "099", "1000", "+99", " 503", "5o3"] {
        assert!(text.parse::<StatusCode>().is_err(), "{text:?}");
    }
    assert!([0, 99, 1000].map(StatusCode::try_from).iter().all(Result::is_err));
}

/// A part of the crate's errors, through `?` in a function with one error; and those of one wait into those of another.
#[test]
fn one_error_is_over_all() {
    fn from<E: Into<Error> + Display>(error: E) {
        let text = error.to_string();
        let error: Box<dyn StdError + Send + Sync> = Box::new(error.into());
        assert_eq!((error.to_string(), error.source().is_none()), (text, true));
    }
    let client = Bus::new().connect();
    let subscriber = client.subscribe("a").unwrap();
    from(client.publish("a..b", "").unwrap_err());
    from(client.subscribe("a..b").unwrap_err());
    from(client.request("b", "").unwrap_err());
    from(Message::new("a", "").unwrap().respond("").unwrap_err());
    from(subscriber.try_recv().unwrap_err());
    from(subscriber.recv_timeout(Duration::ZERO).unwrap_err());
    from(Subject::new("").unwrap_err());
    from(HeaderMap::new().insert("", "").unwrap_err());
    from("x".parse::<StatusCode>().unwrap_err());
    from(Bus::builder().limits(Limits::new().max_requests(0)).try_build().unwrap_err());
    client.close();
    from(subscriber.recv().unwrap_err());
    fn limited(subscriber: &Subscriber) -> Result<Message, RecvTimeoutError> {
        Ok(subscriber.recv()?)
    }
    fn at_once(subscriber: &Subscriber) -> Result<Message, TryRecvError> {
        Ok(subscriber.recv()?)
    }
    assert_eq!(limited(&subscriber), Err(RecvTimeoutError::Closed(CloseReason::ClientClosed)));
    assert_eq!(at_once(&subscriber), Err(TryRecvError::Closed(CloseReason::ClientClosed)));
}

/// A report that prints an error and then its sources says nothing twice.
#[test]
fn no_message_repeats_its_source() {
    let client = Bus::new().connect();
    let errors: [Box<dyn StdError>; 4] = [
        Box::new(client.publish("a..b", "").unwrap_err()),
        Box::new(client.subscribe("a..b").unwrap_err()),
        Box::new(client.request("a..b", "").unwrap_err()),
        Box::new(Bus::builder().limits(Limits::new().max_requests(0)).try_build().unwrap_err()),
    ];
    for error in errors {
        assert!(error.source().is_none(), "{error}");
    }
}

#[test]
fn what_is_told_can_be_printed() {
    fn say(value: impl Display) -> String {
        value.to_string()
    }
    let bus = Bus::new();
    let events = bus.events();
    let client = bus.connect_with(ConnectOptions::new().name("till"));
    let slow = client.subscribe_with("a", SubscribeOptions::new().queue("q").capacity(1)).unwrap();
    for _ in 0..3 {
        client.publish("a", "xy").unwrap();
    }
    assert_eq!(say(slow.ledger()), "matched 3: delivered 0, dropped 2 (2 queue full), queued 1 (2 bytes)");
    assert_eq!(format!("{:?}", slow.ledger().dropped), "{QueueFull: 2}");
    assert_eq!(say(DropCounts::default()), "0");
    let event = say(events.try_recv().unwrap());
    let (id, client_id) = (slow.id(), client.id());
    let slow_one =
        format!("subscription {id} of client {client_id} to a in queue group q is slow: 2 messages dropped so far");
    assert!(event.starts_with(&slow_one), "{event}");
    client.close();
    let closed = slow.recv().and_then(|_| slow.recv()).unwrap_err();
    assert_eq!(say(closed), "the subscription has ended: client closed");
    let last = std::iter::from_fn(|| events.try_recv()).last().unwrap();
    assert_eq!(say(last), format!("client {client_id} (till) was closed"));
    for reason in DropReason::ALL {
        assert!(!say(reason).is_empty() && !say(reason).contains(char::is_uppercase));
    }
    assert_eq!(say(ResponsesEnd::Max), "as many answers as wanted");
}

/// G9: a panic leaves nothing half done, so handles may be used on both sides of where it is caught.
#[test]
fn handles_cross_a_catch_unwind() {
    fn both<T: UnwindSafe + RefUnwindSafe>() {}
    both::<Bus>();
    both::<Client>();
    both::<Publisher>();
    both::<Subscriber>();
    both::<SubscriptionGuard>();
    both::<Message>();
    both::<Payload<'static>>();
    both::<EventStream<Event>>();
    both::<InterestWatcher>();
    both::<Responses>();
    both::<Drain>();
    both::<ManualClock>();
    let client = Bus::new().connect();
    let subscriber = client.subscribe("a").unwrap();
    assert_eq!(catch_unwind(|| client.publish("a", "x")).unwrap(), Ok(1));
    assert_eq!(catch_unwind(|| subscriber.recv()).unwrap().unwrap().payload(), b"x");
}
