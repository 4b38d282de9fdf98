//! A bus and a real nats-server, linked by a bridge: publishers and requesters are on the one side, receivers and responders on the
//! other.
//!
//! Each connection of a rule is two connections, one on each side. A rule is left out where it needs both to be the same, with the
//! reason next to its name.

use super::on_the_wire::{Place, Wires};
use super::support::nats_server::NatsServer;
use super::system::*;
use postroom::{Bridge, Bus};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `BUS_PUBLISHES` or else the server does.
pub struct Across<const BUS_PUBLISHES: bool> {
    bus: Bus,
    server: NatsServer,
    link: Arc<Link>,
}

struct Link {
    bridge: Bridge,
    wires: Wires,
}

impl Link {
    /// Messages that were published on either side before have arrived on the other, and interest is in
    /// force on both.
    fn settle(&self) {
        self.wires.flush();
        for _ in 0..2 {
            self.bridge.flush(PATIENCE).wait().expect("nothing is lost");
        }
        let begin = Instant::now();
        let is_quiet = || {
            let incoming = self.bridge.stats().incoming;
            incoming.queued + incoming.in_flight == 0
        };
        while !is_quiet() {
            assert!(begin.elapsed() < PATIENCE, "the bridge still publishes: {:?}", self.bridge.stats());
            std::thread::yield_now();
        }
        self.wires.flush();
    }
}

impl<const BUS_PUBLISHES: bool> System for Across<BUS_PUBLISHES> {
    fn start(setup: Setup) -> Self {
        let (bus, server) = (super::in_process::bus(setup), <NatsServer as Place>::start(setup));
        // Interest is followed at once, so that its end can be seen.
        let builder = Bridge::builder(&bus).server(server.url()).grace(Duration::ZERO).require_connected(PATIENCE);
        let builder = if BUS_PUBLISHES { builder.export(">") } else { builder.import(">") };
        let bridge = builder.start().expect("a connection");
        Across { bus, server, link: Arc::new(Link { bridge, wires: Wires::default() }) }
    }

    fn connect_with(&self, with: With) -> Box<dyn Connection> {
        let near = super::in_process::connect(&self.bus, with, || {});
        let far = self.link.wires.connect(&self.server.url(), with);
        let (from, to) = if BUS_PUBLISHES { (near, far) } else { (far, near) };
        Box::new(Conn { from, to, link: self.link.clone() })
    }
}

struct Conn {
    from: Box<dyn Connection>,
    to: Box<dyn Connection>,
    link: Arc<Link>,
}

impl Connection for Conn {
    fn publish(&self, out: Out<'_>) -> Result<(), Refusal> {
        self.from.publish(out)
    }

    fn subscribe_with(&self, how: How<'_>) -> Result<Box<dyn Subscription>, Refusal> {
        let inner = self.to.subscribe_with(how)?;
        self.link.settle();
        Ok(Box::new(Sub { inner: Some(inner), link: self.link.clone() }))
    }

    fn request(&self, subject: &str, payload: &str) -> Result<Got, Refusal> {
        self.from.request(subject, payload)
    }

    fn request_many(&self, subject: &str, payload: &str, max: usize) -> Result<Vec<Got>, Refusal> {
        self.from.request_many(subject, payload, max)
    }

    fn serve(&self, subject: &str, answer: Answerer) -> Box<dyn Service> {
        let service = self.to.serve(subject, answer);
        self.link.settle();
        service
    }

    fn new_inbox(&self) -> String {
        self.from.new_inbox()
    }

    fn flush(&self) {
        self.from.flush();
        self.link.settle();
    }

    fn drain(&self) -> Box<dyn FnOnce() + '_> {
        let (to, from) = (self.to.drain(), self.from.drain());
        Box::new(|| {
            to();
            from();
        })
    }

    fn is_closed(&self) -> bool {
        self.from.is_closed() && self.to.is_closed()
    }
}

struct Sub {
    /// `None` only while it is dropped.
    inner: Option<Box<dyn Subscription>>,
    link: Arc<Link>,
}

impl Sub {
    fn inner(&self) -> &dyn Subscription {
        self.inner.as_deref().expect("not yet dropped")
    }
}

/// A `>` on the server also sees what the bridge asks the server, and the answers.
fn is_of_the_bridge(got: &Got) -> bool {
    let mut tokens = got.subject.split('.');
    got.subject == "$SYS.REQ.USER.INFO" || (tokens.next() == Some("_INBOX") && tokens.count() >= 2)
}

impl Subscription for Sub {
    fn next(&self) -> Option<Got> {
        std::iter::from_fn(|| self.inner().next()).find(|got| !is_of_the_bridge(got))
    }

    fn arrived(&self) -> Vec<Got> {
        self.inner().arrived().into_iter().filter(|got| !is_of_the_bridge(got)).collect()
    }

    fn unsubscribe(&self) {
        self.inner().unsubscribe();
        self.link.settle();
    }

    fn unsubscribe_after(&self, max: u64) {
        self.inner().unsubscribe_after(max);
        self.link.settle();
    }

    fn drain(&self) {
        self.inner().drain();
        self.link.settle();
    }

    fn lost(&self) -> u64 {
        self.inner().lost()
    }
}

impl Drop for Sub {
    fn drop(&mut self) {
        drop(self.inner.take());
        if !std::thread::panicking() {
            self.link.settle();
        }
    }
}
