//! Requests with one response, and the way of a response through its connection.

use super::publisher::{PublishFuture, Ready, publish_async, refused};
use crate::connection::{Connection, PendingReply};
use crate::delivery::callbacks;
use crate::error::{PublishError, RequestError};
use crate::message::{HeaderMap, Message, Publication, Responder, Response, StartedResponse, StatusCode};
use crate::routing::{self, Context as Routing};
use crate::services::Phase;
use crate::sync::thread_waker;
use crate::time::TimerKey;
use futures_core::future::FusedFuture;
use smol_str::SmolStr;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Looks for an answer this often before the thread parks.
const SPINS: u32 = if cfg!(postroom_shuttle) { 1 } else { 64 };

/// A request before it is sent.
pub(super) struct OutgoingRequest<'a> {
    pub(super) publication: Publication<'a>,
    pub(super) timeout: Duration,
}

/// A request that was sent.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) place: PendingReply,
    timeout: Duration,
    /// Set when the wait begins: an answer that is there at once needs no look at the clock.
    deadline: Option<Option<Duration>>,
}

impl<'a> OutgoingRequest<'a> {
    /// Takes a place in the inbox; `single` if one answer is all that is wanted.
    fn open(&mut self, connection: &Connection, single: bool) -> Result<Pending, RequestError> {
        self.try_open(connection, single).inspect_err(|_| {
            self.publication.release(connection.services.reporter());
        })
    }

    fn try_open(&mut self, connection: &Connection, single: bool) -> Result<Pending, RequestError> {
        if connection.phase() != Phase::Open {
            connection.publisher.emit_rejected(&connection.services, &mut self.publication, &PublishError::Closed);
            return Err(RequestError::Closed);
        }
        let place = connection.inbox()?.open(single)?;
        connection.publisher.counters().count_request();
        Ok(Pending { place, timeout: self.timeout, deadline: None })
    }

    pub(super) fn headers(self, headers: HeaderMap) -> Self {
        OutgoingRequest { publication: self.publication.with_headers(headers), ..self }
    }

    /// Checks the headers of a message, which a lenient connection may have sent.
    pub(super) fn checked(self, connection: &Connection) -> Result<Self, PublishError> {
        let checked = match self.publication.head() {
            Some(head) if !connection.publisher.options.lenient => head.check(),
            _ => Ok(()),
        };
        match checked {
            Ok(()) => Ok(self),
            Err(error) => Err(refused(connection, self.publication, error.into())),
        }
    }

    /// Sends it; a full queue with [`OverflowPolicy::Block`](crate::OverflowPolicy::Block) blocks this thread.
    pub(super) fn send(mut self, connection: &Connection, single: bool) -> Result<Pending, RequestError> {
        let pending = self.open(connection, single)?;
        let reply = pending.place.reply();
        let mut out = self.publication.with_reply(Some(&reply));
        routing::publish(Routing::of(connection), &mut out, None, None)?;
        if !out.matched && connection.publisher.options.no_responders {
            return Err(no_responders(out.routed()));
        }
        Ok(pending)
    }

    /// Sends it and blocks for the answer.
    pub(super) fn ask(self, connection: &Arc<Connection>) -> Result<Message, RequestError> {
        let subject = self.publication.routed();
        let mut pending = self.send(connection, true)?;
        pending.wait_for_response(connection, subject)
    }

    /// Sends it now; the future waits for the answer.
    pub(super) fn ask_async(mut self, connection: &Arc<Connection>) -> RequestFuture {
        let subject = SmolStr::new(self.publication.routed());
        let mut blocked = None;
        let sent = self.open(connection, true).and_then(|pending| {
            let reply = pending.place.reply();
            let published = publish_async(connection, self.publication.with_reply(Some(&reply)), None);
            match published.into_ready() {
                Ok(false) if connection.publisher.options.no_responders => return Err(no_responders(&subject)),
                Ok(_) => {}
                Err(Ready::Failed(error)) => return Err(error.into()),
                Err(Ready::NotYet(published)) => blocked = Some(Box::new(published)),
            }
            Ok(pending)
        });
        RequestFuture { subject, connection: connection.clone(), blocked, sent: sent.map_err(Some), timer: None }
    }
}

impl Pending {
    /// When the wait for answers ends; `None` if that is past all time.
    pub(super) fn deadline(&mut self, connection: &Connection) -> Option<Duration> {
        *self.deadline.get_or_insert_with(|| connection.services.timers.deadline(self.timeout))
    }

    /// Blocks for the next answer: `None` when the time is up, or `sooner` has come; `Err` when the connection was closed.
    pub(super) fn wait(&mut self, connection: &Connection, sooner: Option<Duration>) -> Option<Result<Message, ()>> {
        for _ in 0..SPINS {
            if let Poll::Ready(answer) = self.place.poll(None) {
                return Some(answer);
            }
            // The answer may have to come from a callback that waits for its turn on this very thread.
            if !callbacks::run_waiting() {
                std::hint::spin_loop();
            }
        }
        let deadline = sooner.into_iter().chain(self.deadline(connection)).min();
        let (waker, timers) = (thread_waker(), &connection.services.timers);
        loop {
            if let Poll::Ready(answer) = self.place.poll(Some(&waker)) {
                return Some(answer);
            }
            if deadline.is_some_and(|deadline| timers.now() >= deadline) {
                return None;
            }
            timers.park(&waker, deadline);
        }
    }

    /// Blocks for the response to a request for one.
    fn wait_for_response(&mut self, connection: &Arc<Connection>, subject: &str) -> Result<Message, RequestError> {
        let was_busy = connection.services.timers.is_thread_busy();
        let answer = self.wait(connection, None);
        note_given(connection, &answer, was_busy);
        into_response(answer, self.timeout, subject, connection)
    }

    /// As [`Pending::wait`], for tasks: the task is woken by the answer or the end of the time.
    pub(super) fn poll(
        &mut self,
        connection: &Connection,
        sooner: Option<Duration>,
        timer: &mut Option<TimerKey>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, ()>>> {
        cancel(connection, timer);
        if let Poll::Ready(answer) = self.place.poll(Some(cx.waker())) {
            return Poll::Ready(Some(answer));
        }
        let timers = &connection.services.timers;
        // Just set, it can't have come yet: one look at the clock less.
        let fresh = self.deadline.is_none() && sooner.is_none() && !self.timeout.is_zero();
        let deadline = sooner.into_iter().chain(self.deadline(connection)).min();
        if !fresh && deadline.is_some_and(|deadline| timers.now() >= deadline) {
            return Poll::Ready(None);
        }
        *timer = deadline.and_then(|deadline| timers.set(deadline, cx.waker()));
        Poll::Pending
    }
}

/// Notes what this thread was given by [`Pending::wait`].
pub(super) fn note_given(connection: &Connection, next: &Option<Result<Message, ()>>, was_busy: bool) {
    let timers = &connection.services.timers;
    match next {
        // It counts if it had to wait; but what an untracked connection receives does not.
        Some(Ok(answer)) if answer.trace().is_some_and(|trace| !trace.counts()) => timers.mark_as_before(was_busy),
        _ => timers.mark_busy(),
    }
}

/// Waits for the answer to a request that was sent; made by [`Client::request_async`](crate::Client::request_async).
///
/// # Cancel safety
///
/// Dropping it gives the request up; an answer that comes later is counted as late.
#[must_use = "the answer is only to be had from the future"]
pub struct RequestFuture {
    subject: SmolStr,
    connection: Arc<Connection>,
    /// A responder's queue has no room yet.
    blocked: Option<Box<PublishFuture>>,
    sent: Result<Pending, Option<RequestError>>,
    timer: Option<TimerKey>,
}

impl RequestFuture {
    /// The error of a request that could not be sent.
    pub(super) fn failed(connection: &Arc<Connection>, subject: &str, error: RequestError) -> Self {
        let (subject, connection) = (SmolStr::new(subject), connection.clone());
        RequestFuture { subject, connection, blocked: None, sent: Err(Some(error)), timer: None }
    }

    /// Blocks this thread for the response, in place of a task that polls: as [`Client::request`](crate::Client::request), for a request
    /// that is on its way already.
    ///
    /// # Errors
    ///
    /// As [`Client::request`](crate::Client::request).
    ///
    /// # Panics
    ///
    /// If it was polled to its end before.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::Bus;
    ///
    /// let client = Bus::new().connect();
    /// let requests = client.subscribe("echo")?;
    /// let response = client.request_async("echo", "hello");
    /// requests.recv()?.respond("hello, too")?;
    /// assert_eq!(response.wait()?.payload(), b"hello, too");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(mut self) -> Result<Message, RequestError> {
        if self.blocked.is_some() {
            return self.wait_for_room();
        }
        let RequestFuture { subject, connection, sent, .. } = &mut self;
        let pending = match sent {
            Ok(pending) => pending,
            Err(error) => return Err(error.take().expect("polled after completion")),
        };
        let response = pending.wait_for_response(connection, subject);
        *sent = Err(None);
        response
    }

    /// As a task does, since several things are waited for.
    #[cold]
    fn wait_for_room(&mut self) -> Result<Message, RequestError> {
        let waker = thread_waker();
        loop {
            let polled = callbacks::poll(|| self.poll_once(&mut Context::from_waker(&waker)));
            match polled {
                Poll::Ready(response) => return response,
                Poll::Pending => self.connection.services.timers.park(&waker, None),
            }
        }
    }
}

impl Future for RequestFuture {
    type Output = Result<Message, RequestError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = &mut *self;
        callbacks::poll(|| me.poll_once(cx))
    }
}

impl RequestFuture {
    fn poll_once(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, RequestError>> {
        let RequestFuture { subject, connection, blocked, sent, timer } = self;
        let pending = match sent {
            Ok(pending) => pending,
            Err(error) => return Poll::Ready(Err(error.take().expect("polled after completion"))),
        };
        if let Some(published) = blocked {
            match Pin::new(&mut **published).poll(cx) {
                Poll::Ready(Ok(_)) if !published.matched() && connection.publisher.options.no_responders => {
                    *sent = Err(None);
                    return Poll::Ready(Err(no_responders(subject)));
                }
                Poll::Ready(Ok(_)) => *blocked = None,
                Poll::Ready(Err(error)) => {
                    *sent = Err(None);
                    return Poll::Ready(Err(error.into()));
                }
                // One subscriber may answer while another has no room yet.
                Poll::Pending => {}
            }
        }
        let answer = pending.poll(connection, None, timer, cx);
        let response = answer.map(|answer| into_response(answer, pending.timeout, subject, connection));
        if response.is_ready() {
            // The place in the inbox is given up now: what comes from here on is late.
            *sent = Err(None);
        }
        response
    }
}

impl FusedFuture for RequestFuture {
    fn is_terminated(&self) -> bool {
        matches!(self.sent, Err(None))
    }
}

impl Drop for RequestFuture {
    fn drop(&mut self) {
        cancel(&self.connection, &mut self.timer);
    }
}

impl fmt::Debug for RequestFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestFuture").field("subject", &self.subject).finish_non_exhaustive()
    }
}

pub(super) fn cancel(connection: &Connection, timer: &mut Option<TimerKey>) {
    if let Some(timer) = timer.take() {
        connection.services.timers.cancel(timer);
    }
}

/// A 503 without a payload is not an answer but the news that there will be none (R8).
pub(super) fn is_no_responders(answer: &Message) -> bool {
    answer.status() == Some(StatusCode::NO_RESPONDERS) && answer.payload().is_empty()
}

fn into_response(
    answer: Option<Result<Message, ()>>,
    timeout: Duration,
    subject: &str,
    connection: &Arc<Connection>,
) -> Result<Message, RequestError> {
    let answer = answer.ok_or(RequestError::Timeout { after: timeout })?.map_err(|()| RequestError::Closed)?;
    if is_no_responders(&answer) { Err(no_responders(subject)) } else { Ok(received(answer, connection)) }
}

/// An answer that itself asks for one can be answered.
pub(super) fn received(mut answer: Message, connection: &Arc<Connection>) -> Message {
    answer.received_by(|| Some(connection.clone()));
    answer
}

pub(super) fn no_responders(subject: &str) -> RequestError {
    RequestError::NoResponders { subject: subject.to_owned() }
}

/// Through the connection that received the message.
impl Responder for Connection {
    fn respond(&self, response: Response<'_>) -> Result<usize, PublishError> {
        routing::publish(Routing::of(self), &mut response_of(response), None, None)
    }

    fn respond_async(&self, response: Response<'_>) -> StartedResponse {
        let published = publish_async(&self.me(), response_of(response), None);
        if published.is_waiting() {
            return StartedResponse::Waits(Box::pin(published));
        }
        StartedResponse::Done(published.into_accepted())
    }
}

fn response_of(response: Response<'_>) -> Publication<'_> {
    let Response { reply, head, payload } = response;
    Publication::response(reply, payload).with_head(head)
}
