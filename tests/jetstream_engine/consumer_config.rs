//! The configuration of a consumer: defaults, refusals in the server's order, permitted changes (JC7 to JC47).

use crate::bench::{Bench, SECOND, text};
use postroom::jetstream::engine::Timestamp;
use postroom::jetstream::engine::config::{Retention, StreamConfig};
use postroom::jetstream::engine::consumer::{
    AckPolicy, ConsumerAction, ConsumerAddress, ConsumerConfig, ConsumerRequest, DeliverPolicy, PriorityPolicy,
    ReplayPolicy, WrittenTime,
};

fn none(_: &mut StreamConfig) {}

fn limited(config: &mut StreamConfig) {
    config.consumer_limits.max_ack_pending = 50;
    config.consumer_limits.inactive_threshold = 10 * SECOND as i64;
}

/// What becomes of a durable pull consumer with explicit acknowledgements, changed.
fn made(
    stream: fn(&mut StreamConfig),
    set: impl FnOnce(&mut ConsumerConfig),
    pedantic: bool,
) -> Result<ConsumerConfig, String> {
    let mut config = ConsumerConfig::durable("c");
    set(&mut config);
    let mut bench = Bench::new(stream);
    let request = ConsumerRequest { config, action: ConsumerAction::CreateOrUpdate, pedantic };
    bench.request(request).map(|info| info.config)
}

fn refused(set: impl FnOnce(&mut ConsumerConfig)) -> String {
    made(none, set, false).expect_err("it is refused")
}

fn push(config: &mut ConsumerConfig) {
    config.deliver_subject = "D".to_owned();
}

/// JC14, JC20: what is filled in.
#[test]
fn defaults_are_filled_in() {
    let pull = made(none, |_| {}, false).unwrap();
    assert_eq!((pull.name.as_str(), pull.ack_wait, pull.max_deliver), ("c", 30 * SECOND as i64, -1));
    assert_eq!((pull.max_waiting, pull.max_ack_pending, pull.inactive_threshold), (512, 1_000, 0));
    assert_eq!((pull.num_replicas, pull.metadata["_nats.req.level"].as_str()), (0, "0"));
    let none_acked = made(none, |config| config.ack_policy = AckPolicy::None, false).unwrap();
    assert_eq!((none_acked.ack_wait, none_acked.max_ack_pending), (0, 0));
    let pushed = made(none, push, false).unwrap();
    assert_eq!((pushed.max_waiting, pushed.max_ack_pending), (0, 1_000));
    let backed = made(
        none,
        |config| {
            (config.backoff, config.max_deliver, config.max_ack_pending) = (vec![7, 8], -9, -9);
            (config.max_batch, config.max_expires, config.max_bytes, config.max_waiting) = (-1, -1, -1, -1);
            (config.inactive_threshold, config.idle_heartbeat) = (-1, -1);
            config.metadata = [("_nats.ver".to_owned(), "9".to_owned()), ("a".to_owned(), "b".to_owned())].into();
        },
        false,
    )
    .unwrap();
    assert_eq!((backed.ack_wait, backed.max_deliver, backed.max_ack_pending), (7, -1, -1));
    assert_eq!((backed.max_batch, backed.max_expires, backed.max_bytes, backed.max_waiting), (0, 0, 0, 512));
    assert_eq!((backed.inactive_threshold, backed.idle_heartbeat, backed.metadata.len()), (0, 0, 2));
    let ephemeral = |config: &mut ConsumerConfig| {
        config.durable_name.clear();
        config.name = "e".to_owned();
    };
    assert_eq!(made(none, ephemeral, false).unwrap().inactive_threshold, 5 * SECOND as i64);
    let inherited = made(limited, |_| {}, false).unwrap();
    assert_eq!((inherited.max_ack_pending, inherited.inactive_threshold), (50, 10 * SECOND as i64));
    assert_eq!(made(limited, |config| config.max_ack_pending = -1, false).unwrap().max_ack_pending, -1);
    let pinned = |config: &mut ConsumerConfig| {
        config.priority_policy = PriorityPolicy::PinnedClient;
        config.priority_groups = vec!["g".to_owned()];
    };
    let pinned = made(none, pinned, false).unwrap();
    assert_eq!((pinned.priority_timeout, pinned.metadata["_nats.req.level"].as_str()), (120 * SECOND as i64, "1"));
}

/// JC21: what is corrected otherwise.
#[test]
fn pedantic_requests_are_not_corrected() {
    type Set = fn(&mut ConsumerConfig);
    let cases: [(Set, &str); 10] = [
        (|config| config.max_deliver = -2, "max_deliver must be set to -1"),
        (|config| config.max_waiting = -1, "max_waiting must not be negative"),
        (|config| config.backoff = vec![7], "first backoff value has to equal batch AckWait"),
        (|config| config.max_ack_pending = -2, "max_ack_pending must be set to -1"),
        (|config| config.max_batch = -1, "max_batch must not be negative"),
        (|config| config.max_expires = -1, "max_expires must not be negative"),
        (|config| config.max_bytes = -1, "max_bytes must not be negative"),
        (|config| config.idle_heartbeat = -1, "idle_heartbeat must not be negative"),
        (|config| config.inactive_threshold = -1, "inactive_threshold must not be negative"),
        (|config| config.priority_timeout = -1, "priority_timeout must not be negative"),
    ];
    for (set, fault) in cases {
        assert_eq!(made(none, set, true).unwrap_err(), format!("400/10157 pedantic mode: {fault}"));
    }
    let of_limits = made(limited, |_| {}, true).unwrap_err();
    let fault = "max_ack_pending must be set if it's configured in stream limits";
    assert_eq!(of_limits, format!("400/10157 pedantic mode: {fault}"));
    let of_limits = made(limited, |config| config.max_ack_pending = 1, true).unwrap_err();
    let fault = "inactive_threshold must be set if it's configured in stream limits";
    assert_eq!(of_limits, format!("400/10157 pedantic mode: {fault}"));
}

/// JC30: the texts.
#[test]
fn configurations_are_refused() {
    type Set = fn(&mut ConsumerConfig);
    let pulls: [(Set, &str); 24] = [
        (|config| config.num_replicas = -1, "10133 replicas count cannot be negative"),
        (|config| config.backoff = vec![1, -1], "10184 consumer backoff needs to be positive"),
        (|config| config.ack_wait = -1, "10183 consumer ack wait needs to be positive"),
        (
            |config| config.ack_policy = AckPolicy::FlowControl,
            "10218 flow control ack policy requires a push based consumer",
        ),
        (
            |config| (config.backoff, config.max_deliver) = (vec![1, 2], 1),
            "10116 max deliver is required to be > length of backoff values",
        ),
        (
            |config| config.description = "x".repeat(4_097),
            "10107 consumer description is too long, maximum allowed is 4096",
        ),
        (|config| config.rate_limit_bps = 1, "10086 consumer in pull mode can not have rate limit set"),
        (|config| config.idle_heartbeat = 1, "10088 consumer idle heartbeat requires a push based consumer"),
        (|config| config.flow_control = true, "10089 consumer flow control requires a push based consumer"),
        (|config| config.max_expires = 999_999, "10115 consumer max request expires needs to be >= 1ms"),
        (|config| config.direct = true, "10090 consumer direct requires a push based consumer"),
        (
            |config| (config.filter_subject, config.filter_subjects) = ("s.a".into(), vec!["s.b".into()]),
            "10136 consumer cannot have both FilterSubject and FilterSubjects specified",
        ),
        (
            |config| config.filter_subjects = vec!["s.a".into(), String::new()],
            "10139 consumer filter in FilterSubjects cannot be empty",
        ),
        (
            |config| config.filter_subjects = vec!["s.*".into(), "s.b".into()],
            "10138 consumer subject filters cannot overlap",
        ),
        (
            |config| config.filter_subjects = vec!["s.b".into(), "s.b".into()],
            "10138 consumer subject filters cannot overlap",
        ),
        (
            |config| config.sample_freq = "x".into(),
            "10095 failed to parse consumer sampling configuration: strconv.Atoi: parsing \"x\": invalid syntax",
        ),
        (|config| config.sample_freq = "-1".into(), "10095 failed to parse consumer sampling configuration: <nil>"),
        (
            |config| config.metadata = [("a".to_owned(), "x".repeat(128 * 1_024))].into(),
            "10135 consumer metadata exceeds maximum size of 128KB",
        ),
        (
            |config| config.priority_policy = PriorityPolicy::Overflow,
            "10159 Setting PriorityPolicy requires at least one PriorityGroup to be set",
        ),
        (
            |config| (config.priority_policy, config.priority_groups) = (PriorityPolicy::Overflow, vec![String::new()]),
            "10161 Group name cannot be an empty string",
        ),
        (
            |config| (config.priority_policy, config.priority_groups) = (PriorityPolicy::Overflow, vec!["a b".into()]),
            "10162 Valid priority group name must match A-Z, a-z, 0-9, -_/=)+ and may not exceed 16 characters",
        ),
        (
            |config| config.priority_groups = vec!["g".into()],
            "10196 consumer can not have priority groups when policy is none",
        ),
        (|config| config.priority_timeout = 1, "10197 PinnedTTL cannot be set when PriorityPolicy is none"),
        (|config| config.durable_name = "x".repeat(256), "10102 consumer name is too long, maximum allowed is 255"),
    ];
    for (set, fault) in pulls {
        assert_eq!(refused(set), format!("400/{fault}"));
    }
    let pushes: [(Set, &str); 9] = [
        (|config| config.deliver_subject = "D.*".into(), "10079 consumer deliver subject has wildcards"),
        (|config| config.deliver_subject = "D..a".into(), "10112 invalid push consumer deliver subject"),
        (|config| config.deliver_subject = "s.a".into(), "10081 consumer deliver subject forms a cycle"),
        (|config| config.max_waiting = 1, "10080 consumer in push mode can not set max waiting"),
        (
            |config| (config.ack_policy, config.max_ack_pending) = (AckPolicy::None, 1),
            "10082 consumer requires ack policy for max ack pending",
        ),
        (|config| config.idle_heartbeat = 99_999_999, "10083 consumer idle heartbeat needs to be >= 100ms"),
        (|config| config.flow_control = true, "10108 consumer with flow control also needs heartbeats"),
        (
            |config| (config.priority_policy, config.priority_groups) = (PriorityPolicy::Overflow, vec!["g".into()]),
            "10178 priority groups can not be used with push consumers",
        ),
        (|config| config.direct = true, "10091 consumer direct requires an ephemeral consumer"),
    ];
    for (set, fault) in pushes {
        let set = |config: &mut ConsumerConfig| {
            push(config);
            set(config);
        };
        assert_eq!(refused(set), format!("400/{fault}"));
    }
    let name = r"500/10052 consumer name can not contain '.', '*', '>', '\', '/'";
    assert_eq!(refused(|config| config.durable_name = "a b".into()), name);
    assert_eq!(refused(|config| config.filter_subject = "s..a".into()), "500/10052 invalid subject");
    let limits = [
        (50, 11 * SECOND, "10153 consumer inactive threshold exceeds system limit of 10s"),
        (51, SECOND, "10121 consumer max ack pending exceeds system limit of 50"),
    ];
    for (pending, threshold, fault) in limits {
        let set = |config: &mut ConsumerConfig| {
            (config.max_ack_pending, config.inactive_threshold) = (pending, threshold as i64);
        };
        assert_eq!(made(limited, set, false).unwrap_err(), format!("400/{fault}"));
    }
    // JC32: nobody asks whether a filter lies in the stream, or whether filters overlap without inclusion.
    let set = |config: &mut ConsumerConfig| config.filter_subjects = vec!["s.*.a".into(), "s.b.*".into(), "x".into()];
    assert!(made(none, set, false).is_ok());
}

/// What only servers that mirror use is refused plainly.
#[test]
fn mirrors_alone_need_them() {
    let flow = |config: &mut ConsumerConfig| {
        push(config);
        (config.ack_policy, config.flow_control, config.max_ack_pending) = (AckPolicy::FlowControl, true, 5);
    };
    assert_eq!(refused(flow), "500/10052 flow control ack policy is not supported by Postroom");
    let sourcing = "500/10052 sourcing consumers are not supported by Postroom";
    assert_eq!(refused(|config| config.sourcing = true), sourcing);
}

/// JC31: start options fit the policy.
#[test]
fn beginnings_fit_their_policies() {
    let of = |policy, seq, time: bool| {
        let set = |config: &mut ConsumerConfig| {
            (config.deliver_policy, config.opt_start_seq) = (policy, seq);
            config.opt_start_time = time.then(|| WrittenTime::utc(Timestamp::from_nanos(1)));
        };
        let refused = refused(set);
        refused.strip_prefix("400/10094 consumer delivery policy is deliver ").unwrap().to_owned()
    };
    assert_eq!(of(DeliverPolicy::All, 1, true), "all, but optional start sequence is also set");
    assert_eq!(of(DeliverPolicy::New, 0, true), "new, but optional start time is also set");
    assert_eq!(
        of(DeliverPolicy::ByStartSequence, 0, false),
        "by start sequence, but optional start sequence is not set"
    );
    assert_eq!(of(DeliverPolicy::ByStartSequence, 1, true), "by start sequence, but optional start time is also set");
    assert_eq!(of(DeliverPolicy::ByStartTime, 0, false), "by start time, but optional start time is not set");
    let twice = "by start time, but optional start start sequence is also set";
    assert_eq!(of(DeliverPolicy::ByStartTime, 1, true), twice);
    let unfiltered = "last per subject, but optional filter subject is not set";
    assert_eq!(of(DeliverPolicy::LastPerSubject, 0, false), unfiltered);
}

/// JC7 to JC9: what the subject of a request says.
#[test]
fn the_subject_of_a_request_names_the_consumer() {
    let addressed = |set: fn(&mut ConsumerConfig), address: ConsumerAddress<'_>| {
        let mut request = ConsumerRequest::default();
        set(&mut request.config);
        request.address(address).map(|()| request.config.name).map_err(|error| text(&error))
    };
    let named = |name| ConsumerAddress::Named { name, filter: None };
    let filtered = |filter| ConsumerAddress::Named { name: "c", filter: Some(filter) };
    assert_eq!(addressed(|config| config.name = "x".into(), named("c")).unwrap(), "c");
    assert_eq!(addressed(|config| config.name = "x".into(), ConsumerAddress::Unnamed).unwrap(), "x");
    type Set = fn(&mut ConsumerConfig);
    let faults: [(Set, ConsumerAddress<'_>, &str); 7] = [
        (|_| {}, named("a/b"), "400/10127 Consumer name can not contain path separators"),
        (
            |config| config.durable_name = "x".into(),
            named("c"),
            "400/10017 consumer name in subject does not match durable name in request",
        ),
        (
            |_| {},
            ConsumerAddress::Durable { name: "c" },
            "400/10018 consumer expected to be durable but a durable name was not set",
        ),
        (
            |config| config.durable_name = "x".into(),
            ConsumerAddress::Unnamed,
            "400/10020 consumer expected to be ephemeral but a durable name was set in request",
        ),
        (
            |_| {},
            filtered("s.a"),
            "400/10131 Consumer create request did not match filtered subject from create subject",
        ),
        (
            |config| config.filter_subjects = vec!["s.a".into()],
            filtered("s.a"),
            "400/10137 consumer with multiple subject filters cannot use subject based API",
        ),
        (|config| config.num_replicas = 3, named("c"), "500/10074 replicas > 1 not supported in non-clustered mode"),
    ];
    for (set, address, fault) in faults {
        assert_eq!(addressed(set, address).unwrap_err(), fault);
    }
    assert!(addressed(|config| config.filter_subject = "s.a".into(), filtered("s.a")).is_ok());
}

/// JC45: what may not change, in its order, behind the faults of the configuration itself.
#[test]
fn some_fields_stay() {
    type Set = fn(&mut ConsumerConfig);
    let cases: [(Set, &str); 10] = [
        (|config| config.deliver_policy = DeliverPolicy::New, "deliver policy"),
        (|config| config.mem_storage = true, "storage type"),
        (|config| config.ack_policy = AckPolicy::None, "ack policy"),
        (|config| config.replay_policy = ReplayPolicy::Original, "replay policy"),
        (|config| config.max_waiting = 9, "max waiting"),
        (|config| (config.mem_storage, config.ack_policy) = (true, AckPolicy::None), "storage type"),
        (|config| config.idle_heartbeat = SECOND as i64, "heart beats"),
        (|config| (config.idle_heartbeat, config.flow_control) = (SECOND as i64, true), "heart beats"),
        (push, "can not update pull consumer to push based"),
        (|config| config.deliver_subject.clear(), "can not update push consumer to pull based"),
    ];
    for (at, (set, field)) in cases.into_iter().enumerate() {
        let mut bench = Bench::new(|_| {});
        let mut config = ConsumerConfig::durable("c");
        if matches!(at, 6 | 7 | 9) {
            push(&mut config);
        }
        bench.create(config.clone()).unwrap();
        set(&mut config);
        let fault = if field.starts_with("can not") { field.to_owned() } else { format!("{field} can not be updated") };
        assert_eq!(bench.create(config).unwrap_err(), format!("500/10012 {fault}"));
    }
    let mut bench = Bench::new(|_| {});
    bench.create(ConsumerConfig::durable("c")).unwrap();
    let both = ConsumerConfig { ack_policy: AckPolicy::None, ack_wait: -1, ..ConsumerConfig::durable("c") };
    assert_eq!(bench.create(both).unwrap_err(), "400/10183 consumer ack wait needs to be positive");
    // An update replaces: what it leaves out is the default again.
    let set = ConsumerConfig { max_deliver: 3, headers_only: true, ..ConsumerConfig::durable("c") };
    assert_eq!(bench.create(set).unwrap().config.max_deliver, 3);
    let info = bench.create(ConsumerConfig::durable("c")).unwrap();
    assert_eq!((info.config.max_deliver, info.config.headers_only), (-1, false));
}

/// JC7, JC47: limits of consumers, and the one consumer of each message of a work queue.
#[test]
fn consumers_are_counted_and_kept_apart() {
    let mut bench = Bench::new(|config| config.max_consumers = 1);
    bench.create(ConsumerConfig::durable("a")).unwrap();
    assert!(bench.create(ConsumerConfig::durable("a")).is_ok());
    let more = bench.create(ConsumerConfig::durable("b")).unwrap_err();
    assert_eq!(more, "400/10026 maximum consumers limit reached");

    let queue = |config: &mut StreamConfig| config.retention = Retention::WorkQueue;
    let fault = |set: fn(&mut ConsumerConfig)| made(queue, set, false).unwrap_err();
    let pull_none = "400/10084 consumer in pull mode requires explicit ack policy on workqueue stream";
    assert_eq!(fault(|config| config.ack_policy = AckPolicy::None), pull_none);
    let all = "400/10098 workqueue stream requires explicit ack";
    assert_eq!(fault(|config| config.ack_policy = AckPolicy::All), all);
    let new = "400/10101 consumer must be deliver all on workqueue stream";
    assert_eq!(fault(|config| config.deliver_policy = DeliverPolicy::New), new);
    let mut bench = Bench::new(queue);
    let of =
        |name: &str, filter: &str| ConsumerConfig { filter_subject: filter.into(), ..ConsumerConfig::durable(name) };
    bench.create(of("a", "s.a")).unwrap();
    let unfiltered = "400/10099 multiple non-filtered consumers not allowed on workqueue stream";
    assert_eq!(bench.create(of("b", "")).unwrap_err(), unfiltered);
    let unique = "400/10100 filtered consumer not unique on workqueue stream";
    assert_eq!(bench.create(of("b", "s.*")).unwrap_err(), unique);
    bench.create(of("b", "s.b")).unwrap();
    assert_eq!(bench.create(of("b", "s.*")).unwrap_err(), unique);
    assert!(bench.create(of("b", "")).is_ok());
}
