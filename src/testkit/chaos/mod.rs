//! Legal chaos: everything that NATS may do to an application, and nothing that it may not, from one seed.
//!
//! | file | reason to change |
//! |---|---|
//! | `fault` | the kinds of faults, and the rules by which they happen |
//! | `engine` | what the bus asks and tells, and the work that follows |
//! | `act` | the effects of a fault |
//! | `state` | clients and rules, and which fault happens now |
//! | `listeners` | subscriptions that are late or away |
//! | `delay_queue` | messages that come later |
//! | `log` | reports of faults that happened |
//! | `streams` | what chaos knows of JetStream |
//! | `rng` | choices without a state |
//!
//! The manual's page [`test_kit`](crate::manual::test_kit) lists the faults, with the rule of each and the way it was seen on a
//! real server.
//!
//! Each decision follows from the kit's seed, the fault's own text, the client that it concerns and how often it could have
//! happened to that client before. So a run repeats, and taking a fault out of the list, or putting one in, does not change what
//! the others do. Threads that run at once are as exact as what each of their clients does in turn; how many times a fault may
//! happen in all, and from which message on, is counted over all clients.
//!
//! A fault that holds a message up needs time to pass: with a manual clock, the test has to advance it.
//! [`TestKit::clear_faults`](super::TestKit::clear_faults) ends all faults at once.

mod act;
mod delay_queue;
mod engine;
mod fault;
mod listeners;
mod log;
mod rng;
mod state;
mod streams;

pub(super) use engine::Engine;
pub use fault::{Fault, Violation};
pub use log::FaultRecord;
pub(super) use log::{FaultId, Witness};

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A list of faults that may happen to the clients of a bus; see [`TestKitBuilder::chaos`](super::TestKitBuilder::chaos). Cheap to
/// clone.
///
/// # Example
///
/// ```
/// use postroom::TestKit;
/// use postroom::testkit::{Chaos, Fault};
/// use std::time::Duration;
///
/// let chaos = Chaos::new()
///     .with(Fault::delay_between(Duration::ZERO, Duration::from_millis(50)).on("orders.>").chance(0.2))
///     .with(Fault::redelivery().on("orders.accepted").chance(0.1))
///     .with(Fault::disconnect(Duration::from_secs(2)).of("billing").messages(10..).times(1));
/// let kit = TestKit::builder().seed(7).chaos(chaos).build();
/// # drop(kit);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Chaos {
    faults: Vec<Fault>,
    seed: Option<u64>,
    /// Only these happen, of all that would.
    only: Option<Arc<BTreeSet<FaultId>>>,
    /// Where what happens is written down as well.
    witness: Option<Witness>,
}

impl Chaos {
    /// No faults.
    pub fn new() -> Self {
        Chaos::default()
    }

    /// One of each kind that NATS permits, seldom: for a first look at what an application makes of it. Nothing is denied and no payload too
    /// large; a test that expects that asks for it.
    pub fn mild() -> Self {
        use std::time::Duration;
        let ms = Duration::from_millis;
        Chaos::new()
            .with(Fault::delay_between(ms(1), ms(100)).chance(0.05))
            .with(Fault::slow_delivery_between(ms(1), ms(100)).chance(0.02))
            .with(Fault::reorder(2).chance(0.05))
            .with(Fault::redelivery().chance(0.02))
            .with(Fault::lost_answer().chance(0.02))
            .with(Fault::no_responders().chance(0.02))
            .with(Fault::late_subscription(1).chance(0.1))
            .with(Fault::member_away(3).chance(0.02))
            .with(Fault::disconnect(ms(500)).chance(0.005))
    }

    /// One more fault.
    pub fn with(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// The seed of the kit that is built with it, in place of [`TestKitBuilder::seed`](super::TestKitBuilder::seed).
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Its faults.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    pub(super) fn seed_or(&self, other: u64) -> u64 {
        self.seed.unwrap_or(other)
    }

    pub(super) fn only(mut self, only: BTreeSet<FaultId>) -> Self {
        self.only = Some(Arc::new(only));
        self
    }

    pub(super) fn seen_by(mut self, witness: &Witness) -> Self {
        self.witness = Some(witness.clone());
        self
    }
}

impl fmt::Display for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.faults.iter().enumerate() {
            writeln!(f, "  fault {number}: {fault}")?;
        }
        Ok(())
    }
}
