//! G2: a change is effective when its call returns, for this thread and for each thread that hears
//! of it.

use crate::configs;
use postroom::Pattern;
use postroom::matcher::Matcher;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

const PATTERNS: [&str; 4] = ["a.b", "a.*", "*.b", ">"];

fn patterns() -> Vec<Pattern> {
    PATTERNS.map(|text| Pattern::new(text).unwrap()).into()
}

/// G2: on one thread, with a route that is remembered before every change.
#[test]
fn for_the_thread_that_made_it() {
    for options in configs::all(6) {
        let matcher = Matcher::with_options(options);
        for round in 0..50_u64 {
            for pattern in patterns() {
                (0..3).for_each(|_| assert!(!matcher.has_interest("a.b")));
                let id = matcher.insert(&pattern, round);
                assert_eq!(matcher.matches("a.b").plain(), [round], "{pattern}");
                assert_eq!(matcher.matches("a.b").plain(), [round], "{pattern}");
                assert_eq!(matcher.remove(&pattern, id), Some(round));
                assert!(matcher.matches("a.b").is_empty(), "{pattern}");
            }
        }
    }
}

/// The change that the main thread tells a reader of, whose call has just returned.
enum Said {
    Inserted(u64),
    Removed(u64),
}

fn read(matcher: &Matcher<Arc<u64>>, said: &Receiver<Said>, done: &Sender<()>) {
    for said in said {
        let found = matcher.matches("a.b");
        let holds = |value| found.plain().iter().any(|found| **found == value);
        match said {
            Said::Inserted(value) => assert!(holds(value), "{value} was inserted before"),
            Said::Removed(value) => assert!(!holds(value), "{value} was removed before"),
        }
        drop(found);
        done.send(()).unwrap();
    }
}

/// G2: handed over a channel to two readers that have a route for the subject, while a third thread changes other patterns.
#[test]
fn for_threads_that_hear_of_it() {
    for options in configs::all(7) {
        let matcher = Matcher::with_options(options);
        std::thread::scope(|scope| {
            let mut readers = Vec::new();
            for _ in 0..2 {
                let (say, said) = channel();
                let (done, is_done) = channel();
                let matcher = &matcher;
                scope.spawn(move || read(matcher, &said, &done));
                readers.push((say, is_done));
            }
            let (stop, stopped) = channel::<()>();
            scope.spawn(|| {
                let stopped = stopped;
                let others = ["a.c", "a.*.c", "*.c"].map(|text| Pattern::new(text).unwrap());
                // Disconnected once the main thread is done.
                while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
                    for pattern in &others {
                        let id = matcher.insert(pattern, Arc::new(u64::MAX));
                        assert!(matcher.remove(pattern, id).is_some());
                    }
                }
            });

            let tell_all = |said: fn(u64) -> Said, value| {
                for (say, _) in &readers {
                    say.send(said(value)).unwrap();
                }
                for (_, is_done) in &readers {
                    is_done.recv().expect("the reader is content");
                }
            };
            for round in 0..200_u64 {
                let pattern = &patterns()[round as usize % PATTERNS.len()];
                let value = Arc::new(round);
                let id = matcher.insert(pattern, value.clone());
                // Three times: missed, remembered, found.
                (0..3).for_each(|_| tell_all(Said::Inserted, round));
                assert!(matcher.remove(pattern, id).is_some());
                // The readers are idle now: what they remember may not hold the value any more.
                assert_eq!(Arc::strong_count(&value), 1, "{pattern}");
                tell_all(Said::Removed, round);
            }
            drop(stop);
        });
        assert_eq!(matcher.stats().entries, 0);
    }
}
