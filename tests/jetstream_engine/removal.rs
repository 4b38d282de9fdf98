//! Removal by acknowledgements, and messages that go while consumers are on their way (JC140 to JC147).

use crate::bench::{Bench, SECOND};
use postroom::jetstream::engine::config::{Retention, StreamConfig};
use postroom::jetstream::engine::consumer::{Ack, AckPolicy, ConsumerConfig, DeliverPolicy};
use postroom::jetstream::engine::{Ledger, Purge};

fn durable(name: &str, filters: &[&str]) -> ConsumerConfig {
    let filter_subjects = filters.iter().map(|filter| (*filter).to_owned()).collect();
    ConsumerConfig { filter_subjects, ..ConsumerConfig::durable(name) }
}

fn ack(bench: &mut Bench, name: &str, seq: u64) {
    bench.ack(name, seq, Ack::Ack, None);
}

/// JS78, JC146: a message goes when every consumer whose filter matches it has done with it.
#[test]
fn interest_ends_with_the_last_acknowledgement() {
    let mut bench = Bench::new(|config| config.retention = Retention::Interest);
    bench.create(durable("a", &["s.a", "s.b"])).unwrap();
    bench.create(durable("b", &["s.b.>", "s.b"])).unwrap();
    for subject in ["s.a", "s.b", "s.b.x", "s.c"] {
        bench.publish(subject, "", &[]);
    }
    assert_eq!(bench.seqs(), [1, 2, 3]);
    bench.fetch("a", 10);
    bench.fetch("b", 10);
    ack(&mut bench, "a", 1);
    ack(&mut bench, "b", 2);
    assert_eq!(bench.seqs(), [2, 3]);
    ack(&mut bench, "a", 2);
    assert_eq!(bench.seqs(), [3]);
    let ledger = Ledger { stored: 3, held: 1, acked: 2, unwanted: 1, ..Ledger::default() };
    assert_eq!(bench.stream.ledger(), ledger);
}

/// JC147: what only a consumer still needed goes with it; everything goes with the last.
#[test]
fn interest_ends_with_a_consumer() {
    let mut bench = Bench::new(|config| config.retention = Retention::Interest);
    bench.create(durable("a", &[])).unwrap();
    bench.create(durable("b", &["s.b"])).unwrap();
    for subject in ["s.a", "s.b", "s.b"] {
        bench.publish(subject, "", &[]);
    }
    bench.fetch("b", 1);
    ack(&mut bench, "b", 2);
    bench.delete("a");
    assert_eq!(bench.seqs(), [3]);
    bench.delete("b");
    assert_eq!(bench.seqs(), [] as [u64; 0]);
    assert_eq!(bench.stream.ledger().acked, 3);
}

/// JC146: a consumer that starts later does not hold earlier messages.
#[test]
fn a_consumer_holds_what_it_starts_with() {
    let mut bench = Bench::new(|config| config.retention = Retention::Interest);
    bench.create(durable("a", &[])).unwrap();
    (0..3).for_each(|_| drop(bench.publish("s.a", "", &[])));
    let from_2 =
        ConsumerConfig { deliver_policy: DeliverPolicy::ByStartSequence, opt_start_seq: 2, ..durable("b", &[]) };
    bench.create(from_2).unwrap();
    bench.fetch("a", 10);
    ack(&mut bench, "a", 1);
    ack(&mut bench, "a", 2);
    assert_eq!(bench.seqs(), [2, 3]);
    bench.fetch("b", 1);
    ack(&mut bench, "b", 2);
    assert_eq!(bench.seqs(), [3]);
    // JC147: a narrower filter lets go at once.
    ack(&mut bench, "a", 3);
    assert_eq!(bench.seqs(), [3]);
    let narrow = ConsumerConfig { filter_subject: "s.b".to_owned(), filter_subjects: vec![], ..durable("b", &[]) };
    let narrow = ConsumerConfig { deliver_policy: DeliverPolicy::ByStartSequence, opt_start_seq: 2, ..narrow };
    bench.create(narrow).unwrap();
    assert_eq!(bench.seqs(), [] as [u64; 0]);
    // It begins far behind: what is stored before is nobody's.
    bench.delete("a");
    bench.delete("b");
    let far = ConsumerConfig { deliver_policy: DeliverPolicy::ByStartSequence, opt_start_seq: 9, ..durable("c", &[]) };
    bench.create(far).unwrap();
    bench.publish("s.a", "", &[]);
    assert_eq!(bench.seqs(), [] as [u64; 0]);
}

/// JC146: without acknowledgements a message is done with its delivery; with one for all, up to it.
#[test]
fn other_policies_end_interest_too() {
    let mut bench = Bench::new(|config| config.retention = Retention::Interest);
    bench.create(ConsumerConfig { ack_policy: AckPolicy::None, ..durable("n", &["s.a"]) }).unwrap();
    bench.create(ConsumerConfig { ack_policy: AckPolicy::All, ..durable("all", &["s.b"]) }).unwrap();
    for subject in ["s.a", "s.b", "s.b", "s.b", "s.a"] {
        bench.publish(subject, "", &[]);
    }
    bench.fetch("n", 1);
    assert_eq!(bench.seqs(), [2, 3, 4, 5]);
    bench.fetch("all", 10);
    bench.ack_delivery("all", 3, 2, Ack::Ack, None);
    assert_eq!(bench.seqs(), [4, 5]);
    // JC116: what came too often is still needed.
    bench.delete("all");
    assert_eq!(bench.seqs(), [5]);
    let once = ConsumerConfig { max_deliver: 1, ack_wait: SECOND as i64, ..durable("once", &["s.c"]) };
    bench.create(once).unwrap();
    bench.publish("s.c", "", &[]);
    bench.fetch("once", 1);
    bench.advance(2 * SECOND);
    assert_eq!(bench.sent(), ["once: exhausted 6 x1"]);
    assert_eq!(bench.seqs(), [5, 6]);
    ack(&mut bench, "once", 6);
    assert_eq!(bench.seqs(), [5]);
}

/// JC145: a work queue lets go of a message at its one consumer's acknowledgement, and keeps those that no consumer took.
#[test]
fn a_work_queue_keeps_what_was_not_taken() {
    let mut bench = Bench::new(|config| config.retention = Retention::WorkQueue);
    (0..3).for_each(|_| drop(bench.publish("s.a", "", &[])));
    bench.create(durable("a", &[])).unwrap();
    bench.fetch("a", 10);
    ack(&mut bench, "a", 2);
    bench.delete("a");
    assert_eq!(bench.seqs(), [1, 3]);
    assert_eq!(bench.stream.ledger(), Ledger { stored: 3, held: 2, acked: 1, ..Ledger::default() });
    bench.create(durable("b", &[])).unwrap();
    bench.sent();
    assert_eq!(bench.fetch("b", 10), ["f < s.a 1/1 x1 +1", "f < s.a 3/2 x1 +0", "f 404 No Messages"]);
    bench.ack("b", 3, Ack::Term { reason: "no" }, None);
    assert_eq!(bench.seqs(), [1]);
}

/// JS39: limits to interest removes what every consumer has done with; without consumers everything. Back, nothing goes.
#[test]
fn limits_may_become_interest() {
    let filled = || {
        let mut bench = Bench::new(|_| {});
        (0..4).for_each(|_| drop(bench.publish("s.a", "", &[])));
        bench
    };
    let to_interest =
        |config: &mut postroom::jetstream::engine::config::StreamConfig| config.retention = Retention::Interest;
    let mut bench = filled();
    bench.update(to_interest);
    assert_eq!(bench.seqs(), [] as [u64; 0]);
    let mut bench = filled();
    bench.create(durable("a", &[])).unwrap();
    bench.create(durable("b", &["s.a"])).unwrap();
    bench.fetch("a", 10);
    bench.fetch("b", 3);
    for (consumer, seq) in [("a", 1), ("a", 2), ("b", 1), ("a", 4), ("b", 2), ("b", 3)] {
        ack(&mut bench, consumer, seq);
    }
    bench.update(to_interest);
    assert_eq!(bench.seqs(), [3, 4]);
    ack(&mut bench, "a", 3);
    bench.update(|config| config.retention = Retention::Limits);
    assert_eq!(bench.seqs(), [4]);
}

/// JC140: a message that leaves the stream is no longer before a consumer, nor in its hands.
#[test]
fn a_consumer_follows_what_leaves_the_stream() {
    let mut bench = Bench::new(|config| config.max_msgs = 3);
    bench.create(durable("a", &["s.a"])).unwrap();
    for subject in ["s.a", "s.b", "s.a"] {
        bench.publish(subject, "", &[]);
    }
    bench.fetch("a", 1);
    assert_eq!(bench.info("a").num_pending, 1);
    bench.stream.handle_delete(bench.now(), 3).unwrap();
    bench.sent();
    assert_eq!((bench.info("a").num_pending, bench.info("a").num_ack_pending), (0, 1));
    bench.stream.handle_delete(bench.now(), 1).unwrap();
    assert_eq!(bench.sent(), ["a: terminated 1/1 x1 Unacknowledged message was deleted"]);
    let info = bench.info("a");
    assert_eq!((info.num_ack_pending, info.ack_floor.consumer, info.ack_floor.stream), (0, 1, 1));
    let ledger = bench.stream.consumer_ledger(bench.id("a")).unwrap();
    assert_eq!((ledger.delivered, ledger.gone), (1, 1));
}

/// JC141: consumers skip to the first message that is left; what was in their hands vanishes without a word.
#[test]
fn a_purge_moves_consumers() {
    let filled = || {
        let mut bench = Bench::new(|_| {});
        bench.create(durable("all", &[])).unwrap();
        bench.create(durable("b", &["s.b"])).unwrap();
        for at in 0..9 {
            bench.publish(["s.a", "s.b", "s.c"][at % 3], "", &[]);
        }
        bench.fetch("all", 2);
        bench.fetch("b", 1);
        bench
    };
    let standing = |bench: &mut Bench, name: &str| {
        let info = bench.info(name);
        (info.delivered.stream, info.ack_floor.stream, info.num_ack_pending, info.num_pending)
    };
    let mut bench = filled();
    bench.stream.handle_purge(bench.now(), &Purge { seq: 5, ..Purge::default() }).unwrap();
    assert_eq!(bench.sent(), [] as [&str; 0]);
    assert_eq!(standing(&mut bench, "all"), (4, 4, 0, 5));
    assert_eq!(standing(&mut bench, "b"), (4, 4, 0, 2));
    assert_eq!(bench.fetch("b", 1), ["f < s.b 5/2 x1 +1"]);
    let mut bench = filled();
    bench.stream.handle_purge(bench.now(), &Purge { filter: "s.b".to_owned(), ..Purge::default() }).unwrap();
    assert_eq!(standing(&mut bench, "all"), (2, 0, 1, 5));
    assert_eq!(bench.info("all").ack_floor.consumer, 2);
    assert_eq!(standing(&mut bench, "b"), (9, 9, 0, 0));
    let mut bench = filled();
    bench.stream.handle_purge(bench.now(), &Purge { filter: "s.a".to_owned(), ..Purge::default() }).unwrap();
    assert_eq!(standing(&mut bench, "all"), (2, 1, 1, 5));
    assert_eq!(bench.info("all").ack_floor.consumer, 1);
    assert_eq!(standing(&mut bench, "b"), (2, 0, 1, 2));
    // Measured: a wider consumer that has done with all below the first message keeps what is pending, until it would come again.
    let mut bench = filled();
    ack(&mut bench, "all", 1);
    bench.stream.handle_purge(bench.now(), &Purge { filter: "s.b".to_owned(), ..Purge::default() }).unwrap();
    assert_eq!(standing(&mut bench, "all"), (2, 1, 1, 5));
    bench.ack_delivery("all", 2, 2, Ack::Nak { delay: None }, None);
    let gone = "all: terminated 2/2 x1 Unacknowledged message was deleted";
    assert_eq!(bench.fetch("all", 1), [gone, "f < s.c 3/3 x1 +4"]);
    assert_eq!(bench.info("all").num_ack_pending, 1);
    assert!(bench.stream.consumer_ledger(bench.id("all")).unwrap().balances());
}

/// JS55, JS75: a rollup that no consumer wants still removes the earlier messages.
#[test]
fn an_unwanted_rollup_still_rolls_up() {
    let mut bench = Bench::new(|config| {
        config.retention = Retention::Interest;
        config.allow_rollup_hdrs = true;
    });
    bench.create(durable("a", &["s.a"])).unwrap();
    bench.publish("s.a", "", &[]);
    assert_eq!(bench.publish("s.b", "", &[("Nats-Rollup", "all")]), "2");
    let state = bench.stream.state();
    assert_eq!((state.messages, state.first_seq, state.last_seq), (0, 3, 2));
}

/// A sequence comes once. The server begins anew at 0 behind the last one, and its stream is broken from then on.
#[test]
fn sequences_end() {
    let near_the_end: fn(&mut StreamConfig) = |config| config.first_seq = u64::MAX - 2;
    for set in [near_the_end, |_| {}] {
        let mut bench = Bench::new(set);
        let first = bench.stream.config().first_seq;
        bench.publish("s.a", "x", &[]);
        if first == 0 {
            bench.stream.handle_purge(bench.now(), &Purge { seq: u64::MAX - 1, ..Purge::default() }).unwrap();
        }
        assert_eq!(bench.publish("s.a", "x", &[]), (u64::MAX - 1).to_string());
        assert_eq!(bench.publish("s.a", "x", &[]), "503/10077 no sequence is left");
        let (state, bounds) = (bench.stream.state(), u64::MAX - 1);
        assert_eq!((state.first_seq, state.last_seq), (if first == 0 { bounds } else { first }, bounds));
        bench.stream.handle_purge(bench.now(), &Purge { seq: u64::MAX, ..Purge::default() }).unwrap();
        assert_eq!(bench.publish("s.a", "x", &[]), "503/10077 no sequence is left");
        assert_eq!((bench.stream.state().first_seq, bench.stream.state().last_seq), (u64::MAX, u64::MAX - 1));
    }
}
