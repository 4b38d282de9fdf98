//! Permissions as they are asked: what they say of one subject or one pattern.
//!
//! Nothing here goes through a list: lists may have thousands of entries, and are asked about with every message. The cost of a question
//! follows from the text that it is about.

use super::lists::{AllowResponses, Entry, Lists};
use crate::matcher::{PatternSet, Reading};
use crate::subject::{Pattern, relation};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The lists of a connection's permissions, laid out for the questions that come with every message.
#[derive(Debug)]
pub(crate) struct Rules {
    /// `None` allows everything.
    publish_allow: Option<PatternSet<()>>,
    publish_deny: PatternSet<()>,
    subscribe_allow: PatternSet<Queues>,
    subscribe_deny: PatternSet<Queues>,
    /// The first tokens of the entries of `subscribe_deny`.
    denied: FirstTokens,
    strict_subscribe: bool,
    pub(super) responses: Option<AllowResponses>,
}

/// Which subscriptions the entries with one pattern speak of.
#[derive(Debug)]
struct Queues {
    /// One speaks of all.
    plain: bool,
    /// Others speak of queue groups, by name or by a pattern of names.
    named: Option<Box<Names>>,
}

#[derive(Debug)]
struct Names {
    exact: HashSet<String, ahash::RandomState>,
    patterns: PatternSet<()>,
}

/// The verdict on a queue group of the entries of a list that cover a pattern.
#[derive(Default)]
struct Said {
    /// One speaks of all subscriptions.
    plain: bool,
    /// Some speak of queue groups, and whether of this one.
    of_queues: Option<bool>,
}

/// The first tokens of some patterns.
#[derive(Debug)]
struct FirstTokens {
    of_all: BTreeSet<String>,
    /// The same, of entries that speak of queue groups alone.
    of_queues: BTreeSet<String>,
}

impl Queues {
    fn new(named: &[Option<&str>]) -> Self {
        let names: BTreeSet<&str> = named.iter().copied().flatten().collect();
        Queues { plain: named.contains(&None), named: (!names.is_empty()).then(|| Box::new(Names::new(&names))) }
    }

    fn speak_of(&self, queue: &str) -> bool {
        self.named.as_ref().is_some_and(|names| names.cover(queue))
    }
}

impl Names {
    fn new(names: &BTreeSet<&str>) -> Self {
        let patterns: BTreeSet<&str> = names.iter().filter_map(|name| as_pattern(name)).collect();
        let mut exact = HashSet::with_hasher(ahash::RandomState::with_seeds(1, 2, 3, 4));
        exact.extend(names.iter().map(|name| (*name).to_owned()));
        Names { exact, patterns: PatternSet::new(patterns.into_iter().map(|name| (name, ()))) }
    }

    /// Whether an entry for one of these speaks of the group `queue`: it is the name itself, or has a wildcard token and includes it. An
    /// empty token in the name is nothing that a wildcard stands for, but `>` ends the search before it.
    fn cover(&self, queue: &str) -> bool {
        self.exact.contains(queue) || self.patterns.any(queue, Reading::Queue, |()| true)
    }
}

/// A name with wildcards as the pattern that it is, up to the first `>`. One with an empty token before that covers nothing but itself.
fn as_pattern(name: &str) -> Option<&str> {
    let (mut end, mut has_wildcard) = (0, false);
    for token in name.split('.') {
        end += token.len();
        match token {
            "" => return None,
            ">" => return Some(&name[..end]),
            _ => has_wildcard |= token == "*",
        }
        // The dot behind it.
        end += 1;
    }
    has_wildcard.then_some(name)
}

impl FirstTokens {
    fn new(entries: &[Entry]) -> Self {
        let (mut of_all, mut of_queues) = (BTreeSet::new(), BTreeSet::new());
        for Entry { pattern, queue } in entries {
            let first = if queue.is_none() { &mut of_all } else { &mut of_queues };
            first.insert(pattern.first_token().to_owned());
        }
        FirstTokens { of_all, of_queues }
    }

    /// Whether a pattern may share a subject with one of them.
    fn may_concern(&self, pattern: &Pattern, is_in_queue: bool) -> bool {
        let token = pattern.first_token();
        let concerns = |first: &BTreeSet<String>| {
            let is_wild = relation::is_wildcard(token) && !first.is_empty();
            is_wild || [token, "*", ">"].into_iter().any(|token| first.contains(token))
        };
        concerns(&self.of_all) || (is_in_queue && concerns(&self.of_queues))
    }
}

fn set_of(entries: &[Entry]) -> PatternSet<()> {
    let patterns: BTreeSet<&str> = entries.iter().map(|entry| entry.pattern.as_str()).collect();
    PatternSet::new(patterns.into_iter().map(|pattern| (pattern, ())))
}

fn queues_of(entries: &[Entry]) -> PatternSet<Queues> {
    let mut patterns: BTreeMap<&str, Vec<Option<&str>>> = BTreeMap::new();
    for Entry { pattern, queue } in entries {
        patterns.entry(pattern.as_str()).or_default().push(queue.as_deref());
    }
    PatternSet::new(patterns.into_iter().map(|(pattern, named)| (pattern, Queues::new(&named))))
}

impl Rules {
    pub(super) fn new(lists: &Lists) -> Self {
        let Lists { publish, subscribe, responses, strict_subscribe } = lists;
        // Leave to answer is leave to do nothing else, unless a list says so (P7).
        let allows_some = !publish.allow.is_empty() || responses.is_some();
        Rules {
            publish_allow: allows_some.then(|| set_of(&publish.allow)),
            publish_deny: set_of(&publish.deny),
            subscribe_allow: queues_of(&subscribe.allow),
            subscribe_deny: queues_of(&subscribe.deny),
            denied: FirstTokens::new(&subscribe.deny),
            strict_subscribe: *strict_subscribe,
            responses: *responses,
        }
    }

    /// P3, leave to answer aside.
    pub(crate) fn may_publish(&self, subject: &str) -> bool {
        let covers = |set: &PatternSet<()>| set.any(subject, Reading::Subject, |()| true);
        self.publish_allow.as_ref().is_none_or(covers) && !covers(&self.publish_deny)
    }

    /// P5, P6. `pattern` need not be valid.
    pub(crate) fn may_subscribe(&self, pattern: &str, queue: Option<&str>) -> bool {
        let allow = self.said(&self.subscribe_allow, pattern, queue);
        if !self.subscribe_allow.is_empty() && !allow.of_queues.unwrap_or(allow.plain) {
            return false;
        }
        let deny = self.said(&self.subscribe_deny, pattern, queue);
        !deny.plain && deny.of_queues != Some(true)
    }

    fn said(&self, list: &PatternSet<Queues>, pattern: &str, queue: Option<&str>) -> Said {
        let mut said = Said::default();
        let reading = if self.strict_subscribe { Reading::Pattern } else { Reading::Subject };
        list.any(pattern, reading, |entries| {
            said.plain |= entries.plain;
            if let (Some(queue), Some(names)) = (queue, &entries.named) {
                said.of_queues = Some(said.of_queues == Some(true) || names.cover(queue));
            }
            false
        });
        said
    }

    /// Whether some of what a subscription that is allowed would get may have to be withheld. A literal one that is allowed is not
    /// denied. Where this says yes, [`Rules::withholds`] is asked about each message.
    pub(crate) fn may_withhold(&self, pattern: &Pattern, queue: Option<&str>) -> bool {
        !pattern.is_literal() && self.denied.may_concern(pattern, queue.is_some())
    }

    /// Whether a message on `subject` is kept from a subscription in this queue group, whatever its pattern (P5).
    pub(crate) fn withholds(&self, subject: &str, queue: Option<&str>) -> bool {
        let concerns = |entries: &Queues| entries.plain || queue.is_some_and(|queue| entries.speak_of(queue));
        self.subscribe_deny.any(subject, Reading::Subject, concerns)
    }
}
