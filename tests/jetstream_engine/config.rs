//! Configurations: defaults, and what is refused with which words.

use crate::bench::{create, create_with, text};
use postroom::jetstream::engine::config::{
    AccountLimits, Created, Directory, Discard, External, PersistMode, Placement, Republish, Retention, ServerLimits,
    SourceTransform, Storage, StreamConfig, StreamSource, SubjectTransform,
};

type Change = fn(&mut StreamConfig);

const SECOND: i64 = 1_000_000_000;

fn refused(set: impl FnOnce(&mut StreamConfig)) -> String {
    let mut config = StreamConfig::new("S");
    set(&mut config);
    create(config).map_or_else(|error| text(&error), |_| "created".to_owned())
}

fn source(name: &str) -> StreamSource {
    StreamSource { name: name.to_owned(), ..StreamSource::default() }
}

/// JS33, JS34, JS35: the defaults.
#[test]
fn defaults_are_filled_in() {
    let config =
        create(StreamConfig { max_msgs: -7, max_bytes: 0, num_replicas: 0, ..StreamConfig::new("S") }).unwrap();
    assert_eq!((config.max_msgs, config.max_bytes, config.max_msg_size, config.num_replicas), (-1, -1, -1, 1));
    assert_eq!((config.subjects.clone(), config.storage), (vec!["S".to_owned()], Storage::File));
    assert_eq!(config.duplicate_window, 120 * SECOND);
    assert_eq!(
        config.metadata.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>(),
        ["_nats.req.level=0"]
    );
    let aged = create(StreamConfig { max_age: 5 * SECOND, ..StreamConfig::new("S") }).unwrap();
    assert_eq!(aged.duplicate_window, 5 * SECOND);
    let marked = StreamConfig { subject_delete_marker_ttl: SECOND, deny_purge: true, ..StreamConfig::new("S") };
    let marked = create(marked).unwrap();
    assert!(marked.allow_msg_ttl && marked.allow_rollup_hdrs && !marked.deny_purge);
    assert_eq!(marked.metadata["_nats.req.level"], "1");
    let sourced = create(StreamConfig { sources: Some(vec![source("O")]), ..StreamConfig::new("S") }).unwrap();
    assert_eq!((sourced.subjects.len(), sourced.duplicate_window), (0, 0));
    let mut levelled = StreamConfig { allow_msg_schedules: true, ..StreamConfig::new("S") };
    levelled.metadata = [("_nats.ver", "1"), ("_nats.req.level", "9"), ("a", "b")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    levelled.placement = Some(Placement::default());
    let levelled = create(levelled).unwrap();
    assert_eq!((levelled.metadata.len(), levelled.metadata["_nats.req.level"].as_str()), (2, "2"));
    assert_eq!(levelled.placement, None);
}

/// JS19, JS36, JE4, JE6: each fault with its number and words, in the server's order.
#[test]
fn what_is_refused_by_itself() {
    let cases: Vec<(Change, &str)> = vec![
        (|c| c.name = "a/b".into(), "400/10128 Stream name can not contain path separators"),
        (|c| c.sealed = true, "500/10052 stream configuration for create can not be sealed"),
        (|c| c.mirror_direct = true, "500/10052 stream has no mirror but does have mirror direct"),
        (|c| c.name = "a.b".into(), r"500/10052 stream name is required and can not contain '.', '*', '>', '\', '/'"),
        (|c| c.name = "n".repeat(256), "500/10052 stream name is too long, maximum allowed is 255"),
        (|c| c.description = "d".repeat(4_097), "500/10052 stream description is too long, maximum allowed is 4096"),
        (
            |c| drop(c.metadata.insert("k".into(), "v".repeat(131_072))),
            "500/10052 stream metadata exceeds maximum size of 131072 bytes",
        ),
        (|c| c.num_replicas = 6, "500/10052 maximum replicas is 5"),
        (|c| c.num_replicas = -1, "400/10133 replicas count cannot be negative"),
        (|c| c.num_replicas = 3, "500/10074 replicas > 1 not supported in non-clustered mode"),
        (|c| c.max_age = -1, "500/10052 max age can not be negative"),
        (|c| c.max_age = 99_999_999, "500/10052 max age needs to be >= 100ms"),
        (|c| c.duplicate_window = -1, "500/10052 duplicates window can not be negative"),
        (
            |c| (c.duplicate_window, c.max_age) = (2 * SECOND, SECOND),
            "500/10052 duplicates window can not be larger then max age",
        ),
        (|c| c.duplicate_window = 1, "500/10052 duplicates window needs to be >= 100ms"),
        (|c| (c.deny_purge, c.allow_rollup_hdrs) = (true, true), "500/10052 roll-ups require the purge permission"),
        (
            |c| (c.allow_msg_counter, c.discard) = (true, Discard::New),
            "500/10052 counter stream cannot use discard new",
        ),
        (|c| (c.allow_msg_counter, c.allow_msg_ttl) = (true, true), "500/10052 counter stream cannot use message TTLs"),
        (
            |c| (c.allow_msg_counter, c.allow_msg_schedules) = (true, true),
            "500/10052 counter stream cannot use message schedules",
        ),
        (
            |c| (c.allow_msg_counter, c.retention) = (true, Retention::Interest),
            "500/10052 counter stream can only use limits retention",
        ),
        (
            |c| c.discard_new_per_subject = true,
            "500/10052 discard new per subject requires discard new policy to be set",
        ),
        (
            |c| (c.discard_new_per_subject, c.discard) = (true, Discard::New),
            "500/10052 discard new per subject requires max msgs per subject > 0",
        ),
        (|c| c.subject_delete_marker_ttl = 1, "500/10052 subject delete marker TTL must be at least 1 second"),
        (|c| c.subject_delete_marker_ttl = -1, "500/10052 subject delete marker TTL must not be negative"),
        (
            |c| (c.allow_msg_schedules, c.discard) = (true, Discard::New),
            "500/10052 message scheduling cannot use discard new",
        ),
        (
            |c| (c.persist_mode, c.storage) = (PersistMode::Async, Storage::Memory),
            "500/10052 async persist mode is only supported on file storage",
        ),
        (
            |c| (c.persist_mode, c.num_replicas) = (PersistMode::Async, 2),
            "500/10052 async persist mode is not supported on replicated streams",
        ),
        (
            |c| (c.persist_mode, c.allow_atomic) = (PersistMode::Async, true),
            "500/10052 async persist mode is not supported with atomic batch publish",
        ),
        // The TTLs that markers bring with them are found by an update only.
        (|c| (c.allow_msg_counter, c.subject_delete_marker_ttl) = (true, SECOND), "created"),
        (|c| c.subjects = vec!["a.>".into(), "a..b".into()], "500/10052 subject \"a.>\" overlaps with \"a..b\""),
        (|c| c.allow_batched = true, "500/10052 fast batch publish is not supported by Postroom"),
        (|c| c.subjects = vec!["a..b".into()], "500/10052 invalid subject"),
        (|c| c.subjects = vec![">".into()], "500/10052 capturing all subjects requires no-ack to be true"),
        (
            |c| c.subjects = vec!["*.x".into()],
            "500/10052 subjects that overlap with jetstream api require no-ack to be true",
        ),
        (
            |c| c.subjects = vec!["$SYS.x".into()],
            "500/10052 subjects that overlap with system api require no-ack to be true",
        ),
        (
            |c| c.subjects = vec!["x".into(), "a.*".into(), "a.b".into()],
            "500/10052 subject \"a.*\" overlaps with \"a.b\"",
        ),
        (|c| c.subjects = vec!["*".into(), "$JS.EVENT.x".into(), "$SYS.ACCOUNT.x".into()], "created"),
        (|c| c.subjects = vec!["foo*".into(), "foo".into()], "created"),
        (|c| (c.subjects, c.no_ack) = (vec![">".into()], true), "created"),
        (
            |c| c.subject_transform = Some(SubjectTransform { src: "a..b".into(), dest: "x".into() }),
            "400/10155 stream transform source: invalid subject a..b",
        ),
        (
            |c| c.subject_transform = Some(SubjectTransform { src: "a.*".into(), dest: "{{wildcard(2)}}".into() }),
            "400/10156 stream transform: invalid mapping destination: wildcard index out of range in {{wildcard(2)}}: [2]",
        ),
        (|c| c.subject_transform = Some(SubjectTransform { src: "a.*".into(), dest: String::new() }), "created"),
        (
            |c| c.republish = Some(Republish { src: "x".into(), dest: "S".into(), headers_only: false }),
            "500/10052 stream configuration for republish destination forms a cycle",
        ),
        (
            |c| {
                c.republish =
                    Some(Republish { src: "a.*".into(), dest: "b.{{wildcard(2)}}".into(), headers_only: false })
            },
            "500/10052 stream configuration for republish with transform from 'a.*' to 'b.{{wildcard(2)}}' not valid",
        ),
        (|c| c.republish = Some(Republish::default()), "created"),
        (
            |c| c.placement = Some(Placement { preferred: "n1".into(), ..Placement::default() }),
            "500/10052 preferred server not permitted in placement",
        ),
    ];
    for (at, (set, expected)) in cases.into_iter().enumerate() {
        assert_eq!(refused(set), expected, "case {at}");
    }
}

/// JS36, JS41, JE10C: mirrors and sources.
#[test]
fn what_is_refused_of_origins() {
    let transform = |src: &str, dest: &str| SourceTransform { src: src.to_owned(), dest: dest.to_owned() };
    let mirror = |set: &dyn Fn(&mut StreamConfig)| {
        refused(|config| {
            config.mirror = Some(source("O"));
            set(config);
        })
    };
    assert_eq!(mirror(&|_| {}), "created");
    let cases: [(Change, &str); 8] = [
        (|c| c.first_seq = 2, "400/10143 stream mirrors can not have first sequence configured"),
        (|c| c.subjects = vec!["a".into()], "400/10034 stream mirrors can not contain subjects"),
        (|c| c.sources = Some(vec![source("P")]), "400/10031 stream mirrors can not also contain other sources"),
        (|c| c.allow_msg_counter = true, "400/10173 stream mirrors can not also calculate counters"),
        (|c| c.allow_atomic = true, "400/10198 stream mirrors can not also use atomic publishing"),
        (|c| c.allow_msg_schedules = true, "400/10186 stream mirrors can not also schedule messages"),
        (|c| c.subject_delete_marker_ttl = SECOND, "500/10052 subject delete markers forbidden on mirrors"),
        (|c| c.mirror = Some(source("a.b")), "400/10142 mirrored stream name is invalid"),
    ];
    for (set, expected) in cases {
        assert_eq!(mirror(&set), expected);
    }
    assert_eq!(mirror(&|c| c.mirror = Some(source("S"))), "500/10052 detected cycle");
    let filtered = || Some(StreamSource { filter_subject: "a..b".to_owned(), ..source("O") });
    assert_eq!(mirror(&|c| c.mirror = filtered()), "500/10049 subject filter 'a..b' for the mirror invalid subject");
    // The subjects that a mirror takes are judged before the stream's replicas.
    let taking = |name: &str| {
        let all = [transform("a.*", ""), transform("a.b", "")].to_vec();
        Some(StreamSource { subject_transforms: all, ..source(name) })
    };
    let overlap = "400/10152 mirror subject filters can not overlap";
    assert_eq!(mirror(&|c| (c.mirror, c.num_replicas) = (taking("O"), 2)), overlap);
    assert_eq!(mirror(&|c| c.mirror = taking("a.b")), overlap);
    let marked = StreamSource { subject_transforms: vec![transform("a..b", "")], ..source("a.b") };
    let both = StreamSource { filter_subject: "x".to_owned(), ..marked.clone() };
    let with_marker =
        |origin: StreamSource| mirror(&|c| (c.mirror, c.subject_delete_marker_ttl) = (Some(origin.clone()), SECOND));
    assert_eq!(with_marker(marked), "500/10052 subject delete markers forbidden on mirrors");
    assert!(with_marker(both).starts_with("400/10150 mirror with multiple"));
    // Elsewhere names and prefixes may be what they like, even nothing.
    let elsewhere = || Some(StreamSource { external: Some(External::default()), ..source("") });
    assert_eq!(mirror(&|c| c.mirror = elsewhere()), "created");
    let filtered = filtered().into_iter().collect::<Vec<_>>();
    let text_of_filter = "500/10049 subject filter 'a..b' for the source: invalid subject";
    let sourced = |sources: Vec<StreamSource>| refused(|config| config.sources = Some(sources));
    let with = |set: &dyn Fn(&mut StreamSource)| {
        let mut one = source("O");
        set(&mut one);
        one
    };
    assert_eq!(sourced(vec![source("O"), source("O")]), "400/10140 duplicate source configuration detected");
    assert_eq!(sourced(vec![source("O"), with(&|s| s.filter_subject = "a".into())]), "created");
    assert_eq!(sourced(filtered), text_of_filter);
    assert_eq!(sourced(vec![source("")]), "400/10141 sourced stream name is invalid");
    assert_eq!(sourced(vec![source("S")]), "500/10052 detected cycle");
    let both = with(&|s| (s.filter_subject, s.subject_transforms) = ("a".into(), vec![transform("a", "b")]));
    let text = "400/10144 source with multiple subject transforms cannot also have a single subject filter";
    assert_eq!(sourced(vec![both]), text);
    let transformed = |all: Vec<SourceTransform>| sourced(vec![with(&|s| s.subject_transforms = all.clone())]);
    assert_eq!(transformed(vec![transform("a..b", "")]), "400/10145 source transform source: invalid subject a..b");
    assert_eq!(
        transformed(vec![transform("a.*", "$2")]),
        "400/10146 source transform: invalid mapping destination: wildcard index out of range in $2: [2]"
    );
    assert_eq!(
        transformed(vec![transform("a.*", ""), transform("a.b", "")]),
        "400/10147 source filters can not overlap"
    );
    assert_eq!(transformed(vec![transform("a.*", ""), transform("*.b", ""), transform("", "")]), "created");
    let external = |api: &str, deliver: &str| {
        let external = External { api: api.to_owned(), deliver: deliver.to_owned() };
        sourced(vec![with(&|s| s.external = Some(external.clone()))])
    };
    assert_eq!(external("$JS.A.API", "d"), "created");
    assert_eq!(
        external("$JS.A.API", "d.*"),
        "400/10024 stream external delivery prefix d.* must not contain wildcards"
    );
    assert_eq!(
        external("$JS.*.API", "d"),
        "500/10052 stream external api prefix \"$JS.*.API\" must be a valid subject without wildcards"
    );
}

/// JS36, JE5: a pedantic request says what would have been changed.
#[test]
fn pedantic_requests_are_not_corrected() {
    let pedantic = |set: Change| {
        let mut config = StreamConfig::new("S");
        set(&mut config);
        create_with(config, true, &[]).map_or_else(|error| text(&error), |_| "created".to_owned())
    };
    let mode = "400/10157 pedantic mode:";
    let plain = "500/10052";
    let cases: [(Change, &str, &str); 6] = [
        (|c| c.max_msgs = -2, mode, "max_msgs must be set to -1"),
        (|c| (c.max_consumers, c.max_bytes) = (-2, -2), mode, "max_bytes must be set to -1"),
        (|c| c.max_age = SECOND, mode, "duplicate window cannot be bigger than max age"),
        (
            |c| c.subject_delete_marker_ttl = SECOND,
            plain,
            "subject delete marker cannot be set if message TTLs are disabled",
        ),
        (|c| c.allow_msg_schedules = true, plain, "message scheduling cannot be set if roll-ups are disabled"),
        (|c| c.republish = Some(Republish::default()), mode, "republish source can not be empty"),
    ];
    for (set, number, text) in cases {
        assert_eq!(pedantic(set), format!("{number} {text}"));
    }
}

fn judge(directory: &Directory<'_>, set: impl FnOnce(&mut StreamConfig)) -> String {
    let mut config = StreamConfig::new("N");
    set(&mut config);
    match directory.create(config, false) {
        Ok(Created::New(_)) => "created".to_owned(),
        Ok(_) => "same".to_owned(),
        Err(error) => text(&error),
    }
}

/// JS18, JS20, JS37: a stream among others.
#[test]
fn what_is_refused_because_of_others() {
    let old =
        StreamConfig { subjects: vec!["o.*".to_owned()], max_bytes: 900, allow_direct: true, ..StreamConfig::new("O") };
    let old = create(old).unwrap();
    let (server, mut account) = (ServerLimits::default(), AccountLimits::default());
    let streams = [&old];
    let directory = Directory { streams: &streams, server: &server, account: &account };
    assert_eq!(judge(&directory, |_| {}), "created");
    assert_eq!(judge(&directory, |c| *c = old.clone()), "same");
    assert_eq!(
        judge(&directory, |c| (*c, c.description) = (old.clone(), "x".into())),
        "400/10058 stream name already in use with a different configuration"
    );
    let overlap = "400/10065 subjects overlap with an existing stream";
    assert_eq!(
        judge(&directory, |c| c.subjects = vec!["x".into(), "*.a".into()]),
        "500/10052 subjects that overlap with jetstream api require no-ack to be true"
    );
    assert_eq!(judge(&directory, |c| c.subjects = vec!["x".into(), "o.a".into()]), overlap);
    // JM3: a mirror answers direct gets as its origin does.
    let mirror = StreamConfig { mirror: Some(source("O")), ..StreamConfig::new("N") };
    let Ok(Created::New(made)) = directory.create(mirror, false) else { panic!("it is created") };
    assert!(made.mirror_direct);
    // JM15: a chain that leads back, and one that a filter cuts.
    let chained = create_with(
        StreamConfig { subjects: vec!["p.>".into()], sources: Some(vec![source("N")]), ..StreamConfig::new("P") },
        false,
        &[],
    );
    let chained = chained.unwrap();
    let streams = [&old, &chained];
    let with_chain = Directory { streams: &streams, server: &server, account: &account };
    let back = |filter: &str| vec![StreamSource { filter_subject: filter.to_owned(), ..source("P") }];
    assert_eq!(judge(&with_chain, |c| c.sources = Some(back(""))), "500/10052 detected cycle");
    assert_eq!(judge(&with_chain, |c| c.sources = Some(back("q"))), "created");
    account = AccountLimits { max_storage: 1_000, max_streams: 2, max_consumers: 5, ..account };
    let directory = Directory { streams: &[&old], server: &server, account: &account };
    assert_eq!(judge(&directory, |c| c.max_bytes = 100), "created");
    assert_eq!(judge(&directory, |c| c.max_bytes = 101), "500/10047 insufficient storage resources available");
    // Limits of the account beat an invalid configuration.
    assert_eq!(
        judge(&directory, |c| (c.max_consumers, c.max_age) = (6, -1)),
        "400/10026 maximum consumers limit reached"
    );
    account.max_streams = 1;
    let directory = Directory { streams: &[&old], server: &server, account: &account };
    assert_eq!(judge(&directory, |_| {}), "400/10027 maximum number of streams reached");
    assert_eq!(judge(&directory, |c| *c = old.clone()), "same");
    account = AccountLimits { max_bytes_required: true, storage_max_stream_bytes: 10, ..AccountLimits::default() };
    let directory = Directory { streams: &[], server: &server, account: &account };
    assert_eq!(judge(&directory, |_| {}), "400/10113 account requires a stream config to have max bytes set");
    assert_eq!(
        judge(&directory, |c| c.max_bytes = 11),
        "400/10122 stream max bytes exceeds account limit max stream bytes"
    );
    let server = ServerLimits { max_memory: 0, duplicate_window: 60 * SECOND, ..server };
    let account = AccountLimits::default();
    let directory = Directory { streams: &[], server: &server, account: &account };
    assert_eq!(judge(&directory, |c| c.storage = Storage::Memory), "500/10028 insufficient memory resources available");
    assert_eq!(
        judge(&directory, |c| c.duplicate_window = 61 * SECOND),
        "500/10052 duplicates window can not be larger then server limit of 1m0s"
    );
}
