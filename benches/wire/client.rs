//! async-nats, the way a program uses it: the same client on both servers.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use async_nats::{Client, ConnectOptions, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::runtime::{Builder, Runtime};

use crate::process::Place;
use crate::samples::per_message;
use crate::stream::{SUBJECT, payload};
use crate::window::Window;
use crate::workloads::Round;

/// The client drops what a subscription has no room for, silently: so there is room for more than the window lets through.
const WINDOW: u64 = 16_384;
const ROOM: usize = 4 * WINDOW as usize;

/// How long a round may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// One publisher on a thread of its own, `N` subscribers with a connection each on another; the time of a delivery.
pub(crate) fn flow<const N: usize, const SIZE: usize>(place: &Place, messages: u64) -> Round {
    let window = &Window::new(N, WINDOW);
    let ready = &Barrier::new(2);
    let elapsed = thread::scope(|scope| {
        let receivers = scope.spawn(move || {
            block_on(async {
                let mut receivers = Vec::new();
                for receiver in 0..N {
                    let mut inbox = subscribe(&connect(place).await, SUBJECT).await;
                    receivers.push(async move {
                        for received in 1..=messages {
                            let message = inbox.next().await.expect("a message");
                            assert_eq!(message.payload.len(), SIZE);
                            if received % 64 == 0 || received == messages {
                                window.received(receiver, received);
                            }
                        }
                    });
                }
                ready.wait();
                futures_util::future::join_all(receivers).await;
                Instant::now()
            })
        });
        let start = block_on(async {
            let client = connect(place).await;
            let payload = Bytes::from(payload(SIZE));
            ready.wait();
            let start = Instant::now();
            for sent in 0..messages {
                if sent % 64 == 0 {
                    window.wait(sent).await;
                }
                client.publish(SUBJECT, payload.clone()).await.expect("published");
            }
            client.flush().await.expect("flushed");
            start
        });
        receivers.join().expect("received") - start
    });
    Round { ns: per_message(elapsed, messages * N as u64), messages: messages * N as u64 }
}

/// Requests, each sent when the answer to the one before is there; asker and answerer have a connection each, on one thread.
pub(crate) fn requests(place: &Place, count: u64) -> Round {
    block_on(async {
        let (client, service) = (connect(place).await, connect(place).await);
        let mut questions = subscribe(&service, "svc.echo").await;
        let answerer = tokio::spawn(async move {
            while let Some(question) = questions.next().await {
                let reply = question.reply.expect("a request");
                service.publish(reply, question.payload).await.expect("answered");
            }
        });
        let question = Bytes::from(payload(16));
        let start = Instant::now();
        for _ in 0..count {
            let answer = client.request("svc.echo", question.clone()).await.expect("an answer");
            assert_eq!(answer.payload, question);
        }
        let ns = per_message(start.elapsed(), count);
        answerer.abort();
        Round { ns, messages: count }
    })
}

/// Everything of one thread, on a runtime whose only thread it is.
fn block_on<F: Future>(work: F) -> F::Output {
    let runtime: Runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await.expect("nothing was lost") })
}

async fn connect(place: &Place) -> Client {
    let options = ConnectOptions::new().subscription_capacity(ROOM);
    options.connect(format!("nats://{}", place.addr)).await.expect("a connection")
}

/// Subscribes, and makes sure that the server knows before anybody publishes.
async fn subscribe(client: &Client, subject: &'static str) -> Subscriber {
    let subscriber = client.subscribe(subject).await.expect("a subscription");
    // A round trip, which a flush alone is not.
    let probe = client.new_inbox();
    let mut echo = client.subscribe(probe.clone()).await.expect("a subscription");
    client.publish(probe, Bytes::new()).await.expect("published");
    echo.next().await.expect("an echo");
    subscriber
}
