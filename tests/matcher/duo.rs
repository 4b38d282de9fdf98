//! A matcher and its oracle side by side: both get every call, and their answers have to be the same.
//!
//! The fuzz target `matcher` uses this file too, so that it names nothing of the tests around it.

use postroom::Pattern;
use postroom::matcher::{EntryId, LinearMatcher, Matcher, MatcherOptions, Matches};
use std::collections::{BTreeMap, BTreeSet};

/// One call.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Insert {
        pattern: String,
        queue: Option<String>,
    },
    /// Removes one of the live entries: the number is taken modulo how many there are.
    Remove {
        which: usize,
    },
    /// Asks for the removal of a live entry's id under a pattern that is not its own, or of one that is already gone.
    RemoveWrongly {
        which: usize,
        pattern: String,
    },
    /// As many times as it takes to be answered by a remembered route too.
    Matches {
        subject: String,
        times: usize,
    },
    MatchesInto {
        subject: String,
    },
    HasInterest {
        subject: String,
    },
    Overlapping {
        pattern: String,
    },
    Entries,
    Stats,
}

#[derive(Debug)]
struct Live {
    id: EntryId,
    oracle_id: EntryId,
    pattern: Pattern,
    queue: Option<String>,
    value: u64,
}

#[derive(Debug)]
pub(crate) struct Duo {
    matcher: Matcher<u64>,
    oracle: LinearMatcher<u64>,
    live: Vec<Live>,
    gone: Vec<(Pattern, EntryId)>,
    reused: Matches<u64>,
    next_value: u64,
    changes: u64,
    matched: u64,
    cache_entries: usize,
}

impl Duo {
    pub(crate) fn new(options: MatcherOptions) -> Self {
        Duo {
            cache_entries: options.cache_entries,
            matcher: Matcher::with_options(options),
            oracle: LinearMatcher::new(),
            live: Vec::new(),
            gone: Vec::new(),
            reused: Matches::new(),
            next_value: 0,
            changes: 0,
            matched: 0,
        }
    }

    pub(crate) fn run(&mut self, op: &Op) {
        match op {
            Op::Insert { pattern, queue } => {
                // Not every text that a generator makes is a pattern (S4).
                if let Ok(pattern) = Pattern::new(pattern) {
                    self.insert(pattern, queue.as_deref());
                }
            }
            Op::Remove { which } => self.remove(*which),
            Op::RemoveWrongly { which, pattern } => self.remove_wrongly(*which, pattern),
            Op::Matches { subject, times } => {
                (0..*times).for_each(|_| self.check_matches(subject));
            }
            Op::MatchesInto { subject } => self.check_matches_into(subject),
            Op::HasInterest { subject } => self.check_interest(subject),
            Op::Overlapping { pattern } => {
                if let Ok(pattern) = Pattern::new(pattern) {
                    self.check_overlapping(&pattern);
                }
            }
            Op::Entries => self.check_entries(),
            Op::Stats => self.check_stats(),
        }
    }

    /// Takes everything out again; nothing may be left.
    pub(crate) fn finish(&mut self) {
        while !self.live.is_empty() {
            self.remove(self.live.len() / 2);
        }
        self.check_entries();
        self.check_stats();
    }

    pub(crate) fn insert(&mut self, pattern: Pattern, queue: Option<&str>) {
        let value = self.next_value;
        self.next_value += 1;
        let id = match queue {
            None => self.matcher.insert(&pattern, value),
            Some(queue) => self.matcher.insert_queue(&pattern, queue, value),
        };
        let oracle_id = self.oracle.insert(&pattern, queue, value);
        self.changes += 1;
        self.live.push(Live { id, oracle_id, pattern, queue: queue.map(str::to_owned), value });
    }

    pub(crate) fn remove(&mut self, which: usize) {
        if self.live.is_empty() {
            return;
        }
        let at = which % self.live.len();
        let live = self.live.remove(at);
        let taken = self.matcher.remove(&live.pattern, live.id);
        assert_eq!(taken, Some(live.value), "{live:?}");
        let taken = self.oracle.remove(&live.pattern, live.oracle_id);
        assert_eq!(taken, Some(live.value), "oracle, {live:?}");
        self.changes += 1;
        self.gone.push((live.pattern, live.id));
    }

    fn remove_wrongly(&self, which: usize, pattern: &str) {
        if !self.live.is_empty() {
            let live = &self.live[which % self.live.len()];
            if let Ok(other) = Pattern::new(pattern)
                && other != live.pattern
            {
                assert_eq!(self.matcher.remove(&other, live.id), None);
            }
        }
        if !self.gone.is_empty() {
            let (pattern, id) = &self.gone[which % self.gone.len()];
            assert_eq!(self.matcher.remove(pattern, *id), None);
        }
    }

    pub(crate) fn check_matches(&mut self, subject: &str) {
        self.matched += 1;
        let found = self.matcher.matches(subject);
        self.check_found(subject, &found);
    }

    fn check_matches_into(&mut self, subject: &str) {
        self.matched += 1;
        let mut reused = std::mem::take(&mut self.reused);
        self.matcher.matches_into(subject, &mut reused);
        self.check_found(subject, &reused);
        self.reused = reused;
    }

    fn check_interest(&mut self, subject: &str) {
        self.matched += 1;
        let expected = !self.oracle.plain(subject).is_empty() || !self.oracle.groups(subject).is_empty();
        assert_eq!(self.matcher.has_interest(subject), expected, "{subject:?}");
    }

    fn check_found(&self, subject: &str, found: &Matches<u64>) {
        let mut plain = found.plain().to_vec();
        self.check_order(subject, &plain);
        plain.sort_unstable();
        assert_eq!(plain, self.oracle.plain(subject), "plain of {subject:?}");

        let mut groups = BTreeMap::new();
        for group in found.groups() {
            let mut members = group.members().to_vec();
            members.sort_unstable();
            assert!(!members.is_empty(), "an empty group for {subject:?}");
            let twice = groups.insert(group.name().to_owned(), members);
            assert!(twice.is_none(), "a group in two parts for {subject:?} (Q2)");
        }
        assert_eq!(groups, self.oracle.groups(subject), "groups of {subject:?} (Q2)");

        let members: usize = groups.values().map(Vec::len).sum();
        assert_eq!(found.len(), plain.len() + members);
        let len = found.len();
        assert_eq!(found.is_empty(), len == 0);
    }

    /// Plain entries of one pattern come in the order of insertion, which is that of the values.
    fn check_order(&self, subject: &str, plain: &[u64]) {
        let mut last = BTreeMap::new();
        for value in plain {
            let live = self.live.binary_search_by_key(value, |live| live.value);
            let pattern = &self.live[live.expect("only what is there is found")].pattern;
            let before = last.insert(pattern, *value);
            assert!(before < Some(*value), "order of {pattern} for {subject:?}");
        }
    }

    pub(crate) fn check_overlapping(&self, pattern: &Pattern) {
        let mut found = self.matcher.overlapping(pattern);
        let mut expected = self.oracle.overlapping(pattern);
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "overlapping {pattern} (S12)");
    }

    pub(crate) fn check_entries(&self) {
        let mut found = self.matcher.entries();
        found.sort_unstable_by_key(|(_, _, value)| *value);
        let expected: Vec<_> =
            self.live.iter().map(|live| (live.pattern.clone(), live.queue.clone(), live.value)).collect();
        assert_eq!(found, expected, "entries");
    }

    pub(crate) fn check_stats(&self) {
        let stats = self.matcher.stats();
        let mut literals = BTreeSet::new();
        let mut nodes = BTreeSet::new();
        for Live { pattern, .. } in &self.live {
            if pattern.is_literal() {
                literals.insert(pattern.as_str());
                continue;
            }
            let mut path = Vec::new();
            for token in pattern.tokens().filter(|token| *token != ">") {
                path.push(token);
                nodes.insert(path.clone());
            }
        }
        assert_eq!(stats.entries, self.live.len());
        assert_eq!(stats.literal_patterns, literals.len());
        assert_eq!(stats.trie_nodes, nodes.len());
        assert_eq!(stats.changes, self.changes);
        assert_eq!(stats.cache_hits + stats.cache_misses, self.matched);
        let bound = match self.cache_entries {
            0 => 0,
            some => some.next_power_of_two().max(4),
        };
        assert!(stats.cached_routes <= bound, "{stats:?}");
    }

    /// So that a test can see that it has not gone around the cache.
    pub(crate) fn cache_hits(&self) -> u64 {
        self.matcher.stats().cache_hits
    }
}
