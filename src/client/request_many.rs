//! Requests with several answers (ADR-47, R9).

use super::request::{Pending, cancel, is_no_responders, note_given, received};
use crate::connection::Connection;
use crate::delivery::{Budget, callbacks};
use crate::message::{HeaderMap, Message};
use crate::time::TimerKey;
use futures_core::Stream;
use futures_core::stream::FusedStream;
use std::fmt;
use std::future::Future;
use std::iter::FusedIterator;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

type Sentinel = Box<dyn Fn(&Message) -> bool + Send + Sync>;

/// When a request with several answers has got them all. The first of them ends it.
///
/// # Example
///
/// ```
/// use postroom::Bus;
/// use postroom::request::{RequestManyOptions, ResponsesEnd};
///
/// let client = Bus::new().connect();
/// let east = client.subscribe_fn("who", |request| { request.respond("east").unwrap(); })?;
/// let west = client.subscribe_fn("who", |request| { request.respond("west").unwrap(); })?;
///
/// let mut answers = client.request_many("who", "", RequestManyOptions::new().max(2))?;
/// let names: Vec<_> = answers.iter().map(|answer| answer.payload_str().unwrap().to_owned()).collect();
/// assert_eq!(names, ["east", "west"]);
/// assert_eq!(answers.end(), Some(ResponsesEnd::Max));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct RequestManyOptions {
    deadline: Option<Duration>,
    stall: Option<Duration>,
    max: Option<usize>,
    sentinel: Option<Sentinel>,
    headers: HeaderMap,
}

impl RequestManyOptions {
    /// Ends when the bus's [`request_timeout`](crate::Limits::request_timeout) is up.
    pub fn new() -> Self {
        RequestManyOptions { deadline: None, stall: None, max: None, sentinel: None, headers: HeaderMap::new() }
    }

    /// Ends at this time after the request, whatever has come.
    pub fn deadline(mut self, total: Duration) -> Self {
        self.deadline = Some(total);
        self
    }

    /// Ends when after an answer no other comes for this long. The first one may take until the deadline.
    pub fn stall(mut self, gap: Duration) -> Self {
        self.stall = Some(gap);
        self
    }

    /// Ends with this many answers.
    pub fn max(mut self, answers: usize) -> Self {
        self.max = Some(answers);
        self
    }

    /// Ends with an answer without payload, which is not handed out.
    pub fn until_empty(self) -> Self {
        self.until(|answer| answer.payload().is_empty())
    }

    /// Ends with the first answer for which `sentinel` is true, which is not handed out.
    pub fn until(mut self, sentinel: impl Fn(&Message) -> bool + Send + Sync + 'static) -> Self {
        self.sentinel = Some(Box::new(sentinel));
        self
    }

    /// The headers of the request. Default: none.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    pub(super) fn deadline_asked(&self) -> Option<Duration> {
        self.deadline
    }

    pub(super) fn take_headers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.headers)
    }
}

impl Default for RequestManyOptions {
    fn default() -> Self {
        RequestManyOptions::new()
    }
}

impl fmt::Debug for RequestManyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestManyOptions")
            .field("deadline", &self.deadline)
            .field("stall", &self.stall)
            .field("max", &self.max)
            .field("sentinel", &self.sentinel.is_some())
            .field("headers", &self.headers)
            .finish()
    }
}

/// Why there are no more answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponsesEnd {
    /// As many came as were wanted.
    Max,
    /// None came for the length of a stall.
    Stall,
    /// The sentinel came.
    Sentinel,
    /// The time was up.
    Deadline,
    /// A responder passed on that there are no responders, or another status came instead of an
    /// answer.
    Status,
    /// The client or the bus was closed.
    Closed,
}

impl fmt::Display for ResponsesEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResponsesEnd::Max => "as many answers as wanted",
            ResponsesEnd::Stall => "no answer for the length of a stall",
            ResponsesEnd::Sentinel => "sentinel",
            ResponsesEnd::Deadline => "deadline",
            ResponsesEnd::Status => "status message",
            ResponsesEnd::Closed => "client closed",
        })
    }
}

/// The answers to one request, for threads ([`recv`](Responses::recv), [`iter`](Responses::iter), `for answer in answers`) and for tasks
/// ([`recv_async`](Responses::recv_async), [`Stream`]). All of them give `None` once the request has ended; [`end`](Responses::end) says why.
///
/// Dropping it ends the request; what comes later is counted as late.
#[must_use = "dropping it ends the request"]
pub struct Responses {
    pending: Pending,
    connection: Arc<Connection>,
    until: RequestManyOptions,
    given: usize,
    /// When the next answer must have come, if there is a stall.
    next_by: Option<Duration>,
    timer: Option<TimerKey>,
    end: Option<ResponsesEnd>,
    /// The cooperative budget of the task that takes them.
    budget: Budget,
}

impl Responses {
    pub(super) fn new(mut pending: Pending, connection: Arc<Connection>, until: RequestManyOptions) -> Self {
        // The total counts from the request, not from the first look at the answers.
        let _ = pending.deadline(&connection);
        let end = (until.max == Some(0)).then_some(ResponsesEnd::Max);
        Responses { pending, connection, until, given: 0, next_by: None, timer: None, end, budget: Budget::default() }
    }

    /// Why it has ended, if it has.
    pub fn end(&self) -> Option<ResponsesEnd> {
        self.end
    }

    /// Blocks until there is an answer; `None` once the request has ended.
    pub fn recv(&mut self) -> Option<Message> {
        self.wait(None)
    }

    /// The next answer, if there is one now.
    pub fn try_recv(&mut self) -> Option<Message> {
        let next = self.wait(Some(self.connection.services.timers.now()));
        if next.is_none() {
            self.connection.services.timers.mark_idle();
        }
        next
    }

    /// As [`Responses::recv`], for at most `timeout` on the bus's clock. `None` also when the time is up; [`Responses::end`] is `None` then.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Option<Message> {
        self.wait(self.connection.services.timers.deadline(timeout))
    }

    /// As [`Responses::recv`], without blocking a thread.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn recv_async(&mut self) -> impl Future<Output = Option<Message>> + Send + Unpin + '_ {
        std::future::poll_fn(|cx| self.poll_recv(None, cx))
    }

    /// As [`Responses::recv_timeout`], without blocking a thread. The time counts from this call.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn recv_timeout_async(
        &mut self,
        timeout: Duration,
    ) -> impl Future<Output = Option<Message>> + Send + Unpin + '_ {
        let limit = self.connection.services.timers.deadline(timeout);
        std::future::poll_fn(move |cx| self.poll_recv(limit, cx))
    }

    /// Iterates over the answers, blocking for each, until the request ends.
    pub fn iter(&mut self) -> impl FusedIterator<Item = Message> + '_ {
        IterMut(self)
    }

    /// Blocks until there is an answer, the request has ended, or `limit` has come.
    fn wait(&mut self, limit: Option<Duration>) -> Option<Message> {
        if self.end.is_some() {
            return None;
        }
        let was_busy = self.connection.services.timers.is_thread_busy();
        let sooner = self.next_by.into_iter().chain(limit).min();
        let next = self.pending.wait(&self.connection, sooner);
        note_given(&self.connection, &next, was_busy);
        self.take(next, limit)
    }

    fn poll_recv(&mut self, limit: Option<Duration>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        if self.end.is_some() {
            return Poll::Ready(None);
        }
        let sooner = self.next_by.into_iter().chain(limit).min();
        let Responses { pending, connection, timer, budget, .. } = self;
        let next = budget.poll(cx, |cx| callbacks::poll(|| pending.poll(connection, sooner, timer, cx)));
        next.map(|next| self.take(next, limit))
    }

    /// The result of `next`: a response, or the end. `limit` is of this wait alone, and ends
    /// nothing.
    fn take(&mut self, next: Option<Result<Message, ()>>, limit: Option<Duration>) -> Option<Message> {
        let answer = match next {
            None => {
                let deadline = self.pending.deadline(&self.connection);
                let end = self.next_by.into_iter().chain(deadline).min();
                if limit.is_some_and(|limit| end.is_none_or(|end| limit < end)) {
                    return None;
                }
                let stalled = self.next_by.is_some_and(|next_by| deadline.is_none_or(|deadline| next_by < deadline));
                return self.ended(if stalled { ResponsesEnd::Stall } else { ResponsesEnd::Deadline });
            }
            Some(Err(())) => return self.ended(ResponsesEnd::Closed),
            Some(Ok(answer)) => answer,
        };
        if is_no_responders(&answer) || answer.status().is_some() {
            return self.ended(ResponsesEnd::Status);
        }
        if self.until.sentinel.as_ref().is_some_and(|is_last| is_last(&answer)) {
            return self.ended(ResponsesEnd::Sentinel);
        }
        self.given += 1;
        self.next_by = self.until.stall.and_then(|gap| self.connection.services.timers.deadline(gap));
        if self.until.max == Some(self.given) {
            self.end = Some(ResponsesEnd::Max);
        }
        Some(received(answer, &self.connection))
    }

    fn ended(&mut self, why: ResponsesEnd) -> Option<Message> {
        self.end = Some(why);
        None
    }
}

/// The iterator of [`Responses::iter`].
struct IterMut<'a>(&'a mut Responses);

impl Iterator for IterMut<'_> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.0.recv()
    }
}

impl FusedIterator for IterMut<'_> {}

/// A blocking iterator that owns its answers.
#[derive(Debug)]
#[must_use = "dropping it ends the request"]
pub struct ResponsesIter(Responses);

impl Iterator for ResponsesIter {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.0.recv()
    }
}

impl FusedIterator for ResponsesIter {}

impl IntoIterator for Responses {
    type Item = Message;
    type IntoIter = ResponsesIter;

    fn into_iter(self) -> ResponsesIter {
        ResponsesIter(self)
    }
}

impl Stream for Responses {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.poll_recv(None, cx)
    }
}

impl FusedStream for Responses {
    fn is_terminated(&self) -> bool {
        self.end.is_some()
    }
}

impl Drop for Responses {
    fn drop(&mut self) {
        cancel(&self.connection, &mut self.timer);
    }
}

impl fmt::Debug for Responses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responses").field("given", &self.given).field("end", &self.end).finish_non_exhaustive()
    }
}
