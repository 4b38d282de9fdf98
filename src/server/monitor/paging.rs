//! Which part of a list is told (M3, M5).

/// How much is listed unless more or less is asked for.
const LIST_MAX: usize = 1_024;

/// A part of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// How many to leave away at the beginning.
    pub(super) offset: usize,
    /// How many at most; 0 means the default.
    pub(super) limit: usize,
}

impl Page {
    /// How many at most.
    pub(super) fn limit(self) -> usize {
        if self.limit == 0 { LIST_MAX } else { self.limit }
    }

    /// Whether the entry with this place in the whole list is on it.
    pub(super) fn shows(self, place: usize) -> bool {
        place.checked_sub(self.offset).is_some_and(|place| place < self.limit())
    }

    pub(super) fn of<T>(self, all: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        all.skip(self.offset).take(self.limit())
    }
}
