//! The source of the monitor: the facts that a server must know of itself.

#[cfg(feature = "jetstream")]
use crate::jetstream::JetStreamServer;
use crate::protocol::DisconnectReason;
use crate::server::ServerOptions;
use crate::sync::Mutex;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Is given a connection's number, a subject, and a function that makes the rest; breaks to be shown no more.
pub(crate) type VisitSubscription<'a> = dyn FnMut(u64, &str, &dyn Fn() -> SubscriptionSnapshot) -> ControlFlow<()> + 'a;

/// A server, as the monitor sees it. Each call takes a picture; two calls may see different moments.
pub(crate) trait Source: Send + Sync {
    fn identity(&self) -> Identity;

    fn counters(&self) -> Counters;

    /// The open connections in any order, without their subscriptions.
    fn connections(&self) -> Vec<ConnectionSnapshot>;

    /// Shows the subscriptions of the open connections, one connection after the other by their numbers, until `visit` breaks: those of one
    /// connection, or of all. `visit` is given the connection's number, the subject, and a function that makes the rest. It may be called
    /// under a lock.
    fn subscriptions(&self, of: Option<u64>, visit: &mut VisitSubscription<'_>) -> ControlFlow<()>;

    /// The closed ones, oldest first.
    fn closed(&self) -> Vec<Arc<ClosedConnection>>;

    fn sublist(&self) -> Sublist;

    /// JetStream, if it is there.
    #[cfg(feature = "jetstream")]
    fn jetstream(&self) -> Option<Arc<JetStreamServer>> {
        None
    }

    /// Whether new connections are accepted.
    fn is_ready(&self) -> bool;

    /// The time of day.
    fn now(&self) -> SystemTime;

    /// Takes a line for the log.
    fn warn(&self, text: std::fmt::Arguments<'_>);
}

/// The server's identity and configuration.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) git_commit: Option<String>,
    pub(crate) go: String,
    /// Where it listens; empty and 0 if it does not.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) start: SystemTime,
    /// When the options in force were read.
    pub(crate) config_time: SystemTime,
    /// `sha256:…` of the configuration file, or empty.
    pub(crate) config_digest: String,
    pub(crate) options: ServerOptions,
}

/// The server's counters since it started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: usize,
    pub(crate) total_connections: u64,
    pub(crate) in_msgs: u64,
    pub(crate) in_bytes: u64,
    pub(crate) out_msgs: u64,
    pub(crate) out_bytes: u64,
    pub(crate) slow_consumers: u64,
    pub(crate) stale_connections: u64,
    pub(crate) stalled_clients: u64,
}

/// A connection, open or as it was when it was closed.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionSnapshot {
    pub(crate) cid: u64,
    /// `None`: it came through a pipe.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) start: SystemTime,
    pub(crate) last_activity: SystemTime,
    /// Zero while unknown.
    pub(crate) rtt: Duration,
    pub(crate) pending_bytes: usize,
    pub(crate) in_msgs: u64,
    pub(crate) in_bytes: u64,
    pub(crate) out_msgs: u64,
    pub(crate) out_bytes: u64,
    pub(crate) stalls: u64,
    pub(crate) subscriptions: usize,
    pub(crate) name: Option<String>,
    pub(crate) lang: Option<String>,
    pub(crate) version: Option<String>,
    /// The user's name or nkey; `[REDACTED]` for a token.
    pub(crate) user: Option<String>,
    pub(crate) tls: Option<Tls>,
    /// Those of a closed one; else empty.
    pub(crate) list: Vec<SubscriptionSnapshot>,
}

/// The TLS parameters that were agreed on with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    /// `1.2` or `1.3`.
    pub(crate) version: String,
    /// `TLS_AES_128_GCM_SHA256` and the like.
    pub(crate) cipher_suite: String,
    /// The handshake came before INFO.
    pub(crate) first: bool,
}

/// A subscription of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionSnapshot {
    pub(crate) subject: String,
    pub(crate) queue: Option<String>,
    pub(crate) sid: String,
    /// Delivered so far.
    pub(crate) msgs: u64,
    /// Ends after so many.
    pub(crate) max: Option<u64>,
}

/// A connection that is no more.
#[derive(Clone, Debug)]
pub(crate) struct ClosedConnection {
    pub(crate) connection: ConnectionSnapshot,
    pub(crate) stop: SystemTime,
    pub(crate) reason: DisconnectReason,
}

/// The bus's registry of subscriptions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sublist {
    pub(crate) subscriptions: usize,
    pub(crate) cache: usize,
    pub(crate) inserts: u64,
    pub(crate) removes: u64,
    pub(crate) matches: u64,
    pub(crate) cache_hits: u64,
    /// Receivers of a message, on average.
    pub(crate) average_fanout: f64,
}

/// How many closed connections are remembered.
const CLOSED_MAX: usize = 10_000;

/// How many bytes they take.
//
// DIFFERENCE: nats-server does not bound them.
const CLOSED_BYTES_MAX: usize = 16 << 20;

/// The last connections that were closed. Memory is bounded: the oldest go first.
#[derive(Debug, Default)]
pub(crate) struct ClosedConnections(Mutex<Closed>);

#[derive(Debug, Default)]
struct Closed {
    list: VecDeque<Arc<ClosedConnection>>,
    bytes: usize,
}

impl ClosedConnection {
    /// Bytes that it takes.
    fn weight(&self) -> usize {
        let ConnectionSnapshot { name, lang, version, user, list, .. } = &self.connection;
        let texts = [name, lang, version, user].into_iter().flatten().map(String::capacity).sum::<usize>();
        let names = |of: &SubscriptionSnapshot| {
            of.subject.capacity() + of.sid.capacity() + of.queue.as_ref().map_or(0, String::capacity)
        };
        let subscriptions = list.iter().map(|of| size_of::<SubscriptionSnapshot>() + names(of)).sum::<usize>();
        size_of::<Self>() + texts + subscriptions
    }
}

impl ClosedConnections {
    pub(crate) fn push(&self, connection: ConnectionSnapshot, stop: SystemTime, reason: DisconnectReason) {
        let closed = Arc::new(ClosedConnection { connection, stop, reason });
        let mut all = self.0.lock();
        all.bytes += closed.weight();
        all.list.push_back(closed);
        while all.list.len() > CLOSED_MAX || all.bytes > CLOSED_BYTES_MAX {
            let Some(oldest) = all.list.pop_front() else { break };
            all.bytes -= oldest.weight();
        }
    }

    /// Oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<ClosedConnection>> {
        self.0.lock().list.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::monitor::fake;

    #[test]
    fn the_oldest_closed_connections_are_forgotten() {
        let closed = ClosedConnections::default();
        for cid in 0..CLOSED_MAX as u64 + 5 {
            closed.push(fake::connection(cid), SystemTime::UNIX_EPOCH, DisconnectReason::ClientClosed);
        }
        let list = closed.list();
        let cids: Vec<_> = list.iter().map(|closed| closed.connection.cid).collect();
        assert_eq!((cids.len(), cids[0], cids[CLOSED_MAX - 1]), (CLOSED_MAX, 5, CLOSED_MAX as u64 + 4));
    }
}
