//! The servers: the real one, and ours.

use super::support::nats_server::NatsServer;
use postroom::server::config::Config;
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
    /// More of the map `jetstream`.
    pub(crate) more: &'static str,
    /// Text before that map.
    pub(crate) top: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Setup { domain: "", max_memory: 1 << 30, is_strict: true, more: "", top: "" }
    }
}

impl Setup {
    /// The configuration, which both servers read. `store` is more of the map `jetstream`.
    fn config(self, store: &str) -> String {
        let Setup { domain, max_memory, is_strict, more, top } = self;
        let domain = if domain.is_empty() { String::new() } else { format!("domain: {domain},") };
        format!(
            "server_name: postroom\n{top}\njetstream {{ {store} max_mem: {max_memory}, max_file: 1GiB, strict: {is_strict}, {domain} {more} }}\n"
        )
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
        let config = setup.config(&format!("store_dir: {store:?},"));
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

pub(crate) struct Ours(pub(crate) Server);

impl Place for Ours {
    fn start(setup: Setup) -> Self {
        let config = Config::parse(&setup.config(""), None).expect("a configuration");
        let server = Server::builder(&Bus::new()).options(config.server_options()).bind("127.0.0.1:0");
        Ours(server.expect("it starts"))
    }

    fn addr(&self) -> String {
        self.0.address().expect("it listens").to_string()
    }
}
