//! The way of a message into a subscriber: counted, bounded, and waking its waiters.
//!
//! An [`Outlet`] is the door of one subscription. Behind it is a [`Mailbox`] (a queue of ours), a channel of the user's, a
//! callback, or a part of the bus. This room knows messages, limits and time, and nothing of clients, patterns or routes.
//!
//! **Promised.** Each message that is let in is delivered, still queued, or counted as dropped for a reason (G5). Nothing here runs
//! a user's code under a lock: wakers are woken, callbacks run and payloads dropped after locks are released (G4).

mod budget;
mod episode;
mod event_queue;
mod event_sender;
mod event_stream;
mod mailbox;
mod outcome;
mod outlet;
mod overflow;
pub(crate) mod runner;
mod tally;
mod wake;

pub(crate) use budget::Budget;
pub use episode::DroppedMessage;
pub(crate) use episode::{Episode, Losses};
pub use event_sender::EventSender;
pub use event_stream::EventStream;
pub(crate) use mailbox::{Counts, Mailbox, Sealed};
pub(crate) use outcome::{After, Offered, Refused};
pub(crate) use outlet::{Direct, Envelope, Other, Outlet, Receiver, Sink};
pub use outlet::{SinkDelivery, SinkResult};
pub(crate) use overflow::Policy;
pub use overflow::{DropCounts, DropReason, OverflowPolicy};
pub(crate) use wake::{Place, WakeList, Watchdog};
