//! The ledgers of a bridge: every message that was to cross, counted by its outcome.

use std::fmt;

/// Why a message that a rule took did not arrive on the other side, or may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LossReason {
    /// The buffer was full: [`OverflowPolicy::DropNewest`](crate::OverflowPolicy::DropNewest), [`OverflowPolicy::Close`](crate::OverflowPolicy::Close), and
    /// messages that can't wait with [`OverflowPolicy::Block`](crate::OverflowPolicy::Block).
    QueueFull,
    /// It had waited longest when another needed its room ([`OverflowPolicy::DropOldest`](crate::OverflowPolicy::DropOldest)).
    Oldest,
    /// It was handed to the connection and not confirmed by the server when that was lost: it may have arrived or not. With
    /// [`at_least_once`](crate::bridge::BridgeBuilder::at_least_once) it is sent again instead.
    Unconfirmed,
    /// The server takes no message of this size (`max_payload`).
    TooLarge,
    /// The server refused the subject. The client library passes on no more than 128 refusals at a time: in a burst, those beyond
    /// that are not reported, and their messages count as delivered.
    Denied,
    /// It can't be sent on the other side: its header block is invalid (H2), or its subject is too long for a line of the protocol.
    Invalid,
    /// It has passed this bus before.
    Loop,
    /// Messages of the server's that arrived faster than the client library was let run: more than a million at once. The library tells of
    /// them one by one, but of no more than 128 at a time, so there may have been more.
    SlowConsumer,
    /// It was still buffered when the bridge was closed.
    Discarded,
    /// No room came up in time ([`OverflowPolicy::Block`](crate::OverflowPolicy::Block)). The bus counts and tells it, too, as
    /// [`DropReason::BlockTimeout`](crate::stats::DropReason::BlockTimeout) of a subscription of the bridge's.
    BlockTimeout,
    /// The connection ended each time this message was sent alone, three times in a row: the server hangs up because of it. Only with
    /// [`at_least_once`](crate::bridge::BridgeBuilder::at_least_once); without it the message is lost with the first connection, as
    /// [`Unconfirmed`](Self::Unconfirmed).
    EndsConnection,
}

impl LossReason {
    /// All reasons, in the order of declaration.
    pub const ALL: [LossReason; 11] = [
        LossReason::QueueFull,
        LossReason::Oldest,
        LossReason::Unconfirmed,
        LossReason::TooLarge,
        LossReason::Denied,
        LossReason::Invalid,
        LossReason::Loop,
        LossReason::SlowConsumer,
        LossReason::Discarded,
        LossReason::BlockTimeout,
        LossReason::EndsConnection,
    ];
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LossReason::QueueFull => "the buffer was full",
            LossReason::Oldest => "newer messages needed the room",
            LossReason::Unconfirmed => "the connection was lost before the server confirmed it",
            LossReason::TooLarge => "too large for the server",
            LossReason::Denied => "the server refused the subject",
            LossReason::Invalid => "can't be said on the other side",
            LossReason::Loop => "has passed this bus before",
            LossReason::SlowConsumer => "arrived faster than it could be taken",
            LossReason::Discarded => "the bridge was closed",
            LossReason::BlockTimeout => "no room came up in time",
            LossReason::EndsConnection => "the server ended the connection over it",
        })
    }
}

/// Messages lost, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossCounts([u64; LossReason::ALL.len()]);

impl LossCounts {
    /// Lost for this reason.
    pub fn of(&self, reason: LossReason) -> u64 {
        self.0[reason as usize]
    }

    /// Lost for any reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons for which something was lost, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (LossReason, u64)> + '_ {
        LossReason::ALL.into_iter().map(|reason| (reason, self.of(reason))).filter(|(_, count)| *count > 0)
    }

    pub(super) fn take_back(&mut self, reason: LossReason, count: u64) {
        self.0[reason as usize] -= count;
    }

    pub(super) fn add(&mut self, reason: LossReason, count: u64) {
        self.0[reason as usize] += count;
    }
}

/// The ledger of one direction. At any moment `taken == delivered + lost.total() + queued + in_flight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlowStats {
    /// Messages that a rule took.
    pub taken: u64,
    /// Messages that arrived: confirmed by the server, or published on the bus.
    pub delivered: u64,
    /// Messages lost, by reason.
    pub lost: LossCounts,
    /// Messages that wait in the buffer.
    pub queued: u64,
    /// Bytes that wait in the buffer: payloads, headers, and subjects of more than 64 bytes.
    pub queued_bytes: u64,
    /// Messages that were handed to the connection and are not confirmed yet, or are being published on the bus.
    pub in_flight: u64,
    /// Messages that were sent a second time after the connection was lost
    /// ([`at_least_once`](crate::bridge::BridgeBuilder::at_least_once)).
    pub repeated: u64,
}

impl FlowStats {
    /// Whether nothing is missing.
    pub fn balances(&self) -> bool {
        self.taken == self.delivered + self.lost.total() + self.queued + self.in_flight
    }
}

/// The counters of a bridge since its start, and its present contents; see
/// [`Bridge::stats`](crate::Bridge::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BridgeStats {
    /// From the bus to the server: exports, calls, and responses to requests from the server.
    pub outgoing: FlowStats,
    /// From the server to the bus: imports and requests; responses to calls are in [`responses`](Self::responses).
    pub incoming: FlowStats,
    /// Responses from the server's side that were published on the bus.
    pub responses: u64,
    /// Responses, from either side, to requests that are over or forgotten.
    pub late_replies: u64,
    /// Times that a connection was made.
    pub connects: u64,
    /// Subscriptions of rules on the server now.
    pub subscriptions: usize,
    /// Requests, in both directions, that may still get responses.
    pub open_requests: usize,
}
