//! The messages that go over the bus, against those that the other clients send.

use crate::support::{SEC, setup};
use postroom::jetstream::kv::{Config, WatchOptions};
use postroom::jetstream::{self, JetStreamOptions, JetStreamServer};
use postroom::{Bus, Message};
use std::time::Duration;

fn sent(message: &Message) -> (String, String, String) {
    let headers: Vec<_> = message.headers().iter().map(|(name, value)| format!("{name}: {value}")).collect();
    (message.subject().to_string(), headers.join("|"), message.payload_str().unwrap().to_owned())
}

/// JK5: each operation is one message.
#[test]
fn operations_send_what_other_clients_send() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b").history(3).limit_markers(SEC));
    let all = setup.bus.connect().subscribe("$KV.>").unwrap();
    let reads = setup.bus.connect().subscribe("$JS.API.>").unwrap();
    kv.put("a.b", "1").wait().unwrap();
    kv.create_with_ttl("c", "2", SEC * 90).wait().unwrap();
    kv.update("c", "3", 2).wait().unwrap();
    kv.delete("c").wait().unwrap();
    kv.delete_expect_revision("c", 4).wait().unwrap();
    kv.purge("c").wait().unwrap();
    kv.purge_expect_revision_with_ttl("c", 6, SEC * 5).wait().unwrap();
    let expected = [
        ("$KV.b.a.b", "", "1"),
        ("$KV.b.c", "Nats-Expected-Last-Subject-Sequence: 0|Nats-TTL: 90s", "2"),
        ("$KV.b.c", "Nats-Expected-Last-Subject-Sequence: 2", "3"),
        ("$KV.b.c", "KV-Operation: DEL", ""),
        ("$KV.b.c", "KV-Operation: DEL|Nats-Expected-Last-Subject-Sequence: 4", ""),
        ("$KV.b.c", "KV-Operation: PURGE|Nats-Rollup: sub", ""),
        ("$KV.b.c", "KV-Operation: PURGE|Nats-Rollup: sub|Nats-TTL: 5s|Nats-Expected-Last-Subject-Sequence: 6", ""),
    ];
    for (subject, headers, payload) in expected {
        let seen = sent(&all.try_recv().unwrap());
        assert_eq!(seen, (subject.to_owned(), headers.to_owned(), payload.to_owned()));
    }
    assert!(all.is_empty() && reads.is_empty());

    kv.get("a.b").wait().unwrap();
    kv.entry_for_revision("a.b", 1).wait().unwrap();
    let direct = [("$JS.API.DIRECT.GET.KV_b.$KV.b.a.b", ""), ("$JS.API.DIRECT.GET.KV_b", r#"{"seq":1}"#)];
    for (subject, payload) in direct {
        assert_eq!(sent(&reads.try_recv().unwrap()), (subject.to_owned(), String::new(), payload.to_owned()));
    }
}

/// JK12: one consumer for a watch.
#[test]
fn a_watch_is_one_ordered_consumer() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b"));
    let calls = setup.bus.connect().subscribe("$JS.API.>").unwrap();
    let _one = kv.watch_with_history("a.>").wait().unwrap();
    let _two = kv.watch_with(["a", "b"], WatchOptions::new().updates_only().meta_only()).wait().unwrap();
    let one = calls.try_recv().unwrap();
    assert_eq!(one.subject(), "$JS.API.CONSUMER.CREATE.KV_b");
    let body = one.payload_str().unwrap();
    for part in [
        r#""deliver_policy":"last_per_subject""#,
        r#""ack_policy":"none""#,
        r#""max_deliver":1"#,
        r#""filter_subject":"$KV.b.a.\u003e""#,
        r#""flow_control":true"#,
        r#""idle_heartbeat":5000000000"#,
        r#""mem_storage":true"#,
        r#""num_replicas":1"#,
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }
    let two = calls.try_recv().unwrap();
    for part in [r#""deliver_policy":"new""#, r#""filter_subjects":["$KV.b.a","$KV.b.b"]"#, r#""headers_only":true"#] {
        assert!(two.payload_str().unwrap().contains(part), "{part} in {two:?}");
    }
    assert!(calls.is_empty());
}

/// JK2: limit markers ask the server first; a mirror's and a source's configuration is sent as it is written.
#[test]
fn a_create_sends_one_request_or_two() {
    let setup = setup();
    let calls = setup.bus.connect().subscribe("$JS.API.>").unwrap();
    let subjects = || {
        let mut all = Vec::new();
        while let Ok(call) = calls.try_recv() {
            all.push(call.subject().to_string());
        }
        all
    };
    setup.bucket(Config::new("plain"));
    assert_eq!(subjects(), ["$JS.API.STREAM.CREATE.KV_plain"]);
    setup.bucket(Config::new("marked").limit_markers(SEC));
    assert_eq!(subjects(), ["$JS.API.INFO", "$JS.API.STREAM.CREATE.KV_marked"]);
    setup.js.create_or_update_key_value(Config::new("new")).wait().unwrap();
    assert_eq!(subjects(), ["$JS.API.STREAM.UPDATE.KV_new", "$JS.API.STREAM.CREATE.KV_new"]);
}

/// The keys of a domain are written below the prefix of its API.
#[test]
fn a_bucket_of_a_domain_is_read_and_written() {
    let bus = Bus::new();
    let _streams = JetStreamServer::start(&bus, JetStreamOptions::new().domain("hub")).unwrap();
    let js = jetstream::with_domain(bus.connect(), "hub");
    let kv = js.create_key_value(Config::new("b").max_age(Duration::from_secs(60))).wait().unwrap();
    let written = bus.connect().subscribe("$JS.hub.API.$KV.>").unwrap();
    let mut watch = kv.watch(">").wait().unwrap();
    kv.put("k", "1").wait().unwrap();
    assert_eq!(written.try_recv().unwrap().subject(), "$JS.hub.API.$KV.b.k");
    assert_eq!(kv.get("k").wait().unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(watch.recv().unwrap().unwrap().key, "k");
}
