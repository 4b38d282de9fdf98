//! What all parts of a server share: its connection, its options, the time, the bytes that are stored.

use super::options::JetStreamOptions;
use super::time::Time;
use super::usage::Usage;
use crate::jetstream::engine::Timestamp;
use crate::jetstream::engine::config::ServerLimits;
use crate::jetstream::store::{Directory, StoreError, StoreEvent};
use crate::sync::{Mutex, RwLock};
use crate::user_code::UserCode;
use crate::{Bus, Client, ConnectOptions};
use std::collections::VecDeque;
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
    /// Where streams with file storage are written.
    pub(super) store: Option<Directory>,
    /// The last things that an operator has to know.
    events: Mutex<VecDeque<StoreEvent>>,
}

/// How many events are kept.
const EVENTS_MAX: usize = 256;

impl Shared {
    /// # Errors
    ///
    /// Those of the store directory.
    pub(super) fn new(bus: &Bus, options: JetStreamOptions) -> Result<Self, StoreError> {
        let store =
            options.store_dir.as_ref().map(|folder| Directory::open(folder, options.sync_policy())).transpose()?;
        // Lenient, so that it answers to whatever a wire client may put into a reply (S5). Answers have no reply of their own.
        let connect = ConnectOptions::new().name("jetstream").lenient(true).reserved(true).no_responders(false);
        Ok(Shared {
            bus: bus.clone(),
            client: bus.connect_with(connect),
            time: Time::new(bus.clock()),
            usage: Usage::new(&options),
            limits: RwLock::new(Arc::new(options.server.clone())),
            server_name: RwLock::new(options.server_name.clone()),
            options,
            store,
            events: Mutex::default(),
        })
    }

    /// Tells what an operator has to know. Call it with no lock held.
    pub(super) fn tell(&self, events: Vec<StoreEvent>) {
        for event in events {
            if let Some(tell) = &self.options.on_store_event.0 {
                // A panic is counted and told on the bus.
                let _told: Option<()> = self.bus.reporter().contain(UserCode::Closure, || tell(&event));
            }
            let mut kept = self.events.lock();
            if kept.len() == EVENTS_MAX {
                kept.pop_front();
            }
            kept.push_back(event);
        }
    }

    pub(super) fn events(&self) -> Vec<StoreEvent> {
        self.events.lock().iter().cloned().collect()
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
