//! The entries of one pattern.

use super::matches::Matches;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use smol_str::SmolStr;
use std::mem;

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

/// What became of taking an entry out of a bucket.
#[derive(Debug)]
pub(super) enum Take<T> {
    Taken(Taken<T>),
    IsOnly,
    IsNotHere,
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

    pub(super) fn add(&mut self, queue: Option<SmolStr>, id: u64, value: T) {
        if let Bucket::One(_) = self {
            let crowd = Crowd { plain: Vec::new(), queues: Vec::new() };
            let before = mem::replace(self, Bucket::Many(Box::new(crowd)));
            if let (Bucket::One(only), Bucket::Many(crowd)) = (before, &mut *self) {
                crowd.plain.push(only);
            }
        }
        let Bucket::Many(crowd) = self else { return };
        let entry = Entry::new(id, value);
        match queue {
            None => put_sorted(&mut crowd.plain, entry),
            Some(name) => match crowd.queues.iter_mut().find(|(known, _)| *known == name) {
                Some((_, members)) => put_sorted(members, entry),
                None => crowd.queues.push((name, vec![entry])),
            },
        }
    }

    /// Takes the entry `id` out, unless it is the only one: then the whole bucket has to go, by [`Bucket::into_only`].
    pub(super) fn take(&mut self, id: u64) -> Take<T> {
        let crowd = match self {
            Bucket::One(entry) if entry.id() == id => return Take::IsOnly,
            Bucket::One(_) => return Take::IsNotHere,
            Bucket::Many(crowd) => crowd,
        };
        if crowd.is_only(id) {
            return Take::IsOnly;
        }
        let Some(entry) = take_sorted(&mut crowd.plain, id).or_else(|| crowd.take_member(id)) else {
            return Take::IsNotHere;
        };
        if crowd.plain.len() == 1
            && crowd.queues.is_empty()
            && let Some(only) = crowd.plain.pop()
        {
            *self = Bucket::One(only);
        }
        Take::Taken(entry.take())
    }

    /// The only entry, of which [`Bucket::take`] has said that it is.
    pub(super) fn into_only(self) -> Option<Taken<T>> {
        let entry = match self {
            Bucket::One(entry) => Some(entry),
            Bucket::Many(mut crowd) => crowd.plain.pop().or_else(|| crowd.queues.pop()?.1.pop()),
        };
        entry.map(Entry::take)
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
    fn is_only(&self, id: u64) -> bool {
        match (&self.plain[..], &self.queues[..]) {
            ([only], []) => only.id() == id,
            ([], [(_, members)]) => members.len() == 1 && members[0].id() == id,
            _ => false,
        }
    }

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
