//! The bus ends while clients are connected through a server.

use crate::fixture::*;
use postroom::server::{ServerError, ServerOptions};
use postroom::{Bus, Server};

#[test]
fn closing_the_bus_ends_all_connections_and_the_server() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut idle = fixture.wire();
        let mut listening = fixture.wire();
        assert_eq!(listening.ask("SUB foo 1\r\n"), [""; 0]);
        let mut silent = fixture.dial();
        silent.expect("INFO");
        fixture.bus.close();
        // C18: a client notices without doing anything, and there is no -ERR.
        for wire in [&mut idle, &mut listening, &mut silent] {
            assert_eq!(wire.rest(), [""; 0]);
        }
        fixture.wait_for_connections(0);
        fixture.server.wait();
    });
}

#[test]
fn what_was_published_before_the_bus_closed_still_arrives() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB foo 1\r\n"), [""; 0]);
        fixture.client().publish("foo", "last").unwrap();
        fixture.bus.close();
        assert_eq!(wire.rest(), ["MSG foo 1 4|last"]);
    });
}

#[test]
fn draining_the_bus_ends_with_the_end_of_all_connections() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB foo 1\r\n"), [""; 0]);
        fixture.client().publish("foo", "last").unwrap();
        fixture.bus.drain().wait();
        assert!(fixture.bus.is_closed());
        assert_eq!(wire.rest(), ["MSG foo 1 4|last"]);
        fixture.wait_for_connections(0);
    });
}

#[test]
fn on_a_closed_bus_no_server_starts_or_restarts() {
    let bus = Bus::new();
    let server = Server::bind(&bus, "127.0.0.1:0").unwrap();
    bus.close();
    assert!(matches!(server.restart(), Err(ServerError::BusClosed)));
    let refused = std::net::TcpStream::connect(server.address().unwrap()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(matches!(Server::bind(&bus, "127.0.0.1:0"), Err(ServerError::BusClosed)));
    assert!(matches!(Server::builder(&bus).build(), Err(ServerError::BusClosed)));
}

#[test]
fn a_server_and_its_connections_keep_no_closed_bus_alive() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let _wire = fixture.wire();
        let events = fixture.bus.events();
        let Fixture { bus, server, .. } = fixture;
        drop(server);
        bus.close();
        // The loop ends: nothing keeps the stream of events open.
        while events.recv().is_some() {}
    });
}
