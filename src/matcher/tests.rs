//! Small cases of single parts; the property tests and the runs of several threads are in `tests/matcher`.

use super::bucket::{Bucket, Take};
use super::*;
use crate::steps;

/// Prepared routes (G2): a kept route follows changes, and holds no value of an entry that was removed.
#[test]
fn a_prepared_route_follows_changes() {
    let matcher = Matcher::new();
    let prepared = matcher.prepare("a.b".parse().unwrap());
    let found = || matcher.with_prepared(&prepared, |found| found.matches.len());
    for text in ["a.b", "a.*", "*.b", ">"] {
        let pattern = Pattern::new(text).unwrap();
        assert_eq!((found(), found()), (0, 0));
        let value = std::sync::Arc::new(());
        let id = matcher.insert(&pattern, value.clone());
        assert_eq!((found(), found()), (1, 1), "{text}");
        matcher.remove(&pattern, id);
        assert_eq!(std::sync::Arc::strong_count(&value), 1, "{text}");
        assert_eq!(found(), 0, "{text}");
    }
    matcher.unprepare(prepared);
}

/// A match from within a match, on the same thread and subject: the inner one finds the thread's cache taken and goes around.
#[test]
fn a_match_within_a_match() {
    let matcher = Matcher::new();
    matcher.insert(&Pattern::new("a.*").unwrap(), 7);
    for _ in 0..4 {
        let lens = matcher.with_matches("a.b", |outer| {
            let inner = matcher.with_matches("a.b", |inner| inner.matches.len());
            (outer.matches.len(), inner)
        });
        assert_eq!(lens, (1, 1));
    }
}

/// Ids that arrive out of order, as from two threads that raced for the lock: each can be taken out by its id.
#[test]
fn a_bucket_sorts_by_id() {
    for queue in [None, Some(SmolStr::new("q"))] {
        let mut bucket = Bucket::first(queue.clone(), 5, 5);
        for id in [7, 6, 3, 4, 9] {
            bucket.add(queue.clone(), id, id);
        }
        let mut seen = Vec::new();
        bucket.for_each(&mut |_, id| seen.push(*id));
        assert_eq!(seen, [3, 4, 5, 6, 7, 9]);
        for id in [4, 9, 3, 7, 6] {
            assert!(matches!(bucket.take(id), Take::Taken(taken) if taken.value == id));
            assert!(matches!(bucket.take(id), Take::IsNotHere));
        }
        assert!(matches!(bucket.take(5), Take::IsOnly));
        assert_eq!(bucket.into_only().map(|taken| taken.value), Some(5));
    }
}

/// A value that, when it is cloned, changes the matcher it is in: as if another thread had, at the worst moment.
struct Meddler {
    matcher: std::sync::Weak<Matcher<Meddler>>,
    pattern: Option<&'static str>,
}

impl Clone for Meddler {
    fn clone(&self) -> Self {
        if let (Some(matcher), Some(text)) = (self.matcher.upgrade(), self.pattern) {
            let pattern = Pattern::new(text).unwrap();
            let value = Meddler { matcher: std::sync::Weak::new(), pattern: None };
            matcher.insert(&pattern, value);
        }
        Meddler { matcher: std::sync::Weak::new(), pattern: None }
    }
}

/// G2: an insert that returns while a route is being collected, into a shard that was already read, makes the route stale.
#[test]
fn an_insert_while_a_route_is_collected() {
    for late in ["a.b", "a.*"] {
        let matcher = std::sync::Arc::new(Matcher::new());
        let meddler = Meddler { matcher: std::sync::Arc::downgrade(&matcher), pattern: Some(late) };
        let prepared = matcher.prepare("a.b".parse().unwrap());
        // In the shard that is read last.
        matcher.insert(&Pattern::new("*.b").unwrap(), meddler);
        // Each time it is collected anew, and finds what was put in the time before.
        for times in 1..5 {
            matcher.with_matches("a.b", |found| assert_eq!(found.matches.len(), times));
        }
        for times in 5..9 {
            matcher.with_prepared(&prepared, |found| assert_eq!(found.matches.len(), times));
        }
    }
}

/// Many entries of one pattern go in the order in which they came, as they do when their connections end one after the other.
#[test]
fn removing_an_entry_moves_no_others() {
    steps::assert_linear(|entries| {
        for queue in [None, Some("workers")] {
            let matcher = Matcher::new();
            for text in ["updates", "updates.*"] {
                let pattern = Pattern::new(text).unwrap();
                let insert = |n| matcher.insert_with(&pattern, |_| (queue.map(SmolStr::new), n));
                let ids: Vec<_> = (0..entries).map(insert).collect();
                for (n, id) in ids.into_iter().enumerate() {
                    assert_eq!(matcher.remove(&pattern, id), Some(n));
                }
            }
            assert_eq!(matcher.stats().entries, 0);
        }
    });
}

/// One pattern may have as many queue groups as clients care to name.
#[test]
fn queue_groups_are_not_searched_one_by_one() {
    steps::assert_linear(|groups| {
        let matcher = Matcher::new();
        let pattern = Pattern::new("jobs").unwrap();
        let ids: Vec<_> = (0..groups).map(|n| matcher.insert_queue(&pattern, &format!("q{n}"), n)).collect();
        let found = matcher.matches("jobs");
        assert_eq!(found.groups().len(), groups);
        assert!(found.groups().iter().enumerate().all(|(n, group)| group.members() == [n]));
        for (n, id) in ids.into_iter().enumerate() {
            assert_eq!(matcher.remove(&pattern, id), Some(n));
        }
    });
}

/// The work of all removals together is that of the publishes which made the kept routes: each kept route is looked at once.
#[test]
fn removing_patterns_looks_at_each_kept_route_once() {
    for pattern_of in [|n| format!("a.{n}"), |n| format!("a.{n}.*"), |n| format!("a{n}.*.*"), |n| format!("*.{n}.*")] {
        steps::assert_linear(|publishers| {
            let matcher = Matcher::new();
            let prepare = |n| matcher.prepare(pattern_of(n).replace('*', "b").parse().unwrap());
            let prepared: Vec<_> = (0..publishers).map(prepare).collect();
            let insert = |n| (Pattern::new(pattern_of(n)).unwrap(), n);
            let entries: Vec<_> =
                (0..publishers).map(insert).map(|(pattern, n)| (matcher.insert(&pattern, n), pattern)).collect();
            for one in &prepared {
                matcher.with_prepared(one, |found| assert!(!found.matches.is_empty()));
            }
            for (n, (id, pattern)) in entries.into_iter().enumerate() {
                assert_eq!(matcher.remove(&pattern, id), Some(n));
            }
            for one in prepared {
                matcher.with_prepared(&one, |found| assert!(found.matches.is_empty()));
                matcher.unprepare(one);
            }
            assert_eq!(matcher.stats().entries, 0);
        });
    }
}
