//! A server's connections: `/connz` (M3).

mod options;

pub use options::{ConnState, ConnzOptions, ShowSubscriptions, SortBy};

use super::paging::Page;
use super::source::{ClosedConnection, ConnectionSnapshot, Source, SubscriptionSnapshot, Tls};
use super::subsz::SubDetail;
use super::{GLOBAL_ACCOUNT, MonitorError, SYSTEM_ACCOUNT, text};
use crate::subject::relation;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use std::cmp::Reverse;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A list of connections (M3); as JSON it is what `/connz` answers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Connz {
    /// The server's id; empty if it was asked for an account that does not exist.
    pub server_id: String,
    /// When this was asked.
    pub now: SystemTime,
    /// How many are listed.
    pub num_connections: usize,
    /// How many there are in that state.
    pub total: usize,
    /// How many were left away at the beginning.
    pub offset: usize,
    /// How many were to be listed at most.
    pub limit: usize,
    /// Those that are listed; `null` in JSON for an account that does not exist.
    pub connections: Vec<ConnInfo>,
}

impl Serialize for Connz {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let known = !self.server_id.is_empty();
        let mut fields = serializer.serialize_struct("Connz", 7)?;
        fields.serialize_field("server_id", &self.server_id)?;
        fields.serialize_field("now", &text::rfc3339(self.now))?;
        fields.serialize_field("num_connections", &self.num_connections)?;
        fields.serialize_field("total", &self.total)?;
        fields.serialize_field("offset", &self.offset)?;
        fields.serialize_field("limit", &self.limit)?;
        fields.serialize_field("connections", &known.then_some(&self.connections))?;
        fields.end()
    }
}

/// One connection (M3).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConnInfo {
    /// Its number.
    pub cid: u64,
    /// Always `Client`.
    pub kind: &'static str,
    /// Always `nats`.
    #[serde(rename = "type")]
    pub client_type: &'static str,
    /// Where it comes from; empty for a pipe.
    pub ip: String,
    /// The port it comes from; 0 for a pipe.
    pub port: u16,
    /// When it came.
    #[serde(serialize_with = "text::as_rfc3339")]
    pub start: SystemTime,
    /// When it last sent or got something.
    #[serde(serialize_with = "text::as_rfc3339")]
    pub last_activity: SystemTime,
    /// When it was closed.
    #[serde(serialize_with = "text::as_optional_rfc3339", skip_serializing_if = "Option::is_none")]
    pub stop: Option<SystemTime>,
    /// Why it was closed (M4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its round trip time; zero while unknown; `397µs` in JSON.
    #[serde(serialize_with = "text::as_rtt")]
    pub rtt: Duration,
    /// How long it has been, or was, open; `1m3s` in JSON.
    #[serde(serialize_with = "text::as_uptime")]
    pub uptime: Duration,
    /// How long it has not been, or was not, active; `1m3s` in JSON.
    #[serde(serialize_with = "text::as_uptime")]
    pub idle: Duration,
    /// Bytes that wait to be written to it.
    pub pending_bytes: usize,
    /// Messages it published.
    pub in_msgs: u64,
    /// Messages delivered to it.
    pub out_msgs: u64,
    /// Bytes of header and payload it published.
    pub in_bytes: u64,
    /// Bytes of header and payload delivered to it.
    pub out_bytes: u64,
    /// How often it was held up for a slow receiver.
    #[serde(skip_serializing_if = "is_zero")]
    pub stalls: u64,
    /// How many subscriptions it has, or had.
    pub subscriptions: usize,
    /// The name that it gives itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The client library's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// The client library's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `1.2` or `1.3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_version: Option<String>,
    /// Such as `TLS_AES_128_GCM_SHA256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cipher_suite: Option<String>,
    /// The TLS handshake came before INFO.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tls_first: bool,
    /// Its user, if asked for: a name, a public nkey, or `[REDACTED]` for a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorized_user: Option<String>,
    /// The subjects of its subscriptions, if asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscriptions_list: Vec<String>,
    /// Its subscriptions, if asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscriptions_list_detail: Vec<SubDetail>,
    /// The name of its account, if users are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_tag: Option<String>,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// One connection of the list, before it is known whether it is on the page.
#[expect(clippy::large_enum_variant, reason = "a list lives as long as one response, and is sorted in place")]
enum Listed {
    Open(ConnectionSnapshot),
    Closed(Arc<ClosedConnection>),
}

impl Listed {
    fn connection(&self) -> &ConnectionSnapshot {
        match self {
            Listed::Open(connection) => connection,
            Listed::Closed(closed) => &closed.connection,
        }
    }

    fn stop(&self) -> Option<SystemTime> {
        match self {
            Listed::Open(_) => None,
            Listed::Closed(closed) => Some(closed.stop),
        }
    }

    fn reason(&self) -> Option<String> {
        match self {
            Listed::Open(_) => None,
            Listed::Closed(closed) => Some(closed.reason.to_string()),
        }
    }
}

/// Only the connections of the page are made out, and their subscriptions looked up.
pub(crate) fn connz(source: &dyn Source, options: &ConnzOptions) -> Result<Connz, MonitorError> {
    let closed_only = options.state == ConnState::Closed;
    match options.sort {
        SortBy::Stop if !closed_only => return Err(MonitorError::SortByStop),
        SortBy::Reason if !closed_only => return Err(MonitorError::SortByReason),
        _ => {}
    }
    let filter = Some(options.filter_subject.as_str()).filter(|pattern| !matches!(*pattern, "" | ">"));
    if filter.is_some() && options.account.is_empty() {
        return Err(MonitorError::FilterWithoutAccount);
    }
    let now = source.now();
    let page = if options.cid == 0 { options.page } else { Page { limit: 1, ..options.page } };
    let nothing = Connz {
        server_id: String::new(),
        now,
        num_connections: 0,
        total: 0,
        offset: page.offset,
        limit: page.limit(),
        connections: Vec::new(),
    };
    if !matches!(options.account.as_str(), "" | GLOBAL_ACCOUNT | SYSTEM_ACCOUNT) {
        return Ok(nothing);
    }

    let mut open = if closed_only { Vec::new() } else { source.connections() };
    open.retain(|_| options.wants_account(GLOBAL_ACCOUNT));
    let mut closed = if options.state == ConnState::Open { Vec::new() } else { source.closed() };
    // As in nats-server, a closed connection of the global account has no account.
    closed.retain(|_| options.wants_account(""));
    let total = open.len() + closed.len();

    if options.cid == 0 {
        open.retain(|connection| options.wants_user(connection.user.as_deref()));
    } else {
        open.retain(|connection| connection.cid == options.cid);
        closed.retain(|closed| open.is_empty() && closed.connection.cid == options.cid);
    }
    if let Some(pattern) = filter {
        open.retain(|connection| has_overlapping(source, connection.cid, pattern));
    }
    closed.retain(|closed| options.wants_user(closed.connection.user.as_deref()));

    let open = open.into_iter().map(Listed::Open);
    let mut connections: Vec<_> = open.chain(closed.into_iter().map(Listed::Closed)).collect();
    sort(&mut connections, options.sort, now);
    let shown = |listed: &Listed| match listed {
        Listed::Open(connection) => open_info(source, connection, now, options),
        Listed::Closed(closed) => closed_info(closed, options),
    };
    let connections: Vec<_> = page.of(connections.iter()).map(shown).collect();
    Ok(Connz { server_id: source.identity().id, num_connections: connections.len(), total, connections, ..nothing })
}

fn has_overlapping(source: &dyn Source, cid: u64, pattern: &str) -> bool {
    let found = source.subscriptions(Some(cid), &mut |_, subject, _| {
        if relation::overlaps(pattern, subject) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found.is_break()
}

fn open_info(
    source: &dyn Source,
    connection: &ConnectionSnapshot,
    now: SystemTime,
    options: &ConnzOptions,
) -> ConnInfo {
    let mut info = info(connection, now, options.auth);
    info.name_tag = options.auth.then(|| GLOBAL_ACCOUNT.to_owned());
    if options.subscriptions != ShowSubscriptions::Count {
        let mut entries = Vec::new();
        let _ = source.subscriptions(Some(connection.cid), &mut |_, _, make| {
            entries.push(make());
            ControlFlow::Continue(())
        });
        let detail = |entry: &SubscriptionSnapshot| SubDetail::of_connection(entry, connection.cid);
        list(&mut info, &entries, options.subscriptions, detail);
    }
    info
}

fn closed_info(closed: &ClosedConnection, options: &ConnzOptions) -> ConnInfo {
    let mut info = info(&closed.connection, closed.stop, options.auth);
    info.stop = Some(closed.stop);
    info.reason = Some(closed.reason.to_string());
    let detail = |entry: &SubscriptionSnapshot| SubDetail::of_account(entry, closed.connection.cid);
    list(&mut info, &closed.connection.list, options.subscriptions, detail);
    info
}

fn list(
    info: &mut ConnInfo,
    entries: &[SubscriptionSnapshot],
    shown: ShowSubscriptions,
    detail: impl Fn(&SubscriptionSnapshot) -> SubDetail,
) {
    match shown {
        ShowSubscriptions::Count => {}
        ShowSubscriptions::List => {
            info.subscriptions_list = entries.iter().map(|entry| entry.subject.clone()).collect();
        }
        ShowSubscriptions::Detail => info.subscriptions_list_detail = entries.iter().map(detail).collect(),
    }
}

/// The information that open and closed connections have in common, as it was at `now`.
fn info(connection: &ConnectionSnapshot, now: SystemTime, auth: bool) -> ConnInfo {
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let since = |time| now.duration_since(time).unwrap_or_default();
    let (tls_version, tls_cipher_suite, tls_first) = match connection.tls.clone() {
        Some(Tls { version, cipher_suite, first }) => (Some(version), Some(cipher_suite), first),
        None => (None, None, false),
    };
    ConnInfo {
        cid: connection.cid,
        kind: "Client",
        client_type: "nats",
        ip: connection.address.map(|address| address.ip().to_string()).unwrap_or_default(),
        port: connection.address.map_or(0, |address| address.port()),
        start: connection.start,
        last_activity: connection.last_activity,
        stop: None,
        reason: None,
        rtt: connection.rtt,
        uptime: since(connection.start),
        idle: since(connection.last_activity),
        pending_bytes: connection.pending_bytes,
        in_msgs: connection.in_msgs,
        out_msgs: connection.out_msgs,
        in_bytes: connection.in_bytes,
        out_bytes: connection.out_bytes,
        stalls: connection.stalls,
        subscriptions: connection.subscriptions,
        name: filled(&connection.name),
        lang: filled(&connection.lang),
        version: filled(&connection.version),
        tls_version,
        tls_cipher_suite,
        tls_first,
        authorized_user: filled(&connection.user).filter(|_| auth),
        subscriptions_list: Vec::new(),
        subscriptions_list_detail: Vec::new(),
        name_tag: None,
    }
}

/// Equal ones stay in the order of their numbers.
fn sort(all: &mut [Listed], by: SortBy, now: SystemTime) {
    all.sort_by_key(|one| one.connection().cid);
    let by_largest =
        |all: &mut [Listed], key: fn(&ConnectionSnapshot) -> u64| all.sort_by_key(|one| Reverse(key(one.connection())));
    match by {
        SortBy::Cid | SortBy::Start => {}
        SortBy::Subs => by_largest(all, |connection| connection.subscriptions as u64),
        SortBy::Pending => by_largest(all, |connection| connection.pending_bytes as u64),
        SortBy::MsgsTo => by_largest(all, |connection| connection.out_msgs),
        SortBy::MsgsFrom => by_largest(all, |connection| connection.in_msgs),
        SortBy::BytesTo => by_largest(all, |connection| connection.out_bytes),
        SortBy::BytesFrom => by_largest(all, |connection| connection.in_bytes),
        SortBy::Last => all.sort_by_key(|one| Reverse(one.connection().last_activity)),
        SortBy::Idle => all.sort_by_key(|one| one.connection().last_activity),
        SortBy::Uptime => {
            all.sort_by_key(|one| one.stop().unwrap_or(now).duration_since(one.connection().start).unwrap_or_default())
        }
        SortBy::Stop => all.sort_by_key(|one| Reverse(one.stop())),
        SortBy::Reason => all.sort_by_cached_key(Listed::reason),
        SortBy::Rtt => all.sort_by_key(|one| Reverse(one.connection().rtt)),
    }
}

#[cfg(test)]
mod tests;
