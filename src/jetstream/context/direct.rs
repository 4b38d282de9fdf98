//! Several stored messages in one answer, read directly (JS84, JS85).

use super::api::{Api, body};
use super::error::{GetMessageError, MessagesError, Operation};
use super::items::{Items, items};
use super::message::JsMessage;
use super::receive::{Inflow, Intake, Outcome, Received};
use super::stored::{self, StreamMessage};
use crate::jetstream::engine::Timestamp;
use crate::{Limits, Message, RequestError, StatusCode, SubscribeOptions};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The messages that [`Stream::direct_get_batch`](super::Stream::direct_get_batch) reads. By default the first 100 of the stream.
#[derive(Clone, Debug)]
#[must_use]
pub struct DirectBatch {
    batch: u64,
    max_bytes: u64,
    first_seq: u64,
    start_time: Option<Timestamp>,
    pattern: String,
    last_of: Vec<String>,
    up_to_seq: u64,
    up_to_time: Option<Timestamp>,
}

impl DirectBatch {
    /// The first 100 messages of the stream.
    pub fn new() -> Self {
        DirectBatch {
            batch: 100,
            max_bytes: 0,
            first_seq: 1,
            start_time: None,
            pattern: String::new(),
            last_of: Vec::new(),
            up_to_seq: 0,
            up_to_time: None,
        }
    }

    /// The last message of each subject that one of these patterns matches, by sequence; at most 1,024 subjects.
    pub fn last_of<T: Into<String>>(patterns: impl IntoIterator<Item = T>) -> Self {
        let last_of = patterns.into_iter().map(Into::into).collect();
        DirectBatch { batch: 0, first_seq: 0, last_of, ..DirectBatch::new() }
    }

    /// At most so many messages, and at least 1.
    pub fn messages(mut self, count: u64) -> Self {
        self.batch = count.max(1);
        self
    }

    /// It ends with the message that reaches so many bytes: subject, headers and payload. The server's limit is 64 MiB.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Only messages on subjects that this pattern matches. Not together with [`DirectBatch::last_of`].
    pub fn on(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = pattern.into();
        self
    }

    /// Only messages from this sequence on.
    pub fn from_sequence(mut self, seq: u64) -> Self {
        (self.first_seq, self.start_time) = (seq, None);
        self
    }

    /// Only messages that were stored at this instant or later. Not together with [`DirectBatch::last_of`].
    pub fn from_time(mut self, time: Timestamp) -> Self {
        (self.first_seq, self.start_time) = (0, Some(time));
        self
    }

    /// With [`DirectBatch::last_of`]: as the stream was when this was its last sequence.
    pub fn up_to_sequence(mut self, seq: u64) -> Self {
        (self.up_to_seq, self.up_to_time) = (seq, None);
        self
    }

    /// With [`DirectBatch::last_of`]: as the stream was before this instant.
    pub fn up_to_time(mut self, time: Timestamp) -> Self {
        (self.up_to_seq, self.up_to_time) = (0, Some(time));
        self
    }

    fn body(&self) -> String {
        body(|object| {
            object.some_number("seq", self.first_seq);
            object.some_text("next_by_subj", &self.pattern);
            object.some_number("batch", self.batch);
            object.some_number("max_bytes", self.max_bytes);
            if self.start_time.is_some() {
                object.instant("start_time", self.start_time);
            }
            object.some_texts("multi_last", &self.last_of);
            object.some_number("up_to_seq", self.up_to_seq);
            if self.up_to_time.is_some() {
                object.instant("up_to_time", self.up_to_time);
            }
        })
    }

    /// The most messages of the answer.
    fn most(&self) -> u64 {
        if self.last_of.is_empty() { self.batch } else { 1_024 }
    }
}

impl Default for DirectBatch {
    fn default() -> Self {
        DirectBatch::new()
    }
}

/// The messages of one direct read: for threads `recv` or a `for` loop, for tasks a [`Stream`](futures_core::Stream). The request was sent
/// when it was made. An error is its last item, but for a message that can't be read: the others follow it.
///
/// # Cancel safety
///
/// Dropping it gives up what has not been taken. A task that is dropped between two messages loses nothing.
#[derive(Debug)]
#[must_use = "the messages are only to be had from it"]
pub struct StoredMessages {
    started: Result<Inflow, Option<MessagesError>>,
    /// Where the request went.
    subject: String,
}

impl StoredMessages {
    /// Sends the request.
    pub(super) fn start(api: &Api, call: &str, asked: &DirectBatch) -> Self {
        let subject = api.subject_of(call);
        StoredMessages { started: begin(api, &subject, asked).map_err(Some), subject }
    }

    fn item(&self, received: Received) -> Result<StreamMessage, GetMessageError> {
        received.map(JsMessage::into_message).map_err(|error| self.error(error)).and_then(stored::one_of_several)
    }

    fn error(&self, error: MessagesError) -> GetMessageError {
        GetMessageError::of_request(match error {
            MessagesError::NoResponders => RequestError::NoResponders { subject: self.subject.clone() },
            MessagesError::Timeout { after } => RequestError::Timeout { after },
            MessagesError::Publish(error) => error.into(),
            MessagesError::Closed(_) => RequestError::Closed,
            other => return GetMessageError::unreadable(other.to_string()),
        })
    }
}

fn begin(api: &Api, subject: &str, asked: &DirectBatch) -> Result<Inflow, MessagesError> {
    let client = api.client();
    let inbox = client.new_inbox();
    let queued = usize::try_from(asked.most()).unwrap_or(usize::MAX).saturating_add(1);
    let options =
        SubscribeOptions::new().capacity(queued.min(Limits::CAPACITY_MAX)).capacity_bytes(Limits::CAPACITY_BYTES_MAX);
    let subscriber = client.subscribe_with(&inbox, options)?;
    let after = api.timeout();
    let ends_by = client.bus().clock().now().saturating_add(after);
    client.publish_with_reply(subject, &inbox, asked.body())?;
    Ok(Inflow::new(api.clone(), subscriber, Answer { after, ends_by }))
}

/// The answer to a direct read, as it comes.
struct Answer {
    after: Duration,
    ends_by: Duration,
}

impl Intake for Answer {
    fn handle(&mut self, _: Duration, message: Message) -> Outcome {
        match message.status() {
            None => Outcome::Message(message),
            // The end of the answer, or nothing that would be in it.
            Some(StatusCode::NOT_FOUND) => Outcome::End,
            Some(StatusCode::NO_RESPONDERS) => Outcome::Ended(MessagesError::NoResponders),
            Some(status) if status.as_u16() == 204 => Outcome::End,
            Some(status) => {
                let description = message.status_description().to_owned();
                Outcome::Ended(MessagesError::Status { status, description })
            }
        }
    }

    fn handle_timeout(&mut self, _: Duration) -> Outcome {
        Outcome::Ended(MessagesError::Timeout { after: self.after })
    }

    fn poll_timeout(&self) -> Option<Duration> {
        Some(self.ends_by)
    }
}

impl Items for StoredMessages {
    type Item = Result<StreamMessage, GetMessageError>;

    fn next_blocking(&mut self) -> Option<Self::Item> {
        let received = match &mut self.started {
            Ok(inflow) => inflow.next_blocking()?,
            Err(error) => Err(error.take()?),
        };
        Some(self.item(received))
    }
}

items!([] StoredMessages => Result<StreamMessage, GetMessageError>);

impl futures_core::Stream for StoredMessages {
    type Item = Result<StreamMessage, GetMessageError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let received = match &mut self.started {
            Ok(inflow) => std::task::ready!(inflow.poll_next(cx)),
            Err(error) => error.take().map(Err),
        };
        Poll::Ready(received.map(|received| self.item(received)))
    }
}
