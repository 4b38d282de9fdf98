//! A question and its answer.

use std::thread;

use postroom::Bus;
use tokio::runtime;

use super::single::read;
use crate::harness::{Setup, Watch, time};
use crate::letter::{Source, Tally};

/// Where questions go.
const QUESTIONS: &str = "svc.echo";

/// Answered on the asker's thread, inside the publish.
pub(crate) fn request_inline(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let bus = Bus::new();
    let (client, service) = (bus.connect(), bus.connect());
    let answering = service
        .subscribe_fn(QUESTIONS, |question| {
            question.respond(question.payload()).expect("answered");
        })
        .expect("a subscription");
    let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
    let ns = time(iterations, || {
        tally.take(read(&client.request(QUESTIONS, source.next()).expect("an answer")));
    });
    drop(answering);
    tally.check(source.expected(1));
    ns
}

/// Answered by another thread; the two take turns on one core.
pub(crate) fn request_threads(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let bus = Bus::new();
    let (client, service) = (bus.connect(), bus.connect());
    let questions = service.subscribe(QUESTIONS).expect("a subscription");
    thread::scope(|scope| {
        scope.spawn(move || {
            setup.pin(0);
            while let Ok(question) = questions.recv() {
                question.respond(question.payload()).expect("answered");
            }
        });
        let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
        let ns = time(iterations, || {
            tally.take(read(&client.request(QUESTIONS, source.next()).expect("an answer")));
        });
        // Ends the answerer's loop, and with it the scope.
        service.close();
        tally.check(source.expected(1));
        ns
    })
}

/// Two tasks of one current-thread runtime.
pub(crate) fn request_async(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let current_thread = runtime::Builder::new_current_thread().build().expect("a runtime");
    let bus = Bus::new();
    let (client, service) = (bus.connect(), bus.connect());
    let questions = service.subscribe(QUESTIONS).expect("a subscription");
    current_thread.block_on(async move {
        let answerer = tokio::spawn(async move {
            while let Ok(question) = questions.recv_async().await {
                question.respond(question.payload()).expect("answered");
            }
        });
        let asker = tokio::spawn(async move {
            let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
            let mut watch = Watch::new(iterations);
            while watch.turn() {
                let answer = client.request_async(QUESTIONS, source.next()).await.expect("an answer");
                tally.take(read(&answer));
            }
            let ns = watch.per_turn();
            tally.check(source.expected(1));
            ns
        });
        let ns = asker.await.expect("the asker finished");
        service.close();
        answerer.await.expect("the answerer finished");
        ns
    })
}
