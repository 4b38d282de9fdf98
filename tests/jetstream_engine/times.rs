//! max_age, times of their own, delete markers.

use crate::bench::{Bench, MS, SECOND};
use postroom::jetstream::engine::Ledger;
use postroom::jetstream::engine::config::Discard;

/// JS76: a message goes exactly when it is too old.
#[test]
fn messages_age() {
    let mut bench = Bench::new(|config| config.max_age = (500 * MS) as i64);
    bench.publish("s.a", "", &[]);
    bench.advance(300 * MS);
    bench.publish("s.a", "", &[]);
    bench.advance(200 * MS - 1);
    assert_eq!(bench.seqs(), [1, 2]);
    bench.advance(1);
    assert_eq!(bench.seqs(), [2]);
    bench.advance(300 * MS);
    assert_eq!(bench.seqs(), [] as [u64; 0]);
    assert_eq!(bench.stream.poll_timeout(), None);
    assert_eq!(bench.stream.ledger(), Ledger { stored: 2, expired: 2, ..Ledger::default() });
    // A shorter age takes effect with the update.
    bench.publish("s.a", "", &[]);
    bench.advance(200 * MS);
    bench.update(|config| (config.max_age, config.duplicate_window) = ((100 * MS) as i64, (100 * MS) as i64));
    assert_eq!(bench.seqs(), [] as [u64; 0]);
}

/// JS56: what a TTL may be.
#[test]
fn ttls_are_read_as_the_server_reads_them() {
    let mut bench = Bench::new(|config| config.allow_msg_ttl = true);
    for right in
        ["1", "1.9s", "never", "NEVER", "1h", "1m30s", "1000ms", "007", "2147483648", "9223372036854775807", ""]
    {
        let answer = bench.publish("s.a", "", &[("Nats-TTL", right)]);
        assert!(answer.parse::<u64>().is_ok(), "{right}: {answer}");
    }
    for wrong in ["0", "0s", "-1", "500ms", "0.5", "1d", "abc", "5 ", "+5", "9223372036854775808", "10000000000s"] {
        assert_eq!(bench.publish("s.a", "", &[("Nats-TTL", wrong)]), "400/10165 invalid per-message TTL", "{wrong}");
    }
}

/// JS56: it expires at stored time + TTL, earlier by max_age, and never if it says so.
#[test]
fn a_message_may_have_a_time_of_its_own() {
    let mut bench = Bench::new(|config| {
        config.allow_msg_ttl = true;
        config.max_age = (5 * SECOND) as i64;
    });
    for ttl in ["never", "2", "1.9s", "10", ""] {
        bench.publish("s.a", "", &[("Nats-TTL", ttl)]);
    }
    bench.advance(SECOND - 1);
    assert_eq!(bench.seqs(), [1, 2, 3, 4, 5]);
    bench.advance(1);
    assert_eq!(bench.seqs(), [1, 2, 4, 5]);
    bench.advance(SECOND);
    assert_eq!(bench.seqs(), [1, 4, 5]);
    bench.advance(3 * SECOND);
    assert_eq!(bench.seqs(), [1]);
    bench.advance(1_000_000 * SECOND);
    assert_eq!(bench.seqs(), [1]);
    assert_eq!(bench.stream.poll_timeout(), None);
}

/// A message that is gone before its time leaves no timer behind.
#[test]
fn a_deleted_message_expires_no_more() {
    let mut bench = Bench::new(|config| config.allow_msg_ttl = true);
    bench.publish("s.a", "", &[("Nats-TTL", "2")]);
    assert_eq!(bench.stream.poll_timeout().map(|due| due.as_nanos()), Some(crate::bench::START + 2 * SECOND));
    bench.stream.handle_delete(bench.now(), 1).unwrap();
    assert_eq!(bench.stream.poll_timeout(), None);
}

/// JS57: a marker takes the place of a subject's last message that expires; a marker leaves none.
#[test]
fn an_expired_subject_leaves_a_marker() {
    let mut bench = Bench::new(|config| {
        config.max_age = (60 * SECOND) as i64;
        config.subject_delete_marker_ttl = (90 * SECOND) as i64;
    });
    bench.publish("s.a", "x", &[("Nats-TTL", "2")]);
    bench.publish("s.b", "x", &[]);
    bench.publish("s.b", "x", &[]);
    // JS56: a TTL below that of markers is raised to it, and the header rewritten at the end.
    assert_eq!(bench.head(1), "NATS/1.0|Nats-TTL: 90||");
    bench.advance(60 * SECOND);
    // Each subject's last one left a marker, at the instant at which it went.
    assert_eq!((bench.seqs(), bench.times()), (vec![4, 5], vec![60 * SECOND, 60 * SECOND]));
    let marker = "NATS/1.0|Nats-Marker-Reason: MaxAge|Nats-TTL: 1m30s|Nats-Rollup: sub||";
    assert_eq!((bench.head(4).as_str(), bench.payload(4).as_str()), (marker, ""));
    assert_eq!(bench.head(5), marker);
    assert_eq!(bench.stream.messages().get(4).unwrap().subject(), "s.a");
    bench.advance(60 * SECOND);
    assert_eq!(bench.seqs(), [] as [u64; 0]);
    assert_eq!(bench.stream.state().last_seq, 5);
}

/// JS57: no marker for what goes otherwise.
#[test]
fn only_expiry_leaves_a_marker() {
    let mut bench = Bench::new(|config| {
        config.subject_delete_marker_ttl = SECOND as i64;
        config.max_msgs = 1;
    });
    bench.publish("s.a", "", &[]);
    bench.publish("s.b", "", &[]);
    bench.stream.handle_delete(bench.now(), 2).unwrap();
    bench.publish("s.c", "", &[]);
    bench.stream.handle_purge(bench.now(), &Default::default()).unwrap();
    assert_eq!((bench.seqs(), bench.stream.state().last_seq), (vec![], 3));
}

/// JS91: when the clock jumps, what was due is done in the order of its instants, and a marker's own time runs from its own.
#[test]
fn a_jump_of_the_clock_is_lived_through_in_order() {
    let set = |config: &mut postroom::jetstream::engine::config::StreamConfig| {
        config.subject_delete_marker_ttl = (2 * SECOND) as i64;
    };
    let run = |jump: bool| {
        let mut bench = Bench::new(set);
        for (at, ttl) in ["3", "5", "4"].iter().enumerate() {
            bench.publish(&format!("s.{at}"), "", &[("Nats-TTL", ttl)]);
        }
        if jump {
            bench.jump(6 * SECOND)
        } else {
            bench.advance(6 * SECOND)
        }
        let subjects: Vec<_> =
            bench.seqs().iter().map(|seq| bench.stream.messages().get(*seq).unwrap().subject().to_owned()).collect();
        (bench.seqs(), subjects, bench.times(), bench.stream.ledger())
    };
    let expected = (vec![6], vec!["s.1".to_owned()], vec![5 * SECOND]);
    let (seqs, subjects, times, ledger) = run(true);
    assert_eq!((seqs, subjects, times), expected);
    assert_eq!(ledger, run(false).3);
    assert_eq!((ledger.stored, ledger.expired), (6, 5));
}

/// A marker that a full stream has no room for is not made.
#[test]
fn a_full_stream_makes_no_marker() {
    let mut bench = Bench::new(|config| {
        config.subject_delete_marker_ttl = SECOND as i64;
        config.discard = Discard::New;
        config.max_bytes = 60;
    });
    assert_eq!(bench.publish("s.a", "", &[("Nats-TTL", "1")]), "1");
    bench.advance(SECOND);
    assert_eq!(bench.seqs(), [] as [u64; 0]);
    assert!(bench.stream.ledger().balances());
}
