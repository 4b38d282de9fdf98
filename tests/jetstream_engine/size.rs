//! Memory and steps stay in proportion.

use crate::bench::Bench;
use postroom::jetstream::engine::Purge;

/// A quadratic cost would not end here.
#[test]
fn a_hundred_thousand_subjects_come_and_go() {
    let mut bench = Bench::new(|config| config.max_msgs_per_subject = 1);
    for round in 0..2 {
        for at in 0..100_000 {
            bench.publish(&format!("s.{}.{at}", at % 10), "", &[]);
        }
        assert_eq!(bench.stream.state().messages, 100_000, "{round}");
    }
    assert_eq!(bench.stream.messages().num_pending(&["s.3.*"], 150_000), 5_000);
    let purge = |filter: &str| Purge { filter: filter.to_owned(), ..Purge::default() };
    assert_eq!(bench.stream.handle_purge(bench.now(), &purge("s.3.>")).unwrap(), 10_000);
    for seq in 100_001..=150_000 {
        let _missing_or_not = bench.stream.handle_delete(bench.now(), seq);
    }
    assert_eq!(bench.stream.handle_purge(bench.now(), &purge("")).unwrap(), 45_000);
    assert!(bench.stream.ledger().balances());
}

/// One subject with many messages, taken out from its middle.
#[test]
fn a_hundred_thousand_messages_of_one_subject_come_and_go() {
    let mut bench = Bench::new(|_| {});
    (0..100_000).for_each(|_| drop(bench.publish("s.a", "", &[])));
    for step in [7, 3, 2, 1] {
        for seq in (1..=100_000).step_by(step) {
            let _missing_or_not = bench.stream.handle_delete(bench.now(), seq);
        }
    }
    assert_eq!((bench.stream.state().messages, bench.stream.ledger().deleted), (0, 100_000));
}
