//! The broker: the account and the connections of a bus, and the order of its end.
//!
//! | file | reason to change |
//! |---|---|
//! | `mod` | [`Broker`]: connections come, and all of them end |
//! | `stats` | the counters of a bus, and one snapshot of them |

mod stats;

pub use stats::BusStats;
#[cfg(all(test, not(postroom_shuttle)))]
pub(crate) use stats::Census;
pub(crate) use stats::bus_stats;

use crate::account::{Account, Roster, Subscription};
use crate::connection::{ConnectOptions, Connection, close_bus, finish_bus_drain};
use crate::error::CloseReason;
use crate::id::ClientId;
use crate::services::{Phase, Services};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::user_code::UserCode;
use std::sync::Arc;

/// The state that all handles of a bus share.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) services: Arc<Services>,
    pub(crate) account: Arc<Account>,
    connections: Arc<Roster<Connection>>,
    /// ORDERING: Relaxed; only uniqueness counts.
    next_connection: AtomicU64,
}

impl Broker {
    pub(crate) fn new(services: Arc<Services>, account: Account) -> Self {
        Broker {
            services,
            account: Arc::new(account),
            connections: Arc::new(Roster::new()),
            next_connection: AtomicU64::new(1),
        }
    }

    /// A new connection; on a bus that drains or is closed, a closed one.
    pub(crate) fn connect(&self, options: ConnectOptions) -> Arc<Connection> {
        let id = ClientId::new(self.next_connection.fetch_add(1, Ordering::Relaxed));
        let (services, account, roster) = (self.services.clone(), self.account.clone(), self.connections.clone());
        // Under the roster's lock: a close that comes now finds the connection there, or it sees the phase.
        let connection = self.connections.add(id, || Connection::new(services, account, roster, id, options));
        connection.emit_connected();
        connection
    }

    /// Cuts off a client; false if there is none with this number.
    pub(crate) fn kick(&self, client: ClientId) -> bool {
        let found = self.connections.get(client).filter(|found| found.phase() != Phase::Closed);
        let Some(connection) = found else { return false };
        match &connection.publisher.options.on_kick {
            Some(cut) => drop(self.services.reporter().contain(UserCode::KickHook, || cut())),
            None => connection.close(CloseReason::ClientClosed),
        }
        true
    }

    /// The subscriptions of a connection; dropped by the caller with no lock held.
    pub(crate) fn subscriptions_of(&self, client: ClientId) -> Vec<Arc<Subscription>> {
        self.connections.get(client).map(|connection| connection.subscriptions.all()).unwrap_or_default()
    }

    /// Drains all connections, and gives them back; the bus is closed once they are.
    pub(crate) fn drain(&self) -> Vec<Arc<Connection>> {
        self.services.life.phase.enter(Phase::Draining);
        let connections = self.connections.all();
        connections.iter().for_each(|connection| connection.drain());
        finish_bus_drain(&self.services, &self.account, &self.connections);
        connections
    }

    pub(crate) fn close(&self) {
        close_bus(&self.services, &self.account, &self.connections);
    }
}
