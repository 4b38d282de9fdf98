//! Acknowledgements and redelivery (JC90 to JC118, JC198).

use crate::bench::{Bench, MS, SECOND};
use postroom::jetstream::engine::consumer::{Ack, AckPolicy, ConsumerConfig, PullRequest};

fn filled(count: usize, set: impl FnOnce(&mut ConsumerConfig)) -> Bench {
    let mut bench = Bench::new(|_| {});
    let mut config = ConsumerConfig { ack_wait: SECOND as i64, ..ConsumerConfig::durable("c") };
    set(&mut config);
    bench.create(config).unwrap();
    bench.sent();
    (0..count).for_each(|_| drop(bench.publish("s.a", "", &[])));
    bench
}

/// A request that takes all that comes.
fn open(bench: &mut Bench) -> Vec<String> {
    bench.pull("c", "A", &PullRequest { batch: 100, ..PullRequest::default() })
}

fn floor(bench: &mut Bench) -> (u64, u64) {
    let floor = bench.info("c").ack_floor;
    (floor.consumer, floor.stream)
}

const NOTHING: [&str; 0] = [];
const NAK: Ack<'_> = Ack::Nak { delay: None };

/// JC91, JC92, JC96: what is confirmed, and which advisories there are.
#[test]
fn acknowledgements_are_confirmed() {
    let mut bench = filled(2, |_| {});
    bench.fetch("c", 2);
    assert_eq!(bench.ack_delivery("c", 1, 77, Ack::Ack, Some("r")), ["r ok"]);
    assert_eq!(bench.ack("c", 1, Ack::Ack, Some("r")), ["r ok"]);
    assert_eq!(bench.ack("c", 1, Ack::Unknown, Some("r")), ["r ok"]);
    assert_eq!(bench.ack("c", 1, Ack::Progress, Some("r")), ["r ok"]);
    assert_eq!(bench.ack("c", 99, Ack::Progress, Some("r")), ["r ok"]);
    assert_eq!(bench.ack("c", 99, NAK, Some("r")), ["r ok"]);
    assert_eq!(bench.ack("c", 99, Ack::Ack, Some("r")), NOTHING);
    assert_eq!(bench.ack("c", u64::MAX, Ack::Term { reason: "x" }, Some("r")).len(), 1);
    assert_eq!(bench.ack("c", 2, Ack::Next { body: b"" }, Some("r")), NOTHING);
    assert_eq!(bench.info("c").num_ack_pending, 0);
    assert_eq!(bench.ack("c", 2, Ack::Term { reason: "no" }, Some("r")), ["c: terminated 2/2 x1 no", "r ok"]);
}

/// JC93: the floor follows the first delivery of what is pending.
#[test]
fn the_floor_rises_without_gaps() {
    let mut bench = filled(4, |config| config.filter_subject = "s.a".to_owned());
    bench.publish("s.b", "", &[]);
    bench.publish("s.a", "", &[]);
    bench.fetch("c", 5);
    bench.ack("c", 2, Ack::Ack, None);
    assert_eq!(floor(&mut bench), (0, 0));
    bench.ack("c", 1, Ack::Ack, None);
    assert_eq!(floor(&mut bench), (2, 2));
    bench.ack("c", 4, Ack::Ack, None);
    assert_eq!(floor(&mut bench), (2, 2));
    // The message of another subject lies below the next pending one.
    bench.ack("c", 3, Ack::Ack, None);
    assert_eq!(floor(&mut bench), (4, 5));
    bench.ack("c", 6, Ack::Ack, None);
    assert_eq!(floor(&mut bench), (5, 6));
}

/// JC94: all up to a sequence; later replies of earlier deliveries count for nothing after a redelivery.
#[test]
fn one_acknowledgement_is_for_all_before() {
    let mut bench = filled(5, |config| config.ack_policy = AckPolicy::All);
    bench.fetch("c", 4);
    bench.ack("c", 1, Ack::Ack, None);
    assert_eq!((floor(&mut bench), bench.info("c").num_ack_pending), ((1, 1), 3));
    assert_eq!(bench.ack("c", 2, NAK, Some("r")), ["c: naked 2/2 x1", "r ok"]);
    assert_eq!(bench.fetch("c", 1), ["f < s.a 2/5 x2 +1"]);
    assert_eq!(bench.ack("c", 3, Ack::Term { reason: "" }, Some("r")), ["c: terminated 3/3 x1", "r ok"]);
    assert_eq!((floor(&mut bench), bench.info("c").num_ack_pending), ((3, 3), 1));
    // The trap: the redelivery has a high sequence.
    let mut bench = filled(3, |config| config.ack_policy = AckPolicy::All);
    bench.fetch("c", 3);
    bench.ack("c", 1, NAK, None);
    bench.fetch("c", 1);
    bench.ack_delivery("c", 1, 4, Ack::Ack, None);
    assert_eq!(bench.ack("c", 3, Ack::Ack, Some("r")), ["r ok"]);
    assert_eq!((floor(&mut bench), bench.info("c").num_ack_pending), ((4, 1), 2));
}

/// JC83, JC110: to the end of the queue, once; what comes again is before what is new.
#[test]
fn a_nak_brings_a_message_back() {
    let mut bench = filled(4, |_| {});
    bench.fetch("c", 3);
    assert_eq!(bench.ack("c", 3, NAK, None), ["c: naked 3/3 x1"]);
    bench.ack("c", 1, NAK, None);
    bench.ack("c", 3, NAK, None);
    assert_eq!(
        bench.fetch("c", 4),
        ["f < s.a 3/4 x2 +1", "f < s.a 1/5 x2 +1", "f < s.a 4/6 x1 +0", "f 404 No Messages"]
    );
    // Not for what is done, nor of deliveries that are still to come.
    bench.ack("c", 1, Ack::Ack, None);
    assert_eq!(bench.ack_delivery("c", 1, 5, NAK, Some("r")), ["r ok"]);
    assert_eq!(bench.ack_delivery("c", 3, 9, NAK, None), NOTHING);
}

/// JC111: a delay is exact; the last one counts, a plain one hurries, an acknowledgement cancels.
#[test]
fn a_nak_may_wait() {
    let mut bench = filled(3, |_| {});
    open(&mut bench);
    let later = |millis: u64| Ack::Nak { delay: Some((millis * MS) as i64) };
    bench.ack("c", 1, later(300), None);
    bench.ack("c", 2, later(300), None);
    bench.ack("c", 2, later(200), None);
    bench.ack("c", 3, later(100), None);
    bench.ack("c", 3, Ack::Ack, None);
    bench.advance(200 * MS - 1);
    assert_eq!(bench.sent(), NOTHING);
    bench.advance(1);
    assert_eq!(bench.sent(), ["A < s.a 2/4 x2 +0"]);
    assert_eq!(bench.ack("c", 1, NAK, None), ["c: naked 1/1 x1", "A < s.a 1/5 x2 +0"]);
    bench.ack_delivery("c", 1, 5, Ack::Nak { delay: Some(-1) }, None);
    bench.advance(0);
    assert_eq!(bench.sent(), ["A < s.a 1/6 x3 +0"]);
}

/// JC95, JC112, JC113: each message has its own time, and progress begins it anew.
#[test]
fn messages_come_again_each_at_its_time() {
    let mut bench = filled(1, |_| {});
    open(&mut bench);
    bench.advance(300 * MS);
    bench.publish("s.a", "", &[]);
    bench.sent();
    bench.advance(200 * MS);
    bench.ack("c", 1, Ack::Progress, None);
    bench.advance(800 * MS - 1);
    assert_eq!(bench.sent(), NOTHING);
    bench.advance(1);
    assert_eq!(bench.sent(), ["A < s.a 2/3 x2 +0"]);
    bench.advance(200 * MS);
    assert_eq!(bench.sent(), ["A < s.a 1/4 x2 +0"]);
    // A jump of the clock skips nothing.
    bench.jump(SECOND);
    assert_eq!(bench.sent(), ["A < s.a 2/5 x3 +0", "A < s.a 1/6 x3 +0"]);
}

/// JC111, JC114: the waits of a backoff, the last of which repeats.
#[test]
fn a_backoff_grows() {
    let mut bench = filled(1, |config| {
        config.backoff = [200, 400, 600].map(|millis| (millis * MS) as i64).to_vec();
        config.max_deliver = 5;
    });
    open(&mut bench);
    let mut waited = Vec::new();
    for _ in 0..4 {
        let due = bench.stream.poll_timeout().unwrap().as_nanos() - bench.now().as_nanos();
        waited.push(due / MS);
        bench.advance(due);
    }
    assert_eq!(waited, [200, 400, 600, 600]);
    assert_eq!(bench.sent().last().unwrap(), "A < s.a 1/5 x5 +0");
    bench.advance(600 * MS);
    assert_eq!(bench.sent(), ["c: exhausted 1 x5"]);
    let mut bench = filled(1, |config| config.backoff = vec![(200 * MS) as i64, (400 * MS) as i64]);
    open(&mut bench);
    bench.advance(200 * MS);
    bench.sent();
    bench.ack_delivery("c", 1, 2, Ack::Nak { delay: Some((50 * MS) as i64) }, None);
    bench.advance(250 * MS - 1);
    assert_eq!(bench.sent(), NOTHING);
    bench.advance(1);
    assert_eq!(bench.sent(), ["A < s.a 1/3 x3 +0"]);
}

/// JC115 to JC118: too many deliveries are noticed when another one would follow; of one alone, by the clock.
#[test]
fn deliveries_are_exhausted() {
    let mut bench = filled(1, |config| config.max_deliver = 2);
    bench.fetch("c", 1);
    bench.advance(SECOND);
    assert_eq!(bench.fetch("c", 1), ["f < s.a 1/2 x2 +0"]);
    bench.advance(5 * SECOND);
    assert_eq!(bench.sent(), NOTHING);
    assert_eq!((bench.info("c").num_ack_pending, bench.info("c").num_redelivered), (1, 1));
    assert_eq!(open(&mut bench), ["c: exhausted 1 x2"]);
    assert_eq!((bench.info("c").num_ack_pending, bench.info("c").num_redelivered, floor(&mut bench)), (0, 1, (0, 0)));
    assert_eq!(bench.ack("c", 1, NAK, None), NOTHING);
    let ledger = bench.stream.consumer_ledger(bench.id("c")).unwrap();
    assert_eq!((ledger.delivered, ledger.exhausted), (1, 1));
    bench.ack("c", 1, Ack::Ack, None);
    assert_eq!(bench.info("c").num_redelivered, 0);
    let ledger = bench.stream.consumer_ledger(bench.id("c")).unwrap();
    assert_eq!((ledger.acked, ledger.exhausted, ledger.balances()), (1, 0, true));

    let mut bench = filled(1, |config| config.max_deliver = 1);
    bench.fetch("c", 1);
    bench.advance(SECOND);
    assert_eq!(bench.sent(), ["c: exhausted 1 x1"]);
    assert_eq!((bench.info("c").num_ack_pending, bench.info("c").num_redelivered), (0, 0));
    // Measured: with a NAK, it is noticed at the next request.
    let mut bench = filled(1, |config| config.max_deliver = 1);
    bench.fetch("c", 1);
    assert_eq!(bench.ack("c", 1, NAK, None), ["c: naked 1/1 x1"]);
    assert_eq!(open(&mut bench), ["c: exhausted 1 x1"]);
}

/// JC100: new messages stop, those that come again do not.
#[test]
fn too_many_pending_hold_new_ones_back() {
    let mut bench = filled(5, |config| config.max_ack_pending = 2);
    assert_eq!(open(&mut bench).len(), 2);
    bench.ack("c", 1, Ack::Nak { delay: Some((50 * MS) as i64) }, None);
    bench.advance(50 * MS);
    assert_eq!(bench.sent(), ["A < s.a 1/3 x2 +3"]);
    assert_eq!(bench.ack("c", 1, Ack::Ack, None), ["A < s.a 3/4 x1 +2"]);
    // JC46: a higher limit lets more through at once, a lower one stalls.
    let update = |bench: &mut Bench, max_ack_pending| {
        let config = ConsumerConfig { ack_wait: SECOND as i64, max_ack_pending, ..ConsumerConfig::durable("c") };
        bench.create(config).unwrap();
        bench.sent().len()
    };
    assert_eq!(update(&mut bench, 3), 1);
    assert_eq!(update(&mut bench, 1), 0);
    assert_eq!(bench.ack("c", 2, Ack::Ack, None).len(), 0);
    assert_eq!(bench.ack("c", 3, Ack::Ack, None).len(), 0);
    assert_eq!(bench.ack("c", 4, Ack::Ack, None).len(), 1);
}

/// JC46: another time to wait counts from where the old one began.
#[test]
fn waits_are_judged_anew() {
    let mut bench = filled(1, |_| {});
    open(&mut bench);
    bench.advance(SECOND / 2);
    let config = ConsumerConfig { ack_wait: (SECOND / 4) as i64, ..ConsumerConfig::durable("c") };
    bench.create(config).unwrap();
    bench.advance(0);
    assert_eq!(bench.sent(), ["A < s.a 1/2 x2 +0"]);
}

/// JC198: explicit acknowledgements are measured, not terminations.
#[test]
fn acknowledgements_are_measured() {
    let mut bench = filled(2, |config| config.sample_freq = "100%".to_owned());
    bench.fetch("c", 2);
    bench.advance(SECOND / 4);
    assert_eq!(bench.ack("c", 1, Ack::Ack, None), ["metric c 1/1 x1 250ms"]);
    assert_eq!(bench.ack("c", 2, Ack::Term { reason: "" }, None), ["c: terminated 2/2 x1"]);
    assert_eq!(bench.ack("c", 2, Ack::Ack, None), NOTHING);
}
