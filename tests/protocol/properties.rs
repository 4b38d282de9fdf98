//! The decoder equals the plain one for every input, in whatever pieces it comes; and so does the session.

use crate::oracle::{self, Op};
use crate::peer::Peer;
use bytes::BytesMut;
use postroom::protocol::{DecodeError, Decoder, DecoderLimits, SessionOptions};
use proptest::prelude::*;
use proptest::sample::Index;

fn decode(input: &[u8], cuts: &[usize], limits: DecoderLimits) -> (Vec<Op>, Option<DecodeError>) {
    let (mut decoder, mut buffer, mut ops) = (Decoder::new(limits), BytesMut::new(), Vec::new());
    let mut from = 0;
    for to in cuts.iter().copied().chain([input.len()]) {
        buffer.extend_from_slice(&input[from..to]);
        from = to;
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(operation)) => ops.push(oracle::owned(operation)),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next(&mut buffer).map(|_| ()), Err(error), "it stays");
                    return (ops, Some(error));
                }
            }
        }
    }
    (ops, None)
}

/// Something like a stream: pieces that a client may send, most of them right.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let word = || {
        prop::sample::select(vec![
            "a",
            "foo.bar",
            "foo.",
            "*",
            "a.>",
            "fo\ro",
            "q",
            "1",
            "0",
            "02",
            "x",
            "é",
            "\u{10ffff}",
            "\0",
            "\n",
            "\r",
        ])
    };
    let blank = || prop::sample::select(vec![" ", " ", " ", "  ", "\t", "", " \t \t"]);
    let end = || prop::sample::select(vec!["\r\n", "\r\n", "\r\n", "\n", "\r\r\n", " \r\n", "\r", ""]);
    let name = prop::sample::select(vec![
        "PUB", "pub", "HPUB", "SUB", "Sub", "UNSUB", "-ERR", "HMSG", "INFO", "CONNECT", "+OK", "PING", "PONG", "MSG",
    ]);
    let line = (name, prop::collection::vec((blank(), word()), 0..5), end()).prop_map(|(name, words, end)| {
        let words: String = words.into_iter().flat_map(|(blank, word)| [blank, word]).collect();
        format!("{name}{words}{end}").into_bytes()
    });
    let payload = prop_oneof![4 => prop::collection::vec(any::<u8>(), 0..12), 1 => prop::collection::vec(any::<u8>(), 1_020..1_030)];
    let message = (
        payload,
        0..14_usize,
        -1..2_i64,
        any::<bool>(),
        word(),
        prop::sample::select(vec!["\r\n", "\r\n", "\r\n", "\n", "\r"]),
    )
        .prop_map(|(payload, headers, off, with_headers, subject, end)| {
            let size = (payload.len() as i64 + if end == "\r\n" { 0 } else { off }).max(0);
            let line = if with_headers {
                format!("HPUB {subject} {headers} {size}\r\n")
            } else {
                format!("PUB {subject} r {size}\r\n")
            };
            [line.as_bytes(), &payload, end.as_bytes()].concat()
        });
    let connect = prop::sample::select(vec![
        "CONNECT {}\r\n",
        "CONNECT {\"verbose\":false}\r\n",
        "connect{\"headers\":true,\"pedantic\":false}\r\n",
        "CONNECT {\"protocol\":1}\r\n",
        "CONNECT {\"user\":\"mallory\"}\r\n",
        "CONNECT []\r\n",
    ]);
    let any_piece = prop_oneof![
        4 => message,
        4 => line,
        2 => connect.prop_map(|text| text.as_bytes().to_vec()),
        2 => Just(b"PING\r\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(any_piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn cuts(input: &[u8], indices: &[Index]) -> Vec<usize> {
    let mut cuts: Vec<_> = indices.iter().map(|index| index.index(input.len() + 1)).collect();
    cuts.sort_unstable();
    cuts
}

fn limits() -> impl Strategy<Value = DecoderLimits> {
    (prop_oneof![Just(8_usize), Just(4_096)], prop_oneof![Just(4_usize), Just(1 << 20)], prop::bool::weighted(0.9))
        .prop_map(|(line, payload, headers)| {
            let mut limits = DecoderLimits::default();
            (limits.max_control_line, limits.max_payload, limits.headers) = (line, payload, headers);
            limits
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_decoder_equals_the_plain_one(input in stream(), indices in prop::collection::vec(any::<Index>(), 0..6), limits in limits()) {
        let expected = oracle::decode(&input, limits);
        prop_assert_eq!(&decode(&input, &[], limits), &expected, "in one piece");
        prop_assert_eq!(&decode(&input, &cuts(&input, &indices), limits), &expected, "in pieces");
        let all: Vec<_> = (0..input.len()).collect();
        prop_assert_eq!(&decode(&input, &all, limits), &expected, "byte by byte");
    }

    #[test]
    fn the_session_does_not_see_pieces(
        input in stream(),
        indices in prop::collection::vec(any::<Index>(), 0..6),
        auth_required: bool,
        no_auth_user: bool,
    ) {
        let mut options = SessionOptions::default();
        (options.auth_required, options.no_auth_user) = (auth_required, no_auth_user);
        let whole = Peer::that_read(options, [&input[..]]);
        let cuts = cuts(&input, &indices);
        let bounds = [0].into_iter().chain(cuts.iter().copied()).zip(cuts.iter().copied().chain([input.len()]));
        let parts = Peer::that_read(options, bounds.map(|(from, to)| &input[from..to]));
        prop_assert_eq!(&parts.host.events, &whole.host.events);
        prop_assert_eq!(parts.end, whole.end);
        prop_assert_eq!(parts.session.in_bytes(), whole.session.in_bytes());
        if whole.end.is_ok() {
            prop_assert_eq!(parts.input, whole.input);
        }
    }
}
