//! Routes that a caller keeps for one subject, outside any thread's cache.
//!
//! A removal takes out the kept routes that it makes stale. Each of these had to be collected again anyway, so all removals together
//! look at no more routes than publishes have collected, and none looks at a subject whose route is still good.

use super::cache::Route;
use super::matches::{MatchedRoute, Matches};
use super::split::first_token;
use super::table::{Table, starts_wild};
use crate::steps;
use crate::subject::{Pattern, Subject};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, OwnerLock, yield_now};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Weak};

/// A subject whose route is kept; made by [`Preparations::prepare`].
#[derive(Debug)]
pub(crate) struct Prepared<T> {
    subject: Subject,
    key: Key,
    /// While this is `Some` and unlocked, it is among the [`Preparations`].
    route: OwnerLock<Option<Route<T>>>,
}

/// Ordered so that the routes which a change makes stale are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// Hash of the subject's first token.
    first_token: u64,
    /// Hash of the subject.
    hash: u64,
    /// Tells it from others of the same subject.
    number: u64,
}

impl Key {
    const FIRST: Key = Key { first_token: 0, hash: 0, number: 0 };
    const LAST: Key = Key { first_token: u64::MAX, hash: u64::MAX, number: u64::MAX };
}

/// The prepared subjects that hold a route, so that a removed entry can be taken out of it. Cold: touched when a route is collected for
/// a subject that held none, when a prepared subject is dropped, and when an entry that was routed to is removed.
///
/// LOCK ORDER: after a prepared route. A removal, which has this lock first, only tries the route's.
#[derive(Debug)]
pub(super) struct Preparations<T> {
    held: Mutex<BTreeMap<Key, Weak<Prepared<T>>>>,
    /// ORDERING: Relaxed; only uniqueness counts.
    made: AtomicU64,
}

impl<T> Default for Preparations<T> {
    fn default() -> Self {
        Preparations { held: Mutex::new(BTreeMap::new()), made: AtomicU64::new(0) }
    }
}

impl<T> Prepared<T> {
    fn matched<'a>(&'a self, route: &'a Route<T>) -> MatchedRoute<'a, T> {
        MatchedRoute { matches: &route.matches, subject: Some(self.subject.as_smol()) }
    }

    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }
}

/// A route that was taken out, and the prepared subject that held it; both are dropped where no lock is held.
type Taken<T> = (Option<Arc<Prepared<T>>>, Option<Route<T>>);

impl<T> Preparations<T> {
    pub(super) fn prepare(&self, table: &Table<T>, subject: Subject) -> Arc<Prepared<T>> {
        let (first_token, hash) = (table.hash(first_token(subject.as_str())), table.hash(subject.as_str()));
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Arc::new(Prepared { subject, key: Key { first_token, hash, number }, route: OwnerLock::new(None) })
    }

    pub(super) fn unprepare(&self, prepared: Arc<Prepared<T>>) {
        let key = prepared.key;
        // First, so that an entry that is removed meanwhile finds it, or finds it gone with its route.
        drop(prepared);
        self.held.lock().remove(&key);
    }

    /// Takes out every kept route that the removal of an entry of `pattern` has made stale; those that lead to the entry are among them.
    pub(super) fn forget(&self, table: &Table<T>, pattern: &Pattern) {
        let text = pattern.as_str();
        let (mut from, mut to) = (Key::FIRST, Key::LAST);
        if !starts_wild(text) {
            let first_token = table.hash(first_token(text));
            (from, to) = (Key { first_token, ..from }, Key { first_token, ..to });
        }
        if pattern.is_literal() {
            let hash = table.hash(text);
            (from, to) = (Key { hash, ..from }, Key { hash, ..to });
        }
        let mut next = Bound::Included(from);
        while let Some((key, taken)) = self.take_next((next, Bound::Included(to))) {
            match taken {
                // One that is held again by now was collected after the removal.
                Some(taken) => {
                    next = Bound::Excluded(key);
                    drop(taken);
                }
                // Its owner stays inside for one match and never sleeps there.
                None => {
                    next = Bound::Included(key);
                    yield_now();
                }
            }
        }
    }

    /// Takes out the first route in `range`; `Some(None)` in place of it if its owner is inside.
    fn take_next(&self, range: (Bound<Key>, Bound<Key>)) -> Option<(Key, Option<Taken<T>>)> {
        let mut held = self.held.lock();
        steps::count(1);
        let (key, prepared) = held.range(range).next().map(|(key, prepared)| (*key, prepared.upgrade()))?;
        let route = match &prepared {
            Some(prepared) => match prepared.route.try_lock() {
                Some(mut route) => route.take(),
                None => {
                    drop(held);
                    return Some((key, None));
                }
            },
            None => None,
        };
        held.remove(&key);
        drop(held);
        Some((key, Some((prepared, route))))
    }
}

impl<T: Clone> Preparations<T> {
    /// Calls `f` with the route; gives `f` back while another thread is inside.
    #[inline]
    pub(super) fn with<R, F>(&self, table: &Table<T>, prepared: &Arc<Prepared<T>>, f: F) -> Result<R, F>
    where
        F: FnOnce(MatchedRoute<'_, T>) -> R,
    {
        let Some(mut kept) = prepared.route.try_lock() else { return Err(f) };
        if let Some(route) = &mut *kept
            && table.holds(&mut route.stamp, prepared.key.hash, || prepared.key.first_token)
        {
            return Ok(f(prepared.matched(route)));
        }
        let reuse = match kept.take() {
            Some(route) => route.matches,
            None => {
                // Before the entries are collected: the removal of one of them finds this.
                self.held.lock().insert(prepared.key, Arc::downgrade(prepared));
                Matches::new()
            }
        };
        let route = kept.insert(table.collect_route(prepared.key.hash, prepared.subject.as_str(), reuse));
        Ok(f(prepared.matched(route)))
    }
}
