//! Interest: watching which subscriptions overlap a pattern, without asking again and again.
//!
//! Each [`InterestWatcher`](crate::interest::InterestWatcher) has a watch that counts subscriptions. The thread that begins or ends a subscription tells
//! the watches whose pattern overlaps its own, which an index finds, so that a change costs the same whatever else is subscribed to and
//! watched. While there is no watch, this costs one load.
//!
//! A watch may hear of a subscription twice (from the search that fills a new watch, and from the thread that began it), and of its
//! end before its beginning. Therefore a watch knows the subscriptions that it counts by name, and counts none that has ended:
//!
//! ```text
//! begin:  into the matcher      then tell the watches: counted unless it is already, or has ended
//! end:    the target is closed  then tell the watches: not counted any more, if it was
//! watch:  into the list         then search the matcher, and count as at a begin
//! ```
//!
//! If a begin or an end meets a new watch, at least one of the two sees the other, and a subscription
//! that both see is counted once.

use super::Subscription;
use crate::delivery::WaitList;
use crate::id::ClientId;
use crate::matcher::{EntryId, Matcher, MatcherOptions};
use crate::steps;
use crate::subject::Pattern;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use ahash::RandomState;
use smallvec::SmallVec;
use smol_str::SmolStr;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// All watches of an account.
#[derive(Debug)]
pub(crate) struct InterestTracker {
    // | field   | written by                  | read by                | invariant                                  |
    // | count   | a thread that adds, removes | `notify`, with no lock | not zero while a watch is in `watches` and its search has begun |
    count: AtomicUsize,
    /// By their patterns. LOCK ORDER: before a watch's own.
    watches: Matcher<Arc<Watch>>,
    seed: u64,
}

/// A watch, and its name in the tracker.
#[derive(Debug)]
pub(crate) struct TrackedWatch {
    pub(crate) watch: Arc<Watch>,
    entry: EntryId,
}

impl InterestTracker {
    pub(crate) fn new(seed: u64) -> Self {
        // Looked into once a subscription: nothing to remember.
        let options = MatcherOptions { cache_entries: 0, seed: Some(seed), ..MatcherOptions::default() };
        InterestTracker { count: AtomicUsize::new(0), watches: Matcher::with_options(options), seed }
    }

    /// A subscription has become effective. Not to be called under a lock: it wakes waiters.
    #[inline]
    pub(crate) fn begun(&self, subscription: &Subscription) {
        self.notify(subscription, |watch| watch.begin(subscription));
    }

    /// A subscription is in force no more. Not to be called under a lock.
    #[inline]
    pub(super) fn ended(&self, subscription: &Subscription) {
        self.notify(subscription, |watch| watch.end(subscription));
    }

    /// For the end of the bus.
    pub(crate) fn close(&self) {
        for (_, _, watch) in self.watches.entries() {
            watch.changed.wake_all();
        }
    }

    /// Calls `change` with the watches that overlap the subscription's pattern, and wakes the waiters of those that it changed.
    #[inline]
    fn notify(&self, subscription: &Subscription, change: impl FnMut(&Watch) -> bool) {
        // ORDERING: SeqCst; pairs with the addition in `add`. The caller has changed the matcher (a SeqCst count of the shard's entries)
        // or the target's state (SeqCst) before. A watch that is not seen here was not there then, and sees that change when it
        // looks into the matcher and at the target.
        if self.count.load(Ordering::SeqCst) > 0 {
            self.notify_overlapping(&subscription.pattern, change);
        }
    }

    #[cold]
    #[inline(never)]
    fn notify_overlapping(&self, pattern: &Pattern, mut change: impl FnMut(&Watch) -> bool) {
        for watch in self.overlapping(pattern) {
            if change(&watch) {
                watch.changed.wake_all();
            }
        }
    }

    /// The watches whose pattern shares a subject with this one.
    fn overlapping(&self, pattern: &Pattern) -> Vec<Arc<Watch>> {
        if pattern.is_literal() {
            return self.watches.matches(pattern.as_str()).plain().to_vec();
        }
        self.watches.overlapping(pattern).into_iter().map(|(_, watch)| watch).collect()
    }

    /// A new watch, which is told of what begins and ends from now on.
    pub(crate) fn add(&self, pattern: Pattern) -> TrackedWatch {
        let watch = Arc::new(Watch::new(pattern, self.seed));
        let entry = self.watches.insert(&watch.pattern, watch.clone());
        // ORDERING: SeqCst; see `notify`.
        self.count.fetch_add(1, Ordering::SeqCst);
        TrackedWatch { watch, entry }
    }

    pub(crate) fn remove(&self, tracked: &TrackedWatch) {
        drop(self.watches.remove(&tracked.watch.pattern, tracked.entry));
        self.count.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) pattern: Pattern,
    /// Moved under the lock of `state`, with it.
    changes: AtomicU64,
    pub(crate) changed: WaitList,
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
        Watch { pattern, changes: AtomicU64::new(0), changed: WaitList::default(), state: Mutex::new(state) }
    }

    /// Counts a subscription that overlaps the pattern, once, and unless it has ended. True if that changed something.
    pub(crate) fn begin(&self, subscription: &Subscription) -> bool {
        let mut state = self.state.lock();
        let excepted = state.except.contains(&subscription.access.id);
        // Under the lock: a thread that ends the subscription from here on removes it from the
        // watch afterwards.
        if excepted || subscription.target.close_reason().is_some() || !state.counted.insert(subscription.entry) {
            return false;
        }
        *state.wanted.entry(key(subscription)).or_default() += 1;
        state.members += usize::from(subscription.queue.is_some());
        self.count_change();
        true
    }

    /// Counts a subscription no more. True if that changed something.
    pub(crate) fn end(&self, subscription: &Subscription) -> bool {
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
        // ORDERING: SeqCst; pairs with the load in `changes`, which comes after a waiter is in the list that is looked at next.
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

impl Watch {
    /// Counts the subscriptions of this connection no more, from now on.
    pub(crate) fn except(&self, client: ClientId) {
        self.state.lock().except.push(client);
    }

    /// How often it has changed. ORDERING: see `count_change`.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Whether any subscription counts.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.state.lock().counted.is_empty()
    }

    /// The subscriptions that count, and those of them that are members of queue groups.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.counted.len(), state.members)
    }

    /// Those of the subscriptions that count.
    pub(crate) fn counted<'a>(
        &self,
        subscriptions: impl Iterator<Item = &'a Arc<Subscription>>,
    ) -> Vec<&'a Arc<Subscription>> {
        let state = self.state.lock();
        let counts = |subscription: &&Arc<Subscription>| {
            steps::count(1);
            state.counted.contains(&subscription.entry)
        };
        subscriptions.filter(counts).collect()
    }

    /// How many patterns and groups are wanted.
    pub(crate) fn wanted_len(&self) -> usize {
        self.state.lock().wanted.len()
    }

    /// The patterns and groups that are wanted, and by how many; in no order.
    pub(crate) fn wanted(&self) -> Vec<((Pattern, Option<SmolStr>), usize)> {
        self.state.lock().wanted.iter().map(|(key, count)| (key.clone(), *count)).collect()
    }

    /// The room that is kept for subscriptions, and for what they want.
    #[cfg(all(test, not(postroom_shuttle)))]
    pub(crate) fn capacities(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.counted.capacity(), state.wanted.capacity())
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use super::*;

    /// A subscription that begins or ends concerns the watches that overlap it, and looks at no others.
    #[test]
    fn watches_are_found_by_their_patterns() {
        let tracker = InterestTracker::new(1);
        let pattern = |text: &str| Pattern::new(text).unwrap();
        let all: Vec<_> = (0..1_000).map(|n| tracker.add(pattern(&format!("a.{n}.>")))).collect();
        let wide = tracker.add(pattern("*.7.b"));
        let found = |text: &str| tracker.overlapping(&pattern(text)).len();
        assert_eq!((found("a.7.b"), found("a.7.c"), found("b.7.b"), found("b.8.b")), (2, 1, 1, 0));
        assert_eq!((found("a.*.b"), found("b.*.*"), found("b.*.c"), found("*.9.>")), (1_001, 1, 0, 1));
        tracker.remove(&wide);
        all.iter().for_each(|watch| tracker.remove(watch));
        assert_eq!((found(">"), tracker.count.load(Ordering::SeqCst)), (0, 0));
    }
}
