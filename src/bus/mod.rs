//! The door to a bus: handles only.
//!
//! | file | reason to change |
//! |---|---|
//! | `mod` | [`Bus`] |
//! | `builder` | the options of a bus |
//! | `closed` | waiting for the end |
//! | `interest` | the handle of a watch for interest |
//! | `time` | waits and tasks by the bus's clock |

mod builder;
mod closed;
mod interest;
#[cfg(all(test, not(postroom_shuttle)))]
mod tests;
mod time;

pub use builder::BusBuilder;
pub use closed::Closed;
pub use interest::{InterestChanged, InterestWatcher, PatternInterest};

use crate::activity::Activity;
use crate::broker::{Broker, BusStats, bus_stats};
use crate::client::{Client, Drain};
use crate::connection::ConnectOptions;
use crate::delivery::{EventSender, EventStream};
use crate::id::ClientId;
use crate::limits::Limits;
#[cfg(feature = "jetstream")]
use crate::observe::StreamSteps;
use crate::rng::Use;
use crate::services::{Event, Phase};
use crate::subject::{SubjectError, ToPattern, ToSubject};
use crate::sync::atomic::Ordering;
use crate::time::Clock;
use crate::user_code::Reporter;
use std::sync::Arc;

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
    pub(crate) broker: Arc<Broker>,
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
        Client::new(self.broker.clone(), self.broker.connect(options))
    }

    /// A stream of what happens on the bus from now on.
    pub fn events(&self) -> EventStream<Event> {
        self.broker.services.events.listen()
    }

    /// A source of events of another kind, for parts of a program that are linked to the bus, as a bridge is. Each stream keeps at most
    /// `capacity` unread events, 1 at the least, and waits by the bus's clock.
    pub fn event_sender<E>(&self, capacity: usize) -> EventSender<E> {
        EventSender::new(capacity, self.broker.services.timers.clone())
    }

    /// Cuts off a client, as the operator of a server does: its hook is called if it has one ([`ConnectOptions::on_kick`]); else it
    /// is closed. False if there is no such client.
    ///
    /// A client of the [server](crate#features) sees its connection end without a word, as when a server is killed (C18), and will connect again.
    pub fn kick(&self, client: ClientId) -> bool {
        self.broker.kick(client)
    }

    /// All counters of the bus in one snapshot.
    ///
    /// The ledger in it balances by construction. While others publish or receive, a message under way may be in it or not.
    /// Blocking: the locks of the ledger, the list of connections and each connection's list of subscriptions. It visits every
    /// subscription, 256 at most under one hold of these locks. A subscription that ends
    /// meanwhile counts once; one that begins meanwhile may be in it or not.
    pub fn stats(&self) -> BusStats {
        bus_stats(&self.broker)
    }

    /// For a part of a program that calls others' code on behalf of this bus: a panic of that code is caught, counted in
    /// [`Traffic::panics`](crate::stats::Traffic::panics) and told as an event, as for code that the bus calls itself (G9).
    pub fn reporter(&self) -> Reporter {
        self.broker.services.reporter()
    }

    /// The limits it was built with.
    pub fn limits(&self) -> &Limits {
        &self.broker.account.limits
    }

    /// The clock it was built with.
    pub fn clock(&self) -> &Clock {
        &self.broker.services.clock
    }

    /// A number that tells this bus from all others, in this process and elsewhere: 64 random bits, drawn when it was built, whatever its
    /// seed. Nothing that the bus does depends on it.
    pub fn id(&self) -> u64 {
        self.broker.services.bus_id
    }

    /// 64 random bits that follow from the bus's seed, if it was given one, and from how often this was called before (G7): for parts
    /// of a program whose choices are to repeat with those of the bus. Without a seed, those that were seen do not tell the others.
    pub fn random(&self) -> u64 {
        let services = &self.broker.services;
        services.secret.number(Use::Random.of(0), services.drawn.fetch_add(1, Ordering::Relaxed))
    }

    /// The bus's activity, if it has an [observer](BusBuilder::observer).
    pub fn activity(&self) -> Option<&Activity> {
        self.broker.services.probe.activity()
    }

    /// Whether the [observer](BusBuilder::observer) wants to know what JetStream servers do; see
    /// [`Observer::watches_streams`](crate::observe::Observer::watches_streams).
    #[cfg(feature = "jetstream")]
    pub fn watches_streams(&self) -> bool {
        self.broker.services.probe.watches_streams()
    }

    /// Tells the [observer](BusBuilder::observer) what a JetStream server did to a stream. Call it with no lock held.
    #[cfg(feature = "jetstream")]
    pub fn tell_stream_steps(&self, steps: &StreamSteps<'_>) {
        self.broker.services.probe.emit_stream_steps(steps);
    }

    /// Whether a subscription matches `subject`. Not checked: text that is not a valid subject has no
    /// interest.
    pub fn has_interest(&self, subject: impl ToSubject) -> bool {
        self.broker.account.has_interest(subject.as_str(), false)
    }

    /// Watches which subscriptions share a subject with `pattern`: those that are in force when this returns, and those that come later.
    ///
    /// This visits the subscriptions there are, as [`Matcher::overlapping`](crate::matcher::Matcher::overlapping) does; afterwards each one that
    /// begins or ends is counted when it does.
    ///
    /// # Errors
    ///
    /// Those of [`Pattern::new`](crate::Pattern::new).
    pub fn interest(&self, pattern: impl ToPattern) -> Result<InterestWatcher, SubjectError> {
        Ok(InterestWatcher::new(self.broker.clone(), pattern.into_pattern()?))
    }

    /// Drains all clients and then closes the bus; see [`Client::drain`]. Connections made from now on are closed.
    pub fn drain(&self) -> Drain {
        Drain::bus(self.broker.clone(), self.broker.drain())
    }

    /// Ends all subscriptions and fails all that comes later. Queued messages can still be received.
    /// Idempotent.
    pub fn close(&self) {
        self.broker.close();
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
        Closed::new(self.broker.clone())
    }

    /// Whether the bus was closed.
    pub fn is_closed(&self) -> bool {
        self.broker.services.life.phase.get() == Phase::Closed
    }
}

impl Default for Bus {
    fn default() -> Self {
        Bus::new()
    }
}
