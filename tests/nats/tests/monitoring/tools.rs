//! Fields that nats-top and the Prometheus exporter read, by their sources of 2025.

use crate::both::{Ours, Wire, get};
use serde_json::Value;

fn ours() -> (Ours, Wire) {
    let ours = Ours::start();
    let wire = Wire::open(ours.port, "CONNECT {\"verbose\":false,\"name\":\"n\"}\r\nSUB a 1\r\nPUB a 1\r\nx\r\n");
    (ours, wire)
}

fn json_of(port: u16, target: &str) -> Value {
    serde_json::from_str(&get(port, target).body).unwrap()
}

/// M2, M3.
#[test]
fn nats_top_finds_what_it_shows() {
    let (ours, _wire) = ours();
    let varz = json_of(ours.monitor, "/varz");
    for text in ["server_id", "version", "uptime"] {
        assert!(varz[text].is_string(), "{text}");
    }
    for number in ["cpu", "mem", "slow_consumers", "in_msgs", "out_msgs", "in_bytes", "out_bytes", "connections"] {
        assert!(varz[number].is_number(), "{number}");
    }
    // Its own request: sorted by any of its words, with subscriptions.
    for sort in "cid start subs pending msgs_to msgs_from bytes_to bytes_from last idle uptime rtt".split(' ') {
        let connz = json_of(ours.monitor, &format!("/connz?limit=1024&sort={sort}&subs=1"));
        let connection = &connz["connections"][0];
        for text in ["ip", "name", "uptime", "last_activity"] {
            assert!(connection[text].is_string(), "{text}");
        }
        let numbers = "port cid subscriptions pending_bytes out_msgs in_msgs out_bytes in_bytes";
        assert!(numbers.split(' ').all(|number| connection[number].is_u64()), "{connection}");
        assert_eq!(connection["subscriptions_list"][0], "a");
        assert!(connz["num_connections"].is_u64());
    }
}

/// M2, M3, M5.
#[test]
fn the_prometheus_exporter_finds_what_it_exports() {
    let (ours, _wire) = ours();
    // It takes every number at the top of these, and three texts as labels.
    let varz = json_of(ours.monitor, "/varz");
    for label in ["server_id", "server_name", "version"] {
        assert!(varz[label].is_string());
    }
    let exported = "auth_timeout connections cores cpu gomaxprocs http_port https_port in_bytes in_msgs leafnodes \
        max_connections max_control_line max_payload max_pending mem out_bytes out_msgs ping_interval ping_max port proto \
        remotes routes slow_consumers subscriptions tls_timeout total_connections write_deadline";
    for name in exported.split_whitespace() {
        assert!(varz[name].is_number(), "{name}");
    }
    let subsz = json_of(ours.monitor, "/subsz");
    let exported =
        "avg_fanout cache_hit_rate max_fanout num_cache num_inserts num_matches num_removes num_subscriptions";
    assert!(exported.split(' ').all(|name| subsz[name].is_number()), "{subsz}");

    let connz = json_of(ours.monitor, "/connz");
    assert!(["num_connections", "total", "offset", "limit"].iter().all(|name| connz[name].is_number()));
    let connection = &connz["connections"][0];
    assert!(
        "cid kind type ip port name start last_activity rtt uptime idle"
            .split(' ')
            .all(|name| !connection[name].is_null())
    );
    let counts = "pending_bytes subscriptions in_bytes out_bytes in_msgs out_msgs";
    assert!(counts.split(' ').all(|name| connection[name].is_number()), "{connection}");
    // It reads these as durations of Go: a number and a unit at least.
    for name in ["rtt", "uptime", "idle"] {
        let text = connection[name].as_str().unwrap();
        assert!(text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with('s'), "{name}: {text}");
    }

    let accounts = json_of(ours.monitor, "/accstatz?unused=1");
    let account = accounts["account_statz"].as_array().unwrap().iter().find(|account| account["acc"] == "$G").unwrap();
    assert!(account["name"].is_string());
    let counts = ["conns", "leafnodes", "total_conns", "num_subscriptions", "slow_consumers"];
    assert!(counts.iter().all(|name| account[name].is_u64()), "{account}");
    assert_eq!((&account["sent"]["msgs"], &account["received"]["bytes"]), (&1.into(), &1.into()));
    for name in json_of(ours.monitor, "/accountz")["accounts"].as_array().unwrap() {
        let detail = &json_of(ours.monitor, &format!("/accountz?acc={}", name.as_str().unwrap()))["account_detail"];
        assert_eq!(detail["account_name"], *name);
        let numbers = ["client_connections", "leafnode_connections", "subscriptions"];
        assert!(numbers.iter().all(|number| detail[number].is_u64()), "{detail}");
        assert!(["expired", "complete", "jetstream_enabled"].iter().all(|flag| detail[flag].is_boolean()), "{detail}");
    }
    assert_eq!(get(ours.monitor, "/healthz?js-enabled-only=true").status, 200);
    assert!(json_of(ours.monitor, "/leafz")["leafs"].is_array());
    assert!(json_of(ours.monitor, "/routez")["routes"].is_array());
    assert!(json_of(ours.monitor, "/gatewayz")["outbound_gateways"].is_object());
}
