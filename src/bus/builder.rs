//! The options of a bus.

use super::Bus;
use crate::account::Account;
use crate::account::interest::InterestTracker;
use crate::broker::Broker;
use crate::delivery::{EventSender, OverflowPolicy, Policy, callbacks};
use crate::error::BuildError;
use crate::limits::Limits;
use crate::matcher::{Matcher, MatcherOptions};
use crate::observe::Observer;
use crate::rng::{self, Secret};
use crate::services::{Life, Panics, Probe, Services};
use crate::sync::atomic::AtomicU64;
use crate::time::{Clock, Schedule, Timers};
use crate::user_code::Reporter;
use std::fmt;
use std::sync::{Arc, Weak};

/// Builds a [`Bus`]; made by [`Bus::builder`].
///
/// # Example
///
/// ```
/// use postroom::{Bus, Clock};
///
/// let clock = Clock::manual();
/// let bus = Bus::builder().seed(7).clock(&clock).shards(4).build();
/// assert_eq!(bus.clock().now().as_secs(), 0);
/// ```
#[derive(Clone)]
#[must_use]
pub struct BusBuilder {
    limits: Limits,
    /// `None` is the system's, which is not asked for the time where another is used: some targets have none.
    clock: Option<Clock>,
    seed: Option<u64>,
    shards: usize,
    observer: Option<Arc<dyn Observer>>,
}

impl BusBuilder {
    pub(super) fn new() -> Self {
        let shards = MatcherOptions::default().shards;
        BusBuilder { limits: Limits::default(), clock: None, seed: None, shards, observer: None }
    }

    /// The bounds. Default: [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where time comes from. Default: the system's clock.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = Some(clock.into());
        self
    }

    /// Makes all choices of the bus (queue group members, inbox names, hash functions) follow from this number (G7). Default:
    /// drawn from the operating system. For tests: inboxes of a bus with a seed can be guessed.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Locks that subscriptions are spread over; rounded up to a power of two, 1 to 1,024. Default 16.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// The observer, which is asked and told about every message; with one, the bus also keeps account of its activity
    /// ([`Bus::activity`]). Default: none. For tests: each message then costs an allocation and some locks.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The bus.
    ///
    /// # Panics
    ///
    /// If a limit is out of its range; [`BusBuilder::try_build`] gives an error instead.
    #[track_caller]
    pub fn build(self) -> Bus {
        match self.try_build() {
            Ok(bus) => bus,
            Err(error) => panic!("{error}"),
        }
    }

    /// The bus.
    ///
    /// # Errors
    ///
    /// [`BuildError::Limits`] if a limit is out of its range.
    pub fn try_build(self) -> Result<Bus, BuildError> {
        let BusBuilder { limits, clock, seed, shards, observer } = self;
        limits.check()?;
        let clock = clock.unwrap_or_default();
        let reporter = Reporter::new();
        let probe = Probe::new(observer, reporter);
        let secret = Secret::new(seed);
        let seed = seed.unwrap_or_else(rng::entropy);
        let default_policy = Policy {
            capacity: limits.subscription_capacity,
            capacity_bytes: limits.subscription_capacity_bytes,
            overflow: OverflowPolicy::default(),
        };
        let unbounded = Policy {
            capacity: Limits::CAPACITY_MAX,
            capacity_bytes: Limits::CAPACITY_BYTES_MAX,
            overflow: OverflowPolicy::default(),
        };
        let matcher = Matcher::with_options(MatcherOptions {
            shards,
            cache_entries: limits.route_cache_entries,
            seed: Some(seed),
        });
        let activity = probe.activity().cloned();
        let timers = Arc::new(Timers::new(clock.clone(), activity, reporter, callbacks::run_waiting));
        let services = Arc::new(Services {
            schedule: Schedule::new(timers.clone()),
            events: EventSender::new(limits.events_capacity, timers.clone()),
            timers,
            clock,
            probe,
            panics: Panics::new(reporter),
            seed,
            bus_id: rng::entropy(),
            secret: Arc::new(secret),
            drawn: AtomicU64::new(0),
            default_policy: Arc::new(default_policy),
            unbounded: Arc::new(unbounded),
            life: Life::new(),
        });
        let witness: Weak<Services> = Arc::downgrade(&services);
        reporter.register(witness);
        let account = Account::new(matcher, limits, InterestTracker::new(seed));
        Ok(Bus { broker: Arc::new(Broker::new(services, account)) })
    }
}

impl fmt::Debug for BusBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusBuilder")
            .field("limits", &self.limits)
            .field("clock", &self.clock)
            .field("seed", &self.seed)
            .field("shards", &self.shards)
            .field("observed", &self.observer.is_some())
            .finish()
    }
}
