//! The routes one thread remembers.
//!
//! A four-way set-associative table: a subject's hash names a set of four places. A subject is admitted once it misses for
//! the second time, so that subjects used once (inboxes, or a walk over a million) neither cost an allocation nor push out
//! the ones in use. In a full set it takes the place of one that was not used lately; if all were, it has to come back until
//! luck lets it in, so that more subjects than there are places do not keep replacing each other. Nothing here is shared:
//! the owning thread reads and writes it under its own lock, and a thread that removes an entry from the matcher visits to
//! take routes out.

use super::generation::Stamp;
use super::matches::{MatchedRoute, Matches};
use smol_str::SmolStr;

/// Places that a subject may lie in.
const WAYS: usize = 4;

/// The table starts with this many places and doubles while admissions find their set full.
const PLACES_MIN: usize = 64;

/// No thread remembers more routes than this.
const PLACES_MAX: usize = 1 << 16;

/// The route of a subject at the stamped generations.
#[derive(Debug)]
pub(super) struct Route<T> {
    pub(super) stamp: Stamp,
    pub(super) matches: Matches<T>,
}

#[derive(Debug)]
struct Remembered<T> {
    subject: SmolStr,
    /// Used since the last search for a place in its set.
    used: bool,
    route: Route<T>,
}

#[derive(Debug)]
struct CacheSlot<T> {
    /// The hash of the subject, so that a search reads only what it finds.
    hash: u64,
    known: Option<Box<Remembered<T>>>,
}

#[derive(Debug)]
pub(super) struct RouteCache<T> {
    /// Empty until the first admission.
    places: Vec<CacheSlot<T>>,
    /// Halves of the hashes of subjects that missed.
    missed: Vec<u32>,
    places_max: usize,
    pub(super) hits: u64,
    pub(super) misses: u64,
}

impl<T> RouteCache<T> {
    /// `places_max` is rounded up to a power of two within [`WAYS`] and [`PLACES_MAX`]; 0 remembers nothing.
    pub(super) fn new(places_max: usize) -> Self {
        let places_max = if places_max == 0 { 0 } else { places_max.clamp(WAYS, PLACES_MAX).next_power_of_two() };
        RouteCache { places: Vec::new(), missed: Vec::new(), places_max, hits: 0, misses: 0 }
    }

    /// Where the route of `subject` lies, be it up to date or not.
    // Always: as a function of its own it costs some percent of a publish.
    #[inline(always)]
    pub(super) fn find(&self, hash: u64, subject: &str) -> Option<usize> {
        let first = self.first(hash);
        let set = self.places.get(first..first + WAYS)?;
        let is_it = |place: &CacheSlot<T>| {
            place.hash == hash && (place.known.as_deref()).is_some_and(|known| known.subject == subject)
        };
        set.iter().position(is_it).map(|at| first + at)
    }

    /// The route at a place that `find` or `remember` has just named.
    #[inline]
    pub(super) fn route(&mut self, at: usize) -> &mut Route<T> {
        &mut self.known(at).route
    }

    /// The content of such a place. Counts as a use.
    #[inline]
    pub(super) fn hit(&mut self, at: usize) -> MatchedRoute<'_, T> {
        let known = self.known(at);
        known.used = true;
        MatchedRoute { matches: &known.route.matches, subject: Some(&known.subject) }
    }

    #[inline]
    fn known(&mut self, at: usize) -> &mut Remembered<T> {
        let known = self.places[at].known.as_deref_mut();
        known.expect("a place that is taken")
    }

    /// Notes that `hash` was not found; true if it is worth remembering now. `misses` has been counted before.
    #[inline]
    pub(super) fn worth_remembering(&mut self, hash: u64) -> bool {
        if self.places_max == 0 {
            return false;
        }
        if self.missed.is_empty() {
            self.missed = vec![0; PLACES_MIN.min(self.places_max) * 4];
        }
        // Three bits that follow no pattern of use; nothing but fairness depends on them.
        let chance = self.misses.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 61;
        // Other bits than those that choose the set: subjects that share a set do not all share this one.
        let at = (hash >> 32) as usize & (self.missed.len() - 1);
        if self.missed[at] == hash as u32 {
            return self.has_room(hash, chance == 0);
        }
        // Not always, or two subjects in turn would make each other forgotten for ever.
        if self.missed[at] == 0 || chance & 1 == 0 {
            self.missed[at] = hash as u32;
        }
        false
    }

    /// Remembers, and drops the route that this pushes out; where the new one lies.
    pub(super) fn remember(&mut self, hash: u64, subject: SmolStr, route: Route<T>) -> usize {
        if self.places.is_empty() {
            let places = PLACES_MIN.min(self.places_max);
            self.places.resize_with(places, CacheSlot::free);
        }
        while self.is_full(hash) && self.places.len() < self.places_max {
            self.grow();
        }
        let first = self.first(hash);
        let set = &mut self.places[first..first + WAYS];
        let at = set
            .iter()
            .position(|place| place.known.is_none())
            .or_else(|| set.iter().position(|place| !place.is_used()))
            .unwrap_or_default();
        let known = Some(Box::new(Remembered { subject, used: true, route }));
        set[at] = CacheSlot { hash, known };
        first + at
    }

    /// Takes out the route of one subject.
    pub(super) fn take(&mut self, hash: u64, subject: &str) -> Option<Route<T>> {
        let at = self.find(hash, subject)?;
        self.places[at].known.take().map(|known| known.route)
    }

    /// Takes out the routes of all subjects that `wanted` says yes to. The work is bounded by the size of the cache, which no client chooses.
    pub(super) fn take_all(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<Route<T>> {
        self.places
            .iter_mut()
            .filter_map(|place| place.known.take_if(|known| wanted(&known.subject)))
            .map(|known| known.route)
            .collect()
    }

    /// Routes remembered now.
    pub(super) fn len(&self) -> usize {
        let taken = |place: &&CacheSlot<T>| place.known.is_some();
        self.places.iter().filter(taken).count()
    }

    /// The first place of the set of `hash`; 0 in an empty table.
    #[inline]
    fn first(&self, hash: u64) -> usize {
        hash as usize & self.places.len().saturating_sub(WAYS) & !(WAYS - 1)
    }

    fn is_full(&self, hash: u64) -> bool {
        let first = self.first(hash);
        let set = &self.places[first..first + WAYS];
        set.iter().all(|place| place.known.is_some())
    }

    /// Whether a new one may come into its set. One that may not because all were used lately makes, with luck, that a later
    /// one may, unless they are used again before.
    fn has_room(&mut self, hash: u64, lucky: bool) -> bool {
        if self.places.len() < self.places_max || !self.is_full(hash) {
            return true;
        }
        let first = self.first(hash);
        let set = &mut self.places[first..first + WAYS];
        if set.iter().any(|place| !place.is_used()) {
            return true;
        }
        if lucky {
            let known = set.iter_mut().filter_map(|place| place.known.as_mut());
            known.for_each(|known| known.used = false);
        }
        false
    }

    fn grow(&mut self) {
        let places = self.places.len() * 2;
        let old = std::mem::take(&mut self.places);
        self.places.resize_with(places, CacheSlot::free);
        for place in old.into_iter().filter(|place| place.known.is_some()) {
            let first = self.first(place.hash);
            // Those of one set go to two sets of the same size, and no others go there: there is room for each.
            let set = &mut self.places[first..first + WAYS];
            let free = set.iter_mut().find(|place| place.known.is_none());
            debug_assert!(free.is_some());
            if let Some(free) = free {
                *free = place;
            }
        }
        self.missed = vec![0; places * 4];
    }
}

impl<T> CacheSlot<T> {
    fn free() -> Self {
        CacheSlot { hash: 0, known: None }
    }

    fn is_used(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.used)
    }
}
