//! All entries of a matcher: in shards by the hash of a pattern's first token, with the generations that count their changes.

use super::bucket::Taken;
use super::cache::Route;
use super::generation::{Generations, Stamp, Touched};
use super::matches::Matches;
use super::shard::{PatternPlace, Shard, Sizes};
use super::split::{Split, first_token, hash_text};
use crate::subject::{Pattern, relation};
use ahash::RandomState;
use smol_str::SmolStr;

pub(super) struct Table<T> {
    /// The last one is for patterns that begin with a wildcard.
    shards: Box<[Shard<T>]>,
    hasher: RandomState,
    generations: Generations,
}

impl<T> Table<T> {
    /// `shards` is a power of two.
    pub(super) fn new(shards: usize, hasher: RandomState) -> Self {
        let generations = Generations::new();
        Table { shards: (0..=shards).map(|_| Shard::new(hasher.clone())).collect(), hasher, generations }
    }

    /// How many shards there are, the one of patterns that begin with a wildcard not counted.
    pub(super) fn shards(&self) -> usize {
        self.shards.len() - 1
    }

    #[inline]
    pub(super) fn hash(&self, text: &str) -> u64 {
        hash_text(&self.hasher, text)
    }

    fn shard_of(&self, first_token: u64) -> &Shard<T> {
        // The upper half chooses, since the hash tables and caches use the lower bits.
        &self.shards[(first_token >> 32) as usize & (self.shards.len() - 2)]
    }

    fn wildcard_first(&self) -> &Shard<T> {
        &self.shards[self.shards.len() - 1]
    }

    fn place<'a>(&'a self, pattern: &'a Pattern) -> (&'a Shard<T>, PatternPlace<'a>, Touched) {
        let text = pattern.as_str();
        if starts_wild(text) {
            return (self.wildcard_first(), PatternPlace::Wildcard { pattern: text }, Touched::WildcardFirst);
        }
        let first_token = self.hash(first_token(text));
        let shard = self.shard_of(first_token);
        if pattern.is_literal() {
            let hash = self.hash(text);
            (shard, PatternPlace::Literal { subject: pattern.as_smol(), hash }, Touched::Literal { hash })
        } else {
            (shard, PatternPlace::Wildcard { pattern: text }, Touched::Wildcard { first_token })
        }
    }

    pub(super) fn insert(&self, pattern: &Pattern, queue: Option<SmolStr>, id: u64, value: T) {
        let (shard, place, touched) = self.place(pattern);
        shard.insert(place, queue, id, value, || self.generations.touch(touched));
    }

    pub(super) fn remove(&self, pattern: &Pattern, id: u64) -> Option<Taken<T>> {
        let (shard, place, touched) = self.place(pattern);
        shard.remove(place, id, || self.generations.touch(touched))
    }

    /// Whether no change since `stamp` concerns its subject. Moves the stamp on when that is so.
    #[inline]
    pub(super) fn holds(&self, stamp: &mut Stamp, hash: u64, first_token: impl FnOnce() -> u64) -> bool {
        self.generations.holds(stamp, hash, first_token)
    }

    /// Changes so far.
    pub(super) fn changes(&self) -> u64 {
        self.generations.changes()
    }

    pub(super) fn sizes(&self) -> Sizes {
        self.shards.iter().map(Shard::sizes).fold(Sizes::default(), |mut all, one| {
            all.entries += one.entries;
            all.literal_patterns += one.literal_patterns;
            all.trie_nodes += one.trie_nodes;
            all
        })
    }

    /// Calls `visit` with the pattern, the queue name and the value of each entry.
    pub(super) fn for_each(&self, visit: &mut impl FnMut(&str, Option<&SmolStr>, &T)) {
        self.shards.iter().for_each(|shard| shard.for_each(visit));
    }

    /// Calls `visit` with the pattern and the value of each entry that shares a subject with `pattern`.
    pub(super) fn for_each_overlapping(&self, pattern: &Pattern, visit: &mut impl FnMut(&str, &T)) {
        let text = pattern.as_str();
        let mut visit = |known: &str, _: Option<&SmolStr>, value: &T| {
            if relation::overlaps(known, text) {
                visit(known, value);
            }
        };
        if pattern.is_literal() {
            let shard = self.shard_of(self.hash(first_token(text)));
            shard.for_each_at(self.hash(text), text, &mut visit);
            shard.for_each_wildcard(&mut visit);
        } else if starts_wild(text) {
            self.shards[..self.shards()].iter().for_each(|shard| shard.for_each(&mut visit));
        } else {
            self.shard_of(self.hash(first_token(text))).for_each(&mut visit);
        }
        self.wildcard_first().for_each(&mut visit);
    }
}

impl<T: Clone> Table<T> {
    /// Adds the entries that a subject leads to, which is not remembered.
    pub(super) fn collect_into(&self, hash: u64, subject: &str, into: &mut Matches<T>) {
        let mut split = Split::new(&self.hasher, subject, hash);
        self.collect(hash, subject, &mut split, false, into);
    }

    /// Collects the route of `subject`; the allocations of `matches` are used again.
    pub(super) fn collect_route(&self, hash: u64, subject: &str, mut matches: Matches<T>) -> Route<T> {
        matches.clear();
        let mut split = Split::new(&self.hasher, subject, hash);
        let stamp = self.generations.stamp(hash, split.first());
        self.collect(hash, subject, &mut split, true, &mut matches);
        Route { stamp, matches }
    }

    #[inline]
    fn collect(&self, hash: u64, subject: &str, split: &mut Split<'_>, routed: bool, into: &mut Matches<T>) {
        self.shard_of(split.first()).collect(hash, subject, split, routed, into);
        self.wildcard_first().collect(hash, subject, split, routed, into);
    }
}

/// Whether a pattern begins with a wildcard, so that it lies in the last shard.
pub(super) fn starts_wild(pattern: &str) -> bool {
    relation::is_wildcard(first_token(pattern))
}
