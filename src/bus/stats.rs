//! Counters, and one snapshot of them.

use super::{Connection, Shared};
use crate::account::{Ledger, Place, Subscription, Totals};
use crate::id::ClientId;
use crate::matcher::MatcherStats;
use crate::steps;
use std::sync::Arc;

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
    /// Responses that no request waited for any more, or that were more than wanted.
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
    /// Responses that no request waited for any more, or that were more than wanted.
    pub late_replies: u64,
    /// Callbacks that panicked on a message of this connection's.
    pub panics: u64,
    /// The ledger of the messages for its subscriptions, except for those whose handle is gone.
    pub ledger: Ledger,
}

/// Connections and slots of subscriptions that are visited under one hold of the locks, which each unsubscribe takes.
const VISITS: usize = 256;

/// A sum of everything that is being made. Each subscription and connection that ends meanwhile counts once; see [`Past`](crate::account::Past).
struct Census<'a> {
    shared: &'a Shared,
    /// The number of its walk.
    walk: u64,
    clients: usize,
    subscriptions: usize,
}

impl<'a> Census<'a> {
    fn begin(shared: &'a Shared) -> Self {
        let walk = shared.account.past.lock().begin_walk();
        Census { shared, walk, clients: 0, subscriptions: 0 }
    }

    /// Visits a few more; false once all are visited.
    fn go_on(&mut self) -> bool {
        // Dropped where no lock is held: one of them may be the last.
        let (mut connections, mut subscriptions) = (Vec::new(), Vec::new());
        let mut past = self.shared.account.past.lock();
        let walk = past.walk(self.walk);
        let mut left = VISITS;
        while left > 0 {
            let Some((id, connection)) = self.shared.connection_from(ClientId::new(walk.next.connection)) else {
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
                walk.sum += connection.published_totals();
                self.clients += 1;
                self.subscriptions += connection.open();
            }
            let from = from.unwrap_or_default();
            let visited = subscriptions.len();
            let (slots, more) = connection.registered(from, left, &mut subscriptions);
            walk.sum.ledger += sum_of(&subscriptions[visited..]);
            left -= slots;
            let (same, next) = (Place { connection: id, slot: Some(from + slots) }, Place::of_connection(id + 1));
            walk.next = if more { same } else { next };
            connections.push(connection);
        }
        true
    }

    fn finish(self) -> (Totals, usize, usize) {
        (self.shared.account.past.lock().finish_walk(self.walk), self.clients, self.subscriptions)
    }
}

/// The ledgers of those whose counts are not in the past yet.
fn sum_of(subscriptions: &[Arc<Subscription>]) -> Ledger {
    let mut sum = Ledger::default();
    for subscription in subscriptions.iter().filter(|subscription| !subscription.is_retired()) {
        sum += subscription.outlet.counts().into();
    }
    sum
}

impl Shared {
    pub(super) fn stats(&self) -> BusStats {
        let mut census = Census::begin(self);
        while census.go_on() {}
        let (all, clients, subscriptions) = census.finish();
        let Totals { published, published_bytes, unmatched, routed, panics, requests, late_replies, ledger } = all;
        BusStats {
            clients,
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
        let mut totals = self.published_totals();
        let (mut from, mut more, mut seen) = (0, true, Vec::new());
        while more {
            let slots;
            (slots, more) = self.registered(from, VISITS, &mut seen);
            from += slots;
            totals.ledger += sum_of(&seen);
            seen.clear();
        }
        let Totals { published, published_bytes, unmatched, routed, panics, requests, late_replies, ledger } = totals;
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

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use super::*;
    use crate::bus::Bus;

    /// Many clients, and one with as many subscriptions: neither is walked over while the others wait for a lock.
    #[cfg(debug_assertions)]
    #[test]
    fn no_lock_is_held_for_many_visits() {
        let bus = Bus::new();
        let clients: Vec<_> = (0..9_999).map(|_| bus.connect()).collect();
        let _subscribers = (0..9_999).map(|_| clients[9].subscribe("a").unwrap()).collect::<Vec<_>>();
        let stats = steps::assert_few_under_a_lock(VISITS, || bus.stats());
        assert_eq!((stats.clients, stats.subscriptions), (9_999, 9_999));
        assert_eq!(steps::assert_few_under_a_lock(VISITS, || clients[9].stats()).subscriptions, 9_999);
    }

    /// G5: between any two steps of the sum, subscriptions and connections end, be they visited or not; each counts once.
    #[test]
    fn what_ends_meanwhile_counts_once() {
        let per_client = VISITS + 44;
        for steps_before in 0..8 {
            let bus = Bus::new();
            let mut clients: Vec<_> = (0..4).map(|_| bus.connect()).collect();
            let mut subscribers: Vec<Vec<_>> = clients
                .iter()
                .map(|client| (0..per_client).map(|_| client.subscribe("a").unwrap()).collect())
                .collect();
            let matched = 4 * per_client as u64;
            assert_eq!(clients[2].publish("a", "").unwrap(), 4 * per_client);
            let mut census = Census::begin(&bus.shared);
            assert!((0..steps_before).all(|n| census.go_on() || n >= 4));
            let mut second = Census::begin(&bus.shared);
            // Some subscriptions of the first client end and others take their slots; all of the second end, and the third client ends.
            subscribers[0].drain(..3);
            subscribers[0].drain(VISITS..);
            second.go_on();
            subscribers[1].clear();
            subscribers[2].clear();
            drop(clients.remove(2));
            let late = [(); 2].map(|()| clients[0].subscribe("a").unwrap());
            for mut census in [census, second] {
                while census.go_on() {}
                let (totals, ..) = census.finish();
                assert_eq!(totals.ledger.matched, matched, "{steps_before} steps before");
                assert!(totals.ledger.balances());
                assert_eq!((totals.published, totals.routed), (1, matched));
            }
            assert!(late.iter().all(|subscriber| subscriber.try_recv().is_err()));
            let now = bus.stats();
            assert_eq!((now.ledger.matched, now.routed, now.clients), (matched, matched, 3));
        }
    }
}
