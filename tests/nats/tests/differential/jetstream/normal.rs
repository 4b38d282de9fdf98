//! The tolerances: what is a server's own in a message is replaced by a word.
//!
//! | tolerance | reason |
//! |---|---|
//! | instants, nanoseconds | each server stores and answers at its own time |
//! | ids | advisories, pins and requests of flow control carry random ids |
//! | names | a consumer without a name gets a random one |
//! | totals of the API | the earlier sequences of the session count too, however they ended |
//! | deletions | a file stream that never held a message lists the sequence 0 as deleted |
//! | members | which member of a queue group gets a message is luck |
//! | end | advisories of a stream's deletion are at times lost with the stream's queue; its consumers end in any order |
//! | order | streams, answers of the API, advisories and deliveries leave by queues of their own |

use super::session::{ADVISORIES, ANSWERS, Answers, PUSHES};
use crate::support::wire::Delivery;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What differs from run to run.
#[derive(Debug, Default)]
pub(crate) struct Names {
    run: String,
    /// The totals of the API before the sequence.
    totals: [u64; 2],
    nameless: Vec<String>,
    pin: String,
}

impl Names {
    /// `info`: the account's information before the sequence.
    pub(crate) fn new(run: &str, info: &str) -> Self {
        let totals = ["\"total\":", "\"errors\":"].map(|key| number_behind(info, key).map_or(0, |(_, number)| number));
        Names { run: run.to_owned(), totals, ..Names::default() }
    }

    /// Replaces the words of operations.
    pub(crate) fn filled(&self, text: &str) -> String {
        let nameless = self.nameless.last().map_or("nobody", |name| name);
        text.replace('%', &self.run).replace("{E}", nameless).replace("{P}", &self.pin)
    }

    /// Notes random names.
    pub(crate) fn learn(&mut self, message: &Delivery) {
        let payload = String::from_utf8_lossy(&message.payload);
        if payload.starts_with("{\"type\":\"io.nats.jetstream.api.v1.consumer_create_response\"")
            && let Some(name) = between(&payload, "\"name\":\"", "\"")
            && name.len() == 8
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !self.nameless.iter().any(|known| known == name)
        {
            self.nameless.push(name.to_owned());
        }
        let head = message.header.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        if let Some(pin) = between(&head, "Nats-Pin-Id: ", "\r\n") {
            pin.clone_into(&mut self.pin);
        }
    }
}

/// A message without what is its server's own.
pub(crate) fn shown(message: &Delivery, names: &Names) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "\u{240d}");
    let subject = text(&message.subject);
    let reply = message.reply.as_deref().map(text).unwrap_or_default();
    let head = message.header.as_deref().map(text).unwrap_or_default();
    let mut out = String::new();
    let payload = with_readable_headers(&text(&message.payload));
    let _ = write!(
        out,
        "{subject} {} {}{}",
        without_nanos(&reply),
        without_instants(&without_nanos(&head)),
        without_instants(&without_nanos(&payload))
    );
    for (key, end) in [("\"id\":\"", "\""), ("\"pinned_id\":\"", "\""), ("Nats-Pin-Id: ", "\u{240d}"), ("$JS.FC.", " ")]
    {
        mask(&mut out, key, end);
    }
    for key in ["\"pause_remaining\":", "\"ack_time\":"] {
        if let Some((at, _)) = number_behind(&out, key) {
            out.replace_range(at, "<nanos>");
        }
    }
    mask(&mut out, "\"account\":\"", "\"");
    if out.contains("account_info_response") {
        for (key, before) in ["\"total\":", "\"errors\":"].into_iter().zip(names.totals) {
            if let Some((at, number)) = number_behind(&out, key) {
                out.replace_range(at, &format!("+{}", number - before));
            }
        }
    }
    for (at, name) in names.nameless.iter().enumerate() {
        out = out.replace(name, &format!("<nameless {at}>"));
    }
    out.replace("\"num_deleted\":1,\"deleted\":[0],", "").replace(&names.run, "%")
}

/// The answers of a step by subscription; those to requests, advisories and pushes in any order: each says where it belongs.
pub(crate) fn view(answers: &Answers) -> BTreeMap<u8, Vec<&str>> {
    let mut view = BTreeMap::<u8, Vec<&str>>::new();
    let is_end = answers.iter().any(|(_, text)| text.contains(".stream_delete_response"));
    for (sid, text) in answers.iter().filter(|(sid, _)| !is_end || *sid != ADVISORIES) {
        view.entry(*sid).or_default().push(text);
    }
    for (sid, texts) in &mut view {
        if is_end || [ADVISORIES, ANSWERS, PUSHES].contains(sid) {
            texts.sort_unstable();
        }
    }
    view
}

/// Replaces what stands between a key and an end, wherever the key is.
fn mask(text: &mut String, key: &str, end: &str) {
    let mut from = 0;
    while let Some(at) = text[from..].find(key) {
        let begin = from + at + key.len();
        let length = text[begin..].find(end).unwrap_or(text.len() - begin);
        text.replace_range(begin..begin + length, "<own>");
        from = begin;
    }
}

fn between<'a>(text: &'a str, key: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(key)?;
    Some(rest.split_once(end)?.0)
}

/// The place and the value of the number behind a key.
fn number_behind(text: &str, key: &str) -> Option<(std::ops::Range<usize>, u64)> {
    let begin = text.find(key)? + key.len();
    let length = text[begin..].bytes().take_while(u8::is_ascii_digit).count();
    let range = begin..begin + length;
    let number = text[range.clone()].parse().ok()?;
    Some((range, number))
}

/// Replaces the time in the reply subject of a delivery.
fn without_nanos(reply: &str) -> String {
    let is_nanos = |token: &&str| token.len() == 19 && token.bytes().all(|byte| byte.is_ascii_digit());
    let tokens = reply.split('.').map(|token| if is_nanos(&token) { "<nanos>" } else { token });
    tokens.collect::<Vec<_>>().join(".")
}

/// Years of instants that operations name. The zero instant is no server's own either.
const YEARS: [&str; 4] = ["0001", "2000", "2020", "2099"];

/// Replaces instants in UTC.
fn without_instants(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('T') {
        let instant = at.checked_sub(10).and_then(|begin| {
            let from = rest.get(begin..)?;
            let length = from.bytes().take_while(|byte| byte.is_ascii_digit() || b"-:.TZ".contains(byte)).count();
            let candidate = &from[..length];
            let end = candidate.find('Z')? + 1;
            let is_own = end >= 20 && !YEARS.contains(&&candidate[..4]) && candidate.as_bytes()[4] == b'-';
            is_own.then_some((begin, end))
        });
        if let Some((begin, length)) = instant {
            out.push_str(&rest[..begin]);
            out.push_str("<instant>");
            rest = &rest[begin + length..];
        } else {
            out.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
        }
    }
    out.push_str(rest);
    out
}

/// Decodes the headers of a stored message: they may hold instants.
fn with_readable_headers(payload: &str) -> String {
    let Some(encoded) = between(payload, "\"hdrs\":\"", "\"") else { return payload.to_owned() };
    let Ok(bytes) = BASE64_STANDARD.decode(encoded) else { return payload.to_owned() };
    payload.replace(encoded, &String::from_utf8_lossy(&bytes).replace("\r\n", "\u{240d}"))
}
