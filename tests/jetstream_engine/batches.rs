//! Atomic batches.

use crate::bench::{Bench, SECOND};
use postroom::jetstream::engine::config::{Discard, StreamConfig};

fn allow(config: &mut StreamConfig) {
    config.allow_atomic = true;
    config.allow_rollup_hdrs = true;
    config.allow_msg_ttl = true;
}

fn part(bench: &mut Bench, id: &str, seq: &str, more: &[(&str, &str)]) -> String {
    part_on(bench, "s.a", id, seq, more)
}

fn part_on(bench: &mut Bench, subject: &str, id: &str, seq: &str, more: &[(&str, &str)]) -> String {
    let mut headers = vec![("Nats-Batch-Id", id), ("Nats-Batch-Sequence", seq)];
    headers.extend(more);
    bench.publish(subject, "p", &headers)
}

type Headers<'a> = &'a [(&'a str, &'a str)];

const COMMIT: (&str, &str) = ("Nats-Batch-Commit", "1");
const END: (&str, &str) = ("Nats-Batch-Commit", "eob");

/// JS59: parts are held aside; the last one stores all.
#[test]
fn a_batch_is_stored_with_its_last_part() {
    let mut bench = Bench::new(allow);
    assert_eq!(part(&mut bench, "b", "1", &[]), "part");
    assert_eq!(bench.publish("s.x", "", &[]), "1");
    assert_eq!(part(&mut bench, "b", "2", &[]), "part");
    assert_eq!(bench.seqs(), [1]);
    assert_eq!(part(&mut bench, "b", "3", &[COMMIT]), "batch b 4 x3");
    assert_eq!(bench.seqs(), [1, 2, 3, 4]);
    assert_eq!(bench.head(4), "NATS/1.0|Nats-Batch-Id: b|Nats-Batch-Sequence: 3|Nats-Batch-Commit: 1||");
    // With `eob` the one before becomes the last.
    assert_eq!(part(&mut bench, "c", "1", &[]), "part");
    assert_eq!(part(&mut bench, "c", "2", &[END]), "batch c 5 x1");
    assert_eq!(bench.head(5), "NATS/1.0|Nats-Batch-Id: c|Nats-Batch-Sequence: 1|Nats-Batch-Commit: 1||");
    assert_eq!(part(&mut bench, "", "1", &[]), "6");
    assert_eq!(bench.stream.poll_timeout(), None);
}

/// JS60, JS63: what is refused of a part, and which faults end the batch with an advisory.
#[test]
fn parts_are_judged() {
    let mut bench = Bench::new(allow);
    let incomplete = "400/10176 atomic publish batch is incomplete";
    let id = "x".repeat(65);
    assert_eq!(part(&mut bench, &id, "1", &[]), "400/10179 atomic publish batch ID is invalid");
    assert_eq!(part(&mut bench, "b", "x", &[]), "400/10175 atomic publish sequence is missing");
    assert_eq!(part(&mut bench, "b", "+1", &[]), "400/10175 atomic publish sequence is missing");
    assert_eq!(part(&mut bench, "b", "0", &[]), incomplete);
    assert_eq!(part(&mut bench, "b", "2", &[]), incomplete);
    assert_eq!(part(&mut bench, "b", "1001", &[]), "400/10199 atomic publish batch is too large: 1000");
    assert_eq!(bench.others, [] as [String; 0]);
    for (seq, more, expected) in [
        ("3", &[][..], incomplete),
        ("1", &[][..], incomplete),
        ("2", &[("Nats-Batch-Commit", "")][..], "400/10200 atomic publish batch commit is invalid"),
        ("2", &[("Nats-Batch-Commit", "x")][..], "400/10200 atomic publish batch commit is invalid"),
        ("2", &[("Nats-Required-Api-Level", "6")][..], "412/10185 JetStream minimum api level required"),
    ] {
        assert_eq!(part(&mut bench, "b", "1", &[]), "part");
        assert_eq!(part(&mut bench, "b", seq, more), expected);
        assert_eq!(part(&mut bench, "b", "2", &[]), incomplete, "the batch is gone");
    }
    assert_eq!(part(&mut bench, "e", "1", &[END]), incomplete);
    assert_eq!(bench.others, ["b incomplete", "b incomplete", "b unsupported", "e incomplete"]);
    // A level that is met is taken out of the block.
    assert_eq!(part(&mut bench, "l", "1", &[("Nats-Required-Api-Level", "5"), COMMIT]), "batch l 1 x1");
    assert_eq!(bench.head(1), "NATS/1.0|Nats-Batch-Id: l|Nats-Batch-Sequence: 1|Nats-Batch-Commit: 1||");
    for at in 0..50 {
        assert_eq!(part(&mut bench, &at.to_string(), "1", &[]), "part");
    }
    assert_eq!(part(&mut bench, "50", "1", &[]), "429/10210 atomic publish too many inflight");
    for seq in 2..=1_000 {
        assert_eq!(part(&mut bench, "0", &seq.to_string(), &[]), "part");
    }
    assert_eq!(part(&mut bench, "0", "1001", &[]), "400/10199 atomic publish batch is too large: 1000");
    assert_eq!(bench.others.last().unwrap(), "0 large");
}

/// JS61: at the commit each part is judged behind the earlier ones; the first fault undoes all.
#[test]
fn a_batch_is_judged_as_a_whole() {
    let expect = |seq| ("Nats-Expected-Last-Sequence", seq);
    let of_subject = |seq| ("Nats-Expected-Last-Subject-Sequence", seq);
    let wrong = "400/10164 wrong last sequence";
    let id = ("Nats-Msg-Id", "m");
    let filtered = [of_subject("2"), ("Nats-Expected-Last-Subject-Sequence-Subject", "s.*")];
    let cases: [(Headers<'_>, Headers<'_>, &str); 13] = [
        // A filter with wildcards does not see the earlier parts.
        (&[], &filtered, "400/10071 wrong last sequence: 1"),
        (&[of_subject("9"), expect("8")], &[], "400/10071 wrong last sequence: 1"),
        (&[expect("1")], &[], "batch b 3 x2"),
        (&[expect("0")], &[], "400/10071 wrong last sequence: 1"),
        (&[], &[expect("1")], "400/10071 wrong last sequence: 2"),
        (&[], &[expect("2")], wrong),
        (&[of_subject("1")], &[], "batch b 3 x2"),
        (&[], &[of_subject("2")], wrong),
        (&[id], &[id], "400/10201 atomic publish batch contains duplicate message id"),
        (
            &[],
            &[("Nats-Expected-Last-Msg-Id", "x")],
            "400/10177 atomic publish unsupported header used: Nats-Expected-Last-Msg-Id",
        ),
        (&[], &[("Nats-TTL", "x")], "400/10165 invalid per-message TTL"),
        (&[], &[("Nats-Rollup", "sub")], "500/10111 batch rollup sub invalid"),
        (&[], &[("Nats-Rollup", "all")], "500/10111 batch rollup all invalid"),
    ];
    for (first, second, expected) in cases {
        let mut bench = Bench::new(allow);
        bench.publish("s.a", "", &[]);
        part(&mut bench, "b", "1", first);
        let second: Vec<_> = second.iter().copied().chain([COMMIT]).collect();
        assert_eq!(part(&mut bench, "b", "2", &second), expected, "{first:?} {second:?}");
        if !expected.starts_with("batch") {
            assert_eq!(bench.seqs(), [1], "{expected}");
            assert_eq!(part(&mut bench, "b", "3", &[COMMIT]), "400/10176 atomic publish batch is incomplete");
        }
    }
    let mut bench = Bench::new(|config| {
        config.allow_atomic = true;
        config.discard = Discard::New;
        config.max_msgs = 2;
    });
    bench.publish("s.x", "", &[]);
    part(&mut bench, "b", "1", &[]);
    assert_eq!(part(&mut bench, "b", "2", &[COMMIT]), "503/10077 maximum messages exceeded");
    assert_eq!(bench.seqs(), [1]);
}

/// JS61: counters add up within the batch.
#[test]
fn increments_add_up_within_a_batch() {
    let mut bench = Bench::new(|config| {
        config.allow_atomic = true;
        config.allow_msg_counter = true;
    });
    bench.publish("s.a", "", &[("Nats-Incr", "5")]);
    let batch = |seq, more: &[(&'static str, &'static str)]| {
        let mut headers = vec![("Nats-Batch-Id", "b"), ("Nats-Batch-Sequence", seq), ("Nats-Incr", "2")];
        headers.extend(more);
        headers
    };
    assert_eq!(bench.publish("s.a", "", &batch("1", &[])), "part");
    assert_eq!(bench.publish("s.a", "", &batch("2", &[COMMIT])), "batch b 3 x2 = 9");
    assert_eq!(bench.payload(3), r#"{"val":"9"}"#);
}

/// JS63: ten seconds after the last part a batch is given up.
#[test]
fn an_idle_batch_is_given_up() {
    let mut bench = Bench::new(allow);
    part(&mut bench, "b", "1", &[]);
    bench.advance(9 * SECOND);
    part(&mut bench, "b", "2", &[]);
    bench.advance(10 * SECOND - 1);
    assert_eq!(bench.others, [] as [String; 0]);
    bench.advance(1);
    assert_eq!(bench.others, ["b timeout"]);
    assert_eq!(part(&mut bench, "b", "3", &[COMMIT]), "400/10176 atomic publish batch is incomplete");
    // JS39: switched off, open ones are dropped without a word.
    part(&mut bench, "c", "1", &[]);
    bench.update(|config| config.allow_atomic = false);
    assert_eq!(bench.stream.poll_timeout(), None);
    assert_eq!(bench.others.len(), 1);
    assert_eq!(part_on(&mut bench, "s.b", "c", "2", &[]), "400/10174 atomic publish is disabled");
}
