//! Messages that make others later.

use crate::bench::{Bench, MS, SECOND};
use postroom::jetstream::engine::config::StreamConfig;

fn allow(config: &mut StreamConfig) {
    config.allow_msg_schedules = true;
    config.allow_msg_ttl = true;
}

/// JS65: what is refused, in order.
#[test]
fn a_schedule_is_judged() {
    let mut bench = Bench::new(allow);
    let every = ("Nats-Schedule", "@every 2s");
    let target = ("Nats-Schedule-Target", "s.t");
    let cases: [(&[(&str, &str)], &str); 18] = [
        (&[every, target, ("Nats-Schedule-Time-Zone", "")], "400/10223 message schedules time zone is invalid"),
        (&[every, target, ("Nats-Schedule-Time-Zone", "x y")], "400/10223 message schedules time zone is invalid"),
        (&[every, target, ("Nats-Schedule-Time-Zone", "UTC")], "400/10189 message schedules pattern is invalid"),
        (&[("Nats-Schedule-Time-Zone", "")], "400/10223 message schedules time zone is invalid"),
        (&[("Nats-Schedule", "@every 999ms"), target], "400/10189 message schedules pattern is invalid"),
        (&[("Nats-Schedule", "0 * * * * *"), target], "400/10189 message schedules pattern is invalid"),
        (&[every, target, ("Nats-Schedule-TTL", "x")], "400/10191 message schedules invalid per-message TTL"),
        (&[every, target, ("Nats-Schedule-Rollup", "SUB")], "400/10192 message schedules invalid rollup"),
        (&[every], "400/10190 message schedules target is invalid"),
        (&[every, ("Nats-Schedule-Target", "s.*")], "400/10190 message schedules target is invalid"),
        (&[every, ("Nats-Schedule-Target", "s.a")], "400/10190 message schedules target is invalid"),
        (&[every, ("Nats-Schedule-Target", "t.a")], "400/10190 message schedules target is invalid"),
        (&[every, target, ("Nats-Schedule-Source", "s.*")], "400/10203 message schedules source is invalid"),
        (&[every, target, ("Nats-Schedule-Source", "s.t")], "400/10203 message schedules source is invalid"),
        (&[every, target, ("Nats-Schedule-Source", "t.x")], "400/10203 message schedules source is invalid"),
        (&[every, target, ("Nats-Rollup", "all")], "400/10192 message schedules invalid rollup"),
        (&[("Nats-Scheduler", "s.x")], "400/10212 message schedules invalid scheduler"),
        (
            &[("Nats-Scheduler", "s.a"), ("Nats-Schedule-Next", "purge")],
            "400/10212 message schedules invalid scheduler",
        ),
    ];
    for (headers, expected) in cases {
        assert_eq!(bench.publish("s.a", "", headers), expected, "{headers:?}");
    }
    // An empty schedule, or a target alone, is an ordinary message.
    assert_eq!(bench.publish("s.a", "", &[("Nats-Schedule", ""), target]), "1");
    assert_eq!(bench.publish("s.a", "", &[every, target, ("Nats-Rollup", "SUB"), ("Nats-Schedule-TTL", "never")]), "2");
    assert_eq!(bench.seqs(), [2]);
    let mut bench = Bench::new(|config| config.allow_msg_schedules = true);
    let ttl = [every, target, ("Nats-Schedule-TTL", "5")];
    assert_eq!(bench.publish("s.a", "", &ttl), "400/10166 per-message TTL is disabled");
}

/// JS67: what a copy carries, and when it comes.
#[test]
fn a_schedule_fires_at_its_time() {
    let mut bench = Bench::new(allow);
    bench.publish("s.src", "SRC", &[("A", "1"), ("Nats-Msg-Id", "q"), ("Nats-Expected-Stream", "S")]);
    let headers = [
        ("X", "1"),
        ("Nats-Schedule", "@every 1s"),
        ("Nats-Schedule-Target", "s.u"),
        ("Nats-Schedule-Source", "s.src"),
        ("Nats-Schedule-TTL", "5"),
        ("Nats-Schedule-Rollup", "sub"),
        ("Nats-TTL", "60"),
    ];
    bench.advance(100 * MS);
    assert_eq!(bench.publish("s.k", "own", &headers), "2");
    assert!(bench.head(2).ends_with("Nats-TTL: 60|Nats-Rollup: sub||"), "{}", bench.head(2));
    bench.advance(900 * MS);
    let copy =
        "NATS/1.0|A: 1|Nats-Scheduler: s.k|Nats-Schedule-Next: 2026-01-01T00:00:02Z|Nats-TTL: 5|Nats-Rollup: sub||";
    assert_eq!((bench.head(3).as_str(), bench.payload(3).as_str()), (copy, "SRC"));
    bench.advance(SECOND);
    assert_eq!((bench.seqs(), bench.times()), (vec![1, 2, 4], vec![0, 100 * MS, 2 * SECOND]));
    // A newer message on its subject ends it.
    assert_eq!(bench.publish("s.k", "plain", &[]), "5");
    bench.advance(3 * SECOND);
    assert_eq!(bench.stream.state().last_seq, 5);
}

/// JS67: an instant fires once, at once if it is past, and purges its subject.
#[test]
fn an_instant_fires_once() {
    let mut bench = Bench::new(allow);
    let at = |instant: &'static str| [("X", "1"), ("Nats-Schedule", instant), ("Nats-Schedule-Target", "s.t")];
    bench.publish("s.a", "p", &at("@at 2026-01-01T00:00:01.5Z"));
    bench.publish("s.b", "q", &at("@at 2020-01-01T00:00:00Z"));
    bench.advance(0);
    assert_eq!(bench.seqs(), [1, 3]);
    assert_eq!(bench.head(3), "NATS/1.0|X: 1|Nats-Scheduler: s.b|Nats-Schedule-Next: purge||");
    bench.advance(1_500 * MS);
    assert_eq!((bench.seqs(), bench.times()), (vec![3, 4], vec![0, 1_500 * MS]));
    assert_eq!(bench.stream.poll_timeout(), None);
}

/// JS91: turns that a jump of the clock missed are skipped.
#[test]
fn a_jump_fires_once() {
    let mut bench = Bench::new(allow);
    bench.publish("s.a", "", &[("Nats-Schedule", "@every 1s"), ("Nats-Schedule-Target", "s.t")]);
    bench.jump(10 * SECOND + 1);
    assert_eq!(bench.stream.state().last_seq, 2);
    assert!(bench.head(2).contains("Nats-Schedule-Next: 2026-01-01T00:00:11Z"), "{}", bench.head(2));
    bench.advance(SECOND);
    assert_eq!(bench.stream.state().last_seq, 3);
}

/// JS68: a schedule ends with its message, or by a message that says so.
#[test]
fn a_schedule_is_cancelled() {
    let start = || {
        let mut bench = Bench::new(allow);
        bench.publish("s.a", "", &[("Nats-Schedule", "@every 1s"), ("Nats-Schedule-Target", "s.t")]);
        bench
    };
    let mut bench = start();
    bench.stream.handle_delete(bench.now(), 1).unwrap();
    assert_eq!(bench.stream.poll_timeout(), None);
    let mut bench = start();
    bench.stream.handle_purge(bench.now(), &Default::default()).unwrap();
    assert_eq!(bench.stream.poll_timeout(), None);
    let mut bench = start();
    let cancel = [("Nats-Scheduler", "s.a"), ("Nats-Schedule-Next", "purge")];
    assert_eq!(bench.publish("s.x", "", &cancel), "2");
    assert_eq!((bench.seqs(), bench.stream.poll_timeout()), (vec![2], None));
    // A subject whose last message is not a schedule; one without messages is fine.
    bench.publish("s.b", "", &[]);
    let cancel = |subject| [("Nats-Scheduler", subject), ("Nats-Schedule-Next", "purge")];
    assert_eq!(bench.publish("s.x", "", &cancel("s.b")), "400/10212 message schedules invalid scheduler");
    assert_eq!(bench.publish("s.x", "", &cancel("s.c")), "4");
}
