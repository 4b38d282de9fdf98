//! Random sequences: streams, messages, reads.

use super::consumers;
use super::operation::{Ask, Body, Field, Op, Value, field, text};
use super::session::{FIRST_OWN, STREAMS};
use super::shrink::Sequence;
use fastrand::Rng;

/// Milliseconds of a wait. No timer of the operations falls due near a multiple of it.
pub(crate) const WAIT: u64 = 600;

/// The sequence of a seed and a number.
pub(crate) fn sequence(seed: u64, number: u64) -> Sequence {
    let mut random = Random {
        rng: Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number),
        has_nameless: false,
        keeps_all: false,
        acks_all: false,
    };
    random.keeps_all = random.one_in(8);
    random.acks_all = random.one_in(4);
    random.rng.u64(..);
    let mut ops = Vec::new();
    let mut configs: [Option<Vec<Field>>; 2] = [None, None];
    let (mut waits, mut is_batching) = (0, 0);
    if random.one_in(8) {
        ops.push(Op::Subscribe { sid: FIRST_OWN, subject: "a%.>".to_owned(), queue: "" });
    }
    if random.one_in(8) {
        ops.push(Op::Subscribe { sid: FIRST_OWN + 1, subject: "r%.>".to_owned(), queue: "" });
    }
    let length = 8 + random.rng.usize(..40);
    let has_consumers = random.one_in(4) == random.one_in(2);
    create(&mut random, 0, &mut configs, &mut ops);
    if random.keeps_all {
        for token in ["x", "y", "z"] {
            ops.push(Op::Ask(Ask::publish(format!("a%.{token}"), "one")));
        }
    }
    for _ in 0..1 + random.rng.usize(..5) {
        ops.push(publish(&mut random, 0));
    }
    if has_consumers {
        consumers::create(&mut random, 'A', &mut ops);
    }
    while ops.len() < length {
        let at = if random.one_in(6) { 1 } else { 0 };
        let stream = STREAMS[at];
        match random.rng.u32(..100) {
            30..38 | 60..67 if random.keeps_all => {}
            0..26 => ops.push(publish(&mut random, at)),
            26..30 => {
                is_batching += 1;
                batch(&mut random, stream, is_batching, &mut ops);
            }
            30..34 => ops.push(purge(&mut random, stream)),
            34..38 => ops.push(delete_message(&mut random, stream)),
            38..45 => ops.push(get(&mut random, stream)),
            45..53 => ops.push(direct_get(&mut random, stream)),
            53..60 => ops.push(info(&mut random, stream)),
            60..64 => update(&mut random, at, &mut configs, &mut ops),
            64..66 => create(&mut random, at, &mut configs, &mut ops),
            66 => ops.push(Op::Ask(Ask::api(format!("STREAM.DELETE.{stream}%"), Vec::new()))),
            67 if waits < 1 => {
                waits += 1;
                ops.push(Op::Wait(if random.one_in(4) { 1_900 } else { WAIT }));
            }
            _ if has_consumers => consumers::operation(&mut random, stream, &mut waits, &mut ops),
            _ => ops.push(publish(&mut random, at)),
        }
    }
    Sequence { hears_advisories: random.one_in(3), ops }
}

/// Choices.
pub(crate) struct Random {
    pub(crate) rng: Rng,
    /// There is at most one, since the order of random names is random.
    pub(crate) has_nameless: bool,
    /// Nothing leaves a stream by itself or by a request. Where a message goes that a consumer with `last_per_subject` is to deliver,
    /// the real server stops until the next event.
    pub(crate) keeps_all: bool,
    /// Every consumer acknowledges, and streams may change to keep messages for consumers. Without acknowledgements the real server
    /// removes nothing from a stream that has changed so.
    pub(crate) acks_all: bool,
}

impl Random {
    pub(crate) fn one_in(&mut self, count: u32) -> bool {
        self.rng.u32(..count) == 0
    }

    pub(crate) fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.rng.usize(..choices.len())]
    }

    /// Adds a field with one of these values, one time in so many.
    pub(crate) fn maybe(&mut self, one_in: u32, fields: &mut Vec<Field>, key: &str, values: &[&str]) {
        if self.one_in(one_in) {
            fields.push(field(key, self.of(values)));
        }
    }
}

/// A subject that a stream captures, mostly.
pub(crate) fn subject(random: &mut Random, stream: char) -> String {
    let token = random.of(&["x", "x", "y", "y", "z", "x.y", "z.x"]);
    let letter = if random.one_in(40) { 'n' } else { stream.to_ascii_lowercase() };
    format!("{letter}%.{token}")
}

/// A subject or a pattern of subjects.
pub(crate) fn pattern(random: &mut Random, stream: char) -> String {
    let token = random.of(&["x", "y", "z", "*", ">", "x.*", "*.x", "x.>", "w"]);
    format!("{}%.{token}", stream.to_ascii_lowercase())
}

fn stream_config(random: &mut Random, at: usize) -> Vec<Field> {
    let stream = STREAMS[at];
    let letter = stream.to_ascii_lowercase();
    let mut fields = vec![text("name", format!("{stream}%"))];
    if !random.one_in(30) {
        let subjects = random.of(&["[\"?%.>\"]", "[\"?%.>\"]", "[\"?%.>\"]", "[\"?%.*\"]", "[\"?%.x\",\"?%.y\"]"]);
        fields.push(field("subjects", subjects.replace('?', &letter.to_string())));
    }
    if !random.one_in(12) {
        fields.push(text("storage", "memory"));
    }
    if random.keeps_all {
        fields.truncate(1);
        fields.push(field("subjects", format!("[\"{letter}%.>\"]")));
        random.maybe(2, &mut fields, "allow_direct", &["true"]);
        return fields;
    }
    random.maybe(3, &mut fields, "retention", &["\"interest\"", "\"workqueue\"", "\"limits\""]);
    random.maybe(5, &mut fields, "max_msgs", &["1", "2", "3", "5", "0", "-1", "-7"]);
    random.maybe(6, &mut fields, "max_bytes", &["150", "300", "500", "60"]);
    random.maybe(14, &mut fields, "max_age", &["300000000", "300000000", "60000000000", "5"]);
    random.maybe(5, &mut fields, "max_msgs_per_subject", &["1", "2", "3"]);
    random.maybe(12, &mut fields, "max_msg_size", &["4", "20", "60", "200"]);
    random.maybe(5, &mut fields, "discard", &["\"new\"", "\"new\"", "\"old\""]);
    random.maybe(8, &mut fields, "discard_new_per_subject", &["true"]);
    random.maybe(10, &mut fields, "duplicate_window", &["300000000", "60000000000", "7", "-1"]);
    random.maybe(2, &mut fields, "allow_direct", &["true"]);
    random.maybe(3, &mut fields, "allow_rollup_hdrs", &["true"]);
    random.maybe(30, &mut fields, "deny_delete", &["true"]);
    random.maybe(30, &mut fields, "deny_purge", &["true"]);
    random.maybe(4, &mut fields, "allow_msg_ttl", &["true"]);
    random.maybe(10, &mut fields, "subject_delete_marker_ttl", &["1000000000", "60000000000", "5"]);
    random.maybe(5, &mut fields, "allow_atomic", &["true"]);
    random.maybe(12, &mut fields, "allow_msg_counter", &["true"]);
    random.maybe(12, &mut fields, "allow_msg_schedules", &["true"]);
    random.maybe(15, &mut fields, "first_seq", &["1", "5", "100"]);
    // `no_ack` is drawn and left out: without an acknowledgement nothing says when nats-server has stored a message, and its calls
    // overtake publishes.
    random.maybe(30, &mut Vec::new(), "no_ack", &["true"]);
    random.maybe(25, &mut fields, "max_consumers", &["1", "2"]);
    random.maybe(20, &mut fields, "description", &["\"d <e>\"", "\"\""]);
    random.maybe(20, &mut fields, "metadata", &["{\"k\":\"v\"}", "{}", "{\"_nats.level\":\"9\",\"a\":\"b\"}"]);
    random.maybe(25, &mut fields, "compression", &["\"s2\"", "\"none\""]);
    random.maybe(
        25,
        &mut fields,
        "consumer_limits",
        &["{\"max_ack_pending\":2}", "{\"inactive_threshold\":60000000000}"],
    );
    random.maybe(40, &mut fields, "num_replicas", &["1", "3", "-1"]);
    random.maybe(60, &mut fields, "sealed", &["true"]);
    random.maybe(60, &mut fields, "zzz", &["1"]);
    random.maybe(60, &mut fields, "pedantic", &["true"]);
    if random.one_in(9) {
        let mut inner = vec![text("dest", random.of(&["r%.>", "r%.{{wildcard(1)}}", "r%.one", "a%.loop"]))];
        let source = random.of(&[">", "?%.>", "?%.x", "?%.*"]).replace('?', &letter.to_string());
        inner.insert(0, text("src", source));
        random.maybe(3, &mut inner, "headers_only", &["true"]);
        fields.push(Field { key: "republish".to_owned(), value: Value::Object(inner) });
    }
    if random.one_in(12) {
        let source = random.of(&["?%.*", "?%.x", "?%.>"]).replace('?', &letter.to_string());
        let dest = random.of(&["t%.{{wildcard(1)}}", "?%.to.$1", "t%.>", "?%.y"]).replace('?', &letter.to_string());
        let inner = vec![text("src", source), text("dest", dest)];
        fields.push(Field { key: "subject_transform".to_owned(), value: Value::Object(inner) });
    }
    fields
}

fn create(random: &mut Random, at: usize, configs: &mut [Option<Vec<Field>>; 2], ops: &mut Vec<Op>) {
    let config = match &configs[at] {
        Some(config) if random.one_in(2) => config.clone(),
        _ => stream_config(random, at),
    };
    ops.push(Op::Ask(Ask::api(format!("STREAM.CREATE.{}%", STREAMS[at]), config.clone())));
    configs[at] = Some(config);
}

/// The configuration that was last sent, with a few fields from another one.
fn update(random: &mut Random, at: usize, configs: &mut [Option<Vec<Field>>; 2], ops: &mut Vec<Op>) {
    let mut config = configs[at].clone().unwrap_or_else(|| stream_config(random, at));
    let other = stream_config(random, at);
    for _ in 0..1 + random.rng.usize(..2) {
        let change = other[random.rng.usize(..other.len())].clone();
        if change.key == "retention" && !random.acks_all {
            continue;
        }
        config.retain(|field| field.key != change.key);
        config.push(change);
    }
    if random.one_in(4) && config.len() > 1 {
        let at = random.rng.usize(1..config.len());
        if config[at].key != "retention" || random.acks_all {
            config.remove(at);
        }
    }
    random.maybe(25, &mut config, "sealed", &["true"]);
    ops.push(Op::Ask(Ask::api(format!("STREAM.UPDATE.{}%", STREAMS[at]), config.clone())));
    configs[at] = Some(config);
}

fn payload(random: &mut Random) -> String {
    let letter = char::from(b'a' + random.rng.u8(..26));
    let length = *random.of(&[&0_usize, &1, &1, &3, &10, &40, &100]);
    std::iter::repeat_n(letter, length).collect()
}

fn publish(random: &mut Random, at: usize) -> Op {
    let stream = STREAMS[at];
    let mut ask = Ask {
        subject: subject(random, stream),
        headers: Vec::new(),
        body: Body::Text(payload(random)),
        is_silent: false,
    };
    ask.is_silent = random.one_in(40);
    let mut header = |random: &mut Random, one_in: u32, name: &str, values: &[&str]| {
        if random.one_in(one_in) {
            ask.headers.push(format!("{name}: {}", random.of(values)));
        }
    };
    if random.one_in(2) {
        header(random, 3, "Nats-Msg-Id", &["m1", "m2", "m3", "", "m1 "]);
        header(random, 12, "Nats-Expected-Stream", &["A%", "A%", "B%", "", "zz"]);
        header(random, 8, "Nats-Expected-Last-Sequence", &["0", "1", "2", "3", "4", "5", "x", "-1", ""]);
        header(random, 8, "Nats-Expected-Last-Subject-Sequence", &["0", "0", "1", "2", "3", "4", "x", ""]);
        header(random, 20, "Nats-Expected-Last-Subject-Sequence-Subject", &["a%.x", "a%.>", "a%.*", "zz", ""]);
        header(random, 14, "Nats-Expected-Last-Msg-Id", &["m1", "m2", ""]);
        header(random, 8, "Nats-Rollup", &["sub", "all", "SUB", "x", ""]);
        header(random, 5, "Nats-TTL", &["1s", "1", "never", "1h", "1500ms", "500ms", "0", "x", "-1", ""]);
        header(random, 8, "Nats-Incr", &["1", "+5", "-3", "x", "", "99999999999999999999"]);
        header(
            random,
            14,
            "Nats-Schedule",
            &["@at 2020-01-01T00:00:00Z", "@at 2099-01-01T00:00:00Z", "@every 1h", "@x", ""],
        );
        header(random, 14, "Nats-Schedule-Target", &["a%.y", "a%.z", "b%.x", "a%.*", ""]);
        header(random, 30, "Nats-Schedule-TTL", &["1h", "x", "never"]);
        header(random, 40, "Nats-Marker-Reason", &["Purge", "Remove"]);
        header(random, 40, "Nats-Stream-Source", &["x"]);
        header(random, 40, "Nats-Required-Api-Level", &["9"]);
        header(random, 40, "Nats-Schedule-Next", &["x", "purge"]);
        header(random, 10, "User", &["1", "2"]);
        header(random, 40, "Nats-Batch-Id", &["solo", ""]);
    }
    if random.one_in(14) {
        ask.headers.push(format!("Nats-Incr: {}", random.of(&["1", "+5", "-3"])));
        ask.body = Body::Text(String::new());
    }
    Op::Ask(ask)
}

/// The parts of an atomic batch, with an operation in between at times.
fn batch(random: &mut Random, stream: char, number: u32, ops: &mut Vec<Op>) {
    let count = 1 + random.rng.usize(..4);
    let mut sequence = 1;
    for at in 0..count {
        let Op::Ask(mut ask) = publish(random, usize::from(stream == 'B')) else { continue };
        ask.is_silent = false;
        ask.headers.push(format!("Nats-Batch-Id: b{number}"));
        if random.one_in(25) {
            sequence += 1;
        }
        ask.headers.push(format!("Nats-Batch-Sequence: {sequence}"));
        if at + 1 == count && !random.one_in(8) {
            ask.headers.push(format!("Nats-Batch-Commit: {}", random.of(&["1", "1", "1", "eob", "x"])));
        }
        ops.push(Op::Ask(ask));
        sequence += 1;
        if random.one_in(12) {
            ops.push(publish(random, usize::from(stream == 'B')));
        }
    }
}

fn sequence_number(random: &mut Random) -> &'static str {
    random.of(&["1", "2", "3", "4", "5", "7", "9", "0", "50"])
}

fn purge(random: &mut Random, stream: char) -> Op {
    let mut fields = Vec::new();
    if random.one_in(2) {
        fields.push(text("filter", pattern(random, stream)));
    }
    match random.rng.u32(..6) {
        0 | 1 => fields.push(field("seq", sequence_number(random))),
        2 | 3 => fields.push(field("keep", random.of(&["1", "2", "3", "0"]))),
        4 if random.one_in(4) => fields.extend([field("keep", "1"), field("seq", "2")]),
        _ => {}
    }
    Op::Ask(Ask::api(format!("STREAM.PURGE.{stream}%"), fields))
}

fn delete_message(random: &mut Random, stream: char) -> Op {
    let mut fields = vec![field("seq", sequence_number(random))];
    random.maybe(4, &mut fields, "no_erase", &["true", "false"]);
    Op::Ask(Ask::api(format!("STREAM.MSG.DELETE.{stream}%"), fields))
}

fn get_fields(random: &mut Random, stream: char) -> Vec<Field> {
    let mut fields = Vec::new();
    match random.rng.u32(..10) {
        0..4 => fields.push(field("seq", sequence_number(random))),
        4 | 5 => fields.push(text("last_by_subj", pattern(random, stream))),
        6 | 7 => {
            fields.push(text("next_by_subj", pattern(random, stream)));
            if random.one_in(2) {
                fields.push(field("seq", sequence_number(random)));
            }
        }
        8 => fields.push(field("start_time", random.of(&["\"2020-01-01T00:00:00Z\"", "\"2099-01-01T00:00:00Z\""]))),
        _ => {}
    }
    random.maybe(10, &mut fields, "no_hdr", &["true"]);
    random.maybe(20, &mut fields, "next_by_subj", &["\"a%.x\""]);
    random.maybe(20, &mut fields, "seq", &["1", "3"]);
    fields
}

fn get(random: &mut Random, stream: char) -> Op {
    Op::Ask(Ask::api(format!("STREAM.MSG.GET.{stream}%"), get_fields(random, stream)))
}

fn direct_get(random: &mut Random, stream: char) -> Op {
    if random.one_in(5) {
        let call = format!("DIRECT.GET.{stream}%.{}", pattern(random, stream));
        return Op::Ask(Ask::api(call, Vec::new()));
    }
    let mut fields = if random.one_in(4) {
        let (one, other) = (pattern(random, stream), pattern(random, stream));
        vec![field(
            "multi_last",
            if random.one_in(2) { format!("[\"{one}\"]") } else { format!("[\"{one}\",\"{other}\"]") },
        )]
    } else {
        get_fields(random, stream)
    };
    random.maybe(3, &mut fields, "batch", &["1", "2", "3", "10", "0", "-1"]);
    random.maybe(8, &mut fields, "max_bytes", &["1", "60", "100", "1000"]);
    random.maybe(8, &mut fields, "up_to_seq", &["2", "3", "5", "90"]);
    random.maybe(14, &mut fields, "up_to_time", &["\"2020-01-01T00:00:00Z\"", "\"2099-01-01T00:00:00Z\""]);
    Op::Ask(Ask::api(format!("DIRECT.GET.{stream}%"), fields))
}

fn info(random: &mut Random, stream: char) -> Op {
    let call = match random.rng.u32(..10) {
        0 => return Op::Ask(Ask::api("INFO", Vec::new())),
        1 => format!("STREAM.{}", random.of(&["NAMES", "LIST"])),
        _ => format!("STREAM.INFO.{stream}%"),
    };
    let mut fields = Vec::new();
    if call.contains("INFO") {
        random.maybe(3, &mut fields, "deleted_details", &["true"]);
        if random.one_in(3) {
            fields.push(text("subjects_filter", pattern(random, stream)));
            random.maybe(4, &mut fields, "offset", &["1", "2", "9"]);
        }
    } else if random.one_in(2) {
        fields.push(text("subject", pattern(random, stream)));
    }
    Op::Ask(Ask::api(call, fields))
}
