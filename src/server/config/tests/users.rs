//! Goal: users and their permissions are as the configuration says in each of its forms (P1, P2, P6, P7). Method: small texts,
//! compared with the same written in code.

use super::{Texts, read, wrong};
use crate::server::config::Config;
use crate::server::{ServerOptions, TlsOptions, User};
use crate::{AllowResponses, Permissions};
use std::time::Duration;

fn auth(inside: &str) -> ServerOptions {
    let text = format!("authorization {{ {inside} }}");
    let config = read(&text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(config.warnings(), [], "{text:?}");
    config.server_options()
}

fn may(inside: &str) -> Permissions {
    let options = auth(&format!("users: [ {{user: a, permissions: {{ {inside} }}}} ]"));
    options.auth.users[0].permissions.clone().expect("its permissions")
}

const NKEY: &str = "UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX";

#[test]
fn who_may_connect() {
    let new = ServerOptions::new;
    assert_eq!(auth("user: a, password: b"), new().user(User::new("a", "b")));
    assert_eq!(auth("username: a, pass: b"), new().user(User::new("a", "b")));
    assert_eq!(auth("user: a"), new().user(User::new("a", "")));
    assert_eq!(auth("token: t, timeout: 5"), new().token("t").auth_timeout(Duration::from_secs(5)));
    assert_eq!(auth("token: $2a$04$x"), new().token("$2a$04$x"));
    assert_eq!(auth("timeout: 0.5"), new().auth_timeout(Duration::from_millis(500)));
    assert_eq!(auth("timeout: '1m'"), new().auth_timeout(Duration::from_secs(60)));
    assert_eq!(auth("timeout: 0"), new());
    assert_eq!(auth(""), new());
    assert_eq!(auth("users: []"), new());
    let three = format!("users = [ {{user: a, password: b}}, {{username: c, pass: $2a$04$x}}\n{{nkey: {NKEY}}} ]");
    let users = new().user(User::new("a", "b")).user(User::new("c", "$2a$04$x")).user(User::nkey(NKEY));
    assert_eq!(auth(&three), users);
    let config = read("no_auth_user: a\nauthorization {users: [ {user: a} ]}").unwrap();
    assert_eq!(config.server_options(), new().user(User::new("a", "")).no_auth_user("a"));
    let config = read(&format!("authorization {{users: [ {{nkey: {NKEY}}} ]}}\nno_auth_user: {NKEY}")).unwrap();
    assert_eq!(config.server_options(), new().user(User::nkey(NKEY)).no_auth_user(NKEY));
}

#[test]
fn what_cannot_be_together_is_refused() {
    let both = "1:1: cannot have both a user with a password and a token";
    assert_eq!(wrong("authorization {user: a, token: b}"), both);
    assert_eq!(wrong("authorization {password: a, token: b}"), both);
    let single = "1:1: cannot have both a single user and a list of users";
    assert_eq!(wrong("authorization {user: a, users: []}"), single);
    assert_eq!(wrong("authorization {token: a, users: []}"), "1:1: cannot have both a token and a list of users");
    assert_eq!(
        wrong("authorization {\n users: [\n  {user: a}\n  {user: b}\n  {user: a}\n ]\n}"),
        "5:3: duplicate user \"a\""
    );
    let nkeys = format!("authorization {{users: [ {{nkey: {NKEY}}},\n{{nkey: {NKEY}}} ]}}");
    assert_eq!(wrong(&nkeys), format!("2:1: duplicate nkey {NKEY:?}"));
}

#[test]
fn what_is_wrong_with_a_user_is_said_where_it_stands() {
    let user = |inside: &str| wrong(&format!("authorization {{\n users: [\n  {inside}\n ]\n}}"));
    assert_eq!(user("{pass: b}"), "3:3: `users`: an entry needs `user` or `nkey`");
    assert_eq!(user("{user: ''}"), "3:3: `users`: an entry needs `user` or `nkey`");
    assert_eq!(user("ann"), "3:3: `users` must be an array of maps, not a string");
    assert_eq!(user("{user: a, pasword: b}"), "3:13: unknown field \"pasword\"");
    assert_eq!(user("{user: a, password: 5}"), "3:13: `password` must be a string, not an integer");
    assert_eq!(user("{nkey: a}"), "3:4: `nkey`: \"a\" is not the public nkey of a user");
    let account = "ADQAYCQFWFUEW5XJT7DCE3RY4O6TJVYUQ7VLSM4ZPZRNRGVWW57ZJ4P2";
    assert_eq!(
        user(&format!("{{nkey: {account}}}")),
        format!("3:4: `nkey`: {account:?} is not the public nkey of a user")
    );
    assert_eq!(user(&format!("{{nkey: {NKEY}, user: a}}")), "3:3: `users`: an entry with `nkey` has no `user`");
    assert_eq!(user(&format!("{{nkey: {NKEY}, pass: a}}")), "3:3: `users`: an entry with `nkey` has no `password`");
    assert_eq!(user("{user: a, permissions: b}"), "3:13: `permissions` must be a map, not a string");
    assert_eq!(user("{user: a, proxy_required: true}"), "3:13: `proxy_required` is not supported: no proxy is trusted");
    assert_eq!(wrong("authorization {users: 5}"), "1:16: `users` must be an array, not an integer");
    assert_eq!(wrong("authorization: 5"), "1:1: `authorization` must be a map, not an integer");
    let negative = "1:16: `timeout`: cannot convert float seconds to Duration: value is negative";
    assert_eq!(wrong("authorization {timeout: -1}"), negative);
    let timeout = "1:16: `timeout` must be a number of seconds or a duration such as \"2s\", not a boolean";
    assert_eq!(wrong("authorization {timeout: true}"), timeout);
}

#[test]
fn connection_types() {
    let user = |types: &str| format!("authorization {{users: [ {{user: a, allowed_connection_types: {types}}} ]}}");
    for types in ["STANDARD", "[standard, WEBSOCKET]", "[]"] {
        assert_eq!(
            read(&user(types)).unwrap().server_options(),
            ServerOptions::new().user(User::new("a", "")),
            "{types}"
        );
    }
    let refused = "1:35: `allowed_connection_types` is not supported: all connections are `STANDARD`, so that this user could not connect";
    assert_eq!(wrong(&user("[MQTT, LEAFNODE]")), refused);
    assert_eq!(wrong(&user("[STANDARD, foo]")), "1:35: `allowed_connection_types`: unknown connection type \"FOO\"");
}

#[test]
fn warnings_about_who_may_connect() {
    let warning = |text: &str| read(text).unwrap().warnings().iter().map(ToString::to_string).collect::<Vec<_>>();
    let long = "1:16: `timeout` of 1000000 seconds is high; if a duration was meant, quote it: \"1m\" and not 1m";
    assert_eq!(warning("authorization {timeout: 1m }"), [long]);
    let password = "1:1: `password` has no effect: there is no user whose it is";
    assert_eq!(warning("authorization {password: x}"), [password]);
    assert!(!read("authorization {password: x}").unwrap().server_options().auth.is_required());
    // P2: they are not for the single user.
    let text = "authorization {user: a, permissions: {publish: b}}";
    assert_eq!(
        warning(text),
        ["1:1: `permissions` has no effect: they are those of entries of `users`, and there are none"]
    );
    assert_eq!(read(text).unwrap().server_options(), ServerOptions::new().user(User::new("a", "")));
}

#[test]
fn permissions_in_all_forms() {
    let new = Permissions::new;
    let one = new().allow_publish("a.>").unwrap();
    assert_eq!(may("publish: a.>"), one);
    assert_eq!(may("pub: [\"a.>\"]"), one);
    assert_eq!(may("publish: {allow: a.>}"), one);
    assert_eq!(may("import: {allow: [a.>]}"), one);
    let deny = new().deny_publish("a").unwrap().deny_publish("b").unwrap();
    assert_eq!(may("publish: {deny: [a, b]}"), deny);
    let lists = new().allow_subscribe("a.*").unwrap().deny_subscribe("a.b").unwrap().deny_publish(">").unwrap();
    assert_eq!(may("subscribe {allow: a.*, deny: a.b}, publish {deny: '>'}"), lists);
    assert_eq!(may("sub: a.*"), new().allow_subscribe("a.*").unwrap());
    assert_eq!(may("export: a.*"), new().allow_subscribe("a.*").unwrap());
    let queues = new().allow_subscribe("a").unwrap().allow_queue_subscribe("a", "v1.>").unwrap();
    assert_eq!(may("subscribe: [a, 'a v1.>']"), queues);
    assert_eq!(may("subscribe: {deny: 'a  q'}"), new().deny_queue_subscribe("a", "q").unwrap());
    // Empty lists restrict nothing (P2).
    for empty in ["", "publish: []", "publish: {}", "publish: {allow: []}", "subscribe: {allow: [], deny: []}"] {
        assert_eq!(may(empty), new(), "{empty}");
    }
}

#[test]
fn allowed_responses_in_all_forms() {
    let responses = |max, seconds| {
        let mut responses = AllowResponses::default();
        (responses.max, responses.expires) = (max, Duration::from_secs(seconds));
        Permissions::new().allow_responses(responses)
    };
    assert_eq!(may("allow_responses: true"), responses(Some(1), 120));
    assert_eq!(may("publish_allow_responses: {}"), responses(Some(1), 120));
    assert_eq!(may("allow_responses: false"), Permissions::new());
    assert_eq!(may("allow_responses: {max: 5, expires: 10s}"), responses(Some(5), 10));
    assert_eq!(may("allow_responses: {max_msgs: -1, ttl: '-1s'}"), responses(None, 0));
    assert_eq!(may("allow_responses: {max_responses: 0, expiration: '0'}"), responses(Some(1), 120));
    let user =
        |inside: &str| wrong(&format!("authorization {{users: [ {{user: a, permissions: {{\n{inside}\n}}}} ]}}"));
    assert_eq!(user("allow_responses: 5"), "2:1: `allow_responses` must be a boolean or a map, not an integer");
    assert_eq!(user("allow_responses: {max: x}"), "2:19: `max` must be an integer, not a string");
    assert_eq!(
        user("allow_responses: {expires: 5 }"),
        "2:19: `expires` must be a duration such as \"2m\", not an integer"
    );
    assert_eq!(user("allow_responses: {for: 5 }"), "2:19: unknown field \"for\"");
}

#[test]
fn subjects_are_checked() {
    let user =
        |inside: &str| wrong(&format!("authorization {{users: [ {{user: a, permissions: {{\n{inside}\n}}}} ]}}"));
    assert_eq!(user("publish: a..b"), "2:1: `publish`: \"a..b\" is not a valid subject: empty token at byte 2");
    let two = "2:11: `allow`: \"a b\" is not a valid subject: whitespace ' ' at byte 1";
    assert_eq!(user("publish: {allow: 'a b'}"), two);
    assert_eq!(
        user("subscribe: 'a b c'"),
        "2:1: `subscribe`: \"a b c\" is not a valid subject: whitespace ' ' at byte 1"
    );
    assert_eq!(user("subscribe: 'a. b'"), "2:1: `subscribe`: \"a.\" is not a valid subject: empty token at byte 2");
    assert_eq!(user("subscribe: 'a b.'"), "2:1: `subscribe`: \"b.\" is not a valid queue: empty token at byte 2");
    assert_eq!(
        user("publish: ''"),
        "2:1: `publish`: \"\" is not a valid subject: subject is empty, at least 1 byte is needed"
    );
    assert_eq!(
        user("publish: \"a\\x0cb\""),
        "2:1: `publish`: \"a\\u{c}b\" is not a valid subject: it holds a form feed"
    );
    assert_eq!(user("publish: 5"), "2:1: `publish` must be a subject or an array of subjects, not an integer");
    assert_eq!(user("publish: [a, 5 ]"), "2:1: `publish` must be a subject or an array of subjects, not an array");
    assert_eq!(user("publish: {only: a}"), "2:11: unknown field \"only\"");
    assert_eq!(user("may: a"), "2:1: unknown field \"may\"");
}

#[test]
fn default_permissions_are_for_users_of_the_list() {
    let options = auth("default_permissions: {publish: a}, users: [ {user: a}, {user: b, permissions: {}} ]");
    let default = Permissions::new().allow_publish("a").unwrap();
    let user = User::new("b", "").permissions(Permissions::new());
    assert_eq!(options, ServerOptions::new().default_permissions(default).user(User::new("a", "")).user(user));
}

#[test]
fn tls_is_read_and_checked() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let (certificate, key): (&'static str, &'static str) = (certificate.pem().leak(), key.serialize_pem().leak());
    let source =
        Texts::of(&[("cert.pem", certificate), ("key.pem", key), ("other.pem", other.leak()), ("empty.pem", "")]);
    let parse = |inside: &str| Config::parse_with(&format!("tls {{ {inside} }}"), None, None, &source);
    let tls = |inside: &str| parse(inside).unwrap_or_else(|error| panic!("{inside:?}: {error}")).server_options();
    let error = |inside: &str| parse(inside).expect_err(inside).to_string();
    let new = || TlsOptions::new(certificate, key);
    let pair = "cert_file: cert.pem, key_file: key.pem";
    assert_eq!(tls(pair), ServerOptions::new().tls(new()));
    let verified = ServerOptions::new().tls(new().verify_clients(certificate));
    assert_eq!(tls(&format!("{pair}, ca_file: cert.pem, verify: true")), verified);
    assert_eq!(tls(&format!("{pair}, ca_file: cert.pem, min_version: '1.2'")), ServerOptions::new().tls(new()));
    let first = ServerOptions::new().tls(new().handshake_first(true).timeout(Duration::from_millis(500)));
    assert_eq!(tls(&format!("{pair}, handshake_first: true, timeout: 0.5")), first);
    assert_eq!(tls(&format!("{pair}, first: 'on', timeout: '500ms'")), first);

    assert_eq!(error(""), "1:1: `tls`: `cert_file` and `key_file` are missing");
    assert_eq!(error("cert_file: cert.pem"), "1:1: `tls`: `key_file` is missing");
    assert_eq!(error("key_file: key.pem"), "1:1: `tls`: `cert_file` is missing");
    assert_eq!(error(&format!("{pair}, verify: true")), "1:1: `tls`: `verify` needs `ca_file`");
    let missing = error("cert_file: no.pem, key_file: key.pem");
    assert_eq!(missing, "1:7: cannot read `no.pem`: entity not found");
    for broken in [
        "cert_file: cert.pem, key_file: other.pem",
        "cert_file: empty.pem, key_file: key.pem",
        "cert_file: key.pem, key_file: cert.pem",
    ] {
        let error = error(broken);
        assert!(error.starts_with("1:1: `tls`: "), "{error}");
    }
    let authorities = error(&format!("{pair}, ca_file: empty.pem"));
    assert!(authorities.starts_with("1:1: `tls`: "), "{authorities}");
    for refused in [
        "verify_and_map: true",
        "pinned_certs: ['a']",
        "cipher_suites: ['a']",
        "min_version: '1.3'",
        "handshake_first: auto",
        "first: '50ms'",
        "certs: [ {} ]",
        "ocsp_peer: true",
        "cert_store: x",
    ] {
        let error = error(refused);
        assert!(error.starts_with("1:7: `") && error.contains("is not supported"), "{error}");
    }
    assert_eq!(error("verify: 1"), "1:7: `verify` must be a boolean, not an integer");
    assert_eq!(error("what: 1"), "1:7: unknown field \"what\"");
}
