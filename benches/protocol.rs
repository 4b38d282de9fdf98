//! `cargo bench -p postroom-benches --features server --bench protocol`: how fast the protocol is read and written, in bytes and operations a
//! second. No sockets, no bus.
//!
//! Each round reads 64 KiB of the same operations, as they come out of a socket: appended to the buffer that the one before
//! has left.

use bytes::BytesMut;
use criterion::{Criterion, Throughput};
use postroom::protocol::encode::Delivery;
use postroom::protocol::text::{to_text, to_wire};
use postroom::protocol::{
    Connect, Decoder, DecoderLimits, Operation, ProtocolError, Publish, ServerDecoder, Session, SessionHandler,
    SessionOptions, Subscribe,
};
use std::hint::black_box;
use std::time::Duration;

const CHUNK: usize = 64 << 10;

/// As many of these operations, in turns, as go into a chunk, and how many.
fn chunk(operations: &[Vec<u8>]) -> (Vec<u8>, u64) {
    let mut bytes = Vec::with_capacity(CHUNK);
    let mut count = 0;
    for operation in operations.iter().cycle() {
        if bytes.len() + operation.len() > CHUNK {
            break;
        }
        bytes.extend_from_slice(operation);
        count += 1;
    }
    (bytes, count)
}

fn publish(size: usize) -> Vec<u8> {
    format!("PUB orders.eu.new {size}\r\n{}\r\n", "x".repeat(size)).into_bytes()
}

fn header_publish(size: usize) -> Vec<u8> {
    let headers = "NATS/1.0\r\nTrace-Id: 0af7651916cd43dd\r\n\r\n";
    let (block, total) = (headers.len(), headers.len() + size);
    format!("HPUB orders.eu.new _INBOX.x.y {block} {total}\r\n{headers}{}\r\n", "x".repeat(size)).into_bytes()
}

fn workloads() -> Vec<(&'static str, Vec<u8>, u64)> {
    let mixed = [
        b"SUB orders.*.new 1\r\n".to_vec(),
        b"SUB orders.> workers 22\r\n".to_vec(),
        publish(16),
        b"UNSUB 1\r\n".to_vec(),
        b"UNSUB 22 10\r\n".to_vec(),
        b"PING\r\n".to_vec(),
        header_publish(64),
        b"PONG\r\n".to_vec(),
    ];
    let work = |name, operations: &[Vec<u8>]| {
        let (bytes, count) = chunk(operations);
        (name, bytes, count)
    };
    vec![
        work("pub_16", &[publish(16)]),
        work("pub_1k", &[publish(1024)]),
        work("hpub_16", &[header_publish(16)]),
        work("sub", &[b"SUB orders.*.new 1\r\n".to_vec(), b"SUB orders.> workers 22\r\n".to_vec()]),
        work("mixed", &mixed),
    ]
}

fn decoder(criterion: &mut Criterion, by: Unit) {
    let mut group = criterion.benchmark_group(format!("decode/{}", by.name()));
    for (name, bytes, count) in workloads() {
        group.throughput(by.of(bytes.len(), count));
        let mut limits = DecoderLimits::default();
        limits.headers = true;
        let mut decoder = Decoder::new(limits);
        let mut input = BytesMut::with_capacity(CHUNK);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                input.extend_from_slice(&bytes);
                let mut seen = 0;
                while let Some(operation) = decoder.next(&mut input).expect("it is right") {
                    if let Operation::Publish { payload, .. } = &operation {
                        black_box(payload.as_slice());
                    }
                    black_box(&operation);
                    seen += 1;
                }
                assert_eq!(seen, count);
            });
        });
    }
    group.finish();
}

/// A host with nobody behind it.
struct Nobody;

impl SessionHandler for Nobody {
    fn send(&mut self, bytes: &[u8]) {
        black_box(bytes);
    }
    fn info(&mut self, _: bool) -> Vec<u8> {
        Vec::new()
    }
    fn connect(&mut self, _: &Connect) -> Result<(), ProtocolError> {
        Ok(())
    }
    fn check_publish(&mut self, _: &str, _: Option<&str>) -> Result<(), ProtocolError> {
        Ok(())
    }
    fn publish(&mut self, message: Publish<'_>) -> Result<(), ProtocolError> {
        black_box(message);
        Ok(())
    }
    fn subscribe(&mut self, interest: Subscribe<'_>) -> Result<(), ProtocolError> {
        black_box(interest);
        Ok(())
    }
    fn unsubscribe(&mut self, sid: &[u8], max: Option<u64>) {
        black_box((sid, max));
    }
    fn unsubscribe_all(&mut self) {}
}

fn session(criterion: &mut Criterion, by: Unit) {
    let mut group = criterion.benchmark_group(format!("session/{}", by.name()));
    for (name, bytes, count) in workloads() {
        group.throughput(by.of(bytes.len(), count));
        let mut session = Session::new(SessionOptions::default(), Duration::ZERO);
        let mut input = BytesMut::from("CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\n");
        session.handle_input(&mut input, Duration::ZERO, &mut Nobody).expect("it is right");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                input.extend_from_slice(&bytes);
                session.handle_input(&mut input, Duration::from_secs(1), &mut Nobody).expect("it is right");
            });
        });
    }
    group.finish();
}

fn encoder(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode/messages");
    let (small, large) = (vec![b'x'; 16], vec![b'x'; 1024]);
    let msg = |payload, reply, headers| Delivery { subject: "orders.eu.new", sid: b"22", reply, headers, payload };
    for (name, delivery) in [
        ("msg_16", msg(&small, None, &[])),
        ("msg_16_reply", msg(&small, Some("_INBOX.x.y"), &[])),
        ("msg_1k", msg(&large, None, &[])),
        ("hmsg_16", msg(&small, None, b"NATS/1.0\r\nTrace-Id: 0af7651916cd43dd\r\n\r\n")),
    ] {
        group.throughput(Throughput::Elements(100));
        let mut out = Vec::with_capacity(CHUNK * 2);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                for _ in 0..100 {
                    black_box(&delivery).write(&mut out, true);
                }
                black_box(&out);
            });
        });
    }
    group.finish();
}

/// The client's end: what the encoder wrote.
fn server_decoder(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode_server/operations");
    for size in [16, 1024] {
        let mut message = Vec::new();
        let payload = vec![b'x'; size];
        Delivery { subject: "orders.eu.new", sid: b"22", reply: None, headers: &[], payload: &payload }
            .write(&mut message, true);
        let (bytes, count) = chunk(&[message]);
        group.throughput(Throughput::Elements(count));
        let (mut decoder, mut input) = (ServerDecoder::default(), BytesMut::new());
        group.bench_function(format!("msg_{size}"), |bencher| {
            bencher.iter(|| {
                input.extend_from_slice(&bytes);
                while let Some(operation) = decoder.next(&mut input).expect("it is right") {
                    black_box(operation);
                }
            });
        });
    }
    group.finish();
}

fn text(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("text");
    for (name, text) in [
        ("short", "orders.eu.new"),
        ("not_ascii", "orders.größe.neu"),
        ("long", "_INBOX.aBcDeFgHiJkLmNoPqRsTuV.aBcDeFgHiJkLmNoPqRsTuV"),
    ] {
        group.bench_function(format!("to_text/{name}"), |bencher| bencher.iter(|| to_text(black_box(text.as_bytes()))));
        group.bench_function(format!("to_wire/{name}"), |bencher| bencher.iter(|| to_wire(black_box(text))));
    }
    group.finish();
}

#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    Operations,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Bytes => "bytes",
            Unit::Operations => "operations",
        }
    }

    fn of(self, bytes: usize, count: u64) -> Throughput {
        match self {
            Unit::Bytes => Throughput::Bytes(bytes as u64),
            Unit::Operations => Throughput::Elements(count),
        }
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .configure_from_args();
    for by in [Unit::Bytes, Unit::Operations] {
        decoder(&mut criterion, by);
        session(&mut criterion, by);
    }
    server_decoder(&mut criterion);
    encoder(&mut criterion);
    text(&mut criterion);
    criterion.final_summary();
}
