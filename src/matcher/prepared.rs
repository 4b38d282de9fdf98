//! Routes that a caller keeps for one subject, outside any thread's cache.

use super::cache::Route;
use super::matches::Matches;
use super::split::first_token;
use super::{Hit, Matcher};
use crate::steps;
use crate::subject::{Pattern, Subject};
use crate::sync::{Mutex, OwnerLock, yield_now};
use ahash::RandomState;
use smol_str::SmolStr;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

/// A subject whose route is kept; made by [`Matcher::prepare`].
#[derive(Debug)]
pub(crate) struct Prepared<T> {
    subject: Subject,
    /// Tells it from others of the same subject.
    number: u64,
    hash: u64,
    route: OwnerLock<Option<Route<T>>>,
}

/// All that is prepared, so that a removed entry can be taken out of its routes. Cold: touched when a caller prepares, drops
/// what it prepared, and when an entry that was routed to is removed.
#[derive(Debug)]
pub(super) struct Preparations<T>(Mutex<All<T>>);

#[derive(Debug)]
struct All<T> {
    by_subject: HashMap<SmolStr, Same<T>, RandomState>,
    made: u64,
}

/// Those of one subject, by number.
type Same<T> = BTreeMap<u64, Weak<Prepared<T>>>;

impl<T> Default for Preparations<T> {
    fn default() -> Self {
        let by_subject = HashMap::with_hasher(RandomState::with_seeds(1, 2, 3, 4));
        Preparations(Mutex::new(All { by_subject, made: 0 }))
    }
}

impl<T: Clone + Send + Sync> Matcher<T> {
    pub(crate) fn prepare(&self, subject: Subject) -> Arc<Prepared<T>> {
        steps::count(1);
        let hash = self.hash(subject.as_str());
        let mut all = self.preparations.0.lock();
        all.made += 1;
        let number = all.made;
        let prepared = Arc::new(Prepared { subject, number, hash, route: OwnerLock::new(None) });
        let same = all.by_subject.entry(prepared.subject.as_smol().clone()).or_default();
        same.insert(number, Arc::downgrade(&prepared));
        prepared
    }

    /// To be called once a prepared subject is no longer used.
    pub(crate) fn unprepare(&self, prepared: Arc<Prepared<T>>) {
        let (subject, number) = (prepared.subject.clone(), prepared.number);
        // First, so that an entry that is removed meanwhile finds it, or finds it gone with its route.
        drop(prepared);
        let mut all = self.preparations.0.lock();
        if let Some(same) = all.by_subject.get_mut(subject.as_str()) {
            same.remove(&number);
            if same.is_empty() {
                all.by_subject.remove(subject.as_str());
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
            let mut gather = |same: &Same<T>| concerned.extend(same.values().filter_map(Weak::upgrade));
            if pattern.is_literal() {
                all.by_subject.get(pattern.as_str()).into_iter().for_each(&mut gather);
            } else {
                all.by_subject
                    .iter()
                    .filter(|(subject, _)| pattern.matches(subject))
                    .for_each(|(_, same)| gather(same));
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
