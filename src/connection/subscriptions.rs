//! The subscriptions of one connection.

use crate::account::Subscription;
use crate::error::SubscribeError;
use crate::steps;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Subscriptions {
    /// LOCK ORDER: after `Account::retired`, before the matcher's.
    slots: Mutex<Slots>,
    /// Those that have not ended. ORDERING: Relaxed; only counts, under the lock of the slots where it decides.
    open: AtomicUsize,
}

#[derive(Debug, Default)]
struct Slots {
    slots: Vec<Option<Weak<Subscription>>>,
    free: Vec<u32>,
    /// No new ones.
    closed: bool,
    /// If it is closed: the subscriptions in the slots before this one have nothing left to take.
    quiet_to: usize,
}

impl Subscriptions {
    pub(super) fn new(closed: bool) -> Self {
        let slots = Slots { closed, ..Slots::default() };
        Subscriptions { slots: Mutex::new(slots), open: AtomicUsize::new(0) }
    }

    /// How many have not ended.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Gives the subscription that `make` makes effective a slot; `None` if `may` says that it is not allowed, which is asked while
    /// permissions do not change. `max` is the limit, 0 for none.
    pub(super) fn begin(
        &self,
        max: usize,
        may: impl FnOnce() -> bool,
        make: impl FnOnce(u32) -> Arc<Subscription>,
    ) -> Result<Option<Arc<Subscription>>, SubscribeError> {
        let mut slots = self.slots.lock();
        if slots.closed {
            return Err(SubscribeError::Closed);
        }
        if !may() {
            return Ok(None);
        }
        if max > 0 && self.open() >= max {
            return Err(SubscribeError::MaxSubscriptionsExceeded { max });
        }
        let slot = slots.claim();
        // Before any other thread can end it.
        self.open.fetch_add(1, Ordering::Relaxed);
        // Under the lock: a close that comes now finds the subscription there, or had set `closed` before.
        let made = make(slot);
        slots.slots[slot as usize] = Some(Arc::downgrade(&made));
        Ok(Some(made))
    }

    /// One has ended.
    pub(super) fn ended(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// One is retired.
    pub(super) fn release(&self, slot: u32) {
        self.slots.lock().release(slot);
    }

    /// Takes no new ones.
    pub(super) fn close(&self) {
        self.slots.lock().closed = true;
    }

    /// Those that are registered: open ones, and closed ones whose handle is still there.
    pub(crate) fn all(&self) -> Vec<Arc<Subscription>> {
        self.slots.lock().all().collect()
    }

    /// Calls `f` with the registered ones, while none comes or goes. They are left in `seen`, to be dropped where no lock is held.
    pub(super) fn with_all(&self, seen: &mut Vec<Arc<Subscription>>, f: impl FnOnce(&[Arc<Subscription>])) {
        let slots = self.slots.lock();
        seen.extend(slots.all());
        f(seen);
        drop(slots);
    }

    /// Adds those that are registered in at most `most` slots, from slot `from` on, to `seen`, to be dropped where no lock is
    /// held; how many slots that were, and whether there are more.
    pub(crate) fn part(&self, from: usize, most: usize, seen: &mut Vec<Arc<Subscription>>) -> (usize, bool) {
        let slots = self.slots.lock();
        let rest = slots.slots.get(from..).unwrap_or_default();
        let part = &rest[..most.min(rest.len())];
        steps::count(part.len());
        seen.extend(part.iter().flatten().filter_map(Weak::upgrade));
        (part.len(), part.len() < rest.len())
    }

    /// The first one that is still open, or has something left to be taken. A drain does not look again at a subscription
    /// that it has found finished: all its questions together look at each subscription once.
    pub(crate) fn unfinished(&self) -> Option<Arc<Subscription>> {
        // Dropped with no lock held: one of them may be the last of its kind.
        let mut seen = Vec::new();
        let mut slots = self.slots.lock();
        let Slots { slots: all, closed, quiet_to, .. } = &mut *slots;
        let from = if *closed { (*quiet_to).min(all.len()) } else { 0 };
        let mut found = None;
        for (at, slot) in all.iter().enumerate().skip(from) {
            steps::count(1);
            if *closed {
                *quiet_to = at;
            }
            let Some(subscription) = slot.as_ref().and_then(Weak::upgrade) else { continue };
            // An empty queue is not enough: `drain` may not have come to that subscription yet, and then it may still fill.
            if !subscription.target.is_internal() && !subscription.target.is_ended() {
                found = Some(subscription);
                break;
            }
            seen.push(subscription);
        }
        if *closed && found.is_none() {
            *quiet_to = all.len();
        }
        drop(slots);
        drop(seen);
        found
    }
}

impl Slots {
    fn all(&self) -> impl Iterator<Item = Arc<Subscription>> + '_ {
        self.slots.iter().flatten().filter_map(Weak::upgrade)
    }

    fn claim(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 subscriptions a connection")
        })
    }

    fn release(&mut self, slot: u32) {
        self.slots[slot as usize] = None;
        self.free.push(slot);
        if self.free.len() == self.slots.len() {
            (self.slots, self.free) = (Vec::new(), Vec::new());
        }
    }
}
