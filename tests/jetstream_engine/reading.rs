//! Look-ups.

use crate::bench::{Bench, SECOND};

fn filled() -> Bench {
    let mut bench = Bench::new(|_| {});
    for at in 0..500 {
        bench.publish(&format!("s.{}.{}", ["a", "b", "c"][at % 3], at % 7), &at.to_string(), &[]);
        bench.advance(SECOND);
    }
    bench
}

/// JS79, JS82, JS83: the last of a subject, and the first at or behind a sequence or an instant.
#[test]
fn messages_are_found() {
    let mut bench = filled();
    let stream = &bench.stream;
    assert_eq!(stream.messages().last_by_subject("s.a.*").map(|message| message.seq()), Some(499));
    assert_eq!(stream.messages().last_by_subject("s.b.0").map(|message| message.seq()), Some(491));
    assert!(stream.messages().last_by_subject("t.>").is_none());
    assert_eq!(stream.messages().next_match(&["s.b.0"], 30).map(|message| message.seq()), Some(50));
    assert_eq!(stream.messages().next_match(&["s.b.*", "s.c.>"], 31).map(|message| message.seq()), Some(32));
    assert!(stream.messages().next_match(&["s.b.*"], 501).is_none());
    assert!(stream.messages().next_match(&["t.*", "u.>"], 1).is_none());
    let at = bench.stream.messages().get(100).unwrap().time();
    assert_eq!(bench.stream.messages().first_at(at).map(|message| message.seq()), Some(100));
    assert_eq!(bench.stream.messages().last_before(at).map(|message| message.seq()), Some(99));
    assert!(bench.stream.messages().first_at(bench.now()).is_none());
    assert_eq!(bench.stream.messages().last_before(bench.now()).map(|message| message.seq()), Some(500));
    let (_, payload) = bench.stream.messages().get(500).unwrap().shared();
    bench.stream.handle_delete(bench.now(), 500).unwrap();
    assert_eq!(payload, "499");
    // The last of everything is that of the last sequence.
    assert!(bench.stream.messages().last_by_subject(">").is_none());
    assert_eq!(bench.stream.messages().last_by_subject("s.>").map(|message| message.seq()), Some(499));
}

/// JC40, JC41, JS85: what is pending for filters is counted once, and the last of each subject found.
#[test]
fn pending_messages_are_counted_exactly() {
    let bench = filled();
    let linear = |filters: &[&str], from: u64| {
        let wants = |subject: &str| filters.iter().any(|filter| postroom::subject::relation::matches(filter, subject));
        (from..=500)
            .filter(|seq| filters.is_empty() || wants(bench.stream.messages().get(*seq).unwrap().subject()))
            .count() as u64
    };
    let all: [&[&str]; 6] = [&[], &[">"], &["s.a.*"], &["s.a.*", "s.*.3"], &["s.b.2"], &["t.>", "s.*.1"]];
    for filters in all {
        for from in [0, 1, 2, 250, 490, 500] {
            assert_eq!(
                bench.stream.messages().num_pending(filters, from),
                linear(filters, from.max(1)),
                "{filters:?} {from}"
            );
        }
    }
    let of_b = bench.stream.messages().last_of_each(&["s.b.*"], 500);
    assert_eq!((of_b.len(), of_b.is_sorted()), (7, true));
    assert_eq!(bench.stream.messages().last_of_each(&["s.b.*", "s.*.0"], 20), [1, 2, 5, 8, 11, 14, 15, 17, 20]);
    assert_eq!(bench.stream.messages().subjects("s.c.*").map(|(_, count)| count).sum::<u64>(), 166);
}
