//! Random operations on consumers.

use super::generate::{Random, WAIT, pattern};
use super::operation::{Ask, Body, Field, Op, Value, field, text};
use super::session::PUSHES;

/// The names sort behind every random one.
fn consumer(random: &mut Random) -> &'static str {
    random.of(&["~a", "~a", "~a", "~b", "~c", "{E}"])
}

/// A start behind the last message has the real server count wrongly, so it lies within the first three messages, which are there
/// where nothing is deleted.
///
/// A consumer has filters always or never: the real server stops to count for one that loses its filters.
fn config(random: &mut Random, stream: char, is_filtered: bool) -> Vec<Field> {
    let mut fields = Vec::new();
    if random.acks_all || !random.one_in(6) {
        let policy = random.of(&["explicit", "explicit", "explicit", "explicit", "all", "none"]);
        fields.push(text("ack_policy", if random.acks_all && policy == "none" { "all" } else { policy }));
    }
    match random.rng.u32(..12) {
        0 => fields.push(text("deliver_policy", "last")),
        1 => fields.push(text("deliver_policy", "new")),
        2 | 6..12 if random.keeps_all => fields.push(text("deliver_policy", "last_per_subject")),
        3 => fields.extend([
            text("deliver_policy", "by_start_sequence"),
            field("opt_start_seq", if random.keeps_all { random.of(&["1", "2", "3"]) } else { "1" }),
        ]),
        4 => {
            let time = random.of(&["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"]);
            fields.extend([text("deliver_policy", "by_start_time"), text("opt_start_time", time)]);
        }
        5 => fields.push(text("deliver_policy", "all")),
        _ => {}
    }
    match random.rng.u32(..6) {
        _ if !is_filtered => {}
        // The real server counts wrongly for a consumer with `last_per_subject` whose filters change.
        _ if random.keeps_all => fields.push(text("filter_subject", format!("{}%.*", stream.to_ascii_lowercase()))),
        0..3 => fields.push(text("filter_subject", pattern(random, stream))),
        3 => fields.push(text("filter_subject", format!("{}%.>", stream.to_ascii_lowercase()))),
        _ => {
            let (one, other) = (pattern(random, stream), pattern(random, stream));
            fields.push(field("filter_subjects", format!("[\"{one}\",\"{other}\"]")));
        }
    }
    random.maybe(3, &mut fields, "ack_wait", &["270000000", "270000000", "60000000000"]);
    random.maybe(4, &mut fields, "max_deliver", &["1", "2", "3", "-1", "0"]);
    random.maybe(14, &mut fields, "backoff", &["[270000000,340000000]", "[170000000]", "[60000000000]"]);
    random.maybe(4, &mut fields, "max_ack_pending", &["1", "2", "3", "-1"]);
    random.maybe(12, &mut fields, "headers_only", &["true"]);
    random.maybe(20, &mut fields, "replay_policy", &["\"instant\""]);
    random.maybe(14, &mut fields, "sample_freq", &["\"100\"", "\"100%\"", "\"0\"", "\"x\""]);
    random.maybe(25, &mut fields, "description", &["\"d\""]);
    random.maybe(25, &mut fields, "metadata", &["{\"k\":\"v\"}"]);
    random.maybe(20, &mut fields, "inactive_threshold", &["60000000000", "90000000000"]);
    random.maybe(25, &mut fields, "num_replicas", &["0", "1", "2", "-1"]);
    random.maybe(25, &mut fields, "mem_storage", &["true"]);
    random.maybe(20, &mut fields, "pause_until", &["\"2099-01-01T00:00:00Z\"", "\"2020-01-01T00:00:00Z\""]);
    if random.one_in(4) {
        push(random, stream, &mut fields);
    } else {
        pull(random, &mut fields);
    }
    fields
}

fn push(random: &mut Random, stream: char, fields: &mut Vec<Field>) {
    let subject = random.of(&["d%.one", "d%.one", "d%.two", "d%.two", "?%.x", "d%.*"]);
    fields.push(text("deliver_subject", subject.replace('?', &stream.to_ascii_lowercase().to_string())));
    random.maybe(4, fields, "deliver_group", &["\"g\""]);
    random.maybe(5, fields, "idle_heartbeat", &["130000000", "60000000000", "5"]);
    random.maybe(8, fields, "flow_control", &["true"]);
    random.maybe(30, fields, "max_waiting", &["3"]);
    random.maybe(30, fields, "rate_limit_bps", &["100000000"]);
}

fn pull(random: &mut Random, fields: &mut Vec<Field>) {
    random.maybe(8, fields, "max_waiting", &["1", "2", "-1"]);
    random.maybe(12, fields, "max_batch", &["1", "2"]);
    random.maybe(16, fields, "max_expires", &["400000000", "5"]);
    random.maybe(16, fields, "max_bytes", &["100", "1000"]);
    random.maybe(30, fields, "idle_heartbeat", &["130000000"]);
    if random.one_in(6) {
        fields.push(field("priority_groups", random.of(&["[\"g\"]", "[\"g\"]", "[\"g\",\"h\"]", "[]"])));
        fields.push(text("priority_policy", random.of(&["overflow", "pinned_client", "prioritized", "none"])));
        random.maybe(4, fields, "priority_timeout", &["250000000", "60000000000"]);
    }
}

/// Creates or updates a consumer, in one of the ways.
pub(crate) fn create(random: &mut Random, stream: char, ops: &mut Vec<Op>) {
    let name = random.of(&["~a", "~a", "~b", "~b", "~c"]);
    let mut config = config(random, stream, name != "~b");
    let mut call = match random.rng.u32(..10) {
        0 => {
            config.insert(0, text("durable_name", name));
            format!("CONSUMER.DURABLE.CREATE.{stream}%.{name}")
        }
        1 if !random.has_nameless => {
            random.has_nameless = true;
            format!("CONSUMER.CREATE.{stream}%")
        }
        2 => {
            config.insert(0, text("name", name));
            format!("CONSUMER.CREATE.{stream}%")
        }
        3 | 4 => format!("CONSUMER.CREATE.{stream}%.{name}"),
        _ => {
            config.insert(0, text("durable_name", name));
            format!("CONSUMER.CREATE.{stream}%.{name}")
        }
    };
    if random.one_in(5)
        && call.split('.').count() == 4
        && let Some(filter) = config.iter().find(|field| field.key == "filter_subject")
        && let Value::Json(filter) = &filter.value
    {
        call = format!("{call}.{}", filter.trim_matches('"'));
    }
    let mut fields = vec![text("stream_name", format!("{stream}%"))];
    fields.push(Field { key: "config".to_owned(), value: Value::Object(config) });
    random.maybe(6, &mut fields, "action", &["\"create\"", "\"update\"", "\"\""]);
    random.maybe(40, &mut fields, "pedantic", &["true"]);
    ops.push(Op::Ask(Ask::api(call, fields)));
}

/// One operation on consumers.
pub(crate) fn operation(random: &mut Random, stream: char, waits: &mut u32, ops: &mut Vec<Op>) {
    let name = consumer(random);
    match random.rng.u32(..32) {
        0..4 => create(random, stream, ops),
        4..12 => ops.push(request(random, stream, waits)),
        12..21 => ops.push(ack(random, waits)),
        21..25 => ops.push(Op::Ask(Ask::api(format!("CONSUMER.INFO.{stream}%.{name}"), Vec::new()))),
        25 => ops.push(manage(random, stream, name)),
        26 => ops.push(Op::Ask(Ask::api(format!("CONSUMER.{}.{stream}%", random.of(&["NAMES", "LIST"])), Vec::new()))),
        27 => ops.push(Op::Ask(Ask::api(format!("CONSUMER.DELETE.{stream}%.{name}"), Vec::new()))),
        28 | 29 => ops.push(Op::Subscribe {
            sid: PUSHES + random.rng.u8(..3),
            subject: random.of(&["d%.one", "d%.two", "d%.one", "d%.*"]).to_owned(),
            queue: random.of(&["", "", "g"]),
        }),
        30 => ops.push(Op::Unsubscribe(PUSHES + random.rng.u8(..3))),
        _ if *waits < 2 => {
            *waits += 1;
            ops.push(Op::Wait(WAIT));
        }
        _ => ops.push(request(random, stream, waits)),
    }
}

fn manage(random: &mut Random, stream: char, name: &str) -> Op {
    let (call, fields) = match random.rng.u32(..4) {
        0 => {
            ("PAUSE", vec![field("pause_until", random.of(&["\"2099-01-01T00:00:00Z\"", "\"2020-01-01T00:00:00Z\""]))])
        }
        1 => ("PAUSE", Vec::new()),
        // With `last_per_subject` the real server loses what was delivered and not acknowledged.
        2 if !random.keeps_all => (
            "RESET",
            if random.one_in(2) { Vec::new() } else { vec![field("seq", random.of(&["1", "2", "3", "9", "0"]))] },
        ),
        _ => ("UNPIN", vec![text("group", random.of(&["g", "h", "", "bad group"]))]),
    };
    Op::Ask(Ask::api(format!("CONSUMER.{call}.{stream}%.{name}"), fields))
}

fn request(random: &mut Random, stream: char, waits: &mut u32) -> Op {
    let consumer = consumer(random).to_owned();
    if random.one_in(12) {
        let body = Body::Text(random.of(&["", "1", "3", "0", "x"]).to_owned());
        return Op::Pull { stream, consumer, body };
    }
    let mut fields = vec![field("batch", random.of(&["1", "1", "2", "3", "5", "0", "-1"]))];
    if !random.one_in(4) {
        fields.push(field("no_wait", "true"));
    }
    if *waits < 2 {
        random.maybe(6, &mut fields, "expires", &["330000000", "330000000", "60000000000"]);
        random.maybe(12, &mut fields, "idle_heartbeat", &["140000000"]);
    }
    random.maybe(10, &mut fields, "max_bytes", &["60", "150", "1000"]);
    random.maybe(6, &mut fields, "group", &["\"g\"", "\"g\"", "\"h\"", "\"\""]);
    random.maybe(20, &mut fields, "min_pending", &["1", "2", "4"]);
    random.maybe(20, &mut fields, "min_ack_pending", &["1", "2"]);
    random.maybe(20, &mut fields, "priority", &["0", "1", "9", "10"]);
    random.maybe(20, &mut fields, "id", &["\"{P}\"", "\"wrong\""]);
    random.maybe(60, &mut fields, "zzz", &["1"]);
    Op::Pull { stream, consumer, body: Body::Object(fields) }
}

fn ack(random: &mut Random, waits: &u32) -> Op {
    let mut bodies =
        vec!["", "+ACK", "+ACK", "-NAK", "-NAK", "+WPI", "+TERM", "+TERM why", "+NXT", "+OK", "bogus", "-NAK x"];
    bodies.extend(["+NXT 2", "+NXT {\"batch\":2,\"no_wait\":true}"]);
    if *waits < 2 {
        bodies.extend(["-NAK {\"delay\":180000000}", "-NAK 180ms"]);
    }
    Op::Ack { back: random.rng.usize(..4), body: random.of(&bodies).to_owned() }
}
