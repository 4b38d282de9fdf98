//! The work that is left to do when a call has returned: for clients ([`Effect`]), and for the stream's consumers
//! ([`Change`]).

use super::consumer::status::Status;
use super::error::ApiError;
use super::interest::ConsumerId;
use super::time::Timestamp;
pub(crate) use crate::message::RemovalReason as Reason;
use crate::subject::Subject;
use bytes::Bytes;
use smallvec::SmallVec;
use smol_str::SmolStr;
use std::time::Duration;

/// Something to be sent, in the order in which it was made (JS92).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// The answer to a publish.
    Answer {
        /// Its reply subject.
        to: Subject,
        /// The answer.
        answer: Answer,
    },
    /// A stored message goes out again, without a reply subject (JS52).
    Republish {
        /// Where to.
        subject: Subject,
        /// The header block.
        head: Bytes,
        /// The payload.
        payload: Bytes,
    },
    /// A consumer's message goes out (JC78, JC80).
    Deliver(Box<Delivery>),
    /// A status goes to a pull request's inbox, or to a push consumer's receivers.
    Status {
        /// Where to.
        to: Subject,
        /// The reply subject of a flow control request (JC126).
        reply: Option<Subject>,
        /// The status.
        status: Box<Status>,
    },
    /// An acknowledgement is confirmed: an empty message without headers (JC91).
    Confirm {
        /// Where to.
        to: Subject,
    },
    /// Something happened to a consumer that those who listen are told (JC190 to JC197).
    Advisory(Advisory),
    /// An acknowledgement was measured (JC198).
    AckMetric {
        /// The consumer's name.
        consumer: SmolStr,
        /// The consumer sequence in the acknowledgement.
        consumer_seq: u64,
        /// The message.
        stream_seq: u64,
        /// The time since the last delivery.
        ack_time: Duration,
        /// The number of deliveries in the acknowledgement.
        deliveries: u64,
    },
    /// A consumer is gone, by a request or for want of use: nothing of it is to be watched any more.
    ConsumerGone {
        /// The consumer.
        id: ConsumerId,
        /// Its name.
        name: SmolStr,
    },
    /// An atomic batch came to nothing (JS63).
    BatchAbandoned {
        /// The batch's id.
        batch: String,
        /// Why.
        reason: AbandonReason,
    },
}

/// A message on its way to a consumer's user: routed by `to`, and shown with its own subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The consumer.
    pub consumer: ConsumerId,
    /// The deliver subject, or the inbox of a pull request.
    pub to: Subject,
    /// The stored subject.
    pub subject: Subject,
    /// Where acknowledgements go (JC81).
    pub reply: Subject,
    /// The header block; no bytes if it has none.
    pub head: Bytes,
    /// The payload.
    pub payload: Bytes,
}

/// Something that happened to a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advisory {
    /// The consumer's name.
    pub consumer: SmolStr,
    /// The event.
    pub event: Event,
}

/// The kinds of events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It was made.
    Created,
    /// It was deleted.
    Deleted,
    /// It was paused, or its pause is over.
    Pause {
        /// Whether it is paused now.
        is_paused: bool,
        /// The end that was set.
        until: Option<Timestamp>,
    },
    /// A message was refused for now; the numbers are those of the acknowledgement.
    Naked {
        /// The consumer sequence.
        consumer_seq: u64,
        /// The stream sequence.
        stream_seq: u64,
        /// Deliveries.
        deliveries: u64,
    },
    /// A message does not come again.
    Terminated {
        /// The consumer sequence.
        consumer_seq: u64,
        /// The stream sequence.
        stream_seq: u64,
        /// Deliveries.
        deliveries: u64,
        /// Why; empty if nothing was said.
        reason: String,
    },
    /// A message was delivered as often as it may be.
    MaxDeliveries {
        /// The stream sequence.
        stream_seq: u64,
        /// Deliveries.
        deliveries: u64,
    },
    /// One client gets everything from now on.
    Pinned {
        /// The group.
        group: SmolStr,
        /// The pin.
        id: SmolStr,
    },
    /// It does no longer.
    Unpinned {
        /// The group.
        group: SmolStr,
        /// Why.
        reason: Unpinned,
    },
}

/// Why a pin ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unpinned {
    /// The client did not come back in time.
    Timeout,
    /// It was asked for.
    Admin,
}

impl Unpinned {
    /// The word in the advisory.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Unpinned::Timeout => "timeout",
            Unpinned::Admin => "admin",
        }
    }
}

/// The answer to a publish (JS43).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It is stored, or no consumer was interested and its sequence is used up.
    Stored {
        /// Its sequence.
        seq: u64,
    },
    /// A message of the same id was stored before.
    Duplicate {
        /// The sequence of that one.
        seq: u64,
    },
    /// An increment is stored.
    Counter {
        /// Its sequence.
        seq: u64,
        /// The sum so far, a decimal number.
        value: String,
    },
    /// A part of an atomic batch is held: an empty payload.
    Part,
    /// An atomic batch is stored.
    Batch {
        /// The sequence of its last message.
        seq: u64,
        /// Its id.
        batch: String,
        /// How many of its messages are stored.
        count: u64,
        /// The last message's sum, on a stream of counters.
        value: Option<String>,
    },
    /// Nothing is stored.
    Failed(ApiError),
}

/// Why an atomic batch came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbandonReason {
    /// No further part came in time.
    Timeout,
    /// A sequence is missing or came twice, or the end came first.
    Incomplete,
    /// It has more messages than are allowed.
    Large,
    /// A part needs a newer API level.
    Unsupported,
}

impl AbandonReason {
    /// The word in the advisory.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            AbandonReason::Timeout => "timeout",
            AbandonReason::Incomplete => "incomplete",
            AbandonReason::Large => "large",
            AbandonReason::Unsupported => "unsupported",
        }
    }
}

/// The changes that a stream's consumers must know of, in the order in which they happened. Nothing is kept while there are
/// no consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A message was stored.
    Stored {
        /// Its sequence.
        seq: u64,
        /// The consumers one of whose filters matches it.
        consumers: SmallVec<[ConsumerId; 4]>,
    },
    /// A message is gone (JC140).
    Removed {
        /// Its sequence.
        seq: u64,
        /// Its subject.
        subject: SmolStr,
        /// Why.
        reason: Reason,
    },
    /// Messages were purged (JC141).
    Purged {
        /// Those that match this pattern; all if there is none.
        filter: Option<SmolStr>,
        /// Not each of them was told of by itself.
        recounts: bool,
    },
}

/// The fate of every message that was ever stored (promise JS-2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Stored.
    pub stored: u64,
    /// Still there.
    pub held: u64,
    /// Gone with the last acknowledgement.
    pub acked: u64,
    /// Gone by max_age or a time of their own.
    pub expired: u64,
    /// Gone because a limit made room.
    pub evicted: u64,
    /// Gone because a newer message took their place.
    pub rolled_up: u64,
    /// Gone by a purge, or with a schedule that was over.
    pub purged: u64,
    /// Deleted one by one.
    pub deleted: u64,
    /// Never stored, since no consumer was interested; their sequences are used up.
    pub unwanted: u64,
}

impl Ledger {
    /// Whether what was stored is all accounted for.
    #[must_use]
    pub fn balances(&self) -> bool {
        let gone = self.acked + self.expired + self.evicted + self.rolled_up + self.purged + self.deleted;
        self.stored == self.held + gone
    }

    pub(super) fn stored(&mut self) {
        self.stored += 1;
        self.held += 1;
    }

    pub(super) fn removed(&mut self, reason: Reason) {
        self.held -= 1;
        let count = match reason {
            Reason::Acked => &mut self.acked,
            Reason::Expired => &mut self.expired,
            Reason::Evicted => &mut self.evicted,
            Reason::RolledUp => &mut self.rolled_up,
            Reason::Purged => &mut self.purged,
            Reason::Deleted => &mut self.deleted,
        };
        *count += 1;
    }
}
