//! A client of nothing but bytes: threads with a socket each, so that nearly all the time is the server's.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::process::Place;
use crate::samples::per_message;
use crate::stream::{Expected, HELLO, Lines, SUBJECT, batch, delivery};
use crate::window::Window;
use crate::workloads::Round;

/// How long any single read or write may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bytes that may be under way to one subscriber: well below the 64 MiB at which servers cut it
/// off.
const WINDOW: usize = 8 << 20;

/// One publisher, `N` subscribers, payloads of `SIZE` bytes; the time of a delivery.
pub(crate) fn flow<const N: usize, const SIZE: usize>(place: &Place, messages: u64) -> Round {
    let (batch, in_batch) = batch(SIZE);
    let batches = messages.div_ceil(in_batch);
    let messages = batches * in_batch;
    let window = Window::of_bytes(N, WINDOW, delivery(SIZE).len());
    let ready = Barrier::new(N + 1);
    let receive = |receiver| {
        let mut stream = connect(place);
        stream.write_all(format!("SUB {SUBJECT} 1\r\n").as_bytes()).expect("written");
        settle(&mut stream);
        let mut expected = Expected::new(SIZE);
        ready.wait();
        let mut received = 0;
        while received < messages {
            let read = stream.read(expected.room()).expect("read");
            let (more, pings) = expected.take(read);
            received += more;
            window.received(receiver, received);
            for _ in 0..pings {
                stream.write_all(b"PONG\r\n").expect("written");
            }
        }
        assert_eq!(received, messages, "messages came twice");
        Instant::now()
    };
    let receive = &receive;
    let elapsed = thread::scope(|scope| {
        let receivers: Vec<_> = (0..N).map(|receiver| scope.spawn(move || receive(receiver))).collect();
        let mut stream = connect(place);
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        ready.wait();
        let start = Instant::now();
        runtime.block_on(async {
            for sent in 0..batches {
                window.wait(sent * in_batch).await;
                stream.write_all(&batch).expect("written");
            }
        });
        let ends = receivers.into_iter().map(|receiver| receiver.join().expect("received"));
        let elapsed = ends.max().expect("a receiver") - start;
        settle(&mut stream);
        elapsed
    });
    Round { ns: per_message(elapsed, messages * N as u64), messages: messages * N as u64 }
}

/// Requests, each sent when the answer to the one before is there; the time of one.
pub(crate) fn requests(place: &Place, count: u64) -> Round {
    let ready = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = connect(place);
            stream.write_all(b"SUB svc 1\r\n").expect("written");
            settle(&mut stream);
            ready.wait();
            let (question, answer) =
                ("MSG svc 1 _INBOX.x 16\r\n0123456789abcdef\r\n", "PUB _INBOX.x 16\r\n0123456789abcdef\r\n");
            answer_all(&mut stream, question, answer, count);
        });
        let mut stream = connect(place);
        stream.write_all(b"SUB _INBOX.x 1\r\n").expect("written");
        settle(&mut stream);
        let (question, answer) =
            ("PUB svc _INBOX.x 16\r\n0123456789abcdef\r\n", "MSG _INBOX.x 1 16\r\n0123456789abcdef\r\n");
        ready.wait();
        let start = Instant::now();
        stream.write_all(question.as_bytes()).expect("written");
        answer_all(&mut stream, answer, question, count - 1);
        expect(&mut stream, answer);
        Round { ns: per_message(start.elapsed(), count), messages: count }
    })
}

/// Reads this and writes that, so many times.
fn answer_all(stream: &mut TcpStream, read: &str, write: &str, count: u64) {
    for _ in 0..count {
        expect(stream, read);
        stream.write_all(write.as_bytes()).expect("written");
    }
}

/// Reads exactly this, and answers a PING that comes before it.
fn expect(stream: &mut TcpStream, wanted: &str) {
    let mut buffer = [0; 128];
    let mut filled = 0;
    while filled < wanted.len() {
        let read = stream.read(&mut buffer[filled..]).expect("read");
        assert!(read > 0, "the server closed the connection");
        filled += read;
        if buffer[..filled].starts_with(b"PING\r\n") {
            buffer.copy_within(6..filled, 0);
            filled -= 6;
            stream.write_all(b"PONG\r\n").expect("written");
        }
    }
    assert_eq!(String::from_utf8_lossy(&buffer[..filled]), wanted);
}

fn connect(place: &Place) -> TcpStream {
    let mut stream = TcpStream::connect(&place.addr).expect("connected");
    stream.set_nodelay(true).expect("a fresh socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a fresh socket");
    stream.set_write_timeout(Some(PATIENCE)).expect("a fresh socket");
    stream.write_all(HELLO).expect("written");
    until_pong(&mut stream);
    stream
}

/// A round trip: all that was written has been done by the server.
fn settle(stream: &mut TcpStream) {
    stream.write_all(b"PING\r\n").expect("written");
    until_pong(stream);
}

/// Reads up to a PONG and the line behind it, if one has begun.
fn until_pong(stream: &mut TcpStream) {
    let (mut lines, mut buffer, mut done) = (Lines::default(), [0; 4096], false);
    while !done {
        let read = stream.read(&mut buffer).expect("read");
        let pings;
        (done, pings) = lines.take(&buffer[..read]);
        stream.write_all(&b"PONG\r\n".repeat(pings)).expect("written");
    }
}
