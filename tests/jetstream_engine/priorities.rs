//! Priority groups of pull requests (JC170 to JC180).

use crate::bench::{Bench, SECOND};
use postroom::jetstream::engine::Effect;
use postroom::jetstream::engine::consumer::{ConsumerConfig, PriorityPolicy, PullRequest};

fn bench(policy: PriorityPolicy) -> Bench {
    let mut bench = Bench::new(|_| {});
    let config = ConsumerConfig {
        priority_policy: policy,
        priority_groups: vec!["g".to_owned()],
        priority_timeout: if policy == PriorityPolicy::PinnedClient { SECOND as i64 } else { 0 },
        ..ConsumerConfig::durable("c")
    };
    bench.create(config).unwrap();
    bench.sent();
    bench
}

fn request(batch: i64) -> PullRequest {
    PullRequest { batch, group: "g".to_owned(), ..PullRequest::default() }
}

fn publish(bench: &mut Bench, count: usize) -> Vec<String> {
    (0..count).for_each(|_| drop(bench.publish("s.a", "", &[])));
    bench.sent()
}

/// The inboxes that got messages.
fn inboxes(lines: &[String]) -> String {
    lines.iter().filter(|line| line.contains('<')).map(|line| &line[..1]).collect()
}

const NOTHING: [&str; 0] = [];

/// JC66: the group has to be one of the consumer's.
#[test]
fn a_request_names_its_group() {
    let mut bench = bench(PriorityPolicy::Overflow);
    let missing = PullRequest { group: String::new(), ..request(1) };
    assert_eq!(bench.pull("c", "A", &missing), ["A 400 Bad Request - Priority Group missing"]);
    let other = PullRequest { group: "x".to_owned(), ..request(1) };
    assert_eq!(bench.pull("c", "A", &other), ["A 400 Bad Request - Invalid Priority Group"]);
    assert_eq!(bench.pull("c", "A", &PullRequest::plain(1)), NOTHING);
    assert_eq!(publish(&mut bench, 1), ["A < s.a 1/1 x1 +0"]);
}

/// JC170: measured, message by message.
#[test]
fn overflow_waits_until_much_is_pending() {
    let mut bench = bench(PriorityPolicy::Overflow);
    bench.pull("c", "A", &PullRequest { min_pending: 3, ..request(2) });
    bench.pull("c", "B", &request(1));
    let mut out = Vec::new();
    for _ in 0..6 {
        out.push(publish(&mut bench, 1).concat());
    }
    assert_eq!(out, ["B < s.a 1/1 x1 +0", "", "", "A < s.a 2/2 x1 +2", "A < s.a 3/3 x1 +2", ""]);
    let one_shot = PullRequest { min_pending: 30, no_wait: true, ..request(2) };
    assert_eq!(bench.pull("c", "C", &one_shot), ["C 404 No Messages"]);
    let either = PullRequest { min_pending: 30, min_ack_pending: 2, ..request(2) };
    assert_eq!(bench.pull("c", "D", &either), ["D < s.a 4/4 x1 +2", "D < s.a 5/5 x1 +1"]);
}

/// JC175: by number, in turn within one; empty bodies and numbers last.
#[test]
fn priorities_are_drained_in_order() {
    let mut bench = bench(PriorityPolicy::Prioritized);
    let of = |priority| PullRequest { priority, ..request(2) };
    bench.pull("c", "A", &of(1));
    bench.pull("c", "B", &of(0));
    bench.pull("c", "C", &of(0));
    bench.pull("c", "D", &PullRequest::plain(1));
    bench.pull("c", "E", &of(9));
    assert_eq!(inboxes(&publish(&mut bench, 9)), "BCBCAAEED");
}

/// JC176 to JC179: one client gets everything until it is gone for long.
#[test]
fn one_client_is_pinned() {
    let mut bench = bench(PriorityPolicy::PinnedClient);
    bench.pull("c", "A", &request(2));
    bench.pull("c", "B", &PullRequest::plain(1));
    let of = |id: &str| PullRequest { id: id.to_owned(), ..request(1) };
    bench.pull("c", "C", &of("zzz"));
    bench.pull("c", "D", &request(2));
    let sent = publish(&mut bench, 5);
    let pin = bench.info("c").priority_group.unwrap().pinned.unwrap().0;
    assert_eq!(pin.len(), 22);
    assert_eq!(
        sent,
        [
            "c: pinned g".to_owned(),
            format!("A < s.a 1/1 x1 +0 NATS/1.0|Nats-Pin-Id: {pin}||"),
            "C 423 Nats-Wrong-Pin-Id [1 0]".to_owned(),
            format!("A < s.a 2/2 x1 +0 NATS/1.0|Nats-Pin-Id: {pin}||"),
        ]
    );
    bench.advance(SECOND / 2);
    assert_eq!(bench.pull("c", "E", &of("zzz")), ["E 423 Nats-Pin-Id mismatch"]);
    assert_eq!(inboxes(&bench.pull("c", "A", &of(&pin))), "A");
    // The request that has the pin began its time anew.
    bench.advance(SECOND - 1);
    assert_eq!(bench.sent(), NOTHING);
    bench.advance(1);
    let sent = bench.sent();
    let next = bench.info("c").priority_group.unwrap().pinned.unwrap().0;
    assert_ne!(next, pin);
    assert_eq!(
        sent,
        [
            "c: unpinned g timeout".to_owned(),
            "B < s.a 4/4 x1 +1 NATS/1.0|Nats-Pin-Id: ||".to_owned(),
            "c: pinned g".to_owned(),
            format!("D < s.a 5/5 x1 +0 NATS/1.0|Nats-Pin-Id: {next}||"),
        ]
    );
    // JC178: without a pin, the old one is wrong; also that of the request that was pinned.
    bench.stream.handle_unpin(bench.now(), bench.id("c"), "g").unwrap();
    assert_eq!(bench.sent(), ["c: unpinned g admin"]);
    assert_eq!(publish(&mut bench, 1), ["D 423 Nats-Wrong-Pin-Id [1 0]"]);
}

/// JC180: refusals of an unpin, and its success without a pin.
#[test]
fn an_unpin_names_a_group() {
    let mut bench = bench(PriorityPolicy::Overflow);
    let (now, id) = (bench.now(), bench.id("c"));
    let refused = |bench: &mut Bench, group: &str| bench.stream.handle_unpin(now, id, group).unwrap_err().err_code();
    assert_eq!((refused(&mut bench, "a b"), refused(&mut bench, "h")), (10162, 10160));
    bench.stream.handle_unpin(now, id, "g").unwrap();
    assert!(matches!(bench.stream.poll_effect(), Some(Effect::Advisory(_))));
}
