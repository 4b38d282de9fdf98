//! Waiting for the end of a drain.

use crate::account::Subscription;
use crate::broker::Broker;
use crate::connection::Connection;
use crate::delivery::{WaitList, WaiterKey, callbacks};
use crate::error::DrainTimeoutError;
use crate::services::{Phase, Services};
use crate::steps;
use futures_core::future::FusedFuture;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A drain under way; made by the `drain` methods of subscriber, guard, client and bus.
///
/// The drain has begun when this is returned, and continues whether or not it is waited for. It ends when every message that was
/// let in has been received (or its callback has returned), and, for a client or a bus, when no request waits for an answer (D7,
/// D8); the client or bus is closed then. Wait with [`wait`](Drain::wait), [`wait_timeout`](Drain::wait_timeout) or `.await`.
///
/// A callback must not wait for the drain of its own subscription: it would wait for itself.
#[must_use = "the drain goes on by itself; wait for it, or say `let _ =`"]
pub struct Drain {
    what: What,
    services: Arc<Services>,
}

enum What {
    Subscription(Arc<Connection>, Arc<Subscription>),
    Client(Arc<Connection>),
    /// Those before the number are done.
    Bus(Arc<Broker>, Vec<Arc<Connection>>, usize),
}

impl Drain {
    pub(crate) fn subscription(connection: Arc<Connection>, subscription: Arc<Subscription>) -> Self {
        Drain { services: connection.services.clone(), what: What::Subscription(connection, subscription) }
    }

    pub(crate) fn client(connection: Arc<Connection>) -> Self {
        Drain { services: connection.services.clone(), what: What::Client(connection) }
    }

    pub(crate) fn bus(broker: Arc<Broker>, connections: Vec<Arc<Connection>>) -> Self {
        Drain { services: broker.services.clone(), what: What::Bus(broker, connections, 0) }
    }

    /// Blocks until the drain has ended.
    pub fn wait(mut self) {
        // Without a limit there is no timeout to report.
        let _ = self.wait_until(None, Duration::ZERO);
    }

    /// Blocks until the drain has ended, at most for `timeout` on the bus's clock.
    ///
    /// # Errors
    ///
    /// [`DrainTimeoutError`] when the time is up. The drain continues.
    pub fn wait_timeout(mut self, timeout: Duration) -> Result<(), DrainTimeoutError> {
        let deadline = self.services.timers.deadline(timeout);
        self.wait_until(deadline, timeout)
    }

    fn wait_until(&mut self, deadline: Option<Duration>, after: Duration) -> Result<(), DrainTimeoutError> {
        while let Some(busy) = self.busy() {
            let changed = busy.changes().block(&self.services.timers, deadline, || (!busy.is_busy()).then_some(()));
            if changed.is_none() {
                return Err(DrainTimeoutError { after, pending: self.pending() });
            }
        }
        Ok(())
    }

    /// The first thing that is not done yet; does what is left to do when all is.
    fn busy(&mut self) -> Option<Busy> {
        match &mut self.what {
            What::Subscription(connection, subscription) => {
                let busy = Busy::Subscription(subscription.clone());
                if busy.is_busy() {
                    return Some(busy);
                }
                connection.finish_drain();
                None
            }
            What::Client(connection) => busy_of(connection),
            What::Bus(broker, connections, done) => {
                while let Some(connection) = connections.get(*done) {
                    steps::count(1);
                    let busy = busy_of(connection);
                    if busy.is_some() {
                        return busy;
                    }
                    *done += 1;
                }
                broker.close();
                None
            }
        }
    }

    fn pending(&self) -> usize {
        let of = |connection: &Arc<Connection>| {
            let queued = |subscription: &Arc<Subscription>| subscription.target.counts().queued as usize;
            let queued: usize = connection.subscriptions.all().iter().map(queued).sum();
            queued + connection.inbox_if_any().map_or(0, |inbox| inbox.waiting())
        };
        match &self.what {
            What::Subscription(_, subscription) => subscription.target.counts().queued as usize,
            What::Client(connection) => of(connection),
            What::Bus(_, connections, _) => connections.iter().map(of).sum(),
        }
    }
}

fn busy_of(connection: &Arc<Connection>) -> Option<Busy> {
    if connection.phase() == Phase::Closed {
        return None;
    }
    let of_subscriptions = connection.subscriptions.unfinished().map(Busy::Subscription).filter(Busy::is_busy);
    let busy = of_subscriptions.or_else(|| Some(Busy::Requests(connection.clone())).filter(Busy::is_busy));
    if busy.is_none() {
        connection.finish_drain();
    }
    busy
}

/// One thing that a drain waits for.
enum Busy {
    Subscription(Arc<Subscription>),
    Requests(Arc<Connection>),
}

impl Busy {
    fn is_busy(&self) -> bool {
        match self {
            Busy::Subscription(subscription) => {
                subscription.target.queue_if_any().is_some_and(|queue| queue.pending().0 > 0)
            }
            Busy::Requests(connection) => connection.inbox_if_any().is_some_and(|inbox| !inbox.is_idle()),
        }
    }

    /// Where it is announced that this may have changed.
    fn changes(&self) -> &WaitList {
        match self {
            Busy::Subscription(subscription) => &subscription.target.queue().senders,
            Busy::Requests(connection) => connection.inbox_if_any().map_or(&connection.drained, |inbox| &inbox.idle),
        }
    }
}

impl IntoFuture for Drain {
    type Output = ();
    type IntoFuture = DrainFuture;

    fn into_future(self) -> DrainFuture {
        DrainFuture { drain: self, is_done: false, waiting: None }
    }
}

/// Ready when a drain has ended.
///
/// # Cancel safety
///
/// Dropping it loses nothing; the drain continues.
#[must_use = "it waits only if it is polled"]
pub struct DrainFuture {
    drain: Drain,
    /// It was ready once.
    is_done: bool,
    waiting: Option<(Busy, WaiterKey)>,
}

impl Future for DrainFuture {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let reporter = self.drain.services.reporter();
            if let Some((busy, place)) = &mut self.waiting {
                busy.changes().register(place, cx.waker(), reporter);
                if busy.is_busy() {
                    // A callback that waits for its turn on this very thread may be what the drain waits for.
                    if callbacks::run_waiting() {
                        continue;
                    }
                    return Poll::Pending;
                }
            }
            self.leave();
            match self.drain.busy() {
                None => {
                    self.is_done = true;
                    return Poll::Ready(());
                }
                Some(busy) => self.waiting = Some((busy, WaiterKey::default())),
            }
        }
    }
}

impl FusedFuture for DrainFuture {
    fn is_terminated(&self) -> bool {
        self.is_done
    }
}

impl DrainFuture {
    fn leave(&mut self) {
        if let Some((busy, mut place)) = self.waiting.take()
            && busy.changes().leave(&mut place)
            && !busy.changes().is_idle()
        {
            busy.changes().wake_one();
        }
    }
}

impl Drop for DrainFuture {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").field("pending", &self.pending()).finish()
    }
}

impl fmt::Debug for DrainFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainFuture").field("pending", &self.drain.pending()).finish()
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use crate::bus::Bus;
    use crate::steps;
    use std::future::IntoFuture;
    use std::pin::pin;
    use std::task::{Context, Waker};

    /// D8, with messages in all queues: the end of each does not cause a look at all others again.
    #[test]
    fn a_drain_looks_at_each_subscription_a_few_times() {
        steps::assert_linear(|subscriptions| {
            let client = Bus::new().connect();
            let subjects = || (0..subscriptions).map(|n| format!("a.{n}"));
            let subscribers: Vec<_> = subjects().map(|subject| client.subscribe(subject).unwrap()).collect();
            subjects().for_each(|subject| assert_eq!(client.publish(subject, "").unwrap(), 1));
            let mut drain = pin!(client.drain().into_future());
            let mut poll = || drain.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            for subscriber in subscribers {
                assert!(poll().is_pending());
                assert!(subscriber.recv().is_ok() && subscriber.recv().is_err());
            }
            assert!(poll().is_ready() && client.is_closed());
        });
    }

    #[test]
    fn a_drain_of_the_bus_looks_at_each_client_a_few_times() {
        steps::assert_linear(|clients| {
            let bus = Bus::new();
            let clients: Vec<_> = (0..clients).map(|_| bus.connect()).collect();
            let subscribers: Vec<_> = clients.iter().map(|client| client.subscribe("a").unwrap()).collect();
            assert_eq!(bus.connect().publish("a", "").unwrap(), clients.len());
            let mut drain = pin!(bus.drain().into_future());
            let mut poll = || drain.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            for subscriber in subscribers {
                assert!(poll().is_pending());
                assert!(subscriber.recv().is_ok() && subscriber.recv().is_err());
            }
            assert!(poll().is_ready() && bus.is_closed());
        });
    }
}
