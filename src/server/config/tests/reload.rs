//! Goal: what changes live and what is refused is what nats-server does when it gets SIGHUP. Method: each pair of texts was reloaded by
//! nats-server 2.15.1, and the texts are those of its log.

use super::super::{Change, changes, server_changes};
use super::read;
use crate::protocol::ServerVersion;
use crate::server::{ServerOptions, TlsOptions};
use std::time::Duration;

fn reload(old: &str, new: &str) -> Result<Vec<Change>, String> {
    // A setting that is the same in both, so that no text is empty.
    let config = |text: &str| read(&format!("ping_max: 3\n{text}")).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    changes(&config(old), &config(new)).map_err(|error| error.to_string())
}

#[test]
fn what_changes_live() {
    let live = [
        ("max_payload: 1kb", "max_payload = 1024"),
        ("max_connections: 5", "max_connections = 5"),
        ("max_control_line: 2000", "max_control_line = 2000"),
        ("write_deadline: \"3s\"", "write_deadline = 3s"),
        ("ping_interval: \"90s\"", "ping_interval = 1m30s"),
        ("ping_max: 5", "ping_max = 5"),
        ("no_fast_producer_stall: true", "fast producers will not be stalled"),
        ("debug: true", "debug = true"),
        ("trace: true", "trace = true"),
        ("logtime: false", "logtime = false"),
        ("logtime_utc: true", "logtime_utc = true"),
        ("log_file: a.log", "log_file = a.log"),
        ("pid_file: a.pid", "pid_file = a.pid"),
        ("ports_file_dir: /tmp", "ports_file_dir = /tmp"),
        ("authorization {timeout: 5}", "authorization timeout = 5"),
        ("authorization {token: x}", "authorization token"),
        ("authorization {user: a}", "authorization users"),
    ];
    for (text, shown) in live {
        let there = reload("", text).unwrap();
        assert_eq!(there.iter().map(ToString::to_string).collect::<Vec<_>>(), [shown], "{text}");
        assert_eq!(reload(text, "").unwrap().len(), 1, "and back: {text}");
        assert_eq!(reload(text, text), Ok(Vec::new()), "{text}");
        assert_eq!(there[0].is_authorization(), shown.ends_with("token") || shown.ends_with("users"), "{text}");
        let of_process = ["debug", "trace", "logt", "log_", "pid", "ports"].iter().any(|word| shown.starts_with(word));
        assert_eq!(there[0].is_process(), of_process, "{text}");
    }
    assert_eq!(reload("", "trace_verbose: true"), Ok(vec![Change::Trace(true), Change::TraceVerbose(true)]));
    // Nothing that runs depends on it.
    assert_eq!(reload("", "store_dir: /tmp"), Ok(Vec::new()));
}

#[test]
fn what_is_refused_and_with_which_text() {
    let refused = [
        ("", "max_pending: 32mb", "MaxPending: old=67108864, new=33554432"),
        ("", "max_subs: 5", "MaxSubs: old=0, new=5"),
        ("", "max_sub_tokens: 5", "MaxSubTokens: old=0, new=5"),
        ("", "lame_duck_duration: 60s", "LameDuckDuration: old=2m0s, new=1m0s"),
        ("", "lame_duck_grace_period: 5s", "LameDuckGracePeriod: old=10s, new=5s"),
        ("", "server_name: foo", "ServerName: old=, new=foo"),
        ("", "http_port: -1", "HTTPPort: old=0, new=-1"),
        ("", "http_base_path: /x", "HTTPBasePath: old=, new=/x"),
        ("", "no_header_support: true", "NoHeaderSupport: old=false, new=true"),
        ("", "host: localhost", "Host: old=0.0.0.0, new=localhost"),
        ("http: 1", "http: 'localhost:1'", "HTTPHost: old=0.0.0.0, new=localhost"),
        ("port: 45671", "port: 45672", "Port: old=45671, new=45672"),
    ];
    for (old, new, text) in refused {
        assert_eq!(reload(old, new), Err(format!("config reload not supported for {text}")));
    }
    // The port that the server got stays.
    assert_eq!(reload("port: 45671", "port: -1"), Ok(Vec::new()));
}

#[test]
fn the_user_of_those_without_credentials_can_only_go_with_his_account() {
    let user = "authorization {users: [ {user: a, password: b} ]}";
    let text = |old: &str, new: &str| Err(format!("config reload not supported for NoAuthUser: old={old}, new={new}"));
    assert_eq!(reload(&format!("{user}\nno_auth_user: a"), user), text("a", ""));
    assert_eq!(reload(user, &format!("{user}\nno_auth_user: a")), text("", "a"));
    let other = "authorization {users: [ {user: c, password: b} ]}";
    let users = Change::Users { added: vec!["c".into()], removed: vec!["a".into()], changed: Vec::new() };
    assert_eq!(reload(&format!("{user}\nno_auth_user: a"), other), Ok(vec![users]));
}

#[test]
fn users_are_named() {
    let users = |inside: &str| format!("authorization {{ users: [ {inside} ] }}");
    let old =
        users("{user: a, password: 'x'}, {user: b, password: 'x'}, {user: c, permissions: {publish: p}}, {user: e}");
    let new = users("{user: b, password: 'y'}, {user: e}, {user: d}, {user: c, permissions: {publish: q}}");
    let expected =
        Change::Users { added: vec!["d".into()], removed: vec!["a".into()], changed: vec!["b".into(), "c".into()] };
    assert_eq!(reload(&old, &new), Ok(vec![expected]));
    // Default permissions are those of users without their own.
    let with = "authorization {default_permissions: {publish: p}, users: [ {user: a}, {user: b, permissions: {}} ]}";
    let without = "authorization {users: [ {user: a}, {user: b, permissions: {}} ]}";
    let changed = Change::Users { added: Vec::new(), removed: Vec::new(), changed: vec!["a".into()] };
    assert_eq!(reload(with, without), Ok(vec![changed]));
    // The order does not matter.
    assert_eq!(reload(&users("{user: a}, {user: b}"), &users("{user: b}, {user: a}")), Ok(Vec::new()));
}

#[test]
fn no_secret_is_shown() {
    let all = reload("authorization {token: old-secret}", "authorization {user: a, password: new-secret}").unwrap();
    let shown = format!("{all:?}") + &all.iter().map(ToString::to_string).collect::<String>();
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn tls_changes_live() {
    let plain = ServerOptions::new();
    let tls = |tls: TlsOptions| ServerOptions::new().tls(tls);
    let one = || TlsOptions::new("certificate", "key");
    // With TLS there is more time to show credentials, where no time is given.
    let both = vec![Change::Tls(true), Change::AuthTimeout(Duration::from_secs(3))];
    assert_eq!(server_changes(&plain, &tls(one())), Ok(both));
    assert_eq!(server_changes(&tls(one()), &tls(TlsOptions::new("other", "key"))), Ok(vec![Change::Tls(true)]));
    assert_eq!(server_changes(&tls(one()), &tls(one().verify_clients("authority"))), Ok(vec![Change::Tls(true)]));
    let first = vec![Change::TlsHandshakeFirst(true)];
    assert_eq!(server_changes(&tls(one()), &tls(one().handshake_first(true))), Ok(first));
    let timeouts = vec![Change::TlsTimeout(Duration::from_secs(5)), Change::AuthTimeout(Duration::from_secs(6))];
    assert_eq!(server_changes(&tls(one()), &tls(one().timeout(Duration::from_secs(5)))), Ok(timeouts));
    let shown: Vec<_> = [Change::Tls(false), Change::TlsHandshakeFirst(true)].iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["tls = disabled", "Client TLS handshake first: true"]);
}

#[test]
fn the_version_stays() {
    let error = server_changes(&ServerOptions::new(), &ServerOptions::new().version(ServerVersion::V2_10)).unwrap_err();
    assert_eq!(error.option, "Version");
}
