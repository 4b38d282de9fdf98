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

fn no_wait(batch: i64) -> PullRequest {
    PullRequest { batch, no_wait: true, ..PullRequest::default() }
}

const NOTHING: [&str; 0] = [];

/// JC70: first come, first served, one message a turn.
#[test]
fn requests_take_turns() {
    let mut bench = filled(0, |_| {});
    for (inbox, batch) in [("A", 3), ("B", 2), ("C", 1)] {
        assert_eq!(bench.pull("c", inbox, &request(batch, 0)), NOTHING);
    }
    assert_eq!(bench.info("c").num_waiting, 3);
    (0..7).for_each(|_| drop(bench.publish("s.a", "", &[])));
    let to: Vec<String> = bench.sent().iter().map(|line| line[..1].to_owned()).collect();
    assert_eq!(to, ["A", "B", "C", "A", "B", "A"]);
    assert_eq!((bench.info("c").num_waiting, bench.info("c").num_pending), (0, 1));
}

/// JC68, JC72: requests that do not wait, with an expiry and without.
#[test]
fn one_shots_end_with_what_is_there() {
    let mut bench = filled(0, |_| {});
    assert_eq!(bench.pull("c", "A", &no_wait(5)), ["A 404 No Messages"]);
    let both = PullRequest { no_wait: true, ..request(5, SECOND) };
    assert_eq!(bench.pull("c", "B", &both), NOTHING);
    // It gets the first message that comes, and ends.
    bench.publish("s.a", "", &[]);
    assert_eq!(bench.sent(), ["B < s.a 1/1 x1 +0", "B 404 No Messages"]);
    (0..3).for_each(|_| drop(bench.publish("s.a", "", &[])));
    let three = ["D < s.a 2/2 x1 +2", "D < s.a 3/3 x1 +1", "D < s.a 4/4 x1 +0", "D 404 No Messages"];
    assert_eq!(bench.pull("c", "D", &both), three);
    // Others want all that there is.
    let mut bench = filled(0, |config| config.max_ack_pending = 1);
    bench.pull("c", "A", &request(9, 0));
    (0..3).for_each(|_| drop(bench.publish("s.a", "", &[])));
    assert_eq!(bench.sent(), ["A < s.a 1/1 x1 +0"]);
    assert_eq!(bench.pull("c", "B", &both), ["B 408 Requests Pending"]);
    bench.dead.set("A", true);
    // A dead request wants nothing; the limit of what is pending holds the new one back, until an expiry is due.
    assert_eq!(bench.pull("c", "C", &no_wait(5)), NOTHING);
    assert_eq!(bench.ack("c", 1, Ack::Ack, None), ["C < s.a 2/2 x1 +1"]);
    bench.pull("c", "E", &request(1, SECOND / 2));
    bench.advance(SECOND / 2);
    assert_eq!(bench.sent(), ["E 408 Request Timeout [1 0]", "C 404 No Messages"]);
}

/// JC61, JC73, JC75: expiries and heartbeats, each at its instant, an expiry before a heartbeat.
#[test]
fn requests_expire_and_show_that_they_live() {
    let mut bench = filled(1, |config| config.filter_subject = "s.b".to_owned());
    let beating = PullRequest { idle_heartbeat: (SECOND / 5) as i64, max_bytes: 900, ..request(3, SECOND) };
    bench.pull("c", "A", &beating);
    bench.advance(SECOND / 2);
    assert_eq!(bench.sent(), ["A 100 Idle Heartbeat [0 1]", "A 100 Idle Heartbeat [0 1]"]);
    bench.publish("s.b", "12345", &[]);
    assert_eq!(bench.sent(), ["A < s.b 2/1 x1 +0 12345"]);
    bench.advance(SECOND / 2);
    let head_of_ack = "$JS.ACK.S.c.1.2.1.1767225600500000000.0".len();
    let left = 900 - (3 + 5 + head_of_ack);
    let beats = vec!["A 100 Idle Heartbeat [1 2]".to_owned(), "A 100 Idle Heartbeat [1 2]".to_owned()];
    assert_eq!(bench.sent(), [beats, vec![format!("A 408 Request Timeout [2 {left}]")]].concat());
    bench.ack("c", 2, Ack::Ack, None);
    // A batch that is absent is one message; a negative expiry is over at once.
    assert_eq!(bench.pull("c", "B", &request(0, SECOND)), NOTHING);
    let over = PullRequest { expires: -1, ..request(2, 0) };
    assert_eq!(bench.pull("c", "C", &over), ["C 408 Request Timeout [2 0]"]);
    bench.advance(SECOND);
    assert_eq!(bench.sent(), ["B 408 Request Timeout [0 0]"]);
}

/// JC71, JC74: bytes.
#[test]
fn a_request_for_bytes_ends_with_them() {
    let mut bench = filled(3, |_| {});
    let size = 3 + 1 + "$JS.ACK.S.c.1.1.1.1767225600000000000.0".len() as i64;
    let bytes = |batch, max_bytes| PullRequest { max_bytes, ..request(batch, SECOND) };
    let too_large = format!("A 409 Message Size Exceeds MaxBytes [2 {}]", size - 1);
    assert_eq!(bench.pull("c", "A", &bytes(2, size - 1)), [too_large]);
    // Exactly used up: nothing is said.
    assert_eq!(bench.pull("c", "B", &bytes(2, size)), ["B < s.a 1/1 x1 +2 x"]);
    assert_eq!(bench.pull("c", "C", &bytes(1, size + 7)), ["C < s.a 2/2 x1 +1 x", "C 409 Batch Completed [0 7]"]);
    let one_and_a_bit = ["D < s.a 3/3 x1 +0 x"];
    assert_eq!(bench.pull("c", "D", &bytes(2, size + 7)), one_and_a_bit);
    bench.publish("s.a", "x", &[]);
    assert_eq!(bench.sent(), ["D 409 Message Size Exceeds MaxBytes [1 7]"]);
    assert_eq!(bench.info("c").delivered.consumer, 3);
}

/// JC64, JC65, JC69, X18: refusals before the queue.
#[test]
fn requests_are_refused() {
    let mut bench = filled(1, |config| {
        (config.max_batch, config.max_bytes, config.max_waiting) = (2, 100, 1);
        config.max_expires = (SECOND + SECOND / 2) as i64;
        config.filter_subject = "s.x".to_owned();
    });
    let mut refused = |request: PullRequest| bench.pull("c", "A", &request).concat();
    let heartbeat = PullRequest { idle_heartbeat: 1, ..request(1, 0) };
    assert_eq!(refused(heartbeat.clone()), "A 400 Bad Request - heartbeat value too large");
    assert_eq!(refused(request(3, 0)), "A 409 Exceeded MaxRequestBatch of 2");
    assert_eq!(refused(request(1, 2 * SECOND)), "A 409 Exceeded MaxRequestExpires of 1.5s");
    let bytes = PullRequest { max_bytes: 101, ..request(1, 0) };
    assert_eq!(refused(bytes), "A 409 Exceeded MaxRequestMaxBytes of 100");
    let refused_for = |overflow: PullRequest, text: &str, refused: &mut dyn FnMut(PullRequest) -> String| {
        assert_eq!(refused(overflow), format!("A 400 Bad Request - {text}"));
    };
    let with = |set: fn(&mut PullRequest)| {
        let mut made = request(1, 0);
        set(&mut made);
        made
    };
    refused_for(with(|request| request.min_pending = 1), "Not a Overflow Priority consumer", &mut refused);
    refused_for(with(|request| request.id = "x".into()), "Not a Pinned Client Priority consumer", &mut refused);
    refused_for(with(|request| request.priority = 10), "Priority must be between 0 and 9", &mut refused);
    assert_eq!(refused(with(|request| request.group = "g".into())), "");
    assert_eq!(refused(request(1, 0)), "A 409 Exceeded MaxWaiting");
    let silent = PullRequest { idle_heartbeat: MS as i64, ..request(1, SECOND) };
    assert_eq!(refused(silent), "");
    // What does not wait is answered before the queue is looked at.
    assert_eq!(refused(no_wait(1)), "A 404 No Messages");
    bench.dead.set("A", true);
    assert_eq!(bench.pull("c", "B", &request(1, 0)), NOTHING);
    assert_eq!(bench.info("c").num_waiting, 1);
}

/// JC77: a request of an inbox that nothing receives from leaves without a word, and messages stay.
#[test]
fn requests_of_the_dead_are_dropped() {
    let mut bench = filled(0, |_| {});
    bench.pull("c", "A", &request(2, 0));
    bench.pull("c", "B", &request(1, 0));
    bench.dead.set("A", true);
    bench.publish("s.a", "", &[]);
    assert_eq!(bench.sent(), ["B < s.a 1/1 x1 +0"]);
    bench.publish("s.a", "", &[]);
    assert_eq!((bench.sent().len(), bench.info("c").num_pending), (0, 1));
}

/// JC76, JC134, X19: deletion tells all requests in their order, then all.
#[test]
fn deletion_ends_requests() {
    let mut bench = filled(0, |_| {});
    bench.pull("c", "A", &request(2, 0));
    bench.pull("c", "B", &PullRequest { max_bytes: 70, ..request(4, 0) });
    let id = bench.id("c");
    bench.delete("c");
    assert_eq!(bench.sent(), ["A 409 Consumer Deleted", "B 409 Consumer Deleted", "c: deleted", "gone c"]);
    assert!(bench.stream.consumer_info(bench.now(), id).is_err());
    let mut bench = filled(0, |_| {});
    bench.pull("c", "A", &PullRequest { max_bytes: 70, ..request(4, 0) });
    bench.stream.handle_shutdown(bench.now());
    assert_eq!(bench.sent(), ["A 409 Server Shutdown [4 70]"]);
}

/// JC84: without payloads, with their size.
#[test]
fn headers_alone_tell_the_size() {
    let mut bench = filled(1, |config| config.headers_only = true);
    bench.publish("s.b", "", &[("A", "b")]);
    let sent = ["f < s.a 1/1 x1 +1 NATS/1.0|Nats-Msg-Size: 1||", "f < s.b 2/2 x1 +0 NATS/1.0|A: b|Nats-Msg-Size: 0||"];
    assert_eq!(bench.fetch("c", 2), sent);
}

/// The shortest spans that a client may ask for don't stop the clock.
#[test]
fn short_spans_are_bounded() {
    let mut bench = filled(1, |config| config.filter_subject = "s.b".to_owned());
    bench.pull("c", "A", &PullRequest { idle_heartbeat: 1, ..request(3, SECOND) });
    bench.jump(SECOND);
    assert_eq!(bench.sent().len(), 1_000);
    let mut bench = filled(1, |config| config.ack_wait = 1);
    bench.pull("c", "A", &request(1_000_000, 0));
    bench.jump(SECOND);
    assert_eq!(bench.sent().len(), 1_000);
}
