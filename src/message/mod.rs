//! Messages and their parts.
//!
//! A [`Message`] is a subject, a payload, and where wanted a reply subject, headers and a status. It is cheap to clone:
//! small payloads are copied, everything else is shared. It is 72 bytes large and needs no allocation when its subject has at
//! most 23 bytes, its payload was borrowed and has at most [`Payload::INLINE_MAX`], and it has neither reply nor headers.

mod head;
pub(crate) mod headers;
mod payload;
mod publication;
mod respond;
mod responder;
mod status;
#[cfg(feature = "jetstream")]
mod stream_step;
mod trace;

pub use headers::HeaderMap;
pub use payload::Payload;
pub use respond::RespondFuture;
pub use status::StatusCode;
#[cfg(feature = "jetstream")]
pub use stream_step::{RemovalReason, StreamStep, StreamSteps};

pub(crate) use head::Head;
pub(crate) use payload::Body;
pub(crate) use publication::Publication;
pub(crate) use responder::{Responder, Response, StartedResponse};
pub(crate) use trace::Trace;

use crate::subject::{Subject, SubjectError, ToSubject};
use crate::user_code::Reporter;
use bytes::Bytes;
use smol_str::SmolStr;
use std::fmt;
use std::sync::Arc;

/// A message as a subscriber gets it, or as one is made by hand to be published or to test a handler with.
///
/// # Example
///
/// ```
/// use postroom::Message;
/// use postroom::error::SubjectError;
///
/// let message = Message::new("orders.eu", "hello")?.with_reply("answers.1")?;
/// assert_eq!(message.subject(), "orders.eu");
/// assert_eq!(message.payload(), b"hello");
/// assert_eq!(message.reply().map(|reply| reply.as_str()), Some("answers.1"));
/// assert!(message.headers().is_empty() && message.status().is_none());
/// # Ok::<_, SubjectError>(())
/// ```
#[derive(Clone)]
#[repr(C)]
pub struct Message {
    subject: Subject,
    content: Content,
    mark: Mark,
}

/// A word with one valid value, last in the message. Its other values stand for `None`, `Err` and the like: so what wraps a
/// message is told apart by a word of its own, and the rest is moved in whole pieces of 16 bytes. Told apart by a byte somewhere
/// inside, a message was moved in pieces that the processor can't forward from the stores before: a quarter of a publish and
/// receive went into waiting for that.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Mark {
    Here = 0,
}

/// Either just a payload, or, what is rarer, all there can be: every byte of a message is copied some times on its way.
#[derive(Clone)]
enum Content {
    Plain(Body),
    Full(Arc<Full>),
}

#[derive(Clone)]
struct Full {
    body: Body,
    reply: Option<Subject>,
    head: Option<Arc<Head>>,
    /// The connection that received the message, if it can be responded to.
    receiver: Option<Arc<dyn Responder>>,
    /// Its number on a bus that is observed.
    trace: Option<Trace>,
}

impl Message {
    /// A message without reply, headers and status.
    ///
    /// # Errors
    ///
    /// Those of [`Subject::new`]; a [`Subject`] is taken as it is.
    pub fn new<'a>(subject: impl ToSubject, payload: impl Into<Payload<'a>>) -> Result<Self, SubjectError> {
        Ok(Message::assemble(subject.into_subject()?, None, None, &mut payload.into(), Reporter::default()))
    }

    /// A message of parts that were checked before, on the bus of `reporter`.
    #[inline]
    pub(crate) fn assemble(
        subject: Subject,
        reply: Option<&Subject>,
        head: Option<Arc<Head>>,
        payload: &mut Payload<'_>,
        reporter: Reporter,
    ) -> Self {
        Message::assemble_traced(subject, reply, head, payload, None, reporter)
    }

    /// The same under the observer's eyes.
    // Always: see `Publication::take_message`.
    #[inline(always)]
    pub(crate) fn assemble_traced(
        subject: Subject,
        reply: Option<&Subject>,
        head: Option<Arc<Head>>,
        payload: &mut Payload<'_>,
        trace: Option<Trace>,
        reporter: Reporter,
    ) -> Self {
        let body = payload.take_body(reporter);
        let content = if reply.is_none() && head.is_none() && trace.is_none() {
            Content::Plain(body)
        } else {
            Content::Full(Arc::new(Full { body, reply: reply.cloned(), head, receiver: None, trace }))
        };
        Message { subject, content, mark: Mark::Here }
    }

    /// The same with a subject to answer to.
    ///
    /// # Errors
    ///
    /// Those of [`Subject::new`]; a [`Subject`] is taken as it is.
    pub fn with_reply(mut self, reply: impl ToSubject) -> Result<Self, SubjectError> {
        self.full_mut().reply = Some(reply.into_subject()?);
        Ok(self)
    }

    /// The same with another subject.
    ///
    /// # Errors
    ///
    /// Those of [`Subject::new`]; a [`Subject`] is taken as it is.
    pub fn with_subject(mut self, subject: impl ToSubject) -> Result<Self, SubjectError> {
        self.subject = subject.into_subject()?;
        Ok(self)
    }

    /// The same with another payload.
    #[must_use]
    pub fn with_payload<'a>(mut self, payload: impl Into<Payload<'a>>) -> Self {
        let new = payload.into().take_body(Reporter::default());
        match &mut self.content {
            Content::Plain(body) => *body = new,
            Content::Full(full) => Arc::make_mut(full).body = new,
        }
        self
    }

    /// The same with these headers instead of those it had.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        let status = self.head().and_then(|head| head.parts().status.clone());
        self.full_mut().head = Head::made(status, headers);
        self
    }

    /// The same with a status and its text, which NATS carries on the first header line (H7).
    #[must_use]
    pub fn with_status(mut self, status: StatusCode, description: &str) -> Self {
        let headers = self.headers().clone();
        self.full_mut().head = Head::made(Some((status, SmolStr::new(description))), headers);
        self
    }

    /// A copy to keep: equal to the message, but it can't be [responded](Message::respond) to.
    ///
    /// A message that was received keeps the connection that received it from ending, so that it can be responded to, and on a bus with an
    /// [`Observer`](crate::observe::Observer) it counts as [activity](crate::activity::Activity) until its last copy is dropped. This copy does neither. The
    /// payload and the headers are shared with the message.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::Bus;
    /// use postroom::error::RespondError;
    ///
    /// let client = Bus::new().connect();
    /// let tasks = client.subscribe("tasks")?;
    /// client.publish_with_reply("tasks", "done", "1")?;
    /// let task = tasks.recv()?;
    /// let stored = task.to_stored();
    /// assert_eq!(stored, task);
    /// assert_eq!(stored.respond("").unwrap_err(), RespondError::NoReply);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_stored(&self) -> Message {
        let content = match &self.content {
            Content::Full(full) if full.receiver.is_some() || full.trace.is_some() => {
                let (reply, head) = (full.reply.clone(), full.head.clone());
                if reply.is_none() && head.is_none() {
                    Content::Plain(full.body.clone())
                } else {
                    let body = full.body.clone();
                    Content::Full(Arc::new(Full { body, reply, head, receiver: None, trace: None }))
                }
            }
            content => content.clone(),
        };
        Message { subject: self.subject.clone(), content, mark: Mark::Here }
    }

    /// Where it was published. A subject that a lenient connection sent need not obey the grammar of subjects; see
    /// [`Subject`].
    #[inline]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The payload.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        self.body().as_slice()
    }

    /// The payload as `Bytes`: shared where it was published owned or was too large to lie in the message, else copied.
    pub fn payload_bytes(&self) -> Bytes {
        self.body().to_bytes()
    }

    /// As [`Message::payload_bytes`], for a message that is not needed any more.
    #[must_use]
    pub fn into_payload(self) -> Bytes {
        match self.content {
            Content::Plain(mut body) => body.take_bytes(),
            content => content.body().to_bytes(),
        }
    }

    /// The payload as text, where it is UTF-8.
    ///
    /// # Errors
    ///
    /// The standard library's, with the position of the first byte that is not UTF-8.
    pub fn payload_str(&self) -> Result<&str, std::str::Utf8Error> {
        std::str::from_utf8(self.payload())
    }

    /// The headers; empty if it has none.
    ///
    /// A lenient connection may send a block that is not a header block at all (H2): then there are no headers and no status,
    /// and [`Message::header_block`] has the bytes. A block that came off a wire is read at the first call.
    pub fn headers(&self) -> &HeaderMap {
        static NONE: HeaderMap = HeaderMap::new();
        self.head().map_or(&NONE, |head| &head.parts().headers)
    }

    /// The header block as it goes over a wire, from `NATS/1.0` through the blank line; `None` if the message has neither headers
    /// nor a status (H1, H7).
    ///
    /// The block of a message that was published with [`Client::publish_raw`](crate::Client::publish_raw) is the very one that came,
    /// byte for byte, whether or not it can be read (H2), and not copied. For other messages it is made now.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::{HeaderMap, Message};
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.insert("Id", "7")?;
    /// let message = Message::new("a", "")?.with_headers(headers);
    /// assert_eq!(message.header_block().unwrap(), "NATS/1.0\r\nId: 7\r\n\r\n");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn header_block(&self) -> Option<Bytes> {
        Some(self.head()?.block())
    }

    /// Where an answer is wanted (R1). A reply that a lenient connection sent may be any text that the wire can carry; see
    /// [`Subject`].
    #[inline]
    pub fn reply(&self) -> Option<&Subject> {
        self.full()?.reply.as_ref()
    }

    /// The status, which system messages such as "no responders" carry instead of a payload (H8).
    pub fn status(&self) -> Option<StatusCode> {
        self.head()?.parts().status.as_ref().map(|(status, _)| *status)
    }

    /// The text next to the status; empty if there is none.
    pub fn status_description(&self) -> &str {
        self.head().and_then(|head| head.parts().status.as_ref()).map_or("", |(_, text)| text)
    }

    /// Bytes as NATS counts them toward the limits: payload plus the encoded header block (H1).
    #[inline]
    pub fn size(&self) -> usize {
        self.payload().len() + self.head().map_or(0, |head| head.size())
    }
}

/// The bytes that a name of a message counts towards the bounds of a queue that keeps it. A short one is part of what every message
/// takes; a long one may be all there is to a message.
#[inline]
pub(crate) fn name_weight(name: &str) -> usize {
    if name.len() > NAME_FREE { name.len() } else { 0 }
}

/// Subjects and replies up to here, inboxes of all client libraries among them, do not count.
const NAME_FREE: usize = 64;

impl Message {
    /// Bytes as they count towards the bounds of a queue: its size, and a subject and a reply that are long.
    #[inline]
    pub(crate) fn weight(&self) -> usize {
        self.size() + name_weight(self.subject.as_str()) + self.reply().map_or(0, |reply| name_weight(reply.as_str()))
    }

    #[inline]
    pub(crate) fn head(&self) -> Option<&Arc<Head>> {
        self.full()?.head.as_ref()
    }

    /// Its payload as it would be published again.
    pub(crate) fn payload_again(&self) -> Payload<'_> {
        Payload::of(self.body())
    }

    /// Notes the connection that received it, if it can be answered.
    #[inline]
    pub(crate) fn received_by(&mut self, receiver: impl FnOnce() -> Option<Arc<dyn Responder>>) {
        if self.reply().is_some() {
            self.full_mut().receiver = receiver();
        }
    }

    /// The connection that received it, if it can be answered.
    pub(crate) fn receiver(&self) -> Option<&Arc<dyn Responder>> {
        self.full()?.receiver.as_ref()
    }

    /// Whether it has more than a subject and a payload.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.full().is_some()
    }

    /// The number by which the observer of the bus knows it.
    #[inline]
    pub(crate) fn trace(&self) -> Option<&Trace> {
        self.full()?.trace.as_ref()
    }

    /// The same message under the observer's eyes.
    pub(crate) fn traced(mut self, trace: Trace) -> Self {
        self.full_mut().trace = Some(trace);
        self
    }

    /// A copy that knows its number, and does not count as going on.
    pub(crate) fn untracked(&self) -> Self {
        let mut copy = self.clone();
        if let Some(trace) = copy.trace().map(Trace::untracked) {
            copy.full_mut().trace = Some(trace);
        }
        copy
    }

    #[inline]
    fn body(&self) -> &Body {
        self.content.body()
    }

    #[inline]
    fn full(&self) -> Option<&Full> {
        match &self.content {
            Content::Plain(_) => None,
            Content::Full(full) => Some(full),
        }
    }

    /// For changing what is not the payload; shared with no other copy from now on.
    fn full_mut(&mut self) -> &mut Full {
        if let Content::Plain(body) = &self.content {
            let full = Full { body: body.clone(), reply: None, head: None, receiver: None, trace: None };
            self.content = Content::Full(Arc::new(full));
        }
        match &mut self.content {
            Content::Full(full) => Arc::make_mut(full),
            Content::Plain(_) => unreachable!("just made"),
        }
    }
}

impl Content {
    #[inline]
    fn body(&self) -> &Body {
        match self {
            Content::Plain(body) => body,
            Content::Full(full) => &full.body,
        }
    }
}

/// Messages are equal if subject, reply, status, headers and payload are. The connection that received one, and the form of its header
/// block, do not count; blocks that can't be read are compared byte by byte.
impl PartialEq for Message {
    fn eq(&self, other: &Message) -> bool {
        self.subject == other.subject
            && self.payload() == other.payload()
            && self.reply() == other.reply()
            && Head::same(self.head().map(Arc::as_ref), other.head().map(Arc::as_ref))
    }
}

impl Eq for Message {}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Message");
        out.field("subject", &self.subject);
        if let Some(reply) = self.reply() {
            out.field("reply", reply);
        }
        if let Some(head) = self.head() {
            let parts = head.parts();
            if let Some((status, text)) = &parts.status {
                out.field("status", &format_args!("{status} {text}"));
            }
            out.field("headers", &parts.headers);
        }
        out.field("payload", &format_args!("{}", self.payload().escape_ascii())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_no_larger_than_documented() {
        assert_eq!(size_of::<Message>(), 72);
    }

    #[test]
    fn size_counts_headers_as_encoded() {
        let message = Message::new("a", "1234").unwrap();
        assert_eq!(message.size(), 4);
        let mut headers = HeaderMap::new();
        headers.insert("A", "b").unwrap();
        // H1: "NATS/1.0\r\n" + "A: b\r\n" + "\r\n"
        assert_eq!(message.clone().with_headers(headers).size(), 4 + 10 + 6 + 2);
        assert_eq!(message.clone().with_headers(HeaderMap::new()).size(), 4);
        // R3: a 503 without text is 16 bytes on the wire.
        assert_eq!(message.with_status(StatusCode::NO_RESPONDERS, "").size(), 4 + 16);
    }
}
