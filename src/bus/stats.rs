//! Counters, and one snapshot of them.

use super::{Connection, Shared};
use crate::account::{Ledger, Totals};
use crate::matcher::MatcherStats;

/// The counters of a bus since its beginning, and its present contents; see
/// [`Bus::stats`](super::Bus::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusStats {
    /// Connections there are: those that a handle keeps, or a received message with a reply subject; closed ones included.
    pub clients: usize,
    /// Subscriptions there are, those of inboxes included.
    pub subscriptions: usize,
    /// Messages published.
    pub published: u64,
    /// Bytes of payload and headers published.
    pub published_bytes: u64,
    /// Messages that matched no subscription.
    pub unmatched: u64,
    /// Copies that publishers meant for a subscription: `ledger.matched`, counted on the other side. Equal at any quiet moment.
    pub routed: u64,
    /// Requests made.
    pub requests: u64,
    /// Answers that no request waited for any more, or that were more than wanted.
    pub late_replies: u64,
    /// Panics in code of users': callbacks and sinks, and all that [`UserCode`](crate::user_code::UserCode) names.
    pub panics: u64,
    /// The ledger of all copies, those for subscriptions that are gone included.
    pub ledger: Ledger,
    /// The matcher's own.
    pub matcher: MatcherStats,
}

/// The counters of one connection since its beginning, and its present contents; see
/// [`Client::stats`](crate::Client::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Subscriptions there are.
    pub subscriptions: usize,
    /// Messages published.
    pub published: u64,
    /// Bytes of payload and headers published.
    pub published_bytes: u64,
    /// Messages published that matched no subscription.
    pub unmatched: u64,
    /// Copies of them that were meant for a subscription.
    pub routed: u64,
    /// Requests made.
    pub requests: u64,
    /// Answers that no request waited for any more, or that were more than wanted.
    pub late_replies: u64,
    /// Callbacks that panicked on a message of this connection's.
    pub panics: u64,
    /// The ledger of the messages for its subscriptions, except for those whose handle is gone.
    pub ledger: Ledger,
}

impl Shared {
    pub(super) fn stats(&self) -> BusStats {
        // The locked past makes a subscription that retires meanwhile count once, here or there.
        let past = self.account.past.lock();
        let connections = self.connections();
        let mut all = *past;
        let (mut subscriptions, mut visited) = (0, Vec::new());
        for connection in &connections {
            all += connection.totals(&mut visited);
            subscriptions += connection.open();
        }
        drop(past);
        let Totals { published, published_bytes, unmatched, routed, panics, requests, late_replies, ledger } = all;
        BusStats {
            clients: connections.len(),
            subscriptions,
            published,
            published_bytes,
            unmatched,
            routed,
            requests,
            late_replies,
            panics: panics + self.panics.count(),
            ledger,
            matcher: self.account.matcher.stats(),
        }
    }
}

impl Connection {
    pub(crate) fn stats(&self) -> ClientStats {
        let Totals { published, published_bytes, unmatched, routed, panics, requests, late_replies, ledger } =
            self.totals(&mut Vec::new());
        ClientStats {
            subscriptions: self.open(),
            published,
            published_bytes,
            unmatched,
            routed,
            requests,
            late_replies,
            panics,
            ledger,
        }
    }
}
