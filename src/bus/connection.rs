//! Connections: their subscriptions, and the end of both.

use super::permit::Gate;
use super::{ConnectOptions, Inbox, Shared, inbox};
use crate::account::{Owner, Subscription, SubscriptionOwner, Totals, Watch};
use crate::bus::event::Event;
use crate::delivery::{DropReason, Outlet, WakeList};
use crate::error::{CloseReason, RequestError, SubscribeError};
use crate::id::ClientId;
use crate::message::Responder;
use crate::rng::Rng;
use crate::steps;
use crate::subject::{Pattern, Subject};
use crate::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
use crate::sync::{Mutex, OnceLock, PerThread};
use smol_str::SmolStr;
use std::sync::{Arc, Weak};

/// How far the end of a connection, or of a bus, has come. Only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Open = 0,
    /// No new subscriptions or requests; publishing is still allowed (D8).
    Draining = 1,
    Closed = 2,
}

/// One connection. Ends when it is closed, or when its last handle (client, subscriber, publisher, guard) is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: ClientId,
    /// The part of the connection that its subscriptions share.
    pub(super) owner: Arc<Owner>,
    pub(super) gate: Gate,
    pub(crate) options: ConnectOptions,
    /// Inboxes of this connection begin with this and a dot.
    inbox_root: SmolStr,
    inboxes_made: AtomicU64,
    pub(crate) phase: AtomicU8,
    /// LOCK ORDER: after `Account::past`, before the matcher's.
    registry: Mutex<Registry>,
    /// Subscriptions that have not ended. ORDERING: Relaxed; only counts, under the registry's lock where it decides.
    pub(crate) open: AtomicUsize,
    pub(crate) desks: PerThread<Desk>,
    inbox: OnceLock<(Arc<Inbox>, Arc<Subscription>)>,
    /// Those who wait for the end of a drain.
    pub(crate) drained: WakeList,
    me: Weak<Connection>,
}

#[derive(Debug, Default)]
struct Registry {
    slots: Vec<Option<Weak<Subscription>>>,
    free: Vec<u32>,
    closed: bool,
    /// In a closed registry, which gets no new entries: the subscriptions in the slots before this one have nothing
    /// left to take.
    quiet_to: usize,
}

/// The counters of one thread that publishes through one connection: read by others, written by that thread alone, hence
/// without an atomic read-modify-write.
//
// ORDERING: Relaxed throughout; the counters only count, and a thread that takes over the place of one that has ended does so
// through the lock of the thread registry.
#[derive(Debug)]
pub(crate) struct Desk {
    published: AtomicU64,
    published_bytes: AtomicU64,
    unmatched: AtomicU64,
    routed: AtomicU64,
    panics: AtomicU64,
    requests: AtomicU64,
    /// Several threads write it: those that are about to end.
    is_shared: bool,
    /// Chooses members of queue groups.
    pub(crate) rng: Rng,
}

impl Desk {
    fn new(seed: u64, stream: u64, is_shared: bool) -> Self {
        Desk {
            is_shared,
            published: AtomicU64::new(0),
            published_bytes: AtomicU64::new(0),
            unmatched: AtomicU64::new(0),
            routed: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            rng: Rng::new(seed, stream),
        }
    }

    #[inline]
    pub(crate) fn count_publish(&self, bytes: usize, routed: usize) {
        self.add(&self.published, 1);
        self.add(&self.published_bytes, bytes as u64);
        self.add(if routed == 0 { &self.unmatched } else { &self.routed }, routed.max(1) as u64);
    }

    /// Copies that found their subscription only after waiting, or were lost. `was_unmatched` if the message had been counted as such.
    pub(crate) fn count_more_routed(&self, copies: u64, was_unmatched: bool) {
        self.add(&self.routed, copies);
        if was_unmatched {
            self.add(&self.unmatched, 1u64.wrapping_neg());
        }
    }

    /// Copies that were counted as routed, and will be again when they come. On the thread that counted them.
    pub(crate) fn count_held(&self, copies: u64) {
        self.add(&self.routed, copies.wrapping_neg());
    }

    pub(crate) fn count_panic(&self) {
        self.add(&self.panics, 1);
    }

    pub(crate) fn count_request(&self) {
        self.add(&self.requests, 1);
    }

    #[inline]
    fn add(&self, counter: &AtomicU64, more: u64) {
        if self.is_shared {
            counter.fetch_add(more, Ordering::Relaxed);
        } else {
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
        }
    }
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, id: ClientId, mut options: ConnectOptions) -> Arc<Self> {
        let inbox_root =
            SmolStr::from(format!("{}.{}", options.inbox_prefix, inbox::connection_name(&shared.secret, id.get())));
        // On a bus that drains or is closed it comes too late.
        let is_open = shared.phase() == Phase::Open;
        let phase = AtomicU8::new(if is_open { Phase::Open } else { Phase::Closed } as u8);
        shared.open.fetch_add(is_open as usize, Ordering::SeqCst);
        let registry = Registry { closed: !is_open, ..Registry::default() };
        let rules = options.permissions.take().map(|permissions| permissions.rules());
        let gate =
            Gate::new(!is_open, rules.is_some(), options.lenient && !options.reserved, shared.observed.is_some());
        Arc::new_cyclic(|me: &Weak<Connection>| Connection {
            owner: Arc::new(Owner::new(id, me.clone(), options.untracked, rules, shared.seed, shared.reporter())),
            gate,
            shared,
            id,
            options,
            inbox_root,
            inboxes_made: AtomicU64::new(0),
            phase,
            registry: Mutex::new(registry),
            open: AtomicUsize::new(0),
            desks: PerThread::default(),
            inbox: OnceLock::new(),
            drained: WakeList::default(),
            me: me.clone(),
        })
    }

    pub(crate) fn phase(&self) -> Phase {
        phase_from(self.phase.load(Ordering::SeqCst))
    }

    /// For tasks that outlive the call. The caller got here through a handle, so that the connection is there.
    pub(crate) fn me(&self) -> Arc<Connection> {
        self.me.upgrade().expect("a handle keeps the connection")
    }

    /// This thread's counters.
    #[inline]
    pub(crate) fn desk(&self) -> &Desk {
        match self.desks.get() {
            Some(desk) => desk,
            None => self.new_desk(),
        }
    }

    #[cold]
    fn new_desk(&self) -> &Desk {
        // The first thread of a connection draws from the same stream in every run; threads after it have their own.
        let stream = self.id.get() << 16 | self.desks.iter().count() as u64;
        self.desks.get_or(|is_shared| Desk::new(self.shared.seed, stream, is_shared))
    }

    /// A subject for responses that no other part uses or can guess; the connection itself subscribes to nothing directly under it.
    pub(crate) fn new_inbox(&self) -> Subject {
        let n = self.inboxes_made.fetch_add(1, Ordering::Relaxed);
        let name = inbox::new_name(&self.shared.secret, self.id.get(), n);
        Subject::from_smol(SmolStr::from(format!("{}-{name}", self.inbox_root)))
    }

    /// Subscriptions that have not ended.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Makes a subscription effective; `Err` when it comes too late, is not allowed, or is one too many.
    pub(crate) fn register(
        &self,
        pattern: Pattern,
        queue: Option<&str>,
        fallback: bool,
        outlet: Outlet,
    ) -> Result<Arc<Subscription>, SubscribeError> {
        // An inbox is not one of the user's subscriptions.
        if !outlet.is_direct() && !self.ask_subscribe(&pattern, queue) {
            return Err(self.subscribe_denied(pattern.as_str(), queue));
        }
        let mut registry = self.registry.lock();
        if registry.closed {
            return Err(SubscribeError::Closed);
        }
        // Under the lock, as permissions are changed.
        if !self.may_subscribe(pattern.as_str(), queue) {
            drop(registry);
            return Err(self.subscribe_denied(pattern.as_str(), queue));
        }
        let max = self.shared.account.limits.max_subscriptions;
        if max > 0 && self.open.load(Ordering::Relaxed) >= max {
            return Err(SubscribeError::MaxSubscriptionsExceeded { max });
        }
        let slot = registry.claim();
        let queue = queue.map(SmolStr::new);
        let mut made = None;
        // Before any other thread can end it.
        self.open.fetch_add(1, Ordering::Relaxed);
        // Under the registry's lock: a close that comes now finds the subscription there, or had set `closed` before.
        self.shared.account.matcher.insert_with(&pattern, |entry| {
            let subscription = Arc::new(Subscription {
                pattern: pattern.clone(),
                queue: queue.clone().map(Box::new),
                outlet,
                entry,
                owner: self.owner.clone(),
                slot,
                fallback,
                watch: AtomicU8::new(Watch::No as u8),
                fate: Default::default(),
            });
            subscription.set_watch(self.watch_of(&subscription));
            made = Some(subscription.clone());
            (queue, subscription)
        });
        let made = made.expect("the matcher asks for the value");
        registry.slots[slot as usize] = Some(Arc::downgrade(&made));
        drop(registry);
        if let Some(observed) = &self.shared.observed {
            observed.tell(|observer| observer.subscribed(&made.info()));
        }
        self.shared.watches.begun(&made);
        Ok(made)
    }

    /// Ends a subscription's interest: nothing is let in any more. Queued messages stay. False if it had ended before.
    pub(crate) fn end(&self, subscription: &Subscription, reason: CloseReason) -> bool {
        self.shared.end(subscription, reason)
    }

    /// For the drop of a subscription's handle: ends it, discards its queued messages, and enters its counts into the
    /// past.
    pub(crate) fn abandon(&self, subscription: &Subscription) {
        self.end(subscription, CloseReason::Unsubscribed);
        // A user's channel has no queue of ours to empty, but a publisher that was let in may be about to settle.
        if !subscription.outlet.is_callback() {
            let discarded = subscription.outlet.mailbox_if_any().map(|mailbox| mailbox.discard());
            for message in discarded.into_iter().flatten() {
                self.shared.tell_lost(subscription, &message, DropReason::Discarded);
            }
        }
        subscription.abandon();
        self.shared.retire(subscription);
        self.finish_drain();
    }

    /// For a handle that is given up while its subscription stays in force.
    pub(crate) fn detach(&self, subscription: &Subscription) {
        subscription.abandon();
        // It may have ended before, or just now.
        self.shared.retire(subscription);
        self.finish_drain();
    }

    /// Calls `f` with the subscriptions that are registered, while none comes or goes. They are left in `seen`, to be dropped where no
    /// lock is held.
    pub(super) fn with_registered(&self, seen: &mut Vec<Arc<Subscription>>, f: impl FnOnce(&[Arc<Subscription>])) {
        let registry = self.registry.lock();
        seen.extend(registry.slots.iter().flatten().filter_map(Weak::upgrade));
        f(seen);
        drop(registry);
    }

    /// The subscriptions that are registered: open ones, and closed ones whose handle is still there.
    pub(crate) fn subscriptions(&self) -> Vec<Arc<Subscription>> {
        self.registry.lock().slots.iter().flatten().filter_map(Weak::upgrade).collect()
    }

    /// The inbox for answers to requests, subscribed to at the first request.
    pub(crate) fn inbox(&self) -> Result<&Arc<Inbox>, RequestError> {
        if let Some((inbox, subscription)) = self.inbox.get() {
            // One that was allowed once may be so no longer.
            self.check_subscribe(subscription.pattern.as_str(), None).map_err(RequestError::of_inbox)?;
            return Ok(inbox);
        }
        let inbox = Arc::new(Inbox::new(
            &self.inbox_root,
            self.shared.account.limits.clone(),
            self.me.clone(),
            (self.shared.secret.clone(), self.id.get()),
            self.shared.reporter(),
        ));
        let pattern = Pattern::new(format!("{}.*", self.inbox_root)).expect("the root is a subject");
        let subscription = self.register(pattern, None, false, inbox.outlet(self.shared.boundless.clone()));
        let subscription = subscription.map_err(RequestError::of_inbox)?;
        let mut lost = Some(subscription.clone());
        let kept = self.inbox.get_or_init(|| {
            lost = None;
            (inbox, subscription)
        });
        if let Some(second) = lost {
            // Another thread was first.
            self.abandon(&second);
        }
        // ORDERING: SeqCst fence; pairs with the one in `close`. Either that sees the inbox, or we see that it was too late.
        fence(Ordering::SeqCst);
        if self.phase() == Phase::Closed {
            kept.0.close();
        }
        Ok(&kept.0)
    }

    pub(crate) fn inbox_if_any(&self) -> Option<&Arc<Inbox>> {
        self.inbox.get().map(|(inbox, _)| inbox)
    }

    /// Begins to drain: no new interest; what is queued can be taken, requests under way can be answered (D7, D8).
    pub(crate) fn drain(&self) {
        // A call that finds the connection draining repeats the steps below, so that all interest has ended when
        // any of the calls returns.
        self.enter(Phase::Draining);
        if self.phase() == Phase::Closed {
            return;
        }
        self.registry.lock().closed = true;
        if let Some((inbox, _)) = self.inbox.get() {
            inbox.drain();
        }
        for subscription in self.subscriptions() {
            // The inbox stays; known by its kind, since one that is just being made is registered before it is in its place.
            if !subscription.outlet.is_direct() {
                self.end(&subscription, CloseReason::Drained);
            }
        }
        self.finish_drain();
    }

    /// Whether all that a drain waits for has come.
    pub(crate) fn is_quiet(&self) -> bool {
        self.unfinished().is_none() && self.inbox_if_any().is_none_or(|inbox| inbox.is_idle())
    }

    /// The first subscription that is still open, or has something left to be taken. A drain does not look again at a subscription
    /// that it has found finished: all its questions together look at each subscription once.
    pub(crate) fn unfinished(&self) -> Option<Arc<Subscription>> {
        // Dropped with no lock held: one of them may be the last of its kind.
        let mut seen = Vec::new();
        let mut registry = self.registry.lock();
        let Registry { slots, closed, quiet_to, .. } = &mut *registry;
        let from = if *closed { (*quiet_to).min(slots.len()) } else { 0 };
        let mut found = None;
        for (at, slot) in slots.iter().enumerate().skip(from) {
            steps::count(1);
            if *closed {
                *quiet_to = at;
            }
            let Some(subscription) = slot.as_ref().and_then(Weak::upgrade) else { continue };
            // An empty queue is not enough: `drain` may not have come to that subscription yet, and then it may still fill.
            if !subscription.outlet.is_direct() && !subscription.outlet.is_ended() {
                found = Some(subscription);
                break;
            }
            seen.push(subscription);
        }
        if *closed && found.is_none() {
            *quiet_to = slots.len();
        }
        drop(registry);
        drop(seen);
        found
    }

    /// Closes a draining connection once everything is taken. Called when something that a drain waits for may have come.
    pub(crate) fn finish_drain(&self) {
        if self.phase() == Phase::Draining && self.is_quiet() {
            self.close(CloseReason::Drained);
        }
    }

    pub(crate) fn close(&self, reason: CloseReason) {
        if !self.enter(Phase::Closed) {
            return;
        }
        self.registry.lock().closed = true;
        for subscription in self.subscriptions() {
            self.end(&subscription, reason);
        }
        // ORDERING: see `inbox`.
        fence(Ordering::SeqCst);
        if let Some(inbox) = self.inbox_if_any() {
            inbox.close();
        }
        self.shared.hub.tell(|| Event::ClientClosed { client: self.id, name: self.options.name.clone() });
        self.tell_disconnected();
        self.drained.wake_all();
        self.shared.one_closed();
    }

    /// Adds the subscriptions that are registered in at most `most` slots, from slot `from` on, to `seen`, to be dropped where no lock is
    /// held; how many slots that were, and whether there are more.
    pub(super) fn registered(&self, from: usize, most: usize, seen: &mut Vec<Arc<Subscription>>) -> (usize, bool) {
        let registry = self.registry.lock();
        let rest = registry.slots.get(from..).unwrap_or_default();
        let slots = &rest[..most.min(rest.len())];
        steps::count(slots.len());
        seen.extend(slots.iter().flatten().filter_map(Weak::upgrade));
        (slots.len(), slots.len() < rest.len())
    }

    /// The counts of this connection without its subscriptions.
    pub(super) fn published_totals(&self) -> Totals {
        let mut totals = Totals::default();
        for desk in self.desks.iter() {
            totals.published += desk.published.load(Ordering::Relaxed);
            totals.published_bytes += desk.published_bytes.load(Ordering::Relaxed);
            totals.unmatched += desk.unmatched.load(Ordering::Relaxed);
            totals.routed += desk.routed.load(Ordering::Relaxed);
            totals.panics += desk.panics.load(Ordering::Relaxed);
            totals.requests += desk.requests.load(Ordering::Relaxed);
        }
        if let Some(inbox) = self.inbox_if_any() {
            totals.late_replies += inbox.late();
            totals.ledger += inbox.ledger();
        }
        totals
    }

    /// True if this call brought the connection into `phase`.
    fn enter(&self, phase: Phase) -> bool {
        if phase == Phase::Closed {
            self.gate.close();
        }
        self.phase.fetch_max(phase as u8, Ordering::SeqCst) < phase as u8
    }
}

impl SubscriptionOwner for Connection {
    fn ended(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn released(&self, slot: u32) {
        self.registry.lock().release(slot);
    }

    fn check_drain(&self) {
        self.finish_drain();
    }

    fn responder(self: Arc<Self>) -> Arc<dyn Responder> {
        self
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close(CloseReason::ClientClosed);
        if let Some((_, subscription)) = self.inbox.get() {
            subscription.abandon();
            // Its counts are the inbox's, and go with the totals.
        }
        let shared = self.shared.clone();
        shared.forget_connection(self.id, || self.published_totals());
    }
}

impl Registry {
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

pub(super) fn phase_from(code: u8) -> Phase {
    match code {
        0 => Phase::Open,
        1 => Phase::Draining,
        _ => Phase::Closed,
    }
}
