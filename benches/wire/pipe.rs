//! Raw bytes through pipes: no socket, no other process, and the protocol all the same.

use std::time::{Duration, Instant};

use postroom::server::PipeStream;
use postroom::{Bus, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;

use crate::samples::per_message;
use crate::stream::{Expected, HELLO, Lines, SUBJECT, batch, delivery};
use crate::window::Window;

/// The bytes that may be under way to one subscriber.
const WINDOW: usize = 8 << 20;

/// How long a round may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// One publisher, `N` subscribers, a pipe each, on a runtime as a program has it; the time of a delivery.
pub(crate) fn flow<const N: usize, const SIZE: usize>(messages: u64) -> f64 {
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, run::<N, SIZE>(messages)).await.expect("nothing was lost") })
}

async fn run<const N: usize, const SIZE: usize>(messages: u64) -> f64 {
    let server = Server::builder(&Bus::new()).build().expect("a server");
    let (batch, in_batch) = batch(SIZE);
    let batches = messages.div_ceil(in_batch);
    let messages = batches * in_batch;
    let window = std::sync::Arc::new(Window::of_bytes(N, WINDOW, delivery(SIZE).len()));
    let mut receivers = Vec::new();
    for receiver in 0..N {
        let mut pipe = server.pipe();
        greet(&mut pipe).await;
        pipe.write_all(format!("SUB {SUBJECT} 1\r\nPING\r\n").as_bytes()).await.expect("written");
        until_pong(&mut pipe).await;
        let window = window.clone();
        receivers.push(async move {
            let mut expected = Expected::new(SIZE);
            let mut received = 0;
            while received < messages {
                let read = pipe.read(expected.room()).await.expect("read");
                let (more, pings) = expected.take(read);
                received += more;
                window.received(receiver, received);
                for _ in 0..pings {
                    pipe.write_all(b"PONG\r\n").await.expect("written");
                }
            }
            assert_eq!(received, messages, "messages came twice");
            Instant::now()
        });
    }
    let mut pipe = server.pipe();
    greet(&mut pipe).await;
    let receivers: Vec<_> = receivers.into_iter().map(tokio::spawn).collect();
    let publisher = tokio::spawn(async move {
        let start = Instant::now();
        for sent in 0..batches {
            window.wait(sent * in_batch).await;
            pipe.write_all(&batch).await.expect("written");
        }
        pipe.write_all(b"PING\r\n").await.expect("written");
        until_pong(&mut pipe).await;
        start
    });
    let mut end = None;
    for receiver in receivers {
        end = end.max(Some(receiver.await.expect("received")));
    }
    let start = publisher.await.expect("published");
    per_message(end.expect("a receiver") - start, messages * N as u64)
}

async fn greet(pipe: &mut PipeStream) {
    pipe.write_all(HELLO).await.expect("written");
    until_pong(pipe).await;
}

/// Reads up to a PONG and the line behind it, if one has begun.
async fn until_pong(pipe: &mut PipeStream) {
    let (mut lines, mut buffer, mut done) = (Lines::default(), [0; 4096], false);
    while !done {
        let read = pipe.read(&mut buffer).await.expect("read");
        let pings;
        (done, pings) = lines.take(&buffer[..read]);
        pipe.write_all(&b"PONG\r\n".repeat(pings)).await.expect("written");
    }
}
