//! Connections: open, then draining, then closed. The state that has parts of its own lies in the files beside this one.
//!
//! | file | reason to change |
//! |---|---|
//! | `mod` | [`Connection`]: its subscriptions begin, and its end |
//! | `options` | the options of a connection |
//! | `publisher` | who publishes, what it may, and its counters |
//! | `access` | the reasons why a publish needs checks |
//! | `counters` | the counters of each thread that publishes |
//! | `subscriptions` | the subscriptions of a connection |
//! | `inbox` | requests that wait for responses |
//! | `inbox_name` | the names in inboxes |
//! | `stats` | the counters of a connection, and a snapshot of them |

mod access;
mod counters;
mod inbox;
mod inbox_name;
mod options;
mod publisher;
mod stats;
mod subscriptions;

pub(crate) use access::AccessFlags;
pub(crate) use inbox::{Inbox, PendingReply};
pub use options::ConnectOptions;
pub(crate) use publisher::PublisherState;
pub use stats::ClientStats;
pub(crate) use stats::{VISITS, client_stats, sum_of};

use crate::account::{
    Account, ConnectionAccess, CountsKey, DeliveryFilter, Permissions, Roster, Subscription, SubscriptionOwner, Totals,
    lifecycle,
};
use crate::delivery::{DeliveryTarget, WaitList};
use crate::error::{CloseReason, RequestError, SubscribeError};
use crate::id::ClientId;
use crate::message::Responder;
use crate::observe::{ClientInfo, SubscriptionInfo};
use crate::services::{Event, Phase, PhaseCell, Services};
use crate::subject::{Pattern, Subject};
use crate::sync::atomic::{AtomicU8, Ordering, fence};
use counters::ThreadCounters;
use inbox::InboxSlot;
use smol_str::SmolStr;
use std::sync::{Arc, Weak};
use subscriptions::Subscriptions;

/// One connection. Ends when it is closed, or when its last handle (client, subscriber, publisher, guard) is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) services: Arc<Services>,
    pub(crate) account: Arc<Account>,
    pub(crate) publisher: PublisherState,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) inbox: InboxSlot,
    phase: PhaseCell,
    /// Waiters for the end of a drain.
    pub(crate) drained: WaitList,
    /// The connections of the bus, this one among them.
    roster: Arc<Roster<Connection>>,
    me: Weak<Connection>,
}

impl Connection {
    pub(crate) fn new(
        services: Arc<Services>,
        account: Arc<Account>,
        roster: Arc<Roster<Connection>>,
        id: ClientId,
        mut options: ConnectOptions,
    ) -> Arc<Self> {
        // On a bus that drains or is closed it comes too late.
        let is_open = services.life.phase.get() == Phase::Open;
        if is_open {
            services.life.opened();
        }
        let rules = options.permissions.take().map(|permissions| permissions.rules());
        let flags =
            AccessFlags::new(!is_open, rules.is_some(), options.lenient && !options.reserved, services.probe.is_on());
        Arc::new_cyclic(|me: &Weak<Connection>| Connection {
            inbox: InboxSlot::new(&options.inbox_prefix, services.secret.clone(), id.get()),
            publisher: PublisherState {
                access: Arc::new(ConnectionAccess::new(
                    id,
                    me.clone(),
                    options.untracked,
                    rules,
                    services.seed,
                    services.reporter(),
                )),
                threads: ThreadCounters::new(services.seed, id.get()),
                id,
                options,
                flags,
            },
            services,
            account,
            subscriptions: Subscriptions::new(!is_open),
            phase: PhaseCell::new(if is_open { Phase::Open } else { Phase::Closed }),
            drained: WaitList::default(),
            roster,
            me: me.clone(),
        })
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// For tasks that outlive the call. The caller got here through a handle, so that the connection is there.
    pub(crate) fn me(&self) -> Arc<Connection> {
        self.me.upgrade().expect("a handle keeps the connection")
    }

    /// Makes a subscription effective; `Err` when it comes too late, is not allowed, or is one too many.
    pub(crate) fn register(
        &self,
        pattern: Pattern,
        queue: Option<&str>,
        fallback: bool,
        target: DeliveryTarget,
    ) -> Result<Arc<Subscription>, SubscribeError> {
        let Connection { services, account, publisher, .. } = self;
        // An inbox is not one of the user's subscriptions.
        if !target.is_internal() && !services.probe.ask_subscribe(publisher.id, &pattern, queue) {
            return Err(publisher.subscribe_denied(services, pattern.as_str(), queue));
        }
        let may = || publisher.may_subscribe(pattern.as_str(), queue);
        let make = |slot| self.insert(slot, &pattern, queue, fallback, target);
        let Some(made) = self.subscriptions.begin(account.limits.max_subscriptions, may, make)? else {
            return Err(publisher.subscribe_denied(services, pattern.as_str(), queue));
        };
        services.probe.emit_subscribed(|| made.info());
        account.interest.begun(&made);
        Ok(made)
    }

    /// Called under the lock of the subscriptions.
    fn insert(
        &self,
        slot: u32,
        pattern: &Pattern,
        queue: Option<&str>,
        fallback: bool,
        target: DeliveryTarget,
    ) -> Arc<Subscription> {
        let queue = queue.map(SmolStr::new);
        let mut made = None;
        self.account.matcher.insert_with(pattern, |entry| {
            let subscription = Arc::new(Subscription {
                pattern: pattern.clone(),
                queue: queue.clone().map(Box::new),
                target,
                entry,
                access: self.publisher.access.clone(),
                slot,
                fallback,
                filter: AtomicU8::new(DeliveryFilter::None as u8),
                lifecycle: Default::default(),
            });
            subscription.set_filter(self.publisher.filter_of(&self.services, &subscription));
            made = Some(subscription.clone());
            (queue, subscription)
        });
        made.expect("the matcher asks for the value")
    }

    /// See [`lifecycle::end`].
    pub(crate) fn end(&self, subscription: &Subscription, reason: CloseReason) -> bool {
        lifecycle::end(&self.account, &self.services, subscription, reason)
    }

    /// See [`lifecycle::release`].
    pub(crate) fn release(&self, subscription: &Subscription) {
        lifecycle::release(&self.account, &self.services, subscription);
        self.finish_drain();
    }

    /// See [`lifecycle::detach`].
    pub(crate) fn detach(&self, subscription: &Subscription) {
        lifecycle::detach(&self.account, subscription);
        self.finish_drain();
    }

    /// A subject for responses that no other part uses or can guess; the connection itself subscribes to nothing directly under it.
    pub(crate) fn new_inbox(&self) -> Subject {
        self.inbox.new_name()
    }

    /// The inbox for responses to requests, subscribed to at the first request.
    pub(crate) fn inbox(&self) -> Result<&Arc<Inbox>, RequestError> {
        if let Some((inbox, subscription)) = self.inbox.get() {
            // One that was allowed once may be so no longer.
            let checked = self.publisher.check_subscribe(&self.services, subscription.pattern.as_str(), None);
            checked.map_err(RequestError::of_inbox)?;
            return Ok(inbox);
        }
        let inbox = Arc::new(self.inbox.make(self.account.limits.clone(), self.me.clone(), self.services.reporter()));
        let target = inbox.target(self.services.unbounded.clone());
        let subscription = self.register(self.inbox.pattern(), None, false, target).map_err(RequestError::of_inbox)?;
        let (kept, second) = self.inbox.set(inbox, subscription);
        if let Some(second) = second {
            // Another thread was first.
            self.release(&second);
        }
        // ORDERING: SeqCst fence; pairs with the one in `close`. Either that sees the inbox, or we see that it was too late.
        fence(Ordering::SeqCst);
        if self.phase() == Phase::Closed {
            kept.close();
        }
        Ok(kept)
    }

    pub(crate) fn inbox_if_any(&self) -> Option<&Arc<Inbox>> {
        self.inbox.get().map(|(inbox, _)| inbox)
    }

    /// From when this returns, publishes and subscriptions are held to the new permissions. Ends the subscriptions that are no
    /// longer allowed, and gives them back.
    pub(crate) fn set_permissions(&self, permissions: Option<Permissions>) -> Vec<SubscriptionInfo> {
        let publisher = &self.publisher;
        let rules = permissions.map(|permissions| permissions.rules());
        let mut denied: Vec<Arc<Subscription>> = Vec::new();
        // Subscriptions seen here are dropped with no lock held: one of them may be the last of its kind.
        let mut seen = Vec::new();
        self.subscriptions.with_all(&mut seen, |subscriptions| {
            let restricted = rules.is_some();
            // A publish that meets the flag before the rules is let through, and was before them.
            publisher.access.set_rules(rules);
            publisher.flags.set_restricted(restricted);
            for subscription in subscriptions {
                let queue = subscription.queue.as_ref().map(|name| name.as_str());
                let allowed = publisher.access.may_subscribe(subscription.pattern.as_str(), queue);
                subscription.set_filter(match (allowed, subscription.target.is_internal()) {
                    (true, _) => publisher.filter_of(&self.services, subscription),
                    (false, true) => DeliveryFilter::Suspended,
                    (false, false) => {
                        denied.push(subscription.clone());
                        DeliveryFilter::Suspended
                    }
                });
            }
        });
        denied.retain(|subscription| self.end(subscription, CloseReason::PermissionDenied));
        denied.iter().map(|subscription| subscription.info()).collect()
    }

    /// Begins to drain: no new interest; what is queued can be taken, requests under way can be answered (D7, D8).
    pub(crate) fn drain(&self) {
        // A call that finds the connection draining repeats the steps below, so that all interest has ended when
        // any of the calls returns.
        self.phase.enter(Phase::Draining);
        if self.phase() == Phase::Closed {
            return;
        }
        self.subscriptions.close();
        if let Some(inbox) = self.inbox_if_any() {
            inbox.drain();
        }
        for subscription in self.subscriptions.all() {
            // The inbox stays; known by its kind, since one that is just being made is registered before it is in its place.
            if !subscription.target.is_internal() {
                self.end(&subscription, CloseReason::Drained);
            }
        }
        self.finish_drain();
    }

    /// Closes a draining connection once everything is taken. Called when something that a drain waits for may have come.
    pub(crate) fn finish_drain(&self) {
        let is_quiet =
            || self.subscriptions.unfinished().is_none() && self.inbox_if_any().is_none_or(|inbox| inbox.is_idle());
        if self.phase() == Phase::Draining && is_quiet() {
            self.close(CloseReason::Drained);
        }
    }

    pub(crate) fn close(&self, reason: CloseReason) {
        // Before the phase: a publish that comes after the phase is refused.
        self.publisher.flags.close();
        if !self.phase.enter(Phase::Closed) {
            return;
        }
        self.subscriptions.close();
        for subscription in self.subscriptions.all() {
            self.end(&subscription, reason);
        }
        // ORDERING: see `inbox`.
        fence(Ordering::SeqCst);
        if let Some(inbox) = self.inbox_if_any() {
            inbox.close();
        }
        let (id, name) = (self.publisher.id, &self.publisher.options.name);
        self.services.events.emit(|| Event::ClientClosed { client: id, name: name.clone() });
        self.services.probe.emit_disconnected(id);
        self.drained.wake_all();
        self.services.life.closed();
        finish_bus_drain(&self.services, &self.account, &self.roster);
    }

    pub(crate) fn emit_connected(&self) {
        if self.services.probe.is_on() {
            let options = &self.publisher.options;
            self.services.probe.emit_connected(&ClientInfo {
                client: self.publisher.id,
                name: options.name.as_deref(),
                untracked: self.publisher.access.is_untracked,
                can_be_kicked: options.on_kick.is_some(),
            });
        }
    }

    /// The counts of this connection without its subscriptions.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals { traffic: self.publisher.traffic(), ..Totals::default() };
        if let Some(inbox) = self.inbox_if_any() {
            totals.traffic.late_replies += inbox.late();
            totals.ledger += inbox.ledger();
        }
        totals
    }
}

/// Closes a draining bus once all its connections are closed.
pub(crate) fn finish_bus_drain(services: &Services, account: &Account, connections: &Roster<Connection>) {
    if services.life.is_drained() {
        close_bus(services, account, connections);
    }
}

/// Ends all connections, and then the bus. Idempotent.
pub(crate) fn close_bus(services: &Services, account: &Account, connections: &Roster<Connection>) {
    if !services.life.phase.enter(Phase::Closed) {
        return;
    }
    for connection in connections.all() {
        connection.close(CloseReason::BusClosed);
    }
    services.schedule.close();
    services.events.close(Event::BusClosed);
    account.interest.close();
    services.life.ended.wake_all();
}

impl SubscriptionOwner for Connection {
    fn ended(&self) {
        self.subscriptions.ended();
    }

    fn released(&self, slot: u32) {
        self.subscriptions.release(slot);
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
            subscription.mark_detached();
            // Its counts are the inbox's, and go with the totals.
        }
        let id = self.publisher.id;
        let mut retired = self.account.retired.lock();
        retired.enter(Some(CountsKey::of_connection(id.get())), self.totals());
        self.roster.remove(id);
        drop(retired);
    }
}
