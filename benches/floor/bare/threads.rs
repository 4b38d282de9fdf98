//! One thread sends and another receives, or two threads mind their own business.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use crossbeam_channel::bounded;

use crate::harness::{Setup, per_message, time};
use crate::letter::{Letter, Source, Tally};

/// Sender and receiver on a core each.
pub(crate) fn threads_two_cores(setup: &Setup, iterations: u64) -> f64 {
    threads(setup, iterations, 1)
}

/// Sender and receiver take turns on one core.
pub(crate) fn threads_one_core(setup: &Setup, iterations: u64) -> f64 {
    threads(setup, iterations, 0)
}

/// From the first send to the last receive. A full channel holds the sender back, so nothing is dropped.
fn threads(setup: &Setup, iterations: u64, receiver_core: usize) -> f64 {
    setup.pin(0);
    let (tx, rx) = bounded(setup.capacity);
    let ready = Barrier::new(2);
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            setup.pin(receiver_core);
            ready.wait();
            let mut tally = Tally::default();
            while tally.count() < iterations {
                let letter: Letter = rx.recv().expect("the sender outlives its letters");
                tally.take(letter.read());
            }
            (tally, Instant::now())
        });
        let mut source = Source::<16>::new();
        ready.wait();
        let start = Instant::now();
        for _ in 0..iterations {
            tx.send(Letter::copied(source.next())).expect("the receiver waits for all of them");
        }
        let (tally, end) = receiver.join().expect("the receiver finished");
        tally.check(source.expected(1));
        per_message(end - start, iterations)
    })
}

/// Two threads on two cores, each with a channel of its own: the time of a message as its own thread sees it.
pub(crate) fn two_publishers(setup: &Setup, iterations: u64) -> f64 {
    let ready = Barrier::new(2);
    let one = |core| {
        setup.pin(core);
        let (tx, rx) = bounded(setup.capacity);
        let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
        ready.wait();
        let ns = time(iterations, || {
            tx.try_send(Letter::copied(source.next())).expect("there is room");
            tally.take(rx.try_recv().expect("the letter just sent").read());
        });
        tally.check(source.expected(1));
        ns
    };
    let one = &one;
    thread::scope(|scope| {
        let other = scope.spawn(move || one(1));
        (one(0) + other.join().expect("the other publisher finished")) / 2.0
    })
}
