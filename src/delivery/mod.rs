//! The way of a message into a subscriber: counted, bounded, and waking its waiters.
//!
//! A [`DeliveryTarget`] is the door of one subscription. Behind it is a [`BoundedQueue`] (a queue of ours), a channel of the user's, a
//! callback, or a part of the bus. This room knows messages, limits and time, and nothing of clients, patterns or routes.
//!
//! **Promised.** Each message that is let in is delivered, still queued, or counted as dropped for a reason (G5). Nothing here runs
//! a user's code under a lock: wakers are woken, callbacks run and payloads dropped after locks are released (G4).

mod budget;
pub(crate) mod callbacks;
mod counts;
mod episode;
mod event_queue;
mod event_sender;
mod event_stream;
mod outcome;
mod overflow;
mod queue;
mod target;
mod wait_list;

pub(crate) use budget::Budget;
pub use episode::DroppedMessage;
pub(crate) use episode::{Episode, Losses};
pub use event_sender::EventSender;
pub use event_stream::EventStream;
pub(crate) use outcome::{FollowUp, Offered, Refused};
pub(crate) use overflow::Policy;
pub use overflow::{DropCounts, DropReason, OverflowPolicy};
pub(crate) use queue::{BoundedQueue, Counts, Frozen};
pub(crate) use target::{DeliveryTarget, Envelope, InternalSink, Receiver, Sink, TargetKind};
pub use target::{SinkDelivery, SinkResult};
pub(crate) use wait_list::{WaitList, WaiterKey, Watchdog};
