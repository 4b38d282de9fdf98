//! The events of a bridge.

use super::stats::LossReason;
use crate::Bus;
use crate::sync::Mutex;
use crate::user_code::UserWaker;
use futures_core::Stream;
use futures_core::stream::FusedStream;
use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

/// Unread events that a stream keeps; of more the oldest go.
const CAPACITY: usize = 1_024;

/// Something that happened to a bridge and that no return value tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BridgeEvent {
    /// It is connected, its subscriptions are there, and messages flow.
    Connected {
        /// The server's id.
        server_id: String,
        /// Its address, without user and password.
        server: String,
    },
    /// The connection was lost; it will be made again.
    Disconnected,
    /// An attempt to connect failed: the server could not be reached, or did not let the bridge in. More attempts follow. Not every
    /// failure since the connection was lost is told: the 1st, 2nd, 4th, 8th and so on, and each with a new reason, up to 64
    /// reasons.
    ConnectFailed {
        /// Attempts that failed since the connection was lost, or since the bridge was started.
        attempts: u32,
        /// The server that was tried, and the words of the server or of the client library.
        reason: String,
    },
    /// Messages were lost, or may have been.
    Lost(LossEpisode),
    /// The server does not let the bridge publish or subscribe there.
    Denied {
        /// Whether it was a subscription.
        subscribe: bool,
        /// The subject or pattern on the server.
        subject: String,
    },
    /// Something else that the server complained of.
    ServerError {
        /// In its words.
        text: String,
    },
    /// The server can't confirm messages, since permissions keep the bridge from asking: a message counts as delivered when it
    /// is written.
    Unconfirmable,
    /// The bridge was closed, or drained to the end: the last event.
    Closed,
}

/// Messages of one direction lost for one reason, from the first loss until the buffer is half empty again or, for other reasons than
/// a full buffer, until the event is read.
///
/// It is announced at its first loss and grows until it is read. If it is read before its end (`ended` is false), it is
/// announced once more when it has ended, with the totals of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LossEpisode {
    /// Which way the messages went.
    pub direction: Direction,
    /// Why they were lost.
    pub reason: LossReason,
    /// The first one.
    pub first: LostMessage,
    /// The last one so far.
    pub last: LostMessage,
    /// How many so far.
    pub count: u64,
    /// Whether it is over.
    pub ended: bool,
}

/// A message that was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostMessage {
    /// Its subject on the side it came from.
    pub subject: String,
    /// Bytes of payload and headers.
    pub size: usize,
    /// When, on the bus's clock.
    pub at: Duration,
}

/// A way that messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a bridge has two ends")]
pub enum Direction {
    /// From the bus to the server.
    Outgoing,
    /// From the server to the bus.
    Incoming,
}

/// A stream of [`BridgeEvent`]s from its creation on; several streams of one bridge each get all of them.
///
/// Holds at most 1,024 unread events: when there are more, the oldest go and are counted in [`BridgeEvents::missed`]. It is received from
/// as [`Events`](crate::event::Events) are; all forms give `None` once the bridge is closed and all events were read.
#[must_use = "the events go with the stream"]
pub struct BridgeEvents {
    listener: Arc<Listener>,
    bus: Bus,
    /// The `Stream` has given `None`.
    is_elapsed: bool,
}

#[derive(Default)]
struct Listener(Mutex<Unread>);

#[derive(Default)]
struct Unread {
    events: VecDeque<Entry>,
    missed: u64,
    ended: bool,
    wakers: Vec<UserWaker>,
}

enum Entry {
    Event(BridgeEvent),
    Episode(Arc<Episode>),
}

/// An episode under way: it grows in place, also after it has been announced.
pub(super) type Episode = Mutex<LossEpisode>;

impl BridgeEvents {
    /// Blocks until there is an event; `None` once the bridge is closed and all were read.
    pub fn recv(&self) -> Option<BridgeEvent> {
        super::wait::block_on(self.recv_async())
    }

    /// The next event, if there is one now.
    pub fn try_recv(&self) -> Option<BridgeEvent> {
        let entry = self.listener.0.lock().events.pop_front()?;
        Some(entry.read())
    }

    /// As [`BridgeEvents::recv`], for at most `timeout` on the bus's clock; `None` also when the time is up.
    pub fn recv_timeout(&self, timeout: Duration) -> Option<BridgeEvent> {
        super::wait::block_on(self.recv_timeout_async(timeout))
    }

    /// As [`BridgeEvents::recv`], without blocking a thread.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn recv_async(&self) -> impl Future<Output = Option<BridgeEvent>> + Send + Unpin + '_ {
        std::future::poll_fn(|cx| self.poll(cx))
    }

    /// As [`BridgeEvents::recv_timeout`], without blocking a thread. The time counts from this call.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn recv_timeout_async(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Option<BridgeEvent>> + Send + Unpin + '_ {
        let mut over = self.bus.sleep(timeout);
        std::future::poll_fn(move |cx| match self.poll(cx) {
            Poll::Pending => Pin::new(&mut over).poll(cx).map(|()| None),
            next => next,
        })
    }

    /// Events that were dropped unread because there were too many.
    pub fn missed(&self) -> u64 {
        self.listener.0.lock().missed
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<BridgeEvent>> {
        // Cloned before the lock, and dropped after if it is not needed: wakers are a user's code.
        let waker = UserWaker::new(cx.waker(), self.bus.reporter());
        let mut unread = self.listener.0.lock();
        let next = unread.events.pop_front();
        if next.is_some() || unread.ended {
            drop(unread);
            return Poll::Ready(next.map(Entry::read));
        }
        if !unread.wakers.iter().any(|known| known.wakes_the_same(&waker)) {
            unread.wakers.push(waker);
            return Poll::Pending;
        }
        drop(unread);
        Poll::Pending
    }
}

impl Stream for BridgeEvents {
    type Item = BridgeEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<BridgeEvent>> {
        let next = self.poll(cx);
        self.is_elapsed |= matches!(next, Poll::Ready(None));
        next
    }
}

impl FusedStream for BridgeEvents {
    fn is_terminated(&self) -> bool {
        self.is_elapsed
    }
}

impl Iterator for &BridgeEvents {
    type Item = BridgeEvent;

    fn next(&mut self) -> Option<BridgeEvent> {
        self.recv()
    }
}

impl FusedIterator for &BridgeEvents {}

impl fmt::Debug for BridgeEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BridgeEvents").field("missed", &self.missed()).finish_non_exhaustive()
    }
}

impl Entry {
    fn read(self) -> BridgeEvent {
        match self {
            Entry::Event(event) => event,
            Entry::Episode(episode) => BridgeEvent::Lost(episode.lock().clone()),
        }
    }
}

impl Listener {
    /// Gives back the wakers that are to be woken once no lock is held.
    fn push(&self, entry: Entry, last: bool) -> Vec<UserWaker> {
        let mut unread = self.0.lock();
        if unread.ended {
            return Vec::new();
        }
        if unread.events.len() == CAPACITY {
            unread.events.pop_front();
            unread.missed += 1;
        }
        unread.events.push_back(entry);
        unread.ended = last;
        std::mem::take(&mut unread.wakers)
    }

    fn has_unread(&self, wanted: &Arc<Episode>) -> bool {
        let unread = self.0.lock();
        unread.events.iter().any(|entry| matches!(entry, Entry::Episode(episode) if Arc::ptr_eq(episode, wanted)))
    }
}

/// Where events go to. Must not be told anything while a lock is held: it wakes tasks of users.
#[derive(Default)]
pub(super) struct Hub {
    listeners: Mutex<Vec<Weak<Listener>>>,
}

impl Hub {
    pub(super) fn listen(&self, bus: &Bus, ended: bool) -> BridgeEvents {
        let listener = Arc::new(Listener::default());
        listener.0.lock().ended = ended;
        let mut listeners = self.listeners.lock();
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(&listener));
        BridgeEvents { listener, bus: bus.clone(), is_elapsed: false }
    }

    pub(super) fn tell(&self, event: BridgeEvent) {
        let last = event == BridgeEvent::Closed;
        for listener in self.listening() {
            listener.push(Entry::Event(event.clone()), last).into_iter().for_each(UserWaker::wake);
        }
    }

    /// An episode has begun or ended; of its end, only the listeners are told that have read of its
    /// beginning.
    pub(super) fn tell_episode(&self, episode: &Arc<Episode>) {
        let ended = episode.lock().ended;
        for listener in self.listening() {
            if !(ended && listener.has_unread(episode)) {
                listener.push(Entry::Episode(episode.clone()), false).into_iter().for_each(UserWaker::wake);
            }
        }
    }

    fn listening(&self) -> Vec<Arc<Listener>> {
        self.listeners.lock().iter().filter_map(Weak::upgrade).collect()
    }
}
