//! Servers begin, end, and begin again.

use crate::fixture::*;
use crate::wire::{Wire, block_on, dial};
use postroom::server::{ServerError, ServerOptions};
use postroom::{Bus, Server};
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};

#[test]
fn bind_on_port_0_takes_a_free_port_and_the_url_names_it() {
    let bus = Bus::new();
    let server = Server::bind(&bus, "127.0.0.1:0").unwrap();
    let address = server.address().unwrap();
    assert_ne!(address.port(), 0);
    assert_eq!(server.url(), Some(format!("nats://127.0.0.1:{}", address.port())));
    assert_eq!(server.port(), Some(address.port()));
    let wire = Wire::tcp(address).connect("");
    assert_eq!(wire.info["port"], address.port(), "C2");
    assert_eq!(wire.info["host"], "127.0.0.1", "C2");
    assert_eq!(wire.info["client_ip"], "127.0.0.1", "C2");
}

/// Host and port apart, as for the listeners of the standard library; what is wrong is named as one text.
#[test]
fn an_address_may_be_a_text_a_pair_or_a_socket_address() {
    let bus = Bus::new();
    let (v4, loopback) = (Ipv4Addr::LOCALHOST, "127.0.0.1");
    let servers = [
        Server::bind(&bus, (loopback, 0)),
        Server::bind(&bus, (loopback.to_owned(), 0)),
        Server::bind(&bus, (v4, 0)),
        Server::bind(&bus, (IpAddr::from(v4), 0)),
        Server::bind(&bus, SocketAddr::from((v4, 0))),
        Server::bind(&bus, "127.0.0.1:0".to_owned()),
    ];
    for server in servers {
        let server = server.unwrap();
        let (address, port) = (server.address().unwrap(), server.port().unwrap());
        assert_eq!((address.ip(), address.port()), (IpAddr::from(v4), port));
        let Err(ServerError::Bind { address, error }) = Server::bind(&bus, (loopback, port)) else { panic!("taken") };
        assert_eq!((address, error.kind()), (format!("127.0.0.1:{port}"), ErrorKind::AddrInUse));
    }
    let Err(ServerError::Bind { address, .. }) = Server::bind(&bus, ("::zz", 1)) else { panic!("no address") };
    assert_eq!(address, "[::zz]:1");
    let silent = Server::builder(&bus).build().unwrap();
    assert_eq!((silent.address(), silent.port(), silent.url()), (None, None, None));
}

#[test]
fn a_server_that_listens_everywhere_names_the_loopback_address() {
    let bus = Bus::new();
    let server = Server::bind(&bus, "0.0.0.0:0").unwrap();
    let port = server.address().unwrap().port();
    let url = server.url().unwrap();
    assert_eq!(url, format!("nats://127.0.0.1:{port}"));
    Wire::tcp(url.trim_start_matches("nats://").parse().unwrap()).connect("");
}

#[test]
fn two_servers_on_one_bus_have_their_own_ids_and_share_subjects() {
    let bus = Bus::new();
    let [one, two] = [(); 2].map(|()| Server::bind(&bus, "127.0.0.1:0").unwrap());
    assert_ne!(one.id(), two.id());
    assert_eq!((one.id().len(), one.id().chars().next()), (56, Some('N')), "C2");
    let [mut a, mut b] = [&one, &two].map(|server| Wire::tcp(server.address().unwrap()).connect(""));
    assert_eq!(a.info["server_id"], one.id());
    assert_eq!(b.info["server_id"], two.id());
    assert_eq!(a.ask("SUB foo 1\r\n"), [""; 0]);
    assert_eq!(b.ask("PUB foo 2\r\nhi\r\n"), [""; 0]);
    assert_eq!(a.flush(), ["MSG foo 1 2|hi"]);
    // The end of one is nothing to the other.
    two.shutdown();
    assert_eq!(b.rest(), [""; 0], "C18");
    assert_eq!(a.ask("PUB foo 1\r\nx\r\n"), ["MSG foo 1 1|x"]);
}

#[test]
fn a_taken_port_is_a_typed_error_that_names_the_address() {
    let bus = Bus::new();
    let server = Server::bind(&bus, "127.0.0.1:0").unwrap();
    let taken = server.address().unwrap().to_string();
    match Server::bind(&bus, &taken) {
        Err(ServerError::Bind { address, error }) => {
            assert_eq!((address, error.kind()), (taken, ErrorKind::AddrInUse));
        }
        other => panic!("{other:?}"),
    }
    for nonsense in ["", "127.0.0.1", "nowhere.invalid:0:0", "127.0.0.1:99999"] {
        let error = Server::bind(&bus, nonsense).unwrap_err();
        assert!(matches!(&error, ServerError::Bind { address, .. } if address == nonsense), "{error:?}");
    }
}

#[test]
fn options_that_contradict_each_other_are_a_typed_error() {
    let bus = Bus::new();
    let error = Server::builder(&bus).options(ServerOptions::new().max_pending(100)).bind("127.0.0.1:0").unwrap_err();
    assert!(
        matches!(&error, ServerError::Options(text) if text.contains("1048576") && text.contains("100")),
        "{error}"
    );
    let error = Server::builder(&bus).options(ServerOptions::new().no_auth_user("eve")).build().unwrap_err();
    assert!(matches!(&error, ServerError::Options(text) if text.contains("eve")), "{error}");
}

#[test]
fn shutdown_refuses_dials_and_ends_subscriptions_before_it_returns() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB foo 1\r\nSUB bar.> q 2\r\n"), [""; 0]);
        let client = fixture.client();
        assert!(client.has_interest("foo") && client.has_interest("bar.x"));
        fixture.server.shutdown();
        assert!(!client.has_interest("foo") && !client.has_interest("bar.x"));
        assert_eq!(fixture.bus.stats().subscriptions, 0);
        assert_eq!(fixture.connections(), 0);
        // C18: no -ERR.
        assert_eq!(wire.rest(), [""; 0]);
        match fixture.way {
            Way::Tcp => {
                let refused = TcpStream::connect(fixture.server.address().unwrap()).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            }
            Way::Pipe => assert_eq!(fixture.dial().rest(), ["INFO"; 0]),
        }
        // Again: nothing is left to do.
        fixture.server.shutdown();
    });
}

#[test]
fn what_was_sent_before_a_shutdown_still_arrives() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB foo 1\r\n"), [""; 0]);
        let payload = "x".repeat(1000);
        for _ in 0..50 {
            fixture.client().publish("foo", payload.as_str()).unwrap();
        }
        fixture.server.shutdown();
        assert_eq!(wire.rest(), vec![format!("MSG foo 1 1000|{payload}"); 50]);
    });
}

#[test]
fn restart_listens_on_the_same_port_fifty_times() {
    let fixture = Fixture::new(Way::Tcp, ServerOptions::new());
    let address = fixture.server.address();
    let inside = fixture.client().subscribe("foo").unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for round in 0..50 {
        let mut wire = fixture.wire();
        assert_eq!(wire.ask(format!("SUB back.{round} 1\r\nPUB foo 0\r\n\r\n")), [""; 0]);
        ids.insert(fixture.server.id());
        assert_eq!(wire.info["server_id"], fixture.server.id());
        fixture.server.restart().unwrap();
        assert_eq!(fixture.server.address(), address);
        assert!(!fixture.bus.has_interest(format!("back.{round}")));
        assert_eq!(wire.rest(), [""; 0], "C18");
    }
    assert_eq!(ids.len(), 50, "to clients, each is a new server");
    // No client in process noticed.
    assert_eq!(inside.len(), 50);
    fixture.wait_for_connections(0);
}

#[test]
fn restart_brings_back_a_server_that_was_shut_down() {
    let fixture = Fixture::new(Way::Tcp, ServerOptions::new());
    fixture.server.shutdown();
    fixture.server.restart().unwrap();
    fixture.wire();
}

#[test]
fn restart_without_a_listener_is_a_typed_error() {
    let fixture = Fixture::new(Way::Pipe, ServerOptions::new());
    let mut wire = fixture.wire();
    assert!(matches!(fixture.server.restart(), Err(ServerError::NoListener)));
    // Nothing has changed.
    assert_eq!(wire.flush(), [""; 0]);
}

#[test]
fn restart_on_a_port_that_was_taken_meanwhile_is_a_typed_error() {
    let fixture = Fixture::new(Way::Tcp, ServerOptions::new());
    let address = fixture.server.address().unwrap();
    fixture.server.shutdown();
    let other = std::net::TcpListener::bind(address).unwrap();
    assert!(matches!(fixture.server.restart(), Err(ServerError::Bind { .. })));
    // And once the port is free again, it can be tried again.
    drop(other);
    fixture.server.restart().unwrap();
    fixture.wire();
}

#[test]
fn dropping_a_server_stops_it() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB foo 1\r\n"), [""; 0]);
        let Fixture { bus, server, .. } = fixture;
        let address = server.address();
        drop(server);
        assert!(!bus.has_interest("foo"));
        assert_eq!(bus.stats().subscriptions, 0);
        assert_eq!(wire.rest(), [""; 0]);
        if let Some(address) = address {
            assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
            // The port is free for others.
            std::net::TcpListener::bind(address).unwrap();
        }
    });
}

#[test]
fn wait_returns_when_the_server_is_shut_down() {
    let fixture = Fixture::new(Way::Tcp, ServerOptions::new());
    let mut wire = fixture.wire();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| fixture.server.wait());
        assert_eq!(wire.flush(), [""; 0]);
        assert!(!waiting.is_finished());
        fixture.server.shutdown();
        waiting.join().unwrap();
    });
    // And at once after that.
    fixture.server.wait();
    block_on(|context| {
        let stopped = std::pin::pin!(fixture.server.stopped());
        stopped.poll(context).map(Ok)
    })
    .unwrap();
}

#[test]
fn dials_while_it_shuts_down_are_refused_or_ended() {
    let fixture = Fixture::new(Way::Tcp, ServerOptions::new());
    let address = fixture.server.address().unwrap();
    std::thread::scope(|scope| {
        let dialling = scope.spawn(|| {
            // Until the listener is gone; a client that was let in before is sent away.
            let mut streams = Vec::new();
            while let Ok(stream) = TcpStream::connect(address) {
                streams.push(stream);
            }
            streams.len()
        });
        wait_until(|| fixture.connections() > 10);
        fixture.server.shutdown();
        assert!(dialling.join().unwrap() > 10);
    });
    fixture.wait_for_connections(0);
    assert_eq!(fixture.bus.stats().clients, 0);
}

#[test]
fn a_client_that_closes_is_forgotten_with_its_subscriptions() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB foo 1\r\n"), [""; 0]);
        assert_eq!(fixture.connections(), 1);
        drop(wire);
        fixture.wait_for_connections(0);
        assert!(!fixture.bus.has_interest("foo"));
        assert_eq!(fixture.bus.stats().clients, 0);
    });
}

#[test]
fn a_client_that_only_shuts_down_its_writing_side_is_done() {
    let fixture = Fixture::new(Way::Tcp, ServerOptions::new());
    let mut stream = dial(fixture.server.address().unwrap());
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut greeting = String::new();
    stream.read_to_string(&mut greeting).unwrap();
    assert!(greeting.starts_with("INFO {") && greeting.ends_with("} \r\n"), "{greeting}");
    fixture.wait_for_connections(0);
}

#[test]
fn the_numbers_of_clients_begin_at_5_and_never_repeat() {
    Fixture::each(ServerOptions::new(), |fixture| {
        // C2: internal clients have the first numbers.
        let ids: Vec<_> = (0..5).map(|_| fixture.wire().info["client_id"].as_u64().unwrap()).collect();
        assert!(ids[0] >= 5, "{ids:?}");
        assert!(ids.windows(2).all(|two| two[0] < two[1]), "{ids:?}");
    });
}

#[test]
fn a_pipe_has_no_address() {
    let fixture = Fixture::new(Way::Pipe, ServerOptions::new());
    // C4.
    assert_eq!(fixture.wire().info.get("client_ip"), None);
    assert_eq!(fixture.server.address(), None);
}
