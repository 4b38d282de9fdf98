//! C5: input may be split anywhere. Sessions as clients hold them, in all their pieces.

use crate::oracle::{self, Op};
use crate::peer::Peer;
use bytes::BytesMut;
use postroom::protocol::{Decoder, DecoderLimits, SessionOptions};
use std::slice;

const ASYNC_NATS: &str = concat!(
    r#"CONNECT {"verbose":false,"pedantic":false,"jwt":null,"nkey":null,"sig":null,"name":null,"echo":true,"lang":"rust","#,
    r#""version":"0.51.0","protocol":1,"tls_required":false,"user":null,"pass":null,"auth_token":null,"headers":true,"#,
    "\"no_responders\":true}\r\nPING\r\nSUB _INBOX.x.* 0\r\nPUB svc.add _INBOX.x.y 3\r\n1 2\r\nSUB orders.> workers 1\r\n",
    "HPUB orders.new 22 27\r\nNATS/1.0\r\nA: b\r\n\r\n\r\nhello\r\nUNSUB 1 3\r\nPONG\r\nPUB a 0\r\n\r\nPING\r\n",
);
const TELNET: &str = "ping\nsub  foo\t1\nPUB foo 2\nhi\r\nPUB foo. 1\r\na\r\nUNSUB 1\nPINGjunk\r\n+OK\r\nPUB no.x 1\r\na\r\nSUB a. 2\r\n";
const ODD: &str = "CONNECT\n{\"verbose\":false}\r\nSUB fo\ro 1\nSUB \nfoo 1\r\nPUB fo\ro 12\na\r\nINFO {}\r\nCONNECT {\"headers\":true}\r\nHPUB > 2 2\r\nxy\r\n";
const ENDS: [&str; 11] = [
    "SUB a 1\r\nXYZ\r\nPING\r\n",
    "PUB a 2\r\nhiPING\r\n",
    "PUB a. 2\r\nhi\nPING\r\n",
    "PUB a 9999999\r\nPING\r\n",
    "PUB a b c d\r\nPING\r\n",
    "HPUB a 1 1\r\nx\r\n",
    "CONNECT {\"user\":\"mallory\"}\r\nPING\r\n",
    "CONNECT {\"protocol\":3}\r\nPING\r\n",
    "CONNECT []\r\nPING\r\n",
    "-ERR 'x'\r\nPING\r\n",
    "HMSG a 1 0 0\r\n\r\nPING\r\n",
];

/// Operations, output and end are those of the input in one piece, byte by byte and for every two pieces.
fn check(options: SessionOptions, input: &[u8]) {
    let whole = Peer::that_read(options, [input]);
    let seen = |peer: &Peer| (peer.host.events.clone(), peer.end, peer.session.in_msgs(), peer.session.in_bytes());
    let bytes = Peer::that_read(options, input.iter().map(slice::from_ref));
    assert_eq!(seen(&bytes), seen(&whole), "byte by byte");
    for at in 0..=input.len() {
        let (first, second) = input.split_at(at);
        let parts = Peer::that_read(options, [first, second]);
        assert_eq!(seen(&parts), seen(&whole), "{} and {}", first.escape_ascii(), second.escape_ascii());
    }
}

#[test]
fn sessions_in_two_pieces_and_byte_by_byte() {
    for input in [ASYNC_NATS, TELNET, ODD].into_iter().chain(ENDS) {
        check(SessionOptions::default(), input.as_bytes());
    }
}

#[test]
fn sessions_with_small_limits() {
    let mut options = SessionOptions::default();
    (options.limits.max_control_line, options.limits.max_payload) = (8, 4);
    for input in [
        "SUB aaaaaa 1\r\nPUB a 4\r\nabcd\r\nSUB aaaaaaa 1\r\n",
        "PUB a\ra 5555\nx",
        "SUB a\ra 1234\nSUB a\ra 12345\n",
        "PUB a 5\r\nx",
    ] {
        check(options, input.as_bytes());
    }
}

#[test]
fn sessions_with_credentials() {
    let mut options = SessionOptions::default();
    options.auth_required = true;
    for input in [ASYNC_NATS, TELNET, "CONNXCT", "CONNECT {\r\n", "cOnNeCt {\"user\":\"mallory\"}\r\n"] {
        check(options, input.as_bytes());
    }
    options.no_auth_user = true;
    for input in [TELNET, "XYZ", "PING\r\nCONNECT {\"protocol\":1}\r\nPING\r\n"] {
        check(options, input.as_bytes());
    }
}

/// The rest in the input is bounded by a line and a payload, and read once: a large payload in small pieces takes no longer
/// than in one.
#[test]
fn what_waits_is_bounded() {
    let mut options = SessionOptions::default();
    options.limits.max_payload = 10_000;
    let mut peer = Peer::new(options);
    let message = format!("PUB {} 10000\r\n{}\r\n", "a".repeat(4_000), "y".repeat(10_000));
    for piece in message.repeat(20).as_bytes().chunks(77) {
        peer.read(piece, Default::default()).unwrap();
        assert!(peer.input.len() <= 4_096 + 10_000 + 4, "{}", peer.input.len());
    }
    assert_eq!(peer.session.in_msgs(), 20);
}

/// Operations of an input that is read as a server reads, so much at once.
fn read(input: &[u8], at_once: usize, limits: DecoderLimits) -> Vec<Op> {
    let (mut decoder, mut buffer, mut ops, mut from) = (Decoder::new(limits), BytesMut::new(), Vec::new(), 0);
    while from < input.len() {
        let room = decoder.reserve(&mut buffer, at_once);
        assert!(room > 0 && buffer.capacity() - buffer.len() >= room);
        let to = input.len().min(from + room);
        buffer.extend_from_slice(&input[from..to]);
        from = to;
        while let Some(operation) = decoder.next(&mut buffer).unwrap() {
            ops.push(oracle::owned(operation));
        }
    }
    ops
}

#[test]
fn large_messages_in_memory_of_their_own() {
    const MIN: usize = Decoder::SHARED_MIN;
    let mut limits = DecoderLimits::default();
    limits.headers = true;
    let mut input = Vec::new();
    for (headers, payload) in
        [(0, MIN - 1), (0, MIN), (0, 100_000), (10, MIN), (MIN, 0), (MIN, 10), (70_000, 70_000), (0, 1), (20, 300_000)]
    {
        let (block, body) = (vec![b'h'; headers], vec![b'p'; payload]);
        let line = format!("PUB small 1\r\nx\r\nHPUB a.b r {headers} {}\r\n", headers + payload);
        input.extend([line.as_bytes(), &block, &body, b"\r\n"].concat());
    }
    let (expected, None) = oracle::decode(&input, limits) else { panic!("it is right") };
    assert_eq!(expected.len(), 18);
    for at_once in [1, 7, 512, 10_000, 64 << 10, 1 << 20] {
        assert!(read(&input, at_once, limits) == expected, "{at_once} bytes at once");
    }
}
