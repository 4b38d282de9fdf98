//! What the public types can be used for without a method being called.
//!
//! Goal: handles go between threads and tasks, errors fit into `Box<dyn Error + Send + Sync>`. Method: bounds that only compile where they
//! hold, and texts that say what went wrong.
#![allow(missing_docs)]

use postroom::*;
use std::error::Error;
use std::fmt::Debug;

fn handle<T: Send + Sync + Unpin + Debug + 'static>() {}

fn future<T: Future + Send + Unpin + Debug + 'static>() {}

fn stream<T: futures_core::Stream + Send + Unpin + Debug + 'static>() {}

fn error<T: Error + Send + Sync + Clone + PartialEq + Unpin + 'static>() {}

fn value<T: Clone + PartialEq + Debug + Send + Sync + Unpin + 'static>() {}

#[test]
fn handles_go_anywhere() {
    handle::<Bus>();
    handle::<BusBuilder>();
    handle::<Client>();
    handle::<Publisher>();
    handle::<Subscriber>();
    handle::<SubscriptionGuard>();
    handle::<Events>();
    handle::<Message>();
    handle::<Payload<'static>>();
    handle::<Clock>();
    handle::<ManualClock>();
    handle::<Drain>();
    handle::<RequestMany>();
    handle::<ConnectOptions>();
    handle::<Raw<'static>>();
    handle::<Sleep>();
    handle::<Interest>();
    handle::<Matcher<String>>();
    handle::<Matches<String>>();
    handle::<QueueGroup<String>>();
    handle::<LinearMatcher<String>>();
    handle::<IntoIter>();
    handle::<Iter<'static>>();
}

#[test]
fn what_is_awaited_goes_to_any_executor() {
    future::<RequestFuture>();
    future::<PublishFuture>();
    future::<DrainFuture>();
    future::<Sleep>();
    future::<Closed>();
    future::<InterestChanged<'static>>();
    stream::<Subscriber>();
    stream::<Answers>();
    stream::<Events>();
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
    value::<Subject>();
    value::<Pattern>();
    value::<HeaderMap>();
    value::<StatusCode>();
    value::<Limits>();
    value::<Ledger>();
    value::<Drops>();
    value::<BusStats>();
    value::<ClientStats>();
    value::<MatcherStats>();
    value::<Event>();
    value::<SlowConsumer>();
    value::<Lost>();
    value::<SubscriptionInfo>();
    value::<Wanted>();
    value::<SubscribeOptions>();
    value::<Overflow>();
    value::<DropReason>();
    value::<SinkAnswer>();
    value::<CloseReason>();
    value::<AnswersEnd>();
    value::<EntryId>();
    value::<Permissions>();
    value::<AllowResponses>();
    value::<Denied>();
}

#[test]
fn errors_are_errors() {
    error::<SubjectError>();
    error::<HeaderError>();
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
    let block = Raw { subject: "a", reply: None, headers: Some("x".into()), payload: Payload::empty() };
    fn text<T, E: Error + Send + Sync + 'static>(result: Result<T, E>) -> String {
        let error: Box<dyn Error + Send + Sync> = match result {
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
