//! The effects of correct operations on a session: C5, C6, C8 to C15, C23, S1, S6, D2, H3.

use crate::peer::{Event, Peer, QUIET, answer, quiet, with_auth};
use postroom::protocol::{ServerVersion, SessionHandler as _, SessionLimits, SessionOptions};
use std::time::Duration;

fn events(input: impl AsRef<[u8]>) -> Vec<Event> {
    Peer::that_read(SessionOptions::default(), [QUIET.as_bytes(), input.as_ref()]).host.events.split_off(1)
}

fn publish(subject: &str, reply: Option<&str>, headers: Option<&[u8]>, payload: &[u8]) -> Event {
    let (reply, headers) = (reply.map(str::to_owned), headers.map(<[u8]>::to_vec));
    Event::Publish { subject: subject.to_owned(), reply, headers, payload: payload.to_vec() }
}

fn subscribe(subject: &str, queue: Option<&str>, sid: &str) -> Event {
    Event::Subscribe { subject: subject.to_owned(), queue: queue.map(str::to_owned), sid: sid.as_bytes().to_vec() }
}

/// C5: names in any case, runs of blanks, LF alone, junk behind PING; S1, S5: bytes as they come.
#[test]
fn operations_in_all_their_spellings() {
    for line in ["PUB a 2\r\n", "pub a 2\r\n", "pUb \t a\t\t 2 \t\r\n", "PUB a 2\n", "PUB a 02\n"] {
        assert_eq!(events(format!("{line}hi\r\n")), [publish("a", None, None, b"hi")], "{line:?}");
    }
    assert_eq!(events("PUB a.* .b..\t0\r\n\r\n"), [publish("a.*", Some(".b.."), None, b"")]);
    assert_eq!(events(b"PUB f\0\xff 3\r\n\r\n\0\r\n"), [publish("f\0\u{10ffff}", None, None, b"\r\n\0")]);
    assert_eq!(events("SUB a 1\r\nsub a.> q x:y\n"), [subscribe("a", None, "1"), subscribe("a.>", Some("q"), "x:y")]);
    let unsubscribe = |max| Event::Unsubscribe { sid: b"1".to_vec(), max };
    let all = [None, Some(3), None, None, None, Some(7)].map(unsubscribe);
    assert_eq!(events("UNSUB 1\r\nUNSUB 1 3\r\nUNSUB 1 0\r\nUNSUB 1 x\r\nUNSUB 1 1234567890\r\nunsub\t1\t007\n"), all);
    assert_eq!(quiet("PINGjunk here\r\nping\nPING\r\r\nPONG of any kind\r\n"), "PONG\r\nPONG\r\nPONG\r\n");
}

/// H1, H3: a header block of no bytes counts as none.
#[test]
fn messages_with_headers() {
    let headers = b"NATS/1.0\r\n\r\n";
    assert_eq!(events(b"HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"), [publish("a", None, Some(headers), b"hi")]);
    assert_eq!(events("HPUB a r 5 7\r\nABCDEhi\r\n"), [publish("a", Some("r"), Some(b"ABCDE"), b"hi")]);
    assert_eq!(events("HPUB a 5 5\r\nABCDE\r\n"), [publish("a", None, Some(b"ABCDE"), b"")]);
    assert_eq!(
        events("HPUB a 0 2\r\nhi\r\nHPUB a 0 0\r\n\r\n"),
        [publish("a", None, None, b"hi"), publish("a", None, None, b"")]
    );
    let (block, body) = ("h".repeat(1_000), "b".repeat(2_000));
    let large = format!("HPUB a r 1000 3000\r\n{block}{body}\r\nPUB b 1\r\nx\r\n");
    let expected = [publish("a", Some("r"), Some(block.as_bytes()), body.as_bytes()), publish("b", None, None, b"x")];
    assert_eq!(events(large), expected);
}

/// Oddities of nats-server's parser: the first byte behind the blanks belongs to the line whatever it is; CR within a line
/// parts the arguments of SUB and UNSUB, but not of PUB; and it costs the last byte of a line that ends with LF alone.
#[test]
fn line_ends_within_lines() {
    assert_eq!(events("SUB fo\ro 1\n"), [subscribe("fo", None, "o")]);
    assert_eq!(events("SUB fo\ro 1\r\n"), [subscribe("fo", Some("o"), "1")]);
    assert_eq!(events("SUB \nfoo 1\r\n"), [subscribe("foo", None, "1")]);
    assert_eq!(events("PUB fo\ro 1\r\na\r\n"), [publish("fo\ro", None, None, b"a")]);
    assert_eq!(events("PUB fo\ro 12\na\r\n"), [publish("fo\ro", None, None, b"a")]);
    assert_eq!(events("PUB \nfoo 1\r\na\r\n"), [publish("\nfoo", None, None, b"a")]);
}

/// C13.
#[test]
fn verbose_peers_hear_ok() {
    assert_eq!(answer("CONNECT {}\r\n"), "+OK\r\n");
    assert_eq!(answer("SUB a 1\r\nSUB a 1\r\nUNSUB 9\r\nPUB a 1\r\nx\r\n"), "+OK\r\n".repeat(4));
    assert_eq!(answer("PING\r\nPONG\r\n+OK\r\nINFO {}\r\n"), "PONG\r\n");
    assert_eq!(
        answer("SUB a. 1\r\nPUB no.x 1\r\na\r\nSUB a 1\r\n"),
        concat!("-ERR 'Invalid Subject'\r\n", "-ERR 'Permissions Violation for Publish to \"no.x\"'\r\n", "+OK\r\n",)
    );
}

/// C13: the `+OK` of a message goes out when it is known that the message may pass, and before it is delivered.
#[test]
fn ok_comes_before_deliveries() {
    let peer = Peer::that_read(SessionOptions::default(), [&b"PUB a 1\r\nx\r\n"[..]]);
    let after_connect = &peer.host.events[1..];
    assert_eq!(
        after_connect,
        [Event::Permit("a".into()), Event::Sent("+OK\r\n".into()), publish("a", None, None, b"x")]
    );
    let peer = Peer::that_read(SessionOptions::default(), [&b"PUB no.a 1\r\nx\r\n"[..]]);
    assert!(!peer.host.events.iter().any(|event| matches!(event, Event::Publish { .. })));
}

/// A refused publish of a peer that is not verbose: from `publish` itself.
#[test]
fn refusals_that_do_not_close() {
    assert_eq!(
        quiet("PUB no.x 1\r\na\r\nSUB a..b 1\r\nPING\r\n"),
        concat!("-ERR 'Permissions Violation for Publish to \"no.x\"'\r\n", "-ERR 'Invalid Subject'\r\n", "PONG\r\n",)
    );
}

/// S6: a pedantic peer is told and served all the same; once, and before the payload has come.
#[test]
fn pedantic_peers() {
    let complaint = "-ERR 'Invalid Publish Subject'\r\n";
    for subject in ["foo.", ".foo", "a..b", ".", "foo.*", ">", "a.>.b", "*"] {
        let peer = Peer::that_read(SessionOptions::default(), [format!("PUB {subject} 1\r\na\r\n").as_bytes()]);
        assert_eq!(peer.transcript(), format!("{complaint}+OK\r\n"), "{subject}");
        assert_eq!(peer.host.events.last(), Some(&publish(subject, None, None, b"a")));
        assert_eq!(quiet(format!("PUB {subject} 1\r\na\r\n")), "");
    }
    for subject in ["foo*", "foo.*bar", "f>o", "**", "a.>>"] {
        assert_eq!(answer(format!("PUB {subject} 1\r\na\r\n")), "+OK\r\n", "{subject}");
    }
    let whole = "PUB foo. 1\r\na\r\nPUB foo. 1\r\na\r\n";
    let told: Vec<_> = (0..=whole.len()).map(|end| answer(&whole[..end]).matches(complaint).count()).collect();
    let lines = ["PUB foo. 1\r\n".len(), "PUB foo. 1\r\na\r\nPUB foo. 1\r\n".len()];
    for (end, told) in told.into_iter().enumerate() {
        assert_eq!(told, lines.iter().filter(|line| end >= **line).count(), "{end}");
    }
    let wrong_end = format!("{complaint}-ERR 'Unknown Protocol Operation'\r\nEOF");
    assert_eq!(answer("PUB foo. 1\r\nabc"), wrong_end);
    assert_eq!(Peer::that_read(SessionOptions::default(), [&b"PUB foo. 1\r\n"[..], b"abc"]).transcript(), wrong_end);
    assert_eq!(
        answer("PUB no.> 1\r\na\r\n"),
        format!("{complaint}-ERR 'Permissions Violation for Publish to \"no.>\"'\r\n")
    );
}

/// C1, C9: INFO as a greeting, and again behind the first PONG after CONNECT.
#[test]
fn info_comes_twice() {
    let connect = "CONNECT {\"verbose\":false,\"protocol\":1}\r\n";
    assert_eq!(answer(format!("{connect}PING\r\nPING\r\n")), "PONG\r\nINFO true \r\nPONG\r\n");
    assert_eq!(answer(format!("PING\r\n{connect}PING\r\nPING\r\n")), "PONG\r\nPONG\r\nINFO true \r\nPONG\r\n");
    assert_eq!(answer(format!("{connect}CONNECT {{}}\r\nPING\r\nPING\r\n")), "PONG\r\nINFO true \r\nPONG\r\n");
    assert_eq!(
        answer("CONNECT {\"verbose\":false}\r\nPING\r\nCONNECT {\"protocol\":1}\r\nPING\r\n"),
        "PONG\r\nPONG\r\n"
    );
    for (version, info) in [
        (ServerVersion::V2_10, ""),
        (ServerVersion::V2_11, ""),
        (ServerVersion::V2_12, "INFO true \r\n"),
        (ServerVersion::V2_15, "INFO true \r\n"),
    ] {
        let mut options = SessionOptions::default();
        options.version = version;
        let mut peer = Peer::new(options);
        peer.session.send_info(&mut peer.host);
        peer.read(format!("{connect}PING\r\n").as_bytes(), Duration::ZERO).unwrap();
        assert_eq!(peer.transcript(), format!("INFO false \r\nPONG\r\n{info}"));
    }
}

/// C11: on an open server the options of a peer that does not send them are the defaults, before it does anything.
#[test]
fn connect_may_be_missing() {
    for input in ["PING\r\n", "SUB a 1\r\n", "PUB a 1\r\nx\r\n", "UNSUB 1\r\n", "PONG\r\n", "PUB a. 1\r\n"] {
        let peer = Peer::that_read(SessionOptions::default(), [input.as_bytes(), b""]);
        assert_eq!(peer.host.events[0], Event::Connect(Default::default()), "{input:?}");
        assert_eq!(peer.host.events.iter().filter(|event| matches!(event, Event::Connect(_))).count(), 1);
        assert!(!peer.session.is_connected());
    }
    assert_eq!(Peer::that_read(SessionOptions::default(), [&b"PIN"[..]]).host.events, []);
}

/// C12: a further CONNECT ends all subscriptions, since 2.15; one after operations without any is not a further one.
#[test]
fn connect_may_be_repeated() {
    let calls = |version, options: SessionOptions, input: &str| {
        let mut options = options;
        options.version = version;
        let peer = Peer::that_read(options, [input.as_bytes()]);
        let name = |event: &Event| match event {
            Event::Connect(options) => Some(format!("connect {}", options.verbose)),
            Event::UnsubscribeAll => Some("end".to_owned()),
            Event::Subscribe { .. } => Some("sub".to_owned()),
            _ => None,
        };
        peer.host.events.iter().filter_map(name).collect::<Vec<_>>().join(", ")
    };
    let open = SessionOptions::default();
    let twice = "CONNECT {}\r\nSUB a 1\r\nCONNECT {\"verbose\":false}\r\nCONNECT {}\r\n";
    assert_eq!(calls(ServerVersion::V2_15, open, twice), "connect true, sub, end, connect false, end, connect false");
    assert_eq!(calls(ServerVersion::V2_12, open, twice), "connect true, sub, connect false, connect false");
    let late = "SUB a 1\r\nCONNECT {\"verbose\":false}\r\n";
    assert_eq!(calls(ServerVersion::V2_15, open, late), "connect true, sub, connect false");
    let mut no_auth_user = with_auth();
    no_auth_user.no_auth_user = true;
    assert_eq!(calls(ServerVersion::V2_15, no_auth_user, late), "connect true, sub, end, connect false");
}

/// P1: a peer without credentials may be a user all the same.
#[test]
fn a_user_for_those_without_credentials() {
    let mut options = with_auth();
    options.no_auth_user = true;
    let answer = |input: &str| Peer::that_read(options, [input.as_bytes()]).transcript();
    assert_eq!(answer("PING\r\n"), "PONG\r\n");
    assert_eq!(answer("XYZ\r\n"), "-ERR 'Unknown Protocol Operation'\r\nEOF");
    assert_eq!(answer("CONNECT {\"user\":\"mallory\"}\r\n"), "-ERR 'Authorization Violation'\r\nEOF");
    assert!(Peer::that_read(options, [&b"PING\r\n"[..]]).session.is_connected());
}

#[test]
fn counters() {
    let mut peer = Peer::new(SessionOptions::default());
    let later = Duration::from_secs(3);
    let input = "PUB a 5\r\nhello\r\nPUB no.a 2\r\nhi\r\nPUB a. 0\r\n\r\n";
    peer.read(QUIET.as_bytes(), Duration::from_secs(1)).unwrap();
    assert_eq!(peer.session.last_activity(), Duration::from_secs(1));
    peer.read(input.as_bytes(), later).unwrap();
    peer.read(b"HPUB a 3 5\r\nabcde\r\nPING\r\n", later).unwrap();
    assert_eq!((peer.session.in_msgs(), peer.session.in_bytes()), (4, 12));
    peer.read(b"PING\r\nPONG\r\n", Duration::from_secs(9)).unwrap();
    assert_eq!(peer.session.last_activity(), later);
    assert!(peer.session.options().headers);
}

/// Hot reload: from the next operation on.
#[test]
fn limits_change() {
    let mut peer = Peer::that_read(SessionOptions::default(), [QUIET.as_bytes()]);
    let mut limits = SessionLimits::default();
    (limits.max_payload, limits.max_control_line) = (4, 10);
    peer.session.reconfigure(limits);
    peer.read(b"HPUB a 0 4\r\nabcd\r\nSUB aaaaaaaa 1\r\n", Duration::ZERO).unwrap();
    limits.max_control_line = 9;
    peer.session.reconfigure(limits);
    assert!(peer.read(b"SUB aaaaaaaa 1\r\n", Duration::ZERO).is_err());
    assert_eq!(peer.transcript(), "-ERR 'maximum control line exceeded'\r\nEOF");
    let mut peer = Peer::that_read(SessionOptions::default(), [QUIET.as_bytes()]);
    peer.session.reconfigure(limits);
    assert!(peer.read(b"PUB a 5\r\n", Duration::ZERO).is_err());
    peer.host.send(b"");
    assert_eq!(peer.transcript(), "-ERR 'Maximum Payload Violation'\r\nEOF");
}
