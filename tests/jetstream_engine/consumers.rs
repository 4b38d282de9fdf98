//! Removal by acknowledgements, and what consumers are told.

use crate::bench::{Bench, SECOND};
use postroom::jetstream::engine::config::Retention;
use postroom::jetstream::engine::{Acks, Change, ConsumerId, Ledger, Purge, Reason};
use std::collections::BTreeSet;

const A: ConsumerId = ConsumerId(1);
const B: ConsumerId = ConsumerId(2);

/// The messages that each consumer has done with.
#[derive(Default)]
struct Done(BTreeSet<(ConsumerId, u64)>);

impl Acks for Done {
    fn floor(&self, consumer: ConsumerId) -> u64 {
        (1..).find(|seq| !self.0.contains(&(consumer, *seq))).unwrap() - 1
    }

    fn needs(&self, consumer: ConsumerId, seq: u64) -> bool {
        !self.0.contains(&(consumer, seq))
    }
}

fn none() -> [&'static str; 0] {
    []
}

fn ack(bench: &mut Bench, done: &mut Done, consumer: ConsumerId, seq: u64) -> bool {
    done.0.insert((consumer, seq));
    bench.stream.handle_done(bench.now(), consumer, seq)
}

/// JS78, JC146: a message goes when every consumer whose filter matches it has done with it.
#[test]
fn interest_ends_with_the_last_acknowledgement() {
    let mut bench = Bench::new(|config| config.retention = Retention::Interest);
    let mut done = Done::default();
    bench.stream.add_consumer(A, &["s.a", "s.b"], 1);
    bench.stream.add_consumer(B, &["s.b.>", "s.b"], 1);
    for subject in ["s.a", "s.b", "s.b.x", "s.c"] {
        bench.publish(subject, "", &[]);
    }
    assert_eq!(bench.seqs(), [1, 2, 3]);
    assert!(ack(&mut bench, &mut done, A, 1));
    assert!(!ack(&mut bench, &mut done, B, 2));
    assert!(ack(&mut bench, &mut done, A, 2));
    assert_eq!(bench.seqs(), [3]);
    let ledger = Ledger { stored: 3, held: 1, acked: 2, unwanted: 1, ..Ledger::default() };
    assert_eq!(bench.stream.ledger(), ledger);
}

/// JC147: what only a consumer still needed goes with it; everything goes with the last.
#[test]
fn interest_ends_with_a_consumer() {
    let mut bench = Bench::new(|config| config.retention = Retention::Interest);
    let mut done = Done::default();
    bench.stream.add_consumer(A, &none(), 1);
    bench.stream.add_consumer(B, &["s.b"], 1);
    for subject in ["s.a", "s.b", "s.b"] {
        bench.publish(subject, "", &[]);
    }
    ack(&mut bench, &mut done, B, 2);
    bench.stream.remove_consumer(bench.now(), A, &done);
    assert_eq!(bench.seqs(), [3]);
    bench.stream.remove_consumer(bench.now(), B, &done);
    assert_eq!(bench.seqs(), [] as [u64; 0]);
    assert_eq!(bench.stream.ledger().acked, 3);
}

/// JC146: a consumer that starts later does not hold earlier messages.
#[test]
fn a_consumer_holds_what_it_starts_with() {
    let mut bench = Bench::new(|config| config.retention = Retention::Interest);
    let mut done = Done::default();
    bench.stream.add_consumer(A, &none(), 1);
    (0..3).for_each(|_| drop(bench.publish("s.a", "", &[])));
    bench.stream.add_consumer(B, &none(), 2);
    assert!(ack(&mut bench, &mut done, A, 1));
    assert!(!ack(&mut bench, &mut done, A, 2));
    assert!(ack(&mut bench, &mut done, B, 2));
    // JC147: a narrower filter lets go at once.
    ack(&mut bench, &mut done, A, 3);
    bench.stream.update_consumer(bench.now(), B, &["s.b"], &done);
    assert_eq!(bench.seqs(), [] as [u64; 0]);
}

/// JC145: a work queue lets go of a message at its one consumer's acknowledgement, and keeps those
/// that no consumer took.
#[test]
fn a_work_queue_keeps_what_nobody_took() {
    let mut bench = Bench::new(|config| config.retention = Retention::WorkQueue);
    let mut done = Done::default();
    (0..3).for_each(|_| drop(bench.publish("s.a", "", &[])));
    bench.stream.add_consumer(A, &none(), 1);
    assert!(ack(&mut bench, &mut done, A, 2));
    bench.stream.remove_consumer(bench.now(), A, &done);
    assert_eq!(bench.seqs(), [1, 3]);
    assert_eq!(bench.stream.ledger(), Ledger { stored: 3, held: 2, acked: 1, ..Ledger::default() });
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
    bench.update(to_interest, &());
    assert_eq!(bench.seqs(), [] as [u64; 0]);
    let mut bench = filled();
    let mut done = Done::default();
    bench.stream.add_consumer(A, &none(), 1);
    bench.stream.add_consumer(B, &["s.x"], 1);
    for (consumer, seq) in [(A, 1), (A, 2), (B, 1), (A, 4)] {
        assert!(!ack(&mut bench, &mut done, consumer, seq));
    }
    done.0.insert((B, 2));
    done.0.insert((B, 3));
    bench.update(to_interest, &done);
    assert_eq!(bench.seqs(), [3, 4]);
    assert!(ack(&mut bench, &mut done, A, 3));
    bench.update(|config| config.retention = Retention::Limits, &done);
    assert_eq!(bench.seqs(), [4]);
}

/// JC140, JC141: consumers are told of each message that goes, and of a purge as a whole.
#[test]
fn consumers_are_told() {
    let mut bench = Bench::new(|config| {
        config.max_msgs = 2;
        config.max_age = SECOND as i64;
    });
    bench.publish("s.a", "", &[]);
    assert_eq!(bench.changes(), []);
    bench.stream.add_consumer(A, &["s.*"], 1);
    bench.stream.add_consumer(B, &["s.b"], 1);
    bench.publish("s.b", "", &[]);
    bench.publish("s.a.x", "", &[]);
    let removed = |seq, subject: &str, reason| Change::Removed { seq, subject: subject.into(), reason };
    let stored = |seq, consumers: &[ConsumerId]| Change::Stored { seq, consumers: consumers.into() };
    assert_eq!(bench.changes(), [stored(2, &[A, B]), stored(3, &[]), removed(1, "s.a", Reason::Evicted)]);
    bench.stream.handle_delete(bench.now(), 3).unwrap();
    assert_eq!(bench.changes(), [removed(3, "s.a.x", Reason::Deleted)]);
    bench.advance(SECOND);
    assert_eq!(bench.changes(), [removed(2, "s.b", Reason::Expired)]);
    bench.publish("s.b", "", &[]);
    bench.changes();
    bench.stream.handle_purge(bench.now(), &Purge { filter: "s.b".to_owned(), ..Purge::default() }).unwrap();
    assert_eq!(bench.changes(), [Change::Purged { filter: Some("s.b".into()), below: 5, first: 5 }]);
}

/// JS55, JS75: a rollup that no consumer wants still removes the earlier messages.
#[test]
fn an_unwanted_rollup_still_rolls_up() {
    let mut bench = Bench::new(|config| {
        config.retention = Retention::Interest;
        config.allow_rollup_hdrs = true;
    });
    bench.stream.add_consumer(A, &["s.a"], 1);
    bench.publish("s.a", "", &[]);
    assert_eq!(bench.publish("s.b", "", &[("Nats-Rollup", "all")]), "2");
    let state = bench.stream.state();
    assert_eq!((state.messages, state.first_seq, state.last_seq), (0, 3, 2));
}
