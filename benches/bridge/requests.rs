//! Requests, each sent when the answer to the one before is there; who asks and who answers have a connection and a thread each.

use std::thread;
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt;
use postroom::Bus;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::clients::{PATIENCE, block_on, connect, one_thread, payload, subscribe};
use crate::ends::{bridge, end, settle};
use crate::samples::per_message;

const SUBJECT: &str = "svc.echo";

/// Runs `ask` while a client of the server answers, on the thread of its connection.
fn with_answers<T>(url: &str, ask: impl FnOnce() -> T) -> T {
    with_answers_on(url, &one_thread(), ask)
}

/// The same on this runtime.
fn with_answers_on<T>(url: &str, runtime: &Runtime, ask: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (tell, ready) = std::sync::mpsc::channel();
        let (stop, mut stopped) = oneshot::channel::<()>();
        scope.spawn(move || {
            runtime.block_on(async {
                let service = connect(url).await;
                let mut questions = subscribe(&service, SUBJECT).await;
                tell.send(()).expect("somebody waits");
                loop {
                    tokio::select! {
                        question = questions.next() => {
                            let question = question.expect("a question");
                            let reply = question.reply.expect("a request");
                            service.publish(reply, question.payload).await.expect("answered");
                        }
                        _ = &mut stopped => return,
                    }
                }
            });
        });
        ready.recv().expect("the service is there");
        let result = ask();
        drop(stop);
        result
    })
}

async fn ask_by_client(url: &str, count: u64) -> f64 {
    let client = connect(url).await;
    let question = Bytes::from(payload(16));
    let start = Instant::now();
    for _ in 0..count {
        let answer = client.request(SUBJECT, question.clone()).await.expect("an answer");
        assert_eq!(answer.payload, question);
    }
    per_message(start.elapsed(), count)
}

/// Between two clients of the server; who asks is on the thread of its connection, so that nobody has to be woken for it.
pub(crate) fn direct(url: &str, count: u64) -> f64 {
    with_answers(url, || block_on(ask_by_client(url, count)))
}

/// The same from a runtime as `#[tokio::main]` makes it, where the connection has a thread of its own, as a bridge has.
pub(crate) fn direct_threads(url: &str, count: u64) -> f64 {
    with_answers(url, || {
        let asked = async { tokio::time::timeout(PATIENCE, ask_by_client(url, count)).await };
        threads().block_on(asked).expect("nothing was lost")
    })
}

/// The same with the one who answers in such a runtime.
pub(crate) fn direct_threads_answer(url: &str, count: u64) -> f64 {
    with_answers_on(url, &threads(), || block_on(ask_by_client(url, count)))
}

/// As `#[tokio::main]` makes it.
fn threads() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// Asked on the bus, answered by a client of the server.
pub(crate) fn call(url: &str, count: u64) -> f64 {
    let bus = Bus::new();
    let bridge = bridge(&bus, url, |rules| rules.call("svc.>"));
    let ns = with_answers(url, || {
        let client = bus.connect();
        let question = payload(16);
        let start = Instant::now();
        for _ in 0..count {
            let answer = client.request_timeout(SUBJECT, &question[..], PATIENCE).expect("an answer");
            assert_eq!(answer.payload(), &question[..]);
        }
        per_message(start.elapsed(), count)
    });
    end(&bridge);
    ns
}

/// Asked by a client of the server, answered by a callback on the bus.
pub(crate) fn serve(url: &str, count: u64) -> f64 {
    let bus = Bus::new();
    let client = bus.connect();
    let service = client.subscribe_fn(SUBJECT, |question| {
        question.respond(question.payload_bytes()).expect("a request");
    });
    let _service = service.expect("a subscription");
    let bridge = bridge(&bus, url, |rules| rules.serve("svc.>"));
    settle(&bridge);
    let ns = block_on(ask_by_client(url, count));
    end(&bridge);
    ns
}
