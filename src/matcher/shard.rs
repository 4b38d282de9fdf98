//! One shard: a literal table and a trie of wildcard patterns under one lock.

use super::bucket::Taken;
use super::literals::Literals;
use super::matches::Matches;
use super::split::Split;
use super::trie::Trie;
use crate::sync::RwLock;
use crate::sync::atomic::{AtomicUsize, Ordering};
use ahash::RandomState;
use smol_str::SmolStr;

#[derive(Debug)]
pub(super) struct Shard<T> {
    inner: RwLock<Inner<T>>,
    /// Entries in the shard, so that an empty one is passed by without its lock.
    //
    // | field | written by                       | read by           | invariant                                   |
    // | len   | insert, remove (write lock held) | collect, no lock  | not less than what `insert` calls that have returned left |
    len: AtomicUsize,
}

#[derive(Debug)]
struct Inner<T> {
    literals: Literals<T>,
    wildcards: Trie<T>,
    hasher: RandomState,
}

/// The counts of [`Shard::sizes`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sizes {
    pub(super) entries: usize,
    pub(super) literal_patterns: usize,
    pub(super) trie_nodes: usize,
}

impl<T> Shard<T> {
    pub(super) fn new(hasher: RandomState) -> Self {
        let inner = Inner { literals: Literals::new(), wildcards: Trie::new(hasher.clone()), hasher };
        Shard { inner: RwLock::new(inner), len: AtomicUsize::new(0) }
    }

    /// Runs `changed` under the write lock once the entry is in: the generations must move before a reader can see the
    /// change and then not the generation.
    pub(super) fn insert(
        &self,
        place: PatternPlace<'_>,
        queue: Option<SmolStr>,
        id: u64,
        value: T,
        changed: impl FnOnce(),
    ) {
        let mut inner = self.inner.write();
        inner.insert(place, queue, id, value);
        // ORDERING: SeqCst; pairs with the load in `is_empty`. Before the generations move: a route stamped with the new ones must
        // not have passed this shard by as empty (their Release carries this to the Acquire in `stamp`).
        self.len.fetch_add(1, Ordering::SeqCst);
        changed();
    }

    /// As [`Shard::insert`]; `changed` runs only if there was such an entry.
    pub(super) fn remove(&self, place: PatternPlace<'_>, id: u64, changed: impl FnOnce()) -> Option<Taken<T>> {
        let mut inner = self.inner.write();
        let taken = inner.remove(place, id)?;
        self.len.fetch_sub(1, Ordering::SeqCst);
        changed();
        Some(taken)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        // ORDERING: SeqCst; pairs with the addition in `insert`: after an insert has returned, each thread that knows of it sees it
        // here. So does a new watch on interest, unless the inserting thread sees the watch (`bus/interest.rs`).
        self.len.load(Ordering::SeqCst) == 0
    }

    pub(super) fn sizes(&self) -> Sizes {
        let inner = self.inner.read();
        Sizes {
            entries: self.len.load(Ordering::Relaxed),
            literal_patterns: inner.literals.len(),
            trie_nodes: inner.wildcards.node_count(),
        }
    }

    /// Calls `f` for every entry, under the read lock.
    pub(super) fn for_each(&self, f: &mut impl FnMut(&str, Option<&SmolStr>, &T)) {
        if self.is_empty() {
            return;
        }
        let inner = self.inner.read();
        for (subject, bucket) in inner.literals.iter() {
            bucket.for_each(&mut |queue, value| f(subject, queue, value));
        }
        inner.wildcards.for_each(f);
    }

    /// Calls `f` for every entry at exactly this literal subject, under the read lock.
    pub(super) fn for_each_at(&self, hash: u64, subject: &str, f: &mut impl FnMut(&str, Option<&SmolStr>, &T)) {
        if self.is_empty() {
            return;
        }
        let inner = self.inner.read();
        if let Some(bucket) = inner.literals.find(hash, subject) {
            bucket.for_each(&mut |queue, value| f(subject, queue, value));
        }
    }

    /// Calls `f` for every entry with a wildcard pattern, under the read lock.
    pub(super) fn for_each_wildcard(&self, f: &mut impl FnMut(&str, Option<&SmolStr>, &T)) {
        if !self.is_empty() {
            self.inner.read().wildcards.for_each(f);
        }
    }
}

impl<T: Clone> Shard<T> {
    /// Adds clones of the entries that match `subject`, whose hash is `hash` and which `split` cuts when need be.
    #[inline]
    pub(super) fn collect(&self, hash: u64, subject: &str, split: &mut Split<'_>, routed: bool, into: &mut Matches<T>) {
        if self.is_empty() {
            return;
        }
        let inner = self.inner.read();
        if let Some(bucket) = inner.literals.find(hash, subject) {
            bucket.collect(routed, into);
        }
        if !inner.wildcards.is_empty() {
            let tokens = split.tokens(&inner.hasher);
            inner.wildcards.collect(tokens, routed, into);
        }
    }
}

/// Where in a shard a pattern lives.
#[derive(Clone, Copy, Debug)]
pub(super) enum PatternPlace<'a> {
    Literal { subject: &'a SmolStr, hash: u64 },
    Wildcard { pattern: &'a str },
}

impl<T> Inner<T> {
    fn insert(&mut self, place: PatternPlace<'_>, queue: Option<SmolStr>, id: u64, value: T) {
        match place {
            PatternPlace::Literal { subject, hash } => {
                self.literals.insert(&self.hasher, subject, hash, queue, id, value);
            }
            PatternPlace::Wildcard { pattern } => self.wildcards.insert(pattern, queue, id, value),
        }
    }

    fn remove(&mut self, place: PatternPlace<'_>, id: u64) -> Option<Taken<T>> {
        match place {
            PatternPlace::Literal { subject, hash } => self.literals.remove(&self.hasher, subject, hash, id),
            PatternPlace::Wildcard { pattern } => self.wildcards.remove(pattern, id),
        }
    }
}
