//! The answers of a stub.

use super::report::{self, OrPanic};
use crate::{HeaderMap, Message, Payload, StatusCode, Subject};
use bytes::Bytes;
use std::time::Duration;

/// The answer of a [`Stub`](super::Stub). Made of texts, bytes and JSON by `into`, or by one of the functions.
#[derive(Clone, Debug)]
#[must_use]
pub struct Answer(pub(super) Vec<Part>);

#[derive(Clone, Debug)]
pub(super) struct Part {
    content: Content,
    headers: HeaderMap,
    pub(super) delay: Duration,
}

#[derive(Clone, Debug)]
enum Content {
    Payload(Bytes),
    Status(StatusCode, String),
}

impl Answer {
    /// A payload.
    pub fn payload<'a>(payload: impl Into<Payload<'a>>) -> Self {
        Answer::of(Content::Payload(payload.into().into_bytes()))
    }

    /// JSON.
    ///
    /// # Panics
    ///
    /// If the value can't be written as JSON.
    #[track_caller]
    pub fn json(value: impl serde::Serialize) -> Self {
        let written = serde_json::to_vec(&value).map_err(report::not_json);
        Answer::payload(written.or_panic())
    }

    /// The answer of NATS services when they fail: the code and the text in the headers `Nats-Service-Error-Code` and
    /// `Nats-Service-Error`, and no payload.
    ///
    /// # Panics
    ///
    /// If the text has a line break in it.
    #[track_caller]
    pub fn error(code: u16, text: &str) -> Self {
        Answer::payload("").header("Nats-Service-Error-Code", code.to_string()).header("Nats-Service-Error", text)
    }

    /// A status in place of a payload (H7).
    pub fn status(status: StatusCode, description: &str) -> Self {
        Answer::of(Content::Status(status, description.to_owned()))
    }

    /// The news that there are no responders: the request fails as if there were none (R2).
    pub fn no_responders() -> Self {
        Answer::status(StatusCode::NO_RESPONDERS, "")
    }

    /// No answer: the request runs into its time limit.
    pub fn nothing() -> Self {
        Answer(Vec::new())
    }

    /// Several answers to one request, one after the other.
    pub fn several(answers: impl IntoIterator<Item = impl Into<Answer>>) -> Self {
        Answer(answers.into_iter().flat_map(|answer| answer.into().0).collect())
    }

    /// With a header more.
    ///
    /// # Panics
    ///
    /// If the name or the value can't be in a header.
    #[track_caller]
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        for part in &mut self.0 {
            part.headers.append(&name, &value).map_err(|error| format!("not a header: {error}")).or_panic();
        }
        self
    }

    /// Later, by the bus's clock. An answer to come does not count as activity: a kit settles before
    /// it.
    pub fn after(mut self, delay: Duration) -> Self {
        self.0.iter_mut().for_each(|part| part.delay = delay);
        self
    }

    fn of(content: Content) -> Self {
        Answer(vec![Part { content, headers: HeaderMap::new(), delay: Duration::ZERO }])
    }
}

impl Part {
    pub(super) fn message(&self, reply: &Subject) -> Option<Message> {
        let payload = match &self.content {
            Content::Payload(payload) => payload.clone(),
            Content::Status(..) => Bytes::new(),
        };
        let message = Message::new(reply.clone(), payload).ok()?.with_headers(self.headers.clone());
        Some(match &self.content {
            Content::Payload(_) => message,
            Content::Status(status, text) => message.with_status(*status, text),
        })
    }
}

impl From<()> for Answer {
    /// An empty payload.
    fn from((): ()) -> Self {
        Answer::payload("")
    }
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        Answer::payload(text)
    }
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Answer::payload(text)
    }
}

impl From<&[u8]> for Answer {
    fn from(bytes: &[u8]) -> Self {
        Answer::payload(bytes)
    }
}

impl From<Vec<u8>> for Answer {
    fn from(bytes: Vec<u8>) -> Self {
        Answer::payload(bytes)
    }
}

impl From<Bytes> for Answer {
    fn from(bytes: Bytes) -> Self {
        Answer::payload(bytes)
    }
}

impl From<serde_json::Value> for Answer {
    fn from(value: serde_json::Value) -> Self {
        Answer::payload(value.to_string())
    }
}
