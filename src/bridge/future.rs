//! The futures of a bridge's operations: connect, flush, drain, close.

use crate::sync::block_on;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An operation of a bridge under way: wait for its end with `.await`, on any executor, or with [`BridgeFuture::wait`].
///
/// The work continues whether or not it is waited for. Dropping it loses nothing but the result.
#[must_use = "the operation continues by itself; wait for it, or say `let _ =`"]
pub struct BridgeFuture<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> BridgeFuture<T> {
    pub(super) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        BridgeFuture(Box::pin(future))
    }

    /// Blocks this thread until it is done. Not for tasks, nor for callbacks on the bus.
    pub fn wait(self) -> T {
        block_on(self)
    }
}

impl<T> Future for BridgeFuture<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for BridgeFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BridgeFuture").finish_non_exhaustive()
    }
}
