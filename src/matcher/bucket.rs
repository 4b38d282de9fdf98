//! The entries of one pattern.

use super::matches::Matches;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use smol_str::SmolStr;

/// Set in an entry's id once a remembered route holds its value, so that removing an entry that was never routed to needs no
/// search through the caches.
const ROUTED: u64 = 1 << 63;

#[derive(Debug)]
pub(super) struct Entry<T> {
    id: AtomicU64,
    value: T,
}

impl<T> Entry<T> {
    fn new(id: u64, value: T) -> Self {
        debug_assert!(id & ROUTED == 0);
        Entry { id: AtomicU64::new(id), value }
    }

    fn id(&self) -> u64 {
        // ORDERING: Relaxed; entries are reached under their shard's lock, which orders everything.
        self.id.load(Relaxed) & !ROUTED
    }

    fn mark_routed(&self) {
        // ORDERING: Relaxed; set under the shard's read lock, read by `take` under its write lock.
        if self.id.load(Relaxed) & ROUTED == 0 {
            self.id.fetch_or(ROUTED, Relaxed);
        }
    }

    fn take(self) -> Taken<T> {
        let routed = self.id.load(Relaxed) & ROUTED != 0;
        Taken { value: self.value, routed }
    }
}

/// An entry that has left its bucket.
#[derive(Debug)]
pub(super) struct Taken<T> {
    pub(super) value: T,
    /// A remembered route may hold a clone of the value.
    pub(super) routed: bool,
}

/// The entries of one pattern; the common case of a single plain entry needs no allocation.
#[derive(Debug)]
pub(super) enum Bucket<T> {
    One(Entry<T>),
    Many(Box<Crowd<T>>),
}

#[derive(Debug)]
pub(super) struct Crowd<T> {
    /// Sorted by id, as are the members of each queue: the order in which `insert` was called.
    plain: Vec<Entry<T>>,
    queues: Vec<(SmolStr, Vec<Entry<T>>)>,
}

impl<T> Bucket<T> {
    pub(super) fn first(queue: Option<SmolStr>, id: u64, value: T) -> Self {
        let entry = Entry::new(id, value);
        match queue {
            None => Bucket::One(entry),
            Some(name) => Bucket::Many(Box::new(Crowd { plain: Vec::new(), queues: vec![(name, vec![entry])] })),
        }
    }

    /// Gives back the bucket with the entry added.
    pub(super) fn with(self, queue: Option<SmolStr>, id: u64, value: T) -> Self {
        let mut crowd = match self {
            Bucket::One(only) => Box::new(Crowd { plain: vec![only], queues: Vec::new() }),
            Bucket::Many(crowd) => crowd,
        };
        let entry = Entry::new(id, value);
        match queue {
            None => put_sorted(&mut crowd.plain, entry),
            Some(name) => match crowd.queues.iter_mut().find(|(known, _)| *known == name) {
                Some((_, members)) => put_sorted(members, entry),
                None => crowd.queues.push((name, vec![entry])),
            },
        }
        Bucket::Many(crowd)
    }

    /// Takes the entry `id` out. The bucket that is left is `None` when it was the last one.
    pub(super) fn without(self, id: u64) -> (Option<Self>, Option<Taken<T>>) {
        match self {
            Bucket::One(entry) if entry.id() == id => (None, Some(entry.take())),
            Bucket::One(_) => (Some(self), None),
            Bucket::Many(mut crowd) => {
                let taken = take_sorted(&mut crowd.plain, id).or_else(|| crowd.take_member(id));
                let left = match (crowd.plain.len(), crowd.queues.is_empty()) {
                    (0, true) => None,
                    (1, true) => crowd.plain.pop().map(Bucket::One),
                    _ => Some(Bucket::Many(crowd)),
                };
                (left, taken.map(Entry::take))
            }
        }
    }

    /// Calls `f` with the queue name and the value of each entry.
    pub(super) fn for_each(&self, f: &mut impl FnMut(Option<&SmolStr>, &T)) {
        match self {
            Bucket::One(entry) => f(None, &entry.value),
            Bucket::Many(crowd) => {
                crowd.plain.iter().for_each(|entry| f(None, &entry.value));
                for (name, members) in &crowd.queues {
                    members.iter().for_each(|entry| f(Some(name), &entry.value));
                }
            }
        }
    }

    fn mark_routed(&self) {
        match self {
            Bucket::One(entry) => entry.mark_routed(),
            Bucket::Many(crowd) => {
                crowd.plain.iter().for_each(Entry::mark_routed);
                crowd.queues.iter().flat_map(|(_, members)| members).for_each(Entry::mark_routed);
            }
        }
    }
}

impl<T: Clone> Bucket<T> {
    /// Adds clones of all entries to `into`; `routed` says that the result will be remembered.
    #[inline]
    pub(super) fn collect(&self, routed: bool, into: &mut Matches<T>) {
        if routed {
            self.mark_routed();
        }
        if let Bucket::One(entry) = self {
            return into.push_plain(entry.value.clone());
        }
        self.for_each(&mut |queue, value| match queue {
            None => into.push_plain(value.clone()),
            Some(name) => into.push_member(name, value.clone()),
        });
    }
}

impl<T> Crowd<T> {
    fn take_member(&mut self, id: u64) -> Option<Entry<T>> {
        let (at, entry) = self
            .queues
            .iter_mut()
            .enumerate()
            .find_map(|(at, (_, members))| take_sorted(members, id).map(|entry| (at, entry)))?;
        if self.queues[at].1.is_empty() {
            self.queues.remove(at);
        }
        Some(entry)
    }
}

/// Ids are drawn before the shard's lock is taken: of two threads, the one with the later id may come first.
fn put_sorted<T>(entries: &mut Vec<Entry<T>>, entry: Entry<T>) {
    let later = entries.iter().rev().take_while(|other| other.id() > entry.id()).count();
    entries.insert(entries.len() - later, entry);
}

/// Keeps the order of the rest; gives memory back once three quarters are unused.
fn take_sorted<T>(entries: &mut Vec<Entry<T>>, id: u64) -> Option<Entry<T>> {
    let at = entries.binary_search_by_key(&id, Entry::id).ok()?;
    let entry = entries.remove(at);
    if entries.capacity() > 16 && entries.len() < entries.capacity() / 4 {
        entries.shrink_to(entries.len() * 2);
    }
    Some(entry)
}
