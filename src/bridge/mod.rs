//! A bus and a real NATS server, linked: feature `bridge`.
//!
//! **Purpose.** An application that began in one process grows onto NATS without changing a line of its components: rules say which
//! messages cross, in which direction, under which subjects. The connection is async-nats', which knows TLS, credentials and the
//! wire; the bridge decides which messages cross, how often, and what happens in trouble.
//!
//! | rule | from | to | crosses |
//! |---|---|---|---|
//! | [`import`](BridgeBuilder::import) | server | bus | messages that a subscription on the bus matches |
//! | [`export`](BridgeBuilder::export) | bus | server | all that matches |
//! | [`serve`](BridgeBuilder::serve) | server | bus | requests, and the responses back |
//! | [`call`](BridgeBuilder::call) | bus | server | requests, and the responses back |
//!
//! Imports and exports carry requests as well, and their responses back. If several rules of one direction match a message, only the
//! first applies: no message crosses twice. A rule whose pattern begins with a wildcard leaves inboxes (`_INBOX.>`) where they are.
//!
//! **Promised.**
//!
//! - *Interest.* A rule that brings messages in has one subscription on the server, whatever the number of subscriptions on the bus, and
//!   only while there are any.
//! - *Cost.* A publish on the bus that a rule matches pays one push into a bounded queue; any other nothing.
//! - *Order.* What one thread publishes arrives in that order, also when the connection breaks in between, unless the server works off the
//!   old connection after the new one.
//! - *At most once,* or, if asked for, at least once. The server confirms the messages that it has got; messages that were not
//!   confirmed when a connection broke are counted, and told.
//! - *The ledger balances*: see [`FlowStats`]. Messages that the server sends while there is no connection never reach the bridge, and
//!   are not in it.
//! - *Requests cross whole*: headers, any number of responses, and no responders at once. Replies are inboxes of the bridge's own on the
//!   other side, so nothing else of one side is seen on the other.
//! - *Nothing goes round*: see [`LOOP_HEADER`].
//!
//! **Not promised.** A delivered message need not have been *stored* or *received* anywhere: the server has got it, no more.
//! JetStream's own acknowledgements cross as responses, if the application asks for them. There is no order between the messages
//! of different rules.
//!
//! **Failure.** A start fails with a [`StartError`]; afterwards the bridge keeps running, and reports by [`BridgeEvent`]s,
//! [`BridgeState`] and [`BridgeStats`].
//!
//! **Threads.** A bridge has two: one for the connection, on which also responses are published, and one that publishes the messages
//! of the rules. Callbacks on the bus run on the second, and may use the bridge; a callback on an inbox that was subscribed to by
//! hand runs on the first, and must not wait for the bridge.
//!
//! **The end.** Drain the bridge before the bus: a bridge ends when its bus is closed.
//!
//! **Where the rules come from.** Q1, Q6, R1 to R8, H1, H2, H7. The differences from a cluster are in the manual, under
//! [differences](crate::manual::differences).
//!
//! ```no_run
//! use postroom::Bus;
//! use postroom::bridge::{Bridge, Rule};
//!
//! let bus = Bus::new();
//! let bridge = Bridge::builder(&bus)
//!     .server("nats://127.0.0.1:4222")
//!     .import("orders.>")
//!     .export(Rule::new("metrics.>")?.prefix("eu")?)
//!     .call("svc.>")
//!     .start()?;
//! bus.connect().publish("metrics.load", "0.5")?; // arrives as eu.metrics.load
//! bridge.drain(std::time::Duration::from_secs(5)).wait()?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod buffer;
mod builder;
mod connector;
mod core;
mod crossing;
mod error;
mod event;
mod event_text;
pub mod future;
mod headers;
mod incoming;
mod interest;
mod mapping;
mod no_responders;
mod outgoing;
mod own_thread;
mod pull;
mod pulls;
mod registry;
mod reply;
mod rule;
mod server_link;
mod session;
mod state;
mod stats;
mod wait;
mod window;
mod wire;

/// The client library, whose options [`BridgeBuilder::connect_options`] takes.
pub use async_nats;
pub use builder::BridgeBuilder;
pub use error::{FlushError, StartError};
pub use event::{BridgeEvent, BridgeEvents, Direction, LossEpisode, LostMessage};
pub use mapping::MappingError;
pub use registry::LOOP_HEADER;
pub use rule::{Rule, RuleError, RuleKind, ToRule};
pub use state::BridgeState;
pub use stats::{BridgeStats, FlowStats, LossCounts, LossReason};

use self::buffer::Barrier;
use self::core::{Core, Phase};
use self::future::BridgeFuture;
use crate::Bus;
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
    /// To build a bridge from this bus.
    pub fn builder(bus: &Bus) -> BridgeBuilder {
        BridgeBuilder::new(bus)
    }

    fn new(core: Arc<Core>) -> Self {
        Bridge { handle: Arc::new(Handle(core)) }
    }

    fn core(&self) -> &Arc<Core> {
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
    pub fn events(&self) -> BridgeEvents {
        let core = self.core();
        core.hub.listen(&core.bus, self.state() == BridgeState::Closed)
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

    /// Ends the bridge now. Messages that wait to be sent or published are counted as [`LossReason::Discarded`]. Returns at once;
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
