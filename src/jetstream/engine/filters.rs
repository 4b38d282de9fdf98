//! The filters of a consumer or a request, made ready to be held against many subjects.
//!
//! Filters without wildcards are looked up. The others lie in a tree by their tokens: a subject is held against all of them at once, and each
//! part of the sorted subjects is gone through once, whatever the number of filters that begin so.

use super::messages::Messages;
use super::subjects::{Entry, literal_prefix};
use crate::steps;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::str::Split;

/// Filters of a consumer or a request; none match everything.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    /// One of them, or none at all, matches everything.
    all: bool,
    literals: BTreeSet<SmolStr>,
    wildcards: BTreeSet<SmolStr>,
    tree: Tree,
    /// The beginnings of the subjects that the filters with wildcards match; none begins with another one.
    prefixes: Vec<SmolStr>,
}

impl Filters {
    pub(crate) fn new(filters: &[impl AsRef<str>]) -> Self {
        let texts = || filters.iter().map(AsRef::as_ref);
        if filters.is_empty() || texts().any(|text| text == ">") {
            return Filters { all: true, ..Filters::default() };
        }
        let mut made = Filters::default();
        let mut prefixes = BTreeSet::new();
        for text in texts() {
            steps::count(1);
            match literal_prefix(text) {
                None => drop(made.literals.insert(SmolStr::new(text))),
                Some(prefix) => {
                    if made.wildcards.insert(SmolStr::new(text)) {
                        made.tree.insert(text);
                        prefixes.insert(prefix);
                    }
                }
            }
        }
        // Sorted, those that begin with a prefix come right behind it.
        for prefix in prefixes {
            if made.prefixes.last().is_none_or(|last| !prefix.starts_with(last.as_str())) {
                made.prefixes.push(SmolStr::new(prefix));
            }
        }
        made
    }

    /// Whether they match every subject.
    pub(crate) fn match_all(&self) -> bool {
        self.all
    }

    /// The only filter, if it is one without wildcards.
    pub(crate) fn only_literal(&self) -> Option<&str> {
        let is_only = !self.all && self.wildcards.is_empty() && self.literals.len() == 1;
        self.literals.first().filter(|_| is_only).map(SmolStr::as_str)
    }

    pub(crate) fn have_wildcards(&self) -> bool {
        self.all || !self.wildcards.is_empty()
    }

    /// Whether any of them matches a subject.
    pub(crate) fn matches(&self, subject: &str) -> bool {
        self.all || self.literals.contains(subject) || self.tree.matches(subject)
    }

    /// Calls `each` with the subjects that any of them matches, each once, until it breaks. How many subjects were looked at.
    pub(crate) fn entries(&self, messages: &Messages, mut each: impl FnMut(u32, &Entry) -> ControlFlow<()>) -> usize {
        let subjects = &messages.subjects;
        let mut looked = 0;
        let mut all = |numbers: &mut dyn Iterator<Item = u32>, wanted: &dyn Fn(&Entry) -> bool| {
            for number in numbers {
                steps::count(1);
                looked += 1;
                let entry = subjects.entry(number);
                if wanted(entry) && each(number, entry).is_break() {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        };
        let literals = self.literals.iter().filter(|literal| !self.tree.matches(literal));
        let mut literals = literals.filter_map(|literal| subjects.find(literal));
        let mut is_over = all(&mut literals, &|_| true).is_break();
        let only = self.wildcards.first().filter(|_| self.wildcards.len() == 1);
        let only = if self.all { Some(">") } else { only.map(SmolStr::as_str) };
        if let (false, Some(pattern)) = (is_over, only) {
            is_over = true;
            // It is the last list: whether it broke makes no difference.
            let _: ControlFlow<()> = all(&mut subjects.numbers(pattern), &|_| true);
        }
        for prefix in &self.prefixes {
            is_over = is_over || all(&mut subjects.under(prefix), &|entry| self.tree.matches(&entry.name)).is_break();
        }
        looked
    }
}

/// Patterns by their tokens.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    children: BTreeMap<SmolStr, Tree>,
    /// Below a `*`.
    any: Option<Box<Tree>>,
    /// Patterns that end here; those that end with a `>` from here on.
    here: usize,
    tail: usize,
}

impl Tree {
    pub(crate) fn insert(&mut self, pattern: &str) {
        let mut node = self;
        for token in pattern.split('.') {
            node = match token {
                ">" => {
                    node.tail += 1;
                    return;
                }
                "*" => node.any.get_or_insert_default(),
                token => node.children.entry(SmolStr::new(token)).or_default(),
            };
        }
        node.here += 1;
    }

    /// Whether any pattern matches a stored subject.
    fn matches(&self, subject: &str) -> bool {
        self.finds(subject.split('.'))
    }

    fn finds(&self, mut tokens: Split<'_, char>) -> bool {
        steps::count(1);
        let Some(token) = tokens.next() else { return self.here > 0 };
        self.tail > 0
            || self.children.get(token).is_some_and(|child| child.finds(tokens.clone()))
            || self.any.as_ref().is_some_and(|any| any.finds(tokens))
    }

    /// How many patterns include this one, itself among them; no more than two are counted.
    pub(crate) fn including(&self, pattern: &str) -> usize {
        self.includes(pattern.split('.'))
    }

    fn includes(&self, mut tokens: Split<'_, char>) -> usize {
        steps::count(1);
        let Some(token) = tokens.next() else { return self.here.min(2) };
        let mut found = self.tail.min(2);
        // Only a `>` has room for a `>`, and only a wildcard for a `*`.
        if let Some(child) = self.children.get(token).filter(|_| found < 2) {
            found += child.includes(tokens.clone());
        }
        if let Some(any) = self.any.as_ref().filter(|_| found < 2 && token != ">") {
            found += any.includes(tokens);
        }
        found.min(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::engine::config::Storage;
    use crate::jetstream::engine::messages::{Entry as New, Expiry};
    use crate::jetstream::engine::read::Ahead;
    use crate::jetstream::engine::time::Timestamp;
    use crate::subject::relation;
    use proptest::prelude::*;

    fn pattern() -> impl Strategy<Value = String> {
        let token = prop::sample::select(vec!["a", "b", "*"]);
        (prop::collection::vec(token, 1..4), any::<bool>()).prop_map(|(mut tokens, tail)| {
            if tail {
                tokens.push(">");
            }
            tokens.join(".")
        })
    }

    /// A stream with so many subjects, `s.<number>.<number modulo 10>`, and one message each.
    fn messages(count: usize) -> Messages {
        let mut messages = Messages::new(Storage::Memory, 0, 1);
        for number in 0..count {
            let subject = SmolStr::new(format!("s.{number}.{}", number % 10));
            messages.append(new(&subject));
        }
        messages
    }

    fn new(subject: &SmolStr) -> New<'_> {
        New {
            time: Timestamp::from_nanos(1),
            subject,
            head: &[],
            payload: &[],
            expiry: Expiry::WithTheStream,
            needed: 0,
        }
    }

    /// Many filters and many subjects: each subject is looked at once, and no more of them than are asked for.
    #[test]
    fn many_filters_cost_their_number_and_that_of_the_subjects() {
        steps::assert_linear(|size| {
            let messages = messages(size);
            let filters: Vec<String> = (0..size).map(|number| format!("*.{number}.*")).collect();
            assert_eq!(messages.last_of_each(&filters, u64::MAX).len(), size);
            assert_eq!(messages.last_of_few(&filters, u64::MAX, 100), None);
            assert_eq!(messages.num_pending(&filters, 1), size as u64);
        });
    }

    /// The filters of a consumer are held against each other through the tree.
    #[test]
    fn filters_are_compared_without_comparing_all_pairs() {
        steps::assert_linear(|size| {
            let mut tree = Tree::default();
            let filters: Vec<String> = (0..size).map(|number| format!("s.*.{number}")).collect();
            filters.iter().for_each(|filter| tree.insert(filter));
            assert!(filters.iter().all(|filter| tree.including(filter) == 1));
        });
    }

    /// A consumer whose filter matches few of many messages, and many subjects: one that goes through all of them does not begin anew with
    /// each.
    #[test]
    fn a_search_that_goes_on_costs_what_it_finds() {
        steps::assert_linear(|size| {
            let mut messages = messages(size);
            let other = SmolStr::new_static("other");
            for _ in 0..3 {
                for _ in 0..size / 10 {
                    messages.append(new(&other));
                }
                for number in (0..size).step_by(100) {
                    for _ in 0..100 {
                        messages.append(new(&other));
                    }
                    messages.append(new(&SmolStr::new(format!("s.{number}.{}", number % 10))));
                }
            }
            let (filters, mut ahead) = (Filters::new(&["s.*.0"]), Ahead::default());
            let (mut next, mut found) = (1, 0);
            while let Some(seq) = messages.search(&filters, next, &mut ahead) {
                (next, found) = (seq + 1, found + 1);
            }
            assert_eq!(found, size / 10 + 3 * (size / 100));
        });
    }

    proptest! {
        #[test]
        fn the_tree_says_what_the_relations_say(
            patterns in prop::collection::vec(pattern(), 1..8),
            subject in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..5),
        ) {
            let subject = subject.join(".");
            let filters = Filters::new(&patterns);
            let matches = patterns.iter().any(|pattern| relation::matches(pattern, &subject));
            prop_assert_eq!(filters.matches(&subject), matches);
            let mut tree = Tree::default();
            patterns.iter().for_each(|pattern| tree.insert(pattern));
            for pattern in &patterns {
                let including = patterns.iter().filter(|outer| relation::includes(outer, pattern)).count();
                prop_assert_eq!(tree.including(pattern), including.min(2), "{} in {:?}", pattern, &patterns);
            }
        }
    }
}
