//! Responses to messages, through the connection that received the message.

use super::responder::WaitingResponse;
use super::{Head, HeaderMap, Message, Payload, Responder, Response, StartedResponse};
use crate::error::RespondError;
use futures_core::future::FusedFuture;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

impl Message {
    /// Publishes a response to the message's reply subject, whatever text a lenient connection made that, through the connection
    /// that received the message. Gives back how many subscribers accepted it: 0 when the requester does not wait for it any more.
    ///
    /// # Errors
    ///
    /// [`RespondError::NoReply`] if the message asks for no response, was made by hand, or is a [stored](Message::to_stored) copy; otherwise as
    /// [`Client::publish`](crate::Client::publish).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::Bus;
    ///
    /// let client = Bus::new().connect();
    /// let _doubler = client.subscribe_fn("double", |question| {
    ///     let n: i64 = question.payload_str().unwrap().parse().unwrap();
    ///     question.respond((2 * n).to_string()).unwrap();
    /// })?;
    /// assert_eq!(client.request("double", "21")?.payload(), b"42");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn respond<'a>(&self, payload: impl Into<Payload<'a>>) -> Result<usize, RespondError> {
        let (responder, response) = self.response(None, payload.into())?;
        Ok(responder.respond(response)?)
    }

    /// As [`Message::respond`], with headers.
    ///
    /// # Errors
    ///
    /// As [`Message::respond`].
    pub fn respond_with_headers<'a>(
        &self,
        headers: HeaderMap,
        payload: impl Into<Payload<'a>>,
    ) -> Result<usize, RespondError> {
        let (responder, response) = self.response(Head::made(None, headers), payload.into())?;
        Ok(responder.respond(response)?)
    }

    /// As [`Message::respond`], for tasks: full subscriptions with [`OverflowPolicy::Block`](crate::OverflowPolicy::Block) suspend the task and block
    /// no thread; see [`Client::publish_async`](crate::Client::publish_async).
    ///
    /// # Errors
    ///
    /// As [`Message::respond`].
    ///
    /// # Cancel safety
    ///
    /// As [`PublishFuture`](crate::future::PublishFuture).
    pub fn respond_async<'a>(&self, payload: impl Into<Payload<'a>>) -> RespondFuture {
        self.response_async(None, payload.into())
    }

    /// As [`Message::respond_async`], with headers.
    ///
    /// # Errors
    ///
    /// As [`Message::respond`].
    pub fn respond_with_headers_async<'a>(&self, headers: HeaderMap, payload: impl Into<Payload<'a>>) -> RespondFuture {
        self.response_async(Head::made(None, headers), payload.into())
    }

    fn response_async(&self, head: Option<Arc<Head>>, payload: Payload<'_>) -> RespondFuture {
        let started = match self.response(head, payload) {
            Ok((responder, response)) => match responder.respond_async(response) {
                StartedResponse::Waits(response) => return RespondFuture { response: Err(response) },
                StartedResponse::Done(result) => result.map_err(RespondError::Publish),
            },
            Err(error) => Err(error),
        };
        RespondFuture { response: Ok(Some(started)) }
    }

    /// The response, and the connection to publish it on.
    fn response<'a>(
        &'a self,
        head: Option<Arc<Head>>,
        payload: Payload<'a>,
    ) -> Result<(&'a dyn Responder, Response<'a>), RespondError> {
        let reply = self.reply().ok_or(RespondError::NoReply)?;
        let responder = self.receiver().ok_or(RespondError::NoReply)?;
        Ok((&**responder, Response { reply, head, payload }))
    }
}

/// Waits until a response has room at the subscriptions that were full; made by [`Message::respond_async`]. Ready with how many accepted it
/// in all.
///
/// # Cancel safety
///
/// As [`PublishFuture`](crate::future::PublishFuture).
#[must_use = "copies that wait for room are lost when the future is dropped"]
pub struct RespondFuture {
    /// The result until it is taken, or the publish that waits.
    response: Result<Option<Result<usize, RespondError>>, WaitingResponse>,
}

impl Future for RespondFuture {
    type Output = Result<usize, RespondError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.response {
            Ok(result) => Poll::Ready(result.take().expect("polled after completion")),
            Err(response) => response.as_mut().poll(cx).map_err(RespondError::Publish),
        }
    }
}

impl FusedFuture for RespondFuture {
    fn is_terminated(&self) -> bool {
        match &self.response {
            Ok(result) => result.is_none(),
            Err(response) => response.is_terminated(),
        }
    }
}

impl fmt::Debug for RespondFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RespondFuture").field("result", &self.response.as_ref().ok()).finish_non_exhaustive()
    }
}
