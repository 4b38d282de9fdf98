//! The connection behind a message, as far as a response needs it.

use super::{Head, Payload};
use crate::error::PublishError;
use crate::subject::Subject;
use futures_core::future::FusedFuture;
use std::pin::Pin;
use std::sync::Arc;

/// The connection that received a message, for responses to it.
pub(crate) trait Responder: Send + Sync {
    /// Publishes a response; gives back how many subscribers accepted it.
    fn respond(&self, response: Response<'_>) -> Result<usize, PublishError>;

    /// The same without blocking: delivers at once what can be.
    fn respond_async(&self, response: Response<'_>) -> StartedResponse;
}

/// A response before it is published.
pub(crate) struct Response<'a> {
    /// Its subject: the reply that the bus delivered, whatever text that is.
    pub(crate) reply: &'a Subject,
    pub(crate) head: Option<Arc<Head>>,
    pub(crate) payload: Payload<'a>,
}

/// A response that was published for a task.
pub(crate) enum StartedResponse {
    Done(Result<usize, PublishError>),
    /// Copies wait for room.
    Waits(WaitingResponse),
}

pub(crate) type WaitingResponse = Pin<Box<dyn FusedFuture<Output = Result<usize, PublishError>> + Send + Sync>>;
