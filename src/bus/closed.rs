//! Waiting for the end of a bus.

use super::{Phase, Shared};
use crate::delivery::{Place, runner};
use futures_core::future::FusedFuture;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Ready once a bus is closed; made by [`Bus::closed`](crate::Bus::closed).
///
/// It can be polled from any task, and again after it was ready. It keeps the bus alive, as a client does.
///
/// # Cancel safety
///
/// Dropping it loses nothing.
#[must_use = "it waits only for those who await it"]
pub struct Closed {
    shared: Arc<Shared>,
    place: Place,
    /// It was ready once.
    is_done: bool,
}

impl Closed {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Closed { shared, place: Place::default(), is_done: false }
    }

    fn is_ready(&self) -> bool {
        self.shared.phase() == Phase::Closed
    }
}

impl Future for Closed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Closed { shared, place, is_done } = &mut *self;
        runner::poll(|| {
            if shared.phase() != Phase::Closed {
                shared.ended.register(place, cx.waker(), shared.reporter());
                // It may have been closed before the waker was registered.
                if shared.phase() != Phase::Closed {
                    return Poll::Pending;
                }
            }
            shared.ended.leave(place);
            *is_done = true;
            Poll::Ready(())
        })
    }
}

impl FusedFuture for Closed {
    fn is_terminated(&self) -> bool {
        self.is_done
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        self.shared.ended.leave(&mut self.place);
    }
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").field("is_ready", &self.is_ready()).finish()
    }
}
