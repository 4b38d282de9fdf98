//! Pull consumers: requests that wait, their statuses, and what is delivered to them (JC60 to JC84).

use crate::bench::{Bench, MS, SECOND};
use postroom::jetstream::engine::consumer::{Ack, ConsumerConfig, PullRequest};

fn filled(count: usize, set: impl FnOnce(&mut ConsumerConfig)) -> Bench {
    let mut bench = Bench::new(|_| {});
    let mut config = ConsumerConfig { ack_wait: SECOND as i64, ..ConsumerConfig::durable("c") };
    set(&mut config);
    bench.create(config).unwrap();
    bench.sent();
    (0..count).for_each(|_| drop(bench.publish("s.a", "x", &[])));
    bench
}

fn request(batch: i64, expires: u64) -> PullRequest {
    PullRequest { batch, expires: expires as i64, ..PullRequest::default() }
}

/// JC41, JC51, JC81, JC93, JC112: the thinnest way through: fetch, acknowledge, come again.
#[test]
fn messages_are_fetched_acknowledged_and_redelivered() {
    let mut bench = filled(3, |_| {});
    assert_eq!(bench.fetch("c", 2), ["f < s.a 1/1 x1 +2 x", "f < s.a 2/2 x1 +1 x"]);
    assert_eq!(bench.ack("c", 2, Ack::Ack, Some("r")), ["r ok"]);
    let info = bench.info("c");
    assert_eq!((info.delivered.consumer, info.delivered.stream), (2, 2));
    assert_eq!((info.ack_floor.consumer, info.ack_floor.stream, info.num_ack_pending, info.num_pending), (0, 0, 1, 1));
    bench.advance(SECOND);
    // JC83: what comes again is first; JC82: its sequence in the stream stays.
    assert_eq!(bench.fetch("c", 5), ["f < s.a 1/3 x2 +1 x", "f < s.a 3/4 x1 +0 x", "f 404 No Messages"]);
    assert_eq!(bench.info("c").num_redelivered, 1);
    bench.ack("c", 1, Ack::Ack, None);
    let info = bench.info("c");
    assert_eq!((info.ack_floor.consumer, info.ack_floor.stream, info.num_redelivered), (3, 2, 0));
    bench.ack("c", 3, Ack::Ack, None);
    let info = bench.info("c");
    assert_eq!((info.ack_floor.consumer, info.ack_floor.stream, info.num_ack_pending), (4, 3, 0));
    let ledger = bench.stream.consumer_ledger(bench.id("c")).unwrap();
    assert_eq!((ledger.delivered, ledger.redelivered, ledger.acked), (3, 1, 3));
    assert!(ledger.balances());
}
