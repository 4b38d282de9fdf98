//! Time on the wire (C17, C7): the server's own PINGs, connections that answer none, and those that say nothing at all. Every
//! deadline is one of the manual clock's.

use crate::fixture::*;
use crate::wire::{Wire, connect_line};
use postroom::server::ServerOptions;
use std::collections::BTreeSet;
use std::time::Duration;

const NONE: [&str; 0] = [];
const TICK: Duration = Duration::from_nanos(1);

impl Fixture {
    /// Waits until the next deadline is so far away, and gives back how far.
    #[track_caller]
    pub(crate) fn next_deadline(&self, within: std::ops::RangeInclusive<Duration>) -> Duration {
        let away = || self.clock.next_timer().map(|at| at - self.clock.now()).filter(|away| within.contains(away));
        wait_until(|| away().is_some());
        away().expect("it stands still")
    }
}

const FIRST: std::ops::RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_millis(2_400);

#[test]
fn c17_the_first_ping_comes_2_to_2_4_seconds_after_connect_and_not_before() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        let away = fixture.next_deadline(FIRST);
        fixture.clock.advance(away - TICK);
        assert_eq!(wire.flush(), NONE);
        fixture.clock.advance(TICK);
        wire.expect("PING");
    });
}

#[test]
fn c17_the_first_ping_varies() {
    let fixture = Fixture::new(Way::Pipe, ServerOptions::new());
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        let wire = fixture.wire();
        seen.insert(fixture.next_deadline(FIRST));
        drop(wire);
        wait_until(|| fixture.clock.timers() == 0);
    }
    assert!(seen.len() > 10, "{seen:?}");
    let span = *seen.last().unwrap() - *seen.first().unwrap();
    assert!(span > Duration::from_millis(100), "{span:?}");
}

#[test]
fn c17_then_a_ping_comes_every_interval_and_pongs_keep_the_connection() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        fixture.clock.advance(fixture.next_deadline(FIRST));
        for _ in 0..10 {
            wire.expect("PING");
            assert_eq!(wire.ask("PONG\r\n"), NONE);
            let interval = Duration::from_secs(120);
            fixture.clock.advance(fixture.next_deadline(interval..=interval));
        }
    });
}

#[test]
fn c17_who_answers_no_ping_is_stale() {
    let options = ServerOptions::new().ping_interval(SECOND).ping_max(2);
    Fixture::each(options, |fixture| {
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB foo 1\r\n"), NONE);
        fixture.clock.advance(fixture.next_deadline(SECOND..=SECOND * 6 / 5));
        wire.expect("PING");
        fixture.clock.advance(fixture.next_deadline(SECOND..=SECOND));
        wire.expect("PING");
        fixture.clock.advance(fixture.next_deadline(SECOND..=SECOND));
        assert_eq!(wire.rest(), ["-ERR 'Stale Connection'"]);
        fixture.wait_for_connections(0);
        assert!(!fixture.bus.has_interest("foo"));
    });
}

#[test]
fn c17_who_never_sent_connect_gets_the_first_ping_after_the_full_interval() {
    let options = ServerOptions::new().ping_interval(SECOND * 30).ping_max(1);
    Fixture::each(options, |fixture| {
        let mut wire = fixture.dial();
        wire.expect("INFO");
        fixture.clock.advance(fixture.next_deadline(SECOND * 30..=SECOND * 30));
        wire.expect("PING");
        fixture.clock.advance(fixture.next_deadline(SECOND * 30..=SECOND * 30));
        assert_eq!(wire.rest(), ["-ERR 'Stale Connection'"]);
    });
}

#[test]
fn c17_a_busy_connection_is_not_pinged_once_its_round_trip_is_known() {
    let options = ServerOptions::new().ping_interval(SECOND);
    Fixture::each(options, |fixture| {
        let mut wire = fixture.wire();
        fixture.clock.advance(fixture.next_deadline(SECOND..=SECOND * 6 / 5));
        wire.expect("PING");
        assert_eq!(wire.ask("PONG\r\n"), NONE);
        for activity in ["PUB foo 0\r\n\r\n", "SUB foo 1\r\n", "PING\r\n"] {
            fixture.clock.advance(fixture.next_deadline(SECOND..=SECOND) / 2);
            wire.send(activity);
            let _ = wire.flush();
            fixture.clock.advance(SECOND / 2);
            assert_eq!(wire.flush().iter().find(|op| *op == "PING"), None, "{activity}");
        }
        // Silence again: the flush above was half an interval ago, then one and a half.
        fixture.clock.advance(fixture.next_deadline(SECOND..=SECOND));
        fixture.clock.advance(fixture.next_deadline(SECOND..=SECOND));
        let _ = wire.until("PING");
    });
}

#[test]
fn c14_an_unasked_pong_is_harmless_and_resets_the_count() {
    let options = ServerOptions::new().ping_interval(SECOND).ping_max(1);
    Fixture::each(options, |fixture| {
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("PONG\r\nPONG\r\n"), NONE);
        for _ in 0..5 {
            fixture.clock.advance(fixture.next_deadline(Duration::ZERO..=SECOND * 6 / 5));
            wire.expect("PING");
            wire.send("PONG\r\n");
            assert_eq!(wire.flush(), NONE);
        }
    });
}

#[test]
fn c7_who_shows_no_credentials_in_time_is_sent_away() {
    Fixture::each(ServerOptions::new().token("t0k"), |fixture| {
        let mut wire = fixture.dial();
        wire.expect("INFO");
        let two = SECOND * 2;
        fixture.clock.advance(fixture.next_deadline(two..=two) - TICK);
        assert_eq!(fixture.connections(), 1);
        fixture.clock.advance(TICK);
        assert_eq!(wire.rest(), ["-ERR 'Authentication Timeout'"]);
    });
}

#[test]
fn c7_the_time_for_credentials_can_be_set_and_ends_with_them() {
    Fixture::each(ServerOptions::new().token("t0k").auth_timeout(SECOND * 7), |fixture| {
        let mut late = fixture.dial();
        late.expect("INFO");
        fixture.next_deadline(SECOND * 7..=SECOND * 7);
        fixture.clock.advance(SECOND * 6);
        late.send(connect_line(r#""auth_token":"t0k""#));
        assert_eq!(late.flush(), NONE);
        fixture.next_deadline(FIRST);
        fixture.clock.advance(SECOND * 3 / 2);
        assert_eq!(late.flush(), NONE);
    });
}

#[test]
fn c11_an_open_server_waits_for_no_connect() {
    let options = ServerOptions::new().ping_interval(SECOND * 1_000);
    Fixture::each(options, |fixture| {
        let mut wire = fixture.dial();
        wire.expect("INFO");
        fixture.next_deadline(SECOND * 1_000..=SECOND * 1_000);
        fixture.clock.advance(SECOND * 999);
        // C11: and is verbose without being asked.
        assert_eq!(wire.ask("SUB foo 1\r\n"), ["+OK"]);
    });
}

#[test]
fn nothing_happens_while_the_clock_stands_still() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wires: Vec<Wire> = (0..5).map(|_| fixture.wire()).collect();
        for _ in 0..100 {
            for wire in &mut wires {
                assert_eq!(wire.flush(), NONE);
            }
        }
        assert_eq!(fixture.clock.now(), Duration::ZERO);
        fixture.next_deadline(FIRST);
        assert_eq!(fixture.clock.timers(), 5, "one deadline for each connection, and none that was replaced");
    });
}
