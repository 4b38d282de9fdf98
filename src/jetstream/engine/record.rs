//! The records of a stream, which outlive its process, in the order in which things happened.
//!
//! A record says what is so from then on, not what was asked for. So a stream is made anew from its records without doing again what led to
//! them, and a record that comes twice changes nothing.

use super::config::StreamConfig;
use super::consumer::ConsumerConfig;
use super::consumer::held::Progress;
use super::interest::ConsumerId;
use super::time::Timestamp;
use std::borrow::Cow;

/// Something that is so from then on. [`Stream::drain_records`](super::Stream::drain_records) gives them out, and a
/// [`Recovery`](super::Recovery) takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record<'a> {
    /// The stream's configuration, and when it was made.
    Config {
        /// The configuration.
        config: Cow<'a, StreamConfig>,
        /// When the stream was made.
        created: Timestamp,
    },
    /// A message is there. It comes in the order of sequences, but for those that were moved within a log.
    Message {
        /// Its sequence.
        seq: u64,
        /// When it was stored.
        time: Timestamp,
        /// Its subject.
        subject: &'a str,
        /// Its header block; no bytes if it has none.
        head: &'a [u8],
        /// Its payload.
        payload: &'a [u8],
    },
    /// A message is gone.
    Removed {
        /// Its sequence.
        seq: u64,
    },
    /// All messages are gone.
    Cleared,
    /// The sequences of the stream, where they don't follow from its messages.
    Ends {
        /// The first sequence.
        first: u64,
        /// The last one that was used.
        last: u64,
        /// When that was.
        last_time: Option<Timestamp>,
    },
    /// A schedule has had a turn.
    Schedule {
        /// The message that has the schedule.
        seq: u64,
        /// Its next turn.
        due: Timestamp,
    },
    /// A consumer is there, or has another configuration.
    Consumer {
        /// Its number.
        id: ConsumerId,
        /// Its name.
        name: Cow<'a, str>,
        /// When it was made.
        created: Timestamp,
        /// Its configuration.
        config: Cow<'a, ConsumerConfig>,
    },
    /// A consumer is gone.
    ConsumerGone {
        /// Its number.
        id: ConsumerId,
    },
    /// A consumer has delivered messages, or they were acknowledged.
    Progress {
        /// Its number.
        id: ConsumerId,
        /// The change, or all of it.
        progress: Progress,
    },
}
