//! How a match finds its entries: in the routes that the thread remembers, or in the shards.

use super::cache::RouteCache;
use super::matches::{MatchedRoute, Matches};
use super::split::first_token;
use super::table::Table;
use super::thread_cache::{ThreadCache, ThreadCell};
use crate::subject::{Pattern, check_subject};
use crate::sync::PerThread;
use smol_str::SmolStr;
use std::mem;
use std::ops::DerefMut;

/// Routes to more than this are not remembered: what a thread remembers is bounded in bytes, and with so many to deliver to, the
/// search does not count.
const TARGETS_MAX: usize = 4_096;

/// Longer subjects are not remembered: the caches are bounded in places, and are to be so in bytes
/// (G6).
const REMEMBERED_LEN: usize = 4_096;

/// The entries, and the routes that threads remember, each thread its own.
//
// One value, so that a match has one address to keep.
pub(super) struct ThreadRoutes<T: Send> {
    pub(super) table: Table<T>,
    cells: PerThread<ThreadCell<T>>,
    cache_entries: usize,
}

/// The counts of all threads' caches.
#[derive(Debug, Default)]
pub(super) struct CacheCounts {
    pub(super) routes: usize,
    pub(super) hits: u64,
    pub(super) misses: u64,
}

/// The look into a thread's cache that found nothing to use.
struct Missed<C, M> {
    /// The result of the caller's work on the entries.
    todo: C,
    hash: u64,
    /// The thread's part, still locked; `None` while another thread visits it to take routes out, or while this thread is
    /// inside a route further up its stack.
    mine: Option<M>,
    /// Where a route lies that is out of date.
    stale: Option<usize>,
}

impl<T: Clone + Send + Sync> ThreadRoutes<T> {
    pub(super) fn new(table: Table<T>, cache_entries: usize) -> Self {
        ThreadRoutes { table, cells: PerThread::default(), cache_entries }
    }

    pub(super) fn counts(&self) -> CacheCounts {
        let mut counts = CacheCounts::default();
        for cell in self.cells.iter() {
            cell.visit(|mine| {
                counts.routes += mine.cache.len();
                counts.hits += mine.cache.hits;
                counts.misses += mine.cache.misses;
            });
        }
        counts
    }

    /// See [`Matcher::with_matches`](super::Matcher::with_matches).
    #[inline]
    pub(super) fn with_matches<R>(&self, subject: &str, f: impl FnOnce(MatchedRoute<'_, T>) -> R) -> R {
        match self.recall(subject, f, |f, hit| f(hit)) {
            Ok(result) => result,
            Err(missed) => self.with_found(subject, missed),
        }
    }

    /// See [`Matcher::with_checked`](super::Matcher::with_checked).
    #[inline]
    pub(super) fn with_checked<R, E>(
        &self,
        subject: &str,
        check: impl FnOnce() -> Result<(), E>,
        f: impl FnOnce(MatchedRoute<'_, T>) -> R,
    ) -> Result<R, E> {
        match self.recall(subject, f, |f, hit| f(hit)) {
            Ok(result) => Ok(result),
            Err(missed) => {
                check()?;
                Ok(self.with_found(subject, missed))
            }
        }
    }

    /// Adds what `subject` leads to.
    #[inline]
    pub(super) fn find_into(&self, subject: &str, into: &mut Matches<T>) {
        let recalled = self.recall(subject, into, |into, hit| into.copy_from(hit.matches));
        let Err(Missed { todo: into, hash, mine, stale }) = recalled else {
            return;
        };
        if let Some(mut mine) = mine
            && let Some(at) = remember(&self.table, hash, subject, stale, &mut mine.cache, |_| true)
        {
            return into.copy_from(mine.cache.hit(at).matches);
        }
        // Straight into the result: what is not remembered need not be copied.
        self.table.collect_into(hash, subject, into);
    }

    /// Hands `todo` and what this thread remembers of `subject` to `f`.
    #[inline]
    fn recall<C, R>(
        &self,
        subject: &str,
        todo: C,
        f: impl FnOnce(C, MatchedRoute<'_, T>) -> R,
    ) -> Result<R, Missed<C, impl DerefMut<Target = ThreadCache<T>>>> {
        let hash = self.table.hash(subject);
        let cell = self.cells.get_or(|_| ThreadCell::new(self.cache_entries));
        let mut mine = cell.try_lock();
        let mut stale = None;
        if let Some(mine) = &mut mine
            && let Some(at) = mine.cache.find(hash, subject)
        {
            let first = || self.table.hash(first_token(subject));
            if self.table.holds(&mut mine.cache.route(at).stamp, hash, first) {
                let result = f(todo, mine.cache.hit(at));
                mine.cache.hits += 1;
                return Ok(result);
            }
            stale = Some(at);
        }
        Err(Missed { todo, hash, mine, stale })
    }

    /// The rest of [`ThreadRoutes::with_matches`]: nothing remembered, or out of date.
    #[inline(never)]
    fn with_found<R, F>(&self, subject: &str, missed: Missed<F, impl DerefMut<Target = ThreadCache<T>>>) -> R
    where
        F: FnOnce(MatchedRoute<'_, T>) -> R,
    {
        let Missed { todo: f, hash, mine, stale } = missed;
        let mut scratch = Matches::new();
        if let Some(mut mine) = mine {
            // A remembered subject is not checked again: it must hold for callers with a check as
            // well.
            let is_subject = |subject: &str| check_subject(subject).is_ok();
            if let Some(at) = remember(&self.table, hash, subject, stale, &mut mine.cache, is_subject) {
                return f(mine.cache.hit(at));
            }
            scratch = mem::take(&mut mine.scratch);
        }
        // No lock is held from here on.
        self.table.collect_into(hash, subject, &mut scratch);
        let result = f(MatchedRoute { matches: &scratch, subject: None });
        scratch.clear();
        if let Some(mut mine) = self.cells.get().and_then(|cell| cell.try_lock()) {
            mine.scratch = scratch;
        }
        result
    }

    /// Takes every remembered route out that may lead to an entry of `pattern`.
    pub(super) fn forget(&self, pattern: &Pattern) {
        let hash = self.table.hash(pattern.as_str());
        for cell in self.cells.iter() {
            // Dropped outside the lock.
            if pattern.is_literal() {
                drop(cell.visit(|mine| mine.cache.take(hash, pattern.as_str())));
            } else {
                drop(cell.visit(|mine| mine.cache.take_all(|subject| pattern.matches(subject))));
            }
        }
    }
}

/// Brings the route at `stale` up to date, or remembers a new one if that is worth it and it may be; where it lies then.
#[inline]
fn remember<T: Clone>(
    table: &Table<T>,
    hash: u64,
    subject: &str,
    stale: Option<usize>,
    cache: &mut RouteCache<T>,
    may: impl FnOnce(&str) -> bool,
) -> Option<usize> {
    cache.misses += 1;
    if let Some(at) = stale {
        // The clones that go here, and those of a route that is pushed out, are not the last ones: the thread that
        // removes an entry keeps its value until it has visited here.
        let old = mem::take(&mut cache.route(at).matches);
        *cache.route(at) = table.collect_route(hash, subject, old);
        if cache.route(at).matches.len() > TARGETS_MAX {
            cache.take(hash, subject);
            return None;
        }
        return Some(at);
    }
    if subject.len() > REMEMBERED_LEN || !cache.worth_remembering(hash) || !may(subject) {
        return None;
    }
    let route = table.collect_route(hash, subject, Matches::new());
    if route.matches.len() > TARGETS_MAX {
        return None;
    }
    Some(cache.remember(hash, SmolStr::new(subject), route))
}
