//! Code of users that a server runs: no lock is held (G4), and its panics have no further effect (G9).
//!
//! Goal: observers, wakers and loggers may ask and change the server that runs them, and one that panics delays no client. Method:
//! each of them asks the server for its connections, or panics, wherever a client can set it off.

use crate::wire::FOREVER;
use bytes::Bytes;
use postroom::id::{ClientId, MessageId};
use postroom::observe::{Observer, PublishAction, PublishContext};
use postroom::server::{LogLevel, Logger, ServerOptions};
use postroom::user_code::UserCode;
use postroom::{Bus, Event, Pattern, Server};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Wake, Waker};

/// The bytes that a client gets for `lines`, up to the first PONG or the end.
fn say(server: &Server, lines: &str) -> String {
    let mut wire = TcpStream::connect(server.address().unwrap()).unwrap();
    wire.set_read_timeout(Some(FOREVER)).unwrap();
    wire.write_all(format!("CONNECT {{\"verbose\":false}}\r\n{lines}PING\r\n").as_bytes()).unwrap();
    let (mut all, mut part) = (Vec::new(), [0; 4_096]);
    while !all.ends_with(b"PONG\r\n") {
        match wire.read(&mut part).expect("an answer or an end") {
            0 => break,
            count => all.extend_from_slice(&part[..count]),
        }
    }
    String::from_utf8(all).unwrap()
}

/// Asks the server for its connections each time.
#[derive(Default)]
struct Asks {
    server: OnceLock<Arc<Server>>,
    asked: AtomicUsize,
}

impl Asks {
    fn ask(&self) {
        let Some(server) = self.server.get() else { return };
        let _ = server.connz(&Default::default());
        let _ = server.varz();
        self.asked.fetch_add(1, SeqCst);
    }

    fn of(server: &Arc<Server>) -> Arc<Self> {
        let asks = Arc::new(Asks::default());
        let _ = asks.server.set(server.clone());
        asks
    }
}

impl Wake for Asks {
    fn wake(self: Arc<Self>) {
        self.ask();
    }
}

impl Logger for Asks {
    fn enabled(&self, _: LogLevel) -> bool {
        self.ask();
        true
    }

    fn log(&self, _: LogLevel, _: std::fmt::Arguments<'_>) {
        self.ask();
    }
}

/// A new waker each time, so that each change wakes one.
fn watch(interest: &postroom::interest::InterestWatcher, asks: &Arc<Asks>) {
    let waker = Waker::from(asks.clone());
    while pin!(interest.changed()).poll(&mut Context::from_waker(&waker)).is_ready() {}
}

#[test]
fn a_waker_of_who_watches_interest_asks_the_server() {
    let bus = Bus::new();
    let server = Arc::new(Server::bind(&bus, "127.0.0.1:0").unwrap());
    let (asks, interest, publisher) = (Asks::of(&server), bus.interest("a").unwrap(), bus.connect());
    let waker = Waker::from(asks.clone());
    for lines in ["SUB a 1\r\n", "SUB a 1\r\nUNSUB 1\r\n", "SUB a 1\r\nUNSUB 1 1\r\nPUB a 1\r\nx\r\nSUB a 1\r\n"] {
        let mut changed = pin!(interest.changed());
        while changed.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            changed.set(interest.changed());
        }
        let before = asks.asked.load(SeqCst);
        assert!(say(&server, lines).ends_with("PONG\r\n"), "{lines}");
        assert!(asks.asked.load(SeqCst) > before, "{lines}");
    }
    watch(&interest, &asks);
    drop(publisher);
    server.shutdown();
    assert!(server.varz().connections == 0);
}

/// Kicks each client that wants to subscribe to `secret`.
#[derive(Default)]
struct Guard(OnceLock<Bus>);

impl Observer for Guard {
    fn publish(&self, _: &PublishContext<'_>) -> PublishAction {
        PublishAction::Route { id: MessageId::new(0), times: 1 }
    }

    fn may_subscribe(&self, client: ClientId, pattern: &Pattern, _: Option<&str>) -> bool {
        let secret = pattern.as_str() == "secret";
        if secret && let Some(bus) = self.0.get() {
            bus.kick(client);
        }
        !secret
    }
}

#[test]
fn an_observer_kicks_who_subscribes() {
    let guard = Arc::new(Guard::default());
    let bus = Bus::builder().observer(guard.clone()).build();
    guard.0.set(bus.clone()).unwrap();
    let server = Server::bind(&bus, "127.0.0.1:0").unwrap();
    assert!(!say(&server, "SUB secret 1\r\n").ends_with("PONG\r\n"), "cut off");
    assert!(say(&server, "SUB a 1\r\n").ends_with("PONG\r\n"));
    let _ = server.connz(&Default::default());
}

#[test]
fn a_logger_asks_the_server_at_every_line() {
    let (bus, asks) = (Bus::new(), Arc::new(Asks::default()));
    let server = Server::builder(&bus).options(ServerOptions::new().logger(asks.clone())).bind("127.0.0.1:0");
    let server = Arc::new(server.unwrap());
    let _ = asks.server.set(server.clone());
    let lines = "SUB a 1\r\nSUB a 2 q\r\nUNSUB 1 5\r\nPUB a 1\r\nx\r\nUNSUB 2\r\n";
    assert!(say(&server, lines).ends_with("PONG\r\n"));
    server.reload(ServerOptions::new().logger(asks.clone()).max_payload(10_000)).unwrap();
    server.restart().unwrap();
    assert!(say(&server, lines).ends_with("PONG\r\n"));
    server.lame_duck();
    server.shutdown();
    assert!(asks.asked.load(SeqCst) > 30);
}

/// Panics at one line.
struct Breaks {
    at: u32,
    lines: AtomicU32,
}

impl Logger for Breaks {
    fn enabled(&self, level: LogLevel) -> bool {
        level != LogLevel::Trace
    }

    fn log(&self, _: LogLevel, _: std::fmt::Arguments<'_>) {
        let line = self.lines.fetch_add(1, SeqCst) + 1;
        assert_ne!(line, self.at, "on purpose: the pipe is closed");
    }
}

#[test]
fn a_logger_that_panics_loses_its_line_and_nothing_else() {
    let mut reached = true;
    let mut at = 0;
    while reached {
        at += 1;
        let (bus, logger) = (Bus::new(), Arc::new(Breaks { at, lines: AtomicU32::new(0) }));
        let events = bus.events();
        let options = ServerOptions::new().logger(logger.clone());
        let server = Server::builder(&bus).options(options).bind("127.0.0.1:0").expect("whatever a logger does");
        assert!(say(&server, "SUB a 1\r\n").ends_with("PONG\r\n"), "line {at}");
        while server.varz().connections > 0 {
            std::thread::yield_now();
        }
        drop(server);
        reached = logger.lines.load(SeqCst) >= at;
        assert_eq!(bus.stats().traffic.panics, u64::from(reached));
        let told = std::iter::from_fn(|| events.try_recv())
            .filter(|event| matches!(event, Event::UserCodePanicked { code: UserCode::Logger, .. }));
        assert_eq!(told.count(), usize::from(reached));
    }
    assert!(at > 4, "a server writes some lines: {at}");
}

/// A payload that is large enough to be shared by what waits to be written.
#[test]
fn a_payload_may_panic_when_it_is_written() {
    struct Large(Vec<u8>);
    impl AsRef<[u8]> for Large {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Large {
        fn drop(&mut self) {
            panic!("on purpose: large");
        }
    }
    let bus = Bus::new();
    let (server, client, events) = (Server::bind(&bus, "127.0.0.1:0").unwrap(), bus.connect(), bus.events());
    let mut wire = TcpStream::connect(server.address().unwrap()).unwrap();
    wire.set_read_timeout(Some(FOREVER)).unwrap();
    wire.write_all(b"CONNECT {\"verbose\":false}\r\nSUB big 1\r\nPING\r\n").unwrap();
    let mut read_to = |end: &[u8]| {
        let (mut all, mut part) = (Vec::new(), vec![0; 1 << 16]);
        while !all.ends_with(end) {
            let count = wire.read(&mut part).unwrap();
            assert!(count > 0, "it was closed");
            all.extend_from_slice(&part[..count]);
        }
    };
    read_to(b"PONG\r\n");
    for size in [10, 1_000, 200_000] {
        client.publish("big", Bytes::from_owner(Large(vec![7; size]))).unwrap();
        client.publish("big", "next").unwrap();
        read_to(b"next\r\n");
    }
    for _ in 0..3 {
        let told = events.recv_timeout(FOREVER);
        assert!(matches!(told, Some(Event::UserCodePanicked { code: UserCode::Destructor, .. })), "{told:?}");
    }
    assert_eq!((bus.stats().traffic.panics, server.varz().connections), (3, 1));
}
