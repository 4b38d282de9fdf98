//! The stream of events, for threads and tasks.

use super::budget::Budget;
use super::callbacks;
use super::event_queue::Listener;
use super::wait_list::WaiterKey;
use crate::time::{Sleep, Timers};
use futures_core::Stream;
use futures_core::stream::FusedStream;
use std::fmt;
use std::iter::FusedIterator;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A stream of events from its creation on, such as the [`Event`](crate::Event)s of a bus; several streams of one source each get all of them.
///
/// Holds a bounded number of unread events, for those of a bus [`Limits::events_capacity`](crate::Limits::events_capacity): when there are more,
/// the oldest go and are counted in [`EventStream::missed`].
///
/// It serves threads ([`recv`](EventStream::recv), [`try_recv`](EventStream::try_recv), [`recv_timeout`](EventStream::recv_timeout),
/// `for event in &events`) and tasks ([`recv_async`](EventStream::recv_async), [`recv_timeout_async`](EventStream::recv_timeout_async),
/// [`Stream`]). All of them give `None` once the source is closed and all events were read. After 128 events in a row the forms for tasks are
/// pending once and wake the task at once, so that an executor's other tasks have their turn.
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
pub struct EventStream<E> {
    listener: Arc<Listener<E>>,
    timers: Arc<Timers>,
    /// The place of the `Stream`. Made on first use.
    key: Option<WaiterKey>,
    /// The `Stream` has given `None`.
    is_over: bool,
    /// The budget of its tasks.
    budget: Budget,
}

impl<E> EventStream<E> {
    pub(super) fn new(listener: Arc<Listener<E>>, timers: Arc<Timers>) -> Self {
        EventStream { listener, timers, key: None, is_over: false, budget: Budget::default() }
    }

    /// Blocks until there is an event; `None` once the source is closed and all were read.
    pub fn recv(&self) -> Option<E> {
        self.listener.arrived.block(&self.timers, None, || self.listener.next_or_end())?
    }

    /// The next event, if there is one now.
    pub fn try_recv(&self) -> Option<E> {
        self.listener.next_or_end()?
    }

    /// As [`EventStream::recv`], for at most `timeout` on the bus's clock; `None` also when the time is up.
    pub fn recv_timeout(&self, timeout: Duration) -> Option<E> {
        let deadline = self.timers.deadline(timeout);
        self.listener.arrived.block(&self.timers, deadline, || self.listener.next_or_end())?
    }

    /// As [`EventStream::recv`], without blocking a thread.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn recv_async(&self) -> impl Future<Output = Option<E>> + Send + Unpin + '_
    where
        E: Send,
    {
        Recv { events: self, key: WaiterKey::default() }
    }

    /// As [`EventStream::recv_timeout`], without blocking a thread. The time counts from this call.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn recv_timeout_async(&self, timeout: Duration) -> impl Future<Output = Option<E>> + Send + Unpin + '_
    where
        E: Send,
    {
        let mut next = self.recv_async();
        let mut over = Sleep::new(self.timers.clone(), self.timers.deadline(timeout));
        std::future::poll_fn(move |cx| match Pin::new(&mut next).poll(cx) {
            Poll::Pending => Pin::new(&mut over).poll(cx).map(|()| None),
            next => next,
        })
    }

    /// Events that were dropped unread because there were too many.
    pub fn missed(&self) -> u64 {
        self.listener.missed()
    }

    fn poll_recv(&self, key: &mut WaiterKey, cx: &mut Context<'_>) -> Poll<Option<E>> {
        self.budget.poll(cx, |cx| callbacks::poll(|| self.poll_once(key, cx)))
    }

    fn poll_once(&self, key: &mut WaiterKey, cx: &mut Context<'_>) -> Poll<Option<E>> {
        if let Some(next) = self.listener.next_or_end() {
            self.listener.arrived.leave(key);
            return Poll::Ready(next);
        }
        self.listener.arrived.register(key, cx.waker(), self.timers.reporter());
        // It may have come before there was a waker to wake.
        match self.listener.next_or_end() {
            Some(next) => {
                self.listener.arrived.leave(key);
                Poll::Ready(next)
            }
            None => Poll::Pending,
        }
    }
}

/// The future of [`EventStream::recv_async`].
struct Recv<'a, E> {
    events: &'a EventStream<E>,
    key: WaiterKey,
}

impl<E> Future for Recv<'_, E> {
    type Output = Option<E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Recv { events, key } = &mut *self;
        events.poll_recv(key, cx)
    }
}

impl<E> Drop for Recv<'_, E> {
    fn drop(&mut self) {
        self.events.listener.arrived.leave(&mut self.key);
    }
}

impl<E> Iterator for &EventStream<E> {
    type Item = E;

    fn next(&mut self) -> Option<E> {
        self.recv()
    }
}

impl<E> FusedIterator for &EventStream<E> {}

impl<E> Stream for EventStream<E> {
    type Item = E;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<E>> {
        let mut key = self.key.take().unwrap_or_else(WaiterKey::persistent);
        let next = self.poll_recv(&mut key, cx);
        self.key = Some(key);
        self.is_over |= matches!(next, Poll::Ready(None));
        next
    }
}

impl<E> FusedStream for EventStream<E> {
    fn is_terminated(&self) -> bool {
        self.is_over
    }
}

impl<E> Drop for EventStream<E> {
    fn drop(&mut self) {
        if let Some(mut key) = self.key.take() {
            self.listener.arrived.leave(&mut key);
        }
    }
}

impl<E> fmt::Debug for EventStream<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("missed", &self.missed()).finish_non_exhaustive()
    }
}
