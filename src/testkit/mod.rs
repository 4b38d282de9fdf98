//! The test kit: know what a bus does, control its time, break what NATS may break.
//!
//! | file | reason to change |
//! |---|---|
//! | `book` | the observer: asks chaos, tells the journal |
//! | `journal` | what is written down of every message |
//! | `chaos` | faults |

mod book;
mod chaos;
mod journal;

use crate::{Activity, Bus, BusBuilder, Client, Clock, ConnectOptions, ManualClock};
use book::Book;
use std::fmt;
use std::sync::Arc;

/// A bus for one test, and what the test knows of it. Cheap to clone; clones are the same kit.
///
/// # Example
///
/// ```
/// use postroom::testkit::TestKit;
///
/// let kit = TestKit::new();
/// let app = kit.bus().connect(); // what is to be tested connects to the bus,
/// let test = kit.client(); // and the test has a client of its own
/// let orders = test.subscribe("orders.*")?;
/// app.publish("orders.eu", "hello")?;
/// assert_eq!(orders.try_recv()?.payload(), b"hello");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TestKit(Arc<Kit>);

struct Kit {
    bus: Bus,
    clock: ManualClock,
    book: Arc<Book>,
}

/// Builds a [`TestKit`]; made by [`TestKit::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TestKitBuilder {
    bus: BusBuilder,
    seed: u64,
    clock: ManualClock,
}

impl TestKit {
    /// A kit with a manual clock, seed 0, and a bus with the default limits.
    pub fn new() -> Self {
        TestKit::builder().build()
    }

    /// To build one with another seed, limits or clock.
    pub fn builder() -> TestKitBuilder {
        TestKitBuilder { bus: Bus::builder(), seed: 0, clock: Clock::manual() }
    }

    /// The bus, for what is to be tested.
    pub fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// A connection for the test itself: what it receives is not waited for.
    pub fn client(&self) -> Client {
        self.0.bus.connect_with(ConnectOptions::new().name("test").untracked())
    }

    /// The clock of the bus.
    pub fn clock(&self) -> &ManualClock {
        &self.0.clock
    }

    /// What goes on.
    pub fn activity(&self) -> &Activity {
        self.0.bus.activity().expect("the bus was built with an observer")
    }

    #[expect(dead_code)]
    fn book(&self) -> &Arc<Book> {
        &self.0.book
    }
}

impl Default for TestKit {
    fn default() -> Self {
        TestKit::new()
    }
}

impl TestKitBuilder {
    /// What all choices of the bus and of chaos follow from. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Limits, shards and the like; its seed, clock and observer are replaced by the kit's.
    pub fn bus(mut self, bus: BusBuilder) -> Self {
        self.bus = bus;
        self
    }

    /// A clock that several buses share.
    pub fn clock(mut self, clock: &ManualClock) -> Self {
        self.clock = clock.clone();
        self
    }

    /// The kit.
    ///
    /// # Panics
    ///
    /// If a limit of the bus is out of its range.
    #[track_caller]
    pub fn build(self) -> TestKit {
        let book = Arc::new(Book::new(self.seed));
        let bus = self.bus.seed(self.seed).clock(&self.clock).observer(book.clone()).build();
        TestKit(Arc::new(Kit { bus, clock: self.clock, book }))
    }
}

impl fmt::Debug for TestKit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestKit").field("now", &self.0.clock.now()).field("activity", self.activity()).finish()
    }
}
