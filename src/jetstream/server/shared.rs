//! What all parts of a server share: its connection, its options, the time, the bytes that are stored.

use super::options::JetStreamOptions;
use super::time::Time;
use super::usage::Usage;
use crate::jetstream::engine::Timestamp;
use crate::jetstream::engine::config::ServerLimits;
use crate::sync::RwLock;
use crate::{Bus, Client, ConnectOptions};
use std::sync::Arc;

/// The surroundings of a server's parts.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) bus: Bus,
    pub(super) client: Client,
    pub(super) options: JetStreamOptions,
    pub(super) time: Time,
    pub(super) usage: Usage,
    /// Those in force: the options have those of the start.
    limits: RwLock<Arc<ServerLimits>>,
    server_name: RwLock<String>,
}

impl Shared {
    pub(super) fn new(bus: &Bus, options: JetStreamOptions) -> Self {
        // Lenient, so that it answers to whatever a wire client may put into a reply (S5). Answers have no reply of their own.
        let connect = ConnectOptions::new().name("jetstream").lenient(true).reserved(true).no_responders(false);
        Shared {
            bus: bus.clone(),
            client: bus.connect_with(connect),
            time: Time::new(bus.clock()),
            usage: Usage::new(&options),
            limits: RwLock::new(Arc::new(options.server.clone())),
            server_name: RwLock::new(options.server_name.clone()),
            options,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.time.now()
    }

    pub(super) fn domain(&self) -> Option<&str> {
        self.options.domain.as_deref()
    }

    pub(super) fn server_name(&self) -> String {
        self.server_name.read().clone()
    }

    pub(super) fn set_server_name(&self, name: String) {
        *self.server_name.write() = name;
    }

    pub(super) fn limits(&self) -> Arc<ServerLimits> {
        self.limits.read().clone()
    }

    pub(super) fn set_limits(&self, limits: ServerLimits) {
        self.usage.set_limits(&limits);
        *self.limits.write() = Arc::new(limits);
    }

    pub(super) fn has_interest(&self, subject: &str) -> bool {
        self.bus.has_interest(subject)
    }

    /// A name that no other advisory has: 22 characters, as the server's.
    pub(super) fn new_id(&self) -> String {
        const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut bits = u128::from(self.bus.random()) << 64 | u128::from(self.bus.random());
        let digit = |_| {
            let digit = DIGITS[(bits % 62) as usize] as char;
            bits /= 62;
            digit
        };
        (0..22).map(digit).collect()
    }
}
