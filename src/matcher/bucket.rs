//! The entries of one pattern.
//!
//! They come and go in any order, and there may be as many as clients care to make. So taking one out moves no others: its place stays
//! empty until half of the places are. Many queue groups are found by an index.

use super::matches::Matches;
use crate::steps;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::mem;

/// Set in an entry's id once a remembered route holds its value, so that removing an entry that was never routed to needs no
/// search through the caches.
const ROUTED: u64 = 1 << 63;

/// Up to so many queue groups are searched one by one.
const FEW: usize = 16;

#[derive(Debug)]
pub(super) struct Entry<T> {
    id: AtomicU64,
    /// `None` in an empty place.
    value: Option<T>,
}

impl<T> Entry<T> {
    fn new(id: u64, value: T) -> Self {
        debug_assert!(id & ROUTED == 0);
        Entry { id: AtomicU64::new(id), value: Some(value) }
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

    fn take(&mut self) -> Option<Taken<T>> {
        let routed = self.id.load(Relaxed) & ROUTED != 0;
        self.value.take().map(|value| Taken { value, routed })
    }
}

/// An entry that has left its bucket.
#[derive(Debug)]
pub(super) struct Taken<T> {
    pub(super) value: T,
    /// A remembered route may hold a clone of the value.
    pub(super) routed: bool,
}

/// The result of taking an entry out of a bucket.
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
    plain: Row<T>,
    queues: Queues<T>,
}

/// Entries in the order of their ids: that in which `insert` was called.
#[derive(Debug)]
struct Row<T> {
    places: Vec<Entry<T>>,
    empty: usize,
}

/// The queue groups with a member, by numbers that follow the order in which they came up.
#[derive(Debug)]
struct Queues<T> {
    groups: BTreeMap<u64, (SmolStr, Row<T>)>,
    next: u64,
    /// There from when there were more than a few groups.
    index: Option<Box<Index>>,
}

/// Numbers of groups.
#[derive(Debug, Default)]
struct Index {
    by_name: BTreeMap<SmolStr, u64>,
    by_member: BTreeMap<u64, u64>,
}

impl<T> Bucket<T> {
    pub(super) fn first(queue: Option<SmolStr>, id: u64, value: T) -> Self {
        let entry = Entry::new(id, value);
        match queue {
            None => Bucket::One(entry),
            Some(name) => {
                let mut crowd = Crowd::new();
                crowd.queues.put(name, entry);
                Bucket::Many(Box::new(crowd))
            }
        }
    }

    pub(super) fn add(&mut self, queue: Option<SmolStr>, id: u64, value: T) {
        if let Bucket::One(_) = self {
            let before = mem::replace(self, Bucket::Many(Box::new(Crowd::new())));
            if let (Bucket::One(only), Bucket::Many(crowd)) = (before, &mut *self) {
                crowd.plain.put(only);
            }
        }
        let Bucket::Many(crowd) = self else { return };
        let entry = Entry::new(id, value);
        match queue {
            None => crowd.plain.put(entry),
            Some(name) => crowd.queues.put(name, entry),
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
        let Some(taken) = crowd.plain.take(id).or_else(|| crowd.queues.take(id)) else {
            return Take::IsNotHere;
        };
        if crowd.queues.groups.is_empty()
            && let Some(only) = crowd.plain.take_only()
        {
            *self = Bucket::One(only);
        }
        Take::Taken(taken)
    }

    /// The only entry, of which [`Bucket::take`] has said that it is.
    pub(super) fn into_only(self) -> Option<Taken<T>> {
        let mut entry = match self {
            Bucket::One(entry) => Some(entry),
            Bucket::Many(mut crowd) => {
                crowd.plain.take_only().or_else(|| crowd.queues.groups.pop_first()?.1.1.take_only())
            }
        };
        entry.as_mut().and_then(Entry::take)
    }

    /// Calls `f` with the queue name and the value of each entry.
    pub(super) fn for_each(&self, f: &mut impl FnMut(Option<&SmolStr>, &T)) {
        match self {
            Bucket::One(entry) => entry.value.iter().for_each(|value| f(None, value)),
            Bucket::Many(crowd) => {
                crowd.plain.values().for_each(|value| f(None, value));
                for (name, members) in crowd.queues.groups.values() {
                    members.values().for_each(|value| f(Some(name), value));
                }
            }
        }
    }

    /// Whether `found` says yes to the value of an entry.
    pub(super) fn any(&self, found: &mut impl FnMut(&T) -> bool) -> bool {
        match self {
            Bucket::One(entry) => entry.value.as_ref().is_some_and(found),
            Bucket::Many(crowd) => {
                let members = crowd.queues.groups.values().flat_map(|(_, members)| members.values());
                crowd.plain.values().chain(members).any(found)
            }
        }
    }

    fn mark_routed(&self) {
        match self {
            Bucket::One(entry) => entry.mark_routed(),
            Bucket::Many(crowd) => {
                crowd.plain.places.iter().for_each(Entry::mark_routed);
                crowd.queues.groups.values().flat_map(|(_, members)| &members.places).for_each(Entry::mark_routed);
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
            return entry.value.iter().for_each(|value| into.push_plain(value.clone()));
        }
        self.for_each(&mut |queue, value| match queue {
            None => into.push_plain(value.clone()),
            Some(name) => into.push_member(name, value.clone()),
        });
    }
}

impl<T> Crowd<T> {
    fn new() -> Self {
        let queues = Queues { groups: BTreeMap::new(), next: 0, index: None };
        Crowd { plain: Row::new(), queues }
    }

    fn is_only(&self, id: u64) -> bool {
        let groups = &self.queues.groups;
        match (self.plain.len(), groups.len()) {
            (1, 0) => self.plain.has(id),
            (0, 1) => groups.values().all(|(_, members)| members.len() == 1 && members.has(id)),
            _ => false,
        }
    }
}

impl<T> Row<T> {
    fn new() -> Self {
        Row { places: Vec::new(), empty: 0 }
    }

    fn len(&self) -> usize {
        self.places.len() - self.empty
    }

    fn values(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|entry| entry.value.as_ref())
    }

    fn find(&self, id: u64) -> Option<usize> {
        self.places.binary_search_by_key(&id, Entry::id).ok()
    }

    fn has(&self, id: u64) -> bool {
        self.find(id).is_some_and(|at| self.places[at].value.is_some())
    }

    /// Ids are drawn before the shard's lock is taken: of two threads, the one with the later id may come first.
    fn put(&mut self, entry: Entry<T>) {
        let later = self.places.iter().rev().take_while(|other| other.id() > entry.id()).count();
        self.places.insert(self.places.len() - later, entry);
    }

    /// Keeps the order of the rest; gives memory back once three quarters are unused.
    fn take(&mut self, id: u64) -> Option<Taken<T>> {
        let at = self.find(id)?;
        let taken = self.places[at].take()?;
        self.empty += 1;
        if self.empty * 2 > self.places.len() {
            // At least as many removals come before each pass as it keeps: the cost of one removal is constant on average.
            steps::count(self.places.len());
            self.places.retain(|entry| entry.value.is_some());
            self.empty = 0;
            if self.places.capacity() > 16 && self.places.len() < self.places.capacity() / 4 {
                self.places.shrink_to(self.places.len() * 2);
            }
        }
        Some(taken)
    }

    /// The only entry, if there is just one.
    fn take_only(&mut self) -> Option<Entry<T>> {
        if self.len() != 1 {
            return None;
        }
        mem::replace(self, Row::new()).places.into_iter().find(|entry| entry.value.is_some())
    }
}

impl<T> Queues<T> {
    fn put(&mut self, name: SmolStr, entry: Entry<T>) {
        let id = entry.id();
        let known = match &self.index {
            Some(index) => index.by_name.get(&name).copied(),
            None => self.groups.iter().find(|(_, (known, _))| *known == name).map(|(number, _)| *number),
        };
        let number = known.unwrap_or_else(|| {
            self.next += 1;
            self.next
        });
        let (name, members) = self.groups.entry(number).or_insert_with(|| (name, Row::new()));
        members.put(entry);
        if let Some(index) = &mut self.index {
            index.by_member.insert(id, number);
            if known.is_none() {
                index.by_name.insert(name.clone(), number);
            }
        } else if self.groups.len() > FEW {
            self.make_index();
        }
    }

    #[cold]
    fn make_index(&mut self) {
        let index = self.index.insert(Box::default());
        for (number, (name, members)) in &self.groups {
            index.by_name.insert(name.clone(), *number);
            let ids = members.places.iter().filter(|entry| entry.value.is_some()).map(Entry::id);
            index.by_member.extend(ids.map(|id| (id, *number)));
        }
    }

    fn take(&mut self, id: u64) -> Option<Taken<T>> {
        let number = match &mut self.index {
            Some(index) => index.by_member.remove(&id)?,
            None => {
                let has_it = |(_, (_, members)): &(&u64, &(SmolStr, Row<T>))| {
                    steps::count(1);
                    members.has(id)
                };
                *self.groups.iter().find(has_it)?.0
            }
        };
        let (name, members) = self.groups.get_mut(&number)?;
        let taken = members.take(id)?;
        if members.len() == 0 {
            if let Some(index) = &mut self.index {
                index.by_name.remove(name);
            }
            self.groups.remove(&number);
        }
        Some(taken)
    }
}
