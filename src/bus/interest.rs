//! The handle of a watch for interest.

use crate::account::interest::{TrackedWatch, Watch};
use crate::broker::Broker;
use crate::client::Client;
use crate::delivery::{WaiterKey, callbacks};
use crate::matcher::QueueGroup;
use crate::services::Phase;
use crate::steps;
use crate::subject::Pattern;
use crate::sync::atomic::{AtomicU64, Ordering};
use futures_core::future::FusedFuture;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The subscriptions of a bus that share at least one subject with a pattern, as they come and go; made by
/// [`Bus::interest`](crate::Bus::interest). For parts of a program that bring messages from elsewhere only while a subscription
/// wants them.
///
/// Every subscription counts from when `subscribe` has returned until it ends, whatever receives for it: members of queue groups, callbacks
/// and sinks, and the one that a connection makes for the answers to its requests with its first request (`_INBOX.<name>.*`). Only those of
/// connections that were named with [`except`](InterestWatcher::except) do not. Permissions that withhold messages change nothing here.
///
/// Several threads and tasks may ask at once. It keeps the bus alive, as a client does; dropping it ends the watch. While one is there, each
/// subscription that begins or ends costs a look-up of the watches that overlap its pattern, and two or three look-ups in hash tables for
/// each of these.
///
/// # Example
///
/// ```
/// use postroom::Bus;
/// use postroom::interest::{InterestWatcher, PatternInterest};
///
/// let bus = Bus::new();
/// let (client, ours) = (bus.connect(), bus.connect());
/// let orders = bus.interest("orders.>")?.except(&ours);
/// let own = ours.subscribe("orders.eu")?;
/// assert!(!orders.is_wanted());
///
/// let eu = client.subscribe("*.eu")?;
/// let work = client.queue_subscribe("orders.us", "workers")?;
/// let all: Vec<_> = orders.patterns().iter().map(PatternInterest::to_string).collect();
/// assert_eq!(all, ["*.eu", "orders.us in queue group workers"]);
///
/// drop((eu, work));
/// assert!(!orders.is_wanted());
/// # drop(own);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it ends the watch"]
pub struct InterestWatcher {
    broker: Arc<Broker>,
    tracked: TrackedWatch,
    /// The number of changes that waiters have been told of.
    seen: AtomicU64,
}

/// The pattern and queue group that one or several subscriptions share: see [`InterestWatcher::patterns`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct PatternInterest {
    /// Their pattern.
    pub pattern: Pattern,
    /// The queue group that they are members of.
    pub queue: Option<String>,
    /// How many they are, at least one.
    pub subscriptions: usize,
}

impl InterestWatcher {
    pub(super) fn new(broker: Arc<Broker>, pattern: Pattern) -> Self {
        let tracked = broker.account.interest.add(pattern);
        // Subscriptions seen here are dropped with no lock held: one of them may be the last of its kind.
        for (_, subscription) in broker.account.matcher.overlapping(&tracked.watch.pattern) {
            tracked.watch.begin(&subscription);
        }
        let interest = InterestWatcher { broker, tracked, seen: AtomicU64::new(0) };
        interest.news();
        interest
    }

    fn watch(&self) -> &Watch {
        &self.tracked.watch
    }

    /// The same without the subscriptions of `client`, those that it has and those that it will make. May be called for several. A client
    /// of another bus has none here.
    pub fn except(self, client: &Client) -> Self {
        if !client.is_of(&self.broker) {
            return self;
        }
        self.watch().except(client.id());
        // From here on none is counted. A subscription that was counted is still registered, or the thread
        // that ends it removes it from the watch.
        for subscription in self.broker.subscriptions_of(client.id()) {
            self.watch().end(&subscription);
        }
        self.news();
        self
    }

    /// The pattern that is watched.
    pub fn pattern(&self) -> &Pattern {
        &self.watch().pattern
    }

    /// Whether there is any subscription that counts.
    ///
    /// A subscription counts when its `subscribe` has returned, and does not when its `unsubscribe` has (or its drop, or the close of its
    /// client). Blocking here and below: the watch's own lock, for as long as one subscription is counted or [`patterns`](Self::patterns)
    /// copies.
    pub fn is_wanted(&self) -> bool {
        self.watch().is_wanted()
    }

    /// Whether there is any outside of queue groups, which is to get every message.
    pub fn has_plain(&self) -> bool {
        let (all, members) = self.watch().counts();
        all > members
    }

    /// Whether there is any that is a member of a queue group (Q1).
    pub fn has_queue(&self) -> bool {
        self.watch().counts().1 > 0
    }

    /// How many [`patterns`](Self::patterns) there are.
    #[expect(clippy::len_without_is_empty, reason = "that is `is_wanted`")]
    pub fn len(&self) -> usize {
        self.watch().wanted_len()
    }

    /// The wanted patterns: each once, and once more for each queue group that it is subscribed to in; sorted by pattern and then
    /// group, those without a group first.
    pub fn patterns(&self) -> Vec<PatternInterest> {
        let wanted = self.watch().wanted().into_iter().map(|((pattern, queue), subscriptions)| PatternInterest {
            pattern,
            queue: queue.as_ref().map(SmolStr::to_string),
            subscriptions,
        });
        let mut all: Vec<PatternInterest> = wanted.collect();
        steps::count(all.len());
        all.sort_unstable();
        all
    }

    /// Those of [`patterns`](Self::patterns) that match `subject`. Costs what a match costs, however many patterns there are.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::Bus;
    ///
    /// let bus = Bus::new();
    /// let client = bus.connect();
    /// let orders = bus.interest("orders.>")?;
    /// let all = [client.subscribe("orders.eu")?, client.subscribe("orders.*")?, client.subscribe("orders.us")?];
    /// let eu = orders.matching("orders.eu");
    /// assert_eq!(eu.iter().map(|wanted| wanted.pattern.as_str()).collect::<Vec<_>>(), ["orders.*", "orders.eu"]);
    /// # drop(all);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn matching(&self, subject: &str) -> Vec<PatternInterest> {
        // Dropped with no lock held: a subscription among them may be the last of its kind.
        let found = self.broker.account.matcher.matches(subject);
        let members = found.groups().iter().flat_map(QueueGroup::members);
        let mut wanted = BTreeMap::<(&Pattern, Option<&SmolStr>), usize>::new();
        for subscription in self.watch().counted(found.plain().iter().chain(members)) {
            *wanted.entry((&subscription.pattern, subscription.queue.as_deref())).or_default() += 1;
        }
        let interest = |((pattern, queue), subscriptions): ((&Pattern, Option<&SmolStr>), usize)| PatternInterest {
            pattern: pattern.clone(),
            queue: queue.map(SmolStr::to_string),
            subscriptions,
        };
        wanted.into_iter().map(interest).collect()
    }

    /// Waits until something has changed in what [`patterns`](Self::patterns) gives since this was last ready, or since the watch was made,
    /// without blocking a thread. Ready with `true` then, once for all changes so far, though they may have cancelled each other; with
    /// `false` once the bus is closed and there is no change left to tell of.
    ///
    /// Several may wait at once, also in [`wait_changed`](Self::wait_changed): each change is told to one of them.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: a change that it was not ready with is told to the next.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::Bus;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let bus = Bus::new();
    /// let orders = bus.interest("orders.>")?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(std::pin::pin!(orders.changed()).poll(&mut cx), Poll::Pending);
    /// let subscribers = [bus.connect().subscribe("orders.eu")?, bus.connect().subscribe("orders.us")?];
    /// assert_eq!(std::pin::pin!(orders.changed()).poll(&mut cx), Poll::Ready(true));
    /// assert_eq!(std::pin::pin!(orders.changed()).poll(&mut cx), Poll::Pending);
    /// bus.close();
    /// assert_eq!(std::pin::pin!(orders.changed()).poll(&mut cx), Poll::Ready(true));
    /// assert_eq!(std::pin::pin!(orders.changed()).poll(&mut cx), Poll::Ready(false));
    /// # drop(subscribers);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn changed(&self) -> InterestChanged<'_> {
        InterestChanged { interest: self, key: WaiterKey::default(), is_done: false }
    }

    /// As [`changed`](Self::changed), blocking this thread, at most for `timeout` on the bus's clock. `false` also when the time is up.
    pub fn wait_changed(&self, timeout: Duration) -> bool {
        let timers = &self.broker.services.timers;
        self.watch().changed.block(timers, timers.deadline(timeout), || self.news()).unwrap_or(false)
    }

    /// Takes note of all changes so far: whether there were any since the last time; `Some(false)` if there will be none.
    fn news(&self) -> Option<bool> {
        // Asked first: what ended before the bus was closed is told before that.
        let closed = self.broker.services.life.phase.get() == Phase::Closed;
        let changes = self.watch().changes();
        // The maximum, so that only one of two threads that look at once finds something new.
        let is_new = self.seen.fetch_max(changes, Ordering::SeqCst) < changes;
        if is_new { Some(true) } else { closed.then_some(false) }
    }
}

impl Drop for InterestWatcher {
    fn drop(&mut self) {
        self.broker.account.interest.remove(&self.tracked);
    }
}

impl fmt::Debug for InterestWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterestWatcher").field("pattern", self.pattern()).field("patterns", &self.patterns()).finish()
    }
}

impl fmt::Display for PatternInterest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pattern)?;
        self.queue.iter().try_for_each(|queue| write!(f, " in queue group {queue}"))
    }
}

/// Ready when an interest has changed; made by [`InterestWatcher::changed`].
#[must_use = "it waits only for those who await it"]
pub struct InterestChanged<'a> {
    interest: &'a InterestWatcher,
    key: WaiterKey,
    /// It was ready once.
    is_done: bool,
}

impl Future for InterestChanged<'_> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let InterestChanged { interest, key, is_done } = &mut *self;
        let list = &interest.watch().changed;
        callbacks::poll(|| {
            let mut news = interest.news();
            if news.is_none() {
                list.register(key, cx.waker(), interest.broker.services.reporter());
                // The interest may have changed before the waker was registered.
                news = interest.news();
            }
            let Some(changed) = news else { return Poll::Pending };
            list.leave(key);
            *is_done = true;
            Poll::Ready(changed)
        })
    }
}

impl FusedFuture for InterestChanged<'_> {
    fn is_terminated(&self) -> bool {
        self.is_done
    }
}

impl Drop for InterestChanged<'_> {
    fn drop(&mut self) {
        self.interest.watch().changed.leave(&mut self.key);
    }
}

impl fmt::Debug for InterestChanged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterestChanged").field("interest", self.interest).finish()
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use crate::bus::Bus;

    /// G6: a watch gives back the room that subscriptions took which have ended, and the bus lets go of one that is dropped.
    #[test]
    fn memory_returns_when_subscriptions_go() {
        let (bus, client) = (Bus::new(), Bus::new().connect());
        let (ours, interest) = (bus.connect(), bus.interest(">").unwrap().except(&client));
        let room = || interest.watch().capacities();
        let mut all: Vec<_> = (0..10_000).map(|n| ours.subscribe(format!("a.{n}")).unwrap()).collect();
        assert_eq!((interest.len(), room().0 >= 10_000, room().1 >= 10_000), (10_000, true, true));
        all.truncate(100);
        assert!(room().0 < 1_000 && room().1 < 1_000, "{:?}", room());
        drop(all);
        assert!(room().0 < 200 && room().1 < 200, "{:?}", room());
        let watch = std::sync::Arc::downgrade(&interest.tracked.watch);
        drop(interest);
        assert!(watch.upgrade().is_none());
    }
}
