//! The options of a kit.

use super::chaos::{Chaos, Engine};
use super::journal::{Bounds, Journal};
use super::kit::{Kit, TestKit};
use super::kit_observer::KitObserver;
use super::responder::Responders;
use super::schedule::Schedule;
use super::settle::Settler;
use crate::{Bus, BusBuilder, Clock, ManualClock};
use std::sync::Arc;
use std::time::Duration;

/// How long a test waits for the bus to become quiet, in real time.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// Builds a [`TestKit`]; made by [`TestKit::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TestKitBuilder {
    bus: BusBuilder,
    seed: u64,
    clock: Option<ManualClock>,
    journal: Bounds,
    records_at_once: bool,
    chaos: Chaos,
    settle_limit: Duration,
}

impl TestKitBuilder {
    pub(super) fn new() -> Self {
        TestKitBuilder {
            bus: Bus::builder(),
            seed: 0,
            clock: Some(Clock::manual()),
            journal: Bounds::default(),
            records_at_once: true,
            chaos: Chaos::new(),
            settle_limit: SETTLE_LIMIT,
        }
    }

    /// The seed that all choices of the bus and of chaos follow from. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Limits, shards and the like; its seed, clock and observer are replaced by the kit's.
    pub fn bus(mut self, bus: BusBuilder) -> Self {
        self.bus = bus;
        self
    }

    /// The faults that are to happen. Default: none.
    pub fn chaos(mut self, chaos: Chaos) -> Self {
        self.chaos = chaos;
        self
    }

    /// A clock that several buses share.
    pub fn clock(mut self, clock: &ManualClock) -> Self {
        self.clock = Some(clock.clone());
        self
    }

    /// The system's clock, for a test that talks to something that has a time of its own. Default: a manual one that stands still until
    /// the test moves it.
    pub fn system_clock(mut self) -> Self {
        self.clock = None;
        self
    }

    /// How many messages the kit keeps: at most so many, and about so many bytes. The oldest go first, and a test that asks for
    /// more than is left is told so. Default 100,000 and 64 MiB. Of messages that are gone from streams, it knows the last `entries`.
    pub fn journal(mut self, entries: usize, bytes: usize) -> Self {
        self.journal = Bounds { entries, bytes };
        self
    }

    /// Whether nothing is written down until the first tap or expectation is made: for tests that publish millions of messages and look at
    /// few. Default false.
    /// [`TestKit::none`] and the like know nothing of what came before then, and panic if nothing was written down at all.
    pub fn record_on_demand(mut self, on_demand: bool) -> Self {
        self.records_at_once = !on_demand;
        self
    }

    /// How long [`TestKit::settle`], and all that settles on the way, waits before it gives up: in real time, since a manual clock stands
    /// still meanwhile. Default 5 seconds.
    pub fn settle_limit(mut self, limit: Duration) -> Self {
        self.settle_limit = limit;
        self
    }

    /// The kit.
    ///
    /// # Panics
    ///
    /// If a limit of the bus is out of its range.
    #[track_caller]
    pub fn build(self) -> TestKit {
        let clock = self.clock.as_ref().map_or_else(Clock::system, Clock::from);
        let (seed, schedule) = (self.chaos.seed_or(self.seed), Schedule::default());
        let chaos = Engine::new(self.chaos, seed, clock.clone(), schedule.clone());
        let journal = Journal::new(self.journal, self.records_at_once);
        let observer = Arc::new(KitObserver::new(chaos.clone(), schedule, journal));
        let bus = self.bus.seed(seed).clock(clock).observer(observer.clone()).build();
        observer.schedule.start(&bus);
        observer.journal.start(bus.clock());
        observer.panics.start(&bus);
        #[cfg(feature = "jetstream")]
        observer.streams.start(bus.clock());
        chaos.start(&bus);
        let settler = Settler::new(&bus, self.clock, self.settle_limit);
        let responders = Responders::default();
        TestKit(Arc::new(Kit { bus, observer, responders, settler }))
    }
}
