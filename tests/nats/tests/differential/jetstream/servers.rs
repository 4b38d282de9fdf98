//! The two servers: each gives accounts of their own to the sessions that run at once.

use crate::support::nats_server::NatsServer;
use postroom::jetstream::server::{JetStreamOptions, JetStreamServer};
use postroom::{Bus, Server};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Accounts of the real server: at most so many sessions run at once.
pub(crate) const ACCOUNTS: usize = 32;

/// A server of one kind.
pub(crate) enum Host {
    Ours(Ours),
    Real(Real),
}

/// Where a session connects to.
pub(crate) struct Home {
    pub(crate) addr: String,
    pub(crate) connect: String,
    /// Runs on this side alone.
    _own: Option<(Server, JetStreamServer)>,
}

impl Host {
    /// An account in which nobody else works.
    pub(crate) fn home(&self, worker: usize) -> Home {
        match self {
            Host::Ours(Ours) => {
                let bus = Bus::new();
                let options = JetStreamOptions::new().max_memory(1 << 30).max_storage(1 << 30);
                let jetstream = JetStreamServer::start(&bus, options).expect("it starts");
                let server = Server::bind(&bus, "127.0.0.1:0").expect("a free port");
                let addr = server.address().expect("it listens").to_string();
                Home { addr, connect: String::new(), _own: Some((server, jetstream)) }
            }
            Host::Real(real) => {
                let connect = format!(",\"user\":\"u{worker}\",\"pass\":\"p\"");
                Home { addr: real.server.addr(), connect, _own: None }
            }
        }
    }
}

/// Each session has a bus of its own.
pub(crate) struct Ours;

/// One process, each session in an account of its own.
pub(crate) struct Real {
    server: NatsServer,
    store: PathBuf,
}

impl Real {
    pub(crate) fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let store = std::env::temp_dir().join(format!("postroom-differential-{}-{number}", std::process::id()));
        let mut config = format!(
            "server_name: postroom\njetstream {{ store_dir: {:?}, max_mem: 1GiB, max_file: 1GiB }}\naccounts {{\n",
            store.display()
        );
        for number in 0..ACCOUNTS {
            let users = format!("users: [{{user: u{number}, password: p}}]");
            let _ = writeln!(config, "  A{number} {{ jetstream: enabled, {users} }}");
        }
        config.push_str("}\n");
        Real { server: NatsServer::start(&config), store }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        // The system cleans up what is left of it.
        drop(std::fs::remove_dir_all(&self.store));
    }
}
