//! A bus with a server on it, and ways to reach it.

use crate::wire::{FOREVER, Wire};
use postroom::server::ServerOptions;
use postroom::{Bus, Client, Clock, ManualClock, Server};
use std::time::{Duration, Instant};

/// How clients reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Tcp,
    Pipe,
}

pub(crate) const WAYS: [Way; 2] = [Way::Tcp, Way::Pipe];

/// A server with its bus. The clock stands still unless a test moves it.
pub(crate) struct Fixture {
    pub(crate) clock: ManualClock,
    pub(crate) bus: Bus,
    pub(crate) server: Server,
    pub(crate) way: Way,
}

impl Fixture {
    pub(crate) fn new(way: Way, options: ServerOptions) -> Self {
        let clock = Clock::manual();
        let bus = Bus::builder().clock(&clock).seed(7).build();
        let server = match way {
            Way::Tcp => Server::builder(&bus).options(options).bind("127.0.0.1:0"),
            Way::Pipe => Server::builder(&bus).options(options).build(),
        };
        Fixture { clock, bus, server: server.expect("good options"), way }
    }

    /// Runs a test over a socket and over a pipe.
    pub(crate) fn each(options: ServerOptions, test: impl Fn(Fixture)) {
        for way in WAYS {
            test(Fixture::new(way, options.clone()));
        }
    }

    /// A connection on which nothing was sent and nothing read.
    pub(crate) fn dial(&self) -> Wire {
        match self.way {
            Way::Tcp => Wire::tcp(self.server.address().expect("it listens")),
            Way::Pipe => Wire::pipe(self.server.pipe()),
        }
    }

    /// A connection that is ready.
    pub(crate) fn wire(&self) -> Wire {
        self.wire_with("")
    }

    /// A connection that is ready, with these fields in its CONNECT.
    pub(crate) fn wire_with(&self, fields: &str) -> Wire {
        self.dial().connect(fields)
    }

    /// A client in process.
    pub(crate) fn client(&self) -> Client {
        self.bus.connect()
    }

    /// How many connections the server keeps.
    pub(crate) fn connections(&self) -> usize {
        connections(&self.server)
    }

    /// Waits until the server has let go of all connections but so many.
    pub(crate) fn wait_for_connections(&self, count: usize) {
        wait_until(|| self.connections() == count);
    }
}

pub(crate) fn connections(server: &Server) -> usize {
    server.varz().connections
}

/// Waits for a state that others bring about.
#[track_caller]
pub(crate) fn wait_until(mut state: impl FnMut() -> bool) {
    let start = Instant::now();
    while !state() {
        assert!(start.elapsed() < FOREVER, "it did not come");
        std::thread::yield_now();
    }
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
