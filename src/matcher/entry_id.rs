//! Names of entries.

/// Names one entry of one [`Matcher`](super::Matcher), to remove it by. Never used twice by a matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub(super) u64);

impl EntryId {
    /// The number behind the name: counted from 1, by each matcher for itself.
    pub fn number(self) -> u64 {
        self.0
    }
}
