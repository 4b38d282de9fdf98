//! The machine alone: one stream, with no bus, no clock, no lock and no JSON.
//!
//! It is built in the manner of a protocol without sockets. The caller says what happens and when: a [`Publish`], a [`Purge`], an
//! acknowledgement, an instant that has come. The machine changes its state and keeps a list of what follows: [`Effect`]s to be sent. So it can be driven by a bus, by a test, or by a fuzzer.
//!
//! | part | what it knows |
//! |---|---|
//! | [`config`] | every field of a stream: defaults, refusals, permitted updates |
//! | [`error`] | every error with both its numbers and its text, in one table |
//! | [`Stream`] | a stream and its consumers: messages, timers, effects |
//! | [`consumer`] | the fields of a consumer, pull requests, acknowledgements, statuses |
//!
//! # What it costs
//!
//! A stored message takes its header block and payload in one allocation, 40 bytes, and 8 in its subject's list; a subject about 150 bytes
//! and its text. A publish costs the same whatever is stored: it looks up the subject, and adds to the ends of lists. A removal costs the same
//! wherever the message is. The messages that a pattern matches are found through the subjects, not by a search through messages.
//!
//! Rules of NATS are cited by numbers such as JS46 (streams), JE10 (errors) and JC140 (consumers).

#![expect(
    clippy::exhaustive_structs,
    reason = "what drives the machine names every field, so that a new one is thought of everywhere"
)]

mod batch;
mod check;
pub mod config;
pub mod consumer;
mod consumers;
mod counter;
mod dedup;
mod door;
mod effect;
pub mod error;
mod expiry;
mod filters;
pub(crate) mod header;
mod interest;
mod journal;
mod messages;
mod need;
mod parts;
mod publish;
mod read;
mod record;
mod records;
mod recover;
mod retention;
mod schedule;
mod sequences;
mod steps;
mod store;
mod storing;
mod stream;
mod subjects;
pub(super) mod time;

pub use check::Room;
pub use effect::{AbandonReason, Advisory, Answer, Delivery, Effect, Event, Ledger, Unpinned};
pub(super) use filters::Filters;
pub use interest::ConsumerId;
pub use messages::Messages;
pub use publish::Publish;
pub(super) use read::Ahead;
pub use read::StoredMessage;
pub use record::Record;
pub use recover::{Recovery, Unreadable};
pub use retention::Purge;
pub use stream::{Stream, StreamState};
pub use time::Timestamp;
