//! The routes one thread remembers.
//!
//! A two-way set-associative table: a subject's hash names two places. A subject is admitted at its second miss in a row at
//! its place, so that subjects used once (inboxes, or a walk over a million) neither cost an allocation nor push out the
//! ones in use. Nothing here is shared: the owning thread reads and writes it under its own lock, and whoever removes an
//! entry from the matcher visits to take routes out.

use super::generation::Stamp;
use super::Hit;
use super::matches::Matches;
use smol_str::SmolStr;

/// The table starts with this many places and doubles while admissions find both of theirs taken.
const PLACES_MIN: usize = 64;

/// No thread remembers more routes than this.
const PLACES_MAX: usize = 1 << 16;

/// What a subject led to when the generations were as stamped.
#[derive(Debug)]
pub(super) struct Route<T> {
    pub(super) stamp: Stamp,
    pub(super) matches: Matches<T>,
}

#[derive(Debug)]
pub(super) struct Remembered<T> {
    hash: u64,
    subject: SmolStr,
    pub(super) route: Route<T>,
}

impl<T> Remembered<T> {
    #[inline]
    pub(super) fn hit(&self) -> Hit<'_, T> {
        Hit { matches: &self.route.matches, subject: Some(&self.subject) }
    }
}

#[derive(Debug)]
pub(super) struct RouteCache<T> {
    /// Empty until the first admission.
    places: Vec<Option<Box<Remembered<T>>>>,
    /// The hash of the last subject that missed at a place.
    missed: Vec<u64>,
    places_max: usize,
    pub(super) hits: u64,
    pub(super) misses: u64,
}

impl<T> RouteCache<T> {
    /// `places_max` is rounded up to a power of two within 2 and [`PLACES_MAX`]; 0 remembers nothing.
    pub(super) fn new(places_max: usize) -> Self {
        let places_max = if places_max == 0 {
            0
        } else {
            places_max.clamp(2, PLACES_MAX).next_power_of_two()
        };
        RouteCache {
            places: Vec::new(),
            missed: Vec::new(),
            places_max,
            hits: 0,
            misses: 0,
        }
    }

    #[inline]
    pub(super) fn find(&mut self, hash: u64, subject: &str) -> Option<&mut Remembered<T>> {
        let mask = self.places.len().wrapping_sub(1);
        if self.places.is_empty() {
            return None;
        }
        let first = hash as usize & mask;
        let at = [first, first ^ 1]
            .into_iter()
            .find(|&at| match &self.places[at] {
                Some(known) => known.hash == hash && known.subject == subject,
                None => false,
            })?;
        self.places[at].as_deref_mut()
    }

    /// Notes that `hash` was not found; true if it is worth remembering now.
    #[inline]
    pub(super) fn worth_remembering(&mut self, hash: u64) -> bool {
        self.misses += 1;
        if self.places_max == 0 {
            return false;
        }
        if self.missed.is_empty() {
            self.missed = vec![0; PLACES_MIN.min(self.places_max) * 4];
        }
        // Other bits than those that choose the place: subjects that share a place do not all share this one.
        let at = (hash >> 32) as usize & (self.missed.len() - 1);
        std::mem::replace(&mut self.missed[at], hash) == hash
    }

    /// Remembers; gives back the route and what it pushed out, to be dropped once no lock is held.
    pub(super) fn remember(
        &mut self,
        hash: u64,
        subject: SmolStr,
        route: Route<T>,
    ) -> (&Remembered<T>, Option<Box<Remembered<T>>>) {
        if self.places.is_empty() {
            self.places
                .resize_with(PLACES_MIN.min(self.places_max), || None);
        }
        while self.is_crowded(hash) && self.places.len() < self.places_max {
            self.grow();
        }
        let first = hash as usize & (self.places.len() - 1);
        // A free one, or one of the two by a bit of the hash that has not chosen the pair.
        let at = match (
            self.places[first].is_none(),
            self.places[first ^ 1].is_none(),
        ) {
            (true, _) => first,
            (false, true) => first ^ 1,
            (false, false) => first ^ (hash >> 63) as usize,
        };
        let pushed_out = self.places[at].replace(Box::new(Remembered {
            hash,
            subject,
            route,
        }));
        (self.places[at].as_ref().expect("just filled"), pushed_out)
    }

    /// Takes out the route of one subject.
    pub(super) fn take(&mut self, hash: u64, subject: &str) -> Option<Box<Remembered<T>>> {
        self.find(hash, subject)?;
        let first = hash as usize & (self.places.len() - 1);
        [first, first ^ 1].into_iter().find_map(|at| {
            self.places[at].take_if(|known| known.hash == hash && known.subject == subject)
        })
    }

    /// Takes out the routes of all subjects that `wanted` says yes to.
    #[expect(clippy::vec_box, reason = "routes are moved out as they lie")]
    pub(super) fn take_all(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<Box<Remembered<T>>> {
        self.places
            .iter_mut()
            .filter_map(|place| place.take_if(|known| wanted(&known.subject)))
            .collect()
    }

    /// Routes remembered now.
    pub(super) fn len(&self) -> usize {
        self.places.iter().flatten().count()
    }

    fn is_crowded(&self, hash: u64) -> bool {
        let first = hash as usize & (self.places.len() - 1);
        self.places[first].is_some() && self.places[first ^ 1].is_some()
    }

    fn grow(&mut self) {
        let places = self.places.len() * 2;
        let old = std::mem::take(&mut self.places);
        self.places.resize_with(places, || None);
        for known in old.into_iter().flatten() {
            let first = known.hash as usize & (places - 1);
            let at = if self.places[first].is_none() {
                first
            } else {
                first ^ 1
            };
            // Two that shared a pair of places before share a pair of two now, or none: there is room for each.
            debug_assert!(self.places[at].is_none());
            self.places[at] = Some(known);
        }
        self.missed = vec![0; places * 4];
    }
}
