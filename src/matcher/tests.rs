//! Small cases of single parts; the property tests and the runs of several threads are in `tests/matcher`.

use super::bucket::{Bucket, Take};
use super::*;

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
    let subject = prepared.subject().clone();
    drop(prepared);
    matcher.unprepare(&subject);
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
