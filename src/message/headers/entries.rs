//! The list behind a [`HeaderMap`](super::HeaderMap): in order, and searched by an index where it is long.

use crate::steps;
use smallvec::SmallVec;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Up to so many headers are searched one by one, which is the fastest way for the few that messages carry.
const FEW: usize = 32;

/// Names with values. Names are not empty.
#[derive(Clone, Default)]
pub(super) struct Entries {
    /// A place whose name is empty is empty itself: taking a header out moves no others, until half of the places are empty.
    places: Vec<(SmolStr, SmolStr)>,
    empty: usize,
    /// Places by name, in order. Made by the first search through many, and right from then on.
    index: OnceLock<BTreeMap<SmolStr, Places>>,
}

type Places = SmallVec<[usize; 2]>;

impl Entries {
    pub(super) const fn new() -> Self {
        Entries { places: Vec::new(), empty: 0, index: OnceLock::new() }
    }

    pub(super) fn with_capacity(headers: usize) -> Self {
        Entries { places: Vec::with_capacity(headers), ..Entries::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.empty
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        Iter { places: self.places.iter(), left: self.len() }
    }

    pub(super) fn push(&mut self, name: SmolStr, value: SmolStr) {
        steps::count(1);
        if let Some(index) = self.index.get_mut() {
            index.entry(name.clone()).or_default().push(self.places.len());
        }
        self.places.push((name, value));
    }

    /// The first header of a name.
    pub(super) fn first(&self, name: &str) -> Option<usize> {
        if self.places.len() > FEW {
            return self.index().get(name)?.first().copied();
        }
        self.scan(name).next()
    }

    /// All headers of a name.
    pub(super) fn all(&self, name: &str) -> Places {
        if self.places.len() > FEW {
            return self.index().get(name).cloned().unwrap_or_default();
        }
        self.scan(name).collect()
    }

    fn scan(&self, name: &str) -> impl Iterator<Item = usize> {
        let places = self.places.iter().inspect(|_| steps::count(1)).enumerate();
        places.filter(move |(_, (other, _))| other == name && !other.is_empty()).map(|(at, _)| at)
    }

    fn index(&self) -> &BTreeMap<SmolStr, Places> {
        self.index.get_or_init(|| {
            steps::count(self.places.len());
            let mut index: BTreeMap<SmolStr, Places> = BTreeMap::new();
            for (at, (name, _)) in self.places.iter().enumerate().filter(|(_, (name, _))| !name.is_empty()) {
                index.entry(name.clone()).or_default().push(at);
            }
            index
        })
    }

    pub(super) fn value(&self, at: usize) -> &str {
        &self.places[at].1
    }

    /// Gives back the value that was there.
    pub(super) fn set_value(&mut self, at: usize, value: SmolStr) -> SmolStr {
        std::mem::replace(&mut self.places[at].1, value)
    }

    /// Takes out all headers of a name but the first `kept`.
    pub(super) fn take(&mut self, name: &str, kept: usize) -> Vec<(SmolStr, SmolStr)> {
        let found = self.all(name);
        let gone: Vec<_> = found.iter().skip(kept).map(|&at| std::mem::take(&mut self.places[at])).collect();
        self.empty += gone.len();
        if self.places.len() <= FEW || self.empty * 2 > self.places.len() {
            steps::count(self.places.len());
            self.places.retain(|(name, _)| !name.is_empty());
            (self.empty, self.index) = (0, OnceLock::new());
        } else if let Some(index) = self.index.get_mut()
            && !gone.is_empty()
        {
            match index.get_mut(name) {
                Some(places) if kept > 0 => places.truncate(kept),
                _ => drop(index.remove(name)),
            }
        }
        gone
    }

    pub(super) fn into_vec(mut self) -> Vec<(SmolStr, SmolStr)> {
        self.places.retain(|(name, _)| !name.is_empty());
        self.places
    }

    pub(super) fn clear(&mut self) {
        self.places.clear();
        (self.empty, self.index) = (0, OnceLock::new());
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Entries {}

/// The headers, in order.
#[derive(Clone)]
pub(super) struct Iter<'a> {
    places: std::slice::Iter<'a, (SmolStr, SmolStr)>,
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a (SmolStr, SmolStr);

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.places.find(|(name, _)| !name.is_empty())?;
        self.left -= 1;
        Some(next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let next = self.places.rfind(|(name, _)| !name.is_empty())?;
        self.left -= 1;
        Some(next)
    }
}
