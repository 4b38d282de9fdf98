//! Headers and statuses of messages that cross.

use crate::{Message, StatusCode};
use async_nats::header::{HeaderName, HeaderValue};
use bytes::Bytes;
use std::fmt::Write as _;

/// The headers that carry the status of a response to the server's side. DIFFERENCE: the client library writes no status line (H7).
/// Clients in Go, Python and C take these headers for one.
pub(super) const STATUS: &str = "Status";
pub(super) const DESCRIPTION: &str = "Description";

/// Where the server says which subject a message is about.
const SUBJECT: &str = "Nats-Subject";

/// A message without a receiver: the far side gets it when there is no responder on the bus for its
/// request.
pub(super) fn no_responders(subject: &str) -> Message {
    let nothing =
        Message::new(crate::Subject::new("nobody").expect("a subject"), "").expect("a subject is taken as it is");
    let mut headers = crate::HeaderMap::new();
    // A subject that the server let through may hold what a header can't; then the response does without it.
    let _ = headers.insert(SUBJECT, subject);
    nothing.with_headers(headers).with_status(StatusCode::NO_RESPONDERS, "")
}

/// Bytes of these headers on the wire.
pub(super) fn wire_len(headers: &async_nats::HeaderMap) -> usize {
    let lines = headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let len = |(name, value): (&HeaderName, &HeaderValue)| AsRef::<str>::as_ref(name).len() + value.as_str().len() + 4;
    "NATS/1.0\r\n\r\n".len() + lines.map(len).sum::<usize>()
}

/// The header block of a message from the server; `None` if it has none. DIFFERENCE: headers of the same name stand together, and the
/// client library keeps no order of names.
pub(super) fn block(message: &async_nats::Message, is_response: bool) -> Option<Bytes> {
    let none = async_nats::HeaderMap::new();
    let headers = message.headers.as_ref().unwrap_or(&none);
    if headers.is_empty() && message.status.is_none() {
        return None;
    }
    let mut text = String::from("NATS/1.0");
    let as_header = (is_response && message.payload.is_empty() && message.status.is_none())
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
    text.push_str("\r\n");
    Some(Bytes::from(text))
}

/// The status of a response, in either form.
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
