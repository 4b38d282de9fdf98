//! The map against a plain list, the block against tables of known cases, and both against each other.

use proptest::prelude::*;

use super::super::status::StatusCode;
use super::*;

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, value).unwrap();
    }
    map
}

fn block(status: Option<(StatusCode, &str)>, headers: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::new();
    encode(status, headers, &mut out).unwrap();
    out
}

/// H7: which names and values are refused, and where; a refusal changes nothing.
#[test]
fn refused_headers() {
    use HeaderError::*;
    let table = [
        ("", "v", EmptyName { position: 0 }),
        ("a b", "v", NameChar { position: 1, found: ' ' }),
        ("a:", "v", NameChar { position: 1, found: ':' }),
        ("a\r\n", "v", NameChar { position: 1, found: '\r' }),
        ("a\u{7f}", "v", NameChar { position: 1, found: '\u{7f}' }),
        ("aé", "v", NameChar { position: 1, found: 'é' }),
        ("a", "v\r\nB: 1", ValueChar { position: 1, found: '\r' }),
        ("a", "v\nw", ValueChar { position: 1, found: '\n' }),
        ("a", "  v\rw", ValueChar { position: 3, found: '\r' }),
    ];
    let mut headers = map(&[("a", "1"), ("a", "2")]);
    let before = headers.clone();
    for (name, value, error) in table {
        assert_eq!(headers.insert(name, value), Err(error), "{name:?} {value:?}");
        assert_eq!(headers.append(name, value), Err(error), "{name:?} {value:?}");
        assert_eq!(headers, before);
    }
}

/// H7: every name of printable ASCII but the colon is taken; values are trimmed and may be empty.
#[test]
fn taken_headers() {
    let name: String = ('!'..='~').filter(|char| *char != ':').collect();
    let mut headers = HeaderMap::with_capacity(2);
    headers.append(&name, " \t a value: of ünicode \r\n").unwrap();
    headers.append("Empty", "").unwrap();
    assert_eq!(headers.get(&name), Some("a value: of ünicode"));
    assert_eq!(headers.get("Empty"), Some(""));
    assert_eq!(headers.len(), 2);
}

/// A replaced header keeps the place of the first of its name, and the others go.
#[test]
fn insert_keeps_the_first_place() {
    let mut headers = map(&[("a", "1"), ("b", "2"), ("a", "3"), ("c", "4"), ("a", "5")]);
    headers.insert("a", "six").unwrap();
    headers.insert("d", "7").unwrap();
    assert_eq!(headers, map(&[("a", "six"), ("b", "2"), ("c", "4"), ("d", "7")]));
    assert_eq!(format!("{headers:?}"), r#"{"a": "six", "b": "2", "c": "4", "d": "7"}"#);
    assert_eq!(headers.remove("b"), 1);
    assert_eq!(headers.iter().len(), 3);
}

/// H1, H7, R3: the bytes of blocks as a server sends them.
#[test]
fn encoded_blocks() {
    type Status = Option<(StatusCode, &'static str)>;
    let none = HeaderMap::new();
    let table: &[(Status, HeaderMap, &str)] = &[
        (None, none.clone(), "NATS/1.0\r\n\r\n"),
        (Some((StatusCode::NO_RESPONDERS, "")), none.clone(), "NATS/1.0 503\r\n\r\n"),
        (Some((StatusCode::NOT_FOUND, " No Messages ")), none, "NATS/1.0 404 No Messages\r\n\r\n"),
        (
            Some((StatusCode::IDLE_HEARTBEAT, "Idle Heartbeat")),
            map(&[("Nats-Last-Consumer", "3"), ("Nats-Last-Stream", "3")]),
            "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 3\r\nNats-Last-Stream: 3\r\n\r\n",
        ),
        (None, map(&[("B", "1"), ("a", ""), ("B", "2")]), "NATS/1.0\r\nB: 1\r\na: \r\nB: 2\r\n\r\n"),
    ];
    for (status, headers, expected) in table {
        assert_eq!(String::from_utf8(block(*status, headers)).unwrap(), *expected);
        assert_eq!(encoded_len(*status, headers), expected.len());
    }
}

/// A description cannot forge a header, and a refusal writes nothing.
#[test]
fn refused_description() {
    let mut out = b"before".to_vec();
    let status = Some((StatusCode::BAD_REQUEST, " Bad\r\nForged: yes"));
    let refused = encode(status, &HeaderMap::new(), &mut out);
    assert_eq!(refused, Err(HeaderError::DescriptionChar { position: 4, found: '\r' }));
    assert_eq!(out, b"before");
}

/// H7: blocks that are read, tidy and untidy.
#[test]
fn decoded_blocks() {
    type Expected<'a> = (Option<(u16, &'a str)>, &'a [(&'a str, &'a str)]);
    let table: &[(&str, Expected<'_>)] = &[
        ("NATS/1.0\r\n\r\n", (None, &[])),
        ("NATS/1.0", (None, &[])),
        ("NATS/1.0 \t\r\n", (None, &[])),
        ("NATS/1.0 503\r\n\r\n", (Some((503, "")), &[])),
        ("NATS/1.0\t 503  No Responders \r\n\r\n", (Some((503, "No Responders")), &[])),
        ("NATS/1.0 999 a: b\r\n\r\n", (Some((999, "a: b")), &[])),
        ("NATS/1.0\r\nA:1\r\nA:  2  \r\na: :3:\r\n\r\n", (None, &[("A", "1"), ("A", "2"), ("a", ":3:")])),
        ("NATS/1.0\nA: 1\nB:\n\n", (None, &[("A", "1"), ("B", "")])),
        ("NATS/1.0\r\nA: 1", (None, &[("A", "1")])),
        // Blank lines are passed over.
        ("NATS/1.0\r\n\r\nA: 1\r\n\r\nB: 2", (None, &[("A", "1"), ("B", "2")])),
        // Folded values.
        ("NATS/1.0\r\nA: 1\r\n  2\r\n\t3 \r\nB: 4\r\n\r\n", (None, &[("A", "1  2\t3"), ("B", "4")])),
        ("NATS/1.0\r\nA:\r\n 1\r\n \r\n\r\n", (None, &[("A", "1")])),
        ("NATS/1.0\r\nA: 1\r\n B: 2\r\n\r\n", (None, &[("A", "1 B: 2")])),
        // A CR in the white space around a value goes with it.
        ("NATS/1.0\r\nA: \r1\r\r\n\r\n", (None, &[("A", "1")])),
    ];
    for (text, (status, headers)) in table {
        let (read, read_headers) = decode(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let read = read.as_ref().map(|(code, description)| (code.as_u16(), description.as_str()));
        assert_eq!(read, *status, "{text:?}");
        assert_eq!(read_headers, map(headers), "{text:?}");
    }
}

/// H7: blocks that are refused, and where.
#[test]
fn refused_blocks() {
    use HeaderError::*;
    let table: &[(&[u8], HeaderError)] = &[
        (b"", Version { position: 0 }),
        (b"\r\nNATS/1.0\r\n", Version { position: 0 }),
        (b"ABCDE", Version { position: 0 }),
        (b"NATS/2.0\r\n", Version { position: 5 }),
        (b"NATS/1.01\r\n", Version { position: 8 }),
        (b"NATS/1.0503\r\n", Version { position: 8 }),
        (b"NATS/1.0 50\r\n", Status { position: 9 }),
        (b"NATS/1.0  5030\r\n", Status { position: 10 }),
        (b"NATS/1.0 +50\r\n", Status { position: 9 }),
        (b"NATS/1.0 0503\r\n", Status { position: 9 }),
        (b"NATS/1.0 099\r\n", Status { position: 9 }),
        (b"NATS/1.0 x\r\n", Status { position: 9 }),
        (b"NATS/1.0 503  a\rb\r\n", DescriptionChar { position: 15, found: '\r' }),
        (b"NATS/1.0\r\nA\r\n\r\n", MissingColon { position: 10 }),
        (b"NATS/1.0\r\n A\r\n\r\n", MissingColon { position: 10 }),
        (b"NATS/1.0\r\n A: 1\r\n\r\n", NameChar { position: 10, found: ' ' }),
        (b"NATS/1.0\r\nA: 1\r\n\r\n B: 2\r\n", NameChar { position: 18, found: ' ' }),
        (b"NATS/1.0\r\nA : 1\r\n\r\n", NameChar { position: 11, found: ' ' }),
        (b"NATS/1.0\nA: 1\n\n B: 2\n", NameChar { position: 15, found: ' ' }),
        (b"NATS/1.0\r\n: 1\r\n\r\n", EmptyName { position: 10 }),
        (b"NATS/1.0\r\nA: 1\r2\r\n\r\n", ValueChar { position: 14, found: '\r' }),
        (b"NATS/1.0\r\nA: \r\r\n 1\r\n\r2\r\n\r\n", ValueChar { position: 20, found: '\r' }),
        (b"NATS/1.0\r\nA: \xff\r\n\r\n", NotUtf8 { position: 13 }),
    ];
    for (bytes, error) in table {
        assert_eq!(decode(bytes), Err(*error), "{:?}", String::from_utf8_lossy(bytes));
        assert!(error.to_string().contains(&format!("byte {}", error.position())));
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(String, String),
    Append(String, String),
    Remove(String),
    Clear,
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab]", 1 => "[!-9;-~]{1,30}"]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![" {0,2}[a-z :]{0,30} {0,2}", any::<String>().prop_map(|text| text.replace(['\r', '\n'], ""))]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (name(), value()).prop_map(|(name, value)| Step::Insert(name, value)),
        8 => (name(), value()).prop_map(|(name, value)| Step::Append(name, value)),
        2 => name().prop_map(Step::Remove),
        1 => Just(Step::Clear),
    ]
}

/// Does to a plain list what the step does to a map.
fn apply_naively(list: &mut Vec<(String, String)>, step: Step) {
    match step {
        Step::Append(name, value) => list.push((name, value.trim().to_owned())),
        Step::Insert(name, value) => {
            let place = list.iter().position(|(other, _)| *other == name).unwrap_or(list.len());
            list.retain(|(other, _)| *other != name);
            list.insert(place, (name, value.trim().to_owned()));
        }
        Step::Remove(name) => list.retain(|(other, _)| *other != name),
        Step::Clear => list.clear(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// After any steps the map is the plain list, knows its size on the wire, and survives the way over it.
    #[test]
    fn map_is_a_list(steps in proptest::collection::vec(step(), 0..20)) {
        let mut headers = HeaderMap::new();
        let mut list = Vec::new();
        for step in steps {
            match step.clone() {
                Step::Insert(name, value) => headers.insert(name, value).unwrap(),
                Step::Append(name, value) => headers.append(name, value).unwrap(),
                Step::Remove(name) => {
                    let count = list.iter().filter(|(other, _)| *other == name).count();
                    prop_assert_eq!(headers.remove(&name), count);
                }
                Step::Clear => headers.clear(),
            }
            apply_naively(&mut list, step);
            let expected: Vec<_> = list.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            prop_assert_eq!(headers.iter().collect::<Vec<_>>(), expected);
            prop_assert_eq!(headers.len(), list.len());
            prop_assert_eq!(headers.is_empty(), list.is_empty());
            for (name, _) in &list {
                let mut values = list.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
                prop_assert!(headers.contains(name));
                prop_assert!(headers.get_all(name).eq(values.clone()));
                prop_assert_eq!(headers.get(name), values.next());
            }
            let bytes = block(None, &headers);
            prop_assert_eq!(headers.wire_len(), bytes.len());
            prop_assert_eq!(decode(&bytes), Ok((None, headers.clone())));
        }
    }

    /// A status with any description comes back as it was sent, headers beside it.
    #[test]
    fn status_round_trip(code in 100..1000u16, description in value(), header in value()) {
        let code = StatusCode::new(code).unwrap();
        let headers = map(&[("H", &header)]);
        let bytes = block(Some((code, &description)), &headers);
        prop_assert_eq!(encoded_len(Some((code, &description)), &headers), bytes.len());
        prop_assert_eq!(decode(&bytes), Ok((Some((code, description.trim().into())), headers)));
    }

    /// No bytes make reading panic; what was read can be written and reads the same again.
    #[test]
    fn any_bytes(start in prop_oneof![Just("NATS/1.0\r\n"), Just("NATS/1.0 "), Just("")], rest in any_block()) {
        let mut bytes = start.as_bytes().to_vec();
        bytes.extend(rest);
        match decode(&bytes) {
            Err(error) => prop_assert!(error.position() <= bytes.len()),
            Ok((status, headers)) => {
                let status = status.as_ref().map(|(code, description)| (*code, description.as_str()));
                let (again, headers_again) = decode(&block(status, &headers)).unwrap();
                prop_assert_eq!(headers_again, headers);
                prop_assert_eq!(again.as_ref().map(|(code, text)| (*code, text.as_str())), status);
            }
        }
    }
}

fn any_block() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[aB0: \\t\\r\\n]{0,40}".prop_map(String::into_bytes),
        "([aB]: ?[a-z \\r]{0,4}\r?\n ?){0,6}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..40),
    ]
}

#[test]
fn many_names_are_not_searched_one_by_one() {
    crate::steps::assert_linear(|names| {
        let mut headers = HeaderMap::new();
        let name = |n: usize| format!("Name-{n}");
        for n in 0..names {
            headers.insert(name(n), "1").unwrap();
        }
        for n in 0..names {
            headers.append(name(n), "2").unwrap();
            assert!(headers.contains(&name(n)) && !headers.contains("Other"));
            assert_eq!(headers.get_all(&name(n)).collect::<Vec<_>>(), ["1", "2"]);
        }
        for n in 0..names {
            headers.insert(name(n), "3").unwrap();
            assert_eq!(headers.get(&name(n)), Some("3"));
        }
        assert_eq!(headers.len(), names);
        for n in 0..names {
            assert_eq!(headers.remove(&name(n)), 1);
        }
        assert_eq!(headers, HeaderMap::new());
    });
}

proptest! {
    /// A long list, where an index finds what a search through a plain list finds, whatever goes and comes in between.
    #[test]
    fn a_long_map_is_a_plain_list(
        steps in proptest::collection::vec((0..4u8, 0..60usize, "[a-z]{0,3}"), 0..300),
    ) {
        let (mut headers, mut plain) = (HeaderMap::new(), Vec::<(String, String)>::new());
        for n in 0..50 {
            headers.append(format!("N{n}"), "x").unwrap();
            plain.push((format!("N{n}"), "x".into()));
        }
        for (what, n, value) in steps {
            let name = format!("N{n}");
            match what {
                0 => {
                    headers.append(&name, &value).unwrap();
                    plain.push((name.clone(), value));
                }
                1 => {
                    headers.insert(&name, &value).unwrap();
                    match plain.iter().position(|(other, _)| *other == name) {
                        None => plain.push((name.clone(), value)),
                        Some(first) => {
                            plain[first].1 = value;
                            let mut at = 0;
                            plain.retain(|(other, _)| {
                                at += 1;
                                at - 1 <= first || *other != name
                            });
                        }
                    }
                }
                2 => {
                    let before = plain.len();
                    plain.retain(|(other, _)| *other != name);
                    prop_assert_eq!(headers.remove(&name), before - plain.len());
                }
                _ => {}
            }
            let all: Vec<_> = plain.iter().filter(|(other, _)| *other == name).map(|(_, value)| value.as_str()).collect();
            prop_assert_eq!(headers.get_all(&name).collect::<Vec<_>>(), all.clone());
            prop_assert_eq!(headers.get(&name), all.first().copied());
            prop_assert_eq!(headers.contains(&name), !all.is_empty());
            prop_assert_eq!(headers.len(), plain.len());
        }
        let of_plain = plain.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        prop_assert!(headers.iter().eq(of_plain.clone()));
        let again = map(&of_plain.collect::<Vec<_>>());
        prop_assert_eq!(headers.wire_len(), again.wire_len());
        prop_assert_eq!(headers.clone(), again);
    }
}
