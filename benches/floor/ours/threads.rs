//! One thread publishes and another receives, or two threads mind their own business on one bus.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use postroom::{Bus, OverflowPolicy, SubscribeOptions};

use super::single::{read, take};
use crate::harness::{Setup, per_message, time};
use crate::letter::{SUBJECT, Source, Tally};

/// Long enough that a publisher held back by a full mailbox never gives up within a run.
const PATIENCE: Duration = Duration::from_secs(60);

/// Publisher and receiver on a core each.
pub(crate) fn threads_two_cores(setup: &Setup, iterations: u64) -> f64 {
    threads(setup, iterations, 1)
}

/// Publisher and receiver take turns on one core.
pub(crate) fn threads_one_core(setup: &Setup, iterations: u64) -> f64 {
    threads(setup, iterations, 0)
}

/// From the first publish to the last receive. A full mailbox holds the publisher back, so nothing is dropped.
fn threads(setup: &Setup, iterations: u64, receiver_core: usize) -> f64 {
    setup.pin(0);
    let client = Bus::new().connect();
    let options = SubscribeOptions::new().capacity(setup.capacity).overflow(OverflowPolicy::Block(PATIENCE));
    let subscriber = client.subscribe_with(SUBJECT, options).expect("a subscription");
    let ready = Barrier::new(2);
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            setup.pin(receiver_core);
            ready.wait();
            let mut tally = Tally::default();
            while tally.count() < iterations {
                tally.take(read(&subscriber.recv().expect("the publisher outlives its messages")));
            }
            (tally, Instant::now())
        });
        let mut source = Source::<16>::new();
        ready.wait();
        let start = Instant::now();
        for _ in 0..iterations {
            client.publish(SUBJECT, source.next()).expect("published");
        }
        let (tally, end) = receiver.join().expect("the receiver finished");
        tally.check(source.expected(1));
        per_message(end - start, iterations)
    })
}

/// Two threads on two cores, one bus, a subject each: the time of a message as its own thread sees it.
pub(crate) fn two_publishers(setup: &Setup, iterations: u64) -> f64 {
    let bus = Bus::new();
    let ready = Barrier::new(2);
    let one = |core, subject: &str| {
        setup.pin(core);
        let client = bus.connect();
        let subscriber = client.subscribe(subject).expect("a subscription");
        let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
        ready.wait();
        let ns = time(iterations, || {
            client.publish(subject, source.next()).expect("published");
            take(&subscriber, &mut tally);
        });
        tally.check(source.expected(1));
        ns
    };
    let one = &one;
    thread::scope(|scope| {
        let other = scope.spawn(move || one(1, "other.b.c"));
        (one(0, SUBJECT) + other.join().expect("the other publisher finished")) / 2.0
    })
}
