//! The handle of a bridge.

use super::buffer::Barrier;
use super::core::{Core, Phase};
use super::error::FlushError;
use super::event::BridgeEvent;
use super::future::BridgeFuture;
use super::state::BridgeState;
use super::stats::BridgeStats;
use crate::event::EventStream;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A link between a bus and a NATS server or cluster. Cheap to clone; clones are the same bridge.
///
/// It ends with [`close`](Bridge::close), at the end of a [`drain`](Bridge::drain), when the bus is closed, or when its last handle is
/// dropped.
#[derive(Clone)]
#[must_use = "dropping the last handle closes the bridge"]
pub struct Bridge {
    handle: Arc<Handle>,
}

/// Closes the bridge when the last clone is gone.
struct Handle(Arc<Core>);

impl Bridge {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Bridge { handle: Arc::new(Handle(core)) }
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.handle.0
    }

    /// How it stands to its server.
    pub fn state(&self) -> BridgeState {
        self.core().state()
    }

    /// The counters of the bridge since its start, and its present contents.
    pub fn stats(&self) -> BridgeStats {
        self.core().stats()
    }

    /// A stream of its events from now on.
    pub fn events(&self) -> EventStream<BridgeEvent> {
        self.core().events.listen()
    }

    /// Waits until messages flow, at most for `timeout` on the bus's clock. False when the time is up, or the bridge closed.
    pub fn connected(&self, timeout: Duration) -> BridgeFuture<bool> {
        let core = self.core().clone();
        BridgeFuture::new(async move {
            let settled = core.until(|state| match state {
                BridgeState::Connected { .. } => Some(true),
                BridgeState::Closed => Some(false),
                _ => None,
            });
            tokio::select! {
                settled = settled => settled,
                () = core.bus.sleep(timeout) => false,
            }
        })
    }

    /// A barrier through to the server: when it is done, the server has got all that was published on the bus before, and the
    /// subscriptions that were wanted on the bus before are in force on the server. While there is no connection it waits for one.
    ///
    /// # Errors
    ///
    /// When waited for: [`FlushError::Lost`] if messages for the server were lost since the last flush, [`FlushError::Timeout`] after `timeout` on the bus's clock,
    /// [`FlushError::Closed`].
    pub fn flush(&self, timeout: Duration) -> BridgeFuture<Result<(), FlushError>> {
        let core = self.core().clone();
        let (done, flushed) = oneshot::channel();
        let is_open = core.outbox.barrier(Barrier { done, is_told: true });
        BridgeFuture::new(async move {
            if !is_open {
                return Err(FlushError::Closed);
            }
            tokio::select! {
                biased;
                flushed = flushed => match flushed {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(count)) => Err(FlushError::Lost { count }),
                    Err(_) => Err(FlushError::Closed),
                },
                () = core.bus.sleep(timeout) => Err(FlushError::Timeout { after: timeout }),
            }
        })
    }

    /// Ends the bridge without loss: no more messages come in, those that have come are published on the bus, those that were
    /// published there are sent and confirmed; then it is closed. Begins now. If it is not done after `timeout` on the bus's clock,
    /// the returned [`BridgeFuture`] closes it if it is waited for; otherwise the drain has no time limit.
    ///
    /// # Errors
    ///
    /// When waited for: [`FlushError::Timeout`], and [`FlushError::Lost`] if messages were lost since the last flush.
    pub fn drain(&self, timeout: Duration) -> BridgeFuture<Result<(), FlushError>> {
        let core = self.core().clone();
        core.enter(Phase::Draining);
        BridgeFuture::new(async move {
            let closed = || core.until(|state| (*state == BridgeState::Closed).then_some(()));
            tokio::select! {
                () = closed() => {}
                () = core.bus.sleep(timeout) => {
                    core.enter(Phase::Closed);
                    closed().await;
                    return Err(FlushError::Timeout { after: timeout });
                }
            }
            match core.lost_since() + core.inbox.lost_since() {
                0 => Ok(()),
                count => Err(FlushError::Lost { count }),
            }
        })
    }

    /// Ends the bridge now. Messages that wait to be sent or published are counted as [`LossReason::Discarded`](super::LossReason::Discarded). Returns at once;
    /// wait for [`closed`](Self::closed) to see the end.
    pub fn close(&self) {
        self.core().enter(Phase::Closed);
    }

    /// Waits until the bridge is closed and its connection gone.
    pub fn closed(&self) -> BridgeFuture<()> {
        let core = self.core().clone();
        BridgeFuture::new(async move { core.until(|state| (*state == BridgeState::Closed).then_some(())).await })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // A drain continues by itself.
        if self.0.phase() == Phase::Open {
            self.0.enter(Phase::Closed);
        }
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").field("state", &self.state()).finish_non_exhaustive()
    }
}
