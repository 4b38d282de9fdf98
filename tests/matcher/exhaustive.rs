//! Every pattern and every subject over {a, b, *, >} to depth 4.

use crate::configs;
use crate::duo::Duo;
use postroom::Pattern;
use postroom::matcher::{EntryId, Matcher};
use postroom::subject::relation;

const DEPTH: usize = 4;

/// All texts of 1 to 4 tokens; as subjects every one is allowed, since a matcher takes what is published as it stands (S7).
fn texts() -> Vec<String> {
    let mut all = Vec::new();
    let mut longest = vec![String::new()];
    for _ in 0..DEPTH {
        longest = longest
            .iter()
            .flat_map(|start| {
                ["a", "b", "*", ">"].map(|token| match start.as_str() {
                    "" => token.to_owned(),
                    _ => format!("{start}.{token}"),
                })
            })
            .collect();
        all.extend_from_slice(&longest);
    }
    all
}

fn patterns() -> Vec<Pattern> {
    let all: Vec<_> = texts().iter().filter_map(|text| Pattern::new(text).ok()).collect();
    // 3 + 9 + 27 + 81 without `>`, and 1 + 3 + 9 + 27 that end in it.
    assert_eq!(all.len(), 160);
    all
}

/// G1, S2, S3, S7: all patterns in one matcher; each subject is asked three times, so that the cache answers as well.
#[test]
fn all_patterns_at_once() {
    let subjects = texts();
    assert_eq!(subjects.len(), 340);
    for options in configs::all(3) {
        let cached = options.cache_entries > 2;
        let mut duo = Duo::new(options);
        for (at, pattern) in patterns().into_iter().enumerate() {
            duo.insert(pattern, [None, Some("q"), Some("r")][at % 3]);
        }
        for subject in &subjects {
            (0..3).for_each(|_| duo.check_matches(subject));
        }
        assert!(!cached || duo.cache_hits() >= 300);
        // Half of them go, in an order that prunes inner and outer nodes in turn; what is remembered is out of date now.
        (0..80).for_each(|at| duo.remove(at * 53));
        for subject in &subjects {
            (0..3).for_each(|_| duo.check_matches(subject));
        }
        duo.check_entries();
        duo.check_stats();
        duo.finish();
    }
}

/// G1, S3: each pattern alone against every subject, and again with only this pattern missing from the full set.
#[test]
fn each_pattern_alone_and_left_out() {
    let (patterns, subjects) = (patterns(), texts());
    let matching = |pattern: &Pattern| -> Vec<bool> {
        let on = |subject: &String| relation::matches(pattern.as_str(), subject);
        subjects.iter().map(on).collect()
    };
    let table: Vec<Vec<bool>> = patterns.iter().map(matching).collect();
    let count: Vec<usize> = (0..subjects.len()).map(|on| table.iter().filter(|row| row[on]).count()).collect();

    for options in configs::all(4) {
        let alone = Matcher::with_options(options.clone());
        let full = Matcher::with_options(options);
        let ids: Vec<EntryId> = (0..patterns.len()).map(|at| full.insert(&patterns[at], at)).collect();
        for (at, pattern) in patterns.iter().enumerate() {
            let id = alone.insert(pattern, at);
            full.remove(pattern, ids[at]).unwrap();
            for (on, subject) in subjects.iter().enumerate() {
                let expected = table[at][on];
                assert_eq!(alone.has_interest(subject), expected, "{pattern} {subject}");
                let others = full.matches(subject);
                assert_eq!(others.len(), count[on] - usize::from(expected));
                assert!(!others.plain().contains(&at), "{pattern} {subject}");
            }
            assert_eq!(alone.remove(pattern, id), Some(at));
            assert_eq!(alone.stats().trie_nodes, 0);
            full.insert(pattern, at);
            // The rest of the loop removes by the ids of the first round, which are those of other patterns.
        }
    }
}

/// S6: a subject with an empty token, wherever it is, matches no subscription, not even `>`; asked
/// three times.
#[test]
fn empty_tokens() {
    for options in configs::all(21) {
        let mut duo = Duo::new(options);
        patterns().into_iter().for_each(|pattern| duo.insert(pattern, None));
        for text in texts() {
            for subject in [text.replace('a', ""), format!("{text}."), format!(".{text}")] {
                (0..3).for_each(|_| duo.check_matches(&subject));
            }
        }
    }
}

/// S12: the reverse look-up of every pattern among all of them.
#[test]
fn reverse_look_up() {
    for options in configs::all(5) {
        let mut duo = Duo::new(options);
        patterns().into_iter().for_each(|pattern| duo.insert(pattern, None));
        for pattern in patterns() {
            duo.check_overlapping(&pattern);
        }
    }
}
