//! What all parts of a server share: its connection, its options, the time, the bytes that are stored.

use super::options::JetStreamOptions;
use super::time::Time;
use super::usage::Usage;
use crate::jetstream::engine::Timestamp;
use crate::{Bus, Client, ConnectOptions};

/// The surroundings of a server's parts.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) bus: Bus,
    pub(super) client: Client,
    pub(super) options: JetStreamOptions,
    pub(super) time: Time,
    pub(super) usage: Usage,
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
            options,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.time.now()
    }

    pub(super) fn domain(&self) -> Option<&str> {
        self.options.domain.as_deref()
    }

    pub(super) fn server_name(&self) -> &str {
        &self.options.server_name
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
