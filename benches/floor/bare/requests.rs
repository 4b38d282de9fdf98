//! A question and its answer.

use std::thread;

use crossbeam_channel::{Sender, bounded};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};

use crate::harness::{Setup, Watch, time};
use crate::letter::{Letter, Source, Tally};

/// The answer goes through a channel made for it; everything on one thread.
pub(crate) fn request_inline(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let (tx, rx) = bounded::<(Letter, Sender<Letter>)>(setup.capacity);
    let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
    let ns = time(iterations, || {
        let (answer_tx, answer_rx) = bounded(1);
        tx.try_send((Letter::copied(source.next()), answer_tx)).expect("there is room");
        let (question, answer_tx) = rx.try_recv().expect("the question just sent");
        answer_tx.try_send(Letter::copied(&question.payload)).expect("the asker waits");
        tally.take(answer_rx.try_recv().expect("the answer just sent").read());
    });
    tally.check(source.expected(1));
    ns
}

/// One channel there, one back, two threads taking turns on one core.
pub(crate) fn request_threads(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let (tx, rx) = bounded::<Letter>(setup.capacity);
    let (answer_tx, answer_rx) = bounded::<Letter>(setup.capacity);
    thread::scope(|scope| {
        scope.spawn(move || {
            setup.pin(0);
            for question in rx {
                answer_tx.send(Letter::copied(&question.payload)).expect("the asker waits");
            }
        });
        let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
        let ns = time(iterations, || {
            tx.send(Letter::copied(source.next())).expect("the answerer listens");
            tally.take(answer_rx.recv().expect("an answer").read());
        });
        // The answerer ends when nobody can ask any more, and only then does the scope.
        drop(tx);
        tally.check(source.expected(1));
        ns
    })
}

/// Two tasks of one current-thread runtime; tokio's channel there, its oneshot back.
pub(crate) fn request_async(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let current_thread = runtime::Builder::new_current_thread().build().expect("a runtime");
    let (tx, mut rx) = mpsc::channel::<(Letter, oneshot::Sender<Letter>)>(setup.capacity);
    current_thread.block_on(async move {
        let answerer = tokio::spawn(async move {
            while let Some((question, answer_tx)) = rx.recv().await {
                assert!(answer_tx.send(Letter::copied(&question.payload)).is_ok(), "the asker waits");
            }
        });
        let asker = tokio::spawn(async move {
            let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
            let mut watch = Watch::new(iterations);
            while watch.turn() {
                let (answer_tx, answer_rx) = oneshot::channel();
                assert!(tx.send((Letter::copied(source.next()), answer_tx)).await.is_ok(), "the answerer listens");
                tally.take(answer_rx.await.expect("an answer").read());
            }
            let ns = watch.per_turn();
            tally.check(source.expected(1));
            ns
        });
        let ns = asker.await.expect("the asker finished");
        answerer.await.expect("the answerer finished");
        ns
    })
}
