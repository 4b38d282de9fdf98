//! Push consumers: interest, heartbeats, flow control, the speed of deliveries (JC120 to JC129).

use crate::bench::{Bench, MS, SECOND};
use postroom::Subject;
use postroom::jetstream::engine::consumer::{Ack, AckPolicy, ConsumerConfig, PullRequest, ReplayPolicy};

fn bench(set: impl FnOnce(&mut ConsumerConfig)) -> Bench {
    let mut bench = Bench::new(|_| {});
    let mut config = ConsumerConfig { deliver_subject: "D".to_owned(), ..ConsumerConfig::durable("c") };
    set(&mut config);
    bench.create(config).unwrap();
    bench.sent();
    bench
}

fn bind(bench: &mut Bench, is_bound: bool) -> Vec<String> {
    bench.stream.handle_interest(bench.now(), bench.id("c"), is_bound);
    bench.sent()
}

fn publish(bench: &mut Bench, payload: &str) -> Vec<String> {
    bench.publish("s.a", payload, &[]);
    bench.sent()
}

const NOTHING: [&str; 0] = [];

/// JC120 to JC124: interest begins deliveries, its loss stops them, and what fell due meanwhile comes first.
#[test]
fn deliveries_follow_interest() {
    let mut bench = bench(|config| config.ack_wait = SECOND as i64);
    assert_eq!(publish(&mut bench, ""), NOTHING);
    assert!(!bench.info("c").push_bound);
    assert_eq!(bind(&mut bench, true), ["D < s.a 1/1 x1 +0"]);
    assert!(bench.info("c").push_bound);
    assert_eq!(bind(&mut bench, false), NOTHING);
    publish(&mut bench, "");
    bench.advance(3 * SECOND);
    assert_eq!(bench.sent(), NOTHING);
    assert_eq!(bench.info("c").num_redelivered, 0);
    assert_eq!(bind(&mut bench, true), ["D < s.a 1/2 x2 +1", "D < s.a 2/3 x1 +0"]);
    assert_eq!(bench.ack("c", 1, Ack::Nak { delay: None }, None).len(), 1 + 1);
    assert_eq!(bench.pull("c", "A", &PullRequest::plain(1)), ["A 409 Consumer is push based"]);
}

/// JC46: a new deliver subject gets all that is pending; not while the old one is in use.
#[test]
fn a_deliver_subject_may_change() {
    let mut bench = bench(|_| {});
    bind(&mut bench, true);
    publish(&mut bench, "");
    publish(&mut bench, "");
    let other = ConsumerConfig { deliver_subject: "E".to_owned(), ..ConsumerConfig::durable("c") };
    assert_eq!(bench.create(other.clone()).unwrap_err(), "400/10013 consumer name already in use");
    bind(&mut bench, false);
    bench.create(other).unwrap();
    assert_eq!(bind(&mut bench, true), ["E < s.a 1/3 x2 +0", "E < s.a 2/4 x2 +0"]);
}

/// JC125: after silence, also while nothing is to be delivered; the clock goes on without interest.
#[test]
fn silence_is_shown() {
    let mut bench = bench(|config| {
        config.idle_heartbeat = (200 * MS) as i64;
        config.max_ack_pending = 1;
    });
    bench.advance(300 * MS);
    assert_eq!(bench.sent(), NOTHING);
    bind(&mut bench, true);
    bench.advance(100 * MS);
    assert_eq!(bench.sent(), ["D 100 Idle Heartbeat [0 0]"]);
    bench.advance(150 * MS);
    publish(&mut bench, "");
    publish(&mut bench, "");
    bench.advance(200 * MS);
    assert_eq!(bench.sent(), ["D 100 Idle Heartbeat [1 1]"]);
}

/// JC126: measured with 20 kB: a request after 53, a stop after 105, the next request after 158.
#[test]
fn flow_control_holds_back() {
    let mut bench = bench(|config| {
        config.ack_policy = AckPolicy::None;
        (config.flow_control, config.idle_heartbeat) = (true, SECOND as i64);
    });
    bind(&mut bench, true);
    let payload = "x".repeat(20_000);
    (0..160).for_each(|_| drop(bench.publish("s.a", &payload, &[])));
    let sent = bench.sent();
    let requests: Vec<usize> = (0..sent.len()).filter(|at| sent[*at].contains("FlowControl")).collect();
    assert_eq!((requests.as_slice(), sent.len()), (&[53][..], 106));
    let subject = sent[53].split(['(', ')']).nth(1).unwrap().to_owned();
    assert!(subject.starts_with("$JS.FC.S.c.") && subject.len() == "$JS.FC.S.c.".len() + 4, "{subject}");
    bench.advance(SECOND);
    assert_eq!(bench.sent(), [format!("D 100 Idle Heartbeat [105 105] stalled {subject}")]);
    let answer = |bench: &mut Bench, subject: &str| {
        bench.stream.handle_flow_response(bench.now(), bench.id("c"), &Subject::new(subject).unwrap());
        bench.sent()
    };
    assert_eq!(answer(&mut bench, "$JS.FC.S.c.none"), NOTHING);
    let sent = answer(&mut bench, &subject);
    let request = sent.iter().position(|line| line.contains("FlowControl"));
    assert_eq!((request, sent.len()), (Some(53), 56));
}

/// JC128: short runs are free; then so many bits a second.
#[test]
fn a_rate_slows_down() {
    let mut bench = Bench::new(|config| config.max_msg_size = 1_000);
    let config = ConsumerConfig {
        deliver_subject: "D".to_owned(),
        rate_limit_bps: 8_000,
        ack_policy: AckPolicy::None,
        ..ConsumerConfig::durable("c")
    };
    bench.create(config).unwrap();
    bind(&mut bench, true);
    (0..4).for_each(|_| drop(bench.publish("s.a", &"x".repeat(400), &[])));
    // About 440 bytes each: two are in the bucket of 1,000, then 1,000 bytes a second.
    assert_eq!(bench.sent().len(), 2);
    bench.advance(SECOND / 4);
    assert_eq!(bench.sent().len(), 0);
    bench.advance(SECOND / 4);
    assert_eq!(bench.sent().len(), 1);
    bench.advance(SECOND / 2);
    assert_eq!(bench.sent().len(), 1);
}

/// JC129: as they were stored, until what was there at the beginning is through.
#[test]
fn a_replay_keeps_the_pace() {
    let mut bench = Bench::new(|_| {});
    for wait in [0, 300 * MS, 500 * MS] {
        bench.advance(wait);
        bench.publish("s.a", "", &[]);
    }
    let config = ConsumerConfig { replay_policy: ReplayPolicy::Original, ..ConsumerConfig::durable("c") };
    bench.create(config).unwrap();
    bench.sent();
    bench.publish("s.a", "", &[]);
    assert_eq!(bench.pull("c", "A", &PullRequest { batch: 9, ..PullRequest::default() }).len(), 1);
    bench.advance(300 * MS - 1);
    assert_eq!(bench.sent().len(), 0);
    bench.advance(1);
    assert_eq!(bench.sent().len(), 1);
    // An acknowledgement is taken meanwhile.
    assert_eq!(bench.ack("c", 1, Ack::Ack, Some("r")), ["r ok"]);
    bench.advance(500 * MS);
    assert_eq!(bench.sent().len(), 2);
}
