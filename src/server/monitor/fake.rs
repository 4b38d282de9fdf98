//! A server made up for tests: two connections, one that was closed, and counts that are easy to recognise.

use super::source::{
    ClosedConnection, ConnectionSnapshot, Counters, Identity, Source, Sublist, SubscriptionSnapshot, VisitSubscription,
};
use crate::protocol::DisconnectReason;
use crate::server::ServerOptions;
use crate::sync::Mutex;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

pub(crate) struct Fake {
    pub(crate) options: ServerOptions,
    pub(crate) ready: bool,
    pub(crate) open: Vec<ConnectionSnapshot>,
    pub(crate) closed: Vec<Arc<ClosedConnection>>,
    pub(crate) warnings: Mutex<Vec<String>>,
    /// Subscriptions that were made out.
    pub(crate) made: AtomicUsize,
}

/// Seconds after the server's start.
pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
}

pub(crate) fn subscription(subject: &str, sid: &str) -> SubscriptionSnapshot {
    SubscriptionSnapshot { subject: subject.into(), queue: None, sid: sid.into(), msgs: 0, max: None }
}

/// The larger its number, the later it came, the more it got and the less it sent.
pub(crate) fn connection(cid: u64) -> ConnectionSnapshot {
    ConnectionSnapshot {
        cid,
        address: format!("127.0.0.1:{}", 4_000 + cid % 1_000).parse().ok(),
        start: at(cid),
        last_activity: at(cid + 1),
        rtt: Duration::from_nanos(397_123),
        pending_bytes: 0,
        in_msgs: 100_000 - cid,
        in_bytes: 200_000 - cid,
        out_msgs: cid,
        out_bytes: 10 * cid,
        stalls: 0,
        subscriptions: 0,
        name: None,
        lang: None,
        version: None,
        user: None,
        tls: None,
        list: Vec::new(),
    }
}

impl Fake {
    pub(crate) fn new(options: ServerOptions) -> Self {
        let mut list = vec![subscription("foo.>", "1"), subscription("bar", "2")];
        list[1].queue = Some("q".into());
        list[1].max = Some(5);
        let first = ConnectionSnapshot {
            name: Some("n<1>".into()),
            user: Some("ann".into()),
            subscriptions: 2,
            list,
            pending_bytes: 9,
            ..connection(5)
        };
        let second = ConnectionSnapshot { subscriptions: 1, list: vec![subscription("foo.*", "1")], ..connection(6) };
        let gone = ConnectionSnapshot { user: Some("ann".into()), list: vec![subscription("x", "7")], ..connection(4) };
        let closed = ClosedConnection { connection: gone, stop: at(30), reason: DisconnectReason::StaleConnection };
        Fake {
            options,
            ready: true,
            open: vec![second, first],
            closed: vec![Arc::new(closed)],
            warnings: Mutex::default(),
            made: AtomicUsize::new(0),
        }
    }
}

impl Source for Fake {
    fn identity(&self) -> Identity {
        Identity {
            id: "NFAKE".into(),
            name: "fake".into(),
            version: "2.15.1".into(),
            git_commit: None,
            go: "none".into(),
            host: "127.0.0.1".into(),
            port: 4_222,
            start: at(0),
            config_time: at(0),
            config_digest: String::new(),
            options: self.options.clone(),
        }
    }

    fn counters(&self) -> Counters {
        Counters {
            connections: self.open.len(),
            total_connections: 3,
            in_msgs: 10,
            in_bytes: 20,
            out_msgs: 30,
            out_bytes: 40,
            slow_consumers: 1,
            stale_connections: 2,
            stalled_clients: 3,
        }
    }

    fn connections(&self) -> Vec<ConnectionSnapshot> {
        let mut open = self.open.clone();
        open.iter_mut().for_each(|connection| connection.list.clear());
        open
    }

    fn subscriptions(&self, of: Option<u64>, visit: &mut VisitSubscription<'_>) -> ControlFlow<()> {
        let mut open: Vec<_> = self.open.iter().filter(|one| of.is_none_or(|cid| cid == one.cid)).collect();
        open.sort_by_key(|one| one.cid);
        let mut all = open.into_iter().flat_map(|one| one.list.iter().map(move |entry| (one.cid, entry)));
        all.try_for_each(|(cid, entry)| {
            let make = || {
                self.made.fetch_add(1, Relaxed);
                entry.clone()
            };
            visit(cid, &entry.subject, &make)
        })
    }

    fn closed(&self) -> Vec<Arc<ClosedConnection>> {
        self.closed.clone()
    }

    fn sublist(&self) -> Sublist {
        Sublist { subscriptions: 4, cache: 2, inserts: 5, removes: 1, matches: 8, cache_hits: 2, average_fanout: 1.5 }
    }

    fn is_ready(&self) -> bool {
        self.ready
    }

    fn now(&self) -> SystemTime {
        at(63)
    }

    fn warn(&self, text: std::fmt::Arguments<'_>) {
        self.warnings.lock().push(text.to_string());
    }
}
