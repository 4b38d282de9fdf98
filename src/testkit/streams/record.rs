//! What is known of a stream, its messages and its consumers.

use crate::observe::RemovalReason;
use smol_str::SmolStr;
use std::fmt;
use std::time::Duration;

/// A stream of a JetStream server on the kit's bus. A snapshot: later steps are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamRecord {
    /// Its name.
    pub name: SmolStr,
    /// It was deleted, or its server has ended. A stream of the same name that was made later is another.
    pub is_deleted: bool,
    /// Its messages, by sequence. Of those that are gone, only the last ones are known; see [`TestKitBuilder::journal`](crate::testkit::TestKitBuilder::journal).
    pub messages: Vec<StreamMessageRecord>,
    /// Its consumers, in the order in which they were made.
    pub consumers: Vec<ConsumerRecord>,
    /// Messages that were ever stored.
    pub stored: u64,
    /// Messages that are there.
    pub held: u64,
    /// Messages that are gone, by why.
    pub removed: Vec<(RemovalReason, u64)>,
    /// Messages that were not stored since no consumer was interested.
    pub unwanted: u64,
    /// Publishes that were acknowledged as stored before.
    pub duplicates: u64,
    /// Publishes that were refused.
    pub refused: u64,
    /// The last refusal: subject, number of the error, text.
    pub last_refusal: Option<(SmolStr, u16, String)>,
    /// Messages that are gone and no longer known.
    pub forgotten: u64,
}

/// A message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamMessageRecord {
    /// Its sequence.
    pub seq: u64,
    /// Its subject in the stream.
    pub subject: SmolStr,
    /// When it was stored, on the bus's clock.
    pub at: Duration,
    /// Whether it is there.
    pub fate: MessageFate,
    /// Publishes of the same id that came later.
    pub duplicates: u64,
    /// Its way through each consumer that it was delivered to, in the order of the first deliveries.
    pub consumers: Vec<MessageProgress>,
    /// The numbers of the steps that stored it and that took it out; 0 while it is there.
    pub(super) number: u64,
    pub(super) gone: u64,
}

/// Whether a message is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageFate {
    /// It is.
    Held,
    /// It is gone.
    Removed {
        /// Why.
        reason: RemovalReason,
        /// When, on the bus's clock.
        at: Duration,
    },
    /// It is gone with its stream.
    StreamDeleted,
}

/// The way of a message through a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageProgress {
    /// The consumer's name.
    pub consumer: SmolStr,
    /// How often it was delivered.
    pub deliveries: u32,
    /// When it was delivered, on the bus's clock: the last 100 times.
    pub delivered_at: Vec<Duration>,
    /// How often it was refused for now.
    pub naks: u32,
    /// Where it stands.
    pub state: DeliveryState,
    /// When that became so.
    pub at: Duration,
    /// The number of the consumer in its stream.
    pub(super) place: u64,
    /// The numbers of its steps: the last delivery, the last one beyond the first, the last refusal, the last of all.
    pub(super) delivered: u64,
    pub(super) redelivered: u64,
    pub(super) naked: u64,
    pub(super) last: u64,
}

/// The state of a message for a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DeliveryState {
    /// It waits for its acknowledgement.
    Pending,
    /// It was refused for now, and has not come again yet.
    Naked,
    /// It was acknowledged.
    Acked,
    /// It does not come again, as its receiver has said.
    Terminated,
    /// It was delivered as often as it may be, without an acknowledgement.
    Exhausted,
    /// It was not acknowledged before it was gone from the stream, or before the consumer was reset.
    Released,
    /// It was not acknowledged before the consumer was deleted.
    ConsumerDeleted,
}

impl DeliveryState {
    /// Whether an acknowledgement is waited for.
    pub fn is_open(self) -> bool {
        matches!(self, DeliveryState::Pending | DeliveryState::Naked)
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Naked => "naked",
            DeliveryState::Acked => "acked",
            DeliveryState::Terminated => "terminated",
            DeliveryState::Exhausted => "dead",
            DeliveryState::Released => "released",
            DeliveryState::ConsumerDeleted => "consumer deleted",
        })
    }
}

/// A consumer of a stream: each message that was delivered counts once, but for [`redelivered`](ConsumerRecord::redelivered).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerRecord {
    /// Its name.
    pub name: SmolStr,
    /// It is gone.
    pub is_deleted: bool,
    /// Messages that were delivered.
    pub delivered: u64,
    /// Deliveries beyond the first of each message.
    pub redelivered: u64,
    /// Acknowledged.
    pub acked: u64,
    /// Waiting for an acknowledgement.
    pub pending: u64,
    /// Terminated.
    pub terminated: u64,
    /// Delivered as often as they may be.
    pub exhausted: u64,
    /// Gone from the stream, or forgotten by a reset or the end of the consumer, before they were done.
    pub released: u64,
}

impl ConsumerRecord {
    /// Whether what was delivered is all accounted for.
    pub fn balances(&self) -> bool {
        let ConsumerRecord { delivered, acked, pending, terminated, exhausted, released, .. } = self;
        *delivered == acked + pending + terminated + exhausted + released
    }
}

impl StreamRecord {
    /// Whether what was stored is all accounted for.
    pub fn balances(&self) -> bool {
        self.stored == self.held + self.removed.iter().map(|(_, count)| count).sum::<u64>()
    }

    /// The message of a sequence.
    pub fn message(&self, seq: u64) -> Option<&StreamMessageRecord> {
        let place = self.messages.binary_search_by_key(&seq, |message| message.seq).ok()?;
        self.messages.get(place)
    }

    /// The consumer of a name: the last one that was made.
    pub fn consumer(&self, name: &str) -> Option<&ConsumerRecord> {
        self.consumers.iter().rev().find(|consumer| consumer.name == name)
    }

    /// Messages that are gone for this reason.
    pub fn removed(&self, reason: RemovalReason) -> u64 {
        self.removed.iter().find(|(of, _)| *of == reason).map_or(0, |(_, count)| *count)
    }
}

impl StreamMessageRecord {
    /// Its way through the consumer of a name: the last one of that name.
    pub fn for_consumer(&self, name: &str) -> Option<&MessageProgress> {
        self.consumers.iter().rev().find(|progress| progress.consumer == name)
    }
}
