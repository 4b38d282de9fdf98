//! Timers: C7 (authentication), C17.

use crate::peer::{Peer, QUIET, with_auth};
use postroom::protocol::{DisconnectReason, SessionOptions};
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn every(interval: Duration, jitter: f64) -> SessionOptions {
    let mut options = SessionOptions::default();
    options.limits.ping_interval = interval;
    options.jitter = jitter;
    options
}

/// Lets time pass until the next timeout; what was sent and when, or how it ended.
fn step(peer: &mut Peer) -> (Duration, String, Result<(), DisconnectReason>) {
    let due = peer.session.poll_timeout().expect("it has not ended");
    let before = due - Duration::from_nanos(1);
    assert_eq!(peer.session.handle_timeout(before, &mut peer.host), Ok(()));
    assert_eq!((peer.host.sent(), peer.session.poll_timeout()), (String::new(), Some(due)), "nothing happens early");
    let end = peer.session.handle_timeout(due, &mut peer.host);
    (due, peer.host.take_sent(), end)
}

const PING: &str = "PING\r\n";
const STALE: &str = "-ERR 'Stale Connection'\r\n";

/// C17: PING, PING, and the end, for a silent peer.
#[test]
fn silent_peers_are_given_up() {
    let mut peer = Peer::new(every(ms(1_000), 0.2));
    assert_eq!(step(&mut peer), (ms(1_000), PING.into(), Ok(())), "no CONNECT: the full interval");
    assert_eq!(step(&mut peer), (ms(2_000), PING.into(), Ok(())));
    assert_eq!(step(&mut peer), (ms(3_000), STALE.into(), Err(DisconnectReason::StaleConnection)));
    assert_eq!(peer.session.poll_timeout(), None);
}

/// C17: the first PING comes 2 s after CONNECT, or after the interval, and up to a fifth later.
#[test]
fn the_first_ping() {
    for (interval, jitter, first) in
        [(120_000, 0.0, 2_000), (120_000, 0.2, 2_400), (1_000, 0.1, 1_100), (2_500, 0.1, 2_200)]
    {
        let mut peer = Peer::new(every(ms(interval), jitter));
        peer.read(QUIET.as_bytes(), ms(500)).unwrap();
        assert_eq!(step(&mut peer), (ms(500 + first), PING.into(), Ok(())));
        assert_eq!(step(&mut peer), (ms(500 + first + interval), PING.into(), Ok(())));
    }
    for jitter in [f64::NAN, f64::INFINITY, -1.0] {
        let mut peer = Peer::new(every(ms(1_000), jitter));
        peer.read(QUIET.as_bytes(), ms(0)).unwrap();
        assert_eq!(step(&mut peer).0, ms(1_000));
    }
}

/// Each CONNECT starts the timer anew, even one that cannot be read.
#[test]
fn each_connect_starts_anew() {
    let mut peer = Peer::new(every(ms(1_000), 0.0));
    for at in [0, 400, 800, 1_200] {
        peer.read(QUIET.as_bytes(), ms(at)).unwrap();
        assert_eq!(peer.session.poll_timeout(), Some(ms(at + 1_000)));
    }
}

/// C17: a peer that does something is not asked, once the round trip was measured; messages, interest and PING count.
#[test]
fn busy_peers_are_left_alone() {
    for busy in ["PUB a 0\r\n\r\n", "SUB a 1\r\n", "UNSUB 1\r\n", "PING\r\n"] {
        let mut peer = Peer::new(every(ms(1_000), 0.0));
        peer.read(QUIET.as_bytes(), ms(0)).unwrap();
        peer.read(busy.as_bytes(), ms(999)).unwrap();
        peer.host.take_sent();
        assert_eq!(step(&mut peer), (ms(1_000), PING.into(), Ok(())), "to measure");
        peer.read(busy.as_bytes(), ms(1_001)).unwrap();
        peer.host.take_sent();
        assert_eq!(step(&mut peer), (ms(2_000), String::new(), Ok(())), "{busy:?}");
        assert_eq!(step(&mut peer), (ms(3_000), PING.into(), Ok(())), "silent since");
        assert_eq!(step(&mut peer).2, Err(DisconnectReason::StaleConnection), "nothing but PONG is an answer");
    }
    for idle in ["PONG\r\n", "+OK\r\n", "INFO {}\r\n"] {
        let mut peer = Peer::new(every(ms(1_000), 0.0));
        peer.read(QUIET.as_bytes(), ms(0)).unwrap();
        assert_eq!(step(&mut peer).1, PING);
        peer.read(idle.as_bytes(), ms(1_500)).unwrap();
        assert_eq!(step(&mut peer), (ms(2_000), PING.into(), Ok(())), "{idle:?}");
    }
}

/// C17: a peer without CONNECT is asked until it has answered once, however busy; and any peer once an hour.
#[test]
fn the_round_trip_is_measured() {
    let mut peer = Peer::new(every(ms(1_000), 0.0));
    let mut answers = Vec::new();
    for at in [500, 1_500, 2_500] {
        peer.read(b"PING\r\n", ms(at)).unwrap();
        peer.host.take_sent();
        answers.push(step(&mut peer));
    }
    let expected = [
        (ms(1_000), PING.into(), Ok(())),
        (ms(2_000), PING.into(), Ok(())),
        (ms(3_000), STALE.into(), Err(DisconnectReason::StaleConnection)),
    ];
    assert_eq!(answers, expected);

    let mut peer = Peer::new(every(Duration::from_secs(600), 0.0));
    peer.read(QUIET.as_bytes(), ms(0)).unwrap();
    let mut pings = Vec::new();
    for _ in 0..15 {
        let busy = peer.session.poll_timeout().unwrap() - ms(1);
        peer.read(b"SUB a 1\r\n", busy).unwrap();
        let (at, sent, end) = step(&mut peer);
        assert_eq!(end, Ok(()));
        if sent == PING {
            pings.push(at.as_secs());
            peer.read(b"PONG\r\n", at).unwrap();
        }
    }
    assert_eq!(pings, [2, 4_202, 8_402], "an hour is not over at 3,602 s");
}

#[test]
fn round_trips() {
    let mut peer = Peer::new(SessionOptions::default());
    assert_eq!(peer.session.rtt(), None);
    peer.read(QUIET.as_bytes(), ms(30)).unwrap();
    assert_eq!(peer.session.rtt(), Some(ms(30)), "a guess");
    assert_eq!(step(&mut peer).1, PING);
    peer.read(b"PONG\r\n", ms(2_037)).unwrap();
    assert_eq!(peer.session.rtt(), Some(ms(7)));
    peer.read(b"PONG\r\n", ms(2_030)).unwrap();
    assert_eq!(peer.session.rtt(), Some(Duration::from_nanos(1)), "never 0");
}

/// An answer, even without a question, starts the count anew (C14).
#[test]
fn pong_keeps_alive() {
    let mut peer = Peer::new(every(ms(1_000), 0.0));
    for at in 1..20 {
        assert_eq!(step(&mut peer), (ms(1_000 * at), PING.into(), Ok(())));
        peer.read(b"PONG\r\n", ms(1_000 * at + 1)).unwrap();
    }
    let mut options = every(ms(1_000), 0.0);
    options.limits.ping_max = 0;
    assert_eq!(step(&mut Peer::new(options)).2, Err(DisconnectReason::StaleConnection));
}

/// C7: no CONNECT in time, where one is asked for; the beginning of one does not count.
#[test]
fn authentication_has_a_deadline() {
    let late =
        (ms(2_000), "-ERR 'Authentication Timeout'\r\n".to_owned(), Err(DisconnectReason::AuthenticationTimeout));
    assert_eq!(step(&mut Peer::new(with_auth())), late);
    assert_eq!(step(&mut Peer::that_read(with_auth(), [&b"CONNECT {}"[..]])), late);
    let mut options = with_auth();
    options.no_auth_user = true;
    assert_eq!(step(&mut Peer::new(options)), late);

    let mut peer = Peer::that_read(with_auth(), [QUIET.as_bytes()]);
    peer.host.take_sent();
    assert_eq!(step(&mut peer), (ms(2_000), PING.into(), Ok(())));
    let mut peer = Peer::that_read(options, [&b"PONG\r\n"[..]]);
    peer.host.take_sent();
    assert_eq!(step(&mut peer), (ms(120_000), PING.into(), Ok(())));
    assert_eq!(
        Peer::new(SessionOptions::default()).session.poll_timeout(),
        Some(ms(120_000)),
        "none where none is asked for"
    );
}
