//! The counters of a connection, and a snapshot of them.

use super::Connection;
use crate::account::{Ledger, Subscription, Totals, Traffic};
use std::sync::Arc;

/// The counters of one connection since its beginning, and its present contents; see
/// [`Client::stats`](crate::Client::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Subscriptions there are.
    pub subscriptions: usize,
    /// What it published and requested.
    pub traffic: Traffic,
    /// The ledger of the messages for its subscriptions, except for those whose handle is gone.
    pub ledger: Ledger,
}

/// Connections and slots of subscriptions that are visited under one hold of the locks, which each unsubscribe takes.
pub(crate) const VISITS: usize = 256;

/// The ledgers of those whose counts are not in the retired totals yet.
pub(crate) fn sum_of(subscriptions: &[Arc<Subscription>]) -> Ledger {
    let mut sum = Ledger::default();
    for subscription in subscriptions.iter().filter(|subscription| !subscription.is_retired()) {
        sum += subscription.target.counts().into();
    }
    sum
}

/// Visits every subscription.
pub(crate) fn client_stats(connection: &Connection) -> ClientStats {
    let mut totals = connection.totals();
    let (mut from, mut more, mut seen) = (0, true, Vec::new());
    while more {
        let slots;
        (slots, more) = connection.subscriptions.part(from, VISITS, &mut seen);
        from += slots;
        totals.ledger += sum_of(&seen);
        seen.clear();
    }
    let Totals { traffic, ledger } = totals;
    ClientStats { subscriptions: connection.subscriptions.open(), traffic, ledger }
}
