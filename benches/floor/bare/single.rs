//! One thread sends a letter and takes it out again.

use std::sync::Arc;

use bytes::Bytes;
use crossbeam_channel::bounded;

use crate::harness::{Setup, time};
use crate::letter::{Letter, STATIC_PAYLOAD, Source, Tally};

/// How many messages lie in the queues before they are drained, where one by one would measure the search for them.
pub(crate) const BATCH: u64 = 256;

/// A 16-byte payload, copied.
pub(crate) fn pair(setup: &Setup, iterations: u64) -> f64 {
    pair_of::<16>(setup, iterations)
}

/// A payload of 1 KiB, copied.
pub(crate) fn pair_1k(setup: &Setup, iterations: u64) -> f64 {
    pair_of::<1024>(setup, iterations)
}

fn pair_of<const N: usize>(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let (tx, rx) = bounded(setup.capacity);
    let (mut source, mut tally) = (Source::<N>::new(), Tally::default());
    let ns = time(iterations, || {
        tx.try_send(Letter::copied(source.next())).expect("there is room");
        tally.take(rx.try_recv().expect("the letter just sent").read());
    });
    tally.check(source.expected(1));
    ns
}

/// A payload that lives for ever: nothing to copy, nothing to count.
pub(crate) fn pair_static(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let (tx, rx) = bounded(setup.capacity);
    let (mut sent, mut tally) = (0, Tally::default());
    let ns = time(iterations, || {
        tx.try_send(Letter::new(Bytes::from_static(&STATIC_PAYLOAD))).expect("there is room");
        sent += 1;
        tally.take(rx.try_recv().expect("the letter just sent").read());
    });
    tally.check(Tally::of_static(sent));
    ns
}

/// Like [`pair`], but a batch is sent before it is drained: what a queue group is compared with.
pub(crate) fn pair_batched(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let (tx, rx) = bounded(setup.capacity);
    let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
    let ns = time(iterations.div_ceil(BATCH), || {
        for _ in 0..BATCH {
            tx.try_send(Letter::copied(source.next())).expect("there is room");
        }
        while let Ok(letter) = rx.try_recv() {
            tally.take(letter.read());
        }
    });
    tally.check(source.expected(1));
    ns / BATCH as f64
}

/// One letter behind an `Arc` into `RECEIVERS` channels; the time of one delivery.
pub(crate) fn fanout<const RECEIVERS: usize>(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let channels: Vec<_> = (0..RECEIVERS).map(|_| bounded::<Arc<Letter>>(setup.capacity)).collect();
    let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
    let ns = time(iterations.div_ceil(RECEIVERS as u64), || {
        let letter = Arc::new(Letter::copied(source.next()));
        for (tx, _) in &channels {
            tx.try_send(Arc::clone(&letter)).expect("there is room");
        }
        // The publisher keeps nothing: the last receiver frees the letter, as on the bus.
        drop(letter);
        for (_, rx) in &channels {
            tally.take(rx.try_recv().expect("the letter just sent").read());
        }
    });
    tally.check(source.expected(RECEIVERS as u64));
    ns / RECEIVERS as f64
}
