//! A bus with JetStream, and both ways to wait.

use postroom::jetstream::object_store::{Config, ObjectStore};
use postroom::jetstream::{self, ContextOptions, JetStream, JetStreamOptions, JetStreamServer};
use postroom::{Bus, Clock, ManualClock};
use std::future::Future;
use std::time::Duration;

pub(crate) const SEC: Duration = Duration::from_secs(1);

/// Bytes of a chunk.
pub(crate) const CHUNK: usize = 128 * 1024;

pub(crate) struct Setup {
    pub(crate) js: JetStream,
    pub(crate) clock: ManualClock,
    _server: JetStreamServer,
}

/// A bus with a clock that stands still, and JetStream on it.
pub(crate) fn setup() -> Setup {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(clock.clone()).seed(7).build();
    let _server = JetStreamServer::start(&bus, JetStreamOptions::new()).expect("JetStream");
    let js = jetstream::with_options(bus.connect(), ContextOptions::new().timeout(SEC * 2));
    Setup { js, clock, _server }
}

impl Setup {
    pub(crate) fn store(&self, config: Config) -> ObjectStore {
        self.js.create_object_store(config).wait().expect("a store")
    }
}

/// Messages of the store's stream: chunks and metadata.
pub(crate) fn messages(store: &ObjectStore) -> u64 {
    store.status().wait().expect("a store").stream().state.messages
}

/// Bytes that look like no others of their length.
pub(crate) fn content(length: usize) -> Vec<u8> {
    let mut state = length as u64 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Runs a task to its end on an executor of one thread, without a timer of the executor's.
pub(crate) fn run<T>(task: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(task)
}
