//! Random sequences, which shrink: few subjects, so that things meet.

use super::operation::{Blank, Case, Connect, Op, Payload, Queue, Sequence, Step, Style};
use super::profile::Profile;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) const CONNECTIONS: usize = 4;

const PATTERNS: &[&str] = &[
    "a", "a", "b", "a.b", "a.b", "a.c", "a.*", "a.>", "*", ">", ">", "*.b", "a.b.c", "a.*.c", "b.>", "inb.*", "inb.1",
    "inb.2", "inb.>",
];
/// Each of them has something about it (S2, S4, S9).
const ODD_PATTERNS: &[&str] = &[
    "a.", ".a", "a..b", ".", ">.a", "a.>.b", "..", "a*", "*a", "a.*b", "f>o", "**", "a.>b", "$SYS.x", "_R_.x", "A.b",
    "a.\u{e9}",
];
const SUBJECTS: &[&str] = &["a", "a", "b", "a.b", "a.b", "a.b", "a.c", "a.b.c", "b.x", "inb.1", "nobody"];
/// S6, S7, S9.
const ODD_SUBJECTS: &[&str] = &[
    "a.",
    ".a",
    "a..b",
    ".",
    "a.*",
    "*",
    ">",
    "a.>",
    "*.b",
    "a.>.b",
    "a*",
    "a.*b",
    "f>o",
    "$SYS.x",
    "_R_.x",
    "_R_.x.y",
    "$NRG.x",
    "$NRG.",
    "_GR_.x",
    "_GR_.x.y",
    "_GR_.",
    "$GNR.x",
    "$JS.ACK.x",
    "A.b",
    "a.\u{e9}",
];
const REPLIES: &[&str] = &["inb.1", "inb.1", "inb.2", "inb.3", "a", "a.b", "b"];
/// S5, S10.
const ODD_REPLIES: &[&str] = &[
    "inb.*",
    "inb.>",
    ">",
    "a..b",
    ".a.",
    "_R_.x",
    "_R_.",
    "_R_",
    "$JS.ACK.",
    "$JS.ACK.x",
    "_GR_.",
    "_GR_.x",
    "_GR_",
    "$NRG.x",
];
/// The sids of subscriptions whose queue groups no other connection shares. Short: C23.
const SIDS: &[&str] = &["1", "2", "3", "4"];
const ODD_SIDS: &[&str] = &["0", "01", "x", "*", "a.b", "-1", "18446744073709551616"];
const HEADERS: &[&str] = &[
    "NATS/1.0\r\nA: b\r\n\r\n",
    "NATS/1.0\r\n\r\n",
    "NATS/1.0 503\r\n\r\n",
    "NATS/1.0\r\na:1\r\nA: 2\r\na:  1 \r\n\r\n",
    "ABCDE",
    "",
];
/// D2.
const MAXES: &[&str] = &[
    "1",
    "1",
    "2",
    "2",
    "3",
    "5",
    "0",
    "01",
    "x",
    "-1",
    "+2",
    "2x",
    "000000002",
    "0000000002",
    "999999999",
    "1234567890",
];
/// Lines that are legal, though a client would not send most of them (C6).
const LINES: &[&str] = &["+OK", "+OKdokey", "+ok", "INFO {}", "INFO {\"server_id\":\"x\"}", "PONG", "PONGjunk", "pong"];
/// Lines that end a connection, each in its way (C7, H3, H4).
const BAD_LINES: &[&str] = &[
    "XYZ",
    "FOO bar",
    "MSG a 1 1",
    "HMSG a 1 1 1",
    "",
    " PING",
    "\tPING",
    "PIN",
    "PUB",
    "HPUB",
    "SUB",
    "UNSUB",
    "CONNECT",
    "RS+ a",
    "RS- a",
    "LS+ a",
    "A+ a",
    "R",
    "L",
    "A",
    "+O",
    "+X",
    "-",
    "-ERR",
    "-E",
    "INFO",
    "INFO x",
    "INFO",
    "INFO {",
    "PUB ",
    "SUB ",
    "UNSUB ",
    "HPUB ",
    "PUB a",
    "PUB a b c 1",
    "PUB a x",
    "PUB a -1",
    "PUB a +1",
    "PUB a 1.0",
    "PUB a 0x1",
    "PUB a 1234567890",
    "PUB a 0000000001",
    "PUB a 999999999",
    "PUB a 1 ",
    "SUB a",
    "SUB a b c d",
    "UNSUB 1 2 3",
    "HPUB a 2",
    "HPUB a b c 1 2",
    "HPUB a x 2",
    "HPUB a 1 x",
    "HPUB a 3 2",
    "HPUB a -1 2",
    "HPUB a 1 -2",
    "HPUB a 1 999999999",
    "HPUB a 0000000001 2",
    "\u{0}",
    "P\u{e9}",
];
/// These too; but the real server also works off the bytes that it has read together with them (C6), so
/// they come last.
const LAST_LINES: &[&str] = &["-ERR 'x'", "-ERR x", "-err 'Stale Connection'"];
const CONNECTS: &[&str] = &[
    "{}",
    "{\"verbose\":false,\"pedantic\":false}",
    "{\"VERBOSE\":false,\"Pedantic\":false}",
    "{\"verbose\":null,\"headers\":null,\"protocol\":null}",
    "{\"verbose\":false,\"x\":{\"y\":[1,2,{\"z\":null}]}}",
    "{\"verbose\":true,\"verbose\":false}",
    "  {\"verbose\" : false }  ",
    "{\"tls_required\":true,\"name\":\"n\",\"lang\":\"l\",\"version\":\"0\",\"verbose\":false}",
    "{\"user\":\"nobody\",\"pass\":\"x\",\"verbose\":false}",
    "{\"auth_token\":\"x\",\"verbose\":false}",
    "{\"jwt\":\"x\",\"nkey\":\"y\",\"sig\":\"z\",\"verbose\":false}",
    "{\"name\":\"\\u00e9\\n\\ud800\",\"verbose\":false}",
    "null",
    "{\"account\":\"\"}",
    "{\"new_account\":false}",
    "{\"protocol\":1,\"verbose\":false}",
    "{\"protocol\":0}",
];
/// These end the connection (C7).
const BAD_CONNECTS: &[&str] = &[
    "",
    "{",
    "x",
    "[]",
    "1",
    "\"x\"",
    "true",
    "{}x",
    "{} {}",
    "{\"verbose\":1}",
    "{\"verbose\":\"true\"}",
    "{\"protocol\":\"1\"}",
    "{\"protocol\":1.5}",
    "{\"protocol\":1e0}",
    "{\"name\":1}",
    "{\"user\":{}}",
    "{\"verbose\":true,}",
    "{'verbose':true}",
    "{\"protocol\":2}",
    "{\"protocol\":-1}",
    "{\"protocol\":99999999999999999999}",
    "{\"no_responders\":true}",
    "{\"no_responders\":true,\"headers\":false}",
    "{\"account\":\"x\"}",
    "{\"new_account\":true}",
    "{\"name\":\"\t\"}",
];

fn text(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(of).prop_map(str::to_owned)
}

/// Mostly plain.
fn style() -> impl Strategy<Value = Style> {
    let case = prop_oneof![8 => Just(Case::Upper), 1 => Just(Case::Lower), 1 => Just(Case::Mixed)];
    let blank = prop_oneof![8 => Just(Blank::Space), 1 => Just(Blank::Tab), 1 => Just(Blank::Many)];
    let odd = || proptest::bool::weighted(0.06);
    (case, blank, odd(), odd()).prop_map(|(case, blank, trailing, bare)| Style { case, blank, trailing, bare })
}

fn flag(likely: bool) -> impl Strategy<Value = Option<bool>> {
    prop_oneof![5 => Just(Some(likely)), 1 => Just(Some(!likely)), 2 => Just(None)]
}

/// The CONNECT of a client library, more or less.
fn connect(profile: &Profile) -> impl Strategy<Value = Op> + use<> {
    let headers_and_responders = prop_oneof![
        16 => Just((Some(true), Some(true))),
        2 => Just((Some(true), Some(false))),
        1 => Just((Some(false), Some(false))),
        2 => Just((Some(true), None)),
        1 => Just((None, None)),
    ];
    let protocol = prop_oneof![4 => Just(Some(1)), 1 => Just(Some(0)), 1 => Just(None)];
    let (right, wrong) = (profile.logins.len().max(1), profile.wrong_logins.len());
    let weight = u32::from(profile.refuses());
    let login = prop_oneof![
        16 => (0..right).prop_map(Some),
        2 * weight => (right..right + wrong.max(1)).prop_map(Some),
        weight => Just(None),
    ];
    let flags = (flag(false), flag(false), flag(true));
    (flags, headers_and_responders, protocol, login, style()).prop_map(
        |((verbose, pedantic, echo), (headers, no_responders), protocol, login, style)| {
            Op::Connect(Connect { verbose, pedantic, echo, headers, no_responders, protocol, login }, style)
        },
    )
}

fn sub(profile: &Profile) -> impl Strategy<Value = Op> + use<> {
    // See `wrong_logins`.
    let advisories = !profile.wrong_logins.is_empty();
    let seen = move |pattern: &String| !(advisories && pattern == ">");
    let subject = move || prop_oneof![12 => text(PATTERNS), 1 => text(ODD_PATTERNS)].prop_filter("no advisories", seen);
    let sid = prop_oneof![12 => text(SIDS), 1 => text(ODD_SIDS)];
    let with = |queue: Queue| move |(subject, sid, style)| Op::Sub { subject, queue, sid, style };
    let plain = (subject(), sid, style()).prop_map(with(Queue::None));
    let alone = (subject(), text(&["5", "6"]), style()).prop_map(with(Queue::Alone));
    let shared = (subject(), text(&["7", "8", "9"]), style()).prop_map(with(Queue::Shared));
    let shared_weight = if profile.shared_groups { 3 } else { 0 };
    prop_oneof![8 => plain, 1 => alone, 2 * shared_weight => shared]
}

fn unsub() -> impl Strategy<Value = Op> {
    let limited = (prop_oneof![12 => text(SIDS), 1 => text(ODD_SIDS)], select(MAXES), style());
    let limited = limited.prop_map(|(sid, max, style)| Op::Unsub { sid, max: Some(max), style });
    let sids = &["1", "2", "3", "4", "5", "6", "7", "8", "9"][..];
    let now = (text(sids), style()).prop_map(|(sid, style)| Op::Unsub { sid, max: None, style });
    prop_oneof![2 => limited, 1 => now]
}

fn payload(profile: &Profile) -> impl Strategy<Value = Payload> + use<> {
    // Where the limit is large, what fills it is dear. And if a connection is closed while more of its input is underway, the system may
    // throw away what it has still to read.
    let limit = if profile.max_payload <= 1_000 { 300 } else { 0 };
    let longest = u16::try_from(profile.max_payload.min(2_000)).expect("it is small");
    prop_oneof![
        100 => Just(Payload::Empty),
        600 => Just(Payload::Numbered),
        100 => Just(Payload::Misleading),
        60 => (0..longest).prop_map(Payload::Bytes),
        limit => (-1..=1i32).prop_map(Payload::Limit),
    ]
}

fn publish(profile: &Profile) -> impl Strategy<Value = Op> + use<> {
    let subject = || prop_oneof![12 => text(SUBJECTS), 1 => text(ODD_SUBJECTS)];
    let reply =
        || prop_oneof![5 => Just(None), 4 => text(REPLIES).prop_map(Some), 1 => text(ODD_REPLIES).prop_map(Some)];
    let zeros = || prop_oneof![12 => Just(0usize), 1 => 1..4usize];
    let plain = (subject(), reply(), payload(profile), zeros(), style())
        .prop_map(|(subject, reply, payload, zeros, style)| Op::Pub { subject, reply, payload, zeros, over: 0, style });
    // Too short or too long, and never so that the barrier's own PING fits into the gap.
    let wrong = (subject(), 1..=3i32, any::<bool>(), style()).prop_map(|(subject, by, long, style)| Op::Pub {
        subject,
        reply: None,
        payload: Payload::Bytes(8),
        zeros: 0,
        over: if long { -by } else { by },
        style,
    });
    let headed = (subject(), reply(), select(HEADERS), payload(profile), zeros(), style()).prop_map(
        |(subject, reply, header, payload, zeros, style)| Op::HPub { subject, reply, header, payload, zeros, style },
    );
    prop_oneof![40 => plain, 1 => wrong, 14 => headed]
}

fn harmless(profile: &Profile) -> impl Strategy<Value = Op> + use<> {
    let ping = (select(&["", "", "", "junk here", " ", "\u{e9}"][..]), style())
        .prop_map(|(junk, style)| Op::Ping(junk, style));
    prop_oneof![
        10 => publish(profile),
        8 => sub(profile),
        2 => unsub(),
        1 => prop_oneof![3 => ping, 1 => Just(Op::Pong), 1 => select(LINES).prop_map(Op::Line)],
        1 => again(profile),
    ]
}

/// A further CONNECT.
fn again(profile: &Profile) -> impl Strategy<Value = Op> + use<> {
    let weight = u32::from(profile.refuses());
    prop_oneof![
        6 => connect(profile),
        4 * weight => select(CONNECTS).prop_map(Op::ConnectRaw),
    ]
}

/// The operations that a client sends at one time.
fn ops(profile: &Profile) -> impl Strategy<Value = Vec<Op>> + use<> {
    let weight = u32::from(profile.refuses());
    let base = prop_oneof![4 => publish(profile), 3 => sub(profile), 3 => unsub(), weight => again(profile)];
    let wild = (base, vec((0..10_000usize, wild_byte()), 1..3));
    let wild = wild.prop_map(|(base, changes)| vec![Op::Wild { base: Box::new(base), changes }]);
    let bad = prop_oneof![
        4 => select(BAD_LINES).prop_map(Op::Line),
        2 * weight => select(BAD_CONNECTS).prop_map(Op::ConnectRaw),
        1 => (-1..=1i32).prop_map(Op::Long),
    ];
    let bad = (vec(harmless(profile), 0..2), bad, vec(harmless(profile), 0..2));
    let bad = bad.prop_map(|(mut ops, bad, after)| {
        ops.push(bad);
        ops.extend(after);
        ops
    });
    let last = (vec(harmless(profile), 0..2), select(LAST_LINES).prop_map(Op::Line));
    let last = last.prop_map(|(mut ops, last)| {
        ops.push(last);
        ops
    });
    prop_oneof![80 => vec(harmless(profile), 1..5), 2 => bad, 2 => wild, 1 => last]
}

/// No LF: behind a blank the real server takes it for an argument's first byte, and a subject with one breaks what it is delivered in.
/// No CR: see `only_line_ends`.
fn wild_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        select(&b" \t.*>0129{}\"PSUBx\0\xff"[..]),
        any::<u8>().prop_filter("no line ends", |byte| !b"\r\n".contains(byte))
    ]
}

fn step(profile: &Profile) -> impl Strategy<Value = Step> + use<> {
    let cuts = prop_oneof![3 => Just(Vec::new()), 1 => vec(any::<u16>(), 1..4)];
    let connection = prop_oneof![4 => Just(0usize), 3 => Just(1), 2 => Just(2), 1 => Just(3)];
    (connection, ops(profile), cuts, proptest::bool::weighted(0.02)).prop_map(|(connection, ops, cuts, end)| Step {
        connection,
        ops,
        cuts,
        end,
    })
}

/// Sequences for a configuration.
pub(crate) fn sequence(profile: &Profile) -> BoxedStrategy<Sequence> {
    let greeting = prop_oneof![9 => connect(profile).prop_map(Some), 1 => Just(None)];
    (vec(greeting, CONNECTIONS), vec(step(profile), 1..20))
        .prop_map(|(greetings, steps)| Sequence { greetings, steps })
        .boxed()
}
