//! The servers: the real one, and ours.

use super::support::nats_server::NatsServer;
use postroom::jetstream::server::{JetStreamOptions, JetStreamServer};
use postroom::{Bus, Server};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A server with JetStream.
pub(crate) trait Place {
    /// Starts one, with a domain if it is not empty.
    fn start(domain: &str) -> Self;

    /// Where clients connect: `127.0.0.1:PORT`.
    fn addr(&self) -> String;
}

pub(crate) struct Real {
    server: NatsServer,
    store: PathBuf,
}

impl Place for Real {
    fn start(domain: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("postroom-jetstream-{}-{number}", std::process::id());
        let store = std::env::temp_dir().join(name);
        let domain = if domain.is_empty() { String::new() } else { format!("domain: {domain}") };
        let config = format!(
            "server_name: postroom\njetstream {{ store_dir: {:?}, max_mem: 1GiB, max_file: 1GiB, {domain} }}\n",
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
    fn start(domain: &str) -> Self {
        let bus = Bus::new();
        let mut options = JetStreamOptions::new();
        if !domain.is_empty() {
            options = options.domain(domain);
        }
        let jetstream = JetStreamServer::start(&bus, options).expect("it starts");
        Ours { server: Server::bind(&bus, "127.0.0.1:0").expect("it starts"), _jetstream: jetstream }
    }

    fn addr(&self) -> String {
        self.server.address().expect("it listens").to_string()
    }
}
