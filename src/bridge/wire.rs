//! Messages of the bus as the client library wants them, and the other way round.

use super::core::Core;
use super::crossing::{Destination, Inbound, InboundExtras, Outbound};
use super::delivery::Delivery;
use super::headers::{self, DESCRIPTION, STATUS};
use super::pull::Pull;
use super::registry::LOOP_HEADER;
use super::reply::Request;
use super::stats::LossReason;
use crate::Payload;
use async_nats::header::{HeaderName, HeaderValue};
use bytes::Bytes;
use std::borrow::Cow;
use std::str::FromStr;

/// A server closes the connection on a line of more than 4,096 bytes, unless it was told otherwise. This leaves room for the rest of it.
const SUBJECT_MAX: usize = 3_800;

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
    pub(super) rest: Option<Box<WireExtras>>,
}

#[derive(Debug)]
pub(super) struct WireExtras {
    pub(super) reply: Option<String>,
    pub(super) headers: Option<async_nats::HeaderMap>,
    /// It asks for messages of a stream, and gets another reply.
    pub(super) pull: Option<Pull>,
    /// It asks for a push consumer.
    pub(super) delivery: Option<Delivery>,
}

impl Wire {
    /// # Errors
    ///
    /// Why it can't be sent.
    pub(super) fn new(
        core: &Core,
        out: &Outbound,
        max_payload: usize,
        last: &mut Option<Mapped>,
    ) -> Result<Self, LossReason> {
        let message = &out.message;
        let subject = match &out.to {
            Destination::Response(request) => request.reply.clone().into(),
            Destination::Rule(rule) => match last {
                Some(last) if last.rule == *rule && last.from == *message.subject() => last.to.clone(),
                _ => {
                    let mapped = core.outgoing.get(*rule).rule.mapping.apply(message.subject().as_str());
                    let to: async_nats::Subject = mapped.ok_or(LossReason::Invalid)?.into_owned().into();
                    *last = Some(Mapped { rule: *rule, from: message.subject().clone(), to: to.clone() });
                    to
                }
            },
        };
        let headers = outbound_headers(core, out)?;
        let size = match &headers {
            None => message.payload().len(),
            Some(headers) => message.payload().len() + headers::wire_len(headers),
        };
        if size > max_payload {
            return Err(LossReason::TooLarge);
        }
        if subject.len() > SUBJECT_MAX {
            return Err(LossReason::Invalid);
        }
        let mut pull = None;
        let reply = message.reply().map(|reply| {
            let bus_reply = reply.as_str();
            let rule = match out.to {
                Destination::Rule(rule) => Some(rule),
                Destination::Response(_) => None,
            };
            let request = Request {
                reply: bus_reply.to_owned(),
                subject: message.subject().as_str().to_owned(),
                rule,
                wants_no_responders: true,
            };
            let token = core.called.open(request);
            let reply = format!("{}.{token}", core.server_inbox.get().map_or("", String::as_str));
            if Pull::is_asked_on(&subject) {
                pull = Some(Pull { token, bus_reply: bus_reply.to_owned(), messages: Pull::batch(message.payload()) });
            }
            reply
        });
        let is_for_consumer = reply.is_some() && Delivery::is_asked_on(&subject);
        let delivery = is_for_consumer.then(|| Delivery::of(message.payload())).flatten();
        let rest =
            (reply.is_some() || headers.is_some()).then(|| Box::new(WireExtras { reply, headers, pull, delivery }));
        Ok(Wire { subject, payload: message.payload_bytes(), rest })
    }
}

fn outbound_headers(core: &Core, out: &Outbound) -> Result<Option<async_nats::HeaderMap>, LossReason> {
    let message = &out.message;
    let is_stamped = matches!(out.to, Destination::Rule(_)) && core.member.is_stamping();
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
        if !(is_stamped && name == LOOP_HEADER) {
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
        append(LOOP_HEADER, &core.member.stamped(headers))?;
    }
    Ok(Some(map))
}

/// The payload of a message that waits no more. A small one is copied into the message of the bus, which then needs no allocation.
pub(super) fn payload(item: &Inbound) -> Payload<'_> {
    let bytes = &item.payload;
    if bytes.len() <= Payload::INLINE_MAX { Payload::from(&bytes[..]) } else { Payload::from(bytes.clone()) }
}

/// A message as the rule that brought it takes it; `None` if it does not: another may come first, or it be none of its business.
pub(super) fn taken(core: &Core, rule: usize, message: async_nats::Message) -> Option<Inbound> {
    let subject = message.subject.as_str();
    let listed = core.incoming.get(rule);
    // JetStream delivers to one subject under the name of another.
    let is_renamed = !listed.rule.pattern().matches(subject);
    let is_taken = if is_renamed {
        listed.takes(message.reply.is_some())
    } else {
        core.incoming.is_first(rule, subject, message.reply.is_some()) && !(listed.is_open() && core.is_inbox(subject))
    };
    if !is_taken {
        return None;
    }
    let is_plain = message.reply.is_none() && message.headers.is_none() && message.status.is_none() && !is_renamed;
    let rest = (!is_plain).then(|| {
        let via = message.headers.as_ref().and_then(|headers| headers.get(LOOP_HEADER));
        let around = message.subject.len() + message.reply.as_ref().map_or(0, |reply| reply.len());
        Box::new(InboundExtras {
            reply: message.reply.clone(),
            head: headers::block(&message, false),
            size: message.length.saturating_sub(around),
            is_renamed,
            is_loop: via.is_some_and(|via| core.member.has_passed(via.as_str())),
        })
    });
    let async_nats::Message { subject, payload, .. } = message;
    // The client library's payload is a slice of all that it read at once, and would keep all of
    // that.
    Some(Inbound { rule, subject, payload: Bytes::copy_from_slice(&payload), rest })
}

/// The subject on the bus of a message that a rule brought.
///
/// # Errors
///
/// Why it does not go there.
pub(super) fn subject_on_bus<'a>(core: &Core, item: &'a Inbound) -> Result<Cow<'a, str>, LossReason> {
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
        // DIFFERENCE: a message that JetStream delivers has its subject in the stream. The subject that it was delivered to is known only if
        // the rule has a single subject.
        None if mapping.source().is_literal() => {
            let there = mapping.apply(mapping.source().as_str()).ok_or(LossReason::Invalid)?;
            Ok(there.into_owned().into())
        }
        None => Err(LossReason::Invalid),
    }
}
