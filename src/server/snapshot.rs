//! The state of a server, as the monitor wants it.

use super::connection::Connection;
use super::log::LogLevel;
use super::monitor::{
    self, ClosedConnection, Counters, Identity, Source, Sublist, SubscriptionSnapshot, Tls, VisitSubscription,
};
use super::registry::Registry;
use super::subscriptions::visit_slice;
#[cfg(feature = "jetstream")]
use crate::jetstream::JetStreamServer;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

impl Source for Registry {
    fn identity(&self) -> Identity {
        let options = self.options();
        let address = self.address();
        let config = self.config.lock().clone();
        Identity {
            id: self.id(),
            name: self.name(),
            version: options.version.as_str().to_owned(),
            git_commit: None,
            // As in INFO.
            go: String::new(),
            host: address.map(|address| address.ip().to_string()).unwrap_or_default(),
            port: address.map_or(0, |address| address.port()),
            start: self.started,
            config_time: config.time,
            config_digest: config.digest,
            options: (*options).clone(),
        }
    }

    fn counters(&self) -> Counters {
        let (totals, connections) = self.totals();
        Counters {
            connections,
            total_connections: totals.connections,
            in_msgs: totals.in_msgs,
            in_bytes: totals.in_bytes,
            out_msgs: totals.out_msgs,
            out_bytes: totals.out_bytes,
            slow_consumers: totals.slow_consumers,
            stale_connections: totals.stale,
            stalled_clients: totals.stalls,
        }
    }

    fn connections(&self) -> Vec<monitor::ConnectionSnapshot> {
        self.open().map(|connection| picture(&connection, self)).collect()
    }

    fn subscriptions(&self, of: Option<u64>, visit: &mut VisitSubscription<'_>) -> ControlFlow<()> {
        match of {
            Some(cid) => self.find(cid).map_or(ControlFlow::Continue(()), |connection| visit_all(&connection, visit)),
            None => self.open().try_for_each(|connection| visit_all(&connection, visit)),
        }
    }

    fn closed(&self) -> Vec<Arc<ClosedConnection>> {
        self.closed.list()
    }

    fn sublist(&self) -> Sublist {
        let stats = self.bus.stats();
        let (changes, entries) = (stats.matcher.changes, stats.matcher.entries as u64);
        Sublist {
            subscriptions: stats.subscriptions,
            cache: stats.matcher.cached_routes,
            // Each entry that is there was added, and each that is not was added and removed.
            inserts: (changes + entries) / 2,
            removes: changes.saturating_sub(entries) / 2,
            matches: stats.matcher.cache_hits + stats.matcher.cache_misses,
            cache_hits: stats.matcher.cache_hits,
            average_fanout: if stats.traffic.published == 0 {
                0.0
            } else {
                stats.traffic.routed as f64 / stats.traffic.published as f64
            },
        }
    }

    #[cfg(feature = "jetstream")]
    fn jetstream(&self) -> Option<Arc<JetStreamServer>> {
        self.jetstream.get()
    }

    fn is_ready(&self) -> bool {
        !self.is_lame() && !self.is_shut()
    }

    fn now(&self) -> SystemTime {
        self.bus.clock().wall_time()
    }

    fn warn(&self, text: std::fmt::Arguments<'_>) {
        self.log.write(LogLevel::Warn, text);
    }
}

/// A connection as it is now, or was when it was closed (M3). Only then its subscriptions are in it.
pub(super) fn picture(connection: &Connection, registry: &Registry) -> monitor::ConnectionSnapshot {
    let state = connection.state.lock();
    let connect = &state.connect;
    let redacted = || connect.auth_token.as_ref().filter(|token| !token.is_empty()).map(|_| "[REDACTED]".to_owned());
    let shown = [&connect.nkey, &connect.user, &state.user].into_iter().flatten().find(|name| !name.is_empty());
    let list = if state.closed.is_some() { state.last.1.clone() } else { Vec::new() };
    let counts = connection.counts();
    let clock = registry.bus.clock();
    let traffic = &connection.traffic;
    let last_activity = match traffic.last_activity.load(Relaxed).max(traffic.last_delivery.load(Relaxed)) {
        0 => connection.started,
        last => {
            let since = clock.now().saturating_sub(Duration::from_millis(last));
            clock.wall_time().checked_sub(since).unwrap_or(connection.started)
        }
    };
    monitor::ConnectionSnapshot {
        cid: connection.cid,
        address: connection.peer,
        start: connection.started,
        last_activity: last_activity.max(connection.started),
        rtt: Duration::from_nanos(traffic.rtt.load(Relaxed)),
        pending_bytes: connection.out.pending(),
        in_msgs: counts.in_msgs,
        in_bytes: counts.in_bytes,
        out_msgs: counts.out_msgs,
        out_bytes: counts.out_bytes,
        stalls: counts.stalls,
        subscriptions: if state.closed.is_some() { state.last.0 } else { state.live() },
        name: connect.name.clone(),
        lang: connect.lang.clone(),
        version: connect.version.clone(),
        user: shown.cloned().or_else(redacted),
        tls: connection.tls().map(|agreed| Tls {
            version: agreed.version.clone(),
            cipher_suite: agreed.cipher.clone(),
            first: registry.options().tls.as_ref().is_some_and(|tls| tls.handshake_first),
        }),
        list,
    }
}

/// Shows the live subscriptions of a connection, a slice at a time: its own SUB waits for one slice at most.
fn visit_all(connection: &Connection, visit: &mut VisitSubscription<'_>) -> ControlFlow<()> {
    let mut last: Option<Box<[u8]>> = None;
    loop {
        let mut visit = |subject: &str, make: &dyn Fn() -> SubscriptionSnapshot| visit(connection.cid, subject, make);
        last = visit_slice(&connection.state.lock().subscriptions, last.as_deref(), &mut visit)?;
        if last.is_none() {
            return ControlFlow::Continue(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bus;
    use crate::protocol::{SessionHandler, Subscribe};
    use crate::server::ServerOptions;
    use crate::server::listener::begin;
    use crate::server::workers::AT_ONCE;

    #[test]
    fn a_list_in_slices_is_whole_and_in_order() {
        let registry = Registry::new(Bus::new(), ServerOptions::new()).unwrap();
        let (connection, session, mut handler) = begin(&registry, None);
        handler.connect(session.options()).unwrap();
        let sids: Vec<String> = (0..AT_ONCE * 2 + 3).map(|number| format!("{number:05}")).collect();
        for sid in &sids {
            handler.subscribe(Subscribe { subject: "a", queue: None, sid: sid.as_bytes() }).unwrap();
        }
        handler.unsubscribe(sids[AT_ONCE].as_bytes(), None);
        let mut shown = Vec::new();
        let all = visit_all(&connection, &mut |cid, subject, make| {
            assert_eq!((cid, subject), (connection.cid, "a"));
            shown.push(make().sid);
            ControlFlow::Continue(())
        });
        let rest: Vec<_> = sids.iter().filter(|sid| **sid != sids[AT_ONCE]).cloned().collect();
        assert_eq!((all, shown), (ControlFlow::Continue(()), rest));
        let mut looked = 0;
        let first = visit_all(&connection, &mut |_, _, _| {
            looked += 1;
            ControlFlow::Break(())
        });
        assert_eq!((first, looked), (ControlFlow::Break(()), 1));
        assert!(picture(&connection, &registry).list.is_empty());
    }
}
