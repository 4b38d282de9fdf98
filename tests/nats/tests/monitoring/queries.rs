//! Requests as curl, browsers and dashboards send them: with signs that are not escaped, or with too many that are.

use crate::both::{Answer, Ours, Real, Wire, get};

const TARGETS: &[&str] = &[
    "/connz?filter_subject=foo.>&acc=$G",
    "/connz?subs=1&filter_subject=foo.%3E&acc=$G",
    "/connz?filter_subject=foo.>",
    "/connz?user=a|b",
    "/connz?acc=<x>",
    "/connz?acc=$SYS",
    "/connz?limit=>",
    "/connz?limit=%3E",
    "/connz?limit=1?",
    "/connz?limit=5;offset=1",
    "/connz?a;b=1",
    "/connz??limit=x",
    "/connz?sort=>",
    "/connz?state=<",
    "/connz?cid=\"1\"",
    "/subsz?test=foo.>",
    "/subsz?test=a|b&subs=1",
    "/accountz?acc=>",
    "/accountz?acc=a\"b",
    "/healthz?account=$G",
    "/healthz?account=>",
    "/varz?a=<b>",
    "/varz?a=\"b\"",
    "/varz?a={b}",
    "/varz?a=[b]",
    "/varz?a=b|c^d`e\\f#g",
    "/varz?a=%",
    "/varz?a=%zz",
    "/varz?a=%00",
    "/varz?\u{e9}",
    "/varz?;",
    "/varz?a=b c",
    "/varz?a=b\tc",
    "/varz?a=\u{1}",
    "/varz?a=\u{7f}",
    "/varz ?x",
    "/varz>",
    "/<varz>",
    "/va^rz",
    "/varz#x",
    "/v\u{e5}rz",
    "/%76arz",
    "/var%7a",
    "/varz%",
    "/varz%zz",
    "/varz%20",
    "/varz%2F",
    "//varz?a=<b>",
    "//v>a%25rz\u{e9}?\u{e9}",
    "/x/../varz?a=>",
    "http://x/varz?a=>",
    "varz",
    "*",
    "?",
    "",
];

/// The parts that can be compared: JSON is, where it is an error's text.
fn outcome(answer: Answer) -> (u16, Vec<String>, String, Option<String>) {
    let count = answer.body.split_once("\"num_connections\": ").map(|(_, rest)| rest[..1].to_owned());
    let is_page =
        answer.body.starts_with('{') || answer.body.starts_with("<html") || answer.body.starts_with("<!DOCTYPE");
    let matter = |header: &String| header.starts_with("content-type") || header.starts_with("location");
    let headers = answer.headers.into_iter().filter(matter).collect();
    (answer.status, headers, if is_page { String::new() } else { answer.body }, count)
}

/// M1.
#[test]
fn odd_requests_are_answered_as_nats_server_answers_them() {
    let (ours, real) = (Ours::start(), Real::start(""));
    let _clients =
        [ours.port, real.port].map(|port| Wire::open(port, "CONNECT {\"verbose\":false}\r\nSUB foo.bar 1\r\n"));
    for target in TARGETS {
        assert_eq!(outcome(get(ours.monitor, target)), outcome(get(real.monitor, target)), "{target:?}");
    }
    let long = format!("/varz?{}", "a".repeat(60_000));
    assert_eq!(outcome(get(ours.monitor, &long)), outcome(get(real.monitor, &long)));
}
