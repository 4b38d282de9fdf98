//! The connections of a bus, by number.

use crate::id::ClientId;
use crate::sync::Mutex;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// Entries in the order of their numbers, which is that of their making, so that a run repeats. None is kept alive.
#[derive(Debug)]
pub(crate) struct Roster<T> {
    /// LOCK ORDER: after `Account::retired`.
    entries: Mutex<BTreeMap<ClientId, Weak<T>>>,
}

impl<T> Roster<T> {
    pub(crate) fn new() -> Self {
        Roster { entries: Mutex::new(BTreeMap::new()) }
    }

    /// Adds what `make` makes, which it does while no other comes or is looked for.
    pub(crate) fn add(&self, id: ClientId, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
        let mut entries = self.entries.lock();
        let entry = make();
        entries.insert(id, Arc::downgrade(&entry));
        entry
    }

    pub(crate) fn remove(&self, id: ClientId) {
        self.entries.lock().remove(&id);
    }

    pub(crate) fn get(&self, id: ClientId) -> Option<Arc<T>> {
        self.entries.lock().get(&id).and_then(Weak::upgrade)
    }

    /// Those there are now; dropped by the caller with no lock held.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.entries.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// The first one whose number is `from` or more; without it if its end has begun.
    pub(crate) fn first_from(&self, from: ClientId) -> Option<(ClientId, Option<Arc<T>>)> {
        self.entries.lock().range(from..).next().map(|(id, entry)| (*id, entry.upgrade()))
    }
}
