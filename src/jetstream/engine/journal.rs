//! The journal of a stream: which records are to be written, until they are fetched.
//!
//! It names what has changed; the records are made from the present state when they are fetched. Nothing is kept for a stream without a
//! journal.

use super::interest::ConsumerId;
use super::time::Timestamp;

/// Changes that no record was made of yet.
#[derive(Debug, Default)]
pub(crate) struct Journal(Option<Vec<Changed>>);

/// A change, without its contents.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Changed {
    Config,
    Stored(u64),
    Removed(u64),
    Cleared,
    /// A sequence was used without a message.
    Skipped,
    Scheduled(u64, Timestamp),
    Consumer(ConsumerId),
    ConsumerGone(ConsumerId),
}

impl Journal {
    /// Keeps changes from now on.
    pub(crate) fn begin(&mut self) {
        self.0.get_or_insert_default();
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn note(&mut self, change: Changed) {
        if let Some(changes) = &mut self.0 {
            changes.push(change);
        }
    }

    /// Takes the changes since the last time.
    pub(crate) fn take(&mut self) -> Vec<Changed> {
        self.0.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Its room serves for the next changes, unless there were many.
    pub(crate) fn give_back(&mut self, mut changes: Vec<Changed>) {
        changes.clear();
        changes.shrink_to(256);
        if let Some(own) = &mut self.0 {
            *own = changes;
        }
    }
}
