//! The grammar and the relations, against tables of known cases, against definitions written a second time and
//! more slowly, and on random texts.

use std::collections::HashMap;

use proptest::prelude::*;

use super::relation::{includes, matches, overlaps};
use super::*;

/// The relations as one would explain them, on tokens that were split beforehand.
mod naive {
    pub(super) fn matches(pattern: &[&str], subject: &[&str]) -> bool {
        match pattern.split_first() {
            None => subject.is_empty(),
            Some((&">", _)) => !subject.is_empty(),
            Some((&"*", rest)) => !subject.is_empty() && matches(rest, &subject[1..]),
            Some((token, rest)) => subject.first() == Some(token) && matches(rest, &subject[1..]),
        }
    }

    pub(super) fn is_pattern(text: &str) -> bool {
        let tokens: Vec<_> = text.split('.').collect();
        !text.contains([' ', '\t', '\r', '\n'])
            && tokens.iter().all(|token| !token.is_empty())
            && tokens.iter().rev().skip(1).all(|token| *token != ">")
    }

    pub(super) fn is_subject(text: &str) -> bool {
        is_pattern(text) && text.split('.').all(|token| token != "*" && token != ">")
    }
}

/// All texts of 1 to `depth` tokens over `alphabet`.
fn texts(alphabet: &[&str], depth: usize) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut longest: Vec<String> = alphabet.iter().map(|token| (*token).to_owned()).collect();
    for _ in 1..depth {
        let longer = longest.iter().flat_map(|text| alphabet.iter().map(move |token| format!("{text}.{token}")));
        let longer: Vec<_> = longer.collect();
        all.append(&mut longest);
        longest = longer;
    }
    all.append(&mut longest);
    all
}

fn patterns(depth: usize) -> Vec<String> {
    let mut patterns = texts(&["a", "b", "*", ">"], depth);
    patterns.retain(|text| naive::is_pattern(text));
    patterns
}

fn split(text: &str) -> Vec<&str> {
    text.split('.').collect()
}

/// S1 to S4, S13: what the grammar says to each kind of text, as a subject and as a pattern.
#[test]
fn grammar_table() {
    use SubjectError::*;
    let whitespace = |position, found| Err(Whitespace { position, found });
    let empty_token = |position| Err(EmptyToken { position });
    let wildcard = |position| Err(Wildcard { position });
    let after_tail = |position| Err(AfterTail { position });

    type Verdict = Result<(), SubjectError>;
    let table: &[(&str, Verdict, Verdict)] = &[
        ("a", Ok(()), Ok(())),
        ("foo.bar.baz", Ok(()), Ok(())),
        ("Foo.ÄÖ.\u{1F4EE}", Ok(()), Ok(())),
        ("$SYS.x", Ok(()), Ok(())),
        ("nul\0.\u{7f}\u{b}\u{c}\u{a0}", Ok(()), Ok(())),
        // S2: a wildcard is a whole token.
        ("foo*", Ok(()), Ok(())),
        ("*foo", Ok(()), Ok(())),
        ("foo.*bar", Ok(()), Ok(())),
        ("f>o", Ok(()), Ok(())),
        ("**", Ok(()), Ok(())),
        (">>", Ok(()), Ok(())),
        ("foo.>bar", Ok(()), Ok(())),
        ("foo>.bar", Ok(()), Ok(())),
        // S3: whole tokens.
        ("*", wildcard(0), Ok(())),
        (">", wildcard(0), Ok(())),
        ("foo.*", wildcard(4), Ok(())),
        ("*.*.>", wildcard(0), Ok(())),
        ("foo.>", wildcard(4), Ok(())),
        // S4: empty tokens.
        ("", Err(Empty), Err(Empty)),
        (".", empty_token(0), empty_token(0)),
        (".foo", empty_token(0), empty_token(0)),
        ("foo.", empty_token(4), empty_token(4)),
        ("foo..bar", empty_token(4), empty_token(4)),
        ("ä..b", empty_token(3), empty_token(3)),
        // S4: something after `>`.
        (">.foo", wildcard(0), after_tail(2)),
        ("foo.>.bar", wildcard(4), after_tail(6)),
        ("foo.>.>", wildcard(4), after_tail(6)),
        (">.", wildcard(0), after_tail(2)),
        // S13: white space anywhere.
        (" ", whitespace(0, ' '), whitespace(0, ' ')),
        ("foo bar", whitespace(3, ' '), whitespace(3, ' ')),
        ("foo.\tbar", whitespace(4, '\t'), whitespace(4, '\t')),
        ("foo\r", whitespace(3, '\r'), whitespace(3, '\r')),
        ("foo\n.bar", whitespace(3, '\n'), whitespace(3, '\n')),
        ("> ", whitespace(1, ' '), whitespace(1, ' ')),
        // The leftmost fault is the one reported.
        ("a b..c", whitespace(1, ' '), whitespace(1, ' ')),
        ("a..b c", empty_token(2), empty_token(2)),
        ("a.>.b c", wildcard(2), after_tail(4)),
    ];
    for (text, subject, pattern) in table {
        assert_eq!(check_subject(text), *subject, "subject {text:?}");
        assert_eq!(check_pattern(text), *pattern, "pattern {text:?}");
        assert_eq!(Subject::new(text).map(drop), *subject, "subject {text:?}");
        assert_eq!(Pattern::new(text).map(drop), *pattern, "pattern {text:?}");
    }
}

/// The bound on the length is inclusive, in bytes, and looked at before the content.
#[test]
fn length_bound() {
    let max = Subject::MAX_LEN;
    assert_eq!(max, 16 << 20);
    assert_eq!(Subject::new("a".repeat(max)).map(|subject| subject.len()), Ok(max));
    assert_eq!(Pattern::new("a".repeat(max)).map(|pattern| pattern.len()), Ok(max));
    let too_long = SubjectError::TooLong { len: max + 1, max };
    assert_eq!(Subject::new("ä".repeat(max / 2) + "a"), Err(too_long));
    assert_eq!(Pattern::new(" ".repeat(max + 1)), Err(too_long));
    assert_eq!(Subject::try_from("a".repeat(max + 1)), Err(too_long));
}

/// Messages name the number, in lower case and without a full stop.
#[test]
fn error_texts() {
    let cases = [
        (SubjectError::Empty, "subject is empty, at least 1 byte is needed"),
        (SubjectError::TooLong { len: 70_000, max: 65_535 }, "subject is 70000 bytes long, at most 65535 are allowed"),
        (SubjectError::EmptyToken { position: 3 }, "empty token at byte 3"),
        (SubjectError::Whitespace { position: 3, found: '\t' }, "whitespace '\\t' at byte 3"),
        (SubjectError::Wildcard { position: 3 }, "wildcard token at byte 3 where a literal subject is needed"),
        (SubjectError::AfterTail { position: 3 }, "token at byte 3 follows `>`, which must be the last token"),
    ];
    for (error, text) in cases {
        assert_eq!(error.to_string(), text);
    }
}

/// S2, S3, S6, S7: which patterns match which subjects.
#[test]
fn matches_table() {
    let table = [
        ("foo", "foo", true),
        ("foo", "Foo", false),
        ("foo", "foo.bar", false),
        ("foo.bar", "foo", false),
        ("foo.*", "foo.bar", true),
        ("foo.*", "foo", false),
        ("foo.*", "foo.bar.baz", false),
        ("*.bar", "foo.bar", true),
        ("*", "foo", true),
        ("foo.>", "foo", false),
        ("foo.>", "foo.bar", true),
        ("foo.>", "foo.bar.baz", true),
        ("foo.>", "food.bar", false),
        (">", "foo", true),
        (">", "$SYS.x", true),
        // S2: plain text that looks like a wildcard.
        ("foo*", "foobar", false),
        ("foo*", "foo*", true),
        ("foo.>bar", "foo.>bar", true),
        ("foo.>bar", "foo.bar", false),
        ("foo.*", "foo.>bar", true),
        // S7: publishing on a wildcard.
        ("foo.*", "foo.*", true),
        ("foo.>", "foo.*", true),
        (">", "foo.*", true),
        ("foo.bar", "foo.*", false),
        ("*", ">", true),
        (">", ">", true),
        ("foo", ">", false),
        // S6: a subject with an empty token matches nothing.
        (">", "", false),
        ("*", "", false),
        (">", ".", false),
        (">", "foo.", false),
        (">", ".foo", false),
        (">", "foo..bar", false),
        ("foo.>", "foo.", false),
        ("foo.*", "foo.", false),
        ("foo.>", "foo.a..b", false),
        ("foo.>", "foo.a.", false),
    ];
    for (pattern, subject, expected) in table {
        assert_eq!(matches(pattern, subject), expected, "{pattern} {subject:?}");
        assert_eq!(Pattern::new(pattern).unwrap().matches(subject), expected, "{pattern} {subject:?}");
    }
}

/// S12: a wildcard is a whole token in `overlaps` too, other than in nats-server.
#[test]
fn relations_take_whole_tokens() {
    assert!(!overlaps("*x", "y"));
    assert!(!overlaps("a.>b", "a.c"));
    assert!(overlaps("*x", "*x"));
    assert!(overlaps("*", "*x"));
    assert!(!includes("*x", "y"));
    assert!(!includes(">b", "c"));
    assert!(includes("*", "*x"));
    assert!(includes(">", "a.>b"));
}

/// S3, S7: all patterns against all subjects over {a, b, *, >}, to depth 4, wildcards published as plain text included.
#[test]
fn exhaustive_matches() {
    let subjects = texts(&["a", "b", "*", ">"], 4);
    let patterns = patterns(4);
    assert_eq!((patterns.len(), subjects.len()), (160, 340));
    for pattern in &patterns {
        for subject in &subjects {
            let expected = naive::matches(&split(pattern), &split(subject));
            assert_eq!(matches(pattern, subject), expected, "{pattern} {subject}");
        }
    }
}

/// S12: all pairs of patterns to depth 4 against the sets of literals that they match. Depth 5 and a token that no
/// pattern names are enough to tell any two of them apart.
#[test]
fn exhaustive_includes_and_overlaps() {
    let literals = texts(&["a", "b", "fresh"], 5);
    let matched: Vec<(String, Vec<bool>)> = patterns(4)
        .into_iter()
        .map(|pattern| {
            let tokens = split(&pattern);
            let set = literals.iter().map(|literal| naive::matches(&tokens, &split(literal))).collect();
            (pattern, set)
        })
        .collect();
    for (a, in_a) in &matched {
        for (b, in_b) in &matched {
            let mut pairs = in_a.iter().zip(in_b);
            assert_eq!(includes(a, b), pairs.clone().all(|(a, b)| *a || !*b), "{a} includes {b}");
            assert_eq!(overlaps(a, b), pairs.any(|(a, b)| *a && *b), "{a} overlaps {b}");
        }
    }
}

/// Every text over a small alphabet of bytes, to length 6, is accepted exactly when the naive grammar accepts it.
#[test]
fn exhaustive_grammar() {
    let alphabet = ['a', '.', '*', '>', ' '];
    let mut texts = vec![String::new()];
    for _ in 0..6 {
        for text in &texts {
            assert_eq!(check_subject(text).is_ok(), naive::is_subject(text), "subject {text:?}");
            assert_eq!(check_pattern(text).is_ok(), naive::is_pattern(text), "pattern {text:?}");
        }
        texts = texts.iter().flat_map(|text| alphabet.iter().map(move |char| format!("{text}{char}"))).collect();
    }
}

/// Tokens come from both ends and never twice.
#[test]
fn tokens_from_both_ends() {
    let pattern = Pattern::new("a.bb.*.>").unwrap();
    assert_eq!(pattern.tokens().collect::<Vec<_>>(), ["a", "bb", "*", ">"]);
    assert_eq!(pattern.tokens().rev().collect::<Vec<_>>(), [">", "*", "bb", "a"]);
    let mut tokens = pattern.tokens();
    assert_eq!((tokens.next(), tokens.next_back(), tokens.next()), (Some("a"), Some(">"), Some("bb")));
    assert_eq!(tokens.size_hint(), (1, Some(2)));
    assert_eq!((tokens.next_back(), tokens.next_back(), tokens.next()), (Some("*"), None, None));
    assert_eq!(tokens.size_hint(), (0, Some(0)));
}

/// Both types are the size of three words, and a clone of a long one shares its text.
#[test]
fn cheap_to_clone() {
    assert_eq!((size_of::<Subject>(), size_of::<Pattern>()), (24, 24));
    let long = Subject::new("a.subject.of.more.than.23.bytes").unwrap();
    assert_eq!(long.clone().as_str().as_ptr(), long.as_str().as_ptr());
    assert!(!Subject::new("a".repeat(23)).unwrap().as_smol().is_heap_allocated());
}

/// Both types compare, hash and print like their texts.
#[test]
fn behaves_like_text() {
    let subject: Subject = "orders.eu".parse().unwrap();
    let pattern = Pattern::try_from("orders.*").unwrap();
    assert_eq!(format!("{subject} {subject:?} {pattern:>9}"), "orders.eu \"orders.eu\"  orders.*");
    let owned = String::from("orders.eu");
    assert_eq!(subject, owned);
    assert_eq!(subject, "orders.eu");
    assert_eq!(subject, *"orders.eu");
    assert_eq!("orders.eu", subject);
    assert_eq!(*"orders.eu", subject);
    assert_ne!(subject, "orders.EU");
    assert!(Pattern::try_from(subject.clone()).unwrap() > pattern);
    assert_eq!(String::from(pattern.clone()), "orders.*");
    let map = HashMap::from([(pattern.clone(), 1)]);
    assert_eq!(map.get("orders.*"), Some(&1));
    assert_eq!(Subject::try_from(pattern), Err(SubjectError::Wildcard { position: 7 }));
    assert_eq!(Subject::try_from(Pattern::try_from(&subject).unwrap()), Ok(subject));
}

/// Each kind of argument arrives as what it says, and only texts are checked.
#[test]
fn arguments() {
    fn subject(given: impl ToSubject) -> Result<Subject, SubjectError> {
        assert!(given.as_str().starts_with('a'));
        given.into_subject()
    }
    fn pattern(given: impl ToPattern) -> Result<Pattern, SubjectError> {
        given.into_pattern()
    }
    let (literal_text, wild_text) = (String::from("a.b"), String::from("a.*"));
    let checked = Subject::new("a.b").unwrap();
    let ok = Ok(checked.clone());
    assert_eq!(subject("a.b"), ok);
    assert_eq!(subject(literal_text.clone()), ok);
    assert_eq!(subject(&literal_text), ok);
    assert_eq!(subject(&checked), ok);
    assert_eq!(subject(checked.clone()), ok);
    assert_eq!(subject("a.*"), Err(SubjectError::Wildcard { position: 2 }));

    let wild = Pattern::new("a.*").unwrap();
    let ok = Ok(wild.clone());
    assert_eq!(pattern("a.*"), ok);
    assert_eq!(pattern(wild_text.clone()), ok);
    assert_eq!(pattern(&wild_text), ok);
    assert_eq!(pattern(&wild), ok);
    assert_eq!(pattern(wild), ok);
    assert_eq!(pattern(&checked).unwrap(), "a.b");
    assert_eq!(pattern(checked).unwrap(), "a.b");
    assert_eq!(pattern("a..*"), Err(SubjectError::EmptyToken { position: 2 }));
}

/// S5, S7: what a lenient connection sent is a subject all the same, but one that is checked again where it is used.
#[test]
fn a_subject_of_a_lenient_connection_is_no_proof() {
    fn strict(given: impl ToSubject) -> Result<Subject, SubjectError> {
        given.into_strict()
    }
    fn lenient(given: impl ToSubject) -> Result<Subject, SubjectError> {
        given.into_lenient()
    }
    for (text, error) in [
        ("a.*", SubjectError::Wildcard { position: 2 }),
        ("a..b", SubjectError::EmptyToken { position: 2 }),
        (".", SubjectError::EmptyToken { position: 0 }),
    ] {
        let given = lenient(text).unwrap();
        assert_eq!(given, text);
        assert_eq!(strict(&given), Err(error));
        assert_eq!(strict(text), Err(error));
        assert_eq!(lenient(&given), Ok(given.clone()));
        assert_eq!(Pattern::try_from(&given), Err(error));
        assert_eq!(given.into_pattern(), Err(error));
    }
    assert_eq!(lenient(""), Err(SubjectError::Empty));
    assert_eq!(lenient("a b"), Err(SubjectError::Whitespace { position: 1, found: ' ' }));
    assert_eq!(lenient("a.\0\u{1}.\u{a0}").unwrap(), "a.\0\u{1}.\u{a0}");
}

/// Texts that are valid often enough to be worth trying.
fn near_valid() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            8 => Just("a"), 4 => Just("b"), 3 => Just("*"), 2 => Just(">"), 1 => Just(""), 1 => Just("x y"),
            1 => Just("**"), 1 => Just("ä"), 1 => Just("*\r"),
        ],
        1..8,
    )
    .prop_map(|tokens| tokens.join("."))
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![near_valid(), any::<String>(), "[a-z.*> \\t\\r\\n]{0,20}"]
}

fn valid_pattern() -> impl Strategy<Value = Pattern> {
    let token = prop_oneof![3 => Just("a"), 2 => Just("b"), 2 => Just("*"), 1 => Just("*x"), 1 => Just(">x")];
    (proptest::collection::vec(token, 1..6), any::<bool>()).prop_map(|(mut tokens, tail)| {
        if tail {
            tokens.push(">");
        }
        Pattern::new(tokens.join(".")).unwrap()
    })
}

fn valid_subject() -> impl Strategy<Value = Subject> {
    let token = prop_oneof![3 => Just("a"), 2 => Just("b"), 1 => Just("fresh"), 1 => Just("*x"), 1 => Just(">x")];
    proptest::collection::vec(token, 1..7).prop_map(|tokens| Subject::new(tokens.join(".")).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Parsing never panics, agrees with the naive grammar, and keeps the text; a position lies within the text.
    #[test]
    fn parsing(text in any_text()) {
        for (parsed, valid) in [
            (Subject::new(&text).map(|subject| subject.to_string()), naive::is_subject(&text)),
            (Pattern::new(&text).map(|pattern| pattern.to_string()), naive::is_pattern(&text)),
        ] {
            prop_assert_eq!(parsed.is_ok(), valid);
            match parsed {
                Ok(kept) => prop_assert_eq!(kept, text.as_str()),
                Err(error) => {
                    let position = error.position().unwrap_or(0);
                    prop_assert!(text.is_char_boundary(position), "{:?}", error);
                }
            }
        }
    }

    /// No text makes the relations panic, and whatever is a subject is matched as the naive definition says.
    #[test]
    fn relations_take_any_text(a in any_text(), b in any_text()) {
        let _ = (includes(&a, &b), overlaps(&a, &b), matches(&a, &b));
        if let Ok(pattern) = Pattern::new(&a) {
            let tokens = split(&b);
            let expected = !tokens.contains(&"") && naive::matches(&split(&a), &tokens);
            prop_assert_eq!(pattern.matches(&b), expected);
            prop_assert_eq!(pattern.is_literal(), Subject::new(&a).is_ok());
            prop_assert_eq!(Some(pattern.first_token()), pattern.tokens().next());
        }
    }

    /// The relations fit together, whatever the patterns.
    #[test]
    fn relations_fit_together(a in valid_pattern(), b in valid_pattern(), c in valid_pattern(), subject in valid_subject()) {
        prop_assert!(a.includes(&a) && a.overlaps(&a));
        prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
        if a.includes(&b) {
            prop_assert!(a.overlaps(&b));
            prop_assert!(!b.matches(&subject) || a.matches(&subject));
            prop_assert!(!b.includes(&c) || a.includes(&c));
            prop_assert!(!b.includes(&a) || a == b);
        }
        if a.matches(&subject) {
            prop_assert!(a.includes(&Pattern::try_from(&subject).unwrap()));
            prop_assert!(!b.matches(&subject) || a.overlaps(&b));
        }
        let literal = Pattern::try_from(&subject).unwrap();
        prop_assert_eq!(a.includes(&literal), a.matches(&subject));
        prop_assert_eq!(a.overlaps(&literal), a.matches(&subject));
    }
}
