//! Calls of clients, and the order of all that they cause.

use super::{House, number};
use postroom::{Bus, HeaderMap, OverflowPolicy, SubscribeOptions, Subscriber};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const S: &str = r#"{"name":"S","subjects":["s.*"],"storage":"memory"}"#;

/// A house with the stream `S`, three messages, and a durable consumer that waits ten seconds for an acknowledgement.
fn worked() -> (House, Subscriber) {
    let house = House::new();
    house.api("STREAM.CREATE.S", S);
    for number in 0..3 {
        house.client.publish(format!("s.{number}"), format!("{number}")).unwrap();
    }
    let config = r#"{"stream_name":"S","config":{"durable_name":"c","ack_policy":"explicit","ack_wait":10000000000}}"#;
    house.api("CONSUMER.CREATE.S.c", config);
    let inbox = house.client.subscribe("inbox").unwrap();
    (house, inbox)
}

/// Sends a pull request whose messages go to `inbox`.
fn pull(house: &House, body: &str) {
    house.client.publish_with_reply("$JS.API.CONSUMER.MSG.NEXT.S.c", "inbox", body).unwrap();
}

/// The payloads and status texts that have come.
fn all(inbox: &Subscriber) -> Vec<String> {
    let text = |message: postroom::Message| match message.status() {
        Some(status) => format!("{status} {}", message.status_description()),
        None => message.payload_str().unwrap().to_owned(),
    };
    inbox.try_iter().map(text).collect()
}

/// JS1: without JetStream nothing listens.
#[test]
fn there_are_no_responders_without_jetstream() {
    let client = Bus::new().connect();
    assert!(client.request("$JS.API.INFO", "").unwrap_err().is_no_responders());
}

/// JS9, X20: a call is a plain message, which observers see as it was sent; without a reply subject it is carried out and counted.
#[test]
fn calls_are_plain_messages() {
    let house = House::new();
    let seen = house.client.subscribe("$JS.API.>").unwrap();
    house.client.publish("$JS.API.STREAM.CREATE.S", S).unwrap();
    let call = seen.try_recv().unwrap();
    assert_eq!((call.payload_str().unwrap(), call.headers().len(), call.reply()), (S, 0, None));
    assert_eq!(house.messages("S"), 0);
    assert_eq!(number(&house.api("INFO", ""), "total"), 2);
}

/// JS16, JS54, JC211: calls and publishes that are sent without waiting are carried out in their order.
#[test]
fn what_is_sent_together_is_done_in_order() {
    let house = House::new();
    let inbox = house.client.subscribe("inbox").unwrap();
    for (subject, body) in [
        ("$JS.API.STREAM.CREATE.S", S),
        ("s.1", "x"),
        ("$JS.API.CONSUMER.CREATE.S.c", r#"{"stream_name":"S","config":{"name":"c","ack_policy":"explicit"}}"#),
        ("$JS.API.CONSUMER.MSG.NEXT.S.c", ""),
        ("$JS.API.STREAM.INFO.S", ""),
    ] {
        house.client.publish_with_reply(subject, "inbox", body).unwrap();
    }
    let answers = all(&inbox);
    let kinds = ["stream_create_response", r#"{"stream":"S","seq":1}"#, "consumer_create_response", "x", "stream_info"];
    assert_eq!(answers.len(), kinds.len(), "{answers:?}");
    for (answer, kind) in answers.iter().zip(kinds) {
        assert!(answer.contains(kind), "{answer} should be {kind}");
    }
    assert_eq!(number(&answers[4], "messages"), 1);
}

/// JL7: limits by default are fixed numbers, for each kind of storage.
#[test]
fn limits_by_default_do_not_depend_on_the_machine() {
    let house = House::new();
    for (storage, limit, error) in [("memory", 1_u64 << 30, "10028"), ("file", 16 << 30, "10047")] {
        let create = |bytes: u64| {
            let body = format!(r#"{{"name":"S","storage":"{storage}","max_bytes":{bytes}}}"#);
            house.ask("$JS.API.STREAM.CREATE.S", &body)
        };
        let refused = create(limit + 1);
        assert!(refused.contains(error), "{refused}");
        let made = create(limit);
        assert!(made.contains("did_create"), "{made}");
        house.api("STREAM.DELETE.S", "");
    }
}

/// JC210: an acknowledgement is before the delivery that its message causes; a deletion's statuses are before its response.
#[test]
fn causes_are_told_before_effects() {
    let (house, inbox) = worked();
    pull(&house, "4");
    assert_eq!(all(&inbox), ["0", "1", "2"]);
    house.client.publish_with_reply("s.9", "inbox", "9").unwrap();
    assert_eq!(all(&inbox), [r#"{"stream":"S","seq":4}"#, "9"]);
    pull(&house, "1");
    house.client.publish_with_reply("$JS.API.CONSUMER.DELETE.S.c", "inbox", "").unwrap();
    let told = all(&inbox);
    assert_eq!((told.len(), told[0].as_str()), (2, "409 Consumer Deleted"), "{told:?}");
}

/// JC119: a message that is to come again, and is gone, does not come.
#[test]
fn a_message_that_is_gone_does_not_come_again() {
    let (house, inbox) = worked();
    pull(&house, "1");
    inbox.try_recv().unwrap().respond("-NAK").unwrap();
    house.api("STREAM.MSG.DELETE.S", r#"{"seq":1}"#);
    pull(&house, r#"{"batch":5,"no_wait":true}"#);
    assert_eq!(all(&inbox), ["1", "2", "404 No Messages"]);
}

/// JC214, JC215: of two that are due at one instant, the redelivery is before the end of the request, which it still reaches.
#[test]
fn a_redelivery_reaches_the_request_that_ends_at_its_instant() {
    let (house, inbox) = worked();
    pull(&house, "3");
    assert_eq!(all(&inbox).len(), 3);
    pull(&house, r#"{"batch":4,"expires":10000000000}"#);
    house.clock.advance(SECOND * 10);
    assert_eq!(all(&inbox), ["0", "1", "2", "408 Request Timeout"]);
}

/// JC77: deliveries to an inbox that goes in that moment come again when their time is up. nats-server delivers them again at once.
#[test]
fn deliveries_to_an_inbox_that_goes_come_again() {
    let (house, inbox) = worked();
    inbox.unsubscribe_after(1);
    pull(&house, "3");
    assert_eq!(all(&inbox), ["0"]);
    let inbox = house.client.subscribe("inbox").unwrap();
    pull(&house, "3");
    assert_eq!(all(&inbox), [""; 0]);
    house.clock.advance(SECOND * 10);
    assert_eq!(all(&inbox), ["0", "1", "2"]);
}

/// JC11: a durable consumer that an update makes ephemeral stays, since there is no threshold so far.
#[test]
fn an_update_changes_how_long_a_consumer_lives() {
    let (house, _inbox) = worked();
    let config = r#"{"stream_name":"S","config":{"name":"c","ack_policy":"explicit","ack_wait":10000000000}}"#;
    house.api("CONSUMER.CREATE.S.c", config);
    house.clock.advance(SECOND * 6);
    assert_eq!(number(&house.api("INFO", ""), "consumers"), 1);
    house.api("CONSUMER.CREATE.S.c", &config.replace("10000000000}", "10000000000,\"inactive_threshold\":1000000000}"));
    house.clock.advance(SECOND * 2);
    assert_eq!(number(&house.api("INFO", ""), "consumers"), 0);
}

/// JC213: a consumer looks again when there is room for acknowledgements, by an acknowledgement or another limit, and when a message comes.
#[test]
fn whatever_makes_room_makes_a_consumer_look_again() {
    let (house, inbox) = worked();
    let limit = |max: u32| {
        let config = r#""durable_name":"c","ack_policy":"explicit","ack_wait":10000000000"#;
        let body = format!(r#"{{"stream_name":"S","config":{{{config},"max_ack_pending":{max}}}}}"#);
        house.api("CONSUMER.CREATE.S.c", &body);
    };
    limit(1);
    pull(&house, "4");
    let first = inbox.try_recv().unwrap();
    assert_eq!((first.payload_str().unwrap(), inbox.len()), ("0", 0));
    first.respond("+ACK").unwrap();
    assert_eq!(all(&inbox), ["1"]);
    limit(5);
    assert_eq!(all(&inbox), ["2"]);
    house.client.publish("s.3", "3").unwrap();
    assert_eq!(all(&inbox), ["3"]);
}

/// JC204: a client that subscribes before it makes its consumer finds it bound, and misses nothing.
#[test]
fn a_consumer_is_bound_by_a_subscription_that_is_there_before() {
    let (house, _inbox) = worked();
    let receiver = house.client.subscribe("to").unwrap();
    let config = r#"{"stream_name":"S","config":{"durable_name":"p","deliver_subject":"to"}}"#;
    let made = house.api("CONSUMER.CREATE.S.p", config);
    assert!(made.contains(r#""num_pending":3,"push_bound":true"#), "{made}");
    assert_eq!(all(&receiver), ["0", "1", "2"]);
}

/// JS50: a stream that has too much to send refuses what is published, and stores nothing of it.
#[test]
fn a_stream_that_can_not_keep_up_refuses() {
    const WAITING_MAX: u64 = 100_000;
    let house = House::new();
    house.api("STREAM.CREATE.S", S);
    let full = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(SECOND * 3_600));
    let slow = house.client.subscribe_with("slow", full).unwrap();
    house.client.publish("slow", "before").unwrap();
    let publisher = house.bus.connect();
    let inbox = house.client.subscribe("inbox").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| publisher.publish_with_reply("s.1", "slow", "x").unwrap());
        house.clock.wait_for_timers(1); // its acknowledgement waits for room
        for _ in 0..WAITING_MAX {
            house.client.publish_with_reply("s.1", "nowhere", "x").unwrap();
        }
        house.client.publish_with_reply("s.1", "inbox", "x").unwrap();
        let refusal = inbox.try_recv();
        slow.recv().unwrap();
        let refusal = refusal.unwrap();
        assert_eq!(refusal.status().unwrap().as_u16(), 429);
        assert!(refusal.payload_str().unwrap().contains(r#""err_code":10167"#));
    });
    assert_eq!(house.messages("S"), WAITING_MAX + 1);
}

/// JS62, JS86: no read falls between the messages of an atomic batch.
#[test]
fn a_batch_is_read_whole_or_not_at_all() {
    const BATCHES: u64 = 200;
    let house = House::new();
    house.api(
        "STREAM.CREATE.S",
        r#"{"name":"S","subjects":["s.*"],"storage":"memory","allow_atomic":true,"allow_direct":true}"#,
    );
    let is_over = AtomicBool::new(false);
    let writer = house.bus.connect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for batch in 0..BATCHES {
                for part in 1..=3 {
                    let mut headers = HeaderMap::new();
                    headers.insert("Nats-Batch-Id", batch.to_string()).unwrap();
                    headers.insert("Nats-Batch-Sequence", part.to_string()).unwrap();
                    if part == 3 {
                        headers.insert("Nats-Batch-Commit", "1").unwrap();
                    }
                    writer.publish_with_headers("s.1", headers, "x").unwrap();
                }
            }
            is_over.store(true, Ordering::Release);
        });
        while !is_over.load(Ordering::Acquire) {
            let last = house.client.request("$JS.API.DIRECT.GET.S.s.1", "").unwrap();
            let seq = last.headers().get("Nats-Sequence").map_or(0, |seq| seq.parse::<u64>().unwrap());
            assert_eq!(seq % 3, 0, "between the messages of a batch");
        }
    });
    assert_eq!(house.messages("S"), BATCHES * 3);
}
