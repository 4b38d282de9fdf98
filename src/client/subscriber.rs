//! Receiving: one handle for threads and tasks.

use super::drain::Drain;
use crate::account::{Awaited, Ledger, Subscription, watchdog};
use crate::activity::ActivityGuard;
use crate::connection::Connection;
use crate::delivery::{Budget, WaiterKey, callbacks};
use crate::error::{CloseReason, RecvError, RecvTimeoutError, TryRecvError};
use crate::id::SubscriptionId;
use crate::message::{Message, Trace};
use crate::subject::Pattern;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, yield_now};
use crate::time::Sleep;
use crate::user_code::UserCode;
use futures_core::Stream;
use futures_core::stream::FusedStream;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A subscription with a queue, and the handle to take messages from it.
///
/// It serves threads ([`recv`](Subscriber::recv), [`try_recv`](Subscriber::try_recv),
/// [`recv_timeout`](Subscriber::recv_timeout), [`iter`](Subscriber::iter)) and tasks on any executor
/// ([`recv_async`](Subscriber::recv_async), [`recv_timeout_async`](Subscriber::recv_timeout_async), [`stream`](Subscriber::stream),
/// [`Stream`]), also several at once: each message goes to one of them.
///
/// **Promised.** Messages of one publisher's thread come in the order in which they were published (G3). Whatever was let in can
/// still be received after the subscription has ended. **Not promised:** any order between publishers.
///
/// Dropping it unsubscribes; what is queued is counted as [`DropReason::Discarded`](crate::stats::DropReason::Discarded).
#[must_use = "dropping it unsubscribes"]
pub struct Subscriber {
    subscription: Arc<Subscription>,
    connection: Arc<Connection>,
    /// The waiter of the `Stream`. Made on first use, so that an idle subscription stays small.
    key: Option<Box<WaiterKey>>,
    /// The `Stream` has given `None`.
    is_elapsed: bool,
    /// On a bus that is observed: it gave something to a task that has not asked again.
    lent: Lent,
    /// The cooperative budget of its tasks.
    budget: Budget,
}

/// Counts the subscriber as busy from when it gave a task something until it is asked for more.
#[derive(Default)]
struct Lent {
    // ORDERING: Relaxed; spares buses without an observer the lock, and coherence shows it to the thread that
    // asks again.
    is_lent: AtomicBool,
    hold: Mutex<Option<ActivityGuard>>,
}

impl Subscriber {
    pub(super) fn new(subscription: Arc<Subscription>, connection: Arc<Connection>) -> Self {
        Subscriber {
            subscription,
            connection,
            key: None,
            is_elapsed: false,
            lent: Lent::default(),
            budget: Budget::default(),
        }
    }

    /// Blocks until there is a message.
    ///
    /// # Errors
    ///
    /// [`RecvError`] once the subscription has ended and its queue is empty.
    #[inline]
    pub fn recv(&self) -> Result<Message, RecvError> {
        match self.take() {
            Some(message) => {
                self.note_given(&message);
                Ok(message)
            }
            None => self.wait(None).map_err(|error| match error {
                RecvTimeoutError::Closed(reason) => RecvError { reason },
                RecvTimeoutError::Timeout => unreachable!("there was no limit"),
            }),
        }
    }

    /// A message, if there is one now.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if there is none yet, [`TryRecvError::Closed`] if none will come any more.
    #[inline]
    pub fn try_recv(&self) -> Result<Message, TryRecvError> {
        // Written out here and in `take`: a message that goes through one function more is moved once more, which costs 20 ns.
        if let Some(queue) = self.subscription.target.queue_if_any()
            && let Some(mut message) = queue.take()
        {
            if message.is_full() {
                self.note_received(&mut message);
                self.note_given(&message);
            }
            return Ok(message);
        }
        Err(self.nothing())
    }

    /// Notes that this thread has it.
    fn note_given(&self, message: &Message) {
        if message.trace().is_some_and(Trace::counts) {
            self.connection.services.timers.mark_busy();
        }
    }

    /// For a message that can be answered, or that an observer knows.
    #[inline(never)]
    fn note_received(&self, message: &mut Message) {
        if let Some(trace) = message.trace() {
            self.connection.services.probe.emit_received(trace.id(), self.id());
        }
        message.received_by(|| Some(self.connection.clone()));
    }

    #[inline]
    fn take(&self) -> Option<Message> {
        let mut message = self.subscription.target.queue_if_any()?.take()?;
        if message.is_full() {
            self.note_received(&mut message);
        }
        Some(message)
    }

    #[cold]
    fn nothing(&self) -> TryRecvError {
        self.connection.services.timers.mark_idle();
        self.end()
    }

    /// Why there is nothing.
    fn end(&self) -> TryRecvError {
        self.ended().map_or(TryRecvError::Empty, TryRecvError::Closed)
    }

    /// Blocks until there is a message, at most for `timeout` on the bus's clock.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::Timeout`] when the time is up, [`RecvTimeoutError::Closed`] if no message will come any more.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message, RecvTimeoutError> {
        match self.take() {
            Some(message) => {
                self.note_given(&message);
                Ok(message)
            }
            None => self.wait(self.connection.services.timers.deadline(timeout)),
        }
    }

    /// Waits for a message without blocking a thread.
    ///
    /// # Errors
    ///
    /// As [`Subscriber::recv`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: a message is taken from the queue only when the future is ready with it.
    ///
    /// # Fairness
    ///
    /// After 128 messages in a row, by this and by the [`Stream`], it is pending once and wakes its task at once, so that the executor's other
    /// tasks have their turn.
    pub fn recv_async(&self) -> impl Future<Output = Result<Message, RecvError>> + Send + Unpin + '_ {
        Recv { subscriber: self, key: WaiterKey::default() }
    }

    /// Waits for a message without blocking a thread, at most for `timeout` on the bus's clock. The time counts from this call.
    ///
    /// # Errors
    ///
    /// As [`Subscriber::recv_timeout`].
    ///
    /// # Cancel safety
    ///
    /// As [`Subscriber::recv_async`].
    pub fn recv_timeout_async(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Result<Message, RecvTimeoutError>> + Send + Unpin + '_ {
        let timers = &self.connection.services.timers;
        let (mut next, mut over) = (self.recv_async(), Sleep::new(timers.clone(), timers.deadline(timeout)));
        std::future::poll_fn(move |cx| match Pin::new(&mut next).poll(cx) {
            Poll::Ready(next) => Poll::Ready(next.map_err(RecvTimeoutError::from)),
            Poll::Pending => Pin::new(&mut over).poll(cx).map(|()| Err(RecvTimeoutError::Timeout)),
        })
    }

    /// Its pattern.
    pub fn pattern(&self) -> &Pattern {
        &self.subscription.pattern
    }

    /// Its queue group.
    pub fn queue(&self) -> Option<&str> {
        self.subscription.queue.as_deref().map(|name| name.as_str())
    }

    /// Its number, unique on the bus; events name it.
    pub fn id(&self) -> SubscriptionId {
        self.subscription.id()
    }

    /// Why it has ended, if it has. Messages may still be queued.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.subscription.target.close_reason()
    }

    /// Messages queued now.
    pub fn len(&self) -> usize {
        self.subscription.target.queue_if_any().map_or(0, |queue| queue.pending().0)
    }

    /// Whether no message is queued now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ledger of its messages so far.
    pub fn ledger(&self) -> Ledger {
        self.subscription.target.counts().into()
    }

    /// Ends the interest: a publish that starts after this returned does not reach it (D1, G2). Queued messages can still be
    /// received.
    pub fn unsubscribe(&self) {
        self.connection.end(&self.subscription, CloseReason::Unsubscribed);
    }

    /// Lets it have `max` messages over its whole life, those before this call included, and then ends it; ends it now if that many
    /// have come already (D2). A later call replaces the number (D3). Messages that the policy dropped on arrival do not count.
    pub fn unsubscribe_after(&self, max: u64) {
        end_after(&self.connection, &self.subscription, max);
    }

    /// Ends the interest; [`Drain::wait`] tells when all that was queued has been received (D7).
    pub fn drain(&self) -> Drain {
        self.connection.end(&self.subscription, CloseReason::Drained);
        Drain::subscription(self.connection.clone(), self.subscription.clone())
    }

    fn wait(&self, deadline: Option<Duration>) -> Result<Message, RecvTimeoutError> {
        let (queue, timers) = (self.subscription.target.queue(), &self.connection.services.timers);
        let found = queue.receivers.block(timers, deadline, || {
            loop {
                // Not as `try_recv`, which takes it for a sign that the thread has come back if there is nothing.
                match self.take().ok_or_else(|| self.end()) {
                    Ok(message) => return Some(Ok(message)),
                    Err(TryRecvError::Closed(reason)) => return Some(Err(RecvTimeoutError::Closed(reason))),
                    // A message was let in and is just being put: its sender may have looked for waiters before we were one.
                    Err(TryRecvError::Empty) if queue.pending().0 > 0 => yield_now(),
                    Err(TryRecvError::Empty) => return None,
                }
            }
        });
        match found {
            Some(Ok(message)) => {
                match message.trace() {
                    Some(trace) if trace.counts() => timers.mark_busy(),
                    // It counts if it had to wait; but what an untracked connection receives does not.
                    Some(_) => timers.mark_idle(),
                    None => {}
                }
                Ok(message)
            }
            Some(Err(end)) => {
                // Nothing was given to it, and what it was given before it is done with.
                timers.mark_idle();
                Err(end)
            }
            None => Err(RecvTimeoutError::Timeout),
        }
    }

    /// Ready with a message or the end; else leaves the task's waker in `place`.
    pub(super) fn poll_recv(&self, key: &mut WaiterKey, cx: &mut Context<'_>) -> Poll<Result<Message, RecvError>> {
        self.lent.give_back();
        self.budget.poll(cx, |cx| callbacks::poll(|| self.poll_once(key, cx)))
    }

    fn poll_once(&self, key: &mut WaiterKey, cx: &mut Context<'_>) -> Poll<Result<Message, RecvError>> {
        let attempt = || match self.take().ok_or_else(|| self.end()) {
            Ok(message) => {
                if message.trace().is_some_and(Trace::counts) {
                    let probe = &self.connection.services.probe;
                    self.lent.lend(probe.begin_subscriber(self.id(), self.pattern()));
                }
                Poll::Ready(Ok(message))
            }
            Err(TryRecvError::Closed(reason)) => Poll::Ready(Err(RecvError { reason })),
            Err(TryRecvError::Empty) => Poll::Pending,
        };
        let mut found = attempt();
        if found.is_pending() {
            let queue = self.subscription.target.queue();
            let reporter = self.connection.services.reporter();
            let timers = &self.connection.services.timers;
            let watchdog = || watchdog(timers, &self.subscription, Awaited::Message);
            queue.receivers.register_watched(key, cx.waker(), reporter, watchdog);
            found = attempt();
            if found.is_pending() && queue.pending().0 > 0 {
                // As in `wait`; a task looks again at its next turn.
                reporter.contain(UserCode::Waker, || cx.waker().wake_by_ref());
            }
        }
        if found.is_ready() {
            self.leave(key);
        }
        found
    }

    /// Gives a place back; a wake-up that may have been for another is passed on.
    pub(super) fn leave(&self, key: &mut WaiterKey) {
        if let Some(queue) = self.subscription.target.queue_if_any()
            && queue.receivers.leave(key)
            && !queue.receivers.is_idle()
            && queue.pending().0 > 0
        {
            queue.receivers.wake_one();
        }
    }

    fn ended(&self) -> Option<CloseReason> {
        let reason = self.subscription.target.close_reason()?;
        if !self.subscription.target.is_ended() {
            return None;
        }
        // The last message of a draining connection may have been this one's.
        self.connection.finish_drain();
        Some(reason)
    }
}

pub(super) fn end_after(connection: &Connection, subscription: &Subscription, max: u64) {
    if max == 0 || !subscription.target.queue().end_after(max) {
        connection.end(subscription, CloseReason::LimitReached);
    }
}

impl Lent {
    #[cold]
    fn lend(&self, hold: Option<ActivityGuard>) {
        let before = std::mem::replace(&mut *self.hold.lock(), hold);
        self.is_lent.store(true, Ordering::Relaxed);
        drop(before);
    }

    #[inline]
    fn give_back(&self) {
        if self.is_lent.load(Ordering::Relaxed) {
            self.is_lent.store(false, Ordering::Relaxed);
            let hold = self.hold.lock().take();
            drop(hold);
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        if let Some(mut key) = self.key.take() {
            self.leave(&mut key);
        }
        self.connection.release(&self.subscription);
    }
}

impl Stream for Subscriber {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut key = self.key.take().unwrap_or_else(|| Box::new(WaiterKey::persistent()));
        let found = self.poll_recv(&mut key, cx);
        self.key = Some(key);
        self.is_elapsed |= matches!(found, Poll::Ready(Err(_)));
        found.map(Result::ok)
    }
}

impl FusedStream for Subscriber {
    fn is_terminated(&self) -> bool {
        self.is_elapsed
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("pattern", self.pattern())
            .field("queue", &self.queue())
            .field("stats", &self.ledger())
            .field("ended", &self.close_reason())
            .finish()
    }
}

/// The future of [`Subscriber::recv_async`].
struct Recv<'a> {
    subscriber: &'a Subscriber,
    key: WaiterKey,
}

impl Future for Recv<'_> {
    type Output = Result<Message, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Recv { subscriber, key } = &mut *self;
        subscriber.poll_recv(key, cx)
    }
}

impl Drop for Recv<'_> {
    fn drop(&mut self) {
        self.subscriber.leave(&mut self.key);
    }
}
