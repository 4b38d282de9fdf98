//! Matchers filled with many patterns, the hash map beside them, and the loops that are timed.

use ahash::RandomState;
use postroom::Pattern;
use postroom::matcher::{Matcher, MatcherOptions, Matches};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) entries: usize,
}

pub(crate) const SIZES: [Size; 3] =
    [Size { name: "10", entries: 10 }, Size { name: "10k", entries: 10_000 }, Size { name: "1M", entries: 1_000_000 }];

/// Per cent of the patterns that have a wildcard.
pub(crate) const WILD: [usize; 3] = [0, 10, 100];

/// Subjects in use at once where a workload repeats some: all fit into a cache of the default size.
const HOT: usize = 16;
/// Subjects in use at once where none may be remembered but the processor's caches should hold what a match reads.
const WARM: usize = 512;

/// The subjects that are looked up, and the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Few subjects, remembered.
    Hit,
    /// The same few subjects in the hash map.
    HitFloor,
    /// Few hundred subjects, with the route cache off.
    Uncached,
    UncachedFloor,
    /// All subjects there are, in an order without locality, with the default cache.
    Rotate,
    RotateFloor,
}

impl Workload {
    pub(crate) const ALL: [Workload; 6] = [
        Workload::Hit,
        Workload::HitFloor,
        Workload::Uncached,
        Workload::UncachedFloor,
        Workload::Rotate,
        Workload::RotateFloor,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Workload::Hit => "hit",
            Workload::HitFloor => "hit_floor",
            Workload::Uncached => "uncached",
            Workload::UncachedFloor => "uncached_floor",
            Workload::Rotate => "rotate",
            Workload::RotateFloor => "rotate_floor",
        }
    }
}

pub(crate) struct Fixture {
    /// One subject for each pattern; every one leads to exactly that entry.
    subjects: Vec<String>,
    cached: Matcher<u64>,
    uncached: Matcher<u64>,
    map: RefCell<HashMap<Box<str>, u64, RandomState>>,
}

impl Fixture {
    pub(crate) fn new(entries: usize, wild: usize) -> Fixture {
        let mut options = MatcherOptions::default();
        options.seed = Some(1);
        let cached = Matcher::with_options(options.clone());
        options.cache_entries = 0;
        let uncached = Matcher::with_options(options);
        let mut map = HashMap::with_hasher(RandomState::with_seeds(1, 2, 3, 4));
        let mut subjects = Vec::with_capacity(entries);
        for n in 0..entries {
            let subject = subject(n);
            // Spread evenly, from the first entry on where there are few.
            let is_wild = (n * wild) % 100 < wild;
            let pattern = Pattern::new(pattern(n, is_wild)).expect("a valid pattern");
            cached.insert(&pattern, n as u64);
            uncached.insert(&pattern, n as u64);
            map.insert(subject.clone().into_boxed_str(), n as u64);
            subjects.push(subject);
        }
        Fixture { subjects, cached, uncached, map: RefCell::new(map) }
    }

    /// `times` look-ups on each of `threads` threads at once; the time is that of the slowest.
    pub(crate) fn run(&self, workload: Workload, threads: usize, times: u64) -> Duration {
        let map = &*self.map.borrow();
        let (subjects, cached, uncached) = (&self.subjects[..], &self.cached, &self.uncached);
        let matches = |matcher: &Matcher<u64>, of, stride, start| {
            let mut found = Matches::new();
            time(subjects, of, stride, start, times, |subject| {
                matcher.matches_into(subject, &mut found);
                found.plain()[0]
            })
        };
        let floor = |of, stride, start| time(subjects, of, stride, start, times, |subject| map[subject]);
        let on_one = |thread: usize| {
            let start = thread * 7;
            match workload {
                Workload::Hit => matches(cached, HOT, 1, start),
                Workload::HitFloor => floor(HOT, 1, start),
                Workload::Uncached => matches(uncached, WARM, 1, start),
                Workload::UncachedFloor => floor(WARM, 1, start),
                Workload::Rotate => matches(cached, usize::MAX, STRIDE, start),
                Workload::RotateFloor => floor(usize::MAX, STRIDE, start),
            }
        };
        if threads == 1 {
            return on_one(0);
        }
        let ready = Barrier::new(threads);
        std::thread::scope(|scope| {
            let (ready, on_one) = (&ready, &on_one);
            let start = |thread| {
                scope.spawn(move || {
                    // Each on a core of its own, as far as there are: else both may well share one.
                    let cores = core_affinity::get_core_ids().unwrap_or_default();
                    if let Some(core) = cores.get(thread) {
                        core_affinity::set_for_current(*core);
                    }
                    ready.wait();
                    on_one(thread)
                })
            };
            let running: Vec<_> = (0..threads).map(start).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Duration>| thread.join();
            let all = running.into_iter().map(join);
            all.map(|time| time.expect("no look-up fails")).max().unwrap_or_default()
        })
    }

    /// `times` times an insert and the removal of what was inserted, at patterns that are not there yet.
    pub(crate) fn change(&self, wild: bool, times: u64) -> Duration {
        let new = |n| Pattern::new(pattern(n, wild)).expect("a valid pattern");
        let patterns: Vec<_> = (0..WARM).map(|n| new(self.subjects.len() + n)).collect();
        let start = Instant::now();
        for pattern in patterns.iter().cycle().take(times as usize) {
            let id = self.cached.insert(pattern, 7);
            black_box(self.cached.remove(pattern, id));
        }
        start.elapsed()
    }

    pub(crate) fn change_floor(&self, times: u64) -> Duration {
        let map = &mut *self.map.borrow_mut();
        let subjects: Vec<_> = (0..WARM).map(|n| subject(self.subjects.len() + n)).collect();
        let start = Instant::now();
        for subject in subjects.iter().cycle().take(times as usize) {
            map.insert(subject.as_str().into(), 7);
            black_box(map.remove(subject.as_str()));
        }
        start.elapsed()
    }

    pub(crate) fn entries(&self) -> usize {
        self.subjects.len()
    }
}

/// A walk by this many steps comes by every one of 10, 10,000 and 1,000,000 subjects, and never by a neighbour next.
const STRIDE: usize = 617_283;

/// Times `look_up` on the first `of` subjects in turn, by steps of `stride`.
fn time(
    subjects: &[String],
    of: usize,
    stride: usize,
    start: usize,
    times: u64,
    mut look_up: impl FnMut(&str) -> u64,
) -> Duration {
    let subjects = &subjects[..of.min(subjects.len())];
    let stride = stride % subjects.len();
    let mut at = start % subjects.len();
    let begun = Instant::now();
    for _ in 0..times {
        black_box(look_up(black_box(&subjects[at])));
        at += stride;
        if at >= subjects.len() {
            at -= subjects.len();
        }
    }
    begun.elapsed()
}

fn subject(n: usize) -> String {
    format!("site{}.room{}.dev{n}.temp", n % 100, n / 100 % 100)
}

/// One that matches `subject(n)` and no other; every form of wildcard, one in four of them at the front.
fn pattern(n: usize, wild: bool) -> String {
    let (site, room) = (n % 100, n / 100 % 100);
    if !wild {
        return subject(n);
    }
    match n / 10 % 4 {
        0 => format!("site{site}.*.dev{n}.temp"),
        1 => format!("site{site}.room{room}.dev{n}.*"),
        2 => format!("site{site}.room{room}.dev{n}.>"),
        _ => format!("*.room{room}.dev{n}.temp"),
    }
}
