//! Records, tables and expectations.

use super::{House, SECOND, take, worker};
use postroom::TestKit;
use postroom::jetstream::{ConsumerConfig, PublishOptions, Purge, Retention, StreamConfig};
use postroom::observe::RemovalReason;
use postroom::testkit::{DeliveryState, MessageFate};
use std::time::Duration;

/// JS-2: a message's way is known from its publish to its last acknowledgement, and stands in the table.
#[test]
fn the_way_of_a_message_is_known() {
    let house = House::new();
    let orders = house.orders();
    let pull = worker(&orders, ConsumerConfig::pull("worker").ack_wait(SECOND * 30).max_deliver(3));
    house.publish("orders.eu");
    house.publish("orders.us");
    assert_eq!(take(&pull, 2).len(), 2);
    house.kit.advance(SECOND * 30);
    let again = take(&pull, 2);
    again[0].ack().unwrap();
    again[1].nak().unwrap();
    let last = take(&pull, 1);
    house.kit.advance(SECOND * 30);
    assert_eq!(take(&pull, 1).len(), 0, "it was delivered three times");
    drop(last);

    let streams = house.kit.streams();
    let stream = streams.get("ORDERS").unwrap();
    assert!(stream.balances() && stream.consumers.iter().all(|consumer| consumer.balances()));
    let eu = stream.message(1).unwrap().for_consumer("worker").unwrap();
    assert_eq!((eu.state, eu.deliveries, eu.at), (DeliveryState::Acked, 2, SECOND * 30));
    assert_eq!(eu.delivered_at, [Duration::ZERO, SECOND * 30]);
    let us = stream.message(2).unwrap().for_consumer("worker").unwrap();
    assert_eq!((us.state, us.deliveries, us.naks), (DeliveryState::Exhausted, 3, 1));
    let expected = "\
stream ORDERS: 2 stored, 2 held
  seq  time  subject    in the stream  for consumers
  1    0ns   orders.eu  held           worker: delivered 2 times (0ns, 30s), acked at 30s
  2    0ns   orders.us  held           worker: delivered 3 times (0ns, 30s, 30s), naked 1 time, dead at 60s
  consumer worker: 2 delivered, 3 redelivered: 1 acked, 0 pending, 1 dead
";
    assert_eq!(streams.to_string(), expected);
}

/// JS-2: each reason why a message goes is told.
#[test]
fn the_end_of_a_message_says_why() {
    let house = House::new();
    let s = house.stream(StreamConfig::new("S").subjects(["s.>"]).max_age(SECOND * 10).max_msgs_per_subject(1));
    for subject in ["s.purged", "s.deleted", "s.evicted", "s.evicted", "s.expired"] {
        house.publish(subject);
    }
    s.purge_with(Purge { filter: "s.purged".to_owned(), ..Purge::default() }).wait().unwrap();
    s.delete_message(2).wait().unwrap();
    house.kit.advance(SECOND * 10);
    let work = house.stream(StreamConfig::new("W").subjects(["w"]).retention(Retention::WorkQueue));
    let pull = worker(&work, ConsumerConfig::pull("c"));
    house.publish("w");
    take(&pull, 1)[0].ack().unwrap();

    let reason = |stream: &str, seq| match house.kit.streams().get(stream).unwrap().message(seq).unwrap().fate {
        MessageFate::Removed { reason, .. } => Some(reason),
        _ => None,
    };
    assert_eq!(reason("S", 1), Some(RemovalReason::Purged));
    assert_eq!(reason("S", 2), Some(RemovalReason::Deleted));
    assert_eq!(reason("S", 3), Some(RemovalReason::Evicted));
    assert_eq!(reason("S", 4), Some(RemovalReason::Expired));
    assert_eq!(reason("W", 1), Some(RemovalReason::Acked));
    let stream = house.kit.streams().get("S").unwrap();
    assert_eq!((stream.stored, stream.held, stream.removed(RemovalReason::Expired)), (5, 0, 2));
    house.publish("s.purged");
    s.purge().wait().unwrap();
    assert_eq!(house.kit.streams().get("S").unwrap().removed(RemovalReason::Purged), 2);
}

/// Publishes that store nothing are told too: duplicates and refusals.
#[test]
fn duplicates_and_refusals_are_counted() {
    let house = House::new();
    house.orders();
    for _ in 0..3 {
        house.js.publish_with("orders.eu", "", PublishOptions::new().message_id("1")).wait().unwrap();
    }
    let first = PublishOptions::new().expected_last_sequence(7);
    house.js.publish_with("orders.eu", "", first).wait().unwrap_err();
    let stream = house.kit.streams().get("ORDERS").unwrap();
    assert_eq!((stream.stored, stream.duplicates, stream.refused), (1, 2, 1));
    assert_eq!(stream.message(1).unwrap().duplicates, 2);
    assert_eq!(stream.last_refusal.unwrap().1, 10071);
}

/// A stream and a consumer that are deleted stay known; what is made anew under their names is another.
#[test]
fn what_is_deleted_stays_known() {
    let mut house = House::new();
    let orders = house.orders();
    let pull = worker(&orders, ConsumerConfig::pull("c"));
    house.publish("orders.eu");
    assert_eq!(take(&pull, 1).len(), 1);
    orders.delete_consumer("c").wait().unwrap();
    let pull = worker(&orders, ConsumerConfig::pull("c"));
    take(&pull, 1)[0].ack().unwrap();
    let stream = house.kit.streams().get("ORDERS").unwrap();
    let ways: Vec<_> = stream.message(1).unwrap().consumers.iter().map(|progress| progress.state).collect();
    assert_eq!(ways, [DeliveryState::ConsumerDeleted, DeliveryState::Acked]);
    assert_eq!(stream.consumers.iter().map(|consumer| consumer.is_deleted).collect::<Vec<_>>(), [true, false]);

    house.js.delete_stream("ORDERS").wait().unwrap();
    house.orders();
    let all = house.kit.streams().all();
    assert_eq!(all.iter().map(|stream| stream.is_deleted).collect::<Vec<_>>(), [true, false]);
    assert_eq!(all[0].message(1).unwrap().fate, MessageFate::StreamDeleted);
    drop(house.server.take());
    assert!(house.kit.streams().all().iter().all(|stream| stream.is_deleted));
}

/// Expectations count what becomes of messages from when they are made, and fail with the table.
#[test]
fn expectations_count_messages_and_show_the_table() {
    let house = House::new();
    let (orders, streams) = (house.orders(), house.kit.streams());
    let pull = worker(&orders, ConsumerConfig::pull("worker").ack_wait(SECOND).max_deliver(2));
    let stored = streams.expect_stored("orders.*").times(4);
    let acked = streams.expect_acked("orders.eu").by("worker").of("ORDERS").deliveries(1).times(1);
    let terminated = streams.expect_terminated("orders.us").times(1);
    let naked = streams.expect_naked("orders.asia").times(1);
    let again = streams.expect_redelivered("orders.*").deliveries(2).times(2);
    let dead = streams.expect_dead("orders.mars").times(1);
    let never = streams.expect_acked("orders.us").never();
    for subject in ["orders.eu", "orders.us", "orders.asia", "orders.mars"] {
        house.publish(subject);
    }
    let messages = take(&pull, 4);
    messages[0].ack().unwrap();
    messages[1].term().unwrap();
    messages[2].nak().unwrap();
    take(&pull, 1)[0].ack().unwrap();
    house.kit.advance(SECOND);
    assert_eq!(take(&pull, 1).len(), 1);
    assert_eq!(again.seen(), 2);
    assert!(streams.try_none_pending("orders.mars").unwrap_err().to_string().contains("orders.mars"));
    house.kit.advance(SECOND);
    assert_eq!(take(&pull, 1).len(), 0);
    streams.none_pending(">");
    for met in [stored, acked, terminated, naked, again, dead, never] {
        met.verify();
    }

    let late = streams.expect_acked("orders.eu").by("worker").at_least(2);
    let error = late.try_verify().unwrap_err().to_string();
    assert!(
        error.starts_with("expected messages on `orders.eu` acked at least 2 times, by worker\n  at tests/"),
        "{error}"
    );
    assert!(error.contains("there were 0\nstream ORDERS: 4 stored, 4 held\n"), "{error}");
    assert!(error.contains("worker: delivered 1 time (0ns), acked at 0ns"), "{error}");
}

/// G6: only the last messages that are gone are known, and a question about all of them says so.
#[test]
fn what_is_long_gone_is_forgotten() {
    let house = House::of(TestKit::builder().journal(10, 1 << 20));
    house.stream(StreamConfig::new("S").subjects(["s"]).max_msgs(1));
    let stored = house.kit.streams().expect_stored("s").times(100);
    for _ in 0..100 {
        house.publish("s");
    }
    let stream = house.kit.streams().get("S").unwrap();
    assert_eq!((stream.stored, stream.messages.len(), stream.forgotten), (100, 11, 89));
    assert!(stored.try_verify().unwrap_err().to_string().contains("89 older messages are not known any more"));
}

/// A kit that records on demand knows the streams that were made since.
#[test]
fn on_demand_streams_are_known_from_the_first_question() {
    let house = House::of(TestKit::builder().record_on_demand(true));
    house.orders();
    assert!(house.kit.streams().all().is_empty());
    house.stream(StreamConfig::new("S").subjects(["s"]));
    assert_eq!(house.kit.streams().all().len(), 1);
}
