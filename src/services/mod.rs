//! Services: the parts that every room of the hub and the door use.
//!
//! | file | reason to change |
//! |---|---|
//! | `mod` | [`Services`]: time, events, seed, the phase of the bus |
//! | `event` | events: losses, ends, panics |
//! | `event_text` | events as texts |
//! | `probe` | every call of the observer |
//! | `panics` | panics in code of users', counted and told |

mod event;
mod event_text;
mod panics;
mod probe;

pub use event::{Denied, Event, SlowConsumer};
pub(crate) use panics::Panics;
pub(crate) use probe::Probe;

use crate::delivery::{Episode, EventSender, Policy, WaitList};
use crate::observe::SubscriptionInfo;
use crate::rng::Secret;
use crate::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use crate::time::{Clock, Schedule, Timers};
use crate::user_code::{Reporter, UserCode, Witness};
use std::sync::Arc;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) timers: Arc<Timers>,
    pub(crate) schedule: Schedule,
    pub(crate) clock: Clock,
    pub(crate) events: EventSender<Event>,
    pub(crate) probe: Probe,
    pub(crate) panics: Panics,
    pub(crate) seed: u64,
    /// The number that tells the bus from all others.
    pub(crate) bus_id: u64,
    /// The source of inbox names, and of [`Bus::random`](crate::Bus::random).
    pub(crate) secret: Arc<Secret>,
    /// Numbers drawn by [`Bus::random`](crate::Bus::random). ORDERING: Relaxed; only counts.
    pub(crate) drawn: AtomicU64,
    /// The policy of a subscription that asks for none of its own.
    pub(crate) default_policy: Arc<Policy>,
    /// The policy of a subscription that queues nothing itself: bounds as large as can be counted.
    pub(crate) unbounded: Arc<Policy>,
    pub(crate) life: Life,
}

/// How far the end of a connection, or of a bus, has come. Only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    Open = 0,
    /// No new subscriptions or requests; publishing is still allowed (D8).
    Draining = 1,
    Closed = 2,
}

/// A phase that threads move on.
#[derive(Debug)]
pub(crate) struct PhaseCell(AtomicU8);

/// The phase of the bus, and the number of its connections that are not closed.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) phase: PhaseCell,
    /// ORDERING: SeqCst; of the last close and the begin of a drain, the later sees both.
    open: AtomicUsize,
    /// Waiters for the end of the bus.
    pub(crate) ended: WaitList,
}

impl Services {
    /// The reporter, which runs users' code on behalf of this bus.
    #[inline]
    pub(crate) fn reporter(&self) -> Reporter {
        self.panics.reporter()
    }

    /// Emits an episode that has begun or ended. Streams that have not read of its beginning do not get its end as well.
    pub(crate) fn emit_episode(&self, subscription: SubscriptionInfo, episode: &Arc<Episode>) {
        let read = move |episode: &Episode| Event::SlowConsumer(SlowConsumer::new(subscription.clone(), episode));
        self.events.emit_report(episode, read);
    }
}

impl Witness for Services {
    fn panicked(&self, code: UserCode, message: String) {
        self.panics.add();
        self.events.emit(|| Event::UserCodePanicked { code, message });
    }
}

impl PhaseCell {
    pub(crate) fn new(phase: Phase) -> Self {
        PhaseCell(AtomicU8::new(phase as u8))
    }

    pub(crate) fn get(&self) -> Phase {
        match self.0.load(Ordering::SeqCst) {
            0 => Phase::Open,
            1 => Phase::Draining,
            _ => Phase::Closed,
        }
    }

    /// True if this call brought it into `phase`.
    pub(crate) fn enter(&self, phase: Phase) -> bool {
        self.0.fetch_max(phase as u8, Ordering::SeqCst) < phase as u8
    }
}

impl Life {
    pub(crate) fn new() -> Self {
        Life { phase: PhaseCell::new(Phase::Open), open: AtomicUsize::new(0), ended: WaitList::default() }
    }

    /// A connection is there.
    pub(crate) fn opened(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
    }

    /// A connection was closed.
    pub(crate) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// The bus drains, and its last connection is closed.
    pub(crate) fn is_drained(&self) -> bool {
        self.open.load(Ordering::SeqCst) == 0 && self.phase.get() == Phase::Draining
    }
}
