//! Bytes that are counted are the bytes that are held (G6): whatever a client sends, the memory behind a queue is at most twice what
//! the ledger or `pending_bytes` says, and a fixed part.
//!
//! Each test counts what the allocator gave out and did not get back: server, bus and client run on the test's own thread.

use allocation_counter::measure;
use postroom::request::RequestManyOptions;
use postroom::server::{ConnzOptions, PipeStream, ServerOptions};
use postroom::{Bus, Client, Clock, Limits, Server, SubscribeOptions, Subscriber};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The memory that a test may hold beyond the counted part: the buffers of its few connections.
const FIXED: usize = 512 * KIB;

pub(crate) struct Room {
    pub(crate) bus: Bus,
    pub(crate) server: Server,
    runtime: Runtime,
}

/// A client that reads only when it is told to.
pub(crate) struct Peer {
    pipe: PipeStream,
}

impl Room {
    pub(crate) fn new(options: ServerOptions) -> Self {
        Room::with(Limits::default(), options)
    }

    fn with(limits: Limits, options: ServerOptions) -> Self {
        let runtime = Builder::new_current_thread().build().unwrap();
        // The clock stands still: no PINGs.
        let bus = Bus::builder().limits(limits).clock(Clock::manual()).build();
        let server = {
            let _within = runtime.enter();
            Server::builder(&bus).options(options).build().unwrap()
        };
        Room { bus, server, runtime }
    }

    pub(crate) fn peer(&self, connect: &str) -> Peer {
        let mut peer = Peer { pipe: self.server.pipe() };
        self.send(&mut peer, format!("CONNECT {{\"verbose\":false{connect}}}\r\n").as_bytes());
        self.flush(&mut peer);
        peer
    }

    pub(crate) fn send(&self, peer: &mut Peer, bytes: &[u8]) {
        self.runtime.block_on(peer.pipe.write_all(bytes)).expect("the server reads");
    }

    /// Reads until the server has done all that it was sent.
    pub(crate) fn flush(&self, peer: &mut Peer) {
        self.send(peer, b"PING\r\n");
        let mut all = Vec::new();
        let mut some = vec![0; 64 * KIB];
        while !all.ends_with(b"PONG\r\n") {
            let count = self.runtime.block_on(peer.pipe.read(&mut some)).unwrap();
            assert!(count > 0, "the server has closed the connection");
            all.extend_from_slice(&some[..count]);
        }
    }

    /// Reads until the server has closed the connection.
    pub(crate) fn drain(&self, peer: &mut Peer) {
        let mut some = vec![0; 64 * KIB];
        while self.runtime.block_on(peer.pipe.read(&mut some)).unwrap() > 0 {}
    }

    pub(crate) fn queue(&self) -> (Client, Subscriber) {
        let client = self.bus.connect();
        let queue = client.subscribe("kept").unwrap();
        (client, queue)
    }

    fn pending(&self) -> usize {
        let connections = self.server.connz(&ConnzOptions::default()).unwrap().connections;
        connections.iter().map(|connection| connection.pending_bytes).sum()
    }

    /// Sends the batch so many times and checks that what is held then is at most twice what `counted` says, and the fixed part.
    #[track_caller]
    fn check(&self, batch: &[u8], times: usize, counted: impl FnOnce() -> usize) {
        let mut publisher = self.peer(",\"headers\":true");
        let held = measure(|| {
            for _ in 0..times {
                self.send(&mut publisher, batch);
            }
            self.flush(&mut publisher);
        })
        .bytes_current;
        let counted = counted();
        assert!(counted > 0, "something is held");
        assert!(held <= (2 * counted + FIXED) as i64, "{} KiB are held, {} KiB counted", held >> 10, counted >> 10);
    }
}

pub(crate) fn publish(subject: &str, size: usize) -> Vec<u8> {
    format!("PUB {subject} {size}\r\n{}\r\n", "x".repeat(size)).into_bytes()
}

fn publish_with_headers(subject: &str, header: usize, size: usize) -> Vec<u8> {
    let block = format!("NATS/1.0\r\nA: {}\r\n\r\n", "h".repeat(header));
    let (len, all) = (block.len(), block.len() + size);
    format!("HPUB {subject} {len} {all}\r\n{block}{}\r\n", "x".repeat(size)).into_bytes()
}

#[test]
fn g6_small_messages_do_not_keep_the_buffers_of_large_ones() {
    // On both sides of every size at which the reader behaves otherwise.
    for small in [24, 1_023, KIB, 4 * KIB, 16 * KIB, 20_000, 64 * KIB] {
        let room = Room::new(ServerOptions::new());
        let (_client, queue) = room.queue();
        let batch = [publish("nobody", 1_000_000), publish("kept", small)].concat();
        room.check(&batch, 30, || queue.ledger().queued_bytes as usize + queue.len() * 128);
        assert_eq!(queue.len(), 30);
        assert!(queue.iter().take(30).all(|message| message.payload().len() == small));
    }
}

#[test]
fn g6_a_large_message_is_held_once_whatever_comes_with_it() {
    for (header, size) in [(10, 200_000), (200_000, 10), (100_000, 100_000), (70_000, 16 * KIB), (16 * KIB, 0)] {
        let room = Room::new(ServerOptions::new());
        let (_client, queue) = room.queue();
        room.check(&publish_with_headers("kept", header, size), 30, || queue.ledger().queued_bytes as usize);
        let message = queue.recv().unwrap();
        assert_eq!((message.headers().get("A").unwrap().len(), message.payload().len()), (header, size));
    }
}

#[test]
fn g6_what_waits_for_a_client_is_counted_in_memory() {
    // A client without headers gets only the payload of a message, which must not keep the header block.
    for (connect, header, size) in [
        ("", 0, 16_400),
        ("", 100_000, 16_400),
        (",\"headers\":true", 600, 16_400),
        (",\"headers\":true", 60_000, 100),
        (",\"headers\":true", 70_000, 100),
    ] {
        let room = Room::new(ServerOptions::new().max_pending(64 * MIB));
        let mut slow = room.peer(connect);
        room.send(&mut slow, b"SUB kept 1\r\n");
        room.flush(&mut slow);
        let kept = if header == 0 { publish("kept", size) } else { publish_with_headers("kept", header, size) };
        let batch = [publish("nobody", 1_000_000), publish("kept", 5 * KIB), kept].concat();
        room.check(&batch, 50, || room.pending());
        drop(slow);
    }
}

#[test]
fn g6_answers_wait_within_max_pending() {
    for unit in ["PING\r\n", "SUB a. 1\r\n", "SUB \u{1}.\u{1}\u{1}\u{1}. 1\r\n"] {
        let room = Room::new(ServerOptions::new().max_pending(MIB));
        let mut peer = room.peer("");
        let flood = unit.repeat(64 * KIB / unit.len());
        let mut sent = 0;
        // 256 MiB of input would be answered, were the client not sent away.
        while sent < 256 * MIB && room.runtime.block_on(peer.pipe.write_all(flood.as_bytes())).is_ok() {
            sent += flood.len();
            assert!(room.pending() <= MIB + 64 * KIB, "{} KiB wait", room.pending() >> 10);
        }
        assert!(sent < 256 * MIB, "it was sent away: {unit:?}");
        assert_eq!(room.server.varz().slow_consumers, 1, "{unit:?}");
    }
}

#[test]
fn g6_long_names_count_as_payloads_do() {
    let long = "n".repeat(4_000);
    for line in [format!("PUB kept.{long} 0\r\n\r\n"), format!("PUB kept.x {long} 0\r\n\r\n")] {
        let room = Room::new(ServerOptions::new());
        let client = room.bus.connect();
        let queue = client.subscribe("kept.*").unwrap();
        room.check(line.repeat(10).as_bytes(), 100, || queue.ledger().queued_bytes as usize);
        // A message that was counted in must be counted out.
        assert_eq!(queue.iter().take(1_000).count(), 1_000);
        assert_eq!((queue.ledger().queued_bytes, queue.ledger().balances()), (0, true));
        let options = SubscribeOptions::new().capacity_bytes(10_000);
        let bounded = client.subscribe_with("kept.*", options).unwrap();
        let mut publisher = room.peer("");
        room.send(&mut publisher, line.repeat(10).as_bytes());
        room.flush(&mut publisher);
        assert_eq!(bounded.len(), 2);
    }
}

#[test]
fn g6_responses_to_one_request_are_bounded_in_bytes() {
    let mut limits = Limits::default();
    limits.subscription_capacity_bytes = MIB;
    let room = Room::with(limits, ServerOptions::new());
    let client = room.bus.connect();
    let mut service = room.peer("");
    room.send(&mut service, b"SUB ask 1\r\n");
    room.flush(&mut service);
    let mut answers = client.request_many("ask", "", RequestManyOptions::new()).unwrap();
    let line = room.runtime.block_on(async {
        let mut line = vec![0; 200];
        let count = service.pipe.read(&mut line).await.unwrap();
        String::from_utf8(line[..count].to_vec()).unwrap()
    });
    let reply = line.split(' ').nth(3).expect("a request").to_owned();
    for _ in 0..30 {
        room.send(&mut service, &publish(&reply, 100_000));
    }
    room.flush(&mut service);
    let taken = std::iter::from_fn(|| answers.try_recv()).count();
    assert_eq!((taken, client.stats().traffic.late_replies), (10, 20));
}

#[test]
fn g6_what_is_remembered_of_connections_that_are_gone_is_bounded_in_bytes() {
    let room = Room::new(ServerOptions::new());
    let long = "s".repeat(3_500);
    let mut batch = Vec::new();
    (0..1_024).for_each(|sid| batch.extend(format!("SUB {long}.{sid} {sid}\r\n").into_bytes()));
    let held = measure(|| {
        // 3.6 MB of names each.
        for _ in 0..8 {
            let mut peer = room.peer("");
            room.send(&mut peer, &batch);
            room.flush(&mut peer);
            drop(peer);
            while room.server.varz().connections > 0 {
                room.runtime.block_on(tokio::task::yield_now());
            }
        }
    })
    .bytes_current;
    assert!(held < 18 * MIB as i64, "{} KiB are held", held >> 10);
}
