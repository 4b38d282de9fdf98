//! How a subject on one side is written on the other.

use crate::Pattern;
use crate::error::SubjectError;
use crate::subject::mapping::{self, Placeholder, TransformError};
use crate::subject::relation;
use std::fmt;

/// Turns subjects that match a source pattern into subjects of the other side, token by token.
///
/// The language is that of nats-server's subject mappings: `$1` and `{{wildcard(1)}}` stand for the token that the source's first
/// `*` matched, and a `>` at the end for the tokens that its `>` matched.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    source: Pattern,
    /// `None`: subjects are the same on both sides.
    template: Option<Template>,
}

#[derive(Clone, PartialEq, Eq)]
struct Template {
    text: String,
    parts: Vec<Part>,
    /// It ends with the tokens that the source's `>` matched.
    tail: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// The token at this place of the source.
    Token(usize),
}

/// Why a destination was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// The destination is not a valid subject, placeholders apart.
    #[error("the destination {destination:?}: {error}")]
    Invalid {
        /// The destination.
        destination: String,
        /// The fault in it.
        error: SubjectError,
    },
    /// It has a `*`, whose meaning would be ambiguous; `$1` and `{{wildcard(1)}}` are not.
    #[error("the destination {destination:?} has a `*`; `$1` stands for what the first one matched")]
    BareWildcard {
        /// The destination.
        destination: String,
    },
    /// Source and destination must both end in `>`, or neither.
    #[error("only one of {pattern} and {destination:?} ends in `>`")]
    Tail {
        /// The source.
        pattern: Pattern,
        /// The destination.
        destination: String,
    },
    /// It names a wildcard that the source does not have.
    #[error("the destination names wildcard {index}, and {pattern} has {wildcards}")]
    NoSuchWildcard {
        /// The source.
        pattern: Pattern,
        /// The number it names.
        index: usize,
        /// How many there are.
        wildcards: usize,
    },
    /// It uses a function of nats-server's mapping language that is not reversible, or unknown: only `wildcard` is taken.
    #[error("the destination's token {token:?} is no function that a bridge takes; `{{{{wildcard(1)}}}}` is one")]
    UnsupportedFunction {
        /// The token.
        token: String,
    },
    /// The source does not begin with the prefix that is to be taken off, or nothing would be left
    /// of it.
    #[error("{prefix:?} can't be taken off {pattern}")]
    NotAPrefix {
        /// The source.
        pattern: Pattern,
        /// The prefix that was to be taken off.
        prefix: String,
    },
    /// Two subjects would become one, and a request's subject could not be told from its response: requests need each wildcard in
    /// the destination.
    #[error("{destination:?} leaves out a wildcard of {pattern}, so that it can't be reversed")]
    NotReversible {
        /// The source.
        pattern: Pattern,
        /// The destination.
        destination: String,
    },
}

impl Mapping {
    /// Subjects are the same on both sides.
    pub(super) fn same(source: Pattern) -> Self {
        Mapping { source, template: None }
    }

    /// # Errors
    ///
    /// [`MappingError`]; not those of `strip_prefix`.
    pub(super) fn new(source: Pattern, destination: &str) -> Result<Self, MappingError> {
        let places: Vec<usize> = wildcards(&source).collect();
        let tail = destination == ">" || destination.ends_with(".>");
        if tail != ends_open(&source) {
            return Err(MappingError::Tail { pattern: source, destination: destination.to_owned() });
        }
        let mut parts = Vec::new();
        let mut plain = Vec::new();
        let tokens: Vec<&str> = mapping::tokens(destination);
        let fixed = tokens.len() - usize::from(tail);
        for token in &tokens[..fixed] {
            match wildcard(token)? {
                Some(index) => {
                    let place = index.checked_sub(1).and_then(|at| places.get(at));
                    let Some(&place) = place else {
                        return Err(MappingError::NoSuchWildcard { pattern: source, index, wildcards: places.len() });
                    };
                    parts.push(Part::Token(place));
                    plain.push("x");
                }
                None if *token == "*" => {
                    return Err(MappingError::BareWildcard { destination: destination.to_owned() });
                }
                None => {
                    parts.push(Part::Literal((*token).to_owned()));
                    plain.push(token);
                }
            }
        }
        if tail {
            plain.push(">");
        }
        Pattern::new(plain.join("."))
            .map_err(|error| MappingError::Invalid { destination: destination.to_owned(), error })?;
        Ok(Mapping { source, template: Some(Template { text: destination.to_owned(), parts, tail }) })
    }

    /// Puts tokens in front.
    pub(super) fn with_prefix(source: Pattern, prefix: &str) -> Result<Self, MappingError> {
        let rest = as_template(source.tokens());
        Mapping::new(source, &format!("{prefix}.{rest}"))
    }

    /// Takes tokens off the front.
    pub(super) fn without_prefix(source: Pattern, prefix: &str) -> Result<Self, MappingError> {
        let (mut left, mut cut) = (source.tokens(), prefix.split('.'));
        let fits = cut.all(|token| left.next() == Some(token)) && left.clone().next().is_some();
        let literal = relation::is_literal(prefix);
        if !fits || !literal {
            return Err(MappingError::NotAPrefix { pattern: source, prefix: prefix.to_owned() });
        }
        let rest = as_template(left);
        Mapping::new(source, &rest)
    }

    pub(super) fn source(&self) -> &Pattern {
        &self.source
    }

    /// The pattern that matches every subject that it makes.
    pub(super) fn destination(&self) -> Pattern {
        let Some(template) = &self.template else { return self.source.clone() };
        let mut tokens: Vec<&str> = template.parts.iter().map(|part| part.literal().unwrap_or("*")).collect();
        if template.tail {
            tokens.push(">");
        }
        Pattern::new(tokens.join(".")).expect("checked when it was made")
    }

    /// Whether subjects are the same on both sides.
    pub(super) fn is_same(&self) -> bool {
        self.template.is_none()
    }

    /// The subject on the other side; `None` if the source does not match.
    pub(super) fn apply<'a>(&self, subject: &'a str) -> Option<std::borrow::Cow<'a, str>> {
        if !relation::matches(self.source.as_str(), subject) {
            return None;
        }
        let Some(template) = &self.template else { return Some(subject.into()) };
        let tokens: Vec<&str> = subject.split('.').collect();
        let mut out = String::with_capacity(subject.len() + template.text.len());
        let mut push = |token: &str| {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(token);
        };
        for part in &template.parts {
            match part {
                Part::Literal(text) => push(text),
                Part::Token(place) => push(tokens[*place]),
            }
        }
        if template.tail {
            tokens[self.source.tokens().count() - 1..].iter().for_each(|token| push(token));
        }
        Some(out.into())
    }

    /// The way back.
    ///
    /// # Errors
    ///
    /// [`MappingError::NotReversible`] if a wildcard of the source is left out.
    pub(super) fn reversed(&self) -> Result<Self, MappingError> {
        let Some(template) = &self.template else { return Ok(self.clone()) };
        let not_reversible =
            || MappingError::NotReversible { pattern: self.source.clone(), destination: template.text.clone() };
        let mut parts = Vec::new();
        for (place, token) in self.source.tokens().enumerate() {
            match token {
                ">" => {}
                "*" => {
                    let found = template.parts.iter().position(|part| *part == Part::Token(place));
                    parts.push(Part::Token(found.ok_or_else(not_reversible)?));
                }
                literal => parts.push(Part::Literal(literal.to_owned())),
            }
        }
        let text = self.source.as_str().to_owned();
        Ok(Mapping { source: self.destination(), template: Some(Template { text, parts, tail: template.tail }) })
    }
}

impl Part {
    fn literal(&self) -> Option<&str> {
        match self {
            Part::Literal(text) => Some(text),
            Part::Token(_) => None,
        }
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.template {
            None => write!(f, "{}", self.source),
            Some(template) => write!(f, "{} -> {}", self.source, template.text),
        }
    }
}

fn ends_open(pattern: &Pattern) -> bool {
    pattern.tokens().next_back() == Some(">")
}

fn wildcards(pattern: &Pattern) -> impl Iterator<Item = usize> {
    pattern.tokens().enumerate().filter(|(_, token)| *token == "*").map(|(place, _)| place)
}

/// Tokens of a template that puts everything back where it was.
fn as_template<'a>(tokens: impl Iterator<Item = &'a str>) -> String {
    let mut seen = 0;
    let mut name = |token: &str| {
        if token == "*" {
            seen += 1;
            return format!("${seen}");
        }
        token.to_owned()
    };
    tokens.map(&mut name).collect::<Vec<_>>().join(".")
}

/// The number of the wildcard that a token stands for, if it stands for one.
fn wildcard(token: &str) -> Result<Option<usize>, MappingError> {
    match Placeholder::parse(token) {
        Ok(Placeholder::Literal) => Ok(None),
        Ok(Placeholder::Wildcard(index)) => Ok(Some(usize::try_from(index).unwrap_or(0))),
        Err(TransformError::Wildcard { index: Some(index), .. }) => Ok(Some(usize::try_from(index).unwrap_or(0))),
        _ => Err(MappingError::UnsupportedFunction { token: token.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    fn map(source: &str, destination: &str, subject: &str) -> Option<String> {
        Mapping::new(pattern(source), destination).unwrap().apply(subject).map(|mapped| mapped.into_owned())
    }

    #[test]
    fn subjects_are_mapped_as_nats_server_maps_them() {
        let cases = [
            ("a.*.*", "b.$2.$1", "a.x.y", Some("b.y.x")),
            ("a.*.*", "b.{{wildcard(2)}}.{{ Wildcard( 1 ) }}", "a.x.y", Some("b.y.x")),
            ("a.>", "b.>", "a.x.y", Some("b.x.y")),
            ("a.*.>", "$1.b.>", "a.x.y.z", Some("x.b.y.z")),
            (">", "eu.>", "a.b", Some("eu.a.b")),
            ("a", "b.$JS", "a", Some("b.$JS")),
            ("a.*", "b.$1", "c.x", None),
            ("a.>", "b.>", "a", None),
        ];
        for (source, destination, subject, expected) in cases {
            assert_eq!(map(source, destination, subject).as_deref(), expected, "{source} -> {destination}: {subject}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_destination_is_said() {
        let refused = |source: &str, destination: &str| Mapping::new(pattern(source), destination).unwrap_err();
        assert!(matches!(refused("a.>", "b"), MappingError::Tail { .. }));
        assert!(matches!(refused("a", "b.>"), MappingError::Tail { .. }));
        assert!(matches!(refused("a.*", "b.*"), MappingError::BareWildcard { .. }));
        assert!(matches!(refused("a.*", "b.$2"), MappingError::NoSuchWildcard { index: 2, wildcards: 1, .. }));
        assert!(matches!(refused("a.*", "b.$0"), MappingError::NoSuchWildcard { index: 0, .. }));
        assert!(matches!(refused("a.*", "b.{{partition(3,1)}}"), MappingError::UnsupportedFunction { .. }));
        assert!(matches!(refused("a", "b..c"), MappingError::Invalid { .. }));
        assert!(matches!(refused("a", "b c"), MappingError::Invalid { .. }));
        let unprefixed = |source: &str, prefix: &str| Mapping::without_prefix(pattern(source), prefix).unwrap_err();
        for (source, prefix) in [("a.b", "b"), ("a.b", "a.b"), ("a.b", "a.b.c"), ("*.b", "*"), ("a.b", "")] {
            assert!(matches!(unprefixed(source, prefix), MappingError::NotAPrefix { .. }), "{source} {prefix}");
        }
    }

    #[test]
    fn prefixes_come_and_go() {
        let with = Mapping::with_prefix(pattern("a.*.>"), "eu.1").unwrap();
        assert_eq!(with.destination(), pattern("eu.1.a.*.>"));
        assert_eq!(with.apply("a.b.c").unwrap(), "eu.1.a.b.c");
        let without = Mapping::without_prefix(pattern("eu.1.a.*.>"), "eu.1").unwrap();
        assert_eq!(without.apply("eu.1.a.b.c").unwrap(), "a.b.c");
        assert_eq!(without.destination(), pattern("a.*.>"));
    }

    #[test]
    fn a_wildcard_left_out_can_not_be_reversed() {
        let lossy = Mapping::new(pattern("a.*.*"), "b.$1").unwrap();
        assert!(matches!(lossy.reversed(), Err(MappingError::NotReversible { .. })));
    }

    fn token() -> impl Strategy<Value = String> {
        "[a-c]{1,2}"
    }

    prop_compose! {
        /// A source, a destination with all its wildcards in some order, and a subject that the source matches.
        fn mapping_and_subject()
            (source in prop::collection::vec(prop_oneof![token().prop_map(Some), Just(None)], 1..5), tail in any::<bool>())
            (
                order in Just((1..=source.iter().filter(|token| token.is_none()).count()).collect::<Vec<_>>()).prop_shuffle(),
                literals in prop::collection::vec(prop::option::of(token()), 6),
                fill in prop::collection::vec(token(), source.len()),
                rest in prop::collection::vec(token(), 1..3),
                source in Just(source),
                tail in Just(tail),
            ) -> (String, String, String)
        {
            let mut from: Vec<String> = source.iter().map(|token| token.clone().unwrap_or("*".into())).collect();
            let mut subject: Vec<String> =
                source.iter().zip(fill).map(|(token, fill)| token.clone().unwrap_or(fill)).collect();
            let mut to: Vec<String> = Vec::new();
            let mut literals = literals.into_iter();
            for number in order {
                to.extend(literals.next().flatten());
                to.push(format!("${number}"));
            }
            to.extend(literals.next().flatten());
            if to.is_empty() {
                to.push("z".into());
            }
            if tail {
                from.push(">".into());
                to.push(">".into());
                subject.extend(rest);
            }
            (from.join("."), to.join("."), subject.join("."))
        }
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same((from, to, subject) in mapping_and_subject()) {
            let there = Mapping::new(pattern(&from), &to).unwrap();
            let mapped = there.apply(&subject).expect("the source matches").into_owned();
            prop_assert!(there.destination().matches(&mapped), "{mapped} in {}", there.destination());
            let back = there.reversed().unwrap();
            let returned = back.apply(&mapped);
            prop_assert_eq!(returned.as_deref(), Some(subject.as_str()), "{} -> {} -> {}", subject, mapped, back.destination());
        }
    }
}
