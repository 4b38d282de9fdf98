//! Answers to publishes, and the order in which they are judged.

use crate::bench::{Bench, SECOND, block};
use postroom::jetstream::engine::Room;
use postroom::jetstream::engine::config::{Discard, Republish, Retention, SubjectTransform};

/// JS43, JS48: an ack with the sequence; a duplicate names the first.
#[test]
fn a_publish_is_answered_with_its_sequence_and_a_duplicate_with_the_first() {
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.publish("s.a", "x", &[]), "1");
    assert_eq!(bench.publish("s.a", "x", &[("Nats-Msg-Id", "m")]), "2");
    assert_eq!(bench.publish("s.b", "x", &[("Nats-Msg-Id", "m")]), "duplicate 2");
    assert_eq!(bench.publish("s.b", "x", &[("Nats-Msg-Id", "m ")]), "3");
    assert_eq!(bench.publish("s.b", "x", &[("Nats-Msg-Id", "")]), "4");
    // Deleted or purged, the id is still known; a failed publish leaves none.
    bench.stream.handle_purge(bench.now(), &Default::default()).unwrap();
    assert_eq!(bench.publish("s.a", "x", &[("Nats-Msg-Id", "m")]), "duplicate 2");
    let failing = [("Nats-Msg-Id", "n"), ("Nats-Expected-Last-Sequence", "9")];
    assert_eq!(bench.publish("s.a", "x", &failing), "400/10071 wrong last sequence: 4");
    assert_eq!(bench.publish("s.a", "x", &[("Nats-Msg-Id", "n")]), "5");
}

/// JS49: an id is free exactly one window after its message, and a duplicate does not renew it.
#[test]
fn an_id_is_forgotten_after_its_window() {
    let mut bench = Bench::new(|config| config.duplicate_window = SECOND as i64);
    assert_eq!(bench.publish("s.a", "", &[("Nats-Msg-Id", "a")]), "1");
    bench.advance(SECOND / 2);
    assert_eq!(bench.publish("s.a", "", &[("Nats-Msg-Id", "b")]), "2");
    assert_eq!(bench.publish("s.a", "", &[("Nats-Msg-Id", "a")]), "duplicate 1");
    bench.advance(SECOND / 2 - 1);
    assert_eq!(bench.publish("s.a", "", &[("Nats-Msg-Id", "a")]), "duplicate 1");
    bench.advance(1);
    assert_eq!(bench.publish("s.a", "", &[("Nats-Msg-Id", "a")]), "3");
    assert_eq!(bench.publish("s.a", "", &[("Nats-Msg-Id", "b")]), "duplicate 2");
    bench.advance(2 * SECOND);
    assert_eq!(bench.stream.poll_timeout(), None);
}

/// JS43: no answer without a reply subject, nor from a stream that gives none.
#[test]
fn a_stream_without_acks_answers_nothing_at_all() {
    let mut bench = Bench::new(|config| config.no_ack = true);
    assert_eq!(bench.publish("s.a", "x", &[]), "nothing");
    assert_eq!(bench.publish("s.a", "x", &[("Nats-Expected-Stream", "T")]), "nothing");
    assert_eq!(bench.seqs(), [1]);
}

/// JS45: each expectation with its error.
#[test]
fn expectations_are_judged() {
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.publish("s.a", "", &[("Nats-Msg-Id", "one")]), "1");
    assert_eq!(bench.publish("s.b", "", &[("Nats-Msg-Id", "two")]), "2");
    let cases = [
        (("Nats-Expected-Stream", "T"), "400/10060 expected stream does not match"),
        (("Nats-Expected-Last-Sequence", "1"), "400/10071 wrong last sequence: 2"),
        (("Nats-Expected-Last-Sequence", "-1"), "400/10071 wrong last sequence: 2"),
        (("Nats-Expected-Last-Subject-Sequence", "2"), "400/10071 wrong last sequence: 1"),
        (("Nats-Expected-Last-Subject-Sequence", "+1"), "400/10071 wrong last sequence: 1"),
        (("Nats-Expected-Last-Subject-Sequence", "abc"), "400/10071 wrong last sequence: 1"),
        (
            ("Nats-Expected-Last-Subject-Sequence-Subject", "s.b"),
            "400/10193 missing sequence for expected last sequence per subject",
        ),
        (("Nats-Expected-Last-Msg-Id", "one"), "400/10070 wrong last msg ID: two"),
        (("Nats-Rollup", "sub"), "500/10111 rollup not permitted"),
        (("Nats-TTL", "5s"), "400/10166 per-message TTL is disabled"),
        (("Nats-TTL", "x"), "400/10165 invalid per-message TTL"),
        (("Nats-Incr", "1"), "400/10168 message counters is disabled"),
        (("Nats-Incr", "1.5"), "400/10171 message counter increment is invalid"),
        (("Nats-Stream-Source", "S 1"), "400/10227 message stream source header is not allowed"),
        (("Nats-Scheduler", "s.b"), "400/10212 message schedules invalid scheduler"),
        (("Nats-Schedule", "@every 2s"), "400/10188 message schedules is disabled"),
        (("Nats-Schedule", "x"), "400/10188 message schedules is disabled"),
        (("Nats-Batch-Id", "b"), "400/10174 atomic publish is disabled"),
    ];
    for (header, expected) in cases {
        assert_eq!(bench.publish("s.a", "", &[header]), expected, "{header:?}");
    }
    let filtered = |seq, filter| {
        [("Nats-Expected-Last-Subject-Sequence", seq), ("Nats-Expected-Last-Subject-Sequence-Subject", filter)]
    };
    assert_eq!(bench.publish("s.a", "", &filtered("1", "s.*")), "400/10071 wrong last sequence: 2");
    assert_eq!(bench.publish("s.a", "", &filtered("2", "s.*")), "3");
    assert_eq!(bench.publish("s.a", "", &filtered("0", "t.x")), "4");
    let right = [("Nats-Expected-Last-Sequence", "4"), ("Nats-Expected-Last-Subject-Sequence", "0")];
    assert_eq!(bench.publish("s.c", "", &right), "5");
    assert_eq!(bench.publish("s.c", "", &[("Nats-Expected-Last-Msg-Id", "x")]), "400/10070 wrong last msg ID: ");
    // Words of schedules, and empty ones of the server, mean nothing by themselves.
    assert_eq!(bench.publish("s.c", "", &[("Nats-Schedule-Time-Zone", "UTC"), ("Nats-Stream-Source", "")]), "6");
    let zone = bench.publish("s.c", "", &[("Nats-Schedule-Time-Zone", "x")]);
    assert_eq!(zone, "400/10188 message schedules is disabled");
}

/// JS46: a duplicate beats a wrong last id, a bad rollup and an invalid TTL, but loses to a wrong stream, a wrong sequence, a
/// disabled TTL and schedules.
#[test]
fn faults_are_found_in_the_servers_order() {
    let mut bench = Bench::new(|_| {});
    let id = ("Nats-Msg-Id", "m");
    assert_eq!(bench.publish("s.a", "", &[id]), "1");
    for beaten in [("Nats-Expected-Last-Msg-Id", "x"), ("Nats-Rollup", "zz"), ("Nats-TTL", "x")] {
        assert_eq!(bench.publish("s.a", "", &[id, beaten]), "duplicate 1", "{beaten:?}");
    }
    let winners = [
        (("Nats-Expected-Stream", "T"), "10060"),
        (("Nats-Expected-Last-Sequence", "7"), "10071"),
        (("Nats-TTL", "1s"), "10166"),
        (("Nats-Schedule", "x"), "10188"),
        (("Nats-Scheduler", "x"), "10212"),
        (("Nats-Stream-Source", "x"), "10227"),
    ];
    for (winner, code) in winners {
        let answer = bench.publish("s.a", "", &[id, winner]);
        assert!(answer.contains(code), "{winner:?}: {answer}");
    }
    let both = [("Nats-Expected-Stream", "T"), ("Nats-TTL", "1s")];
    assert!(bench.publish("s.a", "", &both).contains("10060"));
    let both = [("Nats-Expected-Last-Subject-Sequence", "7"), ("Nats-Expected-Last-Sequence", "8")];
    assert_eq!(bench.publish("s.b", "", &both), "400/10071 wrong last sequence: 0");
}

/// The size of what was sent is judged before anything else; JS46 has it behind duplicates and expectations, which a measurement
/// contradicts.
#[test]
fn a_message_that_is_too_large_is_nothing_else() {
    let mut bench = Bench::new(|config| config.max_msg_size = 60);
    bench.publish("s.a", "", &[("Nats-Msg-Id", "m")]);
    let (large, long) = ("x".repeat(80), "y".repeat(65_535));
    let too_large = "400/10054 message size exceeds maximum allowed";
    let wrong = [("Nats-Msg-Id", "m"), ("Nats-Expected-Stream", "T"), ("Nats-Incr", "x"), ("Nats-Batch-Id", "b")];
    for header in wrong {
        assert_eq!(bench.publish("s.a", &large, &[header]), too_large, "{header:?}");
    }
    assert_eq!(bench.publish_to("s.a", &large, &[], "inbox.b.10.ok.1.0.$FI"), too_large);
    let mut bench = Bench::new(|_| {});
    bench.publish("s.a", "", &[("Nats-Msg-Id", "m")]);
    for header in &wrong[..3] {
        let answer = bench.publish("s.a", "", &[*header, ("A", &long)]);
        assert_eq!(answer, "400/10097 header size exceeds maximum allowed of 64k", "{header:?}");
    }
}

/// JS47: sizes, then what the server and the account have room for.
#[test]
fn what_is_too_large_is_refused() {
    let mut bench = Bench::new(|config| config.max_msg_size = 20);
    assert_eq!(bench.publish("s.a", &"x".repeat(20), &[]), "1");
    assert_eq!(bench.publish("s.a", &"x".repeat(21), &[]), "400/10054 message size exceeds maximum allowed");
    let mut bench = Bench::new(|_| {});
    let long = "y".repeat(65_535);
    assert_eq!(bench.publish("s.a", "", &[("A", &long)]), "400/10097 header size exceeds maximum allowed of 64k");
    let full = Room { is_full: true, ..Room::UNLIMITED };
    assert_eq!(bench.publish_raw("s.a", b"", "", "r", full), "503/10023 insufficient resources");
    let little = Room { account_left: 19, ..Room::UNLIMITED };
    assert_eq!(bench.publish_raw("s.a", b"", "1", "r", little), "400/10002 resource limits exceeded for account");
    assert_eq!(bench.publish_raw("s.a", b"", "", "r", little), "1");
}

/// JS44: the block is stored as sent, but for the text behind the version and `Nats-Request-Info`.
#[test]
fn a_header_block_is_stored_as_it_was_sent() {
    let mut bench = Bench::new(|_| {});
    let sent = b"NATS/1.0 503 x\r\nb: 1\r\nABC\r\nB:2\r\nNats-Request-Info: {}\r\nb: 3\r\n\r\n";
    assert_eq!(bench.publish_raw("s.a", sent, "p", "r", Room::UNLIMITED), "1");
    assert_eq!(bench.head(1), "NATS/1.0|b: 1|ABC|B:2|b: 3||");
    assert_eq!(bench.publish_raw("s.a", b"NATS/1.0 404\r\n\r\n", "p", "r", Room::UNLIMITED), "2");
    assert_eq!(bench.head(2), "");
}

/// JS51: everything sees the transformed subject.
#[test]
fn a_subject_is_transformed_before_anything_else() {
    let mut bench = Bench::new(|config| {
        config.subject_transform = Some(SubjectTransform { src: "s.*.x".to_owned(), dest: "t.$1".to_owned() });
    });
    assert_eq!(bench.publish("s.a.x", "", &[("Nats-Expected-Last-Subject-Sequence", "0")]), "1");
    assert_eq!(bench.publish("s.a.x", "", &[("Nats-Expected-Last-Subject-Sequence", "1")]), "2");
    assert_eq!(bench.publish("s.a.y", "", &[]), "3");
    let subjects: Vec<_> =
        bench.stream.messages().subjects(">").map(|(subject, count)| format!("{subject}={count}")).collect();
    assert_eq!(subjects, ["s.a.y=1", "t.a=2"]);
}

/// JS52: the headers that a republished message gains, and which messages are not republished.
#[test]
fn a_stored_message_is_republished() {
    let mut bench = Bench::new(|config| {
        let (src, dest) = ("s.*".to_owned(), "r.$1".to_owned());
        config.republish = Some(Republish { src, dest, headers_only: true });
    });
    bench.publish("s.a", "hello", &[("X", "y"), ("Nats-Msg-Id", "m")]);
    bench.publish("s.a", "hello", &[("Nats-Msg-Id", "m")]);
    bench.publish("s.a", "ho", &[]);
    bench.publish("s.a.b", "ho", &[]);
    let added = "Nats-Stream: S|Nats-Subject: s.a|Nats-Sequence";
    let time = "Nats-Time-Stamp: 2026-01-01T00:00:00Z";
    assert_eq!(
        bench.others,
        [
            format!("r.a NATS/1.0|X: y|Nats-Msg-Id: m|{added}: 1|{time}|Nats-Last-Sequence: 0|Nats-Msg-Size: 5|| "),
            format!("r.a NATS/1.0|{added}: 2|{time}|Nats-Last-Sequence: 1|Nats-Msg-Size: 2|| "),
        ]
    );
}

/// JS55: without interest nothing is stored, and the sequence is used up all the same.
#[test]
fn without_interest_a_sequence_is_used_up() {
    let mut bench = Bench::new(|config| {
        config.retention = Retention::Interest;
        config.discard = Discard::New;
        config.max_bytes = 1;
    });
    // An invalid TTL is not even looked at.
    assert_eq!(bench.publish("s.a", "x", &[("Nats-TTL", "x"), ("Nats-Msg-Id", "m")]), "1");
    let state = bench.stream.state();
    assert_eq!((state.messages, state.first_seq, state.last_seq), (0, 2, 1));
    assert_eq!(state.last_time, Some(bench.now()));
    assert_eq!(bench.publish("s.a", "x", &[("Nats-Msg-Id", "m")]), "duplicate 1");
    let expectations = [("Nats-Expected-Last-Sequence", "1"), ("Nats-Expected-Last-Subject-Sequence", "0")];
    assert_eq!(bench.publish("s.a", "x", &expectations), "2");
    assert_eq!(bench.stream.ledger().unwanted, 2);
}

/// JS58: counters of any size.
#[test]
fn increments_add_up() {
    let mut bench = Bench::new(|config| config.allow_msg_counter = true);
    assert_eq!(bench.publish("s.a", "", &[("Nats-Incr", "+5")]), "1 = 5");
    assert_eq!(bench.publish("s.a", "", &[("Nats-Incr", "-12")]), "2 = -7");
    assert_eq!(bench.publish("s.b", "", &[("Nats-Incr", "99999999999999999999")]), "3 = 99999999999999999999");
    assert_eq!(bench.payload(2), r#"{"val":"-7"}"#);
    assert_eq!(bench.head(2), "NATS/1.0|Nats-Incr: -12||");
    let cases = [
        ("", &[][..], "400/10169 message counter increment is missing"),
        ("", &[("Nats-Incr", "")][..], "400/10169 message counter increment is missing"),
        ("p", &[("Nats-Incr", "1")][..], "400/10170 message counter has payload"),
        ("", &[("Nats-Incr", "1 ")][..], "400/10171 message counter increment is invalid"),
        (
            "",
            &[("Nats-Incr", "1"), ("Nats-Expected-Stream", "S")][..],
            "400/10171 message counter increment is invalid",
        ),
    ];
    for (payload, headers, expected) in cases {
        assert_eq!(bench.publish("s.a", payload, headers), expected, "{headers:?}");
    }
}

/// JS40: a sealed stream takes nothing and loses nothing.
#[test]
fn a_sealed_stream_does_not_change() {
    let mut bench = Bench::new(|_| {});
    bench.publish("s.a", "", &[]);
    bench.update(|config| config.sealed = true);
    let sealed = "400/10109 invalid operation on sealed stream";
    assert_eq!(bench.publish("s.a", "", &[("Nats-Expected-Stream", "T")]), sealed);
    let purged = bench.stream.handle_purge(bench.now(), &Default::default());
    assert_eq!(crate::bench::text(&purged.unwrap_err()), sealed);
    assert_eq!(crate::bench::text(&bench.stream.handle_delete(bench.now(), 1).unwrap_err()), sealed);
    assert_eq!(bench.seqs(), [1]);
}

/// JS64: fast batches are answered as if they were switched off.
#[test]
fn fast_batches_are_off() {
    let mut bench = Bench::new(|_| {});
    let answer = bench.publish_to("s.a", "", &[], "inbox.b.10.ok.1.0.$FI");
    assert_eq!(answer, "400/10205 batch publish is disabled");
    assert!(block(&[]).is_empty());
}
