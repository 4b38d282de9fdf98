//! JetStream in the monitor: the same bytes, but for instants, ids and folders.

use crate::both::{Ours, Real, Wire, get};
use postroom::server::config::Config;
use serde_json::Value;

/// Both servers, with the same configuration. `$STORE` in it stands for a folder of the real one's own.
fn both(config: &str) -> (Ours, Real) {
    let store = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let store = store.join(format!("monitoring-{}-{:?}", std::process::id(), std::thread::current().id()));
    // It is there only if another test of this name was cut short.
    drop(std::fs::remove_dir_all(&store));
    let with = |store: &str| config.replace("$STORE", store);
    let options = Config::parse(&with(""), None).unwrap().server_options();
    (Ours::start_with(options, ""), Real::start(&with(&format!("store_dir: {store:?},"))))
}

const CONFIG: &str = "server_name: one\njetstream { $STORE max_mem: 64M, max_file: 1GiB, domain: hub, unique_tag: A, \
    limits { max_ack_pending: 10, max_ha_assets: 3, max_request_batch: 5, duplicate_window: \"1m\", \
    batch { max_msgs: 5, timeout: \"3s\", max_inflight_per_stream: 2, max_inflight_total: 4 } } }";

const PLAIN: &str = "server_name: one\njetstream { $STORE max_mem: 64M, max_file: 1GiB }";

/// Requests, one after the other: each has its answer when this returns.
fn ask(port: u16, requests: &[(&str, &str)]) {
    let mut wire = Wire::open(port, "CONNECT {\"verbose\":false}\r\nSUB r 1\r\n");
    for (subject, body) in requests {
        wire.send(&format!("PUB {subject} r {}\r\n{body}\r\n", body.len()));
        wire.until_message();
    }
}

const STREAM: (&str, &str) = ("$JS.API.STREAM.CREATE.A", r#"{"name":"A","subjects":["a.>"],"storage":"file"}"#);
const MEMORY: (&str, &str) =
    ("$JS.API.STREAM.CREATE.B", r#"{"name":"B","subjects":["b"],"storage":"memory","max_bytes":1000}"#);
const TALK: [(&str, &str); 6] = [
    STREAM,
    ("a.1", "hello"),
    ("a.<2>", "x"),
    (
        "$JS.API.CONSUMER.CREATE.A.c",
        r#"{"stream_name":"A","config":{"name":"c","durable_name":"c","ack_policy":"explicit"}}"#,
    ),
    (
        "$JS.API.CONSUMER.CREATE.A.d",
        r#"{"stream_name":"A","config":{"name":"d","durable_name":"d","ack_policy":"none","deliver_subject":"q"}}"#,
    ),
    ("$JS.API.STREAM.INFO.nope", ""),
];

/// Lines whose values differ from run to run, without them; and those of the real one's folder, away.
fn lines(body: &str) -> Vec<String> {
    let own = ["server_id", "now", "created", "first_ts", "last_ts", "ts", "update_time", "last_active"];
    let line = |line: &str| {
        let key = line.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()).unwrap_or_default();
        match key {
            "store_dir" | "sync_interval" => None,
            _ if own.contains(&key) => Some(line.split(": ").next().unwrap_or_default().to_owned()),
            _ => Some(line.to_owned()),
        }
    };
    body.lines().filter_map(line).collect()
}

fn compare(ours: &Ours, real: &Real, targets: &[&str]) {
    for target in targets {
        let (ours, real) = (get(ours.monitor, target), get(real.monitor, target));
        assert_eq!(lines(&ours.body), lines(&real.body), "{target}");
        let kind = |headers: Vec<String>| {
            headers.into_iter().filter(|header| !header.starts_with("content-length")).collect::<Vec<_>>()
        };
        assert_eq!((ours.status, kind(ours.headers)), (real.status, kind(real.headers)), "{target}");
    }
}

const QUESTIONS: [&str; 16] = [
    "/jsz",
    "/jsz?accounts=1",
    "/jsz?streams=1",
    "/jsz?consumers=1",
    "/jsz?consumers=1&config=1&raft=1",
    "/jsz?consumers=1&direct-consumers=1&stream-leader-only=1",
    "/jsz?config=1",
    "/jsz?raft=1",
    "/jsz?acc=$G&streams=1&offset=1",
    "/jsz?acc=nope&streams=1",
    "/jsz?accounts=1&offset=1",
    "/jsz?accounts=1&offset=1&limit=-1",
    "/jsz?accounts=1&limit=1",
    "/jsz?leader-only=1",
    "/jsz?streams=x",
    "/jsz?limit=x",
];

/// M6.
#[test]
fn jsz_is_that_of_nats_server() {
    let (ours, real) = both(CONFIG);
    compare(&ours, &real, &QUESTIONS);
    for port in [ours.port, real.port] {
        ask(port, &TALK);
    }
    compare(&ours, &real, &QUESTIONS);
    for port in [ours.port, real.port] {
        ask(port, &[MEMORY, ("b", "hello")]);
    }
    // Of several streams the order is nobody's.
    compare(&ours, &real, &["/jsz", "/jsz?accounts=1", "/jsz?raft=1"]);
    let streams = |port| {
        let body: Value = serde_json::from_str(&get(port, "/jsz?streams=1").body).unwrap();
        let streams = body["account_details"][0]["stream_detail"].as_array().unwrap().clone();
        let mut names: Vec<_> = streams.iter().map(|stream| stream["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(
        (streams(ours.monitor), streams(real.monitor)),
        (vec!["A".into(), "B".into()], vec!["A".into(), "B".into()])
    );
}

/// M2.
#[test]
fn varz_has_jetstream_as_nats_server_has_it() {
    let part = |port| {
        let body = get(port, "/varz").body;
        let part =
            body.lines().skip_while(|line| !line.starts_with("  \"jetstream\"")).take_while(|line| *line != "  },");
        lines(&part.map(|line| format!("{line}\n")).collect::<String>())
    };
    for config in [CONFIG, PLAIN] {
        let (ours, real) = both(config);
        assert_eq!(part(ours.monitor), part(real.monitor));
        assert!(part(real.monitor).len() > 15);
        for port in [ours.port, real.port] {
            ask(port, &TALK);
        }
        assert_eq!(part(ours.monitor), part(real.monitor));
    }
}

const HEALTH: [&str; 18] = [
    "/healthz",
    "/healthz?js-enabled=1",
    "/healthz?js-enabled-only=1",
    "/healthz?js-server-only=1",
    "/healthz?account=$G",
    "/healthz?account=nope",
    "/healthz?account=$SYS&details=1",
    "/healthz?account=$G&stream=A",
    "/healthz?account=$G&stream=B",
    "/healthz?account=$G&stream=nope&details=1",
    "/healthz?account=$G&stream=A&consumer=c",
    "/healthz?account=$G&stream=A&consumer=x",
    "/healthz?account=$G&stream=A&consumer=x&details=1",
    "/healthz?account=$G&consumer=c",
    "/healthz?stream=A",
    "/healthz?account=nope&js-enabled-only=1",
    "/healthz?account=nope&js-server-only=1",
    "/healthz?account=nope&js-meta-only=1",
];

/// M6.
#[test]
fn healthz_finds_what_nats_server_finds() {
    let (ours, real) = both(PLAIN);
    compare(&ours, &real, &HEALTH);
    for port in [ours.port, real.port] {
        ask(port, &TALK);
        ask(port, &[MEMORY]);
    }
    compare(&ours, &real, &HEALTH);
    for port in [ours.port, real.port] {
        ask(port, &[("$JS.API.STREAM.DELETE.A", "")]);
    }
    // The real one takes its folder away behind the answer, and is not well meanwhile.
    while get(real.monitor, "/healthz").status != 200 {
        std::thread::yield_now();
    }
    compare(&ours, &real, &HEALTH);
}

#[test]
fn accounts_show_jetstream_and_the_mappings_of_its_domain() {
    let (ours, real) = both(CONFIG);
    for target in ["/accountz?acc=$G", "/accountz?acc=$SYS"] {
        let detail = |port| {
            let body: Value = serde_json::from_str(&get(port, target).body).unwrap();
            (body["account_detail"]["jetstream_enabled"].clone(), body["account_detail"]["mappings"].clone())
        };
        assert_eq!(detail(ours.monitor), detail(real.monitor), "{target}");
    }
}

#[test]
fn the_reports_of_a_server_are_the_monitors() {
    let (ours, _) = both(PLAIN);
    ask(ours.port, &TALK);
    let report = ours.server.jetstream_report().unwrap();
    assert_eq!((report.streams, report.consumers, report.messages, report.api_errors), (1, 2, 2, 1));
    let body: Value = serde_json::from_str(&get(ours.monitor, "/jsz").body).unwrap();
    assert_eq!(body["storage"], report.storage);
}
