//! Any sequence of calls on a matcher, laid out in several ways: it gives the answers of the linear oracle.
//!
//! Input: a byte for the seed of the hashes, then one call after another. A call is a byte for its kind and numbers, and
//! one or two short texts, each a byte for its length and tokens of one byte each, so that a mutation of the input changes
//! one call and leaves the rest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postroom::matcher::MatcherOptions;

// The same judge as in the property tests.
#[path = "../../tests/matcher/duo.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod duo;

use duo::{Duo, Op};

/// Calls in one run: enough to fill buckets and the smallest caches, few enough for thousands of runs a second.
const OPS_MAX: usize = 200;

fuzz_target!(|input: &[u8]| {
    let Some((seed, mut rest)) = input.split_first() else {
        return;
    };
    let mut ops = Vec::new();
    while ops.len() < OPS_MAX
        && let Some(op) = op(&mut rest)
    {
        ops.push(op);
    }
    for (shards, cache_entries) in [(1, 2), (2, 64), (16, 0)] {
        let mut options = MatcherOptions::default();
        options.shards = shards;
        options.cache_entries = cache_entries;
        options.seed = Some(u64::from(*seed));
        let mut duo = Duo::new(options);
        ops.iter().for_each(|op| duo.run(op));
        duo.finish();
    }
});

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some(*first)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let tokens = byte(rest)? % 6;
    let token = |rest: &mut &[u8]| {
        Some(match byte(rest)? % 16 {
            0..=4 => "a",
            5..=8 => "b",
            9..=11 => "*",
            12 => ">",
            13 => "a*",
            14 => "a-token-that-is-too-long-for-inline",
            _ => "",
        })
    };
    let tokens: Option<Vec<_>> = (0..=tokens).map(|_| token(rest)).collect();
    Some(tokens?.join("."))
}

fn op(rest: &mut &[u8]) -> Option<Op> {
    let kind = byte(rest)?;
    let number = usize::from(kind >> 4);
    Some(match kind % 16 {
        0..=2 => Op::Insert { pattern: text(rest)?, queue: None },
        3 | 4 => Op::Insert { pattern: text(rest)?, queue: Some(["q", "r", "", ">"][number % 4].to_owned()) },
        5 | 6 => Op::Remove { which: usize::from(byte(rest)?) },
        7 => Op::RemoveWrongly { which: number, pattern: text(rest)? },
        8..=10 => Op::Matches { subject: text(rest)?, times: 1 + number % 3 },
        11 => Op::MatchesInto { subject: text(rest)? },
        12 => Op::HasInterest { subject: text(rest)? },
        13 => Op::Overlapping { pattern: text(rest)? },
        14 => Op::Entries,
        _ => Op::Stats,
    })
}
