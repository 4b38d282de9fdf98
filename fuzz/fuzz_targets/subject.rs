//! Any two texts as subject and pattern: parsing never panics and accepts just what the grammar allows, and the
//! relations say what a definition on split tokens says.
//!
//! Input: two texts, parted by the first NUL byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postroom::error::SubjectError;
use postroom::subject::relation;
use postroom::{Pattern, Subject};

fuzz_target!(|input: &str| {
    let (a, b) = input.split_once('\0').unwrap_or((input, input));
    for text in [a, b] {
        check_text(text);
    }
    check_relations(a, b);
    check_relations(b, a);
});

fn check_text(text: &str) {
    let pattern = Pattern::new(text);
    let subject = Subject::new(text);
    assert_eq!(pattern.is_ok(), is_pattern(text), "pattern {text:?}");
    assert_eq!(subject.is_ok(), is_pattern(text) && !has_wildcard(text), "subject {text:?}");
    for error in [pattern.as_ref().err(), subject.as_ref().err()].into_iter().flatten() {
        check_error(text, error);
    }
    if let Ok(pattern) = &pattern {
        assert_eq!(pattern.as_str(), text);
        assert!(pattern.tokens().eq(text.split('.')));
        assert!(pattern.tokens().rev().eq(text.rsplit('.')));
        assert_eq!(pattern.is_literal(), !has_wildcard(text));
        assert_eq!(Some(pattern.first_token()), text.split('.').next());
        assert!(pattern.includes(pattern) && pattern.overlaps(pattern));
    }
    if let Ok(subject) = subject {
        assert_eq!(subject.to_string(), text);
        assert_eq!(pattern, Pattern::try_from(subject));
    }
}

/// What an error says is true of the text.
fn check_error(text: &str, error: &SubjectError) {
    let token_at = |position: usize| text[position..].split('.').next();
    match *error {
        SubjectError::Empty => assert!(text.is_empty()),
        SubjectError::TooLong { len, max } => assert!(len == text.len() && len > max),
        SubjectError::EmptyToken { position } => assert_eq!(token_at(position), Some("")),
        SubjectError::Whitespace { position, found } => {
            assert!(text[position..].starts_with(found))
        }
        SubjectError::Wildcard { position } => {
            assert!(matches!(token_at(position), Some("*" | ">")))
        }
        SubjectError::AfterTail { position } => assert!(text[..position].ends_with(">.")),
        _ => unreachable!("a new kind of error: {error}"),
    }
}

fn check_relations(a: &str, b: &str) {
    // Whatever the texts are, these return.
    let matched = relation::matches(a, b);
    let included = relation::includes(a, b);
    let overlapping = relation::overlaps(a, b);
    if !is_pattern(a) {
        return;
    }
    let (pattern, other): (Vec<_>, Vec<_>) = (a.split('.').collect(), b.split('.').collect());
    let expected = !other.contains(&"") && naive_matches(&pattern, &other);
    assert_eq!(matched, expected, "{a:?} matches {b:?}");
    if !is_pattern(b) {
        return;
    }
    assert_eq!(included, naive_includes(&pattern, &other), "{a:?} includes {b:?}");
    assert_eq!(overlapping, naive_overlaps(&pattern, &other), "{a:?} overlaps {b:?}");
    assert_eq!(overlapping, relation::overlaps(b, a), "{a:?} {b:?}");
    assert!(!included || overlapping, "{a:?} {b:?}");
    if !has_wildcard(b) {
        assert!(matched == included && matched == overlapping, "{a:?} {b:?}");
    }
}

fn is_pattern(text: &str) -> bool {
    (1..=65_535).contains(&text.len())
        && !text.contains([' ', '\t', '\r', '\n'])
        && text.split('.').all(|token| !token.is_empty())
        && text.split('.').rev().skip(1).all(|token| token != ">")
}

fn has_wildcard(text: &str) -> bool {
    text.split('.').any(|token| token == "*" || token == ">")
}

/// By length first, then by position.
fn naive_matches(pattern: &[&str], subject: &[&str]) -> bool {
    let fits = |(want, token): (&&str, &&str)| *want == "*" || want == token;
    match pattern {
        [head @ .., ">"] => subject.len() > head.len() && head.iter().zip(subject).all(fits),
        _ => subject.len() == pattern.len() && pattern.iter().zip(subject).all(fits),
    }
}

/// Two literals tell: one as short as `inner` allows and one longer than `outer`, made of a token that `outer` lacks.
fn naive_includes(outer: &[&str], inner: &[&str]) -> bool {
    instances(inner, outer.len() + inner.len()).iter().all(|literal| naive_matches(outer, literal))
}

/// Fills the wildcards of `pattern` with a token that no pattern can hold, a tail once with one and once with `long`.
fn instances<'a>(pattern: &[&'a str], long: usize) -> Vec<Vec<&'a str>> {
    const FRESH: &str = "white space"; // no valid pattern has such a token
    let fill = |tokens: &[&'a str]| -> Vec<&'a str> {
        tokens.iter().map(|token| if *token == "*" { FRESH } else { token }).collect()
    };
    match pattern {
        [head @ .., ">"] => [1, long]
            .map(|count| {
                let mut literal = fill(head);
                literal.resize(head.len() + count, FRESH);
                literal
            })
            .into(),
        _ => vec![fill(pattern)],
    }
}

/// By length first, then by position.
fn naive_overlaps(a: &[&str], b: &[&str]) -> bool {
    let agree = |(x, y): (&&str, &&str)| *x == "*" || *y == "*" || x == y;
    let heads = |a: &[&str], b: &[&str]| a.iter().zip(b).all(agree);
    match (a, b) {
        ([head_a @ .., ">"], [head_b @ .., ">"]) => heads(head_a, head_b),
        ([head @ .., ">"], _) => b.len() > head.len() && heads(head, b),
        (_, [head @ .., ">"]) => a.len() > head.len() && heads(a, head),
        _ => a.len() == b.len() && heads(a, b),
    }
}
