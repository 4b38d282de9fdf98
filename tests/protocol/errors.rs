//! Refusals, their words, and whether the connection survives them (C5 to C7, C21, C22, H1, H3, H4, L4).

use crate::peer::{Peer, QUIET, answer, quiet, with_auth};
use postroom::protocol::{DisconnectReason, SessionOptions};

const UNKNOWN: &str = "-ERR 'Unknown Protocol Operation'\r\nEOF";
const TOO_LONG: &str = "-ERR 'maximum control line exceeded'\r\nEOF";
const TOO_LARGE: &str = "-ERR 'Maximum Payload Violation'\r\nEOF";
const UNAUTHORIZED: &str = "-ERR 'Authorization Violation'\r\nEOF";
/// Closed without a word.
const SILENT: &str = "EOF";

#[test]
fn unknown_operations() {
    let inputs = [
        "XYZ\r\n",
        "FOO bar\r\n",
        "MSG a 1 1\r\na\r\n",
        "MSG",
        "HMSG a 1 2 2\r\n",
        "HMSG \r\n",
        "\r\n",
        "\n",
        " PING\r\n",
        "PIN\r\n",
        "PUB\r\n",
        "SUB\r\n",
        "UNSUB\r\n",
        "HPUB\r\n",
        "PUBa",
        "RS+ a\r\n",
        "LS+ a\r\n",
        "A+ a\r\n",
        "-ERR\r\n",
        "X",
        "PX",
        "\0",
        "\x0BOK",
        "PUB\n",
        "hx",
    ];
    for input in inputs {
        assert_eq!(answer(input), UNKNOWN, "{input:?}");
        assert_eq!(
            Peer::that_read(SessionOptions::default(), [input.as_bytes()]).end,
            Err(DisconnectReason::ProtocolViolation)
        );
    }
}

/// Nothing is said of the beginning of an operation.
#[test]
fn beginnings_are_waited_for() {
    let whole = [
        "PING\n",
        "PONG\n",
        "PUB a 1\r\na\r\n",
        "HPUB a 0 1\r\na\r\n",
        "SUB a 1\n",
        "UNSUB 1\n",
        "CONNECT {}\n",
        "INFO {}\n",
    ];
    for whole in whole.into_iter().chain(["+OK\n", "-ERR 'x'\n", "HMSG a 1\n"]) {
        for end in 0..whole.len() {
            assert_eq!(quiet(&whole[..end]), "", "{:?}", &whole[..end]);
        }
    }
}

#[test]
fn payloads_end_with_cr_lf() {
    for end in ["a\n", "ab\r\n", "a\r\r\n", "a\rX", "aX"] {
        assert_eq!(quiet(format!("PUB foo 1\r\n{end}")), UNKNOWN, "{end:?}");
        assert_eq!(quiet(format!("HPUB foo 0 1\r\n{end}")), UNKNOWN, "{end:?}");
    }
    assert_eq!(quiet("PUB foo 2\r\na\r\nPING\r\n"), UNKNOWN);
    assert_eq!(quiet("PUB foo 1\r\na\r"), "");
}

#[test]
fn wrong_arguments_close_without_a_word() {
    let inputs = [
        "PUB foo\r\n",
        "PUB foo x\r\n",
        "PUB foo -1\r\n",
        "PUB foo +1\r\n",
        "PUB a b c 1\r\n",
        "PUB foo 0000000001\r\n",
        "PUB foo 1\r\r\n",
        "PUB \r\n",
        "PUB a 1x\r\n",
        "HPUB foo\r\n",
        "HPUB foo 1\r\n",
        "HPUB a b 1 1 1\r\n",
        "HPUB foo 3 2\r\n",
        "HPUB foo x 2\r\n",
        "HPUB foo 1 x\r\n",
        "HPUB foo 9999999 9999998\r\n",
        "SUB a\r\n",
        "SUB a b c d\r\n",
        "SUB \r\n",
        "SUB a b c d e f g h i\r\n",
        "UNSUB 1 2 3\r\n",
        "UNSUB \r\n",
    ];
    for input in inputs {
        assert_eq!(quiet(input), SILENT, "{input:?}");
        let peer = Peer::that_read(SessionOptions::default(), [QUIET.as_bytes(), input.as_bytes()]);
        assert_eq!(peer.end, Err(DisconnectReason::ProtocolViolation), "{input:?}");
    }
}

/// H4: even before it is known whether the arguments are right; but not before the line has ended.
#[test]
fn headers_have_to_be_agreed_on() {
    let connect = "CONNECT {\"verbose\":false}\r\n";
    assert_eq!(answer(format!("{connect}HPUB foo 1 1\r\n")), SILENT);
    assert_eq!(answer(format!("{connect}HPUB foo\r\n")), SILENT);
    assert_eq!(answer(format!("{connect}HPUB foo 1 99999999\r\n")), SILENT);
    assert_eq!(answer(format!("{connect}HPUB foo")), "");
    assert_eq!(answer("HPUB foo 0 1\r\na\r\n"), SILENT);
    let mut options = SessionOptions::default();
    options.headers = false;
    let peer = Peer::that_read(options, [QUIET.as_bytes(), b"HPUB foo 0 1\r\na\r\n"]);
    assert_eq!(peer.transcript(), SILENT);
}

/// L4: at once; up to the limit is allowed, and numbers of more than 9 digits are invalid.
#[test]
fn payloads_are_limited() {
    for line in ["PUB foo 1048577", "PUB foo 999999999", "HPUB foo 0 1048577", "HPUB foo 1048577 1048577"] {
        assert_eq!(quiet(format!("{line}\r\n")), TOO_LARGE, "{line}");
        let peer = Peer::that_read(SessionOptions::default(), [QUIET.as_bytes(), line.as_bytes(), b"\n"]);
        assert_eq!(peer.end, Err(DisconnectReason::MaxPayloadExceeded));
    }
    let payload = "x".repeat(1 << 20);
    assert_eq!(quiet(format!("PUB foo 1048576\r\n{payload}\r\nPING\r\n")), "PONG\r\n");
    assert_eq!(quiet(format!("HPUB foo 1048576 1048576\r\n{payload}\r\nPING\r\n")), "PONG\r\n");
    assert_eq!(quiet("PUB foo 000000001\r\na\r\nPING\r\n"), "PONG\r\n");
}

/// C21: the arguments count, without name, blanks before them, CR and LF; and as soon as there are too many.
#[test]
fn control_lines_are_limited() {
    let a = |n: usize| "a".repeat(n);
    for (fits, does_not) in [
        (format!("SUB {} 1\r\nPING\r\n", a(4094)), format!("SUB {} 1\r\nPING\r\n", a(4095))),
        (format!("SUB a 1{}\r\nPING\r\n", " ".repeat(4093)), format!("SUB a 1{}\r\nPING\r\n", " ".repeat(4094))),
        (format!("SUB {} 1\nPING\r\n", a(4094)), format!("SUB {} 1\nPING\r\n", a(4095))),
    ] {
        assert_eq!(quiet(&fits), "PONG\r\n");
        assert_eq!(quiet(&does_not), TOO_LONG);
    }
    assert_eq!(quiet(format!("SUB {}", a(4096))), "");
    assert_eq!(quiet(format!("SUB {}\r", a(4096))), "");
    assert_eq!(quiet(format!("SUB {}", a(4097))), TOO_LONG);
    for name in ["PUB", "HPUB", "UNSUB", "CONNECT", "INFO", "-ERR", "HMSG"] {
        assert_eq!(quiet(format!("{name} {}", a(4097))), TOO_LONG, "{name}");
        assert_eq!(quiet(format!("{name} {}\r\n", a(4097))), TOO_LONG, "{name}");
    }
    // Blanks before the arguments, and what follows PING, may be of any length, and are not kept.
    assert_eq!(quiet(format!("SUB{}a 1\r\nPING\r\n", " \t".repeat(5000))), "PONG\r\n");
    let mut peer = Peer::new(SessionOptions::default());
    for _ in 0..100 {
        peer.read(b"PING", Default::default()).unwrap();
        peer.read(&[b'x'; 10_000], Default::default()).unwrap();
        assert_eq!(peer.input.len(), 0);
        peer.read(b"\r\nSUB", Default::default()).unwrap();
        peer.read(&[b' '; 10_000], Default::default()).unwrap();
        assert_eq!(peer.input.len(), 0);
        peer.read(b"a 1\n", Default::default()).unwrap();
    }
    assert_eq!(peer.transcript(), "PONG\r\n+OK\r\n".repeat(100));
}

#[test]
fn connects_that_close() {
    let unreadable = [
        "{",
        "",
        "\r",
        "[]",
        "5",
        "{} x",
        "{}{}",
        "{\"verbose\":1}",
        "{\"name\":5}",
        "{\"protocol\":1.0}",
        "{\"protocol\":1e0}",
        "{\"protocol\":\"1\"}",
        "{\"protocol\":99999999999999999999}",
        "{\"name\":\"a\tb\"}",
        "{\"zzz\":\"a\tb\"}",
        "{\"import\":5}",
        "{\"import\":{\"allow\":5}}",
        "{\"import\":{\"allow\":\"x\"}}",
        "{\"proxy_sig\":5}",
        "{\"remote_account\":5}",
        "{\"user\":\"x\",}",
        "{\"verbose\":true",
        "{verbose:true}",
        "nul",
        "null x",
        "{\"name\":\"\\ud8\"}",
        "{\"name\":\"\\x\"}",
    ];
    for json in unreadable {
        assert_eq!(answer(format!("CONNECT {json}\r\nPING\r\n")), SILENT, "{json}");
    }
    let invalid_protocol = "-ERR 'invalid client protocol'\r\nEOF";
    for number in ["2", "-1", "9223372036854775807"] {
        assert_eq!(answer(format!("CONNECT {{\"protocol\":{number}}}\r\n")), invalid_protocol);
    }
    assert_eq!(answer("CONNECT {\"no_responders\":true}\r\n"), "-ERR 'no responders requires headers support'\r\nEOF");
    assert_eq!(answer("CONNECT {\"no_responders\":true,\"protocol\":5}\r\n"), invalid_protocol);
    for json in ["{\"account\":\"x\"}", "{\"new_account\":true}", "{\"account\":\"x\",\"protocol\":5}"] {
        assert_eq!(answer(format!("CONNECT {json}\r\n")), UNAUTHORIZED);
    }
}

/// P1: where credentials are asked for, whatever does not begin like CONNECT is a violation, from its first byte on.
#[test]
fn first_things_first() {
    let answer = |input: &str| Peer::that_read(with_auth(), [input.as_bytes()]).transcript();
    for input in ["XYZ\r\n", "P", "\r\n", "PING\r\n", "+OK\r\n", "SUB a 1\r\n", "\0", "-ERR 'x'\r\n"] {
        assert_eq!(answer(input), UNAUTHORIZED, "{input:?}");
    }
    assert_eq!(answer("CXX\r\n"), UNKNOWN);
    assert_eq!(answer(&format!("CONNECT {}", "x".repeat(5_000))), TOO_LONG);
    assert_eq!(answer("c"), "");
    assert_eq!(answer("CONNECT {\r\n"), SILENT);
    assert_eq!(answer("CONNECT {\"user\":\"ann\"}\r\nPING\r\n"), "+OK\r\nPONG\r\n");
    assert_eq!(answer("CONNECT {\"user\":\"mallory\"}\r\nPING\r\n"), UNAUTHORIZED);
    assert_eq!(answer("CONNECT {\"user\":\"mallory\",\"protocol\":7}\r\n"), UNAUTHORIZED);
    assert_eq!(answer("CONNECT {\"user\":\"ann\",\"protocol\":7}\r\n"), "-ERR 'invalid client protocol'\r\nEOF");
    assert_eq!(answer("CONNECT {}\r\nCONNECT {\"user\":\"mallory\"}\r\n"), format!("+OK\r\n{UNAUTHORIZED}"));
}

/// C6: what only servers say, said by a client.
#[test]
fn operations_of_servers() {
    for tolerated in ["+OK", "+OKjunk", "+ok", "INFO {}", "INFO null", "INFO{}", "info {\"port\":4222,\"x\":[1]}"] {
        assert_eq!(quiet(format!("{tolerated}\r\nPING\r\n")), "PONG\r\n", "{tolerated}");
    }
    for bad in
        ["INFO {", "INFO []", "INFO", "INFO {\"port\":\"x\"}", "INFO {\"connect_urls\":7}", "INFO {\"import\":7}"]
    {
        assert_eq!(quiet(format!("{bad}\r\nPING\r\n")), SILENT, "{bad}");
    }
    for error in ["-ERR 'x'\r\n", "-ERR \r\n", "-err \nPING\r\n"] {
        let peer = Peer::that_read(SessionOptions::default(), [QUIET.as_bytes(), error.as_bytes()]);
        assert_eq!((peer.transcript().as_str(), peer.end), (SILENT, Err(DisconnectReason::ParseError)), "{error:?}");
    }
}

/// After its end a session does nothing and says the same.
#[test]
fn the_end_is_the_end() {
    let mut peer = Peer::that_read(SessionOptions::default(), [&b"PUB foo x\r\nPING\r\n"[..]]);
    let events = peer.host.events.clone();
    assert_eq!(peer.read(b"PING\r\n", Default::default()), Err(DisconnectReason::ProtocolViolation));
    assert_eq!(peer.session.poll_timeout(), None);
    let late = std::time::Duration::from_secs(1_000);
    assert_eq!(peer.session.handle_timeout(late, &mut peer.host), Err(DisconnectReason::ProtocolViolation));
    assert_eq!(peer.host.events, events);
}
