//! The state of a consumer as it is shown, and its ledger (JC50 to JC52).

use super::config::ConsumerConfig;
use crate::jetstream::engine::time::Timestamp;
use smol_str::SmolStr;
use std::time::Duration;

/// A consumer as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerInfo {
    /// Its name, chosen by the server if the configuration has none.
    pub name: SmolStr,
    /// When it was made.
    pub created: Timestamp,
    /// Its configuration.
    pub config: ConsumerConfig,
    /// The last delivery.
    pub delivered: SequencePair,
    /// Everything up to here is done.
    pub ack_floor: SequencePair,
    /// Deliveries that wait for acknowledgements.
    pub num_ack_pending: u64,
    /// Messages that were delivered more than once, and are not acknowledged.
    pub num_redelivered: u64,
    /// Pull requests that wait.
    pub num_waiting: u64,
    /// Messages that are still to be delivered for the first time.
    pub num_pending: u64,
    /// Whether anything receives from a push consumer.
    pub push_bound: bool,
    /// How long it is still paused.
    pub pause_remaining: Option<Duration>,
    /// The first priority group.
    pub priority_group: Option<PriorityGroup>,
}

/// A sequence of the consumer and the sequence of the stream that belongs to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequencePair {
    /// Deliveries.
    pub consumer: u64,
    /// Messages.
    pub stream: u64,
    /// When it last changed.
    pub last_active: Option<Timestamp>,
}

/// A priority group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriorityGroup {
    /// Its name.
    pub group: String,
    /// The pin of the client that gets everything, and when it was made.
    pub pinned: Option<(SmolStr, Timestamp)>,
}

/// The fate of every message that was delivered, each counted once (promise JS-2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerLedger {
    /// Messages that were delivered.
    pub delivered: u64,
    /// Deliveries beyond the first of each message.
    pub redelivered: u64,
    /// Acknowledged; without acknowledgements, delivered.
    pub acked: u64,
    /// Waiting for an acknowledgement.
    pub pending: u64,
    /// Terminated.
    pub terminated: u64,
    /// Delivered as often as they may be.
    pub exhausted: u64,
    /// Gone from the stream before they were done, or forgotten by a reset.
    pub gone: u64,
}

impl ConsumerLedger {
    /// Whether what was delivered is all accounted for.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.delivered == self.acked + self.pending + self.terminated + self.exhausted + self.gone
    }
}
