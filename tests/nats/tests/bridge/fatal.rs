//! A message that makes the server hang up.
//!
//! Goal: it is found and given up, everything else arrives, and between the attempts there is a back-off. Method: a real server with a limit that
//! it does not tell, one whose limit falls while it runs, and a line that breaks whenever a certain text is sent through it.

use crate::fixture::{PATIENCE, Remote, bus, event, start, wait_until};
use crate::support::nats_server::NatsServer;
use postroom::bridge::{BridgeEvent, FlushError, LossReason};
use postroom::{Bridge, Bus};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The payload that the line does not let through.
const POISON: &[u8] = b"poison";

/// Connections that it may take to find one message among as many as the window holds: narrower five times, and then three.
const CONNECTIONS_MAX: u64 = 10;

/// Passes the bytes of one connection after the other on to a server; each ends before the first text that is poison.
fn line_to(server: &NatsServer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, server) = (format!("nats://{}", listener.local_addr().unwrap()), server.addr());
    thread::spawn(move || {
        while let Ok((near, _)) = listener.accept() {
            let far = TcpStream::connect(&server).unwrap();
            thread::scope(|scope| {
                scope.spawn(|| {
                    pass(&near, &far);
                    // Either may be closed already, here and below.
                    let _ = (near.shutdown(Shutdown::Both), far.shutdown(Shutdown::Write));
                });
                let _ = std::io::copy(&mut &far, &mut &near);
                let _ = near.shutdown(Shutdown::Both);
            });
        }
    });
    url
}

fn pass(mut from: &TcpStream, mut to: &TcpStream) {
    let (mut bytes, mut seen) = (vec![0; 65_536], Vec::new());
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        // A text may come in two pieces: what might be its beginning is kept back.
        seen.extend_from_slice(&bytes[..count]);
        let found = seen.windows(POISON.len()).position(|window| window == POISON);
        let split = (1..POISON.len().min(seen.len() + 1)).rev().find(|&n| seen.ends_with(&POISON[..n])).unwrap_or(0);
        let passed: Vec<u8> = seen.drain(..found.unwrap_or(seen.len() - split)).collect();
        if to.write_all(&passed).is_err() || found.is_some() {
            return;
        }
    }
}

/// A bridge that exports everything below `m`, and the numbers of the attempts that it waited before.
fn bridge_to(bus: &Bus, url: &str, at_least_once: bool) -> (Bridge, Arc<Mutex<Vec<u32>>>) {
    let attempts = Arc::<Mutex<Vec<u32>>>::default();
    let noted = attempts.clone();
    let builder = Bridge::builder(bus).server(url).export("m.>").reconnect_delay(move |attempt| {
        noted.lock().unwrap().push(attempt);
        Duration::from_millis(1)
    });
    (start(builder.at_least_once(at_least_once)), attempts)
}

/// The limit on a line of the protocol is in no INFO.
#[test]
fn a_message_that_the_server_hangs_up_on_is_given_up_and_the_others_arrive() {
    let (server, bus) = (NatsServer::start("max_control_line: 512"), bus());
    let remote = Remote::connect(&server.url());
    let mut all = remote.subscribe("m.>");
    let (bridge, _) = bridge_to(&bus, &server.url(), true);
    let events = bridge.events();
    let (client, long) = (bus.connect(), format!("m.{}", "x".repeat(1_000)));
    client.publish("m.1", "before").unwrap();
    client.publish(&*long, "long").unwrap();
    client.publish("m.3", "after").unwrap();
    assert_eq!(bridge.flush(PATIENCE).wait(), Err(FlushError::Lost { count: 1 }));
    assert_eq!(bridge.flush(PATIENCE).wait(), Ok(()));
    let episode = event(&events, |event| match event {
        BridgeEvent::Lost(episode) => Some(episode),
        _ => None,
    });
    assert_eq!((episode.reason, episode.count), (LossReason::EndsConnection, 1));
    assert_eq!(episode.first.subject, long);
    let stats = bridge.stats();
    assert_eq!((stats.outgoing.lost.total(), stats.outgoing.delivered), (1, 2), "{stats:?}");
    assert!(stats.outgoing.balances() && stats.connects <= CONNECTIONS_MAX, "{stats:?}");
    remote.flush();
    let mut arrived = all.texts();
    arrived.dedup();
    assert_eq!(arrived, ["before", "after"]);
}

#[test]
fn one_among_many_is_found_in_a_few_connections() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut all = remote.subscribe("m.>");
    let (bridge, attempts) = bridge_to(&bus, &line_to(&server), true);
    let client = bus.connect();
    const COUNT: usize = 3_000;
    const BAD: usize = 1_700;
    for n in 0..COUNT {
        let payload = if n == BAD { "poison".to_owned() } else { n.to_string() };
        client.publish("m.n", payload).unwrap();
    }
    assert_eq!(bridge.flush(PATIENCE).wait(), Err(FlushError::Lost { count: 1 }));
    let stats = bridge.stats();
    assert_eq!((stats.outgoing.lost.of(LossReason::EndsConnection), stats.outgoing.lost.total()), (1, 1), "{stats:?}");
    assert!(stats.outgoing.balances() && stats.connects <= CONNECTIONS_MAX, "{stats:?}");
    remote.flush();
    // Each for the first time in its order, and some again.
    let mut next = 0;
    for number in all.texts().iter().map(|text| text.parse::<usize>().unwrap()) {
        next += (next == BAD) as usize;
        assert!(number <= next, "{number} comes before {next}");
        next = next.max(number + 1);
    }
    assert_eq!(next, COUNT);
    // Alone three times, the second and the third time on a connection that was of no use.
    let attempts = attempts.lock().unwrap();
    assert!(matches!(attempts[..], [.., a, b, c] if (b, c) == (a + 1, a + 2)), "{attempts:?}");
    client.publish("m.n", "3000").unwrap();
    assert_eq!(bridge.flush(PATIENCE).wait(), Ok(()));
}

/// A bridge that repeats nothing loses what was on its way, and asks a server that hangs up each time ever more seldom.
#[test]
fn attempts_become_rarer_also_without_repeats() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut all = remote.subscribe("m.>");
    let (bridge, attempts) = bridge_to(&bus, &line_to(&server), false);
    let client = bus.connect();
    for n in 1..=4 {
        client.publish("m.n", "poison").unwrap();
        wait_until("it is lost", || bridge.stats().outgoing.lost.of(LossReason::Unconfirmed) == n);
        wait_until("it is connected again", || bridge.state().is_connected() && bridge.stats().connects == n + 1);
    }
    assert_eq!(*attempts.lock().unwrap(), [1, 2, 3, 4]);
    client.publish("m.n", "good").unwrap();
    assert_eq!(bridge.flush(PATIENCE).wait(), Err(FlushError::Lost { count: 4 }));
    client.publish("m.n", "poison").unwrap();
    wait_until("it is lost", || bridge.stats().outgoing.lost.of(LossReason::Unconfirmed) == 5);
    wait_until("it is connected again", || bridge.state().is_connected() && bridge.stats().connects == 6);
    assert_eq!(*attempts.lock().unwrap(), [1, 2, 3, 4, 1], "the last connection was of use");
    assert_eq!(all.texts(), ["good"]);
}

/// A server that takes less from now on: what was let go by the old limit ends one connection, and is refused by the new one.
#[test]
fn a_limit_that_falls_costs_one_message() {
    let (server, bus) = (NatsServer::start("max_payload: 10000"), bus());
    let (bridge, _) = bridge_to(&bus, &server.url(), true);
    let remote = Remote::connect(&server.url());
    let mut all = remote.subscribe("m.>");
    server.reload("max_payload: 1000");
    let client = bus.connect();
    for payload in ["before", &"x".repeat(5_000), "after"] {
        client.publish("m.n", payload).unwrap();
    }
    assert_eq!(bridge.flush(PATIENCE).wait(), Err(FlushError::Lost { count: 1 }));
    let stats = bridge.stats();
    assert_eq!((stats.outgoing.lost.of(LossReason::TooLarge), stats.outgoing.lost.total()), (1, 1), "{stats:?}");
    assert!(stats.connects <= 3, "{stats:?}");
    remote.flush();
    let mut arrived = all.texts();
    arrived.dedup();
    assert_eq!(arrived, ["before", "after"]);
}
