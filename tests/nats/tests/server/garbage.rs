//! Peers that send what they should not, or only half of it. Each is served, or sent away with the right words, and another
//! client that is served at the same time notices nothing.

use crate::fixture::*;
use crate::wire::{Wire, connect_line};
use postroom::server::ServerOptions;

const NONE: [&str; 0] = [];

/// Runs a test beside a client that is served before, meanwhile and after.
fn beside_another(options: ServerOptions, test: impl Fn(&Fixture, &mut dyn FnMut())) {
    Fixture::each(options, |fixture| {
        let mut other = fixture.wire();
        assert_eq!(other.ask("SUB other 1\r\n"), NONE);
        let mut served = || assert_eq!(other.ask("PUB other 1\r\nx\r\n"), ["MSG other 1 1|x"]);
        served();
        test(&fixture, &mut served);
        served();
        // No other client is left.
        fixture.wait_for_connections(1);
        assert_eq!(fixture.bus.stats().subscriptions, 1);
        assert!(fixture.bus.stats().ledger.balances());
    });
}

fn greeted(fixture: &Fixture) -> Wire {
    let mut wire = fixture.dial();
    wire.expect("INFO");
    wire
}

#[test]
fn c5_a_client_that_writes_byte_by_byte_is_served_like_any_other() {
    beside_another(ServerOptions::new(), |fixture, served| {
        let mut wire = greeted(fixture);
        let session = connect_line("")
            + "SUB foo 1\r\nPUB foo r 5\r\nhello\r\nHPUB foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\nUNSUB 1\r\nPING\r\n";
        for (at, byte) in session.bytes().enumerate() {
            wire.send([byte]);
            if at % 16 == 0 {
                served();
            }
        }
        assert_eq!(wire.until("PONG"), ["MSG foo 1 r 5|hello", r"HMSG foo 1 12 14|NATS/1.0\r\n\r\nhi"]);
    });
}

#[test]
fn many_slow_writers_at_once_hold_up_nobody() {
    beside_another(ServerOptions::new(), |fixture, served| {
        let mut wires: Vec<_> = (0..50).map(|_| greeted(fixture)).collect();
        let session = format!("{}SUB slow 1\r\nPUB slow 0\r\n\r\nUNSUB 1\r\nPING\r\n", connect_line(r#""echo":false"#));
        for byte in session.bytes() {
            for wire in &mut wires {
                wire.send([byte]);
            }
            served();
        }
        for wire in &mut wires {
            assert!(wire.until("PONG").len() <= 49);
        }
    });
}

#[test]
fn half_open_connections_hold_up_nobody() {
    beside_another(ServerOptions::new(), |fixture, served| {
        // Nothing at all, half a CONNECT, half a line, half a payload.
        let halves = ["", "CONNECT {\"verb", "SUB fo", "PUB foo 10\r\nhal", "PUB foo 10\r\n"];
        let wires: Vec<_> = (0..200)
            .map(|n| {
                let mut wire = greeted(fixture);
                wire.send(halves[n % halves.len()]);
                wire
            })
            .collect();
        served();
        assert_eq!(fixture.connections(), 201);
        drop(wires);
    });
}

#[test]
fn c7_garbage_gets_the_right_words_and_the_end() {
    let unknown = "-ERR 'Unknown Protocol Operation'";
    let cases: [(&[u8], &[&str]); 14] = [
        (b"XYZ\r\n", &[unknown]),
        (b"\r\n", &[unknown]),
        (b" PING\r\n", &[unknown]),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[unknown]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[unknown]),
        (b"\0\0\0\0", &[unknown]),
        (b"\xff\xfe\xfd", &[unknown]),
        (b"PUB foo 2\r\nhello\r\n", &[unknown]),
        (b"PUB foo x\r\n", &[]),
        (b"PUB foo 9999999999\r\n", &[]),
        (b"PUB a b c d\r\n", &[]),
        (b"SUB\ta\tb\tc\td\r\n", &[]),
        (b"CONNECT nonsense\r\n", &[]),
        (b"HPUB foo 5 2\r\n", &[]),
    ];
    beside_another(ServerOptions::new(), |fixture, served| {
        for (garbage, words) in cases {
            let mut wire = fixture.wire();
            wire.send(garbage);
            assert_eq!(wire.rest(), words, "{}", garbage.escape_ascii());
            served();
        }
    });
}

#[test]
fn random_bytes_never_do_harm() {
    // xorshift: the same bytes in each run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let ops = [
        "PUB ",
        "SUB ",
        "UNSUB ",
        "HPUB ",
        "PING\r\n",
        "CONNECT {",
        "}",
        "foo ",
        "1 ",
        "10\r\n",
        "\r\n",
        "+OK\r\n",
        "-ERR '",
    ];
    let batches: Vec<Vec<u8>> = (0..100)
        .map(|round| {
            let mut bytes = Vec::new();
            while bytes.len() < 2_000 {
                match round % 2 {
                    0 => bytes.extend(random().to_le_bytes()),
                    _ => bytes.extend(ops[random() as usize % ops.len()].as_bytes()),
                }
            }
            bytes
        })
        .collect();
    beside_another(ServerOptions::new(), |fixture, served| {
        for bytes in &batches {
            let mut wire = fixture.dial();
            // It may be closed before it has sent everything.
            let _ = wire.try_send(bytes);
            drop(wire);
            served();
        }
    });
}

#[test]
fn c21_a_giant_control_line_is_refused_long_before_it_ends() {
    beside_another(ServerOptions::new(), |fixture, served| {
        for op in ["SUB ", "PUB ", "HPUB ", "UNSUB ", "CONNECT "] {
            let mut wire = fixture.wire();
            wire.send(op);
            wire.send(vec![b'x'; 4_097]);
            assert_eq!(wire.rest(), ["-ERR 'maximum control line exceeded'"], "{op}");
            served();
        }
        // Bytes after PING have no bound of their own, and none are kept.
        let mut wire = fixture.wire();
        wire.send("PING");
        wire.send(vec![b'x'; 1 << 20]);
        wire.send("\r\n");
        wire.expect("PONG");
        // Just as long as it may be.
        let subject = "x".repeat(4_094);
        assert_eq!(wire.ask(format!("SUB {subject} 1\r\nUNSUB 1\r\n")), NONE);
    });
}

#[test]
fn c21_a_line_that_never_stops_is_cut_off() {
    beside_another(ServerOptions::new(), |fixture, served| {
        let mut wire = fixture.wire();
        wire.send("SUB ");
        let piece = vec![b'x'; 64 << 10];
        let mut sent = 0;
        while wire.try_send(&piece).is_ok() && sent < 1 << 30 {
            sent += piece.len();
        }
        assert!(sent < 64 << 20, "{sent} bytes were taken");
        served();
    });
}

#[test]
fn l4_x9_a_payload_too_large_is_refused_when_it_is_announced() {
    beside_another(ServerOptions::new(), |fixture, served| {
        for op in ["PUB foo 1048577\r\n", "PUB foo 999999999\r\n", "HPUB foo 12 1048577\r\n"] {
            let mut wire = fixture.wire();
            // And never sent.
            wire.send(op);
            assert_eq!(wire.rest(), ["-ERR 'Maximum Payload Violation'"], "{op}");
            served();
        }
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB foo 1\r\n"), NONE);
        wire.send("PUB foo 1048576\r\n");
        wire.send(vec![b'x'; 1_048_576]);
        wire.send("\r\n");
        assert_eq!(wire.flush()[0].len(), "MSG foo 1 1048576|".len() + 1_048_576);
    });
}

#[test]
fn a_peer_that_closes_in_the_middle_of_a_publish_publishes_nothing() {
    beside_another(ServerOptions::new(), |fixture, served| {
        let inside = fixture.client().subscribe("foo").unwrap();
        for part in [
            "PUB foo 10\r\nhello",
            "PUB foo 5\r\nhello",
            "PUB foo 5\r\nhello\r",
            "PUB foo 5\r",
            "HPUB foo 12 14\r\nNATS",
        ] {
            let mut wire = fixture.wire();
            assert_eq!(wire.ask("SUB gone 1\r\n"), NONE);
            wire.send(part);
            drop(wire);
            fixture.wait_for_connections(1);
            served();
        }
        assert_eq!(inside.len(), 0);
        drop(inside);
    });
}

#[test]
fn c6_a_client_that_talks_like_a_server_is_understood_as_one() {
    beside_another(ServerOptions::new(), |fixture, _| {
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("+OK\r\nINFO {}\r\nPONG\r\n"), NONE);
        wire.send("-ERR 'x'\r\n");
        assert_eq!(wire.rest(), NONE);
        let mut wire = fixture.wire();
        wire.send("MSG foo 1 0\r\n\r\n");
        assert_eq!(wire.rest(), ["-ERR 'Unknown Protocol Operation'"]);
    });
}

#[test]
fn operations_behind_the_one_that_ends_the_connection_are_not_done() {
    beside_another(ServerOptions::new(), |fixture, _| {
        let inside = fixture.client().subscribe("foo").unwrap();
        let mut wire = fixture.wire();
        wire.send("PUB foo 1\r\na\r\nXYZ\r\nPUB foo 1\r\nb\r\nSUB left 1\r\n");
        assert_eq!(wire.rest(), ["-ERR 'Unknown Protocol Operation'"]);
        fixture.wait_for_connections(1);
        assert_eq!(inside.len(), 1);
        assert!(!fixture.bus.has_interest("left"));
    });
}
