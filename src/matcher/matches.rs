//! The entries of a subject: plain ones, and queue groups apart.

use crate::steps;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The entries of a subject, and the subject itself where it is kept in a form that is cheap to
/// clone.
pub(crate) struct MatchedRoute<'a, T> {
    pub(crate) matches: &'a Matches<T>,
    pub(crate) subject: Option<&'a SmolStr>,
}

/// The entries whose pattern matches a subject.
///
/// Plain entries come in the order of the patterns' discovery and, for one pattern, in the order of insertion. Members of
/// one queue name are one group, whichever patterns they were inserted under (Q2).
///
/// A `Matches` can be reused: [`Matcher::matches_into`](super::Matcher::matches_into) keeps its allocations.
#[derive(Clone, Debug)]
pub struct Matches<T> {
    plain: Vec<T>,
    /// Only the first `groups_used` are part of the result; the rest wait to be used again.
    groups: Vec<QueueGroup<T>>,
    groups_used: usize,
    /// Where groups lie by their names; filled where there are more than a few.
    by_name: BTreeMap<SmolStr, usize>,
}

/// Up to so many groups are searched one by one.
const FEW: usize = 16;

/// The members of one queue group that a subject leads to: a message goes to one of them.
#[derive(Clone, Debug)]
pub struct QueueGroup<T> {
    name: SmolStr,
    members: Vec<T>,
}

impl<T> Matches<T> {
    /// An empty result, without an allocation.
    pub fn new() -> Self {
        Matches { plain: Vec::new(), groups: Vec::new(), groups_used: 0, by_name: BTreeMap::new() }
    }

    /// The entries without a queue name: each is to get the message.
    #[inline]
    pub fn plain(&self) -> &[T] {
        &self.plain
    }

    /// The queue groups: one member of each is to get the message.
    #[inline]
    pub fn groups(&self) -> &[QueueGroup<T>] {
        &self.groups[..self.groups_used]
    }

    /// Whether nothing matched.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.groups_used == 0
    }

    /// How many entries matched, members of queue groups included.
    pub fn len(&self) -> usize {
        self.plain.len() + self.groups().iter().map(|group| group.members.len()).sum::<usize>()
    }

    /// Forgets the result and keeps the room it took.
    pub fn clear(&mut self) {
        self.plain.clear();
        for group in &mut self.groups[..self.groups_used] {
            group.members.clear();
        }
        self.groups_used = 0;
        self.by_name.clear();
    }

    pub(super) fn push_plain(&mut self, value: T) {
        self.plain.push(value);
    }

    pub(super) fn push_member(&mut self, name: &SmolStr, value: T) {
        let used = self.groups_used;
        if let Some(at) = self.find(name) {
            return self.groups[at].members.push(value);
        }
        if !self.by_name.is_empty() {
            self.by_name.insert(name.clone(), used);
        }
        match self.groups.get_mut(used) {
            Some(spare) => {
                spare.name = name.clone();
                spare.members.push(value);
            }
            None => self.groups.push(QueueGroup { name: name.clone(), members: vec![value] }),
        }
        self.groups_used += 1;
    }

    /// Where the group of this name is.
    fn find(&mut self, name: &SmolStr) -> Option<usize> {
        if self.groups_used <= FEW {
            let used = self.groups[..self.groups_used].iter();
            return used.inspect(|_| steps::count(1)).position(|group| group.name == *name);
        }
        let groups = &self.groups[..self.groups_used];
        if self.by_name.is_empty() {
            self.by_name.extend(groups.iter().enumerate().map(|(at, group)| (group.name.clone(), at)));
        }
        self.by_name.get(name).copied()
    }
}

impl<T: Clone> Matches<T> {
    pub(super) fn copy_from(&mut self, other: &Matches<T>) {
        self.clear();
        self.plain.extend_from_slice(&other.plain);
        for group in other.groups() {
            for member in &group.members {
                self.push_member(&group.name, member.clone());
            }
        }
    }
}

impl<T> Default for Matches<T> {
    fn default() -> Self {
        Matches::new()
    }
}

impl<T> QueueGroup<T> {
    /// The group's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The members; never empty.
    #[inline]
    pub fn members(&self) -> &[T] {
        &self.members
    }
}
