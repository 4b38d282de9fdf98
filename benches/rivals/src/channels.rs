//! Channels that know nothing of subjects: the floor itself, flume, and tokio's.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use crate::bare;
use crate::harness::{Setup, per_message, time};
use crate::letter::{Letter, Source, Tally};
use crate::memory;
use crate::rival::{Rival, Workload};

/// How far tokio's publisher may run ahead between two looks at how full the channel is; its channel overwrites.
const STRIDE: u64 = 1_024;

struct Crossbeam;
struct Flume;
struct Tokio;

pub(crate) fn crossbeam() -> Result<Box<dyn Rival>, String> {
    Ok(Box::new(Crossbeam))
}

pub(crate) fn flume() -> Result<Box<dyn Rival>, String> {
    Ok(Box::new(Flume))
}

pub(crate) fn tokio() -> Result<Box<dyn Rival>, String> {
    Ok(Box::new(Tokio))
}

impl Rival for Crossbeam {
    fn name(&self) -> &'static str {
        "crossbeam"
    }

    fn about(&self) -> String {
        "bare crossbeam_channel::bounded(65536): no subjects; the floor of the other tables".to_owned()
    }

    fn run(&self, workload: Workload, setup: &Setup, iterations: u64) -> Option<f64> {
        Some(match workload {
            Workload::Pair => bare::pair(setup, iterations),
            Workload::ThreadsTwoCores => bare::threads_two_cores(setup, iterations),
            Workload::Fanout8 => bare::fanout::<8>(setup, iterations),
            Workload::RequestInline => bare::request_inline(setup, iterations),
            Workload::RequestThreads => bare::request_threads(setup, iterations),
            Workload::RequestAsync => return None,
        })
    }

    fn memory(&self, count: usize) -> Option<f64> {
        Some(memory::each(count, |_| crossbeam_channel::unbounded::<Letter>()))
    }
}

impl Rival for Flume {
    fn name(&self) -> &'static str {
        "flume"
    }

    fn about(&self) -> String {
        "bare flume::bounded(65536): no subjects".to_owned()
    }

    fn run(&self, workload: Workload, setup: &Setup, iterations: u64) -> Option<f64> {
        setup.pin(0);
        let ns = match workload {
            Workload::Pair => {
                let (tx, rx) = flume::bounded(setup.capacity);
                let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
                let ns = time(iterations, || {
                    assert!(tx.try_send(Letter::copied(source.next())).is_ok(), "there is room");
                    tally.take(rx.try_recv().expect("the letter just sent").read());
                });
                tally.check(source.expected(1));
                ns
            }
            Workload::ThreadsTwoCores => {
                let (tx, rx) = flume::bounded(setup.capacity);
                two_threads(
                    setup,
                    iterations,
                    |_, letter| assert!(tx.send(letter).is_ok(), "the receiver waits for all of them"),
                    || rx.recv().expect("the sender outlives its letters"),
                )
            }
            Workload::Fanout8 => {
                let channels: Vec<_> = (0..8).map(|_| flume::bounded(setup.capacity)).collect();
                let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
                let ns = time(iterations.div_ceil(8), || {
                    let letter = Arc::new(Letter::copied(source.next()));
                    for (tx, _) in &channels {
                        assert!(tx.try_send(Arc::clone(&letter)).is_ok(), "there is room");
                    }
                    drop(letter);
                    for (_, rx) in &channels {
                        tally.take(rx.try_recv().expect("the letter just sent").read());
                    }
                });
                tally.check(source.expected(8));
                ns / 8.0
            }
            Workload::RequestInline => {
                let (tx, rx) = flume::bounded::<(Letter, flume::Sender<Letter>)>(setup.capacity);
                let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
                let ns = time(iterations, || {
                    let (answer_tx, answer_rx) = flume::bounded(1);
                    assert!(tx.try_send((Letter::copied(source.next()), answer_tx)).is_ok(), "there is room");
                    let (question, answer_tx) = rx.try_recv().expect("the question just sent");
                    assert!(answer_tx.try_send(Letter::copied(&question.payload)).is_ok(), "the asker waits");
                    tally.take(answer_rx.try_recv().expect("the answer just sent").read());
                });
                tally.check(source.expected(1));
                ns
            }
            Workload::RequestThreads => flume_request(setup, iterations),
            Workload::RequestAsync => return None,
        };
        Some(ns)
    }

    fn memory(&self, count: usize) -> Option<f64> {
        Some(memory::each(count, |_| flume::unbounded::<Letter>()))
    }
}

fn flume_request(setup: &Setup, iterations: u64) -> f64 {
    let (tx, rx) = flume::bounded::<Letter>(setup.capacity);
    let (answer_tx, answer_rx) = flume::bounded::<Letter>(setup.capacity);
    thread::scope(|scope| {
        scope.spawn(move || {
            setup.pin(0);
            for question in rx {
                assert!(answer_tx.send(Letter::copied(&question.payload)).is_ok(), "the asker waits");
            }
        });
        let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
        let ns = time(iterations, || {
            assert!(tx.send(Letter::copied(source.next())).is_ok(), "the answerer listens");
            tally.take(answer_rx.recv().expect("an answer").read());
        });
        drop(tx);
        tally.check(source.expected(1));
        ns
    })
}

impl Rival for Tokio {
    fn name(&self) -> &'static str {
        "tokio"
    }

    fn about(&self) -> String {
        "tokio::sync::broadcast(65536), no subjects; request_async is its mpsc with a oneshot".to_owned()
    }

    fn run(&self, workload: Workload, setup: &Setup, iterations: u64) -> Option<f64> {
        setup.pin(0);
        match workload {
            Workload::Pair => Some(broadcast(setup, iterations, 1)),
            Workload::Fanout8 => Some(broadcast(setup, iterations.div_ceil(8), 8)),
            Workload::ThreadsTwoCores => {
                let (tx, mut rx) = tokio::sync::broadcast::channel(setup.capacity);
                let room = setup.capacity - STRIDE as usize;
                Some(two_threads(
                    setup,
                    iterations,
                    |number, letter| {
                        // A slow receiver would find its letters overwritten, so the publisher looks and waits.
                        while number % STRIDE == 0 && tx.len() > room {
                            thread::yield_now();
                        }
                        assert!(tx.send(letter).is_ok(), "the receiver waits for all of them");
                    },
                    || rx.blocking_recv().expect("nothing was overwritten"),
                ))
            }
            Workload::RequestAsync => Some(bare::request_async(setup, iterations)),
            Workload::RequestInline | Workload::RequestThreads => None,
        }
    }

    fn memory(&self, count: usize) -> Option<f64> {
        Some(memory::each(count, |_| tokio::sync::broadcast::channel::<Letter>(16)))
    }
}

/// The time of one delivery.
fn broadcast(setup: &Setup, iterations: u64, receivers: u64) -> f64 {
    let (tx, first) = tokio::sync::broadcast::channel(setup.capacity);
    let mut inboxes: Vec<_> = (1..receivers).map(|_| tx.subscribe()).collect();
    inboxes.push(first);
    let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
    let ns = time(iterations, || {
        assert!(tx.send(Letter::copied(source.next())).is_ok(), "the receivers are here");
        for inbox in &mut inboxes {
            tally.take(inbox.try_recv().expect("the letter just sent").read());
        }
    });
    tally.check(source.expected(receivers));
    ns / receivers as f64
}

/// One thread sends, another receives, a core each; from the first send to the last receive.
fn two_threads(
    setup: &Setup,
    iterations: u64,
    mut send: impl FnMut(u64, Letter),
    mut receive: impl FnMut() -> Letter + Send,
) -> f64 {
    let ready = Barrier::new(2);
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            setup.pin(1);
            ready.wait();
            let mut tally = Tally::default();
            while tally.count() < iterations {
                tally.take(receive().read());
            }
            (tally, Instant::now())
        });
        let mut source = Source::<16>::new();
        ready.wait();
        let start = Instant::now();
        for number in 0..iterations {
            send(number, Letter::copied(source.next()));
        }
        let (tally, end) = receiver.join().expect("the receiver finished");
        tally.check(source.expected(1));
        per_message(end - start, iterations)
    })
}
