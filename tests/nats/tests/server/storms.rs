//! Very many of everything: connections, subscriptions, UNSUBs. In the end, as little is left as there was before.

use crate::fixture::*;
use crate::wire::Wire;
use postroom::server::ServerOptions;
use std::fmt::Write;

const NONE: [&str; 0] = [];

/// Opens so many connections in batches and drops them; every other one has subscribed, and every third is not even greeted.
fn open_and_drop(fixture: &Fixture, all: usize, batch: usize) {
    let mut other = fixture.wire();
    assert_eq!(other.ask("SUB other 1\r\n"), NONE);
    for first in (0..all).step_by(batch) {
        let mut wires: Vec<Wire> = (first..first + batch).map(|_| fixture.dial()).collect();
        for (at, wire) in wires.iter_mut().enumerate() {
            if at % 2 == 0 {
                wire.send("CONNECT {\"verbose\":false}\r\nSUB storm.* 1\r\nSUB storm.> g 2\r\n");
            }
            if at % 3 == 0 {
                wire.expect("INFO");
            }
        }
        assert_eq!(other.ask("PUB other 1\r\nx\r\n"), ["MSG other 1 1|x"]);
        drop(wires);
    }
    fixture.wait_for_connections(1);
    let stats = fixture.bus.stats();
    assert_eq!((stats.clients, stats.subscriptions), (1, 1));
    assert!(!fixture.bus.has_interest("storm.x"));
    assert_eq!(stats.matcher.entries, 1);
    assert_eq!(other.flush(), NONE);
    drop(other);
    fixture.wait_for_connections(0);
    assert_eq!(fixture.clock.timers(), 0, "no deadline of a connection that is gone");
}

#[test]
fn ten_thousand_sockets_opened_and_dropped_leave_nothing() {
    open_and_drop(&Fixture::new(Way::Tcp, ServerOptions::new()), 10_000, 500);
}

#[test]
fn ten_thousand_pipes_opened_and_dropped_leave_nothing() {
    open_and_drop(&Fixture::new(Way::Pipe, ServerOptions::new()), 10_000, 2_000);
}

#[test]
fn a_hundred_thousand_subscriptions_of_one_client_hold_up_nobody_and_go_with_it() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut other = fixture.wire();
        assert_eq!(other.ask("SUB other 1\r\n"), NONE);
        let mut wire = fixture.wire();
        for first in (0..100_000).step_by(1_000) {
            let mut batch = String::new();
            for n in first..first + 1_000 {
                writeln!(batch, "SUB storm.{n} {n}\r").unwrap();
            }
            assert_eq!(wire.ask(batch), NONE);
            assert_eq!(other.ask("PUB other 1\r\nx\r\n"), ["MSG other 1 1|x"]);
        }
        assert_eq!(fixture.bus.stats().subscriptions, 100_001);
        assert_eq!(other.ask("PUB storm.77777 1\r\nx\r\n"), NONE);
        assert_eq!(wire.flush(), ["MSG storm.77777 77777 1|x"]);
        drop(wire);
        fixture.wait_for_connections(1);
        assert_eq!(fixture.bus.stats().subscriptions, 1);
        assert_eq!(fixture.bus.stats().matcher.entries, 1);
    });
}

#[test]
fn unsub_storms_cost_nobody_anything() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB stays 1\r\n"), NONE);
        for _ in 0..50 {
            let mut batch = String::new();
            for n in 2..1_002 {
                writeln!(batch, "UNSUB {n}\r\nSUB storm {n}\r\nUNSUB {n} 1000000\r\nUNSUB {n} 3\r\nUNSUB {n}\r")
                    .unwrap();
            }
            assert_eq!(wire.ask(batch), NONE);
        }
        assert_eq!(fixture.bus.stats().subscriptions, 1);
        assert_eq!(fixture.client().publish("stays", "x").unwrap(), 1);
        assert_eq!(wire.flush(), ["MSG stays 1 1|x"]);
    });
}

#[test]
fn limits_that_are_reached_again_and_again_leave_nothing() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        let client = fixture.client();
        // As clients do for each request without a shared inbox.
        for n in 0..5_000 {
            wire.send(format!("SUB inbox.{n} {n}\r\nUNSUB {n} 1\r\n"));
            if n % 100 == 99 {
                assert_eq!(wire.flush(), NONE);
                (n - 99..=n).for_each(|n| assert_eq!(client.publish(format!("inbox.{n}"), "").unwrap(), 1));
                assert_eq!(wire.flush().len(), 100);
                assert_eq!(fixture.bus.stats().subscriptions, 0);
            }
        }
        assert_eq!(fixture.bus.stats().matcher.entries, 0);
    });
}

#[test]
fn repeated_connects_leave_nothing() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        for _ in 0..1_000 {
            // C12: drops the subscription before.
            wire.send("CONNECT {\"verbose\":false}\r\nSUB storm 1\r\n");
        }
        assert_eq!(wire.flush(), NONE);
        let stats = fixture.bus.stats();
        assert_eq!((stats.clients, stats.subscriptions), (1, 1));
    });
}
