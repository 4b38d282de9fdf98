//! The same answers.

use crate::both::{Ours, Real, Wire, ask, get};
use serde_json::{Value, json};

const TALK: &str = "CONNECT {\"verbose\":false,\"name\":\"n<1>\",\"lang\":\"go\",\"version\":\"1.2\",\"headers\":true}\r\n\
    SUB foo.> 1\r\nSUB bar.* q 2\r\nUNSUB 2 5\r\nPUB foo.a 5\r\nhello\r\nHPUB foo.b re 16 18\r\nNATS/1.0\r\nA:\r\n\r\nxy\r\n";

/// Keys of ours that the real one has not, and the other way round, by path in the answer; and values of another type.
fn shape_differences(real: &Value, ours: &Value, path: &str, found: &mut Vec<String>) {
    match (real, ours) {
        (Value::Object(real), Value::Object(ours)) => {
            for (key, value) in real {
                let path = format!("{path}.{key}");
                match ours.get(key) {
                    None => found.push(format!("-{path}")),
                    Some(other) => shape_differences(value, other, &path, found),
                }
            }
            found.extend(ours.keys().filter(|key| !real.contains_key(*key)).map(|key| format!("+{path}.{key}")));
        }
        (Value::Array(real), Value::Array(ours)) => match (union(real), union(ours)) {
            (Some(real), Some(ours)) => shape_differences(&real, &ours, &format!("{path}[]"), found),
            (None, None) => {}
            _ => found.push(format!("~{path} has {} and {} elements", real.len(), ours.len())),
        },
        _ if std::mem::discriminant(real) == std::mem::discriminant(ours) => {}
        _ => found.push(format!("~{path}: {real} and {ours}")),
    }
}

/// All keys that the elements of a list have, with the value of the first that has it.
fn union(list: &[Value]) -> Option<Value> {
    let mut merged = list.first()?.clone();
    if let Value::Object(merged) = &mut merged {
        for (key, value) in list[1..].iter().filter_map(Value::as_object).flatten() {
            merged.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    Some(merged)
}

/// The permitted differences, with their reasons.
const ALLOWED: [(&str, &str); 5] = [
    (
        "-connz.connections[].subscriptions_list_detail[].max",
        "nats-server forgets it when it closes a connection, or just after",
    ),
    ("-varz.git_commit", "there is no commit to name"),
    ("-accountz.account_detail.imports", "there are no services of the system account to import"),
    ("-accountz.account_detail.exports", "there are no services of the system account"),
    ("-accountz.account_detail.responses", "the same"),
];

fn compare(real: &Value, ours: &Value, name: &str) {
    let mut found = Vec::new();
    shape_differences(real, ours, name, &mut found);
    found.retain(|difference| !ALLOWED.iter().any(|(allowed, _)| allowed == difference));
    assert!(found.is_empty(), "{name}: {found:#?}\nreal: {real:#}\nours: {ours:#}");
}

fn json_of(port: u16, target: &str) -> Value {
    let answer = get(port, target);
    assert_eq!(answer.status, 200, "{target}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// M1 to M3, M5, M6.
#[test]
fn all_answers_have_the_same_keys_and_types() {
    let (real, ours) = (Real::start(""), Ours::start());
    let (_a, _b) = (Wire::open(real.port, TALK), Wire::open(ours.port, TALK));
    for _ in 0..2 {
        for server in [real.port, ours.port] {
            Wire::open(server, TALK).close();
        }
    }
    await_closed(real.monitor, 2);
    await_closed(ours.monitor, 2);
    let targets = [
        "/varz",
        "/connz",
        "/connz?subs=1&auth=1",
        "/connz?subs=detail",
        "/connz?state=closed&subs=1&auth=1",
        "/connz?state=closed&subs=detail",
        "/connz?acc=nope",
        "/connz?limit=1&offset=7",
        "/subsz",
        "/subsz?subs=1&test=foo.x",
        "/accountz",
        "/accountz?acc=$G",
        "/accountz?acc=$SYS",
        "/accstatz",
        "/accstatz?unused=1",
        "/routez",
        "/gatewayz",
        "/leafz",
        "/jsz",
        "/jsz?accounts=1&streams=1",
        "/healthz",
        "/ipqueuesz",
    ];
    for target in targets {
        let name = target[1..].split('?').next().unwrap();
        compare(&json_of(real.monitor, target), &json_of(ours.monitor, target), name);
    }
    let ours = get(ours.monitor, "/varz").body;
    let real = get(real.monitor, "/varz").body;
    let keys = |text: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix("  \"")?.split('"').next().map(str::to_owned));
        lines.filter(|key| key != "git_commit").collect::<Vec<_>>()
    };
    assert_eq!(keys(&ours), keys(&real), "in the same order too");
}

/// The list of closed connections is filled by tasks of their own.
fn await_closed(monitor: u16, count: u64) {
    while json_of(monitor, "/connz?state=closed")["num_connections"] != count {
        std::thread::yield_now();
    }
}

/// Times and addresses replaced; and how much was still to be written, which nats-server may say even of what it has written.
fn normal(mut connection: Value) -> Value {
    let closed = connection.get("stop").is_some();
    // The real one's numbers begin at 5, or at 4 when it has not yet got to its last own client.
    let numbers = |value: &mut Value| *value = json!(value.as_u64().is_some_and(|cid| cid >= 4));
    numbers(&mut connection["cid"]);
    for key in ["port", "pending_bytes", "start", "last_activity", "stop", "rtt", "uptime", "idle"] {
        if let Some(value) = connection.get_mut(key) {
            assert!(value.is_string() || value.is_u64());
            *value = json!("*");
        }
    }
    if let Some(Value::Array(list)) = connection.get_mut("subscriptions_list") {
        list.sort_by_key(|subject| subject.as_str().map(str::to_owned));
    }
    if let Some(Value::Array(list)) = connection.get_mut("subscriptions_list_detail") {
        list.sort_by_key(|detail| detail["sid"].as_str().map(str::to_owned));
        list.iter_mut().for_each(|detail| numbers(&mut detail["cid"]));
        if closed {
            // nats-server forgets it when it closes a connection, or just after.
            list.iter_mut().for_each(|detail| drop(detail.as_object_mut().unwrap().remove("max")));
        }
    }
    connection
}

/// M2, M3; M4: the reason of a client that left.
#[test]
fn a_connection_that_did_the_same_looks_the_same() {
    let (real, ours) = (Real::start(""), Ours::start());
    let (_a, _b) = (Wire::open(real.port, TALK), Wire::open(ours.port, TALK));
    Wire::open(real.port, TALK).close();
    Wire::open(ours.port, TALK).close();
    await_closed(real.monitor, 1);
    await_closed(ours.monitor, 1);
    for query in
        ["", "subs=1&auth=1", "subs=detail", "state=closed&subs=1&auth=1", "state=closed&subs=detail", "state=all"]
    {
        let target = format!("/connz?{query}");
        let shown = |monitor| {
            let connz = json_of(monitor, &target);
            let list: Vec<_> = connz["connections"].as_array().unwrap().iter().cloned().map(normal).collect();
            (list, connz["total"].clone(), connz["num_connections"].clone(), connz["limit"].clone())
        };
        assert_eq!(shown(ours.monitor), shown(real.monitor), "{target}");
    }
    let counts = |monitor| {
        let varz = json_of(monitor, "/varz");
        let names = "connections total_connections in_msgs in_bytes in_client_msgs out_msgs out_bytes out_client_bytes \
            slow_consumers stale_connections max_payload max_pending ping_interval auth_timeout http_port";
        names.split_whitespace().map(|name| (name.to_owned(), varz[name].clone())).collect::<Vec<_>>()
    };
    assert_eq!(counts(ours.monitor), counts(real.monitor));
}

/// M1, with the parameters of M3, M5 and M6.
#[test]
fn what_is_refused_is_refused_in_the_same_words() {
    let (real, ours) = (Real::start(""), Ours::start());
    let targets = [
        "/nope",
        "/varz/",
        "/varz/x",
        "/raftz",
        "//varz?a=b",
        "/a/../varz",
        "/connz?limit=x",
        "/connz?limit=99999999999999999999",
        "/connz?limit=+5",
        "/connz?limit=1_0",
        "/connz?a;b=c&limit=x",
        "/connz?cid=-1",
        "/connz?cid=%2B1",
        "/connz?subs=maybe",
        "/connz?auth=%22",
        "/connz?state=bogus",
        "/connz?sort=bogus",
        "/connz?sort=stop",
        "/connz?sort=reason&state=all",
        "/subsz?test=foo.*",
        "/subsz?test=a..b",
        "/accountz?acc=x",
        "/accstatz?unused=x",
        "/routez?subs=x",
        "/gatewayz?accs=x",
        "/leafz?subs=x",
        "/jsz?limit=x",
        "/jsz?leader-only=1",
        "/healthz?details=x",
        "/healthz?stream=s",
        "/healthz?stream=s&details=1",
        "/healthz?consumer=c",
        "/healthz?account=a&stream=s&consumer=c",
        "/healthz?js-enabled-only=1",
    ];
    for target in targets {
        assert_eq!(get(ours.monitor, target), get(real.monitor, target), "{target}");
    }
    for method in ["POST", "HEAD", "PUT", "DELETE"] {
        let shown = |port| ask(port, method, "/healthz");
        assert_eq!(shown(ours.monitor), shown(real.monitor), "{method}");
    }
    // These were counted in the same way.
    let counts = |monitor| {
        let mut counts = json_of(monitor, "/varz")["http_req_stats"].clone();
        counts.as_object_mut().unwrap().remove("/");
        counts
    };
    assert_eq!(counts(ours.monitor), counts(real.monitor));
}

/// M1.
#[test]
fn paths_lie_below_the_same_base_path() {
    let real = Real::start("http_base_path: \"nats/\"");
    let ours = Ours::start_with(postroom::server::ServerOptions::new(), "nats/");
    for target in ["/", "/nats", "/nats/", "/nats/healthz", "/varz", "/nats/nope"] {
        let shown = |port| (get(port, target).status, get(port, target).headers.first().cloned());
        assert_eq!(shown(ours.monitor).0, shown(real.monitor).0, "{target}");
    }
    assert!(get(ours.monitor, "/nats").body.contains("href=\"./nats/varz\""));
}

/// P8, M4.
#[test]
fn wrong_credentials_leave_the_same_trace() {
    let real = Real::start("authorization { user: ann, password: secret }");
    let options = postroom::server::ServerOptions::new().user(postroom::server::User::new("ann", "secret"));
    let ours = Ours::start_with(options, "");
    let shown = |port: u16, monitor: u16| {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"CONNECT {\"user\":\"ann\",\"pass\":\"bad\",\"name\":\"n\"}\r\n").unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        await_closed(monitor, 1);
        normal(json_of(monitor, "/connz?state=closed&auth=1")["connections"][0].clone())
    };
    assert_eq!(shown(ours.port, ours.monitor), shown(real.port, real.monitor));
    assert_eq!(json_of(ours.monitor, "/varz")["auth_required"], json_of(real.monitor, "/varz")["auth_required"]);
}
