//! Limits, discard policies, rollups, purges and deletions.

use crate::bench::{Bench, text};
use postroom::jetstream::engine::config::{Discard, Storage};
use postroom::jetstream::engine::{Ledger, Purge};

/// JS73: the subject's limit first, then messages, then bytes.
#[test]
fn discard_old_makes_room_after_storing() {
    let mut bench = Bench::new(|config| {
        config.max_msgs_per_subject = 2;
        config.max_msgs = 4;
        config.max_bytes = 100;
    });
    for subject in ["s.a", "s.a", "s.a", "s.b", "s.c"] {
        bench.publish(subject, "", &[]);
    }
    assert_eq!(bench.seqs(), [2, 3, 4, 5]);
    bench.publish("s.d", "", &[]);
    assert_eq!(bench.seqs(), [3, 4, 5, 6]);
    // 19 bytes each; 60 more leave room for two.
    bench.publish("s.e", &"x".repeat(41), &[]);
    assert_eq!((bench.seqs(), bench.stream.state().bytes), (vec![5, 6, 7], 98));
    // A message larger than all room is acked, and evicts everything.
    assert_eq!(bench.publish("s.f", &"x".repeat(100), &[]), "8");
    let state = bench.stream.state();
    assert_eq!((state.messages, state.first_seq, state.last_seq, state.bytes), (0, 9, 8, 0));
    assert_eq!(bench.stream.ledger(), Ledger { stored: 8, evicted: 8, ..Ledger::default() });
}

/// JS74: discard new, in its order.
#[test]
fn discard_new_refuses_before_storing() {
    let mut bench = Bench::new(|config| {
        config.discard = Discard::New;
        config.max_msgs = 2;
        config.max_bytes = 60;
    });
    bench.publish("s.a", "", &[]);
    assert_eq!(bench.publish("s.a", &"x".repeat(40), &[]), "503/10077 maximum bytes exceeded");
    bench.publish("s.a", "", &[]);
    assert_eq!(bench.publish("s.a", &"x".repeat(40), &[("Nats-Msg-Id", "n")]), "503/10077 maximum messages exceeded");
    assert_eq!(bench.seqs(), [1, 2]);

    let mut bench = Bench::new(|config| {
        config.discard = Discard::New;
        config.max_msgs = 2;
        config.max_msgs_per_subject = 1;
        config.max_bytes = 60;
    });
    bench.publish("s.a", "1234567890", &[]);
    bench.publish("s.b", "1234567890", &[]);
    // At its subject's limit it takes the oldest one's place, if it is no larger.
    assert_eq!(bench.publish("s.a", "1234567890", &[]), "3");
    assert_eq!(bench.publish("s.a", "12345678901", &[]), "503/10077 maximum bytes exceeded");
    assert_eq!(bench.seqs(), [2, 3]);

    let mut bench = Bench::new(|config| {
        config.discard = Discard::New;
        config.max_msgs_per_subject = 1;
        config.discard_new_per_subject = true;
        config.allow_rollup_hdrs = true;
    });
    bench.publish("s.a", "", &[]);
    assert_eq!(bench.publish("s.a", "", &[]), "503/10077 maximum messages per subject exceeded");
    assert_eq!(bench.publish("s.b", "", &[]), "2");
    assert_eq!(bench.publish("s.a", "", &[("Nats-Rollup", "sub")]), "3");
    assert_eq!(bench.seqs(), [2, 3]);
}

/// JS75: a rollup removes the older ones of its subject, or all others.
#[test]
fn rollups_replace_what_was_there() {
    let mut bench = Bench::new(|config| config.allow_rollup_hdrs = true);
    for subject in ["s.a", "s.b", "s.a"] {
        bench.publish(subject, "", &[]);
    }
    assert_eq!(bench.publish("s.a", "", &[("Nats-Rollup", "SUB")]), "4");
    assert_eq!(bench.seqs(), [2, 4]);
    assert_eq!(bench.publish("s.c", "", &[("Nats-Rollup", "all")]), "5");
    assert_eq!(bench.seqs(), [5]);
    assert_eq!(bench.publish("s.c", "", &[("Nats-Rollup", "Zz")]), "500/10111 rollup value invalid: \"zz\"");
    assert_eq!(bench.stream.ledger().rolled_up, 4);
}

fn purged(purge: &Purge) -> (u64, Vec<u64>, u64, u64) {
    let mut bench = Bench::new(|_| {});
    for at in 0..9 {
        bench.publish(["s.a", "s.b", "s.c"][at % 3], "", &[]);
    }
    let purged = bench.stream.handle_purge(bench.now(), purge).unwrap();
    let state = bench.stream.state();
    assert!(bench.stream.ledger().balances());
    assert_eq!(bench.stream.ledger().purged, purged);
    (purged, bench.seqs(), state.first_seq, state.last_seq)
}

/// JS77: what each purge takes.
#[test]
fn purges_take_what_was_asked_for() {
    let purge = |filter: &str, seq, keep| purged(&Purge { filter: filter.to_owned(), seq, keep });
    assert_eq!(purge("", 0, 0), (9, vec![], 10, 9));
    assert_eq!(purge(">", 0, 0), (9, vec![], 10, 9));
    assert_eq!(purge("", 4, 0), (3, (4..=9).collect(), 4, 9));
    assert_eq!(purge("", 1, 0), (0, (1..=9).collect(), 1, 9));
    assert_eq!(purge("", 10, 0), (9, vec![], 10, 9));
    assert_eq!(purge("", 20, 0), (9, vec![], 20, 19));
    assert_eq!(purge("", 0, 2), (7, vec![8, 9], 8, 9));
    assert_eq!(purge("", 0, 9), (0, (1..=9).collect(), 1, 9));
    assert_eq!(purge("s.a", 0, 0), (3, vec![2, 3, 5, 6, 8, 9], 2, 9));
    assert_eq!(purge("s.b", 0, 1), (2, vec![1, 3, 4, 6, 7, 8, 9], 1, 9));
    assert_eq!(purge("s.*", 0, 2), (7, vec![8, 9], 8, 9));
    assert_eq!(purge("s.b", 6, 0), (2, vec![1, 3, 4, 6, 7, 8, 9], 1, 9));
    let first_and_last = |purge: &Purge| {
        let mut bench = Bench::new(|_| {});
        assert_eq!(bench.stream.handle_purge(bench.now(), purge).unwrap(), 0);
        (bench.stream.state().first_seq, bench.stream.state().last_seq)
    };
    // A stream that never had a message.
    assert_eq!(first_and_last(&Purge::default()), (1, 0));
    assert_eq!(first_and_last(&Purge { filter: "s.a".to_owned(), ..Purge::default() }), (0, 0));
    assert_eq!(first_and_last(&Purge { keep: 1, ..Purge::default() }), (0, 0));
    assert_eq!(first_and_last(&Purge { seq: 1, ..Purge::default() }), (0, 0));
    assert_eq!(first_and_last(&Purge { seq: 5, ..Purge::default() }), (5, 4));
    assert_eq!(purge("x.>", 0, 0).0, 0);
    assert_eq!(purge("s..a", 0, 0).0, 0);
}

/// JS27: refusals of a purge.
#[test]
fn purges_are_refused() {
    let mut bench = Bench::new(|config| config.deny_purge = true);
    let purge = |seq, keep| Purge { seq, keep, ..Purge::default() };
    let refused = |bench: &mut Bench, purge: &Purge| text(&bench.stream.handle_purge(bench.now(), purge).unwrap_err());
    assert_eq!(refused(&mut bench, &purge(1, 1)), "400/10003 bad request");
    assert_eq!(refused(&mut bench, &purge(0, 0)), "500/10110 stream purge not permitted");
}

/// JS29, JS79: deletions, and what the two kinds of storage say of a missing message.
#[test]
fn messages_are_deleted_one_by_one() {
    let cases = [
        (Storage::Memory, "400/10043 sequence 9 not found", "400/10043 sequence 1 not found"),
        (Storage::File, "500/10057 stream store EOF", "500/10057 no message found"),
    ];
    for (storage, above, below) in cases {
        let mut bench = Bench::new(|config| config.storage = storage);
        (0..4).for_each(|_| drop(bench.publish("s.a", "", &[])));
        let mut delete = |seq| bench.stream.handle_delete(bench.now(), seq).map_err(|error| text(&error));
        assert_eq!(delete(3), Ok(()));
        assert_eq!(delete(1), Ok(()));
        assert_eq!(delete(3), Err("400/10043 sequence 3 not found".to_owned()));
        assert_eq!(delete(9), Err(above.to_owned()));
        assert_eq!(delete(1), Err(below.to_owned()));
        let state = bench.stream.state();
        assert_eq!((state.first_seq, state.last_seq, state.num_deleted), (2, 4, 1));
        assert_eq!(bench.stream.messages().deleted().collect::<Vec<_>>(), [3]);
        assert_eq!(bench.stream.ledger().deleted, 2);
    }
    let mut bench = Bench::new(|config| config.deny_delete = true);
    bench.publish("s.a", "", &[]);
    let refused = bench.stream.handle_delete(bench.now(), 1).unwrap_err();
    assert_eq!(text(&refused), "500/10057 message delete not permitted");
}

/// JS69: bytes of a message, as the declared storage counts them.
#[test]
fn bytes_are_counted_as_the_storage_counts_them() {
    for (storage, plain, with_headers) in [(Storage::Memory, 24, 24 + 18), (Storage::File, 38, 38 + 4 + 18)] {
        let mut bench = Bench::new(|config| config.storage = storage);
        bench.publish("s.a", "hello", &[]);
        assert_eq!(bench.stream.state().bytes, plain);
        bench.publish("s.a", "hello", &[("A", "b")]);
        assert_eq!(bench.stream.state().bytes, plain + with_headers);
        bench.stream.handle_delete(bench.now(), 1).unwrap();
        assert_eq!(bench.stream.state().bytes, with_headers);
    }
}

/// JS70 to JS72: sequences and what a state shows.
#[test]
fn a_state_shows_where_a_stream_stands() {
    let bench = Bench::new(|_| {});
    let state = bench.stream.state();
    assert_eq!((state.first_seq, state.last_seq, state.first_time, state.last_time), (0, 0, None, None));
    let mut bench = Bench::new(|config| config.first_seq = 100);
    assert_eq!((bench.stream.state().first_seq, bench.stream.state().last_seq), (100, 99));
    assert_eq!(bench.publish("s.a", "", &[]), "100");
    bench.publish("s.b", "", &[]);
    bench.publish("s.c", "", &[]);
    bench.stream.handle_delete(bench.now(), 101).unwrap();
    bench.stream.handle_delete(bench.now(), 100).unwrap();
    assert_eq!((bench.stream.state().first_seq, bench.stream.state().num_deleted), (102, 0));
    bench.stream.handle_delete(bench.now(), 102).unwrap();
    let state = bench.stream.state();
    assert_eq!((state.first_seq, state.last_seq, state.first_time), (103, 102, None));
    assert_eq!((state.last_time, state.num_subjects), (Some(bench.now()), 0));
}

/// JS39: smaller limits take effect at once, with discard new only the subject's own.
#[test]
fn an_update_trims_what_is_there() {
    let fill = |discard| {
        let mut bench = Bench::new(|config| config.discard = discard);
        for subject in ["s.a", "s.a", "s.b", "s.b", "s.c"] {
            bench.publish(subject, "", &[]);
        }
        bench
    };
    let mut bench = fill(Discard::Old);
    bench.update(|config| config.max_msgs_per_subject = 1);
    assert_eq!(bench.seqs(), [2, 4, 5]);
    bench.update(|config| config.max_msgs = 2);
    assert_eq!(bench.seqs(), [4, 5]);
    bench.update(|config| config.max_bytes = 19);
    assert_eq!(bench.seqs(), [5]);
    let mut bench = fill(Discard::New);
    bench.update(|config| config.max_msgs = 1);
    assert_eq!(bench.seqs(), [1, 2, 3, 4, 5]);
    bench.update(|config| config.max_msgs_per_subject = 1);
    assert_eq!(bench.seqs(), [2, 4, 5]);
}
