//! The servers: the real one, and ours.

use super::support::nats_server::NatsServer;
use postroom::jetstream::server::{JetStreamOptions, JetStreamServer};
use postroom::{Bus, Server};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a server is started with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// None if it is empty.
    pub(crate) domain: &'static str,
    /// Bytes of memory storage.
    pub(crate) max_memory: u64,
    pub(crate) is_strict: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Setup { domain: "", max_memory: 1 << 30, is_strict: true }
    }
}

/// A server with JetStream.
pub(crate) trait Place {
    fn start(setup: Setup) -> Self;

    /// Where clients connect: `127.0.0.1:PORT`.
    fn addr(&self) -> String;
}

pub(crate) struct Real {
    server: NatsServer,
    store: PathBuf,
}

impl Place for Real {
    fn start(setup: Setup) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("postroom-jetstream-{}-{number}", std::process::id());
        let store = std::env::temp_dir().join(name);
        let Setup { domain, max_memory, is_strict } = setup;
        let domain = if domain.is_empty() { String::new() } else { format!("domain: {domain}") };
        let config = format!(
            "server_name: postroom\njetstream {{ store_dir: {:?}, max_mem: {max_memory}, max_file: 1GiB, strict: {is_strict}, {domain} }}\n",
            store.display()
        );
        Real { server: NatsServer::start(&config), store }
    }

    fn addr(&self) -> String {
        self.server.addr()
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        // The system cleans up what is left of it.
        drop(std::fs::remove_dir_all(&self.store));
    }
}

pub(crate) struct Ours {
    server: Server,
    _jetstream: JetStreamServer,
}

impl Place for Ours {
    fn start(setup: Setup) -> Self {
        let bus = Bus::new();
        let mut options =
            JetStreamOptions::new().max_memory(setup.max_memory).max_storage(1 << 30).strict(setup.is_strict);
        if !setup.domain.is_empty() {
            options = options.domain(setup.domain);
        }
        let jetstream = JetStreamServer::start(&bus, options).expect("it starts");
        Ours { server: Server::bind(&bus, "127.0.0.1:0").expect("it starts"), _jetstream: jetstream }
    }

    fn addr(&self) -> String {
        self.server.address().expect("it listens").to_string()
    }
}
