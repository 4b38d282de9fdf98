//! Bytes on their way to a client whose connection the server ends: they arrive, even if the client reads late and has sent more
//! than the server wanted to see. An operating system that closes a socket with unread input throws away what the other side has
//! not fetched yet.

use crate::fixture::*;
use crate::wire::Wire;
use postroom::Server;
use postroom::server::ServerOptions;

const UNKNOWN: &str = "-ERR 'Unknown Protocol Operation'";

/// More than an operating system keeps for a reader that has not begun to read.
const LARGE: usize = 1 << 20;

/// A connection with a large message on its way.
fn with_a_delivery(fixture: &Fixture) -> Wire {
    let mut wire = fixture.wire();
    assert_eq!(wire.ask("SUB foo 1\r\n"), [""; 0]);
    assert_eq!(fixture.client().publish("foo", vec![b'x'; LARGE]).unwrap(), 1);
    wire
}

#[track_caller]
fn assert_all_there(mut wire: Wire) {
    let rest = wire.rest();
    assert_eq!(
        rest.iter().map(String::len).collect::<Vec<_>>(),
        [format!("MSG foo 1 {LARGE}|").len() + LARGE, UNKNOWN.len()]
    );
    assert_eq!(rest[1], UNKNOWN);
}

#[test]
fn c7_deliveries_and_the_error_arrive_though_more_was_sent_behind_the_fault() {
    let fixture = Fixture::new(Way::Tcp, ServerOptions::new());
    let mut wire = with_a_delivery(&fixture);
    wire.send([&b"XYZ\r\n"[..], &vec![b'y'; 4 * LARGE]].concat());
    fixture.wait_for_connections(0);
    assert_all_there(wire);
}

#[test]
fn c7_nor_does_it_matter_if_more_is_sent_once_the_server_is_done() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        wire.send("XYZ\r\n");
        fixture.wait_for_connections(0);
        for _ in 0..16 {
            wire.send([b'y'; 4 << 10]);
        }
        assert_eq!(wire.rest(), [UNKNOWN]);
    });
    let fixture = Fixture::new(Way::Tcp, ServerOptions::new());
    let mut wire = with_a_delivery(&fixture);
    wire.send("XYZ\r\n");
    fixture.wait_for_connections(0);
    wire.send(vec![b'y'; LARGE]);
    assert_all_there(wire);
}

/// Neither side waits for the other to read first.
#[test]
fn c7_all_arrives_at_who_sends_everything_before_it_reads() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = with_a_delivery(&fixture);
        wire.send([&b"XYZ\r\n"[..], &vec![b'y'; 4 * LARGE]].concat());
        assert_all_there(wire);
    });
}

/// The clock stands still: a peer that is waited for could continue to send.
#[test]
fn who_has_lost_all_and_who_a_server_leaves_that_ends_are_not_waited_for() {
    let ends: [fn(&Fixture); 2] = [
        |fixture| fixture.server.shutdown(),
        |fixture| {
            let client = fixture.client();
            while client.publish("foo", vec![b'x'; LARGE]).unwrap() == 1 {}
        },
    ];
    for end in ends {
        Fixture::each(ServerOptions::new().max_pending(4 * LARGE), |fixture| {
            let mut wire = fixture.wire();
            assert_eq!(wire.ask("SUB foo 1\r\n"), [""; 0]);
            end(&fixture);
            assert!(send_to_the_end(&mut wire) < 16 << 20);
        });
    }
}

/// Sends until the server does not take it any more; gives back how much it took.
fn send_to_the_end(wire: &mut Wire) -> usize {
    (1..).find(|_| wire.try_send([b'y'; 64 << 10]).is_err()).unwrap() * (64 << 10)
}

#[test]
fn whoever_never_stops_sending_is_cut_off() {
    let fixture = Fixture::new(Way::Tcp, ServerOptions::new());
    let mut wire = fixture.wire();
    wire.send("XYZ\r\n");
    assert!(send_to_the_end(&mut wire) < 64 << 20);
    fixture.wait_for_connections(0);
}

#[test]
fn whoever_does_not_close_is_cut_off_after_a_moment() {
    let fixture = Fixture::new(Way::Tcp, ServerOptions::new());
    let mut wire = fixture.wire();
    wire.send("XYZ\r\n");
    assert_eq!(wire.rest(), [UNKNOWN]);
    fixture.wait_for_connections(0);
    // The socket is closed by its peer in real time: the clock stands still.
    wait_until(|| wire.try_send("x").is_err());
}

/// It is not the server's end that they hold up, nor do they keep its bus.
#[test]
fn nobody_waits_for_those_who_do_not_close() {
    let fixture = Fixture::new(Way::Tcp, ServerOptions::new());
    let mut wire = fixture.wire();
    wire.send("XYZ\r\n");
    assert_eq!(wire.rest(), [UNKNOWN]);
    fixture.server.restart().unwrap();
    assert_eq!(fixture.wire().ask("PUB a 0\r\n\r\n"), [""; 0]);
    fixture.server.shutdown();
    let events = fixture.bus.events();
    let Fixture { bus, server, .. } = fixture;
    drop::<Server>(server);
    bus.close();
    while events.recv().is_some() {}
    drop(wire);
}
