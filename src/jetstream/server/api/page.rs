//! One page of a list: how many there are, where it begins, and what is on it.

use crate::jetstream::json::write::Object;

pub(super) struct Page<T> {
    total: usize,
    offset: usize,
    pub(super) items: Vec<T>,
}

impl<T> Page<T> {
    /// The page that begins at `offset`, which is bounded by what there is.
    pub(super) fn of(all: Vec<T>, offset: i64, max: usize) -> Self {
        let total = all.len();
        let offset = usize::try_from(offset).unwrap_or(0).min(total);
        Page { total, offset, items: all.into_iter().skip(offset).take(max).collect() }
    }

    /// The page of a refusal.
    pub(super) fn none() -> Self {
        Page { total: 0, offset: 0, items: Vec::new() }
    }

    pub(super) fn encode(&self, object: &mut Object<'_>, limit: usize) {
        object.plain("total", self.total);
        object.plain("offset", self.offset);
        object.plain("limit", limit);
    }
}
