//! Threads that insert, remove and match at once.

use crate::configs;
use postroom::Pattern;
use postroom::matcher::{EntryId, Matcher, Matches};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};

const THREADS: u64 = 4;
const PATTERNS: [&str; 8] = ["a.b", "a.c", "a.*", "a.>", "*.b", ">", "b.b", "*.*"];
const SUBJECTS: [&str; 5] = ["a.b", "a.c", "b.b", "a.b.c", "b"];

/// (thread, number of the entry in it)
type Value = Arc<(u64, u64)>;

/// A stream of numbers for one thread: xorshift, for nothing here needs good randomness.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }
}

struct Mine {
    pattern: Pattern,
    queue: Option<&'static str>,
    id: EntryId,
    value: Value,
}

fn flat(found: &Matches<Value>) -> Vec<Value> {
    let members = found.groups().iter().flat_map(|group| group.members());
    found.plain().iter().chain(members).cloned().collect()
}

/// A thread finds exactly those of its own entries that it has put in and not taken out.
fn check_own(matcher: &Matcher<Value>, thread: u64, mine: &[Mine], subject: &str) {
    let found = matcher.matches(subject);
    let mut own: Vec<_> = flat(&found).iter().filter(|value| value.0 == thread).map(|value| value.1).collect();
    own.sort_unstable();
    let mut expected: Vec<_> =
        mine.iter().filter(|entry| entry.pattern.matches(subject)).map(|entry| entry.value.1).collect();
    expected.sort_unstable();
    assert_eq!(own, expected, "{subject}");
    for group in found.groups() {
        let foreign =
            mine.iter().any(|entry| entry.queue != Some(group.name()) && group.members().contains(&entry.value));
        assert!(!foreign, "a member of another queue in {} (Q2)", group.name());
    }
}

fn churn(matcher: &Matcher<Value>, thread: u64, rounds: u64) -> Vec<Value> {
    let mut numbers = Numbers(0x9E37_79B9 + thread);
    let mut mine: Vec<Mine> = Vec::new();
    let mut all = Vec::new();
    for round in 0..rounds {
        let insert = mine.len() < 8 || (mine.len() < 40 && numbers.below(2) == 0);
        if insert {
            let pattern = Pattern::new(PATTERNS[numbers.below(PATTERNS.len())]).unwrap();
            let queue = [None, None, Some("q"), Some("r")][numbers.below(4)];
            let value = Arc::new((thread, round));
            let id = match queue {
                None => matcher.insert(&pattern, value.clone()),
                Some(queue) => matcher.insert_queue(&pattern, queue, value.clone()),
            };
            all.push(value.clone());
            mine.push(Mine { pattern, queue, id, value });
        } else {
            let Mine { pattern, id, value, .. } = mine.swap_remove(numbers.below(mine.len()));
            let taken = matcher.remove(&pattern, id);
            assert_eq!(taken, Some(value), "an entry that is there is removed");
            assert_eq!(matcher.remove(&pattern, id), None, "but once");
        }
        check_own(matcher, thread, &mine, SUBJECTS[numbers.below(SUBJECTS.len())]);
    }
    for entry in mine {
        assert_eq!(matcher.remove(&entry.pattern, entry.id), Some(entry.value));
    }
    all
}

/// G1, G2: each thread always finds its own entries and no more of them; when all have taken theirs out, nothing is left, and no
/// route of any thread holds a value.
#[test]
fn threads_that_change_and_match() {
    for options in configs::all(8) {
        let matcher = Matcher::with_options(options);
        std::thread::scope(|scope| {
            let (done, all_done) = channel();
            let mut idle = Vec::new();
            for thread in 0..THREADS {
                let (go_on, wait) = channel::<()>();
                idle.push(go_on);
                let (matcher, done) = (&matcher, done.clone());
                scope.spawn(move || {
                    done.send(churn(matcher, thread, 1_500)).unwrap();
                    drop(done);
                    // Stays, with what it remembers, until the main thread has looked (or has failed).
                    assert!(wait.recv().is_err());
                });
            }
            drop(done);
            let values: Vec<Value> = all_done.iter().take(THREADS as usize).flatten().collect();
            assert!(values.iter().all(|value| Arc::strong_count(value) == 1));
            let stats = matcher.stats();
            assert_eq!(stats.changes, 2 * values.len() as u64);
            assert_eq!((stats.entries, stats.literal_patterns), (0, 0));
            assert_eq!(stats.trie_nodes, 0);
            drop(idle);
        });
    }
}

/// Many threads insert at one pattern at the same moment: every id can be removed, whichever order they got in.
#[test]
fn inserts_at_one_pattern_at_once() {
    for queue in [None, Some("q")] {
        let matcher = Matcher::with_options(configs::options(16, 64, 9));
        let pattern = Pattern::new("a.b").unwrap();
        let start = Barrier::new(4);
        for _ in 0..20 {
            let ids: Vec<Vec<EntryId>> = std::thread::scope(|scope| {
                let insert = |_| {
                    scope.spawn(|| {
                        start.wait();
                        let insert = |n| match queue {
                            None => matcher.insert(&pattern, n),
                            Some(queue) => matcher.insert_queue(&pattern, queue, n),
                        };
                        (0..500).map(insert).collect()
                    })
                };
                let threads: Vec<_> = (0..THREADS).map(insert).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(matcher.matches("a.b").len(), 2_000);
            for id in ids.into_iter().flatten() {
                assert!(matcher.remove(&pattern, id).is_some());
            }
            assert!(!matcher.has_interest("a.b"));
        }
    }
}

/// A reader whose routes are being taken out by others gets whole results: the two entries that never go, always.
#[test]
fn what_stays_is_always_found() {
    for options in configs::all(10) {
        let matcher = Matcher::with_options(options);
        for pattern in ["a.b", "a.>"] {
            matcher.insert(&Pattern::new(pattern).unwrap(), 0);
        }
        std::thread::scope(|scope| {
            let changer = scope.spawn(|| {
                for round in 0..3_000 {
                    let pattern = Pattern::new(PATTERNS[round % PATTERNS.len()]).unwrap();
                    let id = matcher.insert(&pattern, 1);
                    matcher.remove(&pattern, id).unwrap();
                }
            });
            let mut found = Matches::new();
            while !changer.is_finished() {
                matcher.matches_into("a.b", &mut found);
                let staying = found.plain().iter().filter(|value| **value == 0).count();
                assert_eq!(staying, 2);
                assert!(found.len() <= 3);
            }
        });
    }
}
