//! The servers, and the clients at them.

use super::context::InProcess;
use super::foreign::Foreign;
use super::support::nats_server::NatsServer;
use postroom::jetstream::{JetStreamOptions, JetStreamServer};
use postroom::{Bridge, Bus, Server};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A place with streams.
pub(crate) trait Place {
    fn start() -> Self;

    /// The context in this process.
    fn context(&self) -> InProcess;

    /// async-nats.
    fn foreign(&self) -> Foreign;
}

/// A bus with streams of its own, and a server on it.
pub(crate) struct Ours {
    bus: Bus,
    server: Server,
    _streams: JetStreamServer,
}

impl Place for Ours {
    fn start() -> Self {
        let bus = Bus::new();
        let streams = JetStreamServer::start(&bus, JetStreamOptions::new()).expect("it starts");
        Ours { server: Server::bind(&bus, "127.0.0.1:0").expect("it starts"), bus, _streams: streams }
    }

    fn context(&self) -> InProcess {
        InProcess::new(self.bus.connect(), None)
    }

    fn foreign(&self) -> Foreign {
        Foreign::connect(&self.server.address().expect("it listens").to_string())
    }
}

/// The real server, in a folder of its own.
pub(crate) struct Real {
    server: Option<NatsServer>,
    folder: PathBuf,
}

impl Place for Real {
    fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("postroom-buckets-{}-{number}", std::process::id()));
        let config = format!("jetstream {{ store_dir: {:?} }}\n", folder.display());
        Real { server: Some(NatsServer::start(&config)), folder }
    }

    fn context(&self) -> InProcess {
        let url = self.server.as_ref().expect("until the end").url();
        let bus = Bus::new();
        let rules = Bridge::builder(&bus).server(url).call("$JS.API.>").call("$KV.>").call("$O.>");
        let bridge = rules.require_connected(super::system::PATIENCE).start().expect("it connects");
        InProcess::new(bus.connect(), Some(bridge))
    }

    fn foreign(&self) -> Foreign {
        Foreign::connect(&self.server.as_ref().expect("until the end").addr())
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.server = None;
        // The system cleans up what is left of it.
        drop(std::fs::remove_dir_all(&self.folder));
    }
}
