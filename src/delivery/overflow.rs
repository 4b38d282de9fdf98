//! Overflow policies, and the counting of losses.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::fmt;
use std::time::Duration;

/// The policy of a subscription for a message that would exceed its capacity in messages or bytes.
///
/// | policy | waits | lost | order kept |
/// |---|---|---|---|
/// | `DropNewest` | none | the arriving message | yes |
/// | `DropOldest` | none | the messages that have waited longest | yes |
/// | `Block` | the publisher, up to the limit | the arriving message, when the limit is up | yes |
/// | `Close` | none | the arriving message, and every later one: the subscription ends | yes |
///
/// Every loss is counted by [`DropReason`] and reported in one [`Event::SlowConsumer`](crate::Event::SlowConsumer) per episode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverflowPolicy {
    /// Drops the arriving message: what NATS clients do (L7, L8). The default.
    #[default]
    DropNewest,
    /// Drops from the front of the queue until the arriving message fits. A user's channel
    /// ([`Client::subscribe_channel`](crate::Client::subscribe_channel)) can't have this policy: its front is not
    /// ours.
    DropOldest,
    /// Makes the publisher wait for room, at most this long on the bus's clock, then drops the arriving message.
    ///
    /// [`Client::publish`](crate::Client::publish) blocks its thread, so a thread that publishes to its own full queue
    /// waits the whole time for itself; [`Client::publish_async`](crate::Client::publish_async) suspends its task instead.
    Block(Duration),
    /// Ends the subscription as a NATS server does with a slow connection (L1): queued messages can still be received, then
    /// [`RecvError`](crate::RecvError) says why.
    Close,
}

/// Why a message that a subscription's pattern matched did not reach its subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The queue was full ([`OverflowPolicy::DropNewest`]).
    QueueFull,
    /// It had waited longest when another needed its room ([`OverflowPolicy::DropOldest`]).
    Oldest,
    /// No room came up in time ([`OverflowPolicy::Block`]).
    BlockTimeout,
    /// It found the queue full and so closed the subscription ([`OverflowPolicy::Close`]).
    SlowConsumer,
    /// The receiving end of a user's channel was gone.
    Disconnected,
    /// It was still queued when the last handle to the subscription was dropped.
    Discarded,
    /// The future that was waiting for room to publish it was dropped.
    Cancelled,
    /// An observer of the bus said so ([`DeliveryAction::Lose`](crate::observe::DeliveryAction::Lose)): a fault that a test asked for.
    Fault,
}

impl DropReason {
    /// All reasons, in the order of declaration.
    pub const ALL: [DropReason; 8] = [
        DropReason::QueueFull,
        DropReason::Oldest,
        DropReason::BlockTimeout,
        DropReason::SlowConsumer,
        DropReason::Disconnected,
        DropReason::Discarded,
        DropReason::Cancelled,
        DropReason::Fault,
    ];

    /// Whether losses for this reason are part of a slow-consumer episode.
    pub(crate) fn is_slow(self) -> bool {
        use DropReason::{BlockTimeout, Oldest, QueueFull, SlowConsumer};
        matches!(self, QueueFull | Oldest | BlockTimeout | SlowConsumer)
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DropReason::QueueFull => "queue full",
            DropReason::Oldest => "oldest in a full queue",
            DropReason::BlockTimeout => "no room in time",
            DropReason::SlowConsumer => "slow consumer",
            DropReason::Disconnected => "channel disconnected",
            DropReason::Discarded => "discarded with the subscription",
            DropReason::Cancelled => "publish cancelled",
            DropReason::Fault => "injected fault",
        })
    }
}

/// Messages lost, by reason.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct DropCounts([u64; DropReason::ALL.len()]);

impl DropCounts {
    /// Dropped for this reason.
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// Dropped for any reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons for which something was lost, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().map(|reason| (reason, self.of(reason))).filter(|(_, count)| *count > 0)
    }

    pub(crate) fn add(&mut self, other: &DropCounts) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }
}

/// The reasons for which something was lost, with their counts.
impl fmt::Debug for DropCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The sum, and the reasons for which something was lost with their counts: `3 (2 queue full, 1 cancelled)`.
impl fmt::Display for DropCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.total().fmt(f)?;
        for (at, (reason, count)) in self.iter().enumerate() {
            let before = if at == 0 { " (" } else { ", " };
            write!(f, "{before}{count} {reason}")?;
        }
        if self.total() > 0 { f.write_str(")") } else { Ok(()) }
    }
}

/// [`DropCounts`] while they are being counted.
#[derive(Debug, Default)]
pub(super) struct DropCounters([AtomicU64; DropReason::ALL.len()]);

impl DropCounters {
    pub(super) fn count(&self, reason: DropReason) {
        // ORDERING: Relaxed here and below; the counters only count.
        self.0[reason as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self) -> DropCounts {
        DropCounts(std::array::from_fn(|at| self.0[at].load(Relaxed)))
    }
}

/// The bounds of one subscription; shared by all that have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) capacity: usize,
    pub(crate) capacity_bytes: usize,
    pub(crate) overflow: OverflowPolicy,
}

impl Policy {
    /// Whether one more message of `size` bytes fits in addition to what is `pending`.
    #[inline]
    pub(super) fn fits(&self, pending: (usize, usize), size: usize) -> bool {
        pending.0 < self.capacity && pending.1 + size <= self.capacity_bytes
    }

    /// Whether so much room is free that a slow consumer counts as recovered: half of both bounds, so that a consumer
    /// that hovers around the edge has one episode and not thousands.
    pub(super) fn is_roomy(&self, pending: (usize, usize)) -> bool {
        pending.0 * 2 <= self.capacity && pending.1 * 2 <= self.capacity_bytes
    }
}
