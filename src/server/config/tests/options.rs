//! Goal: each option does what it says, and what is wrong with one is said where it stands. Method: small texts.

use super::super::{Config, ConfigErrorKind, ProcessOptions, ValueKind};
use super::{Texts, read, wrong};
use crate::server::ServerOptions;
use std::time::Duration;

fn server(text: &str) -> ServerOptions {
    let config = read(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(config.warnings(), [], "{text:?}");
    config.server_options()
}

fn process(text: &str) -> ProcessOptions {
    read(text).unwrap_or_else(|error| panic!("{text:?}: {error}")).process().clone()
}

fn warnings(text: &str) -> Vec<String> {
    let config = read(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    config.warnings().iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_is_the_default() {
    let config = read("").unwrap();
    assert_eq!(config.server_options(), ServerOptions::new());
    assert_eq!(config.process(), &ProcessOptions::default());
    assert_eq!(config.warnings()[0].to_string(), "config has no values or is empty");
    assert_eq!(warnings("# only a comment").len(), 1);
    assert_eq!(Config::default().server_options(), ServerOptions::new());
}

#[test]
fn each_option_of_the_server() {
    let new = ServerOptions::new;
    let seconds = Duration::from_secs;
    assert_eq!(server("server_name: one"), new().name("one"));
    assert_eq!(server("max_payload: 2kb"), new().max_payload(2_048));
    assert_eq!(server("max_pending: 2m"), new().max_pending(2_000_000));
    assert_eq!(server("max_control_line: 512"), new().max_control_line(512));
    assert_eq!(server("max_connections: 7"), new().max_connections(7));
    assert_eq!(server("max_conn: 7"), new().max_connections(7));
    assert_eq!(server("max_subscriptions: 7"), new().max_subscriptions(7));
    assert_eq!(server("max_subs: -1"), new());
    assert_eq!(server("max_sub_tokens: 7"), new().max_subscription_tokens(7));
    assert_eq!(server("max_subscription_tokens: 255"), new().max_subscription_tokens(255));
    assert_eq!(server("write_deadline: \"1500ms\""), new().write_deadline(Duration::from_millis(1_500)));
    assert_eq!(server("ping_interval: 30s"), new().ping_interval(seconds(30)));
    assert_eq!(server("ping_max: 5"), new().ping_max(5));
    let lame_duck = "lame_duck_duration: '1m', lame_duck_grace_period: '5s'";
    assert_eq!(server(lame_duck), new().lame_duck(seconds(60), seconds(5)));
    assert_eq!(server("no_fast_producer_stall: yes"), new().no_fast_producer_stall(true));
    assert_eq!(server("no_header_support: true"), new().headers(false));
    // Names in any case, and zero for the default.
    assert_eq!(server("MAX_Payload: 0, Ping_Interval: '0s', write_deadline: '0', ping_max: 0, server_name: ''"), new());
}

#[test]
fn each_option_of_the_process() {
    let default = ProcessOptions::default;
    assert_eq!(process("port: 5222"), ProcessOptions { port: 5_222, ..default() });
    assert_eq!(process("port: -1"), ProcessOptions { port: 0, ..default() });
    assert_eq!(process("port: 0"), default());
    assert_eq!(process("host: localhost"), ProcessOptions { host: "localhost".into(), ..default() });
    assert_eq!(process("net: ''"), default());
    let local = ProcessOptions { host: "127.0.0.1".into(), port: 0, ..default() };
    assert_eq!(process("listen: 127.0.0.1:-1"), local);
    assert_eq!(process("listen: 5222"), ProcessOptions { port: 5_222, ..default() });
    assert_eq!(process("listen: ':5222'"), ProcessOptions { port: 5_222, ..default() });
    assert_eq!(process("listen: '[::1]:5222'"), ProcessOptions { host: "::1".into(), port: 5_222, ..default() });
    assert_eq!(process("http_port: 8222"), ProcessOptions { http_port: Some(8_222), ..default() });
    assert_eq!(process("monitor_port: -1"), ProcessOptions { http_port: Some(0), ..default() });
    let http = ProcessOptions { http_port: Some(8_222), http_host: Some("localhost".into()), ..default() };
    assert_eq!(process("http: 'localhost:8222'"), http);
    assert_eq!(process("http: 8222"), ProcessOptions { http_port: Some(8_222), ..default() });
    assert_eq!(process("http_base_path: /nats"), ProcessOptions { http_base_path: "/nats".into(), ..default() });
    assert_eq!(process("log_file: a.log"), ProcessOptions { log_file: Some("a.log".into()), ..default() });
    assert_eq!(process("pid_file: a.pid"), ProcessOptions { pid_file: Some("a.pid".into()), ..default() });
    assert_eq!(process("ports_file_dir: /tmp"), ProcessOptions { ports_file_dir: Some("/tmp".into()), ..default() });
    assert_eq!(process("store_dir: /tmp"), ProcessOptions { store_dir: Some("/tmp".into()), ..default() });
    assert_eq!(process("debug: true"), ProcessOptions { debug: true, ..default() });
    assert_eq!(process("trace: true"), ProcessOptions { trace: true, ..default() });
    assert_eq!(process("trace_verbose: true"), ProcessOptions { trace: true, trace_verbose: true, ..default() });
    assert_eq!(process("logtime: false"), ProcessOptions { logtime: false, ..default() });
    assert_eq!(process("logtime_utc: true"), ProcessOptions { logtime_utc: true, ..default() });
}

#[test]
fn what_an_option_cannot_be_is_said_at_its_key() {
    assert_eq!(wrong("\n  port: foo"), "2:3: `port` must be an integer, not a string");
    assert_eq!(wrong("port: 1.5"), "1:1: `port` must be an integer, not a float");
    assert_eq!(wrong("Port: 70000"), "1:1: `Port`: 70000 is not a port");
    assert_eq!(wrong("port: -2"), "1:1: `port`: -2 is not a port");
    assert_eq!(wrong("host: 1"), "1:1: `host` must be a string, not an integer");
    assert_eq!(wrong("debug: 'true'"), "1:1: `debug` must be a boolean, not a string");
    assert_eq!(wrong("listen: true"), "1:1: `listen` must be a port or host:port, not a boolean");
    assert_eq!(wrong("listen: localhost"), "1:1: `listen`: \"localhost\" is not host:port");
    assert_eq!(wrong("listen: 'a:b:1'"), "1:1: `listen`: \"a:b:1\" is not host:port");
    assert_eq!(wrong("listen: 'a:b'"), "1:1: `listen`: \"b\" is not a port");
    assert_eq!(wrong("server_name: 'a b'"), "1:1: `server_name`: a server's name cannot contain spaces");
    assert_eq!(wrong("max_payload: 2gb"), "1:1: `max_payload`: 2147483648 is more than 2147483647");
    assert_eq!(wrong("max_payload: '1mb'"), "1:1: `max_payload` must be an integer, not a string");
    assert_eq!(wrong("max_pending: -1"), "1:1: `max_pending`: -1 is negative");
    assert_eq!(wrong("max_connections: 0"), "1:1: `max_connections`: 0 would let nobody connect");
    assert_eq!(wrong("max_sub_tokens: 0"), "1:1: `max_sub_tokens`: must be at least 1");
    assert_eq!(wrong("max_sub_tokens: 256"), "1:1: `max_sub_tokens`: 256 is more than 255");
    assert_eq!(wrong("max_subs: -2"), "1:1: `max_subs`: -2 is negative");
    let unit = "1:1: `ping_interval`: duration \"10\" has no unit, such as \"s\"";
    assert_eq!(wrong("ping_interval: '10'"), unit);
    assert_eq!(wrong("ping_interval: 1d"), "1:1: `ping_interval`: duration \"1d\" has the unknown unit \"d\"");
    assert_eq!(wrong("ping_interval: '-1s'"), "1:1: `ping_interval`: must not be negative");
    assert_eq!(
        wrong("write_deadline: true"),
        "1:1: `write_deadline` must be a duration such as \"10s\", not a boolean"
    );
    assert_eq!(wrong("lame_duck_duration: 60"), "1:1: `lame_duck_duration` must be a string, not an integer");
    assert_eq!(wrong("lame_duck_duration: 29s"), "1:1: `lame_duck_duration`: 29s is less than 30s");
    assert_eq!(wrong("store_dir: a\nstoredir: b"), "2:1: duplicate option \"store_dir\"");
}

#[test]
fn options_must_fit_each_other() {
    let higher = "1:1: `max_payload`: max_payload (8388608) cannot be higher than max_pending (1048576)";
    assert_eq!(wrong("max_payload: 8mb\nmax_pending: 1mb"), higher);
    let lower = "1:1: `max_pending`: max_payload (1048576) cannot be higher than max_pending (1024)";
    assert_eq!(wrong("max_pending: 1kb"), lower);
    let grace =
        "1:1: `lame_duck_grace_period`: lame_duck_grace_period (180s) must be lower than lame_duck_duration (120s)";
    assert_eq!(wrong("lame_duck_grace_period: '3m'"), grace);
    let unlisted = "1:1: `no_auth_user`: \"bob\" is not one of the users of `authorization`";
    assert_eq!(wrong("no_auth_user: bob\nauthorization {users: [ {user: ann} ]}"), unlisted);
    let no_list = "1:1: `no_auth_user`: \"bob\" present, but `authorization` has no list of users or nkeys";
    for beside in
        ["", "authorization {user: bob, password: b}", "authorization {token: t}", "authorization {users: []}"]
    {
        assert_eq!(wrong(&format!("no_auth_user: bob\n{beside}")), no_list, "{beside}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once_in_the_order_of_the_text() {
    let error = read("prot: 1\nhost: 2\nauthorization {\n usr: a, timeout: x\n}\ncluster {port: 1}").unwrap_err();
    let all: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        all,
        [
            "1:1: unknown field \"prot\"",
            "2:1: `host` must be a string, not an integer",
            "4:2: unknown field \"usr\"",
            "4:10: `timeout`: invalid duration \"x\", a number with a unit is needed, such as \"10s\" or \"1h30m\"",
            "6:1: `cluster` is not supported: there are no clusters",
        ]
    );
    assert_eq!(error.position().map(|at| (at.line, at.column)), Some((1, 1)));
    assert_eq!(error.problems()[0].kind, ConfigErrorKind::UnknownField { field: "prot".into() });
    let wrong = ConfigErrorKind::WrongType { option: "host".into(), expected: "a string", found: ValueKind::Integer };
    assert_eq!(error.problems()[1].kind, wrong);
}

#[test]
fn a_key_that_a_variable_names_may_be_unknown() {
    assert_eq!(server("MINE: 7\nmax_connections: $MINE"), ServerOptions::new().max_connections(7));
    assert_eq!(server("authorization {TOKEN: x, token: $TOKEN}"), ServerOptions::new().token("x"));
    assert_eq!(wrong("MINE: 7\nmax_connections: 8"), "1:1: unknown field \"MINE\"");
}

#[test]
fn what_clients_would_notice_is_refused_unless_it_is_off() {
    let refused = [
        "accounts {A: {}}",
        "operator: x",
        "resolver: MEM",
        "resolver_tls {}",
        "resolver_preload {a: b}",
        "trusted: x",
        "cluster {port: 6222}",
        "gateway {name: x}",
        "leafnodes {port: 7422}",
        "mqtt {port: 1883}",
        "websocket {port: 80}",
        "mappings {a: b}",
        "https_port: 1",
        "client_advertise: 'a:1'",
        "proxy_protocol: true",
        "allow_non_tls: true",
        "ocsp: true",
        "system_account: SYS",
        "default_sentinel: x",
        "proxies {trusted: [ {key: a} ]}",
        "write_timeout: retry",
        "default_js_domain {a: b}",
        "authorization {auth_callout {}}",
        "authorization {proxy_required: true}",
        "https: 'a:1'",
        "resolver_pinned_accounts: x",
    ];
    for text in refused {
        let error = read(text).expect_err(text);
        assert_eq!(error.problems().len(), 1, "{error}");
        assert!(matches!(error.problems()[0].kind, ConfigErrorKind::Unsupported { .. }), "{error}");
    }
    let off = [
        "accounts {}",
        "cluster {}",
        "gateway {}",
        "leafnodes {}",
        "mqtt {}",
        "websocket {}",
        "mappings {}",
        "jetstream: false",
        "jetstream: disabled",
        "jetstream {enabled: false, store_dir: x}",
        "proxy_protocol: false",
        "allow_non_tls: false",
        "ocsp: false",
        "system_account: $SYS'",
        "write_timeout: close",
        "write_timeout: default",
        "proxies {}",
        "authorization {proxy_required: false}",
    ];
    for text in off {
        assert_eq!(server(text), ServerOptions::new(), "{text}");
    }
}

#[test]
fn what_clients_do_not_notice_is_a_warning() {
    let ignored = [
        "log_size_limit: 1mb",
        "logfile_max_num: 3",
        "syslog: true",
        "remote_syslog: 'udp://a:514'",
        "prof_port: 1",
        "prof_block_rate: 1",
        "connect_error_reports: 1",
        "reconnect_error_reports: 1",
        "max_closed_clients: 5",
        "server_tags: a",
        "server_tags: [a, b]",
        "server_metadata {a: b}",
        "feature_flags {a: true}",
        "disable_sublist_cache: true",
        "no_system_account: true",
        "trace_headers: true",
        "max_traced_msg_len: 5",
        "ocsp_cache: true",
    ];
    for text in ignored {
        let config = read(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.server_options(), ServerOptions::new(), "{text}");
        assert_eq!(config.warnings().len(), 1, "{text}");
    }
    let expected = "2:2: `log_size_limit` has no effect: there is one log file, which is never turned over";
    assert_eq!(warnings("\n log_size_limit: 1mb"), [expected]);
    // Even so it must be what it can be.
    assert_eq!(wrong("log_size_limit: x"), "1:1: `log_size_limit` must be an integer, not a string");
    assert_eq!(wrong("server_tags: 5"), "1:1: `server_tags` must be a string or an array of strings, not an integer");
}

#[test]
fn seconds_are_taken_with_a_warning() {
    let config = read("ping_interval: 20\nwrite_deadline: 3").unwrap();
    let seconds = Duration::from_secs;
    assert_eq!(config.server_options(), ServerOptions::new().ping_interval(seconds(20)).write_deadline(seconds(3)));
    let expected = [
        "1:1: `ping_interval` should be converted to a duration, such as \"20s\"",
        "2:1: `write_deadline` should be converted to a duration, such as \"3s\"",
    ];
    assert_eq!(warnings("ping_interval: 20\nwrite_deadline: 3"), expected);
}

#[test]
fn places_in_included_files_have_their_name() {
    let source =
        Texts::of(&[("sub/limits.conf", "max_payload: 1kb\n max_pending: no"), ("sub/log.conf", "syslog: true")]);
    let parse = |text: &str| Config::parse_with(text, Some("main.conf".as_ref()), Some("sub".as_ref()), &source);
    let error = parse("debug: 1\ninclude limits.conf").unwrap_err().to_string();
    let expected = "main.conf:1:1: `debug` must be a boolean, not an integer\nsub/limits.conf:2:2: `max_pending` must be an integer, not a boolean";
    assert_eq!(error, expected);
    let config = parse("include log.conf").unwrap();
    assert!(config.warnings()[0].to_string().starts_with("sub/log.conf:1:1: `syslog`"));
}

#[test]
fn files_are_read() {
    let folder = std::env::temp_dir().join(format!("postroom-config-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    let file = |name: &str, text: &[u8]| std::fs::write(folder.join(name), text).unwrap();
    file("main.conf", b"include 'sub/a.conf'\nmax_connections: 3\n");
    file("sub/a.conf", b"include b.conf\nping_max: 4");
    file("sub/b.conf", b"server_name: b");
    file("latin.conf", b"port: 1\n host: \xe4");
    let loaded = Config::load(folder.join("main.conf"));
    let latin = Config::load(folder.join("latin.conf")).unwrap_err().to_string();
    let missing = Config::load(folder.join("missing.conf")).unwrap_err();
    let of_text = Config::parse("include sub/b.conf", Some(&folder));
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(loaded.unwrap().server_options(), ServerOptions::new().max_connections(3).ping_max(4).name("b"));
    assert_eq!(latin, format!("{}:2:8: bytes that are not UTF-8 in the text", folder.join("latin.conf").display()));
    assert_eq!(missing.position(), None);
    assert!(missing.to_string().starts_with("cannot read `"), "{missing}");
    assert_eq!(of_text.unwrap().server_options(), ServerOptions::new().name("b"));
}

#[test]
fn flags_go_before_the_file() {
    let mut config = read("port: 1, max_payload: 5").unwrap();
    config.process_mut().port = 2;
    config.set_server_options(config.server_options().token("x"));
    assert_eq!(config.process().port, 2);
    assert_eq!(config.server_options(), ServerOptions::new().max_payload(5).token("x"));
}
