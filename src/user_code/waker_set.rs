//! Wakers that are woken together, each once.

use super::UserWaker;
use crate::steps;
use std::collections::BTreeSet;

/// Wakers in the order in which they came; none twice. For use under a lock: it wakes, clones and drops none itself.
#[derive(Debug, Default)]
pub(crate) struct WakerSet {
    wakers: Vec<UserWaker>,
    known: BTreeSet<(usize, usize)>,
}

impl WakerSet {
    /// Gives the waker back if one that wakes the same is there; it is to be dropped with no lock held.
    #[must_use]
    pub(crate) fn insert(&mut self, waker: UserWaker) -> Option<UserWaker> {
        steps::count(1);
        if !self.known.insert(waker.identity()) {
            return Some(waker);
        }
        self.wakers.push(waker);
        None
    }

    /// All of them, to be woken with no lock held.
    #[must_use]
    pub(crate) fn take(&mut self) -> Vec<UserWaker> {
        self.known.clear();
        std::mem::take(&mut self.wakers)
    }

    #[cfg(all(test, not(postroom_shuttle)))]
    pub(crate) fn len(&self) -> usize {
        self.wakers.len()
    }
}
