//! The ledger: what has become of every message that a subscription's pattern matched (G5).

use crate::delivery::{Counts, DropCounts};
use std::fmt;
use std::ops::AddAssign;

/// The fate of the messages matched by one subscription, or by several together.
///
/// At any quiet moment `matched == delivered + dropped.total() + queued`; [`Ledger::balances`] checks it. A message is
/// *delivered* when a receiver has taken it from the queue, when it is in the user's channel, or when the callback has
/// returned or panicked; it is *queued* before, also while the callback runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ledger {
    /// Messages that were to be delivered, a queue group's to one of its members.
    pub matched: u64,
    /// Messages handed over.
    pub delivered: u64,
    /// Messages lost, by reason.
    pub dropped: DropCounts,
    /// Messages that wait to be taken.
    pub queued: u64,
    /// Bytes that wait to be taken: payloads, headers, and subjects and replies of more than 64 bytes.
    pub queued_bytes: u64,
}

impl Ledger {
    /// Whether nothing is missing: `matched == delivered + dropped + queued`.
    pub fn balances(&self) -> bool {
        self.matched == self.delivered + self.dropped.total() + self.queued
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ledger { matched, delivered, dropped, queued, queued_bytes } = self;
        write!(
            f,
            "matched {matched}: delivered {delivered}, dropped {dropped}, queued {queued} ({queued_bytes} bytes)"
        )?;
        if self.balances() { Ok(()) } else { f.write_str("; does not balance") }
    }
}

impl From<Counts> for Ledger {
    fn from(counts: Counts) -> Self {
        let Counts { delivered, drops, queued, queued_bytes } = counts;
        Ledger { matched: delivered + drops.total() + queued, delivered, dropped: drops, queued, queued_bytes }
    }
}

impl AddAssign for Ledger {
    fn add_assign(&mut self, other: Ledger) {
        self.matched += other.matched;
        self.delivered += other.delivered;
        self.dropped.add(&other.dropped);
        self.queued += other.queued;
        self.queued_bytes += other.queued_bytes;
    }
}

/// What a connection published and requested, or all connections of a bus together, since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Messages published.
    pub published: u64,
    /// Bytes of payload and headers published.
    pub published_bytes: u64,
    /// Messages published that matched no subscription.
    pub unmatched: u64,
    /// Copies of the messages that were meant for a subscription. For a bus it is `ledger.matched`, counted on the other side: equal at any
    /// quiet moment.
    pub routed: u64,
    /// Requests made.
    pub requests: u64,
    /// Responses that no request waited for any more, or that were more than wanted.
    pub late_replies: u64,
    /// Panics in code of users'. For a connection: callbacks and sinks that panicked on its messages. For a bus also all that
    /// [`UserCode`](crate::user_code::UserCode) names.
    pub panics: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Traffic) {
        self.published += other.published;
        self.published_bytes += other.published_bytes;
        self.unmatched += other.unmatched;
        self.routed += other.routed;
        self.requests += other.requests;
        self.late_replies += other.late_replies;
        self.panics += other.panics;
    }
}

/// The counts of publishers, and the ledger of the copies for subscribers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) traffic: Traffic,
    pub(crate) ledger: Ledger,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.traffic += other.traffic;
        self.ledger += other.ledger;
    }
}
