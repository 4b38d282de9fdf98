//! The events of a bus: losses, ends and panics, coalesced and bounded.

use crate::delivery::{Budget, DroppedMessage, Episode, Place, WakeList, runner};
use crate::error::CloseReason;
use crate::id::ClientId;
use crate::observe::SubscriptionInfo;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, RwLock};
use crate::time::{Sleep, Timers};
use crate::user_code::UserCode;
use futures_core::Stream;
use futures_core::stream::FusedStream;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::iter::FusedIterator;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

/// Something that happened on a bus and that no return value tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A subscription lost messages because it was slower than its publishers.
    SlowConsumer(SlowConsumer),
    /// A subscription ended without its owner's doing: it was too slow, its channel's receiving end is gone, or it is no longer
    /// allowed.
    SubscriptionClosed {
        /// Which one.
        subscription: SubscriptionInfo,
        /// Why.
        reason: CloseReason,
    },
    /// A callback panicked; the message counts as delivered and the subscription stays in force.
    CallbackPanicked {
        /// The callback's subscription.
        subscription: SubscriptionInfo,
        /// The text of the panic; empty if it carries none.
        message: String,
    },
    /// Other code of a user's panicked; the work of the bus after it was done all the same.
    UserCodePanicked {
        /// Which code.
        code: UserCode,
        /// The text of the panic; empty if it carries none.
        message: String,
    },
    /// A client was refused an operation that its permissions, or rules for all lenient clients, do not allow (P4). Told once for
    /// each refusal.
    PermissionDenied {
        /// The client's number.
        client: ClientId,
        /// The client's name.
        name: Option<String>,
        /// The refused operation.
        denied: Denied,
    },
    /// A client was closed, or drained to the end.
    ClientClosed {
        /// Its number.
        client: ClientId,
        /// Its name.
        name: Option<String>,
    },
    /// The bus was closed: the last event.
    BusClosed,
}

/// An operation that a client was refused; see [`Event::PermissionDenied`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// Publishing (P3, S9).
    Publish {
        /// Where.
        subject: String,
    },
    /// Publishing with a reply that is reserved (S10).
    Reply {
        /// Which one.
        reply: String,
    },
    /// Subscribing, for requests as well (P5, P6). A subscription that was allowed before is an [`Event::SubscriptionClosed`] instead.
    Subscribe {
        /// To what.
        pattern: String,
        /// In which queue group.
        queue: Option<String>,
    },
}

/// One slow-consumer episode: all losses from the first one until half of the subscription's capacity is free again.
///
/// It is announced once, at its first loss, and grows until it is read. If it is read before its end (`ended` is false), it is
/// announced once more when it has ended, with the totals of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowConsumer {
    /// Which subscription.
    pub subscription: SubscriptionInfo,
    /// The first message lost.
    pub first: DroppedMessage,
    /// The last message lost so far.
    pub last: DroppedMessage,
    /// Messages lost so far in this episode.
    pub dropped: u64,
    /// Whether it is over.
    pub ended: bool,
}

/// A stream of [`Event`]s from its creation on; several streams of one bus each get all of them.
///
/// Holds at most [`Limits::events_capacity`](crate::Limits::events_capacity) unread events: when there are more, the oldest go
/// and are counted in [`Events::missed`].
///
/// It serves threads ([`recv`](Events::recv), [`try_recv`](Events::try_recv), [`recv_timeout`](Events::recv_timeout), `for event in &events`)
/// and tasks ([`recv_async`](Events::recv_async), [`recv_timeout_async`](Events::recv_timeout_async), [`Stream`]). All of them give `None`
/// once the bus is closed and all events were read. After 128 events in a row the forms for tasks are pending once and wake the task at once, so
/// that an executor's other tasks have their turn.
///
/// # Example
///
/// ```
/// use postroom::{Bus, Event, SubscribeOptions};
///
/// let bus = Bus::new();
/// let events = bus.events();
/// let client = bus.connect();
/// let slow = client.subscribe_with("a", SubscribeOptions::new().capacity(1))?;
/// for _ in 0..4 {
///     client.publish("a", "x")?;
/// }
/// let Some(Event::SlowConsumer(episode)) = events.try_recv() else { panic!("three were lost") };
/// assert_eq!((episode.dropped, episode.ended), (3, false));
/// # drop(slow);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the events go with the stream"]
pub struct Events {
    listener: Arc<Listener>,
    timers: Arc<Timers>,
    /// The place of the `Stream`. Made on first use.
    place: Option<Place>,
    /// The `Stream` has given `None`.
    is_over: bool,
    /// The budget of its tasks.
    budget: Budget,
}

struct Listener {
    unread: Mutex<Queue>,
    capacity: usize,
    missed: AtomicU64,
    arrived: WakeList,
    // ORDERING of `ended`: SeqCst; set before the wake-up, read after registering.
    ended: AtomicBool,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Unread>,
    /// The episodes among them, by their address: each is there once at most.
    episodes: BTreeSet<usize>,
}

#[derive(Clone)]
enum Unread {
    Event(Event),
    Episode(SubscriptionInfo, Arc<Episode>),
}

impl Events {
    /// Blocks until there is an event; `None` once the bus is closed and all were read.
    pub fn recv(&self) -> Option<Event> {
        self.listener.arrived.block(&self.timers, None, || self.next_or_end())?
    }

    /// The next event, if there is one now.
    pub fn try_recv(&self) -> Option<Event> {
        let next = self.listener.unread.lock().pop()?;
        Some(next.read())
    }

    /// As [`Events::recv`], for at most `timeout` on the bus's clock; `None` also when the time is up.
    pub fn recv_timeout(&self, timeout: Duration) -> Option<Event> {
        let deadline = self.timers.deadline(timeout);
        self.listener.arrived.block(&self.timers, deadline, || self.next_or_end())?
    }

    /// As [`Events::recv`], without blocking a thread.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn recv_async(&self) -> impl Future<Output = Option<Event>> + Send + Unpin + '_ {
        Recv { events: self, place: Place::default() }
    }

    /// As [`Events::recv_timeout`], without blocking a thread. The time counts from this call.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn recv_timeout_async(&self, timeout: Duration) -> impl Future<Output = Option<Event>> + Send + Unpin + '_ {
        let mut next = self.recv_async();
        let mut over = Sleep::new(self.timers.clone(), self.timers.deadline(timeout));
        std::future::poll_fn(move |cx| match Pin::new(&mut next).poll(cx) {
            Poll::Pending => Pin::new(&mut over).poll(cx).map(|()| None),
            next => next,
        })
    }

    /// Events that were dropped unread because there were too many.
    pub fn missed(&self) -> u64 {
        self.listener.missed.load(Ordering::Relaxed)
    }

    fn next_or_end(&self) -> Option<Option<Event>> {
        // The flag first: what came before the end was queued before it was set.
        let ended = self.listener.ended.load(Ordering::SeqCst);
        match self.try_recv() {
            Some(event) => Some(Some(event)),
            None => ended.then_some(None),
        }
    }

    fn poll_recv(&self, place: &mut Place, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.budget.poll(cx, |cx| runner::poll(|| self.poll_once(place, cx)))
    }

    fn poll_once(&self, place: &mut Place, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(next) = self.next_or_end() {
            self.listener.arrived.leave(place);
            return Poll::Ready(next);
        }
        self.listener.arrived.register(place, cx.waker(), self.timers.reporter());
        // It may have come before there was a waker to wake.
        match self.next_or_end() {
            Some(next) => {
                self.listener.arrived.leave(place);
                Poll::Ready(next)
            }
            None => Poll::Pending,
        }
    }
}

/// The future of [`Events::recv_async`].
struct Recv<'a> {
    events: &'a Events,
    place: Place,
}

impl Future for Recv<'_> {
    type Output = Option<Event>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Recv { events, place } = &mut *self;
        events.poll_recv(place, cx)
    }
}

impl Drop for Recv<'_> {
    fn drop(&mut self) {
        self.events.listener.arrived.leave(&mut self.place);
    }
}

impl Iterator for &Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.recv()
    }
}

impl FusedIterator for &Events {}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut place = self.place.take().unwrap_or_else(Place::standing);
        let next = self.poll_recv(&mut place, cx);
        self.place = Some(place);
        self.is_over |= matches!(next, Poll::Ready(None));
        next
    }
}

impl FusedStream for Events {
    fn is_terminated(&self) -> bool {
        self.is_over
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if let Some(mut place) = self.place.take() {
            self.listener.arrived.leave(&mut place);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("missed", &self.missed()).finish_non_exhaustive()
    }
}

impl Unread {
    fn read(self) -> Event {
        let (subscription, episode) = match self {
            Unread::Event(event) => return event,
            Unread::Episode(subscription, episode) => (subscription, episode),
        };
        let crate::delivery::Losses { first, last, dropped, ended } = episode.losses();
        Event::SlowConsumer(SlowConsumer { subscription, first, last, dropped, ended })
    }
}

impl Queue {
    fn pop(&mut self) -> Option<Unread> {
        let next = self.events.pop_front()?;
        if let Unread::Episode(_, episode) = &next {
            self.episodes.remove(&address(episode));
        }
        Some(next)
    }

    fn push(&mut self, unread: Unread) {
        if let Unread::Episode(_, episode) = &unread {
            self.episodes.insert(address(episode));
        }
        self.events.push_back(unread);
    }
}

/// Names an episode while it is kept.
fn address(episode: &Arc<Episode>) -> usize {
    Arc::as_ptr(episode) as usize
}

impl Listener {
    /// Adds an event, unless it is the end of an episode whose beginning is unread: that tells the end as well.
    fn push(&self, unread: Unread) {
        let pushed_out = {
            let mut queue = self.unread.lock();
            if let Unread::Episode(_, episode) = &unread
                && queue.episodes.contains(&address(episode))
            {
                return;
            }
            let is_full = queue.events.len() == self.capacity;
            let pushed_out = if is_full { queue.pop() } else { None };
            queue.push(unread);
            pushed_out
        };
        if pushed_out.is_some() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
        if !self.arrived.is_idle() {
            self.arrived.wake_one();
        }
    }
}

/// The listeners to a bus's events; it costs nothing while there are none.
#[derive(Default)]
pub(crate) struct EventSender {
    listeners: RwLock<Vec<Weak<Listener>>>,
    closed: AtomicBool,
}

impl EventSender {
    pub(crate) fn listen(&self, capacity: usize, timers: Arc<Timers>) -> Events {
        let listener = Arc::new(Listener {
            unread: Mutex::default(),
            capacity,
            missed: AtomicU64::new(0),
            arrived: WakeList::default(),
            ended: AtomicBool::new(false),
        });
        let mut listeners = self.listeners.write();
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(&listener));
        listener.ended.store(self.closed.load(Ordering::SeqCst), Ordering::SeqCst);
        drop(listeners);
        Events { listener, timers, place: None, is_over: false, budget: Budget::default() }
    }

    pub(crate) fn emit(&self, event: impl FnOnce() -> Event) {
        let listeners = self.listening();
        if !listeners.is_empty() {
            let event = event();
            listeners.iter().for_each(|listener| listener.push(Unread::Event(event.clone())));
        }
    }

    /// An episode has begun or ended; of its end, only the listeners are told that have read of its
    /// beginning.
    pub(crate) fn emit_episode(&self, subscription: SubscriptionInfo, episode: &Arc<Episode>) {
        for listener in self.listening() {
            listener.push(Unread::Episode(subscription.clone(), episode.clone()));
        }
    }

    /// The last event, and then the end of all streams.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for listener in self.listening() {
            listener.push(Unread::Event(Event::BusClosed));
            listener.ended.store(true, Ordering::SeqCst);
            listener.arrived.wake_all();
        }
    }

    /// Copied out, so that no lock is held while wakers run.
    fn listening(&self) -> Vec<Arc<Listener>> {
        self.listeners.read().iter().filter_map(Weak::upgrade).collect()
    }
}

impl fmt::Debug for EventSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSender").field("listeners", &self.listening().len()).finish()
    }
}
