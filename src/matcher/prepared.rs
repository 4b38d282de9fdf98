//! Routes that a caller keeps for one subject, outside any thread's cache.

use super::cache::Route;
use super::matches::Matches;
use super::split::first_token;
use super::{Hit, Matcher};
use crate::subject::{Pattern, Subject};
use crate::sync::{Mutex, OwnerLock, yield_now};
use ahash::RandomState;
use smol_str::SmolStr;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// A subject whose route is kept; made by [`Matcher::prepare`].
#[derive(Debug)]
pub(crate) struct Prepared<T> {
    subject: Subject,
    hash: u64,
    route: OwnerLock<Option<Route<T>>>,
}

/// All that is prepared, so that a removed entry can be taken out of its routes. Cold: touched when a caller prepares, drops
/// what it prepared, and when an entry that was routed to is removed.
#[derive(Debug)]
pub(super) struct Preparations<T>(Mutex<BySubject<T>>);

type BySubject<T> = HashMap<SmolStr, Vec<Weak<Prepared<T>>>, RandomState>;

impl<T> Default for Preparations<T> {
    fn default() -> Self {
        Preparations(Mutex::new(HashMap::with_hasher(RandomState::with_seeds(1, 2, 3, 4))))
    }
}

impl<T: Clone + Send + Sync> Matcher<T> {
    pub(crate) fn prepare(&self, subject: Subject) -> Arc<Prepared<T>> {
        let hash = self.hash(subject.as_str());
        let prepared = Arc::new(Prepared { subject, hash, route: OwnerLock::new(None) });
        let mut all = self.preparations.0.lock();
        let same = all.entry(prepared.subject.as_smol().clone()).or_default();
        same.retain(|other| other.strong_count() > 0);
        same.push(Arc::downgrade(&prepared));
        prepared
    }

    /// To be called once a prepared subject is no longer used.
    pub(crate) fn unprepare(&self, subject: &Subject) {
        let mut all = self.preparations.0.lock();
        if let Some(same) = all.get_mut(subject.as_str()) {
            same.retain(|other| other.strong_count() > 0);
            if same.is_empty() {
                all.remove(subject.as_str());
            }
        }
    }

    /// As [`Matcher::with_matches`], without a look-up. A caller that shares `prepared` with another thread which is inside
    /// at the moment takes the common way.
    #[inline]
    pub(crate) fn with_prepared<R>(&self, prepared: &Prepared<T>, f: impl FnOnce(Hit<'_, T>) -> R) -> R {
        let subject = prepared.subject.as_str();
        let Some(mut kept) = prepared.route.try_lock() else {
            return self.with_matches(subject, f);
        };
        if let Some(route) = &mut *kept
            && self.generations.holds(&mut route.stamp, prepared.hash, || self.hash(first_token(subject)))
        {
            return f(prepared.hit(route));
        }
        let reuse = kept.take().map_or_else(Matches::new, |route| route.matches);
        let route = kept.insert(self.collect_route(prepared.hash, subject, reuse));
        f(prepared.hit(route))
    }
}

impl<T> Prepared<T> {
    fn hit<'a>(&'a self, route: &'a Route<T>) -> Hit<'a, T> {
        Hit { matches: &route.matches, subject: Some(self.subject.as_smol()) }
    }

    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }
}

impl<T> Preparations<T> {
    pub(super) fn forget(&self, pattern: &Pattern) {
        let mut concerned: Vec<Arc<Prepared<T>>> = Vec::new();
        {
            let all = self.0.lock();
            let mut gather = |same: &Vec<Weak<_>>| concerned.extend(same.iter().filter_map(Weak::upgrade));
            if pattern.is_literal() {
                all.get(pattern.as_str()).into_iter().for_each(&mut gather);
            } else {
                all.iter().filter(|(subject, _)| pattern.matches(subject)).for_each(|(_, same)| gather(same));
            }
        }
        for prepared in concerned {
            let dropped = loop {
                match prepared.route.try_lock() {
                    Some(mut route) => break route.take(),
                    None => yield_now(),
                }
            };
            drop(dropped);
        }
    }
}
