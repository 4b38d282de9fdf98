//! The servers that async-nats connects to: a real nats-server, ours, and ours beside clients in
//! process.

use super::on_the_wire::{Place, Wires};
use super::support::nats_server::NatsServer;
use super::system::*;
use postroom::server::ServerOptions;
use postroom::{Bus, Server};
use std::sync::atomic::{AtomicUsize, Ordering};

impl Place for NatsServer {
    fn start(setup: Setup) -> Self {
        let mut config = String::new();
        for (name, value) in [("max_payload", setup.max_payload), ("max_subscriptions", setup.max_subscriptions)] {
            config.extend(value.map(|value| format!("{name}: {value}\n")));
        }
        NatsServer::start(&config)
    }

    fn url(&self) -> String {
        self.url()
    }
}

pub struct Postroom(Server);

impl Postroom {
    fn on(bus: &Bus, setup: Setup) -> Self {
        let mut options = ServerOptions::new();
        options = setup.max_payload.into_iter().fold(options, ServerOptions::max_payload);
        options = setup.max_subscriptions.into_iter().fold(options, ServerOptions::max_subscriptions);
        Postroom(Server::builder(bus).options(options).bind("127.0.0.1:0").expect("it starts"))
    }
}

impl Place for Postroom {
    fn start(setup: Setup) -> Self {
        Postroom::on(&super::in_process::bus(setup), setup)
    }

    fn url(&self) -> String {
        self.0.url().expect("it listens")
    }
}

/// Connections in process and on the wire by turns, all on one bus. `FIRST_ON_THE_WIRE` or not: as most rules have one connection
/// publish or ask and others receive or answer, both take every part.
pub struct Mixed<const FIRST_ON_THE_WIRE: bool> {
    server: Postroom,
    wires: Wires,
    connections: AtomicUsize,
}

impl<const FIRST_ON_THE_WIRE: bool> System for Mixed<FIRST_ON_THE_WIRE> {
    fn start(setup: Setup) -> Self {
        let server = Postroom::on(&super::in_process::bus(setup), setup);
        Mixed { server, wires: Wires::default(), connections: AtomicUsize::new(0) }
    }

    fn connect_with(&self, with: With) -> Box<dyn Connection> {
        let is_even = self.connections.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        if is_even == FIRST_ON_THE_WIRE {
            self.wires.connect(&self.server.url(), with)
        } else {
            let wires = self.wires.clone();
            super::in_process::connect(self.server.0.bus(), with, move || wires.flush())
        }
    }
}
