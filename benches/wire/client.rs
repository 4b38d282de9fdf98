//! async-nats, the way a program uses it: the same client on both servers.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt;

use crate::clients::{WINDOW, block_on, connect, payload, subscribe};
use crate::process::Place;
use crate::samples::per_message;
use crate::stream::SUBJECT;
use crate::window::Window;
use crate::workloads::Round;

/// One publisher on a thread of its own, `N` subscribers with a connection each on another; the time of a delivery.
pub(crate) fn flow<const N: usize, const SIZE: usize>(place: &Place, messages: u64) -> Round {
    let window = &Window::new(N, WINDOW);
    let ready = &Barrier::new(2);
    let elapsed = thread::scope(|scope| {
        let receivers = scope.spawn(move || {
            block_on(async {
                let mut receivers = Vec::new();
                for receiver in 0..N {
                    let mut inbox = subscribe(&connect(&place.url()).await, SUBJECT).await;
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
            let client = connect(&place.url()).await;
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
        let (client, service) = (connect(&place.url()).await, connect(&place.url()).await);
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
