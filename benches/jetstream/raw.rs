//! Streams by nothing but bytes: one thread with one socket, so that nearly all the time is the server's.

use std::time::Instant;

use crate::clients::payload;
use crate::common::samples::per_message;
use crate::process::{Cpu, Place};
use crate::socket::Socket;
use crate::workloads::Round;

/// Publishes under way to the server.
const WINDOW: u64 = 256;

/// Messages of one pull request.
const BATCH: u64 = 200;

/// Publishes with acknowledgements, 256 under way; the time of one.
pub(crate) fn publish<const SIZE: usize>(place: &Place, steps: u64, _round: usize) -> Round {
    let mut socket = with_stream(place, "");
    let one = [format!("PUB s.a _INBOX.ack {SIZE}\r\n").as_bytes(), &payload(SIZE), b"\r\n"].concat();
    socket.write(b"SUB _INBOX.ack 2\r\n");
    socket.settle();
    let before = Cpu::of(place.pid);
    let start = Instant::now();
    let (mut sent, mut acked) = (0, 0);
    while acked < steps {
        let more = (acked + WINDOW).min(steps) - sent;
        if more > 0 {
            socket.write(&one.repeat(more as usize));
            sent += more;
        }
        acked += socket.some(|message| assert!(message.body.starts_with(b"{\"stream\":"), "{:?}", message.body));
    }
    let round = Round { ns: per_message(start.elapsed(), steps), steps, before, after: Cpu::of(place.pid) };
    assert_eq!(acked, steps, "acknowledgements");
    delete(socket);
    round
}

/// Publishes with acknowledgements, each sent when the one before is acknowledged; the time of one.
pub(crate) fn publish_alone(place: &Place, steps: u64, _round: usize) -> Round {
    let mut socket = with_stream(place, "");
    let one = [b"PUB s.a _INBOX.ack 16\r\n", payload(16).as_slice(), b"\r\n"].concat();
    socket.write(b"SUB _INBOX.ack 2\r\n");
    socket.settle();
    let before = Cpu::of(place.pid);
    let start = Instant::now();
    for _ in 0..steps {
        socket.write(&one);
        socket.each(1, |message| message.sid == "2");
    }
    let round = Round { ns: per_message(start.elapsed(), steps), steps, before, after: Cpu::of(place.pid) };
    delete(socket);
    round
}

/// Pull requests of 200 messages of 16 bytes, each acknowledged alone; the time of a message.
pub(crate) fn fetch(place: &Place, steps: u64, _round: usize) -> Round {
    let steps = steps.div_ceil(BATCH) * BATCH;
    let mut socket = with_messages(place, steps);
    socket.ask(
        "CONSUMER.CREATE.S.C",
        r#"{"stream_name":"S","config":{"name":"C","durable_name":"C","ack_policy":"explicit","max_ack_pending":1000}}"#,
    );
    socket.write(b"SUB _INBOX.pull 2\r\n");
    socket.settle();
    let request = format!(r#"{{"batch":{BATCH},"expires":60000000000}}"#);
    let request = format!("PUB $JS.API.CONSUMER.MSG.NEXT.S.C _INBOX.pull {}\r\n{request}\r\n", request.len());
    let before = Cpu::of(place.pid);
    let start = Instant::now();
    let mut acks = Vec::new();
    for _ in 0..steps / BATCH {
        acks.extend_from_slice(request.as_bytes());
        socket.write(&acks);
        acks.clear();
        socket.each(BATCH, |message| {
            let reply = message.reply.expect("a message to be acknowledged");
            acks.extend_from_slice(b"PUB ");
            acks.extend_from_slice(reply.as_bytes());
            acks.extend_from_slice(b" 4\r\n+ACK\r\n");
            true
        });
    }
    socket.write(&acks);
    socket.settle();
    let round = Round { ns: per_message(start.elapsed(), steps), steps, before, after: Cpu::of(place.pid) };
    // nats-server takes acknowledgements from a queue, too.
    let mut info = String::new();
    for _ in 0..10_000 {
        info = socket.ask("CONSUMER.INFO.S.C", "");
        if info.contains("\"num_ack_pending\":0") {
            break;
        }
    }
    assert!(info.contains("\"num_ack_pending\":0") && info.contains("\"num_pending\":0"), "{info}");
    delete(socket);
    round
}

/// A push consumer as ordered consumers make one, with flow control; the time of a message of 16 bytes.
pub(crate) fn push(place: &Place, steps: u64, _round: usize) -> Round {
    let mut socket = with_messages(place, steps);
    socket.write(b"SUB _INBOX.push 2\r\n");
    socket.settle();
    let before = Cpu::of(place.pid);
    let start = Instant::now();
    socket.write(create("C", r#""deliver_subject":"_INBOX.push","ack_policy":"none","flow_control":true,"idle_heartbeat":5000000000,"mem_storage":true,"num_replicas":1"#).as_bytes());
    let mut received = 0;
    while received < steps {
        let mut flow = None;
        received += {
            let mut others = 0;
            let all = socket.some(|message| {
                let is_flow =
                    message.has_headers && message.reply.is_some() && message.body.starts_with(b"NATS/1.0 100");
                if is_flow {
                    flow = message.reply.map(str::to_owned);
                }
                others += u64::from(is_flow || message.sid != "2" || message.body.starts_with(b"NATS/1.0 100"));
            });
            all - others
        };
        if let Some(reply) = flow {
            socket.write(format!("PUB {reply} 0\r\n\r\n").as_bytes());
        }
    }
    let round = Round { ns: per_message(start.elapsed(), steps), steps, before, after: Cpu::of(place.pid) };
    assert_eq!(received, steps, "messages");
    delete(socket);
    round
}

/// A consumer with a wildcard filter on a stream of 1,000,000 subjects, by its exact `num_pending`; the time of one. The stream is made in
/// the first round.
pub(crate) fn wide(place: &Place, steps: u64, round: usize) -> Round {
    const SUBJECTS: u64 = 1_000_000;
    let subjects = if steps < 10 { SUBJECTS / 100 } else { SUBJECTS };
    let mut socket = Socket::connect(place);
    if round == 0 {
        socket.ask("STREAM.CREATE.WIDE", r#"{"name":"WIDE","subjects":["wide.>"],"storage":"memory"}"#);
        for thousand in 0..subjects / 1_000 {
            let all: String = (0..1_000).map(|n| format!("PUB wide.{}.{thousand}.{n} 1\r\nx\r\n", n % 10)).collect();
            socket.write(all.as_bytes());
            socket.settle();
        }
    }
    let before = Cpu::of(place.pid);
    let start = Instant::now();
    for step in 0..steps {
        let json = r#"{"stream_name":"WIDE","config":{"filter_subject":"wide.3.>","ack_policy":"explicit","mem_storage":true,"inactive_threshold":1000000000}}"#;
        let info = socket.ask(
            &format!("CONSUMER.CREATE.WIDE.W{round}x{step}.wide.3.>"),
            &json.replacen("\"filter", &format!("\"name\":\"W{round}x{step}\",\"filter"), 1),
        );
        assert!(info.contains(&format!("\"num_pending\":{}", subjects / 10)), "{info}");
    }
    Round { ns: per_message(start.elapsed(), steps), steps, before, after: Cpu::of(place.pid) }
}

fn create(name: &str, fields: &str) -> String {
    let json = format!(r#"{{"stream_name":"S","config":{{"name":"{name}",{fields}}}}}"#);
    format!("PUB $JS.API.CONSUMER.CREATE.S.{name} _INBOX.api {}\r\n{json}\r\n", json.len())
}

/// A connection, and a new stream `S` of `s.>` in memory.
fn with_stream(place: &Place, more: &str) -> Socket {
    let mut socket = Socket::connect(place);
    socket.ask("STREAM.CREATE.S", &format!(r#"{{"name":"S","subjects":["s.>"],"storage":"memory"{more}}}"#));
    socket
}

/// The same, with so many messages of 16 bytes in it.
fn with_messages(place: &Place, messages: u64) -> Socket {
    let mut socket = with_stream(place, "");
    let one = [b"PUB s.a 16\r\n", payload(16).as_slice(), b"\r\n"].concat();
    let mut left = messages;
    while left > 0 {
        let some = left.min(1_000);
        socket.write(&one.repeat(some as usize));
        // nats-server takes publishes from a queue: they are not in the stream before an acknowledgement behind them is.
        socket.write(b"PUB s.a _INBOX.api 16\r\n");
        socket.write(&payload(16));
        socket.write(b"\r\n");
        socket.each(1, |message| message.sid == "1");
        left -= some;
    }
    // Those for the acknowledgements are too many.
    socket.ask("STREAM.PURGE.S", &format!(r#"{{"keep":{messages}}}"#));
    socket
}

fn delete(mut socket: Socket) {
    socket.ask("STREAM.DELETE.S", "");
}
