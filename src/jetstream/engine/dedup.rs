//! Message ids that were used not long ago (JS48, JS49).

use super::time::Timestamp;
use ahash::RandomState;
use hashbrown::HashTable;
use std::collections::VecDeque;
use std::time::Duration;

/// Ids of the window, oldest first. An id is forgotten exactly one window after its message was stored; a duplicate does not renew it.
#[derive(Debug)]
pub(crate) struct Dedup {
    ids: VecDeque<Id>,
    /// The number of the front one; each later one has the next.
    front: u64,
    by_id: HashTable<u64>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Id {
    text: Box<[u8]>,
    seq: u64,
    at: Timestamp,
}

impl Dedup {
    pub(crate) fn new(seed: u64) -> Self {
        let hasher = RandomState::with_seeds(seed, seed.rotate_left(16), seed.rotate_left(32), 7);
        Dedup { ids: VecDeque::new(), front: 0, by_id: HashTable::new(), hasher }
    }

    /// The sequence of the message that used it.
    pub(crate) fn find(&self, id: &[u8]) -> Option<u64> {
        let hash = self.hasher.hash_one(id);
        let found = self.by_id.find(hash, |&number| *self.id(number).text == *id)?;
        Some(self.id(*found).seq)
    }

    /// Remembers an id that is not there.
    pub(crate) fn insert(&mut self, id: &[u8], seq: u64, now: Timestamp) {
        let number = self.front + self.ids.len() as u64;
        self.ids.push_back(Id { text: id.into(), seq, at: now });
        let Dedup { ids, front, by_id, hasher } = self;
        let hash_of = |number: &u64| hasher.hash_one(&*ids[(number - *front) as usize].text);
        by_id.insert_unique(hasher.hash_one(id), number, hash_of);
    }

    /// When the oldest id is to be forgotten.
    pub(crate) fn due(&self, window: Duration) -> Option<Timestamp> {
        self.ids.front().map(|id| id.at.after(window))
    }

    /// Forgets what is due.
    pub(crate) fn forget(&mut self, now: Timestamp, window: Duration) {
        while self.due(window).is_some_and(|due| due <= now) {
            let Some(id) = self.ids.pop_front() else { break };
            let number = self.front;
            self.front += 1;
            let hash = self.hasher.hash_one(&*id.text);
            if let Ok(found) = self.by_id.find_entry(hash, |&other| other == number) {
                found.remove();
            }
        }
        if self.ids.is_empty() {
            self.ids = VecDeque::new();
            self.by_id = HashTable::new();
        }
    }

    fn id(&self, number: u64) -> &Id {
        &self.ids[(number - self.front) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JS49: window 1 s, ids at 0 and 0.5 s: the first is free at 1 s, the second at 1.5 s.
    #[test]
    fn an_id_is_forgotten_after_its_own_window() {
        let at = |millis: u64| Timestamp::from_nanos(millis * 1_000_000);
        let window = Duration::from_secs(1);
        let mut dedup = Dedup::new(1);
        dedup.insert(b"a", 1, at(0));
        dedup.insert(b"b", 2, at(500));
        dedup.forget(at(999), window);
        assert_eq!((dedup.find(b"a"), dedup.find(b"b")), (Some(1), Some(2)));
        dedup.forget(at(1_000), window);
        assert_eq!((dedup.find(b"a"), dedup.find(b"b")), (None, Some(2)));
        assert_eq!(dedup.due(window), Some(at(1_500)));
        dedup.forget(at(1_500), window);
        assert_eq!((dedup.find(b"b"), dedup.due(window)), (None, None));
    }
}
