//! Requests to both servers, and their answers side by side.
//!
//! Ours answers before the PONG of a PING that was sent behind the request; of the real server as many answers are awaited.

use super::places::{Ours, Place, Real, Setup};
use super::support::wire::{Delivery, Frame, Wire, dial};
use std::fmt::Write as _;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A request, or a publish.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) subject: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

/// A request with a body.
pub(crate) fn ask(subject: &str, body: &str) -> Step {
    Step { subject: subject.to_owned(), headers: Vec::new(), body: body.as_bytes().to_vec() }
}

/// An API call.
pub(crate) fn api(call: &str, body: &str) -> Step {
    ask(&format!("$JS.API.{call}"), body)
}

impl Step {
    pub(crate) fn header(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }
}

struct Session {
    wire: Wire,
    asked: usize,
}

impl Session {
    fn start(place: &impl Place, watched: &[&str]) -> Self {
        let mut wire = Wire::new(dial(&place.addr()).expect("a server"), PATIENCE);
        wire.send(b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nSUB _R.> 1\r\nPING\r\n");
        wire.until_pong(1).expect("a connection");
        for pattern in watched {
            wire.send(format!("SUB {pattern} 2\r\nPING\r\n").as_bytes());
            wire.until_pong(1).expect("a subscription");
        }
        Session { wire, asked: 0 }
    }

    fn send(&mut self, step: &Step) -> String {
        self.asked += 1;
        let reply = format!("_R.{}", self.asked);
        let mut frame = Vec::new();
        if step.headers.is_empty() {
            frame.extend(format!("PUB {} {reply} {}\r\n", step.subject, step.body.len()).bytes());
        } else {
            let block = format!("NATS/1.0\r\n{}\r\n\r\n", step.headers.join("\r\n"));
            let total = block.len() + step.body.len();
            frame.extend(format!("HPUB {} {reply} {} {total}\r\n{block}", step.subject, block.len()).bytes());
        }
        frame.extend(&step.body);
        frame.extend(b"\r\n");
        self.wire.send(&frame);
        reply
    }

    /// The messages that a step brings, up to the PONG and, behind it, up to so many.
    fn take(&mut self, step: &Step, count: usize) -> Vec<String> {
        let reply = self.send(step);
        self.wire.send(b"PING\r\n");
        let mut pongs = 0;
        let mut answers = Vec::new();
        while pongs == 0 || answers.len() < count {
            match self.wire.next() {
                Ok(Frame::Message(message)) => answers.push(shown(&message, &reply)),
                Ok(frame) if frame.is_pong() => pongs += 1,
                Ok(frame) if frame.is_ping() => self.wire.send(b"PONG\r\n"),
                // Words about the subject, which are the protocol's.
                Ok(frame) => assert!(!frame.is_last(), "the connection ended: {answers:?}"),
                Err(stalled) => {
                    answers.push(format!("(nothing for {:?})", stalled.after));
                    break;
                }
            }
        }
        answers
    }
}

/// A message without what differs from run to run.
fn shown(message: &Delivery, reply: &str) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let subject = text(&message.subject);
    let answers_to = message.reply.as_deref().map(text).unwrap_or_default();
    let subject = if subject == reply { "reply" } else { &subject };
    let head = message.header.as_deref().map(text).unwrap_or_default();
    let mut out = String::new();
    let _ = write!(
        out,
        "{subject} {}: {}{}",
        without_nanos(&answers_to),
        without_instants(&head),
        without_instants(&text(&message.payload))
    );
    out
}

/// Replaces the time in the reply subject of a delivery.
fn without_nanos(reply: &str) -> String {
    let is_nanos = |token: &&str| token.len() == 19 && token.bytes().all(|byte| byte.is_ascii_digit());
    let tokens = reply.split('.').map(|token| if is_nanos(&token) { "<nanos>" } else { token });
    tokens.collect::<Vec<_>>().join(".")
}

/// Replaces instants, but for the first there is, and identities.
fn without_instants(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("20") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let length = from.bytes().take_while(|byte| byte.is_ascii_digit() || b"-:.TZ".contains(byte)).count();
        let candidate = &from[..length];
        let is_instant = length >= 20 && candidate.ends_with('Z') && &candidate[10..11] == "T";
        if is_instant {
            out.push_str("<instant>");
            rest = &from[length..];
        } else {
            out.push_str("20");
            rest = &from[2..];
        }
    }
    out.push_str(rest);
    if let Some(at) = out.find("\"pause_remaining\":") {
        let begin = at + "\"pause_remaining\":".len();
        let length = out[begin..].bytes().take_while(u8::is_ascii_digit).count();
        out.replace_range(begin..begin + length, "<nanos>");
    }
    for (key, end) in [("\"id\":\"", '"'), ("\"client\":{", '}')] {
        while let Some(at) = out.find(key).filter(|at| !out[at + key.len()..].starts_with('<')) {
            let begin = at + key.len();
            let length = out[begin..].find(end).unwrap_or(0);
            out.replace_range(begin..begin + length, "<own>");
        }
    }
    out
}

/// A text from a little before a place on.
fn from_near(text: &str, at: usize) -> &str {
    let begin = (0..=at.saturating_sub(80)).rev().find(|begin| text.is_char_boundary(*begin)).unwrap_or(0);
    &text[begin..]
}

/// Sends the steps to both servers, one after the other, and compares all answers.
pub(crate) fn compare(steps: &[Step]) {
    run(Setup::default(), &[], steps);
}

/// The same, with advisories; the answers of one step in any order.
pub(crate) fn compare_watched(watched: &[&str], steps: &[Step]) {
    run(Setup::default(), watched, steps);
}

/// The same on servers that are set up so.
pub(crate) fn compare_on(setup: Setup, steps: &[Step]) {
    run(setup, &[], steps);
}

fn run(setup: Setup, watched: &[&str], steps: &[Step]) {
    let (ours, real) = (Ours::start(setup), Real::start(setup));
    let (mut our_session, mut real_session) = (Session::start(&ours, watched), Session::start(&real, watched));
    let mut faults = String::new();
    for step in steps {
        let mut our_answers = our_session.take(step, 0);
        let mut real_answers = real_session.take(step, our_answers.len());
        // The response and the end of requests that wait leave the real server by two queues.
        if !watched.is_empty() || step.subject.starts_with("$JS.API.CONSUMER.DELETE.") {
            our_answers.sort();
            real_answers.sort();
        }
        if our_answers != real_answers {
            let body = String::from_utf8_lossy(&step.body);
            let _ = writeln!(faults, "{} {:?} {body}", step.subject, step.headers);
            let (ours, real) = (our_answers.join("\n        "), real_answers.join("\n        "));
            let same = ours.bytes().zip(real.bytes()).take_while(|(one, other)| one == other).count();
            let _ = writeln!(faults, "  ours: {}", from_near(&ours, same));
            let _ = writeln!(faults, "  real: {}", from_near(&real, same));
        }
    }
    assert!(faults.is_empty(), "answers differ\n{faults}");
}
