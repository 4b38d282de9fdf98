//! The steps of a stream: what became of each message that it stored, and of its consumers.

use smol_str::SmolStr;
use std::fmt;

/// One step of a stream of a JetStream server. Each message is [`Stored`](StreamStep::Stored) once, and is held until it is
/// [`Removed`](StreamStep::Removed) or all messages are [`Cleared`](StreamStep::Cleared). For each consumer it is
/// [`Delivered`](StreamStep::Delivered) any number of times, and waits for its acknowledgement until one of the other steps of consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamStep {
    /// The stream was made.
    Created,
    /// The stream was deleted, with all that it held. With the end of its server it is too.
    Deleted,
    /// A message was stored.
    Stored {
        /// Its sequence.
        seq: u64,
        /// Its subject in the stream.
        subject: SmolStr,
    },
    /// No consumer wanted a message: its sequence is used up, and it is not stored.
    Unwanted {
        /// Its sequence.
        seq: u64,
    },
    /// A publish was acknowledged as one that was stored before.
    Duplicate {
        /// The sequence of the message that was stored before.
        seq: u64,
    },
    /// A publish was refused.
    Refused {
        /// Its subject.
        subject: SmolStr,
        /// The number of the error.
        err_code: u16,
        /// The text of the error.
        description: String,
    },
    /// A message is gone.
    Removed {
        /// Its sequence.
        seq: u64,
        /// Why.
        reason: RemovalReason,
    },
    /// All messages are gone by a purge.
    Cleared,
    /// A consumer was made.
    ConsumerCreated {
        /// Its name.
        consumer: SmolStr,
    },
    /// A consumer is gone, by a request or for want of use.
    ConsumerDeleted {
        /// Its name.
        consumer: SmolStr,
    },
    /// A message was delivered.
    Delivered {
        /// The consumer's name.
        consumer: SmolStr,
        /// The message's sequence.
        seq: u64,
        /// How often it was by now.
        deliveries: u32,
    },
    /// A message was acknowledged. Without acknowledgements it counts as such when it is delivered.
    Acked {
        /// The consumer's name.
        consumer: SmolStr,
        /// The message's sequence.
        seq: u64,
    },
    /// A message was refused for now, and comes again.
    Naked {
        /// The consumer's name.
        consumer: SmolStr,
        /// The message's sequence.
        seq: u64,
    },
    /// A message does not come again, as its receiver has said.
    Terminated {
        /// The consumer's name.
        consumer: SmolStr,
        /// The message's sequence.
        seq: u64,
    },
    /// A message was delivered as often as it may be.
    Exhausted {
        /// The consumer's name.
        consumer: SmolStr,
        /// The message's sequence.
        seq: u64,
    },
    /// A message that waited for its acknowledgement is not waited for any more: it is gone from the stream, or the consumer was reset.
    Released {
        /// The consumer's name.
        consumer: SmolStr,
        /// The message's sequence.
        seq: u64,
    },
}

impl StreamStep {
    /// The message that it is about, by its sequence.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        match self {
            StreamStep::Stored { seq, .. }
            | StreamStep::Unwanted { seq }
            | StreamStep::Duplicate { seq }
            | StreamStep::Removed { seq, .. }
            | StreamStep::Delivered { seq, .. }
            | StreamStep::Acked { seq, .. }
            | StreamStep::Naked { seq, .. }
            | StreamStep::Terminated { seq, .. }
            | StreamStep::Exhausted { seq, .. }
            | StreamStep::Released { seq, .. } => Some(*seq),
            _ => None,
        }
    }

    /// The name of the consumer that it is about.
    #[must_use]
    pub fn consumer(&self) -> Option<&SmolStr> {
        match self {
            StreamStep::ConsumerCreated { consumer }
            | StreamStep::ConsumerDeleted { consumer }
            | StreamStep::Delivered { consumer, .. }
            | StreamStep::Acked { consumer, .. }
            | StreamStep::Naked { consumer, .. }
            | StreamStep::Terminated { consumer, .. }
            | StreamStep::Exhausted { consumer, .. }
            | StreamStep::Released { consumer, .. } => Some(consumer),
            _ => None,
        }
    }
}

/// Why a message is gone from its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RemovalReason {
    /// No consumer needs it any more.
    Acked,
    /// Its time was over.
    Expired,
    /// A limit made room.
    Evicted,
    /// A newer message took its place.
    RolledUp,
    /// It was purged.
    Purged,
    /// It was deleted by itself.
    Deleted,
}

impl fmt::Display for RemovalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RemovalReason::Acked => "acked away",
            RemovalReason::Expired => "expired",
            RemovalReason::Evicted => "evicted",
            RemovalReason::RolledUp => "rolled up",
            RemovalReason::Purged => "purged",
            RemovalReason::Deleted => "deleted",
        })
    }
}

/// The steps of a stream that one change of it made, in their order.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StreamSteps<'a> {
    /// The stream's name.
    pub stream: &'a str,
    /// The steps.
    pub steps: &'a [StreamStep],
    /// The messages that the stream holds after them.
    pub held: u64,
    /// A ledger of the stream or of one of its consumers that does not balance after them: a fault of the server.
    pub imbalance: Option<&'a str>,
}

impl<'a> StreamSteps<'a> {
    /// For a server that tells them.
    pub fn new(stream: &'a str, steps: &'a [StreamStep], held: u64, imbalance: Option<&'a str>) -> Self {
        StreamSteps { stream, steps, held, imbalance }
    }
}
