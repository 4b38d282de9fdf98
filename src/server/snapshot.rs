//! The state of a server, as the monitor wants it.

use super::connection::{Connection, Interest, State};
use super::log::LogLevel;
use super::monitor::{self, ClosedConnection, Counters, Identity, Source, Sublist, Subscription, Tls};
use super::registry::Registry;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

/// How many subscriptions of a closed connection are remembered.
//
// DIFFERENCE: nats-server keeps all of them, of 10,000 connections.
const CLOSED_LIST_MAX: usize = 1_024;

/// How many entries of a list are looked at under one lock that others need.
const SLICE: usize = 256;

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
        let (mut totals, open) = self.totals();
        for connection in &open {
            totals.add(&connection.counts());
        }
        Counters {
            connections: open.len(),
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

    fn connections(&self, subscriptions: bool) -> Vec<monitor::Connection> {
        self.open().iter().map(|connection| picture(connection, self, subscriptions)).collect()
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
            average_fanout: if stats.published == 0 { 0.0 } else { stats.routed as f64 / stats.published as f64 },
        }
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

/// A connection as it is now, or was when it was closed (M3).
pub(super) fn picture(connection: &Connection, registry: &Registry, subscriptions: bool) -> monitor::Connection {
    let open = if subscriptions { list_open(connection) } else { Vec::new() };
    let state = connection.state.lock();
    let connect = &state.connect;
    let redacted = || connect.auth_token.as_ref().filter(|token| !token.is_empty()).map(|_| "[REDACTED]".to_owned());
    let shown = [&connect.nkey, &connect.user, &state.user].into_iter().flatten().find(|name| !name.is_empty());
    let list = if state.closed.is_some() { state.last.1.clone() } else { open };
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
    monitor::Connection {
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

/// The subscriptions that are remembered of a connection that is being closed: how many there were, and some of them.
pub(super) fn last(state: &State) -> (usize, Vec<Subscription>) {
    let mut list = list(&state.subscriptions, CLOSED_LIST_MAX);
    // As nats-server, which lifts the bounds before it lets subscriptions go.
    list.iter_mut().for_each(|subscription| subscription.max = None);
    (state.live(), list)
}

fn live(subscriptions: &BTreeMap<Box<[u8]>, Interest>) -> impl Iterator<Item = (&[u8], &Interest)> {
    let all = subscriptions.iter().map(|(sid, interest)| (&**sid, interest));
    all.filter(is_live)
}

fn is_live((_, interest): &(&[u8], &Interest)) -> bool {
    interest.listening.guard.close_reason().is_none()
}

fn list(subscriptions: &BTreeMap<Box<[u8]>, Interest>, max: usize) -> Vec<Subscription> {
    live(subscriptions).map(told).take(max).collect()
}

/// All subscriptions of an open connection, a slice at a time: its own SUB waits for one slice at most.
fn list_open(connection: &Connection) -> Vec<Subscription> {
    let mut all = Vec::new();
    let mut last: Option<Box<[u8]>> = None;
    loop {
        let state = connection.state.lock();
        let from = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let slice = state.subscriptions.range::<[u8], _>((from, Bound::Unbounded)).take(SLICE);
        let slice: Vec<_> = slice.map(|(sid, interest)| (&**sid, interest)).collect();
        let Some((sid, _)) = slice.last() else { return all };
        let next = (*sid).into();
        all.extend(slice.into_iter().filter(is_live).map(told));
        drop(state);
        last = Some(next);
    }
}

fn told((sid, interest): (&[u8], &Interest)) -> Subscription {
    Subscription {
        subject: interest.listening.guard.pattern().as_str().to_owned(),
        queue: interest.queue.clone(),
        sid: String::from_utf8_lossy(sid).into_owned(),
        msgs: interest.listening.guard.ledger().delivered,
        max: interest.max,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Host, Subscribe};
    use crate::server::listener::begin;
    use crate::{Bus, ServerOptions};

    #[test]
    fn a_list_in_slices_is_whole_and_in_order() {
        let registry = Registry::new(Bus::new(), ServerOptions::new()).unwrap();
        let (connection, session, mut desk) = begin(&registry, None);
        desk.connect(session.options()).unwrap();
        let sids: Vec<String> = (0..SLICE * 2 + 3).map(|number| format!("{number:05}")).collect();
        for sid in &sids {
            desk.subscribe(Subscribe { subject: "a", queue: None, sid: sid.as_bytes() }).unwrap();
        }
        desk.unsubscribe(sids[SLICE].as_bytes(), None);
        let told: Vec<_> = picture(&connection, &registry, true).list.into_iter().map(|entry| entry.sid).collect();
        let rest: Vec<_> = sids.iter().filter(|sid| **sid != sids[SLICE]).cloned().collect();
        assert_eq!(told, rest);
        assert!(picture(&connection, &registry, false).list.is_empty());
    }
}
