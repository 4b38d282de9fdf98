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
//!   other side, so nothing else of one side is seen on the other, but for the inboxes that a consumer of the server's delivers to.
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
//! use postroom::{Bridge, Bus};
//! use postroom::bridge::Rule;
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
mod deliveries;
mod delivery;
mod error;
mod event;
mod event_text;
pub mod future;
pub(crate) mod handle;
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
mod window;
mod wire;

/// The client library, whose options [`BridgeBuilder::connect_options`] takes.
pub use async_nats;
pub use builder::BridgeBuilder;
pub use error::{FlushError, StartError};
pub use event::{BridgeEvent, Direction, LossEpisode, LostMessage};
pub(crate) use handle::Bridge;
pub use mapping::MappingError;
pub use registry::LOOP_HEADER;
pub use rule::{Rule, RuleError, RuleKind, ToRule};
pub use state::BridgeState;
pub use stats::{BridgeStats, FlowStats, LossCounts, LossReason};
