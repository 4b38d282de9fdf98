//! Values are let go of when their entry goes, and their own code runs under no lock.

use crate::configs;
use postroom::Pattern;
use postroom::matcher::Matcher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Weak};

const PATTERNS: [&str; 6] = ["a.b", "a.*", "a.>", "*.b", ">", "b.a"];
const SUBJECTS: [&str; 3] = ["a.b", "b.a", "b.b"];

fn fill(matcher: &Matcher<Arc<usize>>) -> Vec<(Pattern, postroom::matcher::EntryId, Arc<usize>)> {
    let insert = |(at, text): (usize, &&str)| {
        let pattern = Pattern::new(text).unwrap();
        let value = Arc::new(at);
        let id = match at % 2 {
            0 => matcher.insert(&pattern, value.clone()),
            _ => matcher.insert_queue(&pattern, "q", value.clone()),
        };
        (pattern, id, value)
    };
    PATTERNS.iter().enumerate().map(insert).collect()
}

fn remember(matcher: &Matcher<Arc<usize>>) {
    for subject in SUBJECTS {
        (0..4).for_each(|_| assert!(!matcher.matches(subject).is_empty()));
    }
}

/// After the last removal nothing holds a value: not this thread's routes, not those of idle threads or of one that ended.
#[test]
fn no_route_keeps_a_removed_value() {
    for options in configs::all(11) {
        let cached = options.cache_entries > 2;
        let matcher = Matcher::with_options(options);
        std::thread::scope(|scope| {
            let entries = fill(&matcher);
            remember(&matcher);
            scope.spawn(|| remember(&matcher)).join().unwrap();
            let mut idle = Vec::new();
            for _ in 0..2 {
                let (go_on, wait) = channel::<()>();
                let (ready, is_ready) = channel();
                let matcher = &matcher;
                scope.spawn(move || {
                    remember(matcher);
                    ready.send(()).unwrap();
                    // Ends when the main thread drops its end.
                    assert!(wait.recv().is_err());
                });
                is_ready.recv().unwrap();
                idle.push(go_on);
            }
            assert!(!cached || matcher.stats().cached_routes >= 2 * SUBJECTS.len());
            for (pattern, id, value) in entries {
                assert!(Arc::strong_count(&value) > 1);
                assert!(matcher.remove(&pattern, id).is_some());
                assert_eq!(Arc::strong_count(&value), 1, "{pattern}");
            }
            drop(idle);
        });
        assert_eq!(matcher.stats().entries, 0);
    }
}

/// A dropped matcher has let go of all: entries, routes, and the results it keeps for their allocation.
#[test]
fn a_dropped_matcher_frees_all() {
    for options in configs::all(12) {
        let matcher = Matcher::with_options(options);
        let entries = fill(&matcher);
        remember(&matcher);
        std::thread::scope(|scope| {
            scope.spawn(|| remember(&matcher)).join().unwrap();
        });
        drop(matcher);
        for (pattern, _, value) in entries {
            assert_eq!(Arc::strong_count(&value), 1, "{pattern}");
        }
    }
}

/// A result that the caller keeps does not change, whatever happens to the matcher.
#[test]
fn a_result_outlives_its_entries() {
    let matcher = Matcher::new();
    let entries = fill(&matcher);
    remember(&matcher);
    let found = matcher.matches("a.b");
    for (pattern, id, _) in &entries {
        matcher.remove(pattern, *id).unwrap();
    }
    drop(matcher);
    assert_eq!(found.len(), 5);
}

/// A value whose drop uses the matcher it was in.
struct Reentrant {
    matcher: Weak<Matcher<Arc<Reentrant>>>,
    drops: Arc<AtomicUsize>,
}

impl Drop for Reentrant {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
        // Gone already when the matcher itself is what is being dropped.
        if let Some(matcher) = self.matcher.upgrade() {
            let (a, wild) = (Pattern::new("a.b").unwrap(), Pattern::new("*.b").unwrap());
            for pattern in [a, wild] {
                let value = Arc::new(Reentrant { matcher: Weak::new(), drops: self.drops.clone() });
                let id = matcher.insert(&pattern, value);
                (0..3).for_each(|_| assert!(matcher.has_interest("a.b")));
                assert!(matcher.remove(&pattern, id).is_some());
            }
        }
    }
}

/// G4: drops of values run under no lock: they may change and match, on one thread and while another one matches.
#[test]
fn values_that_use_the_matcher_when_dropped() {
    for options in configs::all(13) {
        let matcher = Arc::new(Matcher::with_options(options));
        let drops = Arc::new(AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let changer = scope.spawn(|| {
                for round in 0..200 {
                    let pattern = Pattern::new(["a.b", "a.*", "*.b"][round % 3]).unwrap();
                    let value = Arc::new(Reentrant { matcher: Arc::downgrade(&matcher), drops: drops.clone() });
                    let id = matcher.insert(&pattern, value);
                    (0..3).for_each(|_| assert!(matcher.has_interest("a.b")));
                    drop(matcher.remove(&pattern, id));
                }
            });
            while !changer.is_finished() {
                drop(matcher.matches("a.b"));
            }
        });
        assert_eq!(drops.load(Ordering::Relaxed), 200 * 3);
        assert_eq!(matcher.stats().entries, 0);
    }
}
