//! The subjects that the route cache lets in, seen through the counts of hits and misses.

use crate::configs;
use postroom::Pattern;
use postroom::matcher::Matcher;

fn matcher(cache_entries: usize, seed: u64) -> Matcher<u64> {
    let matcher = Matcher::with_options(configs::options(16, cache_entries, seed));
    matcher.insert(&Pattern::new("s.*").unwrap(), 1);
    matcher
}

fn use_all(matcher: &Matcher<u64>, subjects: &[String]) -> u64 {
    let before = matcher.stats().cache_hits;
    for subject in subjects {
        assert!(matcher.has_interest(subject));
    }
    matcher.stats().cache_hits - before
}

fn use_again(matcher: &Matcher<u64>, subjects: &[String], times: usize) {
    for _ in 0..times {
        use_all(matcher, subjects);
    }
}

fn subjects(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("s.{name}{n}")).collect()
}

/// Subjects in use by turns do not keep each other out, however their hashes fall: after some rounds each is remembered.
#[test]
fn subjects_used_in_turn_are_remembered() {
    for seed in 0..50 {
        let matcher = matcher(1024, seed);
        let hot = subjects("hot", 32);
        use_again(&matcher, &hot, 64);
        assert_eq!(use_all(&matcher, &hot), 32, "seed {seed}");
    }
}

/// Subjects used once, such as inboxes, push nothing out and are not remembered.
#[test]
fn subjects_used_once_flush_nothing() {
    let matcher = matcher(1024, 1);
    let hot = subjects("hot", 32);
    use_again(&matcher, &hot, 64);
    let remembered = matcher.stats().cached_routes;
    assert_eq!(use_all(&matcher, &subjects("once", 20_000)), 0);
    assert_eq!(matcher.stats().cached_routes, remembered);
    assert_eq!(use_all(&matcher, &hot), 32);
}

/// More subjects than places, in turn: some are hit, and those that are not do not replace each other all the time.
#[test]
fn more_subjects_than_places_do_not_thrash() {
    let matcher = matcher(64, 1);
    let hot = subjects("hot", 200);
    use_again(&matcher, &hot, 50);
    let hits = use_all(&matcher, &hot);
    assert!((32..=64).contains(&hits), "{hits} hits");
}

/// Subjects in use now replace those of before.
#[test]
fn new_favourites_replace_old_ones() {
    let matcher = matcher(64, 1);
    use_again(&matcher, &subjects("old", 200), 50);
    let new = subjects("new", 16);
    use_again(&matcher, &new, 300);
    let hits = use_all(&matcher, &new);
    assert!(hits >= 14, "{hits} hits");
}
