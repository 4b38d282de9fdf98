//! The server as a whole: `/varz` (M2).

use super::source::{Counters, Identity, Source};
use super::{Monitor, SYSTEM_ACCOUNT, process, text};
use crate::server::options::TLS_TIMEOUT;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// The server's identity, its limits and its counters (M2); as JSON it is the answer of `/varz`.
///
/// Features that this server does not have (routes, gateways, leaf nodes, MQTT, websockets) show as absent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Varz {
    /// Unique for each start: 56 characters that begin with `N`.
    pub server_id: String,
    /// As configured; else the id.
    pub server_name: String,
    /// Which nats-server it speaks like.
    pub version: String,
    /// The version of the client protocol.
    pub proto: i32,
    /// The commit that it was built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_commit: Option<String>,
    /// The version of Go that nats-server was built with; empty here.
    pub go: String,
    /// Where it listens.
    pub host: String,
    /// The port it listens on.
    pub port: u16,
    /// Connections must show credentials.
    #[serde(skip_serializing_if = "is_false")]
    pub auth_required: bool,
    /// Connections must use TLS.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_required: bool,
    /// Connections must show a certificate.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_verify: bool,
    /// Connections at one time.
    pub max_connections: usize,
    /// Subscriptions of one connection; 0 means no bound.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_subscriptions: usize,
    /// Time between two PINGs; nanoseconds in JSON.
    #[serde(serialize_with = "text::as_nanoseconds")]
    pub ping_interval: Duration,
    /// PINGs that may be unanswered.
    pub ping_max: u32,
    /// Where the monitor listens, as configured.
    pub http_host: String,
    /// The monitor's port, as configured: -1 if any free one was asked for, 0 without a monitor.
    pub http_port: i32,
    /// The prefix of the monitor's paths.
    pub http_base_path: String,
    /// Always 0: there is no monitor over TLS.
    pub https_port: i32,
    /// Time to show credentials; seconds in JSON.
    #[serde(serialize_with = "text::as_seconds")]
    pub auth_timeout: Duration,
    /// Bytes of a control line.
    pub max_control_line: usize,
    /// Bytes of a message.
    pub max_payload: usize,
    /// Bytes that may wait to be written to one connection.
    pub max_pending: usize,
    cluster: Nothing,
    gateway: Nothing,
    leaf: Nothing,
    mqtt: Nothing,
    websocket: Nothing,
    jetstream: JetStreamPart,
    /// Time for a TLS handshake; seconds in JSON.
    #[serde(serialize_with = "text::as_seconds")]
    pub tls_timeout: Duration,
    /// Time for one write; nanoseconds in JSON.
    #[serde(serialize_with = "text::as_nanoseconds")]
    pub write_deadline: Duration,
    /// When it started.
    #[serde(serialize_with = "text::as_rfc3339")]
    pub start: SystemTime,
    /// When this was asked.
    #[serde(serialize_with = "text::as_rfc3339")]
    pub now: SystemTime,
    /// Time between the two; `1m3s` in JSON.
    #[serde(serialize_with = "text::as_uptime")]
    pub uptime: Duration,
    /// Bytes of memory that the process uses.
    pub mem: u64,
    /// Processors that the process may use.
    pub cores: usize,
    /// The same.
    pub gomaxprocs: usize,
    /// Percent of one processor that the process used lately.
    pub cpu: f64,
    /// Open connections.
    pub connections: usize,
    /// Connections so far.
    pub total_connections: u64,
    /// Always 0.
    pub routes: usize,
    /// Always 0.
    pub remotes: usize,
    /// Always 0.
    pub leafnodes: usize,
    /// Messages that came in.
    pub in_msgs: u64,
    /// Bytes of their headers and payloads.
    pub in_bytes: u64,
    /// Those of them that clients sent: all.
    pub in_client_msgs: u64,
    /// Bytes of their headers and payloads.
    pub in_client_bytes: u64,
    /// Messages that went out.
    pub out_msgs: u64,
    /// Bytes of their headers and payloads.
    pub out_bytes: u64,
    /// Those of them that went to clients: all.
    pub out_client_msgs: u64,
    /// Bytes of their headers and payloads.
    pub out_client_bytes: u64,
    /// Connections closed because they did not read fast enough.
    pub slow_consumers: u64,
    /// Connections closed because they did not answer PINGs.
    pub stale_connections: u64,
    /// How often a connection was held up for a slow receiver.
    pub stalled_clients: u64,
    /// Subscriptions on the bus, those of in-process clients included.
    pub subscriptions: usize,
    /// Requests to the monitor by path.
    pub http_req_stats: BTreeMap<String, u64>,
    /// When the options in force were read.
    #[serde(serialize_with = "text::as_rfc3339")]
    pub config_load_time: SystemTime,
    /// `sha256:…` of the configuration file, or empty.
    pub config_digest: String,
    /// The features that a newer server may have, and whether they are on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub feature_flags: BTreeMap<String, bool>,
    /// The account of the server itself.
    pub system_account: String,
    /// `slow_consumers` by kind of connection.
    pub slow_consumer_stats: SlowConsumerStats,
    /// `stale_connections` by kind of connection.
    pub stale_connection_stats: StaleConnectionStats,
    disk_io_wait_stats: DiskIoWaitStats,
}

/// Slow consumers by kind of connection. There are only clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SlowConsumerStats {
    /// Clients.
    pub clients: u64,
    /// Always 0.
    pub routes: u64,
    /// Always 0.
    pub gateways: u64,
    /// Always 0.
    pub leafs: u64,
}

/// Stale connections by kind of connection. There are only clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StaleConnectionStats {
    /// Clients.
    pub clients: u64,
    /// Always 0.
    pub routes: u64,
    /// Always 0.
    pub gateways: u64,
    /// Always 0.
    pub leafs: u64,
}

/// How long threads waited for a disk: there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct DiskIoWaitStats {
    waiters: u64,
    waits: u64,
    wait_time: u64,
    max_wait_time: u64,
}

/// `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Nothing {}

/// JetStream's part: `{}` without it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum JetStreamPart {
    #[cfg(feature = "jetstream")]
    On(Box<super::jetstream::JetStreamVarz>),
    Off(Nothing),
}

impl JetStreamPart {
    #[cfg(feature = "jetstream")]
    fn of(source: &dyn Source) -> Self {
        let on =
            source.jetstream().map(|server| JetStreamPart::On(Box::new(super::jetstream::jetstream_varz(&server))));
        on.unwrap_or(JetStreamPart::Off(Nothing {}))
    }

    #[cfg(not(feature = "jetstream"))]
    fn of(_: &dyn Source) -> Self {
        JetStreamPart::Off(Nothing {})
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}

/// Features of 2.15's JetStream, of which this server has none.
const FEATURES: [&str; 4] = ["js_ack_fc_v2", "js_api_reply_v2", "js_raft_delete_range", "js_snapshot_sources"];

pub(crate) fn varz(monitor: &Monitor, source: &dyn Source) -> Varz {
    let now = source.now();
    let Identity { id, name, version, git_commit, go, host, port, start, config_time, config_digest, options } =
        source.identity();
    let Counters {
        connections,
        total_connections,
        in_msgs,
        in_bytes,
        out_msgs,
        out_bytes,
        slow_consumers,
        stale_connections,
        stalled_clients,
    } = source.counters();
    let place = monitor.place();
    let processors = process::processors();
    let tls = options.tls.as_ref();
    Varz {
        server_id: id,
        server_name: name,
        version,
        proto: 1,
        git_commit,
        go,
        host,
        port,
        auth_required: options.auth.is_required(),
        tls_required: tls.is_some(),
        tls_verify: tls.is_some_and(|tls| tls.client_authorities.is_some()),
        max_connections: options.max_connections,
        max_subscriptions: options.max_subscriptions,
        ping_interval: options.ping_interval,
        ping_max: options.ping_max,
        http_host: place.host,
        http_port: place.port,
        http_base_path: place.base_path,
        https_port: 0,
        auth_timeout: options.auth_timeout_in_force(),
        max_control_line: options.max_control_line,
        max_payload: options.max_payload,
        max_pending: options.max_pending,
        cluster: Nothing {},
        gateway: Nothing {},
        leaf: Nothing {},
        mqtt: Nothing {},
        websocket: Nothing {},
        jetstream: JetStreamPart::of(source),
        tls_timeout: tls.map_or(TLS_TIMEOUT, |tls| tls.timeout),
        write_deadline: options.write_deadline,
        start,
        now,
        uptime: now.duration_since(start).unwrap_or_default(),
        mem: process::resident_memory(),
        cores: processors,
        gomaxprocs: processors,
        cpu: monitor.usage.percent(now),
        connections,
        total_connections,
        routes: 0,
        remotes: 0,
        leafnodes: 0,
        in_msgs,
        in_bytes,
        in_client_msgs: in_msgs,
        in_client_bytes: in_bytes,
        out_msgs,
        out_bytes,
        out_client_msgs: out_msgs,
        out_client_bytes: out_bytes,
        slow_consumers,
        stale_connections,
        stalled_clients,
        subscriptions: source.sublist().subscriptions,
        http_req_stats: monitor.requests(),
        config_load_time: config_time,
        config_digest,
        feature_flags: FEATURES.map(|name| (name.to_owned(), false)).into(),
        system_account: SYSTEM_ACCOUNT.to_owned(),
        slow_consumer_stats: SlowConsumerStats { clients: slow_consumers, ..Default::default() },
        stale_connection_stats: StaleConnectionStats { clients: stale_connections, ..Default::default() },
        disk_io_wait_stats: DiskIoWaitStats::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::monitor::fake::Fake;
    use crate::server::monitor::{HttpPlace, json};
    use crate::server::{ServerOptions, TlsOptions, User};

    #[test]
    fn says_what_a_plain_server_says_and_in_that_order() {
        let monitor = Monitor::default();
        monitor.set_place(HttpPlace { host: "127.0.0.1".into(), port: -1, base_path: String::new() });
        monitor.count("/varz");
        let fake = Fake::new(ServerOptions::new());
        let varz = varz(&monitor, &fake);
        let text = String::from_utf8(json::indented(&varz)).unwrap();
        let keys: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("  \"")?.split('"').next()).collect();
        // M2, in the order of nats-server 2.15.1.
        let expected = "server_id server_name version proto go host port max_connections ping_interval ping_max http_host \
            http_port http_base_path https_port auth_timeout max_control_line max_payload max_pending cluster gateway leaf \
            mqtt websocket jetstream tls_timeout write_deadline start now uptime mem cores gomaxprocs cpu connections \
            total_connections routes remotes leafnodes in_msgs in_bytes in_client_msgs in_client_bytes out_msgs out_bytes \
            out_client_msgs out_client_bytes slow_consumers stale_connections stalled_clients subscriptions \
            http_req_stats config_load_time config_digest feature_flags system_account slow_consumer_stats \
            stale_connection_stats disk_io_wait_stats";
        assert_eq!(keys, expected.split_whitespace().collect::<Vec<_>>());
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["ping_interval"], 120_000_000_000u64);
        assert_eq!(value["uptime"], "1m3s");
        assert_eq!(value["http_req_stats"]["/varz"], 1);
        assert!(text.contains("\"auth_timeout\": 2,"), "whole seconds have no point");
    }

    #[test]
    fn says_what_it_asks_of_connections() {
        let tls = TlsOptions::new("", "").verify_clients("").timeout(Duration::from_millis(1_500));
        let options = ServerOptions::new().user(User::new("ann", "x")).tls(tls).max_subscriptions(7);
        let varz = varz(&Monitor::default(), &Fake::new(options));
        assert!(varz.auth_required && varz.tls_required && varz.tls_verify);
        assert_eq!((varz.max_subscriptions, varz.http_port), (7, 0));
        let value = serde_json::to_value(&varz).unwrap();
        // P1: a second more than the handshake may take.
        assert_eq!((value["tls_timeout"].as_f64(), value["auth_timeout"].as_f64()), (Some(1.5), Some(2.5)));
    }
}
