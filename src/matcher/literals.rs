//! The literal patterns of one shard, for one thread at a time.
//!
//! Short texts lie in the table itself, beside their entry: among a million patterns every piece of memory that a look-up
//! reads is a cache miss, and there is no overlapping them from one look-up to the next, for the lock is in between.

use super::bucket::{Bucket, Take, Taken};
use super::split::hash_bytes;
use ahash::RandomState;
use hashbrown::HashTable;
use smol_str::SmolStr;

/// A table of fewer than this many is not worth shrinking.
const KEPT: usize = 64;

/// Longer texts lie in an allocation of their own. Measured: a longer limit makes the table of a million too large.
const INLINE: usize = 30;

#[derive(Debug)]
pub(super) struct Literals<T> {
    table: HashTable<Literal<T>>,
    /// Memory has been given back; what is left of it is freed with the last entry.
    was_large: bool,
}

#[derive(Debug)]
struct Literal<T> {
    subject: Name,
    bucket: Bucket<T>,
}

#[derive(Debug)]
enum Name {
    Inline { len: u8, bytes: [u8; INLINE] },
    Shared(SmolStr),
}

impl<T> Literals<T> {
    pub(super) fn new() -> Self {
        Literals { table: HashTable::new(), was_large: false }
    }

    /// Distinct patterns.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    #[inline]
    pub(super) fn find(&self, hash: u64, subject: &str) -> Option<&Bucket<T>> {
        let is_it = |known: &Literal<T>| known.is(subject);
        self.table.find(hash, is_it).map(|literal| &literal.bucket)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Bucket<T>)> {
        self.table.iter().map(|literal| (literal.subject.as_str(), &literal.bucket))
    }

    pub(super) fn insert(
        &mut self,
        hasher: &RandomState,
        subject: &SmolStr,
        hash: u64,
        queue: Option<SmolStr>,
        id: u64,
        value: T,
    ) {
        if let Some(known) = self.table.find_mut(hash, |known| known.is(subject)) {
            return known.bucket.add(queue, id, value);
        }
        let literal = Literal { subject: Name::new(subject), bucket: Bucket::first(queue, id, value) };
        self.table.insert_unique(hash, literal, |known| known.hash(hasher));
    }

    pub(super) fn remove(&mut self, hasher: &RandomState, subject: &str, hash: u64, id: u64) -> Option<Taken<T>> {
        let mut known = self.table.find_entry(hash, |known| known.is(subject)).ok()?;
        match known.get_mut().bucket.take(id) {
            Take::Taken(taken) => Some(taken),
            Take::IsNotHere => None,
            Take::IsOnly => {
                let (gone, _) = known.remove();
                self.give_back(hasher);
                gone.bucket.into_only()
            }
        }
    }

    /// Gives memory back once three quarters are unused: each time is paid for by as many removals.
    fn give_back(&mut self, hasher: &RandomState) {
        let (len, capacity) = (self.table.len(), self.table.capacity());
        if capacity > KEPT && len < capacity / 4 {
            self.table.shrink_to(len * 2, |known| known.hash(hasher));
            self.was_large = true;
        }
        if len == 0 && self.was_large {
            // The last piece lies wherever there was room when the heap was full, and would keep the C library from
            // returning what lies below it.
            *self = Literals::new();
        }
    }
}

impl<T> Literal<T> {
    #[inline]
    fn is(&self, subject: &str) -> bool {
        self.subject.as_bytes() == subject.as_bytes()
    }

    fn hash(&self, hasher: &RandomState) -> u64 {
        hash_bytes(hasher, self.subject.as_bytes())
    }
}

impl Name {
    fn new(text: &SmolStr) -> Self {
        let len = text.len();
        if len > INLINE {
            return Name::Shared(text.clone());
        }
        let mut bytes = [0; INLINE];
        bytes[..len].copy_from_slice(text.as_bytes());
        Name::Inline { len: len as u8, bytes }
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        match self {
            Name::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Name::Shared(text) => text.as_bytes(),
        }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("made from a text")
    }
}
