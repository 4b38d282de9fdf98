//! Connections to a bus and connections to a real nats-server by turns, with a bridge between: each rule meets publisher and subscriber
//! on different sides.

use super::on_the_wire::Wires;
use super::support::nats_server::NatsServer;
use super::system::*;
use postroom::{Bridge, Bus, Subscriber};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Which side the first connection is on; the next is on the other, and so on.
pub struct Bridged<const FIRST_ON_THE_WIRE: bool> {
    both: Arc<Both>,
    connections: AtomicUsize,
}

struct Both {
    bus: Bus,
    server: NatsServer,
    bridge: Bridge,
    wires: Wires,
    /// Crosses to the bus behind all that the server has got before.
    last: Box<dyn Connection>,
    arrived: Subscriber,
    settled: AtomicUsize,
}

/// Where no rule publishes.
const LAST: &str = "postroom.semantics.last";

impl Both {
    /// Everything that was published has arrived on both sides, and every interest is in force on both.
    fn settle(&self) {
        self.bridge.flush(PATIENCE).wait().expect("nothing is lost");
        self.wires.flush();
        let number = self.settled.fetch_add(1, Ordering::SeqCst).to_string();
        self.last.send(LAST, &number);
        while self.arrived.recv_timeout(PATIENCE).expect("it crosses").payload() != number.as_bytes() {}
        self.wires.flush();
    }
}

impl<const FIRST_ON_THE_WIRE: bool> System for Bridged<FIRST_ON_THE_WIRE> {
    fn start(setup: Setup) -> Self {
        let (bus, server) = (super::in_process::bus(setup), NatsServer::start(""));
        let arrived = bus.connect().subscribe(LAST).expect("a good subscription");
        let builder = Bridge::builder(&bus).server(server.url()).import(">").export(">");
        let bridge = builder.require_connected(PATIENCE).start().expect("it starts");
        let wires = Wires::default();
        let last = wires.connect(&server.url(), With::default());
        let both = Both { bus, server, bridge, wires, last, arrived, settled: AtomicUsize::new(0) };
        Bridged { both: Arc::new(both), connections: AtomicUsize::new(0) }
    }

    fn connect_with(&self, with: With) -> Box<dyn Connection> {
        let is_even = self.connections.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        let inner = if is_even == FIRST_ON_THE_WIRE {
            self.both.wires.connect(&self.both.server.url(), with)
        } else {
            super::in_process::connect(&self.both.bus, with, || {})
        };
        Box::new(Conn { inner, both: self.both.clone() })
    }
}

struct Conn {
    inner: Box<dyn Connection>,
    both: Arc<Both>,
}

impl Connection for Conn {
    fn publish(&self, out: Out<'_>) -> Result<(), Refusal> {
        self.inner.publish(out)
    }

    fn subscribe_with(&self, how: How<'_>) -> Result<Box<dyn Subscription>, Refusal> {
        let inner = self.inner.subscribe_with(how)?;
        self.both.settle();
        Ok(inner)
    }

    fn request(&self, subject: &str, payload: &str) -> Result<Got, Refusal> {
        self.inner.request(subject, payload)
    }

    fn request_many(&self, subject: &str, payload: &str, max: usize) -> Result<Vec<Got>, Refusal> {
        self.inner.request_many(subject, payload, max)
    }

    fn serve(&self, subject: &str, answer: Answerer) -> Box<dyn Service> {
        let service = self.inner.serve(subject, answer);
        self.both.settle();
        service
    }

    fn new_inbox(&self) -> String {
        self.inner.new_inbox()
    }

    fn flush(&self) {
        self.inner.flush();
        self.both.settle();
    }

    fn drain(&self) -> Box<dyn FnOnce() + '_> {
        self.inner.drain()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }
}
