//! An operation that is on its way: one handle for threads and tasks.

use super::error::Operation;
use crate::future::RequestFuture;
use crate::jetstream::json::response::{self, Fields};
use crate::{Message, RequestError};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An operation that is on its way: its request was sent when the operation was called.
///
/// A thread blocks for the outcome with [`wait`](Call::wait), a task awaits the call itself, on any executor.
///
/// # Cancel safety
///
/// Dropping it gives up the wait for the response, not the operation: the server may have done it, and may still do it. A response that
/// comes later is counted as late. An operation of several requests, which says so, sends no further one.
#[must_use = "the outcome is only to be had from the call"]
pub struct Call<T, E> {
    stage: Stage<T, E>,
}

enum Stage<T, E> {
    Waiting(RequestFuture, Then<T, E>),
    /// It ended before anything was sent.
    Ready(Result<T, E>),
    Done,
}

type Then<T, E> = Box<dyn FnOnce(Result<Message, RequestError>) -> Step<T, E> + Send + Sync>;

/// The step behind a response.
pub(in crate::jetstream) enum Step<T, E> {
    Done(Result<T, E>),
    Next(Call<T, E>),
}

#[expect(private_bounds, reason = "the errors are those of the operations there are")]
impl<T, E: Operation> Call<T, E> {
    /// A request that was sent, and what becomes of its response.
    pub(super) fn new(
        request: RequestFuture,
        then: impl FnOnce(Result<Message, RequestError>) -> Step<T, E> + Send + Sync + 'static,
    ) -> Self {
        Call::with_step(request, then)
    }

    /// A request whose response has fields, and what is made of them.
    pub(super) fn of<F: Fields>(
        request: RequestFuture,
        then: impl FnOnce(F) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self {
        Call::new(request, move |response| Step::Done(fields(response).and_then(then)))
    }
}

/// The fields of a response.
pub(super) fn fields<F: Fields, E: Operation>(response: Result<Message, RequestError>) -> Result<F, E> {
    let response = response.map_err(E::of_request)?;
    response::decode(response.payload()).map_err(E::of_response)
}

impl<T, E> Call<T, E> {
    /// An operation whose outcome is known already.
    pub(in crate::jetstream) fn ready(outcome: Result<T, E>) -> Self {
        Call { stage: Stage::Ready(outcome) }
    }

    /// An operation that failed before anything was sent.
    pub(in crate::jetstream) fn failed(error: E) -> Self {
        Call::ready(Err(error))
    }

    /// A request that was sent, and the step behind its response.
    pub(super) fn with_step(
        request: RequestFuture,
        then: impl FnOnce(Result<Message, RequestError>) -> Step<T, E> + Send + Sync + 'static,
    ) -> Self {
        Call { stage: Stage::Waiting(request, Box::new(then)) }
    }

    /// The same operation with something else made of its outcome.
    pub(in crate::jetstream) fn map<U>(self, make: impl FnOnce(T) -> U + Send + Sync + 'static) -> Call<U, E>
    where
        T: 'static,
        E: 'static,
    {
        self.then(move |outcome| Step::Done(outcome.map(make)))
    }

    /// The same operation with a step behind its outcome.
    pub(in crate::jetstream) fn then<U, F>(
        self,
        then: impl FnOnce(Result<T, E>) -> Step<U, F> + Send + Sync + 'static,
    ) -> Call<U, F>
    where
        T: 'static,
        E: 'static,
    {
        match self.stage {
            Stage::Waiting(request, first) => Call::with_step(request, move |response| match first(response) {
                Step::Done(outcome) => then(outcome),
                Step::Next(call) => Step::Next(call.then(then)),
            }),
            Stage::Ready(outcome) => match then(outcome) {
                Step::Done(outcome) => Call::ready(outcome),
                Step::Next(call) => call,
            },
            Stage::Done => Call { stage: Stage::Done },
        }
    }

    /// Blocks this thread until the operation is done.
    ///
    /// # Errors
    ///
    /// Those of the operation.
    ///
    /// # Panics
    ///
    /// If it was polled to its end before.
    pub fn wait(mut self) -> Result<T, E> {
        loop {
            match self.take() {
                Stage::Waiting(request, then) => match then(request.wait()) {
                    Step::Done(outcome) => return outcome,
                    Step::Next(call) => self = call,
                },
                Stage::Ready(outcome) => return outcome,
                Stage::Done => panic!("polled after completion"),
            }
        }
    }

    fn take(&mut self) -> Stage<T, E> {
        std::mem::replace(&mut self.stage, Stage::Done)
    }
}

impl<T, E> Future for Call<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let response = match &mut self.stage {
                Stage::Waiting(request, _) => match Pin::new(request).poll(cx) {
                    Poll::Ready(response) => Some(response),
                    Poll::Pending => return Poll::Pending,
                },
                _ => None,
            };
            match (self.take(), response) {
                (Stage::Waiting(_, then), Some(response)) => match then(response) {
                    Step::Done(outcome) => return Poll::Ready(outcome),
                    Step::Next(call) => *self = call,
                },
                (Stage::Ready(outcome), _) => return Poll::Ready(outcome),
                _ => panic!("polled after completion"),
            }
        }
    }
}

// Nothing in it is ever pinned.
impl<T, E> Unpin for Call<T, E> {}

impl<T, E> fmt::Debug for Call<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage: &dyn fmt::Debug = match &self.stage {
            Stage::Waiting(request, _) => request,
            Stage::Ready(_) => &"ready",
            Stage::Done => &"done",
        };
        f.debug_tuple("Call").field(stage).finish()
    }
}
