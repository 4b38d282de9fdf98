//! A bus with JetStream, and both ways to wait.

use postroom::jetstream::kv::{Config, Entry, Operation, Store};
use postroom::jetstream::{self, ContextOptions, JetStream, JetStreamOptions, JetStreamServer};
use postroom::{Bus, Clock, ManualClock};
use std::future::Future;
use std::time::Duration;

pub(crate) const SEC: Duration = Duration::from_secs(1);

pub(crate) struct Setup {
    pub(crate) bus: Bus,
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
    Setup { bus, js, clock, _server }
}

impl Setup {
    pub(crate) fn bucket(&self, config: Config) -> Store {
        self.js.create_key_value(config).wait().expect("a bucket")
    }
}

/// The parts of an entry that a test looks at.
pub(crate) fn shown(entry: &Entry) -> (&str, &str, u64, Operation) {
    (&entry.key, std::str::from_utf8(&entry.value).expect("a text"), entry.revision, entry.operation)
}

/// Runs a task to its end on an executor of one thread, without a timer of the executor's.
pub(crate) fn run<T>(task: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(task)
}
