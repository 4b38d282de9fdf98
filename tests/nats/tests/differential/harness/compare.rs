//! Whether two transcripts are equal, and the tolerances: each is a function that takes away one thing that NATS leaves open.

use super::operation::SHARED;
use super::run::{Received, StepTranscript, Transcript};
use crate::support::wire::{Delivery, Frame};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// A step of a transcript, as far as it is to be equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    connections: BTreeMap<usize, Vec<Frame>>,
    /// The deliveries to shared queue groups, whichever member got them.
    groups: Vec<(&'static str, Delivery)>,
}

/// Takes permitted differences away from a view.
type Tolerance = fn(&mut View);

/// The tolerances, each with the rule that permits it.
pub(crate) const TOLERANCES: [(&str, &str); 9] = [
    (
        "identity",
        "C2: ids, names, ports, counters, keys and builds in INFO are a server's own; their types are compared",
    ),
    ("no_address", "C4: over a pipe there is no address of the client to tell"),
    ("keep_alive", "C17: when the server sends PING is a matter of time"),
    ("sizes_re_encoded", "H6: leading zeros in the sizes of MSG and HMSG"),
    ("late_info", "C9: between PONG and the second INFO the real server may let messages of others pass"),
    ("order_across_subscriptions", "Q7: one message reaches the subscriptions of a connection in any order"),
    ("queue_member", "Q3: which member of a queue group gets a message is luck"),
    ("status_subscription", "R4: which subscription to the reply gets the 503 is arbitrary"),
    (
        "subject_error_repeated",
        "S6: the real server complains again of a pedantic client's subject where its read ended within the message",
    ),
];

const APPLY: [Tolerance; 9] = [
    identity,
    no_address,
    keep_alive,
    sizes_re_encoded,
    late_info,
    order_across_subscriptions,
    queue_member,
    status_subscription,
    subject_error_repeated,
];

/// How often each tolerance was needed: steps that would have differed without it.
pub(crate) type Needed = [u64; TOLERANCES.len()];

/// Where two transcripts differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) step: usize,
    /// The view of each of them there, after the tolerances.
    pub(crate) views: [String; 2],
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = &self.views;
        write!(f, "step {}:\n  first:\n{first}  second:\n{second}", self.step)
    }
}

/// Compares, and counts the tolerances that were needed.
///
/// # Errors
///
/// The first step that differs.
pub(crate) fn compare(first: &Transcript, second: &Transcript) -> Result<Needed, Box<Difference>> {
    let mut needed = Needed::default();
    for step in 0..first.steps.len().max(second.steps.len()) {
        let views = [first, second].map(|transcript| transcript.steps.get(step).map(view));
        let [Some(a), Some(b)] = &views else {
            return Err(difference(step, &views));
        };
        if a == b {
            continue;
        }
        let without = |left_out: usize| {
            let apply = |view: &View| {
                let mut view = view.clone();
                let kept = APPLY.iter().enumerate().filter(|(at, _)| *at != left_out);
                kept.for_each(|(_, tolerance)| tolerance(&mut view));
                view
            };
            (apply(a), apply(b))
        };
        let (a, b) = without(usize::MAX);
        if a != b {
            return Err(difference(step, &[Some(a), Some(b)]));
        }
        for (at, count) in needed.iter_mut().enumerate() {
            let (a, b) = without(at);
            *count += u64::from(a != b);
        }
    }
    if first.stalled != second.stalled {
        let views = [first, second].map(|transcript| format!("    {:?}\n", transcript.stalled));
        return Err(Box::new(Difference { step: first.steps.len(), views }));
    }
    Ok(needed)
}

fn difference(step: usize, views: &[Option<View>; 2]) -> Box<Difference> {
    let show = |view: &Option<View>| match view {
        Some(view) => view.to_string(),
        None => "    (the transcript has ended)\n".to_owned(),
    };
    Box::new(Difference { step, views: [show(&views[0]), show(&views[1])] })
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (connection, frames) in &self.connections {
            let name = char::from(b'A' + u8::try_from(*connection).unwrap_or(25));
            frames.iter().try_for_each(|frame| writeln!(f, "    {name} gets {frame}"))?;
        }
        self.groups.iter().try_for_each(|(group, delivery)| writeln!(f, "    group {group} gets {delivery:?}"))
    }
}

/// A step as it came.
pub(crate) fn view(step: &StepTranscript) -> View {
    let mut connections = BTreeMap::<usize, Vec<Frame>>::new();
    for Received { connection, frames } in step {
        connections.entry(*connection).or_default().extend(frames.iter().cloned());
    }
    View { connections, groups: Vec::new() }
}

/// A step as scripts write it down: what each connection got, and what shared groups got. The PONG of the barrier is left out, and
/// INFO unless it is asked for; with `any_sid`, so is the sid of a 503.
pub(crate) fn expectation(
    mut view: View,
    info: bool,
    any_sid: bool,
    has_barrier: impl Fn(usize) -> bool,
) -> Vec<String> {
    for (connection, frames) in &mut view.connections {
        if has_barrier(*connection) {
            let at = frames.len() - usize::from(frames.last() == Some(&Frame::Closed));
            if at > 0 && frames[at - 1].is_pong() {
                frames.remove(at - 1);
            }
        }
        if !info {
            frames.retain(|frame| frame.info().is_none());
        }
    }
    if any_sid {
        status_subscription(&mut view);
    }
    for tolerance in [identity, order_across_subscriptions, queue_member] {
        tolerance(&mut view);
    }
    let name = |connection: usize| char::from(b'A' + u8::try_from(connection).unwrap_or(25));
    let mut lines = Vec::new();
    for (connection, frames) in &view.connections {
        lines.extend(frames.iter().map(|frame| format!("{}< {frame}", name(*connection)).trim_end().to_owned()));
    }
    lines.extend(view.groups.iter().map(|(group, delivery)| format!("{group}< {delivery:?}")));
    lines
}

impl View {
    fn frames(&mut self) -> impl Iterator<Item = &mut Frame> {
        self.connections.values_mut().flatten()
    }
}

/// Keys of INFO whose values are a server's own, and whose types are compared.
const OWN: [&str; 5] = ["server_id", "server_name", "port", "client_id", "nonce"];

/// Keys of INFO that say how a server was built.
const BUILD: [&str; 3] = ["git_commit", "go", "xkey"];

fn identity(view: &mut View) {
    for frame in view.frames() {
        let Some(json) = frame.info() else { continue };
        let Ok(Value::Object(info)) = serde_json::from_slice(json) else { continue };
        let kept = info.into_iter().filter(|(key, _)| !BUILD.contains(&key.as_str()));
        let masked = kept.map(|(key, value)| {
            let masked = if OWN.contains(&key.as_str()) { mask(&value) } else { value };
            (key, masked)
        });
        // In the order of the keys.
        let masked: Map<String, Value> = masked.collect::<BTreeMap<_, _>>().into_iter().collect();
        // The blank before the line's end is kept: C1.
        let blank = if json.ends_with(b" ") { " " } else { "" };
        *frame = Frame::Line(format!("INFO {}{blank}", Value::Object(masked)).into_bytes());
    }
}

/// Takes the client's address out of INFO, which is in the order of its keys by now.
fn no_address(view: &mut View) {
    for frame in view.frames() {
        let Some(json) = frame.info() else { continue };
        let Ok(Value::Object(mut info)) = serde_json::from_slice(json) else { continue };
        info.remove("client_ip");
        let blank = if json.ends_with(b" ") { " " } else { "" };
        *frame = Frame::Line(format!("INFO {}{blank}", Value::Object(info)).into_bytes());
    }
}

fn mask(value: &Value) -> Value {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    Value::String(format!("<{kind}>"))
}

fn keep_alive(view: &mut View) {
    view.connections.values_mut().for_each(|frames| frames.retain(|frame| !frame.is_ping()));
}

/// Puts the second INFO before the messages that came between it and what it follows.
fn late_info(view: &mut View) {
    for frames in view.connections.values_mut() {
        for at in 1..frames.len() {
            let second = frames[at].info().is_some_and(|json| json.windows(12).any(|part| part == b"connect_info"));
            if second {
                let messages = frames[..at].iter().rev().take_while(|frame| matches!(frame, Frame::Message(_))).count();
                frames[at - messages..=at].rotate_right(1);
            }
        }
    }
}

/// Sorts by sid the frames that are equal but for the sid and come in one go: that is one message, or several that can't be
/// told apart.
fn order_across_subscriptions(view: &mut View) {
    for frames in view.connections.values_mut() {
        let mut from = 0;
        while from < frames.len() {
            let same = frames[from..].iter().take_while(|frame| same_message(&frames[from], frame)).count().max(1);
            frames[from..from + same].sort();
            from += same;
        }
    }
}

fn same_message(a: &Frame, b: &Frame) -> bool {
    match (a, b) {
        (Frame::Message(a), Frame::Message(b)) => Delivery { sid: b.sid.clone(), ..a.clone() } == *b,
        _ => false,
    }
}

/// Takes what shared groups got away from the connections, and compares it by group.
fn queue_member(view: &mut View) {
    let View { connections, groups } = view;
    for frames in connections.values_mut() {
        frames.retain(|frame| {
            let Frame::Message(delivery) = frame else { return true };
            let Some((_, group)) = SHARED.iter().find(|(sid, _)| sid.as_bytes() == delivery.sid) else { return true };
            // The member that got it may be one without headers (H5), so only what all would get is compared.
            let size = delivery.payload.len().to_string().into_bytes();
            let bare = Delivery { sid: Vec::new(), header: None, sizes: vec![size], ..delivery.clone() };
            groups.push((*group, bare));
            false
        });
    }
    groups.sort();
}

/// Takes away the sid of a 503 that the server made, unless that is the sid of a member of a queue group.
fn status_subscription(view: &mut View) {
    for frame in view.frames() {
        let Frame::Message(delivery) = frame else { continue };
        let made = delivery.payload.is_empty()
            && delivery.header.as_ref().is_some_and(|header| header.starts_with(b"NATS/1.0 503\r\nNats-Subject: "));
        let plain = !matches!(delivery.sid[..], [b'5'..=b'9']);
        if made && plain {
            delivery.sid = b"?".to_vec();
        }
    }
}

/// Leaves one of several complaints in a row.
fn subject_error_repeated(view: &mut View) {
    let complaint = Frame::Line(b"-ERR 'Invalid Publish Subject'".to_vec());
    for frames in view.connections.values_mut() {
        frames.dedup_by(|next, kept| *next == complaint && *kept == complaint);
    }
}

/// Writes sizes without leading zeros.
fn sizes_re_encoded(view: &mut View) {
    for frame in view.frames() {
        let Frame::Message(delivery) = frame else { continue };
        for size in &mut delivery.sizes {
            let zeros = size.iter().take_while(|&&digit| digit == b'0').count().min(size.len() - 1);
            size.drain(..zeros);
        }
    }
}
