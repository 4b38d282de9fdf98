//! A pair at work while another thread subscribes and unsubscribes without pause.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use postroom::Bus;

use super::single::take;
use crate::harness::{Setup, time};
use crate::letter::{SUBJECT, Source, Tally};

/// Literals and wildcards, under other first tokens and under the hot subject's own; none of them matches it.
const MIXED: [&str; 8] =
    ["a.b.d", "a.x.*", "z.b.c", "z.*.c", "a.quite.long.literal.subject", "a.b.c.>", "y.literal", "y.>"];

/// A pattern that starts with a wildcard may concern every subject, so that no route can know beforehand that it
/// does not.
const WILDCARD_FIRST: [&str; 2] = ["*.b.d", "*.*.*.*"];

/// The mix the target is set for.
pub(crate) fn churn(setup: &Setup, iterations: u64) -> f64 {
    churn_of(setup, iterations, &MIXED)
}

/// The worst case, shown beside it.
pub(crate) fn churn_wildcard_first(setup: &Setup, iterations: u64) -> f64 {
    churn_of(setup, iterations, &WILDCARD_FIRST)
}

fn churn_of(setup: &Setup, iterations: u64, patterns: &[&str]) -> f64 {
    setup.pin(0);
    let bus = Bus::new();
    let client = bus.connect();
    let subscriber = client.subscribe(SUBJECT).expect("a subscription");
    let done = AtomicBool::new(false);
    let ready = Barrier::new(2);
    thread::scope(|scope| {
        let churner = scope.spawn(|| {
            setup.pin(1);
            let guest = bus.connect();
            let mut turns = 0_u64;
            ready.wait();
            // Relaxed: the flag only ends the loop, nothing is read on the strength of it.
            while !done.load(Ordering::Relaxed) {
                for pattern in patterns {
                    let passing = guest.subscribe(*pattern).expect("a subscription");
                    assert!(passing.try_recv().is_err(), "{pattern} matched {SUBJECT}");
                    passing.unsubscribe();
                }
                turns += 1;
            }
            turns
        });
        let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
        ready.wait();
        let ns = time(iterations, || {
            client.publish(SUBJECT, source.next()).expect("published");
            take(&subscriber, &mut tally);
        });
        done.store(true, Ordering::Relaxed);
        let turns = churner.join().expect("the churner finished");
        assert!(turns > 0, "nobody subscribed while the pair was at work");
        tally.check(source.expected(1));
        ns
    })
}
