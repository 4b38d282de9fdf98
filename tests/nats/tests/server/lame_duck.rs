//! A slow farewell (C19), on the manual clock.

use crate::fixture::*;
use crate::wire::{Wire, connect_line};
use postroom::server::ServerOptions;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

const NONE: [&str; 0] = [];

fn options() -> ServerOptions {
    // No PINGs in between.
    ServerOptions::new().lame_duck(SECOND * 60, SECOND * 10).ping_interval(SECOND * 10_000).ping_max(100)
}

/// A client that understands a second INFO.
fn modern(fixture: &Fixture) -> Wire {
    let mut wire = fixture.dial();
    wire.expect("INFO");
    wire.send(connect_line(r#""protocol":1"#));
    assert_eq!(wire.flush(), NONE);
    // C9.
    wire.expect("INFO");
    assert_eq!(wire.info["connect_info"], true);
    // Past the first PING.
    wire
}

#[test]
fn c19_clients_that_understand_it_are_told_and_nobody_new_is_let_in() {
    Fixture::each(options(), |fixture| {
        let (mut new, mut old) = (modern(&fixture), fixture.wire());
        assert_eq!(new.ask("SUB foo 1\r\n"), NONE);
        fixture.server.lame_duck();
        new.expect("INFO");
        assert_eq!(new.info["ldm"], true, "C20: unasked");
        assert_eq!(old.flush(), NONE, "protocol 0 is not told");
        if fixture.way == Way::Tcp {
            let refused = TcpStream::connect(fixture.server.address().unwrap()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        }
        // Service continues.
        assert_eq!(old.ask("PUB foo 1\r\nx\r\n"), NONE);
        assert_eq!(new.flush(), ["MSG foo 1 1|x"]);
        // Once is enough.
        fixture.server.lame_duck();
        assert_eq!(new.flush(), NONE);
    });
}

#[test]
fn c19_after_the_grace_period_connections_end_one_by_one_and_then_the_server() {
    Fixture::each(options(), |fixture| {
        let mut wires: Vec<_> = (0..5).map(|_| modern(&fixture)).collect();
        fixture.server.lame_duck();
        wires.iter_mut().for_each(|wire| wire.expect("INFO"));
        // Their first PINGs, and the grace period.
        wait_until(|| fixture.clock.timers() == 6);
        fixture.clock.advance(SECOND * 10 - Duration::from_nanos(1));
        for wire in &mut wires {
            wire.expect("PING");
            assert_eq!(wire.ask("PONG\r\n"), NONE, "nobody is closed yet");
        }
        let mut left = 5;
        let start = fixture.clock.now();
        fixture.clock.advance(Duration::from_nanos(1));
        while left > 0 {
            fixture.wait_for_connections(left - 1);
            left -= 1;
            if left > 0 {
                // At most a second later comes the next.
                wait_until(|| fixture.clock.next_timer().is_some_and(|at| at <= fixture.clock.now() + SECOND));
                assert_eq!(fixture.connections(), left);
                fixture.clock.advance(fixture.clock.next_timer().unwrap() - fixture.clock.now());
            }
        }
        assert!(fixture.clock.now() - start <= SECOND * 50);
        // C18: no -ERR.
        wires.iter_mut().for_each(|wire| assert_eq!(wire.rest(), NONE));
        fixture.server.wait();
    });
}

#[test]
fn c19_without_connections_it_ends_at_once() {
    let fixture = Fixture::new(Way::Tcp, options());
    fixture.server.lame_duck();
    fixture.server.wait();
    assert_eq!(fixture.clock.timers(), 0);
}

#[test]
fn c19_a_pipe_that_is_opened_in_lame_duck_mode_is_refused_as_a_dial_is() {
    let fixture = Fixture::new(Way::Pipe, options());
    let mut wire = fixture.wire();
    fixture.server.lame_duck();
    assert_eq!(fixture.dial().rest(), NONE);
    assert_eq!(wire.flush(), NONE);
    assert_eq!(fixture.connections(), 1);
}

#[test]
fn shutdown_cuts_lame_duck_mode_short_and_restart_ends_it() {
    let fixture = Fixture::new(Way::Tcp, options());
    let mut wire = modern(&fixture);
    fixture.server.lame_duck();
    wire.expect("INFO");
    fixture.server.shutdown();
    assert_eq!(wire.rest(), NONE);
    fixture.server.restart().unwrap();
    let again = modern(&fixture);
    assert_eq!(again.info.get("ldm"), None);
    // The farewell that was cut short is not continued.
    wait_until(|| fixture.clock.timers() == 1);
    fixture.clock.advance(SECOND * 59);
    assert_eq!(fixture.connections(), 1);
}

#[test]
fn restart_in_lame_duck_mode_starts_afresh() {
    let fixture = Fixture::new(Way::Tcp, options());
    let mut wire = modern(&fixture);
    fixture.server.lame_duck();
    wire.expect("INFO");
    fixture.server.restart().unwrap();
    assert_eq!(wire.rest(), NONE);
    let mut again = modern(&fixture);
    wait_until(|| fixture.clock.timers() == 1);
    fixture.clock.advance(SECOND * 59);
    again.expect("PING");
    assert_eq!(again.flush(), NONE);
}

#[test]
fn when_the_last_client_leaves_by_itself_the_server_does_not_wait_on() {
    let fixture = Fixture::new(Way::Tcp, options());
    let wire = modern(&fixture);
    fixture.server.lame_duck();
    wait_until(|| fixture.clock.timers() == 2);
    drop(wire);
    fixture.wait_for_connections(0);
    fixture.clock.advance(SECOND * 10);
    fixture.server.wait();
}
