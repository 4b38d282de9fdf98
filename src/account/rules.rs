//! Permissions as they are asked: what they say of one subject or one pattern.

use super::permissions::{AllowResponses, Entry, Permissions};
use crate::subject::{Pattern, relation};
use ahash::RandomState;
use smol_str::SmolStr;
use std::collections::HashSet;

/// The lists of a [`Permissions`], laid out for the questions that come with every message.
#[derive(Debug)]
pub(crate) struct Rules {
    /// `None` allows everything.
    publish_allow: Option<Cover>,
    publish_deny: Cover,
    subscribe_allow: Vec<Entry>,
    subscribe_deny: Vec<Entry>,
    /// The entries of `subscribe_deny` that speak of all subscriptions.
    withheld: Cover,
    strict_subscribe: bool,
    pub(super) responses: Option<AllowResponses>,
}

/// A list of patterns, of which the literal ones need no search.
#[derive(Debug)]
struct Cover {
    literals: HashSet<SmolStr, RandomState>,
    wildcards: Vec<Pattern>,
}

impl Cover {
    fn of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Self {
        let mut cover =
            Cover { literals: HashSet::with_hasher(RandomState::with_seeds(1, 2, 3, 4)), wildcards: Vec::new() };
        for Entry { pattern, .. } in entries {
            if pattern.is_literal() {
                cover.literals.insert(pattern.as_smol().clone());
            } else {
                cover.wildcards.push(pattern.clone());
            }
        }
        cover
    }

    fn matches(&self, subject: &str) -> bool {
        (!self.literals.is_empty() && self.literals.contains(subject))
            || self.wildcards.iter().any(|pattern| relation::matches(pattern.as_str(), subject))
    }
}

/// What the entries of a list that cover a pattern say of its queue group.
#[derive(Default)]
struct Said {
    /// One speaks of all subscriptions.
    plain: bool,
    /// Some speak of queue groups, and whether of this one.
    of_queues: Option<bool>,
}

fn said(entries: &[Entry], queue: Option<&str>, covers: impl Fn(&Pattern) -> bool) -> Said {
    let mut said = Said::default();
    for entry in entries.iter().filter(|entry| covers(&entry.pattern)) {
        match (&entry.queue, queue) {
            (None, _) => said.plain = true,
            (Some(named), Some(queue)) => {
                said.of_queues = Some(said.of_queues == Some(true) || queue_is_covered(named, queue));
            }
            (Some(_), None) => {}
        }
    }
    said
}

impl Rules {
    pub(crate) fn new(permissions: &Permissions) -> Self {
        let Permissions { publish, subscribe, responses, strict_subscribe } = permissions;
        // Leave to answer is leave to do nothing else, unless a list says so (P7).
        let allows_some = !publish.allow.is_empty() || responses.is_some();
        Rules {
            publish_allow: allows_some.then(|| Cover::of(publish.allow.iter())),
            publish_deny: Cover::of(publish.deny.iter()),
            subscribe_allow: subscribe.allow.clone(),
            subscribe_deny: subscribe.deny.clone(),
            withheld: Cover::of(subscribe.deny.iter().filter(|entry| entry.queue.is_none())),
            strict_subscribe: *strict_subscribe,
            responses: *responses,
        }
    }

    /// P3, leave to answer aside.
    pub(crate) fn may_publish(&self, subject: &str) -> bool {
        self.publish_allow.as_ref().is_none_or(|allow| allow.matches(subject)) && !self.publish_deny.matches(subject)
    }

    /// P5, P6. `pattern` need not be valid.
    pub(crate) fn may_subscribe(&self, pattern: &str, queue: Option<&str>) -> bool {
        let covers = |entry: &Pattern| {
            if self.strict_subscribe {
                relation::includes(entry.as_str(), pattern)
            } else {
                relation::matches(entry.as_str(), pattern)
            }
        };
        let allow = said(&self.subscribe_allow, queue, covers);
        if !self.subscribe_allow.is_empty() && !allow.of_queues.unwrap_or(allow.plain) {
            return false;
        }
        let deny = said(&self.subscribe_deny, queue, covers);
        !deny.plain && deny.of_queues != Some(true)
    }

    /// Whether some of what a subscription that is allowed would get has to be withheld. A literal one that is allowed is not denied.
    pub(crate) fn may_withhold(&self, pattern: &Pattern, queue: Option<&str>) -> bool {
        let concerns = |entry: &Entry| match (&entry.queue, queue) {
            (None, _) => true,
            (Some(named), Some(queue)) => queue_is_covered(named, queue),
            (Some(_), None) => false,
        };
        !pattern.is_literal()
            && self.subscribe_deny.iter().any(|entry| concerns(entry) && entry.pattern.overlaps(pattern))
    }

    /// Whether a message on `subject` is kept from a subscription in this queue group, whatever its pattern (P5).
    pub(crate) fn withholds(&self, subject: &str, queue: Option<&str>) -> bool {
        self.withheld.matches(subject)
            || queue.is_some_and(|queue| {
                let covers = |entry: &Pattern| relation::matches(entry.as_str(), subject);
                said(&self.subscribe_deny, Some(queue), covers).of_queues == Some(true)
            })
    }
}

/// Whether an entry for the queue groups `named` speaks of the group `queue`: it is the name itself, or has a wildcard token and
/// includes it. An empty token in the name is nothing that a wildcard stands for, but `>` ends the search before it.
fn queue_is_covered(named: &str, queue: &str) -> bool {
    if named == queue {
        return true;
    }
    let mut tokens = queue.split('.');
    for wanted in named.split('.') {
        match (wanted, tokens.next()) {
            (_, None) => return false,
            (">", _) => return true,
            (_, Some("" | ">")) => return false,
            ("*", _) => {}
            (wanted, Some(token)) if wanted == token => {}
            _ => return false,
        }
    }
    // A name without a wildcard that came so far is the same name, which was seen above.
    tokens.next().is_none()
}
