//! Which subjects a stream has messages of, and which messages each has.
//!
//! A subject is found by its text in a hash table, and by a pattern in a sorted map, of which only the part that begins with the
//! pattern's literal tokens is looked at.

use super::sequences::Sequences;
use crate::subject::relation;
use ahash::RandomState;
use hashbrown::HashTable;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// A subject with at least one message.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: SmolStr,
    pub(crate) seqs: Sequences,
}

#[derive(Debug)]
pub(crate) struct Subjects {
    /// By number; `None` where a number is free.
    entries: Vec<Option<Entry>>,
    /// The lowest are used first, so that those at the end can be let go.
    free: BTreeSet<u32>,
    by_name: HashTable<u32>,
    sorted: BTreeMap<SmolStr, u32>,
    hasher: RandomState,
}

impl Subjects {
    pub(crate) fn new(seed: u64) -> Self {
        let hasher = RandomState::with_seeds(seed, seed.rotate_left(16), seed.rotate_left(32), 6);
        Subjects {
            entries: Vec::new(),
            free: BTreeSet::new(),
            by_name: HashTable::new(),
            sorted: BTreeMap::new(),
            hasher,
        }
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        let hasher = self.hasher.clone();
        *self = Subjects { hasher, ..Subjects::new(0) };
    }

    /// How many subjects have messages.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// The number of a subject that has messages.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(name);
        self.by_name.find(hash, |&number| self.entry(number).name == name).copied()
    }

    /// The subject of a number that a stored message has.
    pub(crate) fn entry(&self, number: u32) -> &Entry {
        self.entries[number as usize].as_ref().expect("a subject is there as long as it has messages")
    }

    /// Adds a message's sequence, which is above all others, and says the subject's number.
    pub(crate) fn push(&mut self, name: &SmolStr, seq: u64) -> u32 {
        if let Some(number) = self.find(name) {
            let entry = self.entries[number as usize].as_mut().expect("it was found");
            entry.seqs.push(seq);
            return number;
        }
        let entry = Entry { name: name.clone(), seqs: Sequences::One(seq) };
        let number = match self.free.pop_first() {
            Some(number) => {
                self.entries[number as usize] = Some(entry);
                number
            }
            None => {
                self.entries.push(Some(entry));
                u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 subjects fit into memory")
            }
        };
        let (hasher, entries) = (&self.hasher, &self.entries);
        let hash_of = |number: &u32| {
            let entry = entries[*number as usize].as_ref().expect("a number in the table is in use");
            hasher.hash_one(entry.name.as_str())
        };
        self.by_name.insert_unique(hasher.hash_one(name.as_str()), number, hash_of);
        self.sorted.insert(name.clone(), number);
        number
    }

    /// Takes a message out, and its subject with the last one.
    pub(crate) fn remove(&mut self, number: u32, seq: u64) {
        let place = &mut self.entries[number as usize];
        let entry = place.as_mut().expect("a subject is there as long as it has messages");
        if entry.seqs.remove(seq) {
            return;
        }
        let Some(entry) = place.take() else { return };
        let hash = self.hasher.hash_one(entry.name.as_str());
        if let Ok(found) = self.by_name.find_entry(hash, |&other| other == number) {
            found.remove();
        }
        self.sorted.remove(&entry.name);
        self.free.insert(number);
        self.give_back();
    }

    /// Returns memory once a quarter of it would do.
    fn give_back(&mut self) {
        while matches!(self.entries.last(), Some(None)) {
            self.entries.pop();
            self.free.remove(&(self.entries.len() as u32));
        }
        if self.entries.capacity() > 4 * self.entries.len() {
            self.entries.shrink_to(2 * self.entries.len());
        }
        if self.by_name.capacity() > 8 * self.by_name.len() {
            let (hasher, entries) = (&self.hasher, &self.entries);
            self.by_name.shrink_to(2 * self.by_name.len(), |&number| {
                let entry = entries[number as usize].as_ref().expect("a number in the table is in use");
                hasher.hash_one(entry.name.as_str())
            });
        }
    }

    /// The numbers of the subjects that begin with a text, in the order of their texts.
    pub(crate) fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = u32> {
        let from = self.sorted.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let under = from.take_while(move |(name, _)| name.starts_with(prefix));
        under.map(|(_, &number)| number)
    }

    /// The subjects that a pattern matches, sorted by their texts.
    pub(crate) fn matching<'a>(&'a self, pattern: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.numbers(pattern).map(|number| self.entry(number))
    }

    /// The numbers of the subjects that a pattern matches, in the order of their texts.
    pub(crate) fn numbers<'a>(&'a self, pattern: &'a str) -> impl Iterator<Item = u32> {
        let literal = literal_prefix(pattern);
        let (from, whole) = match literal {
            Some(prefix) => (prefix, pattern.len() == prefix.len() + 1 && pattern.ends_with('>')),
            None => (pattern, false),
        };
        let only_one = literal.is_none();
        let rest = self.sorted.range::<str, _>((Bound::Included(from), Bound::Unbounded));
        let part =
            rest.take_while(move |(name, _)| if only_one { name.as_str() == from } else { name.starts_with(from) });
        let matching = part.filter(move |(name, _)| {
            // A pattern without wildcards names one subject, and `prefix.>` all that begin so; others are compared.
            only_one || whole || relation::matches(pattern, name)
        });
        matching.map(|(_, &number)| number)
    }
}

/// The common prefix of the subjects that a pattern with wildcards matches; `None` if it has none.
pub(crate) fn literal_prefix(pattern: &str) -> Option<&str> {
    let mut start = 0;
    for token in pattern.split('.') {
        if relation::is_wildcard(token) {
            return Some(&pattern[..start]);
        }
        start += token.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["a", "b", "ab", "a-", "*", "c"])
    }

    fn pattern_token() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["a", "b", "ab", "*", "*"])
    }

    proptest! {
        #[test]
        fn a_pattern_finds_what_a_linear_search_finds(
            names in prop::collection::vec(prop::collection::vec(token(), 1..4), 1..40),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            tokens in prop::collection::vec(pattern_token(), 0..4),
            tail in any::<bool>(),
        ) {
            let mut subjects = Subjects::new(1);
            let mut model: Vec<(u32, u64, String)> = Vec::new();
            for (at, name) in names.iter().enumerate() {
                let name = name.join(".");
                let number = subjects.push(&SmolStr::new(&name), at as u64 + 1);
                model.push((number, at as u64 + 1, name));
            }
            for index in removed {
                if !model.is_empty() {
                    let (number, seq, _) = model.remove(index.index(model.len()));
                    subjects.remove(number, seq);
                }
            }
            let mut tokens = tokens;
            if tail || tokens.is_empty() {
                tokens.push(">");
            }
            let pattern = tokens.join(".");
            let mut expected: Vec<(String, usize)> = Vec::new();
            let mut names: Vec<&String> = model.iter().map(|(_, _, name)| name).collect();
            names.sort();
            for name in names {
                match expected.last_mut() {
                    Some((last, count)) if last == name => *count += 1,
                    _ => expected.push((name.clone(), 1)),
                }
            }
            prop_assert_eq!(subjects.len(), expected.len());
            for (name, _) in &expected {
                prop_assert!(subjects.find(name).is_some());
            }
            expected.retain(|(name, _)| relation::matches(&pattern, name));
            let found: Vec<_> = subjects.matching(&pattern).map(|entry| (entry.name.to_string(), entry.seqs.len())).collect();
            prop_assert_eq!(found, expected, "{}", pattern);
        }
    }
}
