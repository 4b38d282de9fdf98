//! Waiting for the end of a bus.

use crate::broker::Broker;
use crate::delivery::{WaiterKey, callbacks};
use crate::services::Phase;
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
    broker: Arc<Broker>,
    key: WaiterKey,
    /// It was ready once.
    is_done: bool,
}

impl Closed {
    pub(super) fn new(broker: Arc<Broker>) -> Self {
        Closed { broker, key: WaiterKey::default(), is_done: false }
    }

    fn is_ready(&self) -> bool {
        self.broker.services.life.phase.get() == Phase::Closed
    }
}

impl Future for Closed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Closed { broker, key, is_done } = &mut *self;
        let services = &broker.services;
        callbacks::poll(|| {
            if services.life.phase.get() != Phase::Closed {
                services.life.ended.register(key, cx.waker(), services.reporter());
                // It may have been closed before the waker was registered.
                if services.life.phase.get() != Phase::Closed {
                    return Poll::Pending;
                }
            }
            services.life.ended.leave(key);
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
        self.broker.services.life.ended.leave(&mut self.key);
    }
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").field("is_ready", &self.is_ready()).finish()
    }
}
