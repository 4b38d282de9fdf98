//! The bus: the root that connections hang on, and the publish path.
//!
//! | file | reason to change |
//! |---|---|
//! | `builder` | the options of a bus |
//! | `closed` | waiting for the end |
//! | `connection` | connections, their subscriptions, and the end of both |
//! | `held` | messages and copies that an observer holds back for a while |
//! | `notice` | the bus's own messages: that there are no responders |
//! | `observe` | the observer, which is asked and told about every message |
//! | `options` | the options of a connection |
//! | `panicked` | reports to an observer about callbacks that panic |
//! | `permit` | checks of permissions, and the effects of a change of them |
//! | `route` | the publish path, top to bottom |
//! | `watched` | the same, to subscriptions that a message may be kept from |
//! | `later` | work that a publish leaves for when no lock is held: wake-ups, callbacks, full queues |
//! | `room` | overflow handling, and waiting for room |
//! | `inbox` | requests that wait for answers |
//! | `interest` | watches on which patterns are subscribed to |
//! | `watchdog` | tasks that wait while another, which was woken, does not act |
//! | `panics` | panics in code of users', counted and told |
//! | `event` | events: losses, ends, panics |
//! | `event_text` | events as texts |
//! | `stats` | counters and the snapshot of them |
//! | `time` | waits and tasks by the bus's clock |

mod builder;
mod closed;
mod connection;
mod event;
mod event_text;
mod held;
mod inbox;
mod interest;
mod later;
mod notice;
mod observe;
mod options;
mod panicked;
mod panics;
mod permit;
mod room;
mod route;
mod stats;
mod time;
mod watchdog;
mod watched;

pub use builder::{BuildError, BusBuilder};
pub use closed::Closed;
pub(crate) use connection::{Connection, Phase};
pub use event::{Denied, Event, Events, SlowConsumer};
pub use held::{DelayedDelivery, DelayedMessage};
pub(crate) use inbox::{Inbox, Ticket};
pub use interest::{InterestChanged, InterestWatcher, PatternInterest};
pub(crate) use observe::Observed;
pub use observe::{ClientInfo, DeliveryAction, Observer, PublishAction, PublishContext, RejectedPublish};
pub use options::ConnectOptions;
pub use panicked::CallbackPanic;
pub(crate) use room::Waiting;
pub(crate) use route::PreparedRoute;
pub use stats::{BusStats, ClientStats};
pub(crate) use watchdog::Awaited;

use crate::account::{Account, Place, Subscription, Totals};
use crate::activity::Activity;
use crate::client::{Client, Drain};
use crate::delivery::{Policy, WakeList};
use crate::error::CloseReason;
use crate::id::ClientId;
use crate::limits::Limits;
use crate::rng::Secret;
use crate::subject::{SubjectError, ToPattern, ToSubject, check_subject};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use crate::time::{Clock, Schedule, Timers};
use crate::user_code::{Reporter, UserCode};
use event::Hub;
use interest::Watches;
use panics::Panics;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// An in-process message bus. Cheap to clone; clones are the same bus.
///
/// Everything goes through a connection: [`Bus::connect`]. Dropping the last `Bus` closes nothing: the clients keep the bus alive
/// and it ends with the last of them.
///
/// # Example
///
/// ```
/// use postroom::Bus;
///
/// let bus = Bus::new();
/// let client = bus.connect();
/// let orders = client.subscribe("orders.*")?;
/// assert_eq!(client.publish("orders.eu", "hello")?, 1);
/// assert_eq!(orders.recv()?.payload(), b"hello");
/// assert!(bus.stats().ledger.balances());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bus {
    pub(crate) shared: Arc<Shared>,
}

/// The state that all connections of a bus share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) account: Account,
    pub(crate) timers: Arc<Timers>,
    schedule: Schedule,
    hub: Hub,
    panics: Panics,
    /// The observer, which is asked and told about every message.
    pub(crate) observed: Option<Observed>,
    watches: Watches,
    pub(crate) clock: Clock,
    pub(crate) seed: u64,
    id: u64,
    /// The source of inbox names, and of [`Bus::random`].
    pub(crate) secret: Arc<Secret>,
    /// Numbers drawn by [`Bus::random`]. ORDERING: Relaxed; only counts.
    drawn: AtomicU64,
    /// The bounds of a subscription that asks for none of its own.
    pub(crate) usual: Arc<Policy>,
    /// The bounds of a subscription that queues nothing itself: as large as can be counted.
    pub(crate) boundless: Arc<Policy>,
    phase: AtomicU8,
    /// Waiters for the end of the bus.
    ended: WakeList,
    /// LOCK ORDER: after `Account::past`. In the order of connecting, so that a run repeats.
    connections: Mutex<BTreeMap<ClientId, Weak<Connection>>>,
    next_connection: AtomicU64,
    /// Connections that are not closed.
    open: AtomicUsize,
}

impl Bus {
    /// A bus with the default limits, the system clock and a seed of its own.
    pub fn new() -> Self {
        Bus::builder().build()
    }

    /// To build a bus with other limits, a clock or a seed.
    pub fn builder() -> BusBuilder {
        BusBuilder::new()
    }

    /// A new connection with the default options. Never fails: on a closed bus it is closed from the start.
    #[must_use = "the connection ends with its last handle"]
    pub fn connect(&self) -> Client {
        self.connect_with(ConnectOptions::new())
    }

    /// A new connection.
    #[must_use = "the connection ends with its last handle"]
    pub fn connect_with(&self, options: ConnectOptions) -> Client {
        let id = ClientId::new(self.shared.next_connection.fetch_add(1, Ordering::Relaxed));
        let mut connections = self.shared.connections.lock();
        // Under the lock: a close that comes now finds the connection there, or it sees the phase.
        let connection = Connection::new(self.shared.clone(), id, options);
        connections.insert(id, Arc::downgrade(&connection));
        drop(connections);
        connection.tell_connected();
        Client::new(connection)
    }

    /// A stream of what happens on the bus from now on.
    pub fn events(&self) -> Events {
        self.shared.hub.listen(self.shared.account.limits.events_capacity, self.shared.timers.clone())
    }

    /// Cuts off a client, as the operator of a server does: its hook is called if it has one ([`ConnectOptions::on_kick`]); else it
    /// is closed. False if there is no such client.
    ///
    /// A client of the [server](crate#features) sees its connection end without a word, as when a server is killed (C18), and will connect again.
    pub fn kick(&self, client: ClientId) -> bool {
        let found = self.shared.connections.lock().get(&client).and_then(Weak::upgrade);
        let Some(connection) = found.filter(|found| found.phase() != Phase::Closed) else { return false };
        match &connection.options.on_kick {
            Some(cut) => drop(self.shared.reporter().contain(UserCode::KickHook, || cut())),
            None => connection.close(CloseReason::ClientClosed),
        }
        true
    }

    /// All counters of the bus in one snapshot.
    ///
    /// The ledger in it balances by construction. While others publish or receive, a message under way may be in it or not.
    /// Blocking: the locks of the ledger, the list of connections and each connection's list of subscriptions. It visits every
    /// subscription, 256 at most under one hold of these locks. A subscription that ends
    /// meanwhile counts once; one that begins meanwhile may be in it or not.
    pub fn stats(&self) -> BusStats {
        self.shared.stats()
    }

    /// For a part of a program that calls others' code on behalf of this bus: a panic of that code is caught, counted in
    /// [`BusStats::panics`] and told as an event, as for code that the bus calls itself (G9).
    pub fn reporter(&self) -> Reporter {
        self.shared.reporter()
    }

    /// The limits it was built with.
    pub fn limits(&self) -> &Limits {
        &self.shared.account.limits
    }

    /// The clock it was built with.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// A number that tells this bus from all others, in this process and elsewhere: 64 random bits, drawn when it was built, whatever its
    /// seed. Nothing that the bus does depends on it.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// 64 random bits that follow from the bus's seed, if it was given one, and from how often this was called before (G7): for parts
    /// of a program whose choices are to repeat with those of the bus. Without a seed, those that were seen do not tell the others.
    pub fn random(&self) -> u64 {
        self.shared.secret.number(inbox::Use::Random.of(0), self.shared.drawn.fetch_add(1, Ordering::Relaxed))
    }

    /// The bus's activity, if it has an [observer](BusBuilder::observer).
    pub fn activity(&self) -> Option<&Activity> {
        self.shared.observed.as_ref().map(|observed| &observed.activity)
    }

    /// Whether a subscription matches `subject`. Not checked: text that is not a valid subject has no
    /// interest.
    pub fn has_interest(&self, subject: impl ToSubject) -> bool {
        self.shared.has_interest(subject.as_str(), false)
    }

    /// Watches which subscriptions share a subject with `pattern`: those that are in force when this returns, and those that come later.
    ///
    /// This visits the subscriptions there are, as [`Matcher::overlapping`](crate::Matcher::overlapping) does; afterwards each one that
    /// begins or ends is counted when it does.
    ///
    /// # Errors
    ///
    /// Those of [`Pattern::new`](crate::Pattern::new).
    pub fn interest(&self, pattern: impl ToPattern) -> Result<InterestWatcher, SubjectError> {
        Ok(InterestWatcher::new(self.shared.clone(), pattern.into_pattern()?))
    }

    /// Drains all clients and then closes the bus; see [`Client::drain`]. Connections made from now on are closed.
    pub fn drain(&self) -> Drain {
        self.shared.phase.fetch_max(Phase::Draining as u8, Ordering::SeqCst);
        let connections = self.shared.connections();
        connections.iter().for_each(|connection| connection.drain());
        self.shared.finish_drain();
        Drain::bus(self.shared.clone(), connections)
    }

    /// Ends all subscriptions and fails all that comes later. Queued messages can still be received.
    /// Idempotent.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Waits until the bus is closed without blocking a thread: for parts of a program that end with it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::Bus;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let bus = Bus::new();
    /// let mut closed = std::pin::pin!(bus.closed());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(closed.as_mut().poll(&mut cx), Poll::Pending);
    /// bus.close();
    /// assert_eq!(closed.as_mut().poll(&mut cx), Poll::Ready(()));
    /// ```
    pub fn closed(&self) -> Closed {
        Closed::new(self.shared.clone())
    }

    /// Whether the bus was closed.
    pub fn is_closed(&self) -> bool {
        self.shared.phase() == Phase::Closed
    }
}

impl Default for Bus {
    fn default() -> Self {
        Bus::new()
    }
}

impl Shared {
    pub(crate) fn phase(&self) -> Phase {
        connection::phase_from(self.phase.load(Ordering::SeqCst))
    }

    /// Whether a publish there would find a subscription. The length is checked, since the matcher remembers a subject that it was
    /// asked about, which is then not checked again.
    pub(crate) fn has_interest(&self, subject: &str, lenient: bool) -> bool {
        let fits = subject.len() <= self.account.limits.max_subject_len;
        fits && (lenient || check_subject(subject).is_ok()) && self.account.matcher.has_interest(subject)
    }

    pub(crate) fn close(&self) {
        if self.phase.swap(Phase::Closed as u8, Ordering::SeqCst) == Phase::Closed as u8 {
            return;
        }
        for connection in self.connections() {
            connection.close(CloseReason::BusClosed);
        }
        self.schedule.close();
        self.hub.close();
        self.watches.close();
        self.ended.wake_all();
    }

    /// A connection was closed.
    pub(crate) fn one_closed(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.finish_drain();
    }

    /// Closes a draining bus once all its connections are closed.
    fn finish_drain(&self) {
        // ORDERING: SeqCst; of the last close and the begin of a drain, the later sees both.
        if self.open.load(Ordering::SeqCst) == 0 && self.phase() == Phase::Draining {
            self.close();
        }
    }

    /// The connections there are now; dropped by the caller with no lock held.
    fn connections(&self) -> Vec<Arc<Connection>> {
        self.connections.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// The first connection whose number is `from` or more; without it if its end has begun.
    fn connection_from(&self, from: ClientId) -> Option<(ClientId, Option<Arc<Connection>>)> {
        self.connections.lock().range(from..).next().map(|(id, connection)| (*id, connection.upgrade()))
    }

    /// The subscriptions of a connection; dropped by the caller with no lock held.
    fn subscriptions_of(&self, id: ClientId) -> Vec<Arc<Subscription>> {
        let connection = self.connections.lock().get(&id).and_then(Weak::upgrade);
        connection.map(|connection| connection.subscriptions()).unwrap_or_default()
    }

    /// See [`Connection::end`].
    pub(crate) fn end(&self, subscription: &Subscription, reason: CloseReason) -> bool {
        if reason == CloseReason::Drained {
            self.tell_draining(subscription);
        }
        if !subscription.outlet.close(reason) {
            return false;
        }
        if let Some(connection) = subscription.connection() {
            connection.ended();
        }
        drop(self.account.matcher.remove(&subscription.pattern, subscription.entry));
        self.watches.ended(subscription);
        if let Some(episode) = subscription.outlet.mailbox_if_any().and_then(|mailbox| mailbox.recover()) {
            self.hub.tell_episode(subscription.info(), &episode);
        }
        if let Some(observed) = &self.observed {
            observed.tell(|observer| observer.ended(&subscription.info(), reason));
        }
        if matches!(reason, CloseReason::SlowConsumer | CloseReason::Disconnected | CloseReason::PermissionDenied) {
            self.hub.tell(|| Event::SubscriptionClosed { subscription: subscription.info(), reason });
        }
        if subscription.is_abandoned() {
            // It was detached: there is no handle whose drop enters its counts.
            self.retire(subscription);
        }
        true
    }

    /// Enters the counts of a subscription into the past, if nothing can change them any more.
    pub(crate) fn retire(&self, subscription: &Subscription) {
        let connection = subscription.connection();
        let mut past = self.account.past.lock();
        if subscription.may_retire() {
            let ledger = subscription.outlet.seal().into();
            past.enter(Some(subscription.place()), Totals { ledger, ..Totals::default() });
            if let Some(connection) = &connection {
                connection.released(subscription.slot);
            }
        }
        drop(past);
    }

    /// For the drop of a connection.
    pub(crate) fn forget_connection(&self, id: ClientId, totals: impl FnOnce() -> Totals) {
        let mut past = self.account.past.lock();
        past.enter(Some(Place::of_connection(id.get())), totals());
        self.connections.lock().remove(&id);
    }
}
