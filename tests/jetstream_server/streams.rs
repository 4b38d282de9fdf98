//! Streams: what is captured, and when it is stored.

use super::House;
use postroom::jetstream::server::{JetStreamOptions, JetStreamServer, StartError};
use postroom::{
    Bus, ConnectOptions, HeaderMap, Limits, ManualClock, OverflowPolicy, RequestOptions, SubscribeOptions, TestKit,
};
use std::sync::{Barrier, mpsc};
use std::time::Duration;

const ORDERS: &str = r#"{"name":"ORDERS","subjects":["orders.>"],"storage":"memory"}"#;

#[test]
fn a_message_is_stored_when_its_publish_returns() {
    let house = House::new();
    house.api("STREAM.CREATE.ORDERS", ORDERS);
    for number in 1..=100 {
        assert_eq!(house.client.publish("orders.eu", "x").unwrap(), 1);
        assert_eq!(house.messages("ORDERS"), number);
    }
    assert!(house.bus.stats().ledger.balances());
}

/// JS42: every publisher is captured, and plain subscribers get the message before its acknowledgement (JS53).
#[test]
fn any_client_is_captured_and_subscribers_come_first() {
    let house = House::new();
    house.api("STREAM.CREATE.ORDERS", ORDERS);
    let silent = house.bus.connect_with(ConnectOptions::new().no_echo(true));
    silent.publish("orders.eu", "x").unwrap();
    assert_eq!(house.messages("ORDERS"), 1);
    let all = house.client.subscribe(">").unwrap();
    house.client.publish_with_reply("orders.us", "answers", "y").unwrap();
    let subjects: Vec<_> = all.try_iter().map(|message| message.subject().to_string()).collect();
    assert_eq!(subjects, ["orders.us", "answers"]);
}

/// JS92: acknowledgements of a stream come in the order of its sequences, whatever the number of threads.
#[test]
fn acknowledgements_come_in_order_from_many_threads() {
    const THREADS: usize = 4;
    const EACH: usize = 500;
    let house = House::new();
    house.api("STREAM.CREATE.ORDERS", ORDERS);
    let answers = house.client.subscribe("answers").unwrap();
    let begin = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let client = house.bus.connect();
                begin.wait();
                for _ in 0..EACH {
                    client.publish_with_reply("orders.eu", "answers", "x").unwrap();
                }
            });
        }
    });
    let seqs: Vec<String> = answers.try_iter().map(|answer| answer.payload_str().unwrap().to_owned()).collect();
    let expected: Vec<String> =
        (1..=THREADS * EACH).map(|seq| format!(r#"{{"stream":"ORDERS","seq":{seq}}}"#)).collect();
    assert_eq!(seqs, expected);
    assert!(house.bus.stats().ledger.balances());
}

/// JS92: while one thread carries out what a stream has to send, another leaves its own to it: it neither waits nor overtakes.
#[test]
fn a_thread_leaves_its_acknowledgement_to_the_one_at_work() {
    let house = House::new();
    house.api("STREAM.CREATE.ORDERS", ORDERS);
    let full = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(Duration::from_secs(3600)));
    let answers = house.client.subscribe_with("answers", full).unwrap();
    house.client.publish("answers", "before").unwrap();
    let (returned, second) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| house.bus.connect().publish_with_reply("orders.eu", "answers", "x").unwrap());
        house.clock.wait_for_timers(1); // its acknowledgement waits for room
        let client = house.bus.connect();
        scope.spawn(move || {
            client.publish_with_reply("orders.eu", "answers", "x").unwrap();
            returned.send(()).unwrap();
        });
        let is_back = second.recv_timeout(Duration::from_secs(20)).is_ok();
        let payloads = [(); 3].map(|()| answers.recv().unwrap().payload_str().unwrap().to_owned());
        assert_eq!(payloads, ["before", r#"{"stream":"ORDERS","seq":1}"#, r#"{"stream":"ORDERS","seq":2}"#]);
        assert!(is_back, "the second thread waited");
    });
}

/// A stream that is made by many at once captures for each of them when the answer is there.
#[test]
fn a_stream_captures_when_its_creation_is_answered() {
    const THREADS: usize = 4;
    for _ in 0..50 {
        let house = House::new();
        let begin = Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let client = house.bus.connect();
                    begin.wait();
                    let made = client.request("$JS.API.STREAM.CREATE.ORDERS", ORDERS).unwrap();
                    assert!(made.payload_str().unwrap().contains("did_create"));
                    let stored = client.request("orders.eu", "x").unwrap();
                    assert!(stored.payload_str().unwrap().contains("\"seq\":"));
                });
            }
        });
        assert_eq!(house.messages("ORDERS"), THREADS as u64);
    }
}

/// JS39: an update captures new subjects and lets old ones go before it is answered.
#[test]
fn an_update_changes_what_is_captured() {
    let house = House::new();
    house.api("STREAM.CREATE.ORDERS", ORDERS);
    house.api("STREAM.UPDATE.ORDERS", r#"{"name":"ORDERS","subjects":["new.*"],"storage":"memory"}"#);
    assert!(house.client.request("orders.eu", "x").unwrap_err().is_no_responders());
    assert_eq!(house.ask("new.1", "x"), r#"{"stream":"ORDERS","seq":1}"#);
}

/// JL4: what all streams hold together is bounded.
#[test]
fn the_limits_of_the_server_hold() {
    let house = House::with(JetStreamOptions::new().max_memory(300).max_streams(2));
    house.api("STREAM.CREATE.ORDERS", ORDERS);
    house.api("STREAM.CREATE.OTHER", r#"{"name":"OTHER","storage":"memory"}"#);
    let third = house.ask("$JS.API.STREAM.CREATE.THIRD", r#"{"name":"THIRD","storage":"memory"}"#);
    assert!(third.contains("\"err_code\":10027"), "{third}");
    let payload = "x".repeat(400);
    assert_eq!(house.ask("orders.eu", &payload), r#"{"stream":"ORDERS","seq":1}"#);
    assert!(house.ask("OTHER", "y").contains("\"err_code\":10023"));
    house.api("STREAM.PURGE.ORDERS", "");
    assert_eq!(house.ask("OTHER", "y"), r#"{"stream":"OTHER","seq":1}"#);
    house.api("STREAM.DELETE.OTHER", "");
    assert_eq!(super::number(&house.api("INFO", ""), "memory"), 0);
}

/// JS63, JL4: parts of atomic batches that are not committed take of the room that messages have, and give it back.
#[test]
fn held_parts_of_batches_are_bounded_by_the_limits_of_the_server() {
    let house = House::with(JetStreamOptions::new().max_memory(10_000));
    house.api("STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"],"storage":"memory","allow_atomic":true}"#);
    let payload = "x".repeat(1_000);
    let part = |batch: usize, seq: usize, commit: &str| {
        let (batch, seq) = (format!("b{batch}"), seq.to_string());
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Batch-Id", &batch).unwrap();
        headers.insert("Nats-Batch-Sequence", &seq).unwrap();
        if !commit.is_empty() {
            headers.insert("Nats-Batch-Commit", commit).unwrap();
        }
        let answer = house.client.request_with("s.1", &*payload, RequestOptions::new().headers(headers)).unwrap();
        answer.payload_str().unwrap().to_owned()
    };
    let taken = (0..40).take_while(|number| part(number / 2, number % 2 + 1, "").is_empty()).count();
    assert_eq!(taken, 10);
    assert!(part(20, 1, "").contains("\"err_code\":10023"));
    assert!(house.ask("s.2", "y").contains("\"err_code\":10023"));
    // They are no messages, and are not shown as such.
    assert_eq!(super::number(&house.api("INFO", ""), "memory"), 0);
    house.clock.advance(Duration::from_secs(10));
    assert_eq!(house.ask("s.2", "y"), r#"{"stream":"S","seq":1}"#);
    assert_eq!(part(1, 1, ""), "");
    assert!(part(1, 2, "1").contains("\"count\":2"));
}

/// JS22: as many deleted sequences are told of as fit into a message.
#[test]
fn the_details_of_what_is_deleted_fit_into_a_message() {
    let clock = ManualClock::new();
    let mut limits = Limits::default();
    limits.max_payload = 4_096;
    let bus = Bus::builder().clock(&clock).limits(limits).build();
    let _server = JetStreamServer::start(&bus, JetStreamOptions::new()).unwrap();
    let client = bus.connect();
    let ask = |call: &str, body: &str| {
        let answer = client.request(format!("$JS.API.{call}"), body).unwrap();
        answer.payload_str().unwrap().to_owned()
    };
    ask("STREAM.CREATE.S", r#"{"name":"S","subjects":["s.*"],"storage":"memory","max_msgs_per_subject":1}"#);
    client.publish("s.first", "").unwrap();
    for _ in 0..3_000 {
        client.publish("s.other", "").unwrap();
    }
    let info = ask("STREAM.INFO.S", r#"{"deleted_details":true}"#);
    assert_eq!(super::number(&info, "num_deleted"), 2_999);
    assert!(info.contains("\"deleted\":[2,3,4,"), "{info}");
    assert!(info.len() < 4_096 / 2);
}

/// Nothing is left of a server that ends.
#[test]
fn the_end_of_a_server_leaves_nothing() {
    let house = House::new();
    house.api("STREAM.CREATE.ORDERS", r#"{"name":"ORDERS","subjects":["orders.>"],"max_age":1000000000}"#);
    house.client.publish("orders.eu", "x").unwrap();
    assert!(house.clock.timers() > 0);
    house.server.shutdown();
    assert_eq!(house.clock.timers(), 0);
    assert!(!house.bus.has_interest("orders.eu") && !house.bus.has_interest("$JS.API.INFO"));
    assert!(house.client.request("$JS.API.INFO", "").unwrap_err().is_no_responders());
}

#[test]
fn a_domain_is_one_token() {
    for domain in ["", "a.b", "a*", ">", "a b"] {
        let refused = JetStreamServer::start(&Bus::new(), JetStreamOptions::new().domain(domain)).map(drop);
        assert_eq!(refused.unwrap_err(), StartError::InvalidDomain, "{domain}");
    }
    let bus = Bus::new();
    bus.close();
    let refused = JetStreamServer::start(&bus, JetStreamOptions::new()).map(drop);
    assert!(matches!(refused.unwrap_err(), StartError::Subscribe(_)));
}

/// JS25: a page holds what fits into one message; clients ask on behind it.
#[test]
fn a_page_fits_into_a_message() {
    let house = House::new();
    let text = "x".repeat(100_000);
    for number in 0..8 {
        let config = format!(r#"{{"name":"S{number}","metadata":{{"text":"{text}"}}}}"#);
        house.api(&format!("STREAM.CREATE.S{number}"), &config);
    }
    let mut seen = 0;
    while seen < 8 {
        let page = house.api("STREAM.LIST", &format!(r#"{{"offset":{seen}}}"#));
        assert_eq!((super::number(&page, "total"), super::number(&page, "offset")), (8, seen));
        let count = page.matches("\"created\"").count() as u64;
        assert!(count > 0);
        seen += count;
    }
    assert_eq!(seen, 8);
}

/// A message that is stored, and a time that is to come, do not count as activity: the kit settles.
#[test]
fn a_test_kit_settles_over_stored_messages() {
    let kit = TestKit::new();
    let server = JetStreamServer::start(kit.bus(), JetStreamOptions::new()).unwrap();
    let client = kit.client();
    let create = r#"{"name":"S","subjects":["s.*"],"max_age":60000000000}"#;
    client.request("$JS.API.STREAM.CREATE.S", create).unwrap();
    client.publish_with_reply("s.1", "answers", "x").unwrap();
    kit.settle();
    assert_eq!(kit.clock().timers(), 1);
    kit.advance(Duration::from_secs(60));
    let info = client.request("$JS.API.STREAM.INFO.S", "").unwrap();
    assert_eq!(super::number(info.payload_str().unwrap(), "messages"), 0);
    kit.settle();
    server.shutdown();
}
