//! The counters of a bus, and one snapshot of them.

use super::Broker;
use crate::account::{CountsKey, Ledger, Totals, Traffic};
use crate::connection::{VISITS, sum_of};
use crate::id::ClientId;
use crate::matcher::MatcherStats;
use crate::steps;

/// The counters of a bus since its beginning, and its present contents; see
/// [`Bus::stats`](crate::Bus::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusStats {
    /// Connections there are: those that a handle keeps, or a received message with a reply subject; closed ones included.
    pub clients: usize,
    /// Subscriptions there are, those of inboxes included.
    pub subscriptions: usize,
    /// The sums over all connections, those that are gone included.
    pub traffic: Traffic,
    /// The ledger of all copies, those for subscriptions that are gone included.
    pub ledger: Ledger,
    /// The matcher's own.
    pub matcher: MatcherStats,
}

/// A sum of everything that is being made. Each subscription and connection that ends meanwhile counts once; see [`RetiredTotals`](crate::account::RetiredTotals).
pub(crate) struct Census<'a> {
    broker: &'a Broker,
    /// The number of its walk.
    walk: u64,
    clients: usize,
    subscriptions: usize,
}

impl<'a> Census<'a> {
    pub(crate) fn begin(broker: &'a Broker) -> Self {
        let walk = broker.account.retired.lock().begin_walk();
        Census { broker, walk, clients: 0, subscriptions: 0 }
    }

    /// Visits a few more; false once all are visited.
    pub(crate) fn go_on(&mut self) -> bool {
        // Dropped where no lock is held: one of them may be the last.
        let (mut connections, mut subscriptions) = (Vec::new(), Vec::new());
        let mut retired = self.broker.account.retired.lock();
        let walk = retired.walk(self.walk);
        let mut left = VISITS;
        while left > 0 {
            let Some((id, connection)) = self.broker.connections.first_from(ClientId::new(walk.next.connection)) else {
                return false;
            };
            let id = id.get();
            steps::count(1);
            left -= 1;
            let Some(connection) = connection else {
                walk.leave_ending(id);
                continue;
            };
            let from = walk.next.slot.filter(|_| walk.next.connection == id);
            if from.is_none() {
                walk.sum += connection.totals();
                self.clients += 1;
                self.subscriptions += connection.subscriptions.open();
            }
            let from = from.unwrap_or_default();
            let visited = subscriptions.len();
            let (slots, more) = connection.subscriptions.part(from, left, &mut subscriptions);
            walk.sum.ledger += sum_of(&subscriptions[visited..]);
            left -= slots;
            let (same, next) =
                (CountsKey { connection: id, slot: Some(from + slots) }, CountsKey::of_connection(id + 1));
            walk.next = if more { same } else { next };
            connections.push(connection);
        }
        true
    }

    pub(crate) fn finish(self) -> (Totals, usize, usize) {
        (self.broker.account.retired.lock().finish_walk(self.walk), self.clients, self.subscriptions)
    }
}

/// The sum over all connections and subscriptions.
pub(crate) fn bus_stats(broker: &Broker) -> BusStats {
    let mut census = Census::begin(broker);
    while census.go_on() {}
    let (all, clients, subscriptions) = census.finish();
    let Totals { mut traffic, ledger } = all;
    traffic.panics += broker.services.panics.count();
    BusStats { clients, subscriptions, traffic, ledger, matcher: broker.account.matcher.stats() }
}
