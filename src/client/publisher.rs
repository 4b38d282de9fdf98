//! Publishing.

use crate::connection::Connection;
use crate::delivery::callbacks;
use crate::error::PublishError;
use crate::message::{HeaderMap, Message, Payload, Publication};
use crate::routing::{self, PreparedRoute, WaitingPublisher};
use crate::subject::{Subject, ToSubject, check_subject};
use futures_core::future::FusedFuture;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A prepared publisher: its subject is checked and its route looked up once; made by
/// [`Client::publisher`](crate::Client::publisher).
///
/// It may be shared by threads; each publish then looks up the route again while another one is under way.
pub struct Publisher {
    connection: Arc<Connection>,
    /// `None` only while dropping.
    prepared: Option<PreparedRoute>,
}

impl Publisher {
    pub(super) fn new(connection: Arc<Connection>, subject: Subject) -> Self {
        let prepared = connection.account.matcher.prepare(subject);
        Publisher { connection, prepared: Some(prepared) }
    }

    /// Where it publishes.
    pub fn subject(&self) -> &Subject {
        self.prepared().subject()
    }

    /// As [`Client::publish`](crate::Client::publish).
    ///
    /// # Errors
    ///
    /// [`PublishError::MaxPayloadExceeded`] and [`PublishError::Closed`].
    #[inline]
    pub fn publish<'a>(&self, payload: impl Into<Payload<'a>>) -> Result<usize, PublishError> {
        self.send(self.publication(payload.into()))
    }

    /// As [`Client::publish_with_headers`](crate::Client::publish_with_headers).
    ///
    /// # Errors
    ///
    /// As [`Publisher::publish`].
    pub fn publish_with_headers<'a>(
        &self,
        headers: HeaderMap,
        payload: impl Into<Payload<'a>>,
    ) -> Result<usize, PublishError> {
        self.send(self.publication(payload.into()).with_headers(headers))
    }

    /// As [`Client::publish_with_reply`](crate::Client::publish_with_reply).
    ///
    /// # Errors
    ///
    /// As [`Publisher::publish`]; also those of the subject, for `reply`.
    pub fn publish_with_reply<'a>(
        &self,
        reply: impl ToSubject,
        payload: impl Into<Payload<'a>>,
    ) -> Result<usize, PublishError> {
        self.publish_with_reply_and_headers(reply, HeaderMap::new(), payload)
    }

    /// As [`Client::publish_with_reply_and_headers`](crate::Client::publish_with_reply_and_headers).
    ///
    /// # Errors
    ///
    /// As [`Publisher::publish_with_reply`].
    pub fn publish_with_reply_and_headers<'a>(
        &self,
        reply: impl ToSubject,
        headers: HeaderMap,
        payload: impl Into<Payload<'a>>,
    ) -> Result<usize, PublishError> {
        let out = self.publication(payload.into()).with_headers(headers);
        match address(&self.connection, reply) {
            Ok(reply) => self.send(out.with_reply(Some(&reply))),
            Err(error) => Err(refused(&self.connection, out, error)),
        }
    }

    /// As [`Client::publish_async`](crate::Client::publish_async).
    ///
    /// # Errors
    ///
    /// As [`Publisher::publish`].
    pub fn publish_async<'a>(&self, payload: impl Into<Payload<'a>>) -> PublishFuture {
        publish_async(&self.connection, self.publication(payload.into()), Some(self.prepared()))
    }

    #[inline]
    fn publication<'a>(&'a self, payload: Payload<'a>) -> Publication<'a> {
        Publication::new(self.subject().as_str(), payload)
    }

    #[inline]
    fn send(&self, mut out: Publication<'_>) -> Result<usize, PublishError> {
        let published = routing::publish(routing::Context::of(&self.connection), &mut out, Some(self.prepared()), None);
        out.forget();
        published
    }

    #[inline]
    fn prepared(&self) -> &PreparedRoute {
        self.prepared.as_ref().expect("there until it is dropped")
    }
}

/// Another publisher to the same subject, which looks up its route by itself.
impl Clone for Publisher {
    fn clone(&self) -> Self {
        Publisher::new(self.connection.clone(), self.subject().clone())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if let Some(prepared) = self.prepared.take() {
            self.connection.account.matcher.unprepare(prepared);
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("subject", self.subject()).finish_non_exhaustive()
    }
}

/// A message made by hand, or passed on: then a lenient connection may have sent it, and its parts are as good as any text.
///
/// # Errors
///
/// Those of the subject that receivers see, the reply and the headers; the one that it is routed by is checked by the publish.
pub(super) fn check_message<'a>(
    connection: &Connection,
    out: Publication<'a>,
    message: &Message,
) -> Result<Publication<'a>, PublishError> {
    match check_parts(connection, message, out.routed() != out.shown()) {
        Ok(()) => Ok(out),
        Err(error) => Err(refused(connection, out, error)),
    }
}

fn check_parts(connection: &Connection, message: &Message, has_own_subject: bool) -> Result<(), PublishError> {
    if has_own_subject {
        check_len(connection, message.subject())?;
        if !connection.publisher.options.lenient {
            check_subject(message.subject().as_str())?;
        }
    }
    if let Some(reply) = message.reply() {
        check_len(connection, reply)?;
    }
    if !connection.publisher.options.lenient {
        message.reply().map_or(Ok(()), |reply| check_subject(reply.as_str()))?;
        message.head().map_or(Ok(()), |head| head.check())?;
    }
    Ok(())
}

/// For a message that does not even come to the bus: the observer is told.
#[cold]
pub(super) fn refused(connection: &Connection, mut out: Publication<'_>, error: PublishError) -> PublishError {
    if !matches!(error, PublishError::InvalidHeaders(_)) {
        out.strip_reply();
    }
    connection.publisher.emit_rejected(&connection.services, &mut out, &error);
    out.release(connection.services.reporter());
    error
}

/// Delivers at once what can be, if there was nothing wrong before; the future waits for the rest.
pub(super) fn try_publish_async(
    connection: &Arc<Connection>,
    out: Result<Publication<'_>, PublishError>,
) -> PublishFuture {
    match out {
        Ok(out) => publish_async(connection, out, None),
        Err(error) => PublishFuture {
            connection: connection.clone(),
            waiting: Vec::new(),
            accepted: Some(Err(error)),
            matched: false,
        },
    }
}

/// Delivers at once what can be; the future waits for the rest.
pub(super) fn publish_async(
    connection: &Arc<Connection>,
    mut out: Publication<'_>,
    prepared: Option<&PreparedRoute>,
) -> PublishFuture {
    let mut waiting = Vec::new();
    let accepted = routing::publish(routing::Context::of(connection), &mut out, prepared, Some(&mut waiting));
    PublishFuture { connection: connection.clone(), waiting, accepted: Some(accepted), matched: out.matched }
}

/// Waits until a message has room at the subscriptions that were full; made by
/// [`Client::publish_async`](crate::Client::publish_async). Ready with how many accepted it in all.
///
/// # Cancel safety
///
/// When it is dropped, the copies that still wait are counted as [`DropReason::Cancelled`](crate::stats::DropReason::Cancelled).
#[must_use = "copies that wait for room are lost when the future is dropped"]
pub struct PublishFuture {
    connection: Arc<Connection>,
    waiting: Vec<WaitingPublisher>,
    accepted: Option<Result<usize, PublishError>>,
    /// It matched a subscription, as far as is known.
    matched: bool,
}

/// Why an asynchronous publish is not complete yet.
pub(super) enum Ready {
    Failed(PublishError),
    NotYet(PublishFuture),
}

impl PublishFuture {
    /// Whether the message matched a subscription.
    pub(super) fn matched(&self) -> bool {
        self.matched
    }

    /// Whether the message matched a subscription, if nothing is left to wait for.
    pub(super) fn into_ready(mut self) -> Result<bool, Ready> {
        if !self.waiting.is_empty() {
            return Err(Ready::NotYet(self));
        }
        self.accepted.take().expect("not polled yet").map_err(Ready::Failed)?;
        Ok(self.matched)
    }

    /// Whether copies wait for room.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The result of a publish that waits for nothing.
    pub(super) fn into_accepted(mut self) -> Result<usize, PublishError> {
        self.accepted.take().expect("not polled yet")
    }

    fn poll_once(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, PublishError>> {
        let routing = routing::Context::of(&self.connection);
        let (more, matched) = routing::poll_waiting(routing, &mut self.waiting, cx);
        self.matched |= matched;
        if let Some(Ok(accepted)) = &mut self.accepted {
            *accepted += more;
        }
        if !self.waiting.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(self.accepted.take().expect("polled after completion"))
    }
}

impl Future for PublishFuture {
    type Output = Result<usize, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = &mut *self;
        callbacks::poll(|| me.poll_once(cx))
    }
}

impl FusedFuture for PublishFuture {
    fn is_terminated(&self) -> bool {
        self.accepted.is_none()
    }
}

impl Drop for PublishFuture {
    fn drop(&mut self) {
        self.waiting.drain(..).for_each(|copy| copy.cancel(routing::Context::of(&self.connection)));
    }
}

impl fmt::Debug for PublishFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishFuture")
            .field("accepted", &self.accepted)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

/// Checks what becomes the subject of a publisher, or the reply of a message, as the connection wants it.
pub(super) fn address(connection: &Connection, text: impl ToSubject) -> Result<Subject, PublishError> {
    let subject = if connection.publisher.options.lenient { text.into_lenient() } else { text.into_strict() }?;
    check_len(connection, &subject)?;
    Ok(subject)
}

fn check_len(connection: &Connection, subject: &Subject) -> Result<(), PublishError> {
    connection.account.check_len(subject.as_str(), |len, max| PublishError::SubjectTooLong { len, max })
}
