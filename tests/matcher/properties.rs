//! Random sequences of calls give the oracle's answers, whatever the layout.

use crate::configs;
use crate::duo::{Duo, Op};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Tokens that meet each other often; the long one does not fit into an inline text, `a*` and `**` are no wildcards (S2).
const TOKENS: [&str; 6] = ["a", "b", "a*", "**", "ü", "a-token-that-is-too-long-for-inline"];

fn token() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => select(&TOKENS[..2]), 1 => select(&TOKENS[2..])]
}

fn joined(
    token: impl Strategy<Value = &'static str>,
    depth: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = String> {
    vec(token, depth).prop_map(|tokens| tokens.join("."))
}

fn pattern() -> impl Strategy<Value = String> {
    let wild = prop_oneof![2 => token(), 1 => Just("*")];
    prop_oneof![
        3 => joined(token(), 1..=3),
        4 => joined(wild, 1..=4),
        3 => joined(prop_oneof![2 => token(), 1 => Just("*")], 1..=3).prop_map(|text| text + ".>"),
        1 => Just(">".to_owned()),
    ]
}

/// Mostly few short subjects, so that routes are remembered, used, go stale and are pushed out; some that are invalid (S6,
/// S7).
fn subject() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => joined(select(&TOKENS[..2]), 1..=2),
        4 => joined(token(), 1..=4),
        2 => joined(prop_oneof![token(), select(&["*", ">"][..])], 1..=4),
        1 => joined(prop_oneof![2 => token(), 1 => Just("")], 1..=4),
        1 => select(&["", ".", "..", "*", ">", ">.a", "a b", "a.b."][..]).prop_map(str::to_owned),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let queue = prop_oneof![
        3 => Just(None),
        2 => select(&["q", "r", "", ">"][..]).prop_map(|name| Some(name.to_owned())),
    ];
    prop_oneof![
        6 => (pattern(), queue).prop_map(|(pattern, queue)| Op::Insert { pattern, queue }),
        4 => any::<usize>().prop_map(|which| Op::Remove { which }),
        1 => (any::<usize>(), pattern())
            .prop_map(|(which, pattern)| Op::RemoveWrongly { which, pattern }),
        10 => (subject(), 1..=3_usize)
            .prop_map(|(subject, times)| Op::Matches { subject, times }),
        4 => subject().prop_map(|subject| Op::MatchesInto { subject }),
        2 => subject().prop_map(|subject| Op::HasInterest { subject }),
        2 => pattern().prop_map(|pattern| Op::Overlapping { pattern }),
        1 => Just(Op::Entries),
        1 => Just(Op::Stats),
    ]
}

fn check(seed: u64, ops: &[Op]) {
    for options in configs::all(seed) {
        let mut duo = Duo::new(options);
        ops.iter().for_each(|op| duo.run(op));
        duo.finish();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// G1, S2, S3, S7, Q2: every answer of short sequences, in which few entries make each one count, is the oracle's.
    #[test]
    fn short_sequences(seed in any::<u64>(), ops in vec(op(), 1..24)) {
        check(seed, &ops);
    }

    /// G1: the same for long sequences, in which buckets grow and shrink, nodes are used again and caches fill.
    #[test]
    fn long_sequences(seed in any::<u64>(), ops in vec(op(), 100..300)) {
        check(seed, &ops);
    }
}

/// G1: a storm of entries at one pattern and one queue name, so that buckets grow large and give memory back on the way down.
#[test]
fn many_entries_at_one_pattern() {
    for options in configs::all(1) {
        let mut duo = Duo::new(options);
        for round in 0..100_usize {
            for pattern in ["a.b", "a.*", ">"] {
                let queue = (round % 3 == 0).then_some("q");
                duo.insert(postroom::Pattern::new(pattern).unwrap(), queue);
            }
            duo.check_matches("a.b");
        }
        for round in 0..300 {
            duo.remove(round * 7);
            duo.check_matches("a.b");
        }
        duo.finish();
    }
}

/// G1: more subjects in use than the cache holds, again and again, so that routes push each other out.
#[test]
fn more_subjects_than_routes() {
    for options in configs::all(2) {
        let cached = options.cache_entries > 2;
        let mut duo = Duo::new(options);
        for pattern in ["s.*", "s.1", "*.77", "s.>"] {
            duo.insert(postroom::Pattern::new(pattern).unwrap(), None);
        }
        for round in 0..4 {
            for subject in 0..1_500 {
                let text = format!("s.{subject}");
                (0..3).for_each(|_| duo.check_matches(&text));
            }
            duo.remove(round);
        }
        assert!(!cached || duo.cache_hits() > 0);
        duo.finish();
    }
}

/// G1: tries that are filled with thousands of nodes and emptied in several orders, so that they are compacted on the way.
#[test]
fn tries_that_are_compacted() {
    for (options, stride) in configs::all(3).into_iter().zip([1, 7, 61, 89].into_iter().cycle()) {
        let mut duo = Duo::new(options);
        let pattern = |n: usize| match n % 4 {
            0 => format!("a.{}.*", n / 40),
            1 => format!("a.*.{}.>", n % 97),
            2 => format!("*.{}.{n}", n / 40),
            _ => format!("b.{n}.*.c.>"),
        };
        for n in 0..1_000 {
            duo.insert(postroom::Pattern::new(pattern(n)).unwrap(), None);
        }
        for n in 0..950 {
            duo.remove(n * stride);
            if n % 50 == 0 {
                duo.check_stats();
                duo.check_entries();
            }
            for subject in [format!("a.{}.{n}", n / 40), format!("b.{n}.x.c.d")] {
                duo.check_matches(&subject);
            }
        }
        // And filled again, over the numbers that the compaction gave.
        for n in 0..200 {
            duo.insert(postroom::Pattern::new(pattern(n)).unwrap(), None);
            duo.check_matches(&format!("a.{}.{n}.x", n / 40));
        }
        duo.check_entries();
        duo.finish();
    }
}
