//! The life of a consumer: beginnings, pauses, resets, and its end for want of use (JC10 to JC12, JC40, JC41, JC130 to JC136, JC160 to
//! JC165).

use crate::bench::{Bench, MS, SECOND, START};
use postroom::jetstream::engine::Timestamp;
use postroom::jetstream::engine::consumer::{Ack, AckPolicy, ConsumerConfig, DeliverPolicy, PullRequest, WrittenTime};

fn ephemeral(set: impl FnOnce(&mut ConsumerConfig)) -> ConsumerConfig {
    let mut config =
        ConsumerConfig { name: "e".to_owned(), ack_policy: AckPolicy::Explicit, ..ConsumerConfig::default() };
    set(&mut config);
    config
}

const NOTHING: [&str; 0] = [];
const GONE: [&str; 2] = ["e: deleted", "gone e"];

/// JC40, JC41: where each policy begins, as measured.
#[test]
fn each_policy_begins_somewhere() {
    let mut bench = Bench::new(|_| {});
    let begin = |bench: &mut Bench, policy, filter: &str, seq| {
        let config = ephemeral(|config| {
            (config.deliver_policy, config.opt_start_seq) = (policy, seq);
            filter.clone_into(&mut config.filter_subject);
        });
        let info = bench.create(config).unwrap();
        bench.delete("e");
        assert_eq!(info.delivered, info.ack_floor);
        (info.delivered.stream, info.num_pending)
    };
    use DeliverPolicy::{All, ByStartSequence, Last, LastPerSubject, New};
    assert_eq!(begin(&mut bench, LastPerSubject, "s.>", 0), (0, 0));
    for policy in [All, New, Last] {
        assert_eq!(begin(&mut bench, policy, "", 0), (0, 0));
    }
    for subject in ["s.a", "s.b", "s.c", "s.b", "s.x"] {
        bench.publish(subject, "", &[]);
    }
    assert_eq!(begin(&mut bench, LastPerSubject, "s.>", 0), (0, 4));
    assert_eq!(begin(&mut bench, LastPerSubject, "s.none", 0), (4, 0));
    assert_eq!(begin(&mut bench, LastPerSubject, "s.b", 0), (3, 1));
    assert_eq!(begin(&mut bench, Last, "", 0), (4, 1));
    assert_eq!(begin(&mut bench, Last, "s.a", 0), (0, 1));
    assert_eq!(begin(&mut bench, Last, "s.none", 0), (0, 0));
    assert_eq!(begin(&mut bench, New, "", 0), (5, 0));
    assert_eq!(begin(&mut bench, ByStartSequence, "", 3), (2, 3));
    assert_eq!(begin(&mut bench, ByStartSequence, "s.a", 9), (8, 0));
    let at = |nanos| {
        ephemeral(|config| {
            config.deliver_policy = DeliverPolicy::ByStartTime;
            config.opt_start_time = Some(WrittenTime::utc(Timestamp::from_nanos(nanos)));
        })
    };
    assert_eq!(bench.create(at(START)).unwrap().num_pending, 5);
    bench.delete("e");
    assert_eq!(bench.create(at(START + 1)).unwrap().delivered.stream, 5);
}

/// JC40: the last of each subject, nothing in between, then all that comes.
#[test]
fn the_last_of_each_subject_comes_first() {
    let mut bench = Bench::new(|_| {});
    for subject in ["s.a", "s.b", "s.a", "s.c", "s.b"] {
        bench.publish(subject, "", &[]);
    }
    let config = ephemeral(|config| {
        config.deliver_policy = DeliverPolicy::LastPerSubject;
        config.filter_subjects = vec!["s.a".to_owned(), "s.b".to_owned()];
    });
    assert_eq!(bench.create(config).unwrap().num_pending, 2);
    bench.sent();
    bench.publish("s.a", "", &[]);
    assert_eq!(bench.info("e").num_pending, 3);
    assert_eq!(bench.fetch("e", 1), ["f < s.a 3/1 x1 +2"]);
    // One of them goes before its turn.
    bench.stream.handle_delete(bench.now(), 5).unwrap();
    assert_eq!(bench.info("e").num_pending, 1);
    assert_eq!(bench.fetch("e", 5), ["f < s.a 6/2 x1 +0", "f 404 No Messages"]);
}

/// JC130, JC131: a pull consumer lives as long as it is used.
#[test]
fn a_pull_consumer_goes_for_want_of_use() {
    let mut bench = Bench::new(|_| {});
    bench.create(ephemeral(|_| {})).unwrap();
    bench.sent();
    bench.advance(5 * SECOND);
    assert_eq!(bench.sent(), NOTHING);
    bench.advance(100 * MS);
    assert_eq!(bench.sent(), GONE);
    // A request keeps it, and what is pending.
    bench
        .create(ephemeral(|config| (config.inactive_threshold, config.ack_wait) = (SECOND as i64, 10 * SECOND as i64)))
        .unwrap();
    bench.sent();
    bench.pull("e", "A", &PullRequest { batch: 1, expires: 3 * SECOND as i64, ..PullRequest::default() });
    bench.advance(2 * SECOND);
    bench.publish("s.a", "", &[]);
    assert_eq!(bench.sent(), ["A < s.a 1/1 x1 +0"]);
    bench.advance(10 * SECOND);
    assert_eq!(bench.sent(), NOTHING);
    bench.ack("e", 1, Ack::Ack, None);
    bench.advance(1_100 * MS - 1);
    assert_eq!(bench.sent(), NOTHING);
    bench.advance(10 * SECOND);
    assert_eq!(bench.sent(), GONE);
    // A durable one stays.
    bench.create(ConsumerConfig::durable("d")).unwrap();
    bench.advance(3_600 * SECOND);
    assert_eq!(bench.sent(), ["d: created"]);
}

/// JC130, JC132: a push consumer goes without interest, exactly at its own threshold.
#[test]
fn a_push_consumer_lives_while_it_is_bound() {
    let mut bench = Bench::new(|_| {});
    let push = |config: &mut ConsumerConfig| {
        config.deliver_subject = "D".to_owned();
        config.inactive_threshold = SECOND as i64;
    };
    bench.create(ephemeral(push)).unwrap();
    bench.stream.handle_interest(bench.now(), bench.id("e"), true);
    bench.publish("s.a", "", &[]);
    bench.advance(9 * SECOND);
    bench.stream.handle_interest(bench.now(), bench.id("e"), false);
    bench.advance(SECOND / 2);
    bench.ack("e", 1, Ack::Ack, None);
    bench.advance(SECOND - 1);
    assert_eq!(bench.sent(), NOTHING);
    bench.advance(1);
    assert_eq!(bench.sent(), GONE);
    // Never bound: from its creation on.
    bench.create(ephemeral(push)).unwrap();
    bench.sent();
    bench.advance(SECOND);
    assert_eq!(bench.sent(), GONE);
}

/// JC10 to JC12, JC45: one name, one consumer; the request's result shows it before its first delivery.
#[test]
fn a_name_is_taken_once() {
    use postroom::jetstream::engine::consumer::{ConsumerAction, ConsumerRequest};
    let mut bench = Bench::new(|_| {});
    bench.publish("s.a", "", &[]);
    let of = |action, set: fn(&mut ConsumerConfig)| {
        let mut config = ConsumerConfig::durable("c");
        set(&mut config);
        ConsumerRequest { config, action, pedantic: false }
    };
    let update = bench.request(of(ConsumerAction::Update, |_| {}));
    assert_eq!(update.unwrap_err(), "400/10149 consumer does not exist");
    let info = bench.request(of(ConsumerAction::Create, |_| {})).unwrap();
    assert_eq!((info.num_pending, info.delivered.consumer), (1, 0));
    assert!(bench.request(of(ConsumerAction::Create, |_| {})).is_ok());
    bench
        .stream
        .handle_pause(bench.now(), bench.id("c"), Some(bench.now().after(std::time::Duration::from_secs(9))))
        .unwrap();
    assert!(bench.request(of(ConsumerAction::Create, |_| {})).is_ok());
    let other = bench.request(of(ConsumerAction::Create, |config| config.max_deliver = 3));
    assert_eq!(other.unwrap_err(), "400/10148 consumer already exists");
    let info = bench.request(of(ConsumerAction::CreateOrUpdate, |config| config.max_deliver = 3)).unwrap();
    assert_eq!((info.config.max_deliver, info.config.pause_until.is_some()), (3, true));
    let refused = bench.request(of(ConsumerAction::Update, |config| config.ack_policy = AckPolicy::All));
    assert_eq!(refused.unwrap_err(), "500/10012 ack policy can not be updated");
    // A name that the server chooses has 8 characters, and does not stand in the configuration.
    let unnamed = ConsumerRequest::default();
    let info = bench.request(unnamed).unwrap();
    assert_eq!((info.name.len(), info.config.name.as_str()), (8, ""));
}

/// JC160 to JC162: nothing is delivered during a pause; requests expire, what fell due follows at the end.
#[test]
fn a_pause_holds_back() {
    let mut bench = Bench::new(|_| {});
    let until = WrittenTime::utc(Timestamp::from_nanos(START + SECOND));
    let paused = ConsumerConfig { pause_until: Some(until), ..ConsumerConfig::durable("c") };
    let info = bench.create(paused).unwrap();
    assert_eq!(info.pause_remaining, Some(std::time::Duration::from_secs(1)));
    assert_eq!(bench.sent(), ["c: created", "c: paused true Some(1000)"]);
    bench.publish("s.a", "", &[]);
    assert_eq!(bench.fetch("c", 1), ["f 404 No Messages"]);
    bench.pull("c", "A", &PullRequest { batch: 1, expires: (SECOND / 2) as i64, ..PullRequest::default() });
    bench.pull("c", "B", &PullRequest { batch: 2, ..PullRequest::default() });
    bench.advance(SECOND);
    assert_eq!(bench.sent(), ["A 408 Request Timeout [1 0]", "c: paused false Some(1000)", "B < s.a 1/1 x1 +0"]);
    let pause = |bench: &mut Bench, until: Option<u64>| {
        let until = until.map(|nanos| Timestamp::from_nanos(START + nanos));
        let info = bench.stream.handle_pause(bench.now(), bench.id("c"), until).unwrap();
        (info.pause_remaining.map(|left| left.as_nanos() as u64), bench.sent())
    };
    assert_eq!(pause(&mut bench, Some(3 * SECOND)), (Some(2 * SECOND), vec!["c: paused true Some(3000)".to_owned()]));
    bench.publish("s.a", "", &[]);
    assert_eq!(bench.sent(), NOTHING);
    let (left, sent) = pause(&mut bench, None);
    assert_eq!((left, sent), (None, vec!["c: paused false None".to_owned(), "B < s.a 2/2 x1 +0".to_owned()]));
}

/// JC165: everything that was delivered is forgotten; measured.
#[test]
fn a_reset_forgets() {
    let mut bench = Bench::new(|_| {});
    bench.create(ConsumerConfig::durable("c")).unwrap();
    (0..5).for_each(|_| drop(bench.publish("s.a", "", &[])));
    bench.fetch("c", 3);
    bench.ack("c", 1, Ack::Ack, None);
    let reset = |bench: &mut Bench, seq| {
        let (info, next) = bench.stream.handle_reset(bench.now(), bench.id("c"), seq).unwrap();
        bench.sent();
        (next, info.delivered.consumer, info.delivered.stream, info.num_pending, info.num_ack_pending)
    };
    assert_eq!(reset(&mut bench, None), (2, 0, 1, 4, 0));
    assert_eq!(reset(&mut bench, Some(4)), (4, 0, 3, 2, 0));
    assert_eq!(bench.fetch("c", 1), ["f < s.a 4/1 x1 +1"]);
    assert_eq!(reset(&mut bench, Some(40)), (40, 0, 39, 0, 0));
    assert!(bench.stream.consumer_ledger(bench.id("c")).unwrap().balances());
    bench.create(ephemeral(|config| config.deliver_policy = DeliverPolicy::New)).unwrap();
    let refused = bench.stream.handle_reset(bench.now(), bench.id("e"), Some(1)).unwrap_err();
    assert_eq!(refused.to_string(), "invalid reset: not allowed");
}

/// JC135: with its stream, each consumer is told, by name.
#[test]
fn consumers_go_with_their_stream() {
    let mut bench = Bench::new(|_| {});
    for name in ["b", "a"] {
        bench.create(ConsumerConfig::durable(name)).unwrap();
    }
    bench.pull("b", "B", &PullRequest::plain(1));
    assert_eq!(bench.stream.consumer_ids().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"]);
    bench.stream.handle_deletion(bench.now());
    assert_eq!(bench.sent(), ["a: deleted", "gone a", "B 409 Consumer Deleted", "b: deleted", "gone b"]);
}

/// JC165: a consumer with the last message of each subject goes back to those that are not done.
#[test]
fn a_reset_keeps_to_the_last_of_each_subject() {
    let mut bench = Bench::new(|_| {});
    for subject in ["s.a", "s.b", "s.a", "s.c"] {
        bench.publish(subject, "", &[]);
    }
    let mut config = ConsumerConfig::durable("c");
    (config.deliver_policy, config.filter_subject) = (DeliverPolicy::LastPerSubject, "s.*".to_owned());
    bench.create(config).unwrap();
    let reset = |bench: &mut Bench| {
        let (info, _) = bench.stream.handle_reset(bench.now(), bench.id("c"), None).unwrap();
        bench.sent();
        (info.num_pending, info.num_ack_pending)
    };
    assert_eq!(reset(&mut bench), (3, 0));
    assert_eq!(bench.fetch("c", 2), ["f < s.b 2/1 x1 +2", "f < s.a 3/2 x1 +1"]);
    bench.ack("c", 2, Ack::Ack, None);
    assert_eq!(reset(&mut bench), (2, 0));
    assert_eq!(bench.fetch("c", 1), ["f < s.a 3/1 x1 +1"]);
    assert!(bench.stream.consumer_ledger(bench.id("c")).unwrap().balances());
}
