//! The matcher: which entries a subject leads to.
//!
//! [`Matcher<T>`] is a concurrent registry of patterns, usable alone as a routing table. It is sharded by the hash of a
//! pattern's first token; each shard holds a literal table and a trie of wildcard patterns behind one lock, and patterns that
//! begin with a wildcard live in one extra shard. In front of it every thread remembers the routes of the subjects it uses,
//! and finds out by generation counters, without writing anything shared, that one of them is out of date.
//!
//! **Promised.** Results equal those of [`LinearMatcher`] for every sequence of calls (S2, S3, S7, Q2). A match that
//! begins after `insert` returned finds the entry; one that begins after `remove` returned does not (G2). After `remove`
//! has returned, no remembered route holds a clone of the value. No lock is held while `T`'s own code runs, except that
//! clones are made under a shard's read lock, and clones that are not the last ones may be dropped under a lock of the
//! thread's own: `T` is meant to be a counted reference or plain data.
//!
//! **Not promised.** A match that runs beside several changes may see a later one and not an earlier one, when they are in
//! different shards.
//!
//! Source: rules S2, S3, S7, Q2; the idea of a result cache killed by a generation is that of nats-server's sublist.

mod bucket;
mod cache;
mod entry_id;
mod generation;
mod literals;
mod lookup;
mod matches;
mod oracle;
mod prepared;
mod set;
mod shard;
mod split;
mod table;
mod thread_cache;
mod trie;

#[cfg(all(test, not(postroom_shuttle)))]
mod tests;

pub use entry_id::EntryId;
pub(crate) use matches::MatchedRoute;
pub use matches::{Matches, QueueGroup};
pub use oracle::LinearMatcher;
pub(crate) use prepared::Prepared;
pub(crate) use set::{PatternSet, Reading};

use crate::rng;
use crate::subject::{Pattern, Subject};
use crate::sync::atomic::{AtomicU64, Ordering};
use ahash::RandomState;
use lookup::{CacheCounts, ThreadRoutes};
use prepared::Preparations;
use shard::Sizes;
use smol_str::SmolStr;
use std::fmt;
use std::sync::Arc;
use table::Table;

/// How a [`Matcher`] is laid out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MatcherOptions {
    /// Locks that patterns are spread over by their first token; rounded up to a power of two, 1 to 1,024. Default 16.
    pub shards: usize,
    /// Subjects whose route one thread remembers; rounded up to a power of two, 4 to 65,536; 0 turns the cache off. Default
    /// 1,024.
    pub cache_entries: usize,
    /// Seed of the hash functions. Default: drawn from the operating system.
    pub seed: Option<u64>,
}

impl Default for MatcherOptions {
    fn default() -> Self {
        MatcherOptions { shards: 16, cache_entries: 1_024, seed: None }
    }
}

/// The size and the work of a [`Matcher`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MatcherStats {
    /// Entries, members of queue groups included.
    pub entries: usize,
    /// Distinct literal patterns.
    pub literal_patterns: usize,
    /// Nodes of the wildcard tries, the roots not counted.
    pub trie_nodes: usize,
    /// Inserts and removals so far.
    pub changes: u64,
    /// Routes that threads remember now.
    pub cached_routes: usize,
    /// Matches that a remembered route answered.
    pub cache_hits: u64,
    /// Matches that had to look into the shards.
    pub cache_misses: u64,
}

/// A lock-sharded registry of patterns; see the [module](self).
///
/// # Example
///
/// ```
/// use postroom::Pattern;
/// use postroom::matcher::Matcher;
///
/// let routes = Matcher::new();
/// let eu = routes.insert(&Pattern::new("orders.eu")?, "eu desk");
/// routes.insert(&Pattern::new("orders.>")?, "audit");
/// routes.insert_queue(&Pattern::new("orders.*")?, "workers", "worker 1");
///
/// let found = routes.matches("orders.eu");
/// assert_eq!(found.plain(), ["eu desk", "audit"]);
/// assert_eq!(found.groups()[0].members(), ["worker 1"]);
///
/// assert_eq!(routes.remove(&Pattern::new("orders.eu")?, eu), Some("eu desk"));
/// assert_eq!(routes.matches("orders.eu").plain(), ["audit"]);
/// assert!(!routes.has_interest("orders"));
/// # Ok::<_, postroom::error::SubjectError>(())
/// ```
pub struct Matcher<T: Send + Sync> {
    routes: ThreadRoutes<T>,
    preparations: Preparations<T>,
    next_id: AtomicU64,
}

impl<T: Clone + Send + Sync> Matcher<T> {
    /// An empty matcher with the default options.
    pub fn new() -> Self {
        Matcher::with_options(MatcherOptions::default())
    }

    /// An empty matcher.
    pub fn with_options(options: MatcherOptions) -> Self {
        let rng = rng::Rng::new(options.seed.unwrap_or_else(rng::entropy), 0x6d61_7463);
        let hasher = RandomState::with_seeds(rng.bits(), rng.bits(), rng.bits(), rng.bits());
        let table = Table::new(options.shards.clamp(1, 1024).next_power_of_two(), hasher);
        Matcher {
            routes: ThreadRoutes::new(table, options.cache_entries),
            preparations: Preparations::default(),
            next_id: AtomicU64::new(1),
        }
    }

    /// Adds a plain entry: every subject that `pattern` matches leads to it from now on.
    ///
    /// Blocking: the write lock of one shard.
    pub fn insert(&self, pattern: &Pattern, value: T) -> EntryId {
        self.insert_with(pattern, |_| (None, value))
    }

    /// Adds a member of the queue group `queue`. The name is not checked (S5).
    ///
    /// Blocking: the write lock of one shard.
    pub fn insert_queue(&self, pattern: &Pattern, queue: &str, value: T) -> EntryId {
        self.insert_with(pattern, |_| (Some(SmolStr::new(queue)), value))
    }

    /// As the two above, for a value that has to know its own id.
    pub(crate) fn insert_with(
        &self,
        pattern: &Pattern,
        value: impl FnOnce(EntryId) -> (Option<SmolStr>, T),
    ) -> EntryId {
        // ORDERING: Relaxed; only uniqueness counts.
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (queue, value) = value(EntryId(id));
        self.routes.table.insert(pattern, queue, id, value);
        EntryId(id)
    }

    /// Takes an entry out again and gives back its value; `None` if there is none with this pattern and id.
    ///
    /// Blocking: the write lock of one shard; if a thread has remembered a route to the entry, also, for the length of a match,
    /// the locks of the threads that use this matcher.
    pub fn remove(&self, pattern: &Pattern, id: EntryId) -> Option<T> {
        let taken = self.routes.table.remove(pattern, id.0)?;
        if taken.routed {
            self.preparations.forget(&self.routes.table, pattern);
            self.routes.forget(pattern);
        }
        // Only now may the value go: until here it kept the routes' clones from being the last ones, so that nothing of a
        // user's is dropped under a lock.
        Some(taken.value)
    }

    /// All entries whose pattern matches `subject`.
    ///
    /// The subject is not checked: a `*` or `>` in it is plain text that only a wildcard matches (S7), and nothing matches a
    /// subject with an empty token (S6).
    ///
    /// Blocking: on a remembered route none; otherwise the read locks of at most two shards, one after the other.
    pub fn matches(&self, subject: &str) -> Matches<T> {
        let mut found = Matches::new();
        self.matches_into(subject, &mut found);
        found
    }

    /// As [`Matcher::matches`], into a result that is used again: no allocation once it is large enough.
    #[inline]
    pub fn matches_into(&self, subject: &str, into: &mut Matches<T>) {
        into.clear();
        self.routes.find_into(subject, into);
    }

    /// Whether any entry's pattern matches `subject`.
    pub fn has_interest(&self, subject: &str) -> bool {
        self.with_matches(subject, |hit| !hit.matches.is_empty())
    }

    /// The entries whose pattern shares at least one subject with `pattern`: the reverse look-up.
    ///
    /// Visits one shard and the one of the wildcard-first patterns if `pattern` begins with a literal token, else all. The
    /// literal subjects of a shard are visited one by one when `pattern` has a wildcard. The order is not defined.
    pub fn overlapping(&self, pattern: &Pattern) -> Vec<(Pattern, T)> {
        let mut found = Vec::new();
        self.routes.table.for_each_overlapping(pattern, &mut |text, value| found.push((known(text), value.clone())));
        found
    }

    /// A copy of all entries: pattern, queue name, value. The order is not defined.
    ///
    /// Blocking: the read lock of one shard at a time; entries that come or go meanwhile may or may not be in it.
    pub fn entries(&self) -> Vec<(Pattern, Option<String>, T)> {
        let mut all = Vec::new();
        self.routes.table.for_each(&mut |text, queue, value| {
            all.push((known(text), queue.map(SmolStr::to_string), value.clone()));
        });
        all
    }

    /// Counts what is there now.
    pub fn stats(&self) -> MatcherStats {
        let Sizes { entries, literal_patterns, trie_nodes } = self.routes.table.sizes();
        let CacheCounts { routes, hits, misses } = self.routes.counts();
        MatcherStats {
            entries,
            literal_patterns,
            trie_nodes,
            changes: self.routes.table.changes(),
            cached_routes: routes,
            cache_hits: hits,
            cache_misses: misses,
        }
    }

    /// Calls `f` with what `subject` leads to. A text that breaks the grammar of subjects is not remembered.
    ///
    /// `f` runs under this thread's own lock: it may look into the matcher, but must not change it, wait for another thread, or
    /// run a user's code.
    #[inline]
    pub(crate) fn with_matches<R>(&self, subject: &str, f: impl FnOnce(MatchedRoute<'_, T>) -> R) -> R {
        self.routes.with_matches(subject, f)
    }

    /// As [`Matcher::with_matches`], for a caller that lets only texts in that pass `check`: it is asked only where this thread
    /// does not remember the text. A remembered subject obeys the grammar of subjects, and has passed a caller's check before.
    #[inline]
    pub(crate) fn with_checked<R, E>(
        &self,
        subject: &str,
        check: impl FnOnce() -> Result<(), E>,
        f: impl FnOnce(MatchedRoute<'_, T>) -> R,
    ) -> Result<R, E> {
        self.routes.with_checked(subject, check, f)
    }

    /// A subject whose route its owner keeps.
    pub(crate) fn prepare(&self, subject: Subject) -> Arc<Prepared<T>> {
        self.preparations.prepare(&self.routes.table, subject)
    }

    /// To be called once a prepared subject is no longer used.
    pub(crate) fn unprepare(&self, prepared: Arc<Prepared<T>>) {
        self.preparations.unprepare(prepared);
    }

    /// As [`Matcher::with_matches`], without a look-up. A caller that shares `prepared` with another thread which is inside
    /// at the moment takes the common way.
    #[inline]
    pub(crate) fn with_prepared<R>(&self, prepared: &Arc<Prepared<T>>, f: impl FnOnce(MatchedRoute<'_, T>) -> R) -> R {
        match self.preparations.with(&self.routes.table, prepared, f) {
            Ok(result) => result,
            Err(f) => self.with_matches(prepared.subject().as_str(), f),
        }
    }
}

impl<T: Clone + Send + Sync> Default for Matcher<T> {
    fn default() -> Self {
        Matcher::new()
    }
}

impl<T: Send + Sync> fmt::Debug for Matcher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher").field("shards", &self.routes.table.shards()).finish_non_exhaustive()
    }
}

/// The text of a pattern that was checked when it was inserted.
fn known(text: &str) -> Pattern {
    Pattern::new(text).expect("only checked patterns are inserted")
}
