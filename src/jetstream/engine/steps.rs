//! The steps of a stream, written down for those who watch it.

use crate::message::StreamStep;

/// The steps that were made and not fetched; nothing is written down unless someone watches.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    is_on: bool,
    list: Vec<StreamStep>,
}

impl Steps {
    pub(crate) fn turn_on(&mut self) {
        self.is_on = true;
    }

    #[inline]
    pub(crate) fn add(&mut self, step: impl FnOnce() -> StreamStep) {
        if self.is_on {
            self.list.push(step());
        }
    }

    #[inline]
    pub(crate) fn add_some(&mut self, step: impl FnOnce() -> Option<StreamStep>) {
        if self.is_on {
            self.list.extend(step());
        }
    }

    /// Puts the steps of another list, which come next, behind these.
    pub(crate) fn append(&mut self, next: &mut Steps) {
        if self.is_on {
            self.list.append(&mut next.list);
        }
    }

    pub(crate) fn take(&mut self) -> Vec<StreamStep> {
        std::mem::take(&mut self.list)
    }
}
