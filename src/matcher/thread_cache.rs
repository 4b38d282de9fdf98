//! The part of a matcher that one thread owns: the routes that it remembers.

use super::cache::RouteCache;
use super::matches::Matches;
use crate::sync::{OwnerLock, yield_now};
use std::ops::DerefMut;

/// The part of a matcher that one thread owns.
#[derive(Debug)]
pub(super) struct ThreadCell<T>(OwnerLock<ThreadCache<T>>);

#[derive(Debug)]
pub(super) struct ThreadCache<T> {
    pub(super) cache: RouteCache<T>,
    /// Result of the matches that are not remembered, kept for its allocation; empty while not in use.
    pub(super) scratch: Matches<T>,
}

impl<T> ThreadCell<T> {
    pub(super) fn new(cache_entries: usize) -> Self {
        ThreadCell(OwnerLock::new(ThreadCache { cache: RouteCache::new(cache_entries), scratch: Matches::new() }))
    }

    /// The owning thread goes inside; `None` while another one visits, or while this one is inside further up its stack.
    #[inline]
    pub(super) fn try_lock(&self) -> Option<impl DerefMut<Target = ThreadCache<T>>> {
        self.0.try_lock()
    }

    /// Waits until the owning thread is outside; it stays inside for one match and never sleeps there.
    pub(super) fn visit<R>(&self, f: impl FnOnce(&mut ThreadCache<T>) -> R) -> R {
        loop {
            if let Some(mut mine) = self.0.try_lock() {
                return f(&mut mine);
            }
            yield_now();
        }
    }
}
