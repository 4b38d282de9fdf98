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
mod generation;
mod literals;
mod lookup;
mod matches;
mod oracle;
mod prepared;
mod set;
mod shard;
mod split;
mod thread_cache;
mod trie;

#[cfg(all(test, not(postroom_shuttle)))]
mod tests;

pub(crate) use matches::Hit;
pub use matches::{Matches, QueueGroup};
pub use oracle::LinearMatcher;
pub(crate) use prepared::Prepared;
pub(crate) use set::{PatternSet, Reading};

use crate::rng;
use crate::subject::Pattern;
use crate::sync::PerThread;
use crate::sync::atomic::{AtomicU64, Ordering};
use ahash::RandomState;
use generation::{Generations, Touched};
use prepared::Preparations;
use shard::{Place, Shard, Sizes};
use smol_str::SmolStr;
use split::{first_token, hash_text};
use std::fmt;
use thread_cache::ThreadCell;

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

/// Names one entry of one [`Matcher`], to remove it by. Never used twice by a matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(u64);

impl EntryId {
    /// The number behind the name: counted from 1, by each matcher for itself.
    pub fn number(self) -> u64 {
        self.0
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
    /// The last one is for patterns that begin with a wildcard.
    shards: Box<[Shard<T>]>,
    hasher: RandomState,
    generations: Generations,
    cells: PerThread<ThreadCell<T>>,
    preparations: Preparations<T>,
    cache_entries: usize,
    next_id: AtomicU64,
}

impl<T: Clone + Send + Sync> Matcher<T> {
    /// An empty matcher with the default options.
    pub fn new() -> Self {
        Matcher::with_options(MatcherOptions::default())
    }

    /// An empty matcher.
    pub fn with_options(options: MatcherOptions) -> Self {
        let shards = options.shards.clamp(1, 1024).next_power_of_two();
        let rng = rng::Rng::new(options.seed.unwrap_or_else(rng::entropy), 0x6d61_7463);
        let hasher = RandomState::with_seeds(rng.bits(), rng.bits(), rng.bits(), rng.bits());
        Matcher {
            shards: (0..=shards).map(|_| Shard::new(hasher.clone())).collect(),
            hasher,
            generations: Generations::new(),
            cells: PerThread::default(),
            preparations: Preparations::default(),
            cache_entries: options.cache_entries,
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
        let (shard, place, touched) = self.place(pattern);
        shard.insert(place, queue, id, value, || self.generations.touch(touched));
        EntryId(id)
    }

    /// Takes an entry out again and gives back its value; `None` if there is none with this pattern and id.
    ///
    /// Blocking: the write lock of one shard; if a thread has remembered a route to the entry, also, for the length of a match,
    /// the locks of the threads that use this matcher.
    pub fn remove(&self, pattern: &Pattern, id: EntryId) -> Option<T> {
        let (shard, place, touched) = self.place(pattern);
        let taken = shard.remove(place, id.0, || self.generations.touch(touched))?;
        if taken.routed {
            self.forget(pattern);
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
        self.find_into(subject, into);
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
        let mut visit = |text: &str, _: Option<&SmolStr>, value: &T| {
            if crate::subject::relation::overlaps(text, pattern.as_str()) {
                found.push((known(text), value.clone()));
            }
        };
        if pattern.is_literal() {
            let hash = self.hash(pattern.as_str());
            let shard = self.shard_of(self.hash(first_token(pattern.as_str())));
            shard.for_each_at(hash, pattern.as_str(), &mut visit);
            shard.for_each_wildcard(&mut visit);
        } else if starts_wild(pattern.as_str()) {
            self.shards[..self.shards.len() - 1].iter().for_each(|shard| shard.for_each(&mut visit));
        } else {
            self.shard_of(self.hash(first_token(pattern.as_str()))).for_each(&mut visit);
        }
        self.wildcard_first().for_each(&mut visit);
        found
    }

    /// A copy of all entries: pattern, queue name, value. The order is not defined.
    ///
    /// Blocking: the read lock of one shard at a time; entries that come or go meanwhile may or may not be in it.
    pub fn entries(&self) -> Vec<(Pattern, Option<String>, T)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            shard.for_each(&mut |text, queue, value| {
                all.push((known(text), queue.map(SmolStr::to_string), value.clone()));
            });
        }
        all
    }

    /// Counts what is there now.
    pub fn stats(&self) -> MatcherStats {
        let mut stats = MatcherStats { changes: self.generations.changes(), ..MatcherStats::default() };
        for Sizes { entries, literal_patterns, trie_nodes } in self.shards.iter().map(Shard::sizes) {
            stats.entries += entries;
            stats.literal_patterns += literal_patterns;
            stats.trie_nodes += trie_nodes;
        }
        for cell in self.cells.iter() {
            cell.visit(|mine| {
                stats.cached_routes += mine.cache.len();
                stats.cache_hits += mine.cache.hits;
                stats.cache_misses += mine.cache.misses;
            });
        }
        stats
    }
}

impl<T: Send + Sync> Matcher<T> {
    #[inline]
    fn hash(&self, text: &str) -> u64 {
        hash_text(&self.hasher, text)
    }

    fn shard_of(&self, first_token: u64) -> &Shard<T> {
        // The upper half chooses, since the hash tables and caches use the lower bits.
        &self.shards[(first_token >> 32) as usize & (self.shards.len() - 2)]
    }

    fn wildcard_first(&self) -> &Shard<T> {
        &self.shards[self.shards.len() - 1]
    }

    fn place<'a>(&'a self, pattern: &'a Pattern) -> (&'a Shard<T>, Place<'a>, Touched) {
        let text = pattern.as_str();
        if starts_wild(text) {
            return (self.wildcard_first(), Place::Wildcard { pattern: text }, Touched::WildcardFirst);
        }
        let first_token = self.hash(first_token(text));
        let shard = self.shard_of(first_token);
        if pattern.is_literal() {
            let hash = self.hash(text);
            (shard, Place::Literal { subject: pattern.as_smol(), hash }, Touched::Literal { hash })
        } else {
            (shard, Place::Wildcard { pattern: text }, Touched::Wildcard { first_token })
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
        f.debug_struct("Matcher").field("shards", &(self.shards.len() - 1)).finish_non_exhaustive()
    }
}

/// The text of a pattern that was checked when it was inserted.
fn known(text: &str) -> Pattern {
    Pattern::new(text).expect("only checked patterns are inserted")
}

fn starts_wild(pattern: &str) -> bool {
    matches!(first_token(pattern), "*" | ">")
}
