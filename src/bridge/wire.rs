//! Messages of the bus as the client library wants them, and the other way round.

use super::core::{Core, In, Out, Rest, To};
use super::registry::VIA;
use super::reply::Request;
use super::stats::LossReason;
use crate::message::StatusCode;
use crate::{Message, Payload};
use async_nats::header::{HeaderName, HeaderValue};
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::str::FromStr;

/// A server closes the connection on a line of more than 4,096 bytes, unless it was told otherwise. This leaves room for the rest of it.
const SUBJECT_MAX: usize = 3_800;

/// The headers that carry the status of an answer to the server's side. DIFFERENCE: the client library writes no status line (H7).
/// Clients in Go, Python and C take these headers for one.
const STATUS: &str = "Status";
const DESCRIPTION: &str = "Description";

/// Where the server says which subject a message is about.
const SUBJECT: &str = "Nats-Subject";

/// The last subject that was mapped: many messages have that of the one before.
#[derive(Debug)]
pub(super) struct Mapped {
    rule: usize,
    from: crate::Subject,
    to: async_nats::Subject,
}

/// A message as it is handed to the client library.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) subject: async_nats::Subject,
    pub(super) payload: Bytes,
    /// The rare parts, which are put aside because a message is moved several times.
    pub(super) rest: Option<Box<WireRest>>,
}

#[derive(Debug)]
pub(super) struct WireRest {
    pub(super) reply: Option<String>,
    pub(super) headers: Option<async_nats::HeaderMap>,
}

impl Wire {
    /// # Errors
    ///
    /// Why it can't be sent.
    pub(super) fn new(
        core: &Core,
        out: &Out,
        max_payload: usize,
        last: &mut Option<Mapped>,
    ) -> Result<Self, LossReason> {
        let message = &out.message;
        let subject = match &out.to {
            To::Answer(request) => request.reply.clone().into(),
            To::Rule(rule) => match last {
                Some(last) if last.rule == *rule && last.from == *message.subject() => last.to.clone(),
                _ => {
                    let mapped = core.outgoing.get(*rule).rule.mapping.apply(message.subject().as_str());
                    let to: async_nats::Subject = mapped.ok_or(LossReason::Invalid)?.into_owned().into();
                    *last = Some(Mapped { rule: *rule, from: message.subject().clone(), to: to.clone() });
                    to
                }
            },
        };
        let headers = headers(core, out)?;
        let size = match &headers {
            None => message.payload().len(),
            Some(headers) => message.payload().len() + wire_len(headers),
        };
        if size > max_payload {
            return Err(LossReason::TooLarge);
        }
        if subject.len() > SUBJECT_MAX {
            return Err(LossReason::Invalid);
        }
        let reply = message.reply().map(|reply| {
            let (reply, subject) = (reply.as_str().to_owned(), message.subject().as_str().to_owned());
            let rule = match out.to {
                To::Rule(rule) => Some(rule),
                To::Answer(_) => None,
            };
            let request = Request { reply, subject, rule, is_told_of_nobody: true };
            let token = core.called.open(request);
            format!("{}.{token}", core.far_root.get().map_or("", String::as_str))
        });
        let rest = (reply.is_some() || headers.is_some()).then(|| Box::new(WireRest { reply, headers }));
        Ok(Wire { subject, payload: message.payload_bytes(), rest })
    }
}

fn headers(core: &Core, out: &Out) -> Result<Option<async_nats::HeaderMap>, LossReason> {
    let message = &out.message;
    let is_stamped = matches!(out.to, To::Rule(_)) && core.member.is_stamping();
    let (headers, status) = (message.headers(), message.status());
    if headers.is_empty() && status.is_none() {
        // A block that can't be read (H2) can't be written by the client library either.
        if message.header_block().is_some_and(|block| !block.trim_ascii_end().eq_ignore_ascii_case(b"NATS/1.0")) {
            return Err(LossReason::Invalid);
        }
        if !is_stamped {
            return Ok(None);
        }
    }
    let mut map = async_nats::HeaderMap::new();
    let mut append = |name: &str, value: &str| {
        let name = HeaderName::from_str(name).map_err(|_| LossReason::Invalid)?;
        let value = HeaderValue::from_str(value).map_err(|_| LossReason::Invalid)?;
        map.append(name, value);
        Ok(())
    };
    for (name, value) in headers.iter() {
        if !(is_stamped && name == VIA) {
            append(name, value)?;
        }
    }
    if let Some(status) = status {
        append(STATUS, &status.to_string())?;
        if !message.status_description().is_empty() {
            append(DESCRIPTION, message.status_description())?;
        }
    }
    if is_stamped {
        append(VIA, &core.member.stamped(headers))?;
    }
    Ok(Some(map))
}

/// A message without a receiver: the far side gets it when there is no responder on the bus for its
/// request.
pub(super) fn no_responders(subject: &str) -> Message {
    let nothing =
        Message::new(crate::Subject::new("nobody").expect("a subject"), "").expect("a subject is taken as it is");
    let mut headers = crate::HeaderMap::new();
    // A subject that the server let through may hold what a header can't; then the answer does without it.
    let _ = headers.insert(SUBJECT, subject);
    nothing.with_headers(headers).with_status(StatusCode::NO_RESPONDERS, "")
}

fn wire_len(headers: &async_nats::HeaderMap) -> usize {
    let lines = headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let len = |(name, value): (&HeaderName, &HeaderValue)| AsRef::<str>::as_ref(name).len() + value.as_str().len() + 4;
    "NATS/1.0\r\n\r\n".len() + lines.map(len).sum::<usize>()
}

/// The header block of a message from the server; `None` if it has none. DIFFERENCE: headers of the same name stand together, and the
/// client library keeps no order of names. One that was delivered under another name, as JetStream does, says under which.
pub(super) fn block(message: &async_nats::Message, is_answer: bool, renamed: Option<&str>) -> Option<Bytes> {
    let none = async_nats::HeaderMap::new();
    let headers = message.headers.as_ref().unwrap_or(&none);
    if headers.is_empty() && message.status.is_none() && renamed.is_none() {
        return None;
    }
    let mut text = String::from("NATS/1.0");
    let as_header = (is_answer && message.payload.is_empty() && message.status.is_none())
        .then(|| headers.get(STATUS).and_then(|value| value.as_str().parse().ok()).and_then(StatusCode::new))
        .flatten();
    if let Some(status) = &message.status {
        let _ = write!(text, " {:03}", status.as_u16());
        if let Some(description) = message.description.as_deref().filter(|text| !text.is_empty()) {
            let _ = write!(text, " {description}");
        }
    } else if let Some(status) = as_header {
        let _ = write!(text, " {status}");
        if let Some(description) = headers.get(DESCRIPTION) {
            let _ = write!(text, " {}", description.as_str());
        }
    }
    text.push_str("\r\n");
    for (name, values) in headers.iter() {
        let name: &str = name.as_ref();
        if as_header.is_some() && (name == STATUS || name == DESCRIPTION) {
            continue;
        }
        for value in values {
            let _ = write!(text, "{name}: {}\r\n", value.as_str());
        }
    }
    if let Some(subject) = renamed {
        let _ = write!(text, "{SUBJECT}: {subject}\r\n");
    }
    text.push_str("\r\n");
    Some(Bytes::from(text))
}

/// The status of an answer, in either form.
pub(super) fn is_no_responders(message: &async_nats::Message) -> bool {
    let code = StatusCode::NO_RESPONDERS.as_u16();
    let in_headers = || {
        let status = message.headers.as_ref()?.get(STATUS)?.as_str().parse::<u16>().ok()?;
        Some(status == code)
    };
    message.payload.is_empty()
        && match &message.status {
            Some(status) => status.as_u16() == code,
            None => in_headers() == Some(true),
        }
}

/// The payload of a message that waits no more. A small one is copied into the message of the bus, which then needs no allocation.
pub(super) fn payload(item: &In) -> Payload<'_> {
    let bytes = &item.payload;
    if bytes.len() <= Payload::INLINE_MAX { Payload::from(&bytes[..]) } else { Payload::from(bytes.clone()) }
}

/// A message as the rule that brought it takes it; `None` if it does not: another may come first, or it be none of its business.
pub(super) fn taken(core: &Core, rule: usize, message: async_nats::Message) -> Option<In> {
    let subject = message.subject.as_str();
    let listed = core.incoming.get(rule);
    // JetStream delivers to one subject under the name of another.
    let is_renamed = !listed.rule.pattern().matches(subject);
    let is_taken = if is_renamed {
        listed.takes(message.reply.is_some())
    } else {
        core.incoming.is_first(rule, subject, message.reply.is_some())
            && !(listed.is_open() && core.is_private(subject))
    };
    if !is_taken {
        return None;
    }
    let is_plain = message.reply.is_none() && message.headers.is_none() && message.status.is_none() && !is_renamed;
    let rest = (!is_plain).then(|| {
        let via = message.headers.as_ref().and_then(|headers| headers.get(VIA));
        let around = message.subject.len() + message.reply.as_ref().map_or(0, |reply| reply.len());
        Box::new(Rest {
            reply: message.reply.clone(),
            head: block(&message, false, is_renamed.then_some(subject)),
            size: message.length.saturating_sub(around),
            is_renamed,
            is_loop: via.is_some_and(|via| core.member.has_passed(via.as_str())),
        })
    });
    let async_nats::Message { subject, payload, .. } = message;
    // The client library's payload is a slice of all that it read at once, and would keep all of
    // that.
    Some(In { rule, subject, payload: Bytes::copy_from_slice(&payload), rest })
}

/// The subject on the bus of a message that a rule brought.
///
/// # Errors
///
/// Why it does not go there.
pub(super) fn subject_on_bus<'a>(core: &Core, item: &'a In) -> Result<Cow<'a, str>, LossReason> {
    let (subject, rest) = (item.subject.as_str(), item.rest.as_deref());
    if rest.is_some_and(|rest| rest.is_loop) {
        return Err(LossReason::Loop);
    }
    let mapping = &core.incoming.get(item.rule).rule.mapping;
    if mapping.is_same() && rest.is_none_or(|rest| !rest.is_renamed) {
        return Ok(subject.into());
    }
    match mapping.apply(subject) {
        Some(subject) => Ok(subject),
        // A message that JetStream delivers has its subject in the stream. The subject that it was delivered to is known only if
        // the rule has a single subject.
        None if mapping.source().is_literal() => {
            let there = mapping.apply(mapping.source().as_str()).ok_or(LossReason::Invalid)?;
            Ok(there.into_owned().into())
        }
        None => Err(LossReason::Invalid),
    }
}
