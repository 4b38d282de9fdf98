//! The matcher said plainly: a list that is searched from end to end.

use super::entry_id::EntryId;
use crate::subject::{Pattern, relation};
use std::collections::BTreeMap;

/// Does what [`Matcher`](super::Matcher) does, in the most obvious way: for tests, fuzzing and benchmarks of routing tables.
///
/// # Example
///
/// ```
/// use postroom::Pattern;
/// use postroom::matcher::LinearMatcher;
///
/// let mut oracle = LinearMatcher::new();
/// oracle.insert(&Pattern::new("a.*")?, None, 1);
/// assert_eq!(oracle.plain("a.b"), [1]);
/// assert!(oracle.plain("a").is_empty());
/// # Ok::<_, postroom::error::SubjectError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LinearMatcher<T> {
    entries: Vec<(EntryId, Pattern, Option<String>, T)>,
    next_id: u64,
}

impl<T: Clone> LinearMatcher<T> {
    /// An empty list.
    pub fn new() -> Self {
        LinearMatcher { entries: Vec::new(), next_id: 1 }
    }

    /// Adds an entry, plain or to a queue group.
    pub fn insert(&mut self, pattern: &Pattern, queue: Option<&str>, value: T) -> EntryId {
        let id = EntryId(self.next_id);
        self.next_id += 1;
        self.entries.push((id, pattern.clone(), queue.map(str::to_owned), value));
        id
    }

    /// Takes an entry out.
    pub fn remove(&mut self, pattern: &Pattern, id: EntryId) -> Option<T> {
        let at = self.entries.iter().position(|(known, at, ..)| *known == id && at == pattern)?;
        Some(self.entries.remove(at).3)
    }

    /// The plain entries that match, in the order of insertion.
    pub fn plain(&self, subject: &str) -> Vec<T> {
        self.matching(subject).filter(|(_, queue, _)| queue.is_none()).map(|(.., value)| value.clone()).collect()
    }

    /// The members of each queue group that match, in the order of insertion.
    pub fn groups(&self, subject: &str) -> BTreeMap<String, Vec<T>> {
        let mut groups = BTreeMap::<String, Vec<T>>::new();
        for (_, queue, value) in self.matching(subject) {
            if let Some(queue) = queue {
                groups.entry(queue.to_owned()).or_default().push(value.clone());
            }
        }
        groups
    }

    /// The entries whose pattern shares a subject with `pattern`.
    pub fn overlapping(&self, pattern: &Pattern) -> Vec<(Pattern, T)> {
        let shares = |entry: &&(EntryId, Pattern, Option<String>, T)| entry.1.overlaps(pattern);
        self.entries.iter().filter(shares).map(|(_, at, _, value)| (at.clone(), value.clone())).collect()
    }

    fn matching<'a>(&'a self, subject: &'a str) -> impl Iterator<Item = (&'a Pattern, Option<&'a str>, &'a T)> {
        let entries = self.entries.iter().map(|(_, pattern, queue, value)| (pattern, queue.as_deref(), value));
        entries.filter(move |(pattern, ..)| relation::matches(pattern.as_str(), subject))
    }
}

impl<T: Clone> Default for LinearMatcher<T> {
    fn default() -> Self {
        LinearMatcher::new()
    }
}
