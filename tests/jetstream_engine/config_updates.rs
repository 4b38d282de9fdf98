//! Which changes of a stream are refused (JS21, JS38, JS40).

use crate::bench::{create, text};
use postroom::jetstream::engine::config::{
    AccountLimits, Directory, Discard, PersistMode, Republish, Retention, ServerLimits, Storage, StreamConfig,
    StreamSource,
};

fn update(old: impl FnOnce(&mut StreamConfig), new: impl FnOnce(&mut StreamConfig)) -> Result<StreamConfig, String> {
    let mut config = StreamConfig::new("S");
    old(&mut config);
    let old = create(config).unwrap_or_else(|error| panic!("{}", text(&error)));
    let mut config = old.clone();
    new(&mut config);
    let other = create(StreamConfig::new("O")).unwrap();
    let (server, account) = (ServerLimits::default(), AccountLimits::default());
    let directory = Directory { streams: &[&other, &old], server: &server, account: &account };
    let violated = |limits: &postroom::jetstream::engine::config::ConsumerLimits| {
        (limits.max_ack_pending == 1).then(|| "c1".to_owned())
    };
    directory.update("S", config, false, violated).map_err(|error| text(&error))
}

type Change = fn(&mut StreamConfig);

/// JS38: each refusal, in the server's words.
#[test]
fn changes_are_refused() {
    let cases: [(Change, Change, &str); 18] = [
        (
            |c| c.allow_msg_counter = true,
            |c| c.subject_delete_marker_ttl = 1_000_000_000,
            "500/10052 counter stream cannot use message TTLs",
        ),
        (|_| {}, |c| c.name = "T".into(), "400/10056 stream name in subject does not match request"),
        (|_| {}, |c| c.num_replicas = 2, "500/10074 replicas > 1 not supported in non-clustered mode"),
        (|_| {}, |c| c.storage = Storage::Memory, "500/10052 stream configuration update can not change storage type"),
        (
            |_| {},
            |c| c.retention = Retention::WorkQueue,
            "500/10052 stream configuration update can not change retention policy to/from workqueue",
        ),
        (
            |c| c.retention = Retention::WorkQueue,
            |c| c.retention = Retention::Interest,
            "500/10052 stream configuration update can not change retention policy to/from workqueue",
        ),
        (
            |c| c.deny_delete = true,
            |c| c.deny_delete = false,
            "500/10052 stream configuration update can not cancel deny message deletes",
        ),
        (
            |c| c.deny_purge = true,
            |c| c.deny_purge = false,
            "500/10052 stream configuration update can not cancel deny purge",
        ),
        (
            |_| {},
            |c| {
                c.subjects.clear();
                c.mirror = Some(StreamSource { name: "O".into(), ..StreamSource::default() });
            },
            "400/10055 stream mirror configuration can not be updated",
        ),
        (|c| c.allow_msg_ttl = true, |c| c.allow_msg_ttl = false, "500/10052 message TTL status can not be disabled"),
        (
            |_| {},
            |c| c.allow_msg_counter = true,
            "500/10052 stream configuration update can not change message counter setting",
        ),
        (
            |c| c.allow_msg_schedules = true,
            |c| c.allow_msg_schedules = false,
            "500/10052 message schedules can not be disabled",
        ),
        (
            |_| {},
            |c| c.persist_mode = PersistMode::Async,
            "500/10052 stream configuration update can not change persist mode",
        ),
        (|_| {}, |c| c.consumer_limits.max_ack_pending = 1, "500/10069 change to limits violates consumers: c1"),
        (|_| {}, |c| c.subjects = vec!["O".into()], "400/10065 subjects overlap with an existing stream"),
        // JS36 comes first, even before the name.
        (|_| {}, |c| (c.name, c.max_age) = ("T".into(), -1), "500/10052 max age can not be negative"),
        (|_| {}, |c| c.max_bytes = 17 << 30, "500/10047 insufficient storage resources available"),
        (
            |_| {},
            |c| c.discard_new_per_subject = true,
            "500/10052 discard new per subject requires discard new policy to be set",
        ),
    ];
    for (old, new, expected) in cases {
        assert_eq!(update(old, new).map(drop), Err(expected.to_owned()));
    }
}

/// JS38: everything else may change.
#[test]
fn changes_are_allowed() {
    let cases: [Change; 6] = [
        |c| c.retention = Retention::Interest,
        |c| (c.subjects, c.description) = (vec!["x.>".into()], "d".into()),
        |c| (c.max_msgs, c.max_age, c.discard) = (5, 600_000_000_000, Discard::New),
        |c| (c.allow_atomic, c.allow_rollup_hdrs, c.allow_direct, c.no_ack) = (true, true, true, true),
        |c| (c.allow_msg_ttl, c.allow_msg_schedules, c.first_seq) = (true, true, 9),
        |c| (c.deny_delete, c.deny_purge) = (true, true),
    ];
    for new in cases {
        update(|_| {}, new).unwrap();
    }
    // An empty destination of a republish becomes `>`, which not every source has room for.
    let republish = |src: &str| Republish { src: src.to_owned(), ..Republish::default() };
    let updated = update(|_| {}, |c| c.republish = Some(republish(""))).unwrap();
    assert_eq!(updated.republish.map(|republish| republish.dest).as_deref(), Some(">"));
    let text = "500/10069 stream configuration for republish from 'a.*' to '>': invalid subject";
    assert_eq!(update(|_| {}, |c| c.republish = Some(republish("a.*"))).map(drop), Err(text.to_owned()));
    // Without the mirror it is a stream of its own.
    let mirror = |c: &mut StreamConfig| c.mirror = Some(StreamSource { name: "O".into(), ..StreamSource::default() });
    let promoted = update(mirror, |c| c.mirror = None).unwrap();
    assert_eq!((promoted.subjects, promoted.duplicate_window), (vec!["S".to_owned()], 120_000_000_000));
}

/// JS40: what a seal sets, and that it stays.
#[test]
fn a_seal_is_for_ever() {
    let sealed = update(|c| (c.max_age, c.allow_rollup_hdrs) = (600_000_000_000, true), |c| c.sealed = true).unwrap();
    assert_eq!((sealed.max_age, sealed.discard, sealed.allow_rollup_hdrs), (0, Discard::New, false));
    assert!(sealed.deny_delete && sealed.deny_purge);
    let unsealed = StreamConfig { sealed: false, ..sealed.clone() };
    let (server, account) = (ServerLimits::default(), AccountLimits::default());
    let directory = Directory { streams: &[&sealed], server: &server, account: &account };
    let error = directory.update("S", unsealed, false, |_| None).unwrap_err();
    assert_eq!(text(&error), "500/10052 stream configuration update can not unseal a sealed stream");
}
