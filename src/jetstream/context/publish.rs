//! Publishing into a stream, and the stream's acknowledgement (JS43 to JS62).

use super::call::{Call, Step};
use super::error::{Operation, PublishAckError};
use crate::error::HeaderError;
use crate::future::RequestFuture;
use crate::jetstream::json::read::{Fatal, Reader};
use crate::jetstream::json::response::{self, Fields};
use crate::{Client, HeaderMap, Message, Payload, RequestError, RequestOptions, ToSubject};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The acknowledgement of a stream: the message is stored, or was before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishAck {
    /// The stream.
    pub stream: String,
    /// The sequence of the message in it.
    pub sequence: u64,
    /// The domain of the server.
    pub domain: Option<String>,
    /// A message with this id was stored before (JS49); `sequence` is that one's.
    pub duplicate: bool,
    /// The new value, of a stream that counts.
    pub value: Option<String>,
}

/// Headers and expectations of one publish; given to [`JetStream::publish_with`](super::JetStream::publish_with).
///
/// # Example
///
/// ```
/// use postroom::Bus;
/// use postroom::jetstream::{self, JetStreamOptions, JetStreamServer, PublishOptions, StreamConfig};
///
/// let bus = Bus::new();
/// let _streams = JetStreamServer::start(&bus, JetStreamOptions::new())?;
/// let js = jetstream::new(bus.connect());
/// js.create_stream(StreamConfig::new("ORDERS").subjects(["orders.>"])).wait()?;
///
/// let once = || PublishOptions::new().message_id("order-1");
/// assert!(!js.publish_with("orders.1", "new", once()).wait()?.duplicate);
/// assert!(js.publish_with("orders.1", "new", once()).wait()?.duplicate);
///
/// let first = PublishOptions::new().expected_last_subject_sequence(0);
/// let error = js.publish_with("orders.1", "new", first).wait().unwrap_err();
/// assert!(error.is_wrong_last_sequence());
/// assert_eq!(error.to_string(), "wrong last sequence: 1");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PublishOptions {
    headers: HeaderMap,
    /// The first header that was refused.
    fault: Option<HeaderError>,
    timeout: Option<Duration>,
}

impl PublishOptions {
    /// Nothing set.
    pub fn new() -> Self {
        PublishOptions::default()
    }

    fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        if let Err(error) = self.headers.insert(name, value) {
            self.fault.get_or_insert(error);
        }
        self
    }

    /// Headers of the message's own, in place of all that were set before.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// The message's id, `Nats-Msg-Id`: a stream stores only one message of an id within its `duplicate_window` (JS49).
    pub fn message_id(self, id: impl AsRef<str>) -> Self {
        self.header("Nats-Msg-Id", id)
    }

    /// The stream that is to take it, `Nats-Expected-Stream`.
    pub fn expected_stream(self, stream: impl AsRef<str>) -> Self {
        self.header("Nats-Expected-Stream", stream)
    }

    /// The last sequence of the stream, `Nats-Expected-Last-Sequence`.
    pub fn expected_last_sequence(self, seq: u64) -> Self {
        self.header("Nats-Expected-Last-Sequence", seq.to_string())
    }

    /// The last sequence of the subject, `Nats-Expected-Last-Subject-Sequence`; 0: it has no message.
    pub fn expected_last_subject_sequence(self, seq: u64) -> Self {
        self.header("Nats-Expected-Last-Subject-Sequence", seq.to_string())
    }

    /// As [`expected_last_subject_sequence`](Self::expected_last_subject_sequence), of all subjects of this pattern,
    /// `Nats-Expected-Last-Subject-Sequence-Subject`.
    pub fn expected_last_subject_sequence_of(self, pattern: impl AsRef<str>, seq: u64) -> Self {
        self.header("Nats-Expected-Last-Subject-Sequence-Subject", pattern).expected_last_subject_sequence(seq)
    }

    /// The id of the last message of the stream, `Nats-Expected-Last-Msg-Id`.
    pub fn expected_last_message_id(self, id: impl AsRef<str>) -> Self {
        self.header("Nats-Expected-Last-Msg-Id", id)
    }

    /// How long the message stays, `Nats-TTL`: at least a second, on a stream that has `allow_msg_ttl`.
    pub fn ttl(self, ttl: Duration) -> Self {
        let text = match ttl.subsec_nanos() {
            0 => format!("{}s", ttl.as_secs()),
            _ => format!("{}ns", ttl.as_nanos()),
        };
        self.header("Nats-TTL", text)
    }

    /// The message never expires, `Nats-TTL: never`.
    pub fn never_expires(self) -> Self {
        self.header("Nats-TTL", "never")
    }

    /// A message of an atomic batch (JS59).
    pub(super) fn in_batch(self, id: &str, seq: u64, is_last: bool) -> Self {
        let options = self.header("Nats-Batch-Id", id).header("Nats-Batch-Sequence", seq.to_string());
        if is_last { options.header("Nats-Batch-Commit", "1") } else { options }
    }

    /// How long to wait for the acknowledgement. Default: the context's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The options of the request, with those of the context as defaults.
    pub(super) fn request(self, defaults: RequestOptions) -> Result<RequestOptions, HeaderError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let options = defaults.headers(self.headers);
        Ok(match self.timeout {
            Some(timeout) => options.timeout(timeout),
            None => options,
        })
    }
}

/// A publish that was sent: it waits for the stream's acknowledgement. Made by [`JetStream::publish`](super::JetStream::publish).
///
/// A thread blocks with [`wait`](PublishAckFuture::wait), a task awaits it, on any executor.
///
/// # Cancel safety
///
/// Dropping it gives up the acknowledgement, not the message: it was sent when `publish` was called.
#[derive(Debug)]
#[must_use = "whether it was stored is only to be had from the future"]
pub struct PublishAckFuture {
    sent: Result<RequestFuture, Option<PublishAckError>>,
}

/// Sends a message.
pub(super) fn send(
    client: &Client,
    subject: impl ToSubject,
    payload: Payload<'_>,
    options: RequestOptions,
) -> PublishAckFuture {
    PublishAckFuture { sent: Ok(client.request_with_async(subject, payload, options)) }
}

impl PublishAckFuture {
    /// The publish with a step behind its acknowledgement.
    pub(in crate::jetstream) fn then<T, E>(
        self,
        then: impl FnOnce(Result<PublishAck, PublishAckError>) -> Step<T, E> + Send + Sync + 'static,
    ) -> Call<T, E> {
        match self.sent {
            Ok(request) => Call::with_step(request, move |response| then(acknowledged(response))),
            Err(error) => match then(Err(error.expect("polled after completion"))) {
                Step::Done(outcome) => Call::ready(outcome),
                Step::Next(call) => call,
            },
        }
    }

    /// A publish whose options are at fault. Nothing was sent.
    pub(super) fn failed(error: HeaderError) -> Self {
        PublishAckFuture { sent: Err(Some(PublishAckError::Request(error.into()))) }
    }

    /// Blocks this thread until the stream has acknowledged the message.
    ///
    /// # Errors
    ///
    /// As [`JetStream::publish`](super::JetStream::publish).
    ///
    /// # Panics
    ///
    /// If it was polled to its end before.
    pub fn wait(self) -> Result<PublishAck, PublishAckError> {
        match self.sent {
            Ok(request) => acknowledged(request.wait()),
            Err(error) => Err(error.expect("polled after completion")),
        }
    }
}

impl Future for PublishAckFuture {
    type Output = Result<PublishAck, PublishAckError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.sent {
            Ok(request) => {
                let Poll::Ready(response) = Pin::new(request).poll(cx) else { return Poll::Pending };
                self.sent = Err(None);
                Poll::Ready(acknowledged(response))
            }
            Err(error) => Poll::Ready(Err(error.take().expect("polled after completion"))),
        }
    }
}

fn acknowledged(response: Result<Message, RequestError>) -> Result<PublishAck, PublishAckError> {
    let response = response.map_err(PublishAckError::Request)?;
    if let Some(ack) = plain(response.payload()) {
        return Ok(ack);
    }
    let ack: PublishAck = response::decode(response.payload()).map_err(PublishAckError::of_response)?;
    match ack.stream.is_empty() {
        true => Err(PublishAckError::Response("it names no stream".to_owned())),
        false => Ok(ack),
    }
}

/// An acknowledgement of the most frequent form, `{"stream":"NAME","seq":1}`, without a decoder.
fn plain(payload: &[u8]) -> Option<PublishAck> {
    let text = std::str::from_utf8(payload).ok()?;
    let rest = text.strip_prefix(r#"{"stream":""#)?;
    let (stream, rest) = rest.split_once('"')?;
    let digits = rest.strip_prefix(r#","seq":"#)?.strip_suffix('}')?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || stream.is_empty() || stream.contains('\\') {
        return None;
    }
    Some(PublishAck { stream: stream.to_owned(), sequence: digits.parse().ok()?, ..PublishAck::default() })
}

impl Fields for PublishAck {
    const KEYS: &'static [&'static str] = &["stream", "seq", "domain", "duplicate", "val"];

    fn field(&mut self, key: &'static str, from: &mut Reader<'_>) -> Result<(), Fatal> {
        let text = |from: &mut Reader<'_>, target: &mut Option<String>| from.text(target.get_or_insert_default());
        match key {
            "stream" => from.text(&mut self.stream),
            "seq" => from.integer("uint64", &mut self.sequence),
            "domain" => text(from, &mut self.domain),
            "duplicate" => from.flag(&mut self.duplicate),
            _ => text(from, &mut self.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JS43: the short way reads as the decoder does, and leaves to it all that is not plain.
    #[test]
    fn plain_acknowledgements_are_read_without_a_decoder() {
        let slow = |text: &str| response::decode::<PublishAck>(text.as_bytes()).unwrap();
        for text in [r#"{"stream":"S","seq":1}"#, r#"{"stream":"Ä ","seq":18446744073709551615}"#] {
            assert_eq!(plain(text.as_bytes()), Some(slow(text)));
        }
        for text in [
            r#"{"stream":"S","domain":"hub","seq":1}"#,
            r#"{"stream":"S","seq":3,"duplicate": true}"#,
            r#"{"stream":"S\"","seq":1}"#,
            r#"{"stream":"S","seq":1} "#,
            r#"{"stream":"S","seq":99999999999999999999}"#,
            r#"{"stream":"S","seq":}"#,
            r#"{"stream":"","seq":1}"#,
            "",
        ] {
            assert_eq!(plain(text.as_bytes()), None, "{text}");
        }
        let ack = slow(r#"{"stream":"S","domain":"hub","seq":3,"val":"6","duplicate": true}"#);
        assert_eq!((ack.domain.as_deref(), ack.value.as_deref(), ack.duplicate), (Some("hub"), Some("6"), true));
    }
}
