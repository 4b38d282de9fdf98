//! The operations of servers: written and read (C1, C2, C7, C26, H1, H3, H5, H9).

use bytes::{BufMut, BytesMut};
use postroom::protocol::encode::Delivery;
use postroom::protocol::{DecodeError, Info, ProtocolError, ServerDecoder, ServerOperation, encode};
use proptest::prelude::*;

/// An operation that owns what it holds.
#[derive(Clone, Debug, PartialEq)]
enum Op {
    Info(Vec<u8>),
    Message { subject: Vec<u8>, sid: Vec<u8>, reply: Option<Vec<u8>>, headers: Option<Vec<u8>>, payload: Vec<u8> },
    Ok,
    Error(Vec<u8>),
    Ping,
    Pong,
}

fn owned(operation: ServerOperation<'_>) -> Op {
    match operation {
        ServerOperation::Info(json) => Op::Info(json.to_vec()),
        ServerOperation::Message { subject, sid, reply, headers, payload } => Op::Message {
            subject: subject.to_vec(),
            sid: sid.to_vec(),
            reply: reply.map(<[u8]>::to_vec),
            headers: headers.map(|headers| headers.as_slice().to_vec()),
            payload: payload.as_slice().to_vec(),
        },
        ServerOperation::Ok => Op::Ok,
        ServerOperation::Error(text) => Op::Error(text.to_vec()),
        ServerOperation::Ping => Op::Ping,
        ServerOperation::Pong => Op::Pong,
        other => panic!("{other:?}"),
    }
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Op>, Result<(), DecodeError>) {
    let (mut decoder, mut input, mut ops) = (ServerDecoder::default(), BytesMut::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match decoder.next(&mut input) {
                Ok(Some(operation)) => ops.push(owned(operation)),
                Ok(None) => break,
                Err(error) => return (ops, Err(error)),
            }
        }
    }
    (ops, Ok(()))
}

fn message(subject: &str, sid: &str, reply: Option<&str>, headers: Option<&str>, payload: &str) -> Op {
    let bytes = |text: &str| text.as_bytes().to_vec();
    Op::Message {
        subject: bytes(subject),
        sid: bytes(sid),
        reply: reply.map(bytes),
        headers: headers.map(bytes),
        payload: bytes(payload),
    }
}

/// C26, H1; H9: runs of blanks count as one.
#[test]
fn all_operations() {
    let input = concat!(
        "INFO {\"a\":1} \r\n+OK\r\nPING\r\nPONG\r\n-ERR 'Invalid Subject'\r\nMSG a 1 2\r\nhi\r\nMSG a.b 2 r 0\r\n\r\n",
        "HMSG a 1 4 6\r\nheadhi\r\nHMSG a 1 r 2 2\r\nhe\r\nMSG  $SYS.x\t9  3\r\nabc\r\nmsg a 1 1\nx\r\n-err bare\r\n",
    );
    let expected = [
        Op::Info(b"{\"a\":1} ".to_vec()),
        Op::Ok,
        Op::Ping,
        Op::Pong,
        Op::Error(b"Invalid Subject".to_vec()),
        message("a", "1", None, None, "hi"),
        message("a.b", "2", Some("r"), None, ""),
        message("a", "1", None, Some("head"), "hi"),
        message("a", "1", Some("r"), Some("he"), ""),
        message("$SYS.x", "9", None, None, "abc"),
        message("a", "1", None, None, "x"),
        Op::Error(b"bare".to_vec()),
    ];
    let whole = read([input.as_bytes()]);
    assert_eq!(whole, (expected.to_vec(), Ok(())));
    assert_eq!(read(input.as_bytes().iter().map(std::slice::from_ref)), whole);
    for at in 0..input.len() {
        let (first, second) = input.as_bytes().split_at(at);
        assert_eq!(read([first, second]), whole, "{at}");
    }
}

#[test]
fn what_no_server_sends() {
    let end = |input: &str| read([input.as_bytes()]).1.unwrap_err();
    for input in ["PUB a 1\r\n", "\r\n", "MSGa", "XYZ", "INFO\r\n", "HPUB", "PANG"] {
        assert_eq!(end(input), DecodeError::UnknownOperation, "{input:?}");
    }
    assert_eq!(end("MSG a 1\r\n"), DecodeError::ArgumentCount { operation: "MSG", count: 2 });
    assert_eq!(end("HMSG a 1 2\r\n"), DecodeError::ArgumentCount { operation: "HMSG", count: 3 });
    assert_eq!(end("MSG a 1 r 2 3 4 5\r\n"), DecodeError::ArgumentCount { operation: "MSG", count: 7 });
    assert_eq!(end("MSG a 1 x\r\n"), DecodeError::Size { operation: "MSG" });
    assert_eq!(end("HMSG a 1 3 2\r\n"), DecodeError::HeaderSize { headers: 3, size: 2 });
    assert_eq!(end("MSG a 1 1\r\nab\r\n"), DecodeError::PayloadEnd { size: 1 });
    assert_eq!(end("MSG a 1 999999999\r\n"), DecodeError::MaxPayload { size: 999_999_999, max: 64 << 20 });
    let long = format!("-ERR {}", "x".repeat(70_000));
    assert_eq!(end(&long), DecodeError::MaxControlLine { max: 64 << 10 });
}

#[test]
fn texts_of_errors() {
    let mut out = BytesMut::new();
    encode::error(&mut out, &ProtocolError::UnknownOperation);
    out.put_slice(encode::OK);
    assert_eq!(out, "-ERR 'Unknown Protocol Operation'\r\n+OK\r\n");
}

/// C2: nothing that is false, empty or 0, except what nats-server always sends.
#[test]
fn info_is_short() {
    let text = |info: &Info| String::from_utf8(info.to_line()).unwrap();
    assert_eq!(
        text(&Info::default()),
        concat!(
            r#"INFO {"server_id":"","server_name":"","version":"","proto":0,"go":"","host":"","port":0,"headers":false,"max_payload":0} "#,
            "\r\n"
        )
    );
    let mut info = Info::default();
    (info.ldm, info.connect_info, info.client_id, info.nonce) = (true, true, 6, "x\"y".to_owned());
    info.connect_urls = vec!["127.0.0.1:4222".to_owned()];
    let line = text(&info);
    for field in [
        r#""ldm":true"#,
        r#""connect_info":true"#,
        r#""client_id":6"#,
        r#""nonce":"x\"y""#,
        r#""connect_urls":["127.0.0.1:4222"]"#,
    ] {
        assert!(line.contains(field), "{field} in {line}");
    }
    let (ops, end) = read([&info.to_line()[..]]);
    let [Op::Info(json)] = &ops[..] else { panic!("{ops:?}") };
    assert_eq!((Info::parse(json).unwrap(), end), (info, Ok(())));
}

#[test]
fn info_of_a_real_server() {
    let json = br#"{"server_id":"NCW","server_name":"NCW","version":"2.15.1","proto":1,"git_commit":"b2fd3ef","go":"go1.27.2","host":
        "127.0.0.1","port":59969,"headers":true,"max_payload":1048576,"client_id":6,"client_ip":"127.0.0.1","api_lvl":5,"xkey":"X","new":[1]} "#;
    let info = Info::parse(json).unwrap();
    assert_eq!((&*info.version, info.proto, info.port, info.max_payload), ("2.15.1", 1, 59_969, 1 << 20));
    assert_eq!(
        (info.client_id, &*info.client_ip, info.api_lvl, info.headers, info.ldm),
        (6, "127.0.0.1", 5, true, false)
    );
    for json in [&b"{"[..], b"[]", b"{\"port\":\"x\"}", b"{} x", b""] {
        assert!(Info::parse(json).is_err(), "{}", json.escape_ascii());
    }
}

proptest! {
    /// A message that was written is read again; without headers for a peer that knows none (H5).
    #[test]
    fn messages_there_and_back(
        subject in "[a-z]{1,4}(\\.[a-z*>\u{10ff80}]{1,40}){0,3}",
        sid in "[!-~]{1,9}",
        reply in prop::option::of("[!-~é]{1,30}"),
        headers in prop_oneof![Just(Vec::new()), prop::collection::vec(any::<u8>(), 1..1200)],
        payload in prop_oneof![prop::collection::vec(any::<u8>(), 0..30), prop::collection::vec(any::<u8>(), 1000..1100)],
        with_headers: bool,
        cut: prop::sample::Index,
    ) {
        let reply = reply.as_deref();
        let delivery = Delivery { subject: &subject, sid: sid.as_bytes(), reply, headers: &headers, payload: &payload };
        let mut out = Vec::new();
        delivery.write(&mut out, with_headers);
        delivery.write(&mut out, with_headers);
        let wire = |text: &str| postroom::protocol::text::to_wire(text).into_owned();
        let expected = Op::Message {
            subject: wire(&subject),
            sid: sid.clone().into_bytes(),
            reply: reply.map(wire),
            headers: (with_headers && !headers.is_empty()).then_some(headers),
            payload,
        };
        let (first, second) = out.split_at(cut.index(out.len()));
        prop_assert_eq!(read([first, second]), (vec![expected.clone(), expected], Ok(())));
    }
}
