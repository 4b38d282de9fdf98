//! Interest: watching which subscriptions overlap a pattern, without asking again and again.
//!
//! Each [`InterestWatcher`] has a watch that counts subscriptions. The thread that begins or ends a subscription tells the watch of it, so
//! that a change costs the same whatever else is subscribed. While there is no watch, this costs one load.
//!
//! A watch may hear of a subscription twice (from the search that fills a new watch, and from the thread that began it), and of its
//! end before its beginning. Therefore a watch knows the subscriptions that it counts by name, and counts none that has ended:
//!
//! ```text
//! begin:  into the matcher      then tell the watches: counted unless it is already, or has ended
//! end:    the outlet is closed  then tell the watches: not counted any more, if it was
//! watch:  into the list         then search the matcher, and count as at a begin
//! ```
//!
//! If a begin or an end meets a new watch, at least one of the two sees the other, and a subscription
//! that both see is counted once.

use super::{Client, Phase, Shared};
use crate::account::Subscription;
use crate::delivery::{Place, WakeList, runner};
use crate::id::ClientId;
use crate::matcher::{EntryId, QueueGroup};
use crate::steps;
use crate::subject::Pattern;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, RwLock};
use ahash::RandomState;
use futures_core::future::FusedFuture;
use smallvec::SmallVec;
use smol_str::SmolStr;
use std::collections::{BTreeMap, HashMap, HashSet};
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
/// subscription that begins or ends costs two or three look-ups in hash tables more, and a test of its pattern for each other one.
///
/// # Example
///
/// ```
/// use postroom::{Bus, InterestWatcher, PatternInterest};
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
    shared: Arc<Shared>,
    watch: Arc<Watch>,
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

/// All watches of a bus.
#[derive(Debug, Default)]
pub(super) struct Watches {
    // | field | written by                      | read by              | invariant                          |
    // | count | the holder of the write lock    | `told`, with no lock | the length of the list at some time |
    count: AtomicUsize,
    /// LOCK ORDER: before a watch's own.
    list: RwLock<Vec<Arc<Watch>>>,
}

#[derive(Debug)]
struct Watch {
    pattern: Pattern,
    /// Moved under the lock of `state`, with it.
    changes: AtomicU64,
    changed: WakeList,
    /// Taken last, and nothing of a user's is called under it.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Connections whose subscriptions do not count.
    except: SmallVec<[ClientId; 2]>,
    /// The subscriptions that count.
    counted: HashSet<EntryId, RandomState>,
    /// How many of them are members of queue groups.
    members: usize,
    /// The same subscriptions, by what they want.
    wanted: HashMap<(Pattern, Option<SmolStr>), usize, RandomState>,
}

impl Watches {
    /// A subscription has become effective. Not to be called under a lock: it wakes waiters.
    #[inline]
    pub(super) fn begun(&self, subscription: &Subscription) {
        self.told(|watch| watch.pattern.overlaps(&subscription.pattern) && watch.begin(subscription));
    }

    /// A subscription is in force no more. Not to be called under a lock.
    #[inline]
    pub(super) fn ended(&self, subscription: &Subscription) {
        self.told(|watch| watch.end(subscription));
    }

    /// For the end of the bus.
    pub(super) fn close(&self) {
        self.told(|_| true);
    }

    /// Calls `change` with all watches and wakes the waiters of those that it changed.
    #[inline]
    fn told(&self, change: impl FnMut(&Watch) -> bool) {
        // ORDERING: SeqCst; pairs with the store in `set_count`. The caller has changed the matcher (a SeqCst count of the shard's entries)
        // or the outlet's state (SeqCst) before. A watch that is not seen here was not in the list then, and sees that change when it
        // looks into the matcher and at the outlet.
        if self.count.load(Ordering::SeqCst) > 0 {
            self.tell(change);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell(&self, mut change: impl FnMut(&Watch) -> bool) {
        let list = self.list.read();
        let changed: SmallVec<[Arc<Watch>; 4]> = list.iter().filter(|watch| change(watch)).cloned().collect();
        drop(list);
        changed.iter().for_each(|watch| watch.changed.wake_all());
    }

    fn add(&self, watch: Arc<Watch>) {
        let mut list = self.list.write();
        list.push(watch);
        self.set_count(&list);
    }

    fn remove(&self, watch: &Arc<Watch>) {
        let mut list = self.list.write();
        list.retain(|known| !Arc::ptr_eq(known, watch));
        self.set_count(&list);
    }

    fn set_count(&self, list: &[Arc<Watch>]) {
        // ORDERING: SeqCst; see `told`.
        self.count.store(list.len(), Ordering::SeqCst);
    }
}

impl Watch {
    fn new(pattern: Pattern, seed: u64) -> Self {
        // Patterns are untrusted: the hasher is seeded so that collisions cannot be provoked.
        let hasher = RandomState::with_seeds(seed, seed.rotate_left(16), seed.rotate_left(32), 5);
        let state = State {
            except: SmallVec::new(),
            counted: HashSet::with_hasher(hasher.clone()),
            members: 0,
            wanted: HashMap::with_hasher(hasher),
        };
        Watch { pattern, changes: AtomicU64::new(0), changed: WakeList::default(), state: Mutex::new(state) }
    }

    /// Counts a subscription that overlaps the pattern, once, and unless it has ended. True if that changed something.
    fn begin(&self, subscription: &Subscription) -> bool {
        let mut state = self.state.lock();
        let excepted = state.except.contains(&subscription.owner.id);
        // Under the lock: a thread that ends the subscription from here on removes it from the
        // watch afterwards.
        if excepted || subscription.outlet.close_reason().is_some() || !state.counted.insert(subscription.entry) {
            return false;
        }
        *state.wanted.entry(key(subscription)).or_default() += 1;
        state.members += usize::from(subscription.queue.is_some());
        self.count_change();
        true
    }

    /// Counts a subscription no more. True if that changed something.
    fn end(&self, subscription: &Subscription) -> bool {
        let mut state = self.state.lock();
        if !state.counted.remove(&subscription.entry) {
            return false;
        }
        let key = key(subscription);
        let count = state.wanted.get_mut(&key).expect("counted with what it wants");
        *count -= 1;
        if *count == 0 {
            state.wanted.remove(&key);
        }
        state.members -= usize::from(subscription.queue.is_some());
        state.give_back();
        self.count_change();
        true
    }

    /// The caller holds the state.
    fn count_change(&self) {
        // ORDERING: SeqCst; pairs with the load in `InterestWatcher::news`, which comes after a waiter is in the list that is looked at next.
        self.changes.fetch_add(1, Ordering::SeqCst);
    }
}

impl State {
    /// Gives memory back once three quarters are unused (G6).
    fn give_back(&mut self) {
        const SMALL: usize = 64;
        let is_wide = |len: usize, capacity: usize| capacity > SMALL && len < capacity / 4;
        if is_wide(self.counted.len(), self.counted.capacity()) {
            self.counted.shrink_to(self.counted.len() * 2);
        }
        if is_wide(self.wanted.len(), self.wanted.capacity()) {
            self.wanted.shrink_to(self.wanted.len() * 2);
        }
    }
}

fn key(subscription: &Subscription) -> (Pattern, Option<SmolStr>) {
    (subscription.pattern.clone(), subscription.queue.as_deref().cloned())
}

impl InterestWatcher {
    pub(super) fn new(shared: Arc<Shared>, pattern: Pattern) -> Self {
        let watch = Arc::new(Watch::new(pattern, shared.seed));
        shared.watches.add(watch.clone());
        // Subscriptions seen here are dropped with no lock held: one of them may be the last of its kind.
        for (_, subscription) in shared.account.matcher.overlapping(&watch.pattern) {
            watch.begin(&subscription);
        }
        let interest = InterestWatcher { shared, watch, seen: AtomicU64::new(0) };
        interest.news();
        interest
    }

    /// The same without the subscriptions of `client`, those that it has and those that it will make. May be called for several. A client
    /// of another bus has none here.
    pub fn except(self, client: &Client) -> Self {
        if !Arc::ptr_eq(&self.shared, &client.bus().shared) {
            return self;
        }
        self.watch.state.lock().except.push(client.id());
        // From here on none is counted. A subscription that was counted is still registered, or the thread
        // that ends it removes it from the watch.
        for subscription in self.shared.subscriptions_of(client.id()) {
            self.watch.end(&subscription);
        }
        self.news();
        self
    }

    /// The pattern that is watched.
    pub fn pattern(&self) -> &Pattern {
        &self.watch.pattern
    }

    /// Whether there is any subscription that counts.
    ///
    /// A subscription counts when its `subscribe` has returned, and does not when its `unsubscribe` has (or its drop, or the close of its
    /// client). Blocking here and below: the watch's own lock, for as long as one subscription is counted or [`patterns`](Self::patterns)
    /// copies.
    pub fn is_wanted(&self) -> bool {
        !self.watch.state.lock().counted.is_empty()
    }

    /// Whether there is any outside of queue groups, which is to get every message.
    pub fn has_plain(&self) -> bool {
        let state = self.watch.state.lock();
        state.counted.len() > state.members
    }

    /// Whether there is any that is a member of a queue group (Q1).
    pub fn has_queue(&self) -> bool {
        self.watch.state.lock().members > 0
    }

    /// How many [`patterns`](Self::patterns) there are.
    #[expect(clippy::len_without_is_empty, reason = "that is `is_wanted`")]
    pub fn len(&self) -> usize {
        self.watch.state.lock().wanted.len()
    }

    /// The wanted patterns: each once, and once more for each queue group that it is subscribed to in; sorted by pattern and then
    /// group, those without a group first.
    pub fn patterns(&self) -> Vec<PatternInterest> {
        let wanted = |(key, count): (&(Pattern, Option<SmolStr>), &usize)| PatternInterest {
            pattern: key.0.clone(),
            queue: key.1.as_ref().map(SmolStr::to_string),
            subscriptions: *count,
        };
        let mut all: Vec<PatternInterest> = self.watch.state.lock().wanted.iter().map(wanted).collect();
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
        let found = self.shared.account.matcher.matches(subject);
        let members = found.groups().iter().flat_map(QueueGroup::members);
        let mut wanted = BTreeMap::<(&Pattern, Option<&SmolStr>), usize>::new();
        let state = self.watch.state.lock();
        for subscription in found.plain().iter().chain(members) {
            steps::count(1);
            if state.counted.contains(&subscription.entry) {
                *wanted.entry((&subscription.pattern, subscription.queue.as_deref())).or_default() += 1;
            }
        }
        drop(state);
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
        InterestChanged { interest: self, place: Place::default(), is_done: false }
    }

    /// As [`changed`](Self::changed), blocking this thread, at most for `timeout` on the bus's clock. `false` also when the time is up.
    pub fn wait_changed(&self, timeout: Duration) -> bool {
        let timers = &self.shared.timers;
        self.watch.changed.block(timers, timers.deadline(timeout), || self.news()).unwrap_or(false)
    }

    /// Takes note of all changes so far: whether there were any since the last time; `Some(false)` if there will be none.
    fn news(&self) -> Option<bool> {
        // Asked first: what ended before the bus was closed is told before that.
        let closed = self.shared.phase() == Phase::Closed;
        let changes = self.watch.changes.load(Ordering::SeqCst);
        // The maximum, so that only one of two threads that look at once finds something new.
        let is_new = self.seen.fetch_max(changes, Ordering::SeqCst) < changes;
        if is_new { Some(true) } else { closed.then_some(false) }
    }
}

impl Drop for InterestWatcher {
    fn drop(&mut self) {
        self.shared.watches.remove(&self.watch);
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
    place: Place,
    /// It was ready once.
    is_done: bool,
}

impl Future for InterestChanged<'_> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let InterestChanged { interest, place, is_done } = &mut *self;
        let list = &interest.watch.changed;
        runner::poll(|| {
            let mut news = interest.news();
            if news.is_none() {
                list.register(place, cx.waker(), interest.shared.reporter());
                // The interest may have changed before the waker was registered.
                news = interest.news();
            }
            let Some(changed) = news else { return Poll::Pending };
            list.leave(place);
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
        self.interest.watch.changed.leave(&mut self.place);
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
        let room = || {
            let state = interest.watch.state.lock();
            (state.counted.capacity(), state.wanted.capacity())
        };
        let mut all: Vec<_> = (0..10_000).map(|n| ours.subscribe(format!("a.{n}")).unwrap()).collect();
        assert_eq!((interest.len(), room().0 >= 10_000, room().1 >= 10_000), (10_000, true, true));
        all.truncate(100);
        assert!(room().0 < 1_000 && room().1 < 1_000, "{:?}", room());
        drop(all);
        assert!(room().0 < 200 && room().1 < 200, "{:?}", room());
        let watch = std::sync::Arc::downgrade(&interest.watch);
        drop(interest);
        assert!(watch.upgrade().is_none());
    }
}
