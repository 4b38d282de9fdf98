//! Which messages cross, and how they are called on the other side.

use super::mapping::{Mapping, MappingError};
use crate::error::SubjectError;
use crate::matcher::{Matcher, MatcherOptions};
use crate::subject::relation;
use crate::{Pattern, steps};

/// One rule of a bridge: a pattern on the side that messages come from, their subjects on the other side, and whether several
/// processes share the work.
///
/// Where the builder wants a rule, a text or a [`Pattern`] will do: subjects are the same on both sides then.
///
/// # Example
///
/// ```
/// use postroom::bridge::Rule;
///
/// Rule::new("orders.>")?.prefix("eu")?; // orders.new becomes eu.orders.new
/// Rule::new("eu.orders.>")?.strip_prefix("eu")?; // and back
/// Rule::new("orders.*.*")?.to("$2.orders.{{wildcard(1)}}")?; // orders.new.eu becomes eu.orders.new
/// Rule::new("jobs.*")?.queue("workers");
/// # Ok::<_, postroom::bridge::RuleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Rule {
    pub(super) mapping: Mapping,
    pub(super) queue: Option<String>,
    pub(super) pinned: bool,
}

/// Why a rule was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The pattern is invalid.
    #[error("the pattern {text:?}: {error}")]
    Pattern {
        /// The given text.
        text: String,
        /// The fault in it.
        error: SubjectError,
    },
    /// Subjects can't be mapped like that.
    #[error("{0}")]
    Mapping(MappingError),
    /// The queue group's name is empty or has a blank (S13).
    #[error("the queue group's name {name:?} is empty or has a blank")]
    Queue {
        /// The name.
        name: String,
    },
}

impl From<MappingError> for RuleError {
    fn from(error: MappingError) -> Self {
        RuleError::Mapping(error)
    }
}

impl Rule {
    /// Messages that match `pattern`, under the same subjects on both sides.
    ///
    /// # Errors
    ///
    /// [`RuleError::Pattern`].
    pub fn new(pattern: impl AsRef<str>) -> Result<Self, RuleError> {
        let text = pattern.as_ref();
        let pattern = Pattern::new(text).map_err(|error| RuleError::Pattern { text: text.to_owned(), error })?;
        Ok(pattern.into())
    }

    /// Gives the subjects on the other side, in the language of nats-server's subject mappings: `$1` or `{{wildcard(1)}}` for the
    /// token that the first `*` of the pattern matched, and `>` at the end for the tokens that its `>` matched.
    ///
    /// # Errors
    ///
    /// [`RuleError::Mapping`].
    pub fn to(mut self, destination: impl AsRef<str>) -> Result<Self, RuleError> {
        self.mapping = Mapping::new(self.mapping.source().clone(), destination.as_ref())?;
        Ok(self)
    }

    /// Puts `prefix`, one token or several, and a dot in front of the subjects.
    ///
    /// # Errors
    ///
    /// [`RuleError::Mapping`].
    pub fn prefix(mut self, prefix: impl AsRef<str>) -> Result<Self, RuleError> {
        self.mapping = Mapping::with_prefix(self.mapping.source().clone(), prefix.as_ref())?;
        Ok(self)
    }

    /// Takes `prefix`, one token or several, and a dot off the front of the subjects.
    ///
    /// # Errors
    ///
    /// [`RuleError::Mapping`] if the pattern does not begin with it.
    pub fn strip_prefix(mut self, prefix: impl AsRef<str>) -> Result<Self, RuleError> {
        self.mapping = Mapping::without_prefix(self.mapping.source().clone(), prefix.as_ref())?;
        Ok(self)
    }

    /// Makes the bridge a member of a queue group on the side that messages come from (Q1): of the processes that have the rule, one
    /// gets each message. On the bus the bridge is the member that is chosen last (Q6).
    pub fn queue(mut self, name: impl Into<String>) -> Self {
        self.queue = Some(name.into());
        self
    }

    /// Whether the server subscription is kept while nothing on the bus is subscribed to its messages. Default false. For rules that bring
    /// messages in.
    pub fn pinned(mut self, pinned: bool) -> Self {
        self.pinned = pinned;
        self
    }

    /// The pattern that messages must match on the side they come from.
    pub fn pattern(&self) -> &Pattern {
        self.mapping.source()
    }

    /// The pattern that matches all their subjects on the other side.
    pub fn destination(&self) -> Pattern {
        self.mapping.destination()
    }

    /// # Errors
    ///
    /// The errors that can only be found where the rule is used.
    pub(super) fn check(&self, direction: RuleKind) -> Result<(), RuleError> {
        let blank = |name: &str| name.is_empty() || name.contains([' ', '\t', '\r', '\n']);
        if let Some(name) = self.queue.as_deref().filter(|name| blank(name)) {
            return Err(RuleError::Queue { name: name.to_owned() });
        }
        if direction.is_for_requests() {
            self.mapping.reversed()?;
        }
        Ok(())
    }
}

impl From<Pattern> for Rule {
    fn from(pattern: Pattern) -> Self {
        Rule { mapping: Mapping::same(pattern), queue: None, pinned: false }
    }
}

/// A value that can be given as a rule: a [`Rule`], a [`Pattern`], or a text.
pub trait ToRule {
    /// The rule.
    ///
    /// # Errors
    ///
    /// [`RuleError::Pattern`] if a text is not a valid pattern.
    fn into_rule(self) -> Result<Rule, RuleError>;
}

impl ToRule for Rule {
    fn into_rule(self) -> Result<Rule, RuleError> {
        Ok(self)
    }
}

impl ToRule for Pattern {
    fn into_rule(self) -> Result<Rule, RuleError> {
        Ok(self.into())
    }
}

impl ToRule for &str {
    fn into_rule(self) -> Result<Rule, RuleError> {
        Rule::new(self)
    }
}

impl ToRule for String {
    fn into_rule(self) -> Result<Rule, RuleError> {
        Rule::new(self)
    }
}

impl ToRule for Result<Rule, RuleError> {
    fn into_rule(self) -> Result<Rule, RuleError> {
        self
    }
}

/// Which way a rule works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleKind {
    /// Messages of the server are published on the bus.
    Import,
    /// Messages of the bus are published on the server.
    Export,
    /// The bus responds to requests from the server.
    Serve,
    /// The server's side responds to requests from the bus.
    Call,
}

impl RuleKind {
    pub(super) fn is_for_requests(self) -> bool {
        matches!(self, RuleKind::Serve | RuleKind::Call)
    }
}

/// The rules of one direction, in the order in which they were given.
#[derive(Debug)]
pub(super) struct Rules {
    list: Vec<ListedRule>,
    /// The numbers of the rules that take every message.
    for_all: Matcher<usize>,
    /// The numbers of those that take requests only.
    for_requests: Matcher<usize>,
}

#[derive(Debug)]
pub(super) struct ListedRule {
    pub(super) kind: RuleKind,
    pub(super) rule: Rule,
    /// Whether it is known that no rule before it matches any of its subjects.
    is_apart: bool,
}

/// So many rules are compared with those before them, so that most need no look into the index.
const COMPARED: usize = 64;

impl Default for Rules {
    fn default() -> Self {
        let index = || {
            let mut options = MatcherOptions::default();
            // Few patterns, which never change: threads need not remember routes of their own.
            (options.shards, options.cache_entries) = (1, 0);
            Matcher::with_options(options)
        };
        Rules { list: Vec::new(), for_all: index(), for_requests: index() }
    }
}

impl Rules {
    pub(super) fn add(&mut self, kind: RuleKind, rule: Rule) {
        let index = if kind.is_for_requests() { &self.for_requests } else { &self.for_all };
        index.insert(rule.pattern(), self.list.len());
        let overlaps = |other: &ListedRule| other.rule.pattern().overlaps(rule.pattern());
        let is_apart = self.list.len() < COMPARED && !self.list.iter().inspect(|_| steps::count(1)).any(overlaps);
        self.list.push(ListedRule { kind, rule, is_apart });
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &ListedRule> {
        self.list.iter()
    }

    pub(super) fn get(&self, at: usize) -> &ListedRule {
        &self.list[at]
    }

    /// The rules whose pattern matches, in no order.
    pub(super) fn matching(&self, subject: &str) -> impl Iterator<Item = &ListedRule> {
        let found = [&self.for_all, &self.for_requests].map(|index| index.matches(subject));
        let numbers: Vec<usize> = found.iter().flat_map(|found| found.plain()).copied().collect();
        numbers.into_iter().map(|at| &self.list[at])
    }

    /// Whether the rule at `at`, whose pattern matches, is the first that takes such a message: no message crosses twice.
    pub(super) fn is_first(&self, at: usize, subject: &str, has_reply: bool) -> bool {
        let has_earlier = |index: &Matcher<usize>| {
            let found = index.matches(subject);
            found.plain().iter().inspect(|_| steps::count(1)).any(|&other| other < at)
        };
        let listed = &self.list[at];
        listed.takes(has_reply)
            && (listed.is_apart || !(has_earlier(&self.for_all) || has_reply && has_earlier(&self.for_requests)))
    }
}

impl ListedRule {
    /// Whether its pattern begins with a wildcard, and so matches subjects that it does not name.
    pub(super) fn is_open(&self) -> bool {
        relation::is_wildcard(self.rule.pattern().first_token())
    }

    pub(super) fn takes(&self, has_reply: bool) -> bool {
        has_reply || !self.kind.is_for_requests()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_is_the_one() {
        let mut rules = Rules::default();
        for (kind, pattern) in
            [(RuleKind::Call, "a.*"), (RuleKind::Export, "a.>"), (RuleKind::Export, "a.b"), (RuleKind::Export, "c")]
        {
            rules.add(kind, Rule::new(pattern).unwrap());
        }
        let first = |subject: &str, has_reply: bool| {
            let matching = (0..4).filter(|&at| rules.get(at).rule.pattern().matches(subject));
            matching.filter(|&at| rules.is_first(at, subject, has_reply)).collect::<Vec<_>>()
        };
        assert_eq!(first("a.b", true), [0]);
        assert_eq!(first("a.b", false), [1], "a call takes requests only");
        assert_eq!(first("a.b.c", true), [1]);
        assert_eq!(first("c", false), [3]);
    }

    /// Neither building nor asking costs more for each rule where there are more of them.
    #[test]
    fn many_rules_cost_each_what_one_costs() {
        steps::assert_linear(|n| {
            let mut rules = Rules::default();
            for at in 0..n {
                rules.add(RuleKind::Export, Rule::new(format!("a.{at}.*")).unwrap());
            }
            rules.add(RuleKind::Export, Rule::new("a.>").unwrap());
            for at in 0..n {
                assert!(rules.is_first(at, &format!("a.{at}.x"), false));
                assert!(!rules.is_first(n, &format!("a.{at}.x"), false));
            }
            assert!(rules.is_first(n, "a.b", false));
        });
    }

    #[test]
    fn requests_need_a_mapping_that_can_be_reversed() {
        let lossy = Rule::new("a.*").unwrap().to("b").unwrap();
        assert_eq!(lossy.check(RuleKind::Export), Ok(()));
        assert!(matches!(lossy.check(RuleKind::Call), Err(RuleError::Mapping(MappingError::NotReversible { .. }))));
        assert!(matches!(Rule::new("a").unwrap().queue("x y").check(RuleKind::Call), Err(RuleError::Queue { .. })));
    }
}
